//! What holds of every run, whatever the plan and the host: tried on random ones.

use std::collections::BTreeSet;

use super::toys::{Fate, Made};
use super::worlds::{World, ids, plan, told, verdict};
use crate::engine::run::Stop;
use crate::engine::{Id, Outcome};

/// How many worlds each property is tried on.
const WORLDS: u64 = 150;

fn worlds(count: u64) -> impl Iterator<Item = (u64, World)> {
    (0..count).map(|seed| (seed, World::random(seed)))
}

#[test]
fn a_run_changes_what_its_plan_said_and_the_next_one_nothing() {
    for (seed, world) in worlds(WORLDS) {
        let (place, plan) = (world.begins(), world.plan());
        let untouched = place.files();
        let foreseen = place.preview(&plan);
        assert_eq!(place.files(), untouched, "a plan touched the host; seed {seed}: {world:?}");

        let done = place.converge(&plan, &Stop::new());
        assert!(done.is_good(), "seed {seed}: {} of {world:?}", told(&done));
        assert_eq!(ids(&foreseen, "pending"), ids(&done, "changed"), "seed {seed}: {world:?}");

        let after = place.files();
        let again = place.converge(&plan, &Stop::new());
        assert_eq!(ids(&again, "ok").len(), again.resources.len(), "seed {seed}: {} of {world:?}", told(&again));
        assert_eq!(place.files(), after, "seed {seed}: {world:?}");
        assert!(ids(&place.preview(&plan), "pending").is_empty(), "seed {seed}: {world:?}");
    }
}

#[test]
fn what_needs_something_that_failed_is_left_alone_and_everything_else_goes_on() {
    let mut failures = 0;
    for (seed, world) in worlds(WORLDS) {
        for (number, victim) in world.now.iter().enumerate() {
            let fates =
                [Fate::CannotBeLookedAt, Fate::PanicsWhenLookedAt, Fate::Fails, Fate::Panics, Fate::DoesNotHold];
            let mut wishes = world.now.clone();
            wishes[number].toy.fate = fates[(usize::try_from(seed).unwrap() + number) % fates.len()];
            let (place, made) = (world.begins(), Made::default());
            let outcome = place.converge(&plan(&wishes, &made), &Stop::new());

            let failed: BTreeSet<&Id> = ids(&outcome, "failed").into_iter().collect();
            failures += usize::from(!failed.is_empty());
            for id in made.borrow().iter() {
                let above = world.above(id);
                // What is applied as one stands or falls together.
                let fellow = |above: &Id| above.kind() == "herd" && id.kind() == "herd";
                let broken: Vec<&Id> = above.iter().filter(|&above| failed.contains(above) && !fellow(above)).collect();
                assert!(broken.is_empty(), "`{id}` was made after {broken:?} failed; seed {seed}: {world:?}");
            }
            for wish in world.now.iter().filter(|wish| !failed.contains(&wish.id())) {
                let stands = world.above(&wish.id()).iter().all(|above| !failed.contains(above));
                let fine = matches!(verdict(&outcome, &wish.id()), "ok" | "changed");
                assert!(
                    !stands || fine,
                    "`{}` needs nothing that failed; seed {seed}: {}{world:?}",
                    wish.id(),
                    told(&outcome)
                );
            }
            // What failed is a member of a herd or the victim itself.
            assert!(
                failed.iter().all(|id| **id == victim.id() || id.kind() == "herd"),
                "seed {seed}: {}{world:?}",
                told(&outcome)
            );

            // It works the next time.
            place.converge(&world.plan(), &Stop::new());
            assert_eq!(place.files(), world.ends(), "seed {seed}, {}: {world:?}", victim.id());
        }
    }
    assert!(failures > 300, "only {failures} runs failed: these worlds try nothing");
}

#[test]
fn a_run_that_was_asked_to_stop_at_any_moment_is_finished_by_the_next() {
    for (seed, world) in worlds(WORLDS / 3) {
        let (plan, ends) = (world.plan(), world.ends());
        for moment in 0.. {
            let (place, stop, mut events) = (world.begins(), Stop::new(), 0);
            let foreseen = place.preview(&plan);
            let outcome = place.watched(&plan, &stop, &mut |_| {
                if events == moment {
                    stop.ask();
                }
                events += 1;
            });
            if !stop.asked() {
                break;
            }
            assert!(outcome.interrupted, "seed {seed}, event {moment}");
            assert!(ids(&outcome, "failed").is_empty(), "seed {seed}, event {moment}: {}", told(&outcome));
            let foreseen: BTreeSet<&Id> = ids(&foreseen, "pending").into_iter().collect();
            assert!(ids(&outcome, "changed").iter().all(|id| foreseen.contains(id)), "seed {seed}, event {moment}");

            let next = place.converge(&plan, &Stop::new());
            assert!(next.is_good(), "seed {seed}, event {moment}: {}{world:?}", told(&next));
            assert_eq!(place.files(), ends, "seed {seed}, event {moment}: {world:?}");
        }
    }
}

#[test]
fn a_run_that_was_killed_at_any_moment_is_finished_by_the_next() {
    let mut moments = 0;
    for (seed, world) in worlds(WORLDS / 3) {
        let (plan, ends) = (world.plan(), world.ends());
        for polls in 0.. {
            let place = world.begins();
            if place.cut_off(&plan, polls, polls % 2 == 0) {
                break;
            }
            moments += 1;
            let foreseen = place.preview(&plan);
            let next = place.converge(&plan, &Stop::new());
            assert!(next.is_good(), "seed {seed}, poll {polls}: {}{world:?}", told(&next));
            assert_eq!(ids(&foreseen, "pending"), ids(&next, "changed"), "seed {seed}, poll {polls}: {world:?}");
            assert_eq!(place.files(), ends, "seed {seed}, poll {polls}: {world:?}");
        }
    }
    assert!(moments > 300, "only {moments} moments: these worlds try nothing");
}

#[test]
fn what_is_told_has_the_order_of_the_plan_whatever_ends_first() {
    let order = |outcome: &Outcome| outcome.resources.iter().map(|told| told.id.clone()).collect::<Vec<_>>();
    for (seed, mut world) in worlds(WORLDS) {
        let foreseen = order(&world.begins().preview(&world.plan()));
        let first: Vec<Id> = world.plan().ids().cloned().collect();
        for wish in &world.now {
            let place = |id: &Id| first.iter().position(|other| other == id);
            assert!(wish.toy.needs.iter().all(|need| place(need) < place(&wish.id())), "seed {seed}: {first:?}");
        }
        assert!(foreseen.starts_with(&first), "removals come last; seed {seed}: {foreseen:?}");
        for pace in 0..3 {
            for wish in &mut world.now {
                wish.toy.waits = std::array::from_fn(|n| (wish.toy.waits[n] + pace) % 3);
            }
            assert!(world.plan().ids().eq(&first), "seed {seed}");
            assert_eq!(order(&world.begins().converge(&world.plan(), &Stop::new())), foreseen, "seed {seed}");
        }
    }
}

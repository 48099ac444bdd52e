//! What hangs is given up after its time, and the rest of the run does not wait for it.

use std::time::Instant;

use super::*;

fn cause(outcome: &Outcome, name: &str) -> Cause {
    let told = outcome.resources.iter().find(|told| told.id.name() == name).unwrap();
    match &told.verdict {
        Verdict::Failed(failure) => failure.cause.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_hangs_is_given_up_with_nothing_half_done_and_the_rest_goes_on() {
    let (place, began) = (Place::new(), Instant::now());
    let words = [
        word("hangs", "1").that(Fate::Hangs),
        word("follows", "2").after("word:hangs"),
        word("dark", "3").that(Fate::HangsWhenLookedAt),
        word("other", "4"),
    ];
    let outcome = place.outcome(&words, &Stop::new());
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(told(&outcome), ["hangs failed", "follows skipped", "dark failed", "other changed"]);

    let hung = cause(&outcome, "hangs");
    assert_eq!(
        (hung.code, hung.says.as_str()),
        ("step-slow", "was not done after 200 ms and was given up, while running `sleep 300`")
    );
    assert!(hung.hint.is_some());
    assert_eq!(cause(&outcome, "dark").says, "was not done after 50 ms and was given up");
    let there = |name: &str| place.0.path().join(name).exists();
    assert!(!there("hangs.half") && there("other"), "what it had begun is taken back");
    assert!(!outcome.interrupted && outcome.trouble.is_none());
    // The next run finds nothing in its way.
    let words = [word("hangs", "1"), word("follows", "2").after("word:hangs"), word("dark", "3"), word("other", "4")];
    assert_eq!(place.converge(&words), ["hangs changed", "follows changed", "dark changed", "other ok"]);
}

#[test]
fn a_run_whose_time_is_up_finishes_the_step_in_hand_and_says_what_is_left() {
    let (place, stop) = (Place::new(), Stop::new());
    let words = [word("a", "1"), word("b", "2").after("word:a")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let late = stop.clone();
    let mut watch = |event: Event<'_>| {
        if matches!(event, Event::Started(_)) {
            late.time_is_up(Duration::from_mins(90));
        }
    };
    let outcome = runtime.block_on(converge(&plan(&words), &place.host(), &stop, &mut watch));
    assert_eq!(told(&outcome), ["a changed", "b skipped"]);
    let Verdict::Skipped(reason) = &outcome.resources[1].verdict else { panic!("{outcome:?}") };
    assert_eq!(reason, "the run's time, 1 h 30 min, was up before it");
    assert_eq!((outcome.word(), outcome.interrupted), ("failed", true));
    let trouble = outcome.trouble.unwrap();
    assert_eq!(
        (trouble.code, trouble.says.as_str()),
        ("run-slow", "the run was not done after 1 h 30 min, which is all the time it had")
    );
    assert!(trouble.hint.unwrap().contains("--deadline"));
    assert_eq!(place.converge(&words), ["a ok", "b changed"]);
}

#[test]
fn a_run_that_is_done_when_its_time_is_up_is_done() {
    let (place, stop) = (Place::new(), Stop::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let late = stop.clone();
    let mut watch = |event: Event<'_>| {
        if matches!(event, Event::Started(_)) {
            late.time_is_up(Duration::from_mins(90));
        }
    };
    let outcome = runtime.block_on(converge(&plan(&[word("a", "1")]), &place.host(), &stop, &mut watch));
    assert_eq!((outcome.word(), outcome.interrupted, outcome.trouble.is_none()), ("converged", false, true));
}

#[test]
fn a_run_without_any_time_looks_at_nothing_and_claims_nothing() {
    let (place, stop) = (Place::new(), Stop::new());
    place.converge(&[word("a", "1")]);
    stop.time_is_up(Duration::ZERO);
    let outcome = place.outcome(&[word("a", "1"), word("b", "2")], &stop);
    assert_eq!((told(&outcome), outcome.word()), (vec!["a skipped".to_owned(), "b skipped".to_owned()], "failed"));
}

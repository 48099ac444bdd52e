//! What hangs is given up after its time, and the rest of the run does not wait for it.

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::host::programs::Program;

/// Comes to no end: when it is looked at, or with half of it done.
#[derive(Debug, Serialize)]
struct Hangs {
    when_looked_at: bool,
}

impl Resource for Hangs {
    fn id(&self) -> Id {
        Id::new("hangs", if self.when_looked_at { "dark" } else { "half" })
    }

    fn patience(&self) -> Patience {
        let looking = if self.when_looked_at { Duration::from_millis(50) } else { Patience::USUAL.looking };
        Patience { looking, applying: Duration::from_millis(200) }
    }

    async fn check(&self, _host: &Look) -> Result<Changes, Cause> {
        if self.when_looked_at {
            std::future::pending::<()>().await;
        }
        Ok(Changes::none().appears("it", "there"))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        host.replace(Path::new("/half"), b"half", root())?;
        host.run(&Program::does("sleep").arg("300")).await?;
        Ok(())
    }

    fn cut_off(&self, host: &Touch) -> Result<(), Cause> {
        Ok(host.remove(Path::new("/half"))?)
    }
}

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
    let mut draft = Draft::default();
    draft.add(Hangs { when_looked_at: false });
    draft.add(Hangs { when_looked_at: true });
    draft.add(word("follows", "2").after("hangs:half"));
    draft.add(word("other", "4"));
    let plan = draft.finish().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(converge(&plan, &place.host(), &Stop::new(), &mut |_| {}));
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(told(&outcome), ["half failed", "dark failed", "follows skipped", "other changed"]);

    let hung = cause(&outcome, "half");
    assert_eq!(
        (hung.code, hung.says.as_str()),
        ("step-slow", "was not done after 200 ms and was given up, while running `sleep 300`")
    );
    assert!(hung.hint.is_some());
    assert_eq!(cause(&outcome, "dark").says, "was not done after 50 ms and was given up");
    let there = |name: &str| place.0.path().join(name).exists();
    assert!(!there("half") && there("other"), "what it had begun is taken back");
    assert!(!outcome.interrupted && outcome.trouble.is_none());
    // The next run finds nothing in its way.
    assert_eq!(place.converge(&[word("follows", "2"), word("other", "4")]), ["follows changed", "other ok"]);
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

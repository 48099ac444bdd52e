//! What a run tells of its times.

use std::time::Duration;

use super::super::course::{Course, Doing, Part};
use super::*;

/// Words that are applied as one.
#[derive(Debug, Clone, Serialize)]
struct Many(Word);

impl Resource for Many {
    const TOGETHER: bool = true;

    fn id(&self) -> Id {
        Id::new("many", &self.0.name)
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        self.0.check(host).await
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        self.0.apply(host).await
    }

    fn traces(&self) -> Vec<Trace> {
        self.0.traces()
    }
}

fn course<'o>(outcome: &'o Outcome, id: &str) -> &'o Course {
    &outcome.resources.iter().find(|told| told.id.as_str() == id).unwrap().course
}

fn doings(course: &Course) -> Vec<Doing> {
    course.spans.iter().map(|span| span.doing).collect()
}

fn run(draft: Draft, place: &Place) -> Outcome {
    let (plan, host) = (draft.finish().unwrap(), place.host());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(converge(&plan, &host, &Stop::new(), &mut |_| {}))
}

fn chain_of_three() -> Draft {
    let mut draft = Draft::default();
    draft.at(KeyPath::root().key("first").key("x"));
    draft.add(Many(word("a", "1")));
    draft.add(Many(word("b", "1")));
    draft.at(KeyPath::root().key("second"));
    draft.add(word("c", "1").after("many:b"));
    draft.add(word("d", "1").after("word:c")).after(&Id::from("many:a"));
    draft
}

#[test]
fn a_course_tells_who_waited_for_whom_and_every_span() {
    let place = Place::new();
    let outcome = run(chain_of_three(), &place);
    let (a, b, c, d) = (
        course(&outcome, "many:a"),
        course(&outcome, "many:b"),
        course(&outcome, "word:c"),
        course(&outcome, "word:d"),
    );
    let all = [Doing::Surveying, Doing::Looking, Doing::Applying, Doing::Verifying];
    assert!([a, b, c, d].iter().all(|course| doings(course) == all), "{outcome:#?}");
    assert!([a, b, c, d].iter().all(|course| course.spans.iter().all(|span| span.from <= span.till)));

    assert_eq!((&a.needs, &c.needs, &d.needs), (&vec![], &vec!["many:*".into()], &vec!["word:c".into()]));
    assert_eq!((&a.with, &b.with, &c.with), (&Some("many:*".into()), &Some("many:*".into()), &None));
    assert_eq!(a.spans[2], b.spans[2], "applied in one go");
    assert_eq!((c.ready, d.ready), (b.ended, c.ended), "ready when the last that it needs is done with");
    assert!(c.spans[1].from >= c.ready.unwrap() && c.ended.unwrap() >= c.spans[3].till);
    assert_eq!([a, c].map(|course| course.table.as_str()), ["first", "second"]);

    let parts: Vec<Part> = outcome.parts.iter().map(|(part, _)| *part).collect();
    assert_eq!(parts, [Part::Healing, Part::Survey, Part::Removals, Part::Act, Part::Removals]);
    assert!(outcome.parts.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    assert!(outcome.parts[4].1 <= outcome.took);
    assert!(a.spans[0].till <= outcome.parts[1].1 && a.spans[1].from >= outcome.parts[2].1);
}

#[test]
fn what_is_right_is_surveyed_and_then_left_alone() {
    let place = Place::new();
    run(chain_of_three(), &place);
    let outcome = run(chain_of_three(), &place);
    let c = course(&outcome, "word:c");
    assert_eq!(doings(c), [Doing::Surveying]);
    assert!(c.ended >= c.ready && c.ready > Some(Duration::ZERO));
}

#[test]
fn what_goes_and_what_reads_it_have_their_spans_too() {
    let place = Place::new();
    let with_old = || {
        let mut draft = chain_of_three();
        draft.add(word("old", "1"));
        draft
    };
    run(with_old(), &place);
    let outcome = run(chain_of_three(), &place);
    let old = course(&outcome, "word:old");
    assert_eq!((doings(old), old.needs.len(), old.table.as_str()), (vec![Doing::Applying], 0, ""));
    assert_eq!(doings(course(&outcome, "word:c")), [Doing::Surveying, Doing::Looking], "looked at again");
    assert_eq!(outcome.parts.last().map(|(part, _)| *part), Some(Part::Again));
}

#[test]
fn a_failure_ends_with_the_span_that_failed_and_a_plan_has_looks_alone() {
    let place = Place::new();
    let mut draft = Draft::default();
    draft.add(word("a", "1").that(Fate::Fails));
    draft.add(word("b", "1").after("word:a"));
    let outcome = run(draft, &place);
    assert_eq!(doings(course(&outcome, "word:a")), [Doing::Surveying, Doing::Looking, Doing::Applying]);
    assert_eq!(doings(course(&outcome, "word:b")), [Doing::Surveying]);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let planned = runtime.block_on(preview(&plan(&[word("z", "1")]), &place.host(), &mut |_| {}));
    assert_eq!(doings(course(&planned, "word:z")), [Doing::Surveying]);
    assert_eq!((course(&planned, "word:z").ready, course(&planned, "word:z").ended), (None, None));
}

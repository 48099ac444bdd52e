//! The engine's promises, with toy resources on real files in a temporary root.

mod properties;
mod toys;
mod worlds;

use std::path::PathBuf;

use serde::Serialize;

use super::run::{Event, Stop, converge, preview};
use super::*;
use crate::host::files::Access;
use crate::host::ledger::Trace;
use crate::host::programs::Real;
use crate::host::{Host, Look, Touch};
use crate::problem::KeyPath;

mod bounds;
mod courses;

/// A file that holds one word. It may need others, fail, or panic.
#[derive(Debug, Clone, Serialize)]
struct Word {
    name: String,
    text: String,
    #[serde(skip)]
    needs: Vec<&'static str>,
    #[serde(skip)]
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    Fails,
    Panics,
    DoesNotHold,
    /// Can be looked at only when the first of its needs is there, as a role needs a server.
    Blind,
    /// Stands where something else does, and nothing will change that.
    Refuses,
    /// Holds what the first of its needs holds, and cannot foresee it.
    Follows,
}

fn word(name: &str, word: &str) -> Word {
    Word { name: name.into(), text: word.into(), needs: Vec::new(), fate: Fate::Works }
}

impl Word {
    fn path(&self) -> PathBuf {
        PathBuf::from("/").join(&self.name)
    }

    fn after(self, need: &'static str) -> Self {
        Self { needs: vec![need], ..self }
    }

    fn wanted(&self, host: &Look) -> Result<String, Cause> {
        let follows = self.needs.first().filter(|_| self.fate == Fate::Follows);
        let followed = follows.map(|need| host.read_text(&PathBuf::from("/").join(need.trim_start_matches("word:"))));
        Ok(followed.transpose()?.flatten().unwrap_or_else(|| self.text.clone()))
    }

    fn that(self, fate: Fate) -> Self {
        Self { fate, ..self }
    }
}

impl Resource for Word {
    fn id(&self) -> Id {
        Id::new("word", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        self.needs.iter().map(|id| Id::from(*id)).collect()
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        if self.fate == Fate::Blind
            && host.found(&PathBuf::from("/").join(self.needs[0].trim_start_matches("word:")))?.is_none()
        {
            return Err(Cause::new("blind", "there is nobody to ask"));
        }
        if self.fate == Fate::Refuses {
            return Err(Cause::new("wrong-kind", "something else is there"));
        }
        let now = host.read_text(&self.path())?.unwrap_or_default();
        Ok(Changes::none().value("word", &now, &self.wanted(host)?))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        assert!(self.fate != Fate::Panics, "on purpose");
        match self.fate {
            Fate::Fails => Err(Cause::new("toy", "on purpose")),
            Fate::DoesNotHold => Ok(()),
            _ => Ok(host.replace(&self.path(), self.wanted(host)?.as_bytes(), root())?),
        }
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.path())]
    }
}

fn root() -> Access {
    Access { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw(), mode: 0o644 }
}

fn plan(words: &[Word]) -> Plan {
    let mut draft = Draft::default();
    for word in words {
        draft.add(word.clone());
    }
    draft.finish().unwrap()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn host(&self) -> Host {
        Host::at(self.0.path(), Box::new(Real)).unwrap()
    }

    fn preview(&self, words: &[Word]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        told(&runtime.block_on(preview(&plan(words), &self.host(), &mut |_| {})))
    }

    fn converge(&self, words: &[Word]) -> Vec<String> {
        told(&self.outcome(words, &Stop::new()))
    }

    fn outcome(&self, words: &[Word], stop: &Stop) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(converge(&plan(words), &self.host(), stop, &mut |_| {}))
    }
}

fn told(outcome: &Outcome) -> Vec<String> {
    let line = |told: &outcome::Told| {
        let drift = if told.drift { " (drift)" } else { "" };
        format!("{} {}{drift}", told.id.name(), told.verdict.word())
    };
    outcome.resources.iter().map(line).collect()
}

#[test]
fn what_converge_changes_is_what_plan_said_and_then_nothing_is_left() {
    let (place, words) = (Place::new(), [word("a", "1"), word("b", "2").after("word:a").that(Fate::Blind)]);
    assert_eq!(place.preview(&words), ["a pending", "b pending"]);
    assert_eq!(place.host().writes(), 0);
    assert_eq!(place.converge(&words), ["a changed", "b changed"]);
    assert_eq!(place.preview(&words), ["a ok", "b ok"]);
    assert_eq!(place.converge(&words), ["a ok", "b ok"]);
}

#[test]
fn a_need_comes_first_whatever_the_order_of_the_recipe() {
    let plan = plan(&[word("b", "2").after("word:a"), word("a", "1")]);
    assert_eq!(plan.ids().map(Id::as_str).collect::<Vec<_>>(), ["word:a", "word:b"]);
    assert!(plan.orders("word:a", "word:b") && !plan.orders("word:b", "word:a"));
}

#[test]
fn a_failure_skips_what_depends_on_it_and_nothing_else() {
    let words = [
        word("a", "1").that(Fate::Fails),
        word("b", "2").after("word:a"),
        word("c", "3").after("word:b"),
        word("d", "4"),
    ];
    assert_eq!(Place::new().converge(&words), ["a failed", "b skipped", "c skipped", "d changed"]);
}

#[test]
fn what_has_nobody_to_ask_after_a_failure_is_skipped_and_what_is_refused_for_good_is_told() {
    let words = [
        word("a", "1").that(Fate::Refuses),
        word("b", "2").after("word:a").that(Fate::Blind),
        word("c", "3").after("word:a").that(Fate::Refuses),
    ];
    assert_eq!(Place::new().preview(&words), ["a failed", "b skipped", "c failed"]);
    assert_eq!(Place::new().converge(&words), ["a failed", "b skipped", "c failed"]);
}

#[test]
fn what_turns_out_to_differ_only_in_the_run_is_left_alone_too_after_a_failure() {
    let follows = || Word { needs: vec!["word:a", "word:b"], ..word("c", "").that(Fate::Follows) };
    let place = Place::new();
    place.converge(&[word("a", "1"), word("b", "1"), follows()]);
    let words = [word("a", "2"), word("b", "2").that(Fate::Fails), follows()];
    assert_eq!(place.converge(&words), ["a changed", "b failed", "c skipped"]);
}

#[test]
fn a_panic_is_the_failure_of_one_resource() {
    let words = [word("a", "1").that(Fate::Panics), word("b", "2")];
    assert_eq!(Place::new().converge(&words), ["a failed", "b changed"]);
}

#[test]
fn what_does_not_hold_is_a_failure_every_time() {
    let (place, words) = (Place::new(), [word("a", "1").that(Fate::DoesNotHold)]);
    assert_eq!(place.converge(&words), ["a failed"]);
    assert_eq!(place.converge(&words), ["a failed"]);
}

#[test]
fn what_somebody_changed_is_drift_and_what_the_recipe_changed_is_not() {
    let place = Place::new();
    place.converge(&[word("a", "1"), word("b", "1")]);
    std::fs::write(place.0.path().join("a"), "edited").unwrap();
    assert_eq!(place.preview(&[word("a", "1"), word("b", "2")]), ["a pending (drift)", "b pending"]);
    assert_eq!(place.converge(&[word("a", "1"), word("b", "2")]), ["a changed (drift)", "b changed"]);
}

#[test]
fn what_the_recipe_stops_naming_goes_if_it_was_made_here_and_not_edited() {
    let place = Place::new();
    std::fs::write(place.0.path().join("old"), "before").unwrap();
    place.converge(&[word("made", "1"), word("edited", "1"), word("old", "1"), word("kept", "1")]);
    std::fs::write(place.0.path().join("edited"), "by hand").unwrap();

    assert_eq!(place.preview(&[word("kept", "1")]), ["kept ok", "old ok", "made pending", "edited ok"]);
    let outcome = place.outcome(&[word("kept", "1")], &Stop::new());
    assert_eq!(told(&outcome), ["kept ok", "old ok", "made changed", "edited ok"]);
    assert!(outcome.released.is_empty(), "{:?}", outcome.released);
    assert!(outcome.resources[1].notes[0].contains("was there before hostagent, and is kept"));
    assert!(outcome.resources[3].notes[0].contains("edited by hand"));
    let left = |name: &str| place.0.path().join(name).exists();
    assert!(!left("made") && left("edited") && left("old") && left("kept"));
}

#[test]
fn a_run_that_is_asked_to_stop_finishes_the_step_in_hand_and_says_what_is_left() {
    let (place, stop) = (Place::new(), Stop::new());
    let words = [word("a", "1"), word("b", "2").after("word:a")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asked = stop.clone();
    let mut watch = |event: Event<'_>| {
        if matches!(event, Event::Started(_)) {
            asked.ask();
        }
    };
    let outcome = runtime.block_on(converge(&plan(&words), &place.host(), &stop, &mut watch));
    assert_eq!(told(&outcome), ["a changed", "b skipped"]);
    assert_eq!((outcome.word(), outcome.interrupted), ("failed", true));
}

#[test]
fn resources_that_wait_for_each_other_are_a_problem_that_names_them() {
    let mut draft = Draft::default();
    draft.add(word("a", "1").after("word:b"));
    draft.add(word("b", "1").after("word:a"));
    let problems = draft.finish().unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].says.contains("`word:a`") && problems[0].says.contains("`word:b`"), "{}", problems[0].says);
}

#[test]
fn a_need_that_nobody_declares_and_one_thing_wanted_in_two_ways_are_problems() {
    let mut draft = Draft::default();
    draft.at(KeyPath::root().key("x"));
    draft.add(word("a", "1")).after(&Id::from("word:b"));
    draft.add(word("a", "1"));
    draft.add(word("a", "2"));
    let says: Vec<String> = draft.finish().unwrap_err().into_iter().map(|problem| problem.says).collect();
    assert_eq!(says, ["`word:a` is wanted twice, in different ways", "nothing in this recipe declares `word:b`",]);
}

/// Another kind that writes where a word does.
#[derive(Debug, Serialize)]
struct Rival;

impl Resource for Rival {
    fn id(&self) -> Id {
        Id::new("rival", "a")
    }

    async fn check(&self, _: &Look) -> Result<Changes, Cause> {
        Ok(Changes::none())
    }

    async fn apply(&self, _: &Touch) -> Result<(), Cause> {
        Ok(())
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path("/a".into())]
    }
}

#[test]
fn two_that_write_one_path_are_a_problem() {
    let mut draft = Draft::default();
    draft.add(word("a", "1"));
    draft.add(Rival);
    assert_eq!(draft.finish().unwrap_err()[0].says, "`/a` is wanted by `word:a` and by `rival:a`");
}

#[test]
fn only_a_part_keeps_what_the_part_needs_and_removes_nothing() {
    let place = Place::new();
    place.converge(&[word("gone", "1")]);
    let part =
        plan(&[word("a", "1"), word("b", "2").after("word:a"), word("c", "3")]).only(&["word:b".into()]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(converge(&part, &place.host(), &Stop::new(), &mut |_| {}));
    assert_eq!(told(&outcome), ["a changed", "b changed"]);
    assert_eq!(plan(&[word("a", "1")]).only(&["nginx".into()]).unwrap_err(), ["nginx"]);
}

/// Things that are put right together, as packages are. One that is spelled `typo` is left out, and if one is called
/// `broken`, nothing is done.
#[derive(Debug, Clone, Serialize)]
struct Parcel(&'static str);

impl Resource for Parcel {
    const TOGETHER: bool = true;

    fn id(&self) -> Id {
        Id::new("parcel", self.0)
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let there = host.read(&PathBuf::from("/").join(self.0))?.is_some();
        Ok(Changes::none().value("there", &there, &true))
    }

    async fn apply(&self, _: &Touch) -> Result<(), Cause> {
        unreachable!("even one alone is put right by `apply_all`")
    }

    async fn apply_all(all: &[&Self], host: &Touch) -> Result<LeftOut, Cause> {
        if all.iter().any(|one| one.0 == "broken") {
            return Err(Cause::new("toy", "nothing goes"));
        }
        for one in all.iter().filter(|one| one.0 != "typo") {
            host.replace(&PathBuf::from("/").join(one.0), b"", root())?;
        }
        let left_out = all.iter().filter(|one| one.0 == "typo");
        Ok(left_out.map(|one| (one.id(), Cause::new("toy", "no such thing"))).collect())
    }
}

/// What a run makes of parcels, and of words that need each of them or any.
fn delivered(parcels: &[&'static str], words: &[Word]) -> Vec<String> {
    let mut draft = Draft::default();
    for parcel in parcels {
        draft.add(Parcel(parcel));
    }
    for word in words {
        draft.add(word.clone());
    }
    let (plan, place) = (draft.finish().unwrap(), Place::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    told(&runtime.block_on(converge(&plan, &place.host(), &Stop::new(), &mut |_| {})))
}

#[test]
fn one_that_is_left_out_fails_with_those_who_name_it_and_everything_else_goes_on() {
    let words = [
        word("any", "1").after("parcel:*"),
        word("its", "1").after("parcel:typo"),
        word("other", "1").after("parcel:a"),
    ];
    assert_eq!(
        delivered(&["a", "typo", "b"], &words),
        ["a changed", "typo failed", "b changed", "any changed", "its skipped", "other changed"]
    );
    assert_eq!(delivered(&["typo"], &words[..2]), ["typo failed", "any changed", "its skipped"]);
    assert_eq!(
        delivered(&["a", "broken"], &words[..1]),
        ["a failed", "broken failed", "any skipped"],
        "when nothing could be put right, whoever may need any of it waits"
    );
}

#[test]
fn an_edge_to_all_of_a_kind_is_one_list_however_many_have_it() {
    let mut draft = Draft::default();
    for name in ["a", "b", "c"] {
        draft.add(Parcel(name));
    }
    for number in 0..100 {
        draft.add(word(&number.to_string(), "1").after("parcel:*"));
    }
    let plan = draft.finish().unwrap();
    let of_words = || plan.steps.iter().filter(|step| step.id.kind() == "word");
    assert!(of_words().all(|step| step.first.named.is_empty() && step.first.kinds.len() == 1));
    let [one, .., other] = &of_words().map(|step| &step.first.kinds[0]).collect::<Vec<_>>()[..] else { panic!() };
    assert!(std::rc::Rc::ptr_eq(one, other));
    assert!(plan.orders("parcel:c", "word:99") && !plan.orders("word:1", "parcel:a"));
}

/// A directory, of which nothing but its name is wanted.
#[derive(Debug, Clone, Serialize)]
struct Folder(&'static str);

impl Resource for Folder {
    fn id(&self) -> Id {
        Id::new("folder", self.0)
    }

    fn precedes(&self) -> Vec<Id> {
        vec![Id::under("word", self.0.trim_start_matches('/'))]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        Ok(Changes::none().value("there", &host.found(self.0.as_ref())?.is_some(), &true))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        Ok(host.make_directory(self.0.as_ref(), Access { mode: 0o755, ..root() })?)
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.0.into())]
    }
}

#[test]
fn a_directory_goes_after_what_is_in_it_and_stays_with_what_is_somebodys() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut draft = Draft::default();
    // By their names alone the first would go before what it holds.
    for folder in ["/x", "/x/y", "/z", "/z/theirs"] {
        draft.add(Folder(folder));
    }
    draft.add(Setting("/x/y/rival"));
    draft.add(word("x/y/made", "1"));
    draft.add(word("z/made", "1"));
    let plan = draft.finish().unwrap();
    runtime.block_on(converge(&plan, &place.host(), &Stop::new(), &mut |_| {}));
    std::fs::write(place.0.path().join("z/theirs/notes"), "by hand").unwrap();

    let planned = runtime.block_on(preview(&Draft::default().finish().unwrap(), &place.host(), &mut |_| {}));
    let gone = [
        "z/made changed",
        "x/y/made changed",
        "/x/y/rival changed",
        "/z/theirs ok",
        "/x/y changed",
        "/z ok",
        "/x changed",
    ];
    assert_eq!(told(&planned), gone.map(|line| line.replace("changed", "pending")));
    let outcome = place.outcome(&[], &Stop::new());
    assert_eq!(told(&outcome), gone);
    let note = |id: &str| outcome.resources.iter().find(|told| told.id.name() == id).unwrap().notes.join("; ");
    assert_eq!(note("/z/theirs"), "`/z/theirs` holds what is not hostagent's (`notes`), and is kept");
    assert_eq!(note("/z"), "`/z` holds what is not hostagent's (`theirs`), and is kept");
    assert!(!place.0.path().join("x").exists() && place.0.path().join("z/theirs/notes").exists());
    assert!(told(&place.outcome(&[], &Stop::new())).is_empty(), "what is kept is theirs from here on");
}

/// A file of a kind whose name comes before `folder`, as that of a config set before that of a directory.
#[derive(Debug, Clone, Serialize)]
struct Setting(&'static str);

impl Resource for Setting {
    fn id(&self) -> Id {
        Id::new("a_set", self.0)
    }

    fn needs(&self) -> Vec<Id> {
        vec![Id::every("folder")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        Ok(Changes::none().value("there", &host.found(self.0.as_ref())?.is_some(), &true))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        Ok(host.replace(self.0.as_ref(), b"", root())?)
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.0.into())]
    }
}

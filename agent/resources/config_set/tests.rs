use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use super::*;
use crate::engine::run::{Stop, converge, preview};
use crate::engine::{Draft, Outcome, Plan};
use crate::host::Host;
use crate::host::ledger::Record;
use crate::host::programs::Real;
use crate::resources::file::File;
use crate::resources::laws::{Play, keeps_its_word};

mod leaving;

const CONF: &str = "/etc/toy/toy.conf";

/// A server's checker that dislikes any file with the word `bad`: it runs for real and says so on stderr.
fn grep(root: &Path) -> ConfigCheck {
    let script = format!("cd {}/etc/toy; grep -rn bad . >&2 && exit 7 || exit 0", root.display());
    ConfigCheck::program(["/bin/sh", "-c", &script])
}

fn set(name: &str, files: &[(&str, &str)]) -> ConfigSet {
    ConfigSet::new(name, files.iter().map(|(path, text)| ConfigFile::new(*path, *text)).collect())
}

/// A directory that plays a host and outlives runs on it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/toy")).unwrap();
        fs::write(root.path().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        fs::write(root.path().join("etc/group"), "root:x:0:\n").unwrap();
        Self(root)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.at(path)).ok()
    }

    fn host(&self) -> Host {
        Host::at(self.0.path(), Box::new(Real)).unwrap()
    }

    fn toy(&self, text: &str) -> ConfigSet {
        ConfigSet { checks: vec![grep(self.0.path())], ..set("toy", &[(CONF, text)]) }
    }

    async fn converge(&self, plan: &Plan) -> Vec<String> {
        told(&converge(plan, &self.host(), &Stop::new(), &mut |_| {}).await)
    }

    async fn preview(&self, plan: &Plan) -> Vec<String> {
        told(&preview(plan, &self.host(), &mut |_| {}).await)
    }

    fn kept(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.at("/var/lib/hostagent/undo")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn plan(sets: &[ConfigSet]) -> Plan {
    let mut draft = Draft::default();
    for set in sets {
        draft.add(set.clone());
    }
    draft.finish().unwrap()
}

fn told(outcome: &Outcome) -> Vec<String> {
    outcome.resources.iter().map(|told| format!("{} {}", told.id.name(), told.verdict.word())).collect()
}

#[tokio::test]
async fn a_set_keeps_its_word() {
    let play = Play::with(|argv, _| (argv == ["toyd", "-t"]).then(|| (0, String::new())))
        .file(CONF, "old")
        .file("/etc/toy/default", "default");
    let toy = ConfigSet {
        absent: vec!["/etc/toy/default".into(), "/etc/toy/never".into()],
        checks: vec![ConfigCheck::program(["toyd", "-t"])],
        ..set("toy", &[(CONF, "new"), ("/etc/toy/sites/a.conf", "a")])
    };
    keeps_its_word::<ConfigSet>(&toy, &play.host).await;
    assert_eq!(play.ran(), ["toyd -t", "toyd -t"]);
    assert_eq!((play.text(CONF).as_str(), play.text("/etc/toy/sites/a.conf").as_str()), ("new", "a"));
    assert!(!play.place("/etc/toy/default").exists() && !play.place("/var/lib/hostagent/undo/toy").exists());

    fs::set_permissions(play.place(CONF), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(play.differs(&toy).await.to_string(), "/etc/toy/toy.conf mode 0600 -> 0644");
    keeps_its_word::<ConfigSet>(&toy, &play.host).await;
}

#[tokio::test]
async fn what_the_checker_refuses_is_back_byte_for_byte_and_fails_every_run() {
    let place = Place::new();
    fs::write(place.at(CONF), "old \u{7f}\r\n\n").unwrap();
    chown(place.at(CONF), Some(7), Some(8)).unwrap();
    fs::set_permissions(place.at(CONF), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("nowhere", place.at("/etc/toy/default")).unwrap();
    let toy = ConfigSet {
        absent: vec!["/etc/toy/default".into()],
        checks: vec![grep(place.0.path())],
        ..set("toy", &[(CONF, "bad"), ("/etc/toy/sites/a.conf", "a")])
    };
    let host = place.host();
    for _ in 0..2 {
        let differs = toy.check(&host.look()).await.unwrap();
        assert_eq!(differs.list().len(), 6, "content, mode, owner, group, another file, and one too many: {differs}");
        let cause = toy.apply(&host.touch()).await.unwrap_err();
        assert_eq!(cause.code, "config-refused");
        assert!(cause.says.ends_with("says:\n  ./toy.conf:1:bad"), "{}", cause.says);

        let found = host.look().found(CONF.as_ref()).unwrap().unwrap();
        assert_eq!((found.mode, found.uid, found.gid), (0o640, 7, 8));
        assert_eq!(place.text(CONF).unwrap(), "old \u{7f}\r\n\n");
        assert_eq!(fs::read_link(place.at("/etc/toy/default")).unwrap(), Path::new("nowhere"));
        assert!(!place.at("/etc/toy/sites/a.conf").exists());
        assert_eq!(place.kept(), Vec::<String>::new());
    }
    for _ in 0..2 {
        assert_eq!(place.converge(&plan(&[place.toy("bad")])).await, ["toy failed"]);
        assert_eq!(place.preview(&plan(&[place.toy("bad")])).await, ["toy pending"]);
    }
    assert_eq!(place.converge(&plan(&[place.toy("good")])).await, ["toy changed"]);
    assert_eq!(place.converge(&plan(&[place.toy("good")])).await, ["toy ok"]);
}

#[tokio::test]
async fn every_check_is_asked_and_every_complaint_is_told() {
    let play = Play::with(|argv, _| Some((i32::from(argv[0] == "one"), format!("{} says no", argv[0]))));
    let dislikes = Probe::new(async |_: &Look| Ok(Some("the server dislikes line 3".to_owned())));
    let checks = vec![ConfigCheck::program(["one"]), ConfigCheck::program(["two", "-t"]), ConfigCheck::Asked(dislikes)];
    let toy = ConfigSet { checks, ..set("toy", &[(CONF, "new")]) };
    let cause = toy.apply(&play.host.touch()).await.unwrap_err();
    assert_eq!(cause.says, "`one` says:\n  one says no\nthe server dislikes line 3");
    assert_eq!(play.ran(), ["one", "two -t"]);

    // A checker that is not there has not liked them.
    let toy = ConfigSet { checks: vec![ConfigCheck::program(["toyd"])], ..set("toy", &[(CONF, "new")]) };
    let play = Play::new();
    assert_eq!(toy.apply(&play.host.touch()).await.unwrap_err().code, "program-missing");
    assert!(!play.place(CONF).exists());
}

#[tokio::test]
async fn a_file_it_does_not_want_any_more_goes_unless_somebody_edited_it_or_had_it_before() {
    let place = Place::new();
    fs::write(place.at("/etc/toy/theirs"), "before").unwrap();
    let [made, edited, theirs] = ["/etc/toy/made", "/etc/toy/edited", "/etc/toy/theirs"];
    let all = set("toy", &[(CONF, "c"), (made, "m"), (edited, "e"), (theirs, "t")]);
    assert_eq!(place.converge(&plan(&[all])).await, ["toy changed"]);
    fs::write(place.at(edited), "by hand").unwrap();

    let less = plan(&[set("toy", &[(CONF, "c")])]);
    let outcome = preview(&less, &place.host(), &mut |_| {}).await;
    assert_eq!(outcome.resources[0].verdict.changes().len(), 1, "{outcome:?}");
    let outcome = converge(&less, &place.host(), &Stop::new(), &mut |_| {}).await;
    assert_eq!(told(&outcome), ["toy changed"]);
    assert_eq!(
        outcome.resources[0].notes,
        ["`/etc/toy/edited` was edited by hand since, and is kept; remove it yourself"]
    );
    assert_eq!([made, edited, theirs].map(|path| place.text(path)), [None, Some("by hand".into()), Some("t".into())]);
    assert_eq!(place.converge(&less).await, ["toy ok"]);
}

#[tokio::test]
async fn a_file_that_moves_to_another_resource_stays() {
    let shared = "/etc/toy/shared.conf";
    let both = |first: &[(&str, &str)], second: &[(&str, &str)]| plan(&[set("one", first), set("two", second)]);
    let place = Place::new();
    place.converge(&both(&[(CONF, "c"), (shared, "s")], &[("/etc/toy/two", "2")])).await;

    // To a set with another wish, to one with the same, and to a file.
    let to_two = both(&[(CONF, "c")], &[("/etc/toy/two", "2"), (shared, "new")]);
    assert_eq!(place.preview(&to_two).await, ["one ok", "two pending"]);
    assert_eq!(place.converge(&to_two).await, ["one ok", "two changed"]);
    assert_eq!(place.text(shared).unwrap(), "new");
    let to_one = both(&[(CONF, "d"), (shared, "new")], &[("/etc/toy/two", "2")]);
    assert_eq!(place.converge(&to_one).await, ["one changed", "two ok"]);
    assert_eq!(place.text(shared).unwrap(), "new");

    let mut draft = Draft::default();
    draft.add(set("one", &[(CONF, "d")]));
    draft.add(set("two", &[("/etc/toy/two", "2")]));
    draft.add(File::new(shared, "new"));
    assert_eq!(place.converge(&draft.finish().unwrap()).await, ["one ok", "two ok", &format!("{shared} ok")]);
    assert_eq!(place.text(shared).unwrap(), "new");
}

#[tokio::test]
async fn a_refusal_of_one_set_leaves_another_alone() {
    let place = Place::new();
    let refuses =
        |text| ConfigSet { checks: vec![ConfigCheck::program(["/bin/false"])], ..set("a", &[("/etc/a", text)]) };
    let both = plan(&[refuses("1"), set("b", &[("/etc/b", "1")])]);
    assert_eq!(place.converge(&both).await, ["a failed", "b changed"]);
    assert_eq!((place.text("/etc/a"), place.text("/etc/b").unwrap().as_str()), (None, "1"));
    assert_eq!(place.kept(), Vec::<String>::new());
}

/// A set whose checker never answers: a run that is cut off there was cut off between writing and checking.
fn unanswered(text: &str) -> ConfigSet {
    let never = ConfigCheck::Asked(Probe::new(async |_: &Look| std::future::pending().await));
    ConfigSet { checks: vec![never], ..set("toy", &[(CONF, text), ("/etc/toy/new", "n")]) }
}

/// Starts a run that is killed while it waits: nothing of it is tidied up.
async fn killed_while_checking(place: &Place, set: ConfigSet) {
    let (plan, host, stop) = (plan(&[set]), place.host(), Stop::new());
    let mut watch = |_: crate::engine::run::Event<'_>| {};
    let mut run = Box::pin(converge(&plan, &host, &stop, &mut watch));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), &mut run).await;
    assert!(waited.is_err(), "the checker answered");
    std::mem::forget(run);
}

#[tokio::test]
async fn files_of_a_run_that_was_killed_before_it_had_them_checked_are_put_back() {
    let place = Place::new();
    fs::write(place.at(CONF), "old").unwrap();
    killed_while_checking(&place, unanswered("unchecked")).await;
    assert_eq!(
        (place.text(CONF).unwrap().as_str(), place.kept().as_slice()),
        ("unchecked", &["config_set%3Atoy".to_owned()][..])
    );

    // A plan of the same recipe knows that these files are not proven, although they are the wanted ones.
    let same = ConfigSet { checks: vec![grep(place.0.path())], ..unanswered("unchecked") };
    assert_eq!(place.preview(&plan(std::slice::from_ref(&same))).await, ["toy pending"]);
    let outcome = converge(&plan(&[same]), &place.host(), &Stop::new(), &mut |_| {}).await;
    assert_eq!(told(&outcome), ["toy changed"]);
    assert_eq!(outcome.healed, ["a run was cut off while it changed config_set:toy; the old files are back"]);
    assert_eq!((place.text(CONF).unwrap().as_str(), place.kept().len()), ("unchecked", 0));

    // The next recipe is another one: the old files come back before anything is written.
    killed_while_checking(&place, unanswered("bad")).await;
    let refused = ConfigSet { checks: vec![grep(place.0.path())], ..unanswered("bad again") };
    assert_eq!(place.converge(&plan(&[refused])).await, ["toy failed"]);
    assert_eq!((place.text(CONF).unwrap().as_str(), place.kept().len()), ("unchecked", 0));
}

#[tokio::test]
async fn until_a_server_has_loaded_the_new_files_the_last_ones_it_loaded_are_kept() {
    let place = Place::new();
    fs::write(place.at(CONF), "one").unwrap();
    for text in ["two", "three"] {
        let toy = ConfigSet { read_by: Some("toyd".into()), ..place.toy(text) };
        assert_eq!(place.converge(&plan(&[toy])).await, ["toy changed"]);
    }
    // Checked: whoever comes after a kill goes on with them.
    assert!(place.host().touch().put_back_unchecked().unwrap().is_empty());
    assert_eq!(place.text(CONF).unwrap(), "three");
    let touch = place.host().touch();
    touch.put_back(&touch.undo("config_set:toy").unwrap().unwrap()).unwrap();
    assert_eq!((place.text(CONF).unwrap().as_str(), place.kept().len()), ("one", 0));
}

#[tokio::test]
async fn putting_back_does_not_make_a_hand_edit_hostagents_own() {
    let place = Place::new();
    place.converge(&plan(&[place.toy("good")])).await;
    fs::write(place.at(CONF), "edited by hand").unwrap();
    assert_eq!(place.converge(&plan(&[place.toy("bad")])).await, ["toy failed"]);
    assert_eq!(place.text(CONF).unwrap(), "edited by hand");
    place.converge(&plan(&[set("toy", &[("/etc/toy/other", "o")])])).await;
    assert_eq!(place.text(CONF).unwrap(), "edited by hand", "somebody's work was removed");
}

#[tokio::test]
async fn what_must_be_absent_and_cannot_be_removed_undoes_the_whole() {
    let place = Place::new();
    fs::create_dir_all(place.at("/etc/toy/sites")).unwrap();
    fs::write(place.at("/etc/toy/sites/kept"), "k").unwrap();
    let toy = ConfigSet { absent: vec!["/etc/toy/sites".into()], ..place.toy("new") };
    let cause = toy.apply(&place.host().touch()).await.unwrap_err();
    assert_eq!(cause.says, "`/etc/toy/sites` is a directory, not a file");
    assert!(!place.at(CONF).exists() && place.at("/etc/toy/sites/kept").exists());
}

#[tokio::test(flavor = "current_thread")]
async fn files_are_made_for_the_host_as_it_is_and_made_anew_when_that_changes() {
    let place = Place::new();
    let fitting = Fitting::new(Vec::new(), async |host: &Look| {
        let version = host.read_text(Path::new("/version"))?.unwrap_or_default();
        Ok(vec![ConfigFile::new(CONF, format!("for {version}"))])
    });
    let toy = ConfigSet { fitting: Some(fitting), ..place.toy("for any") };
    fs::write(place.at("/version"), "1").unwrap();
    assert_eq!(place.converge(&plan(std::slice::from_ref(&toy))).await.len(), 1);
    assert_eq!(place.text(CONF).as_deref(), Some("for 1"));
    assert!(toy.check(&place.host().look()).await.unwrap().is_empty());
    fs::write(place.at("/version"), "bad").unwrap();
    assert!(!toy.check(&place.host().look()).await.unwrap().is_empty());
    place.converge(&plan(std::slice::from_ref(&toy))).await;
    assert_eq!(place.text(CONF).as_deref(), Some("for 1"), "what its reader refuses is put back");
}

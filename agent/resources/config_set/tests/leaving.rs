//! Sets that leave the recipe: their server must like it.

use super::*;
use crate::engine::{Failure, Verdict};

const NEEDED: &str = "/etc/toy/needed";
const NEEDS: &str = "/etc/toy/needs";

/// A set that is read by a server whose checker wants `needed` to be there where `needs` is.
fn needed(place: &Place) -> ConfigSet {
    let script = format!(
        "cd {}/etc/toy; test -e needed || ! test -e needs || {{ echo 'needs: not found' >&2; exit 1; }}",
        place.0.path().display()
    );
    ConfigSet {
        checks: vec![ConfigCheck::program(["/bin/sh", "-c", &script])],
        read_by: Some("toyd".into()),
        ..set("toy", &[(NEEDED, "made here")])
    }
}

async fn left(place: &Place) -> Outcome {
    converge(&plan(&[]), &place.host(), &Stop::new(), &mut |_| {}).await
}

#[tokio::test]
async fn what_its_server_refuses_to_miss_is_back_and_told_again_until_it_is_not_needed() {
    let place = Place::new();
    place.converge(&plan(&[needed(&place)])).await;
    place.host().touch().forget_old("config_set:toy").unwrap();
    fs::write(place.at(NEEDS), "by hand").unwrap();
    fs::set_permissions(place.at(NEEDED), fs::Permissions::from_mode(0o640)).unwrap();
    for _ in 0..2 {
        let outcome = left(&place).await;
        assert_eq!(told(&outcome), ["toy failed"]);
        let Verdict::Failed(Failure { cause, .. }) = &outcome.resources[0].verdict else { panic!("{outcome:?}") };
        assert!(
            cause.says.starts_with("`/bin/sh -c ") && cause.says.ends_with(" says:\n  needs: not found"),
            "{cause}"
        );
        assert_eq!((cause.code, place.text(NEEDED).as_deref()), ("config-refused", Some("made here")));
        assert_eq!(fs::metadata(place.at(NEEDED)).unwrap().permissions().mode() & 0o7777, 0o640);
        assert!(place.kept().is_empty());
    }
    fs::remove_file(place.at(NEEDS)).unwrap();
    assert_eq!(told(&left(&place).await), ["toy changed"]);
    assert!(!place.at(NEEDED).exists() && place.kept().is_empty());
    assert!(left(&place).await.resources.is_empty());
}

#[tokio::test]
async fn what_was_refused_before_or_has_no_checker_any_more_goes_all_the_same() {
    let place = Place::new();
    place.converge(&plan(&[needed(&place)])).await;
    fs::write(place.at(NEEDS), "by hand").unwrap();
    fs::write(place.at(NEEDED), "by hand").unwrap();
    let other = ConfigSet { checks: vec![ConfigCheck::program(["/bin/false"])], ..set("never", &[]) };
    let asleep = ConfigSet { read_by: Some("toyd".into()), ..other };
    let record = |path: &str| Record {
        wanted: String::new(),
        traces: [vec![Trace::Path(path.into())], asleep.traces()].concat(),
    };
    let purged = ConfigSet { checks: vec![ConfigCheck::program(["/no/such/checker"])], ..asleep.clone() };
    let of_purged =
        Record { traces: [vec![Trace::Path("/etc/toy/two".into())], purged.traces()].concat(), ..record("") };
    for (id, path, record) in
        [("config_set:one", "/etc/toy/one", record("/etc/toy/one")), ("config_set:two", "/etc/toy/two", of_purged)]
    {
        let touch = place.host().touch();
        touch
            .replace(path.as_ref(), b"made here", Access { uid: root_or_own().0, gid: root_or_own().1, mode: 0o644 })
            .unwrap();
        touch.ledger_mut().applied(id, record).unwrap();
    }
    let outcome = left(&place).await;
    assert_eq!(told(&outcome), ["two changed", "toy ok", "one changed"], "{outcome:?}");
    assert!(!place.at("/etc/toy/one").exists() && !place.at("/etc/toy/two").exists());
    assert_eq!(place.text(NEEDED).unwrap(), "by hand");
}

#[tokio::test]
async fn a_run_that_was_cut_off_while_it_took_them_away_is_finished_by_the_next() {
    for checked in [false, true] {
        let place = Place::new();
        place.converge(&plan(&[needed(&place)])).await;
        let touch = place.host().touch();
        touch.forget_old("config_set:toy").unwrap();
        let mut undo = touch.keep_old("config_set:toy", &[NEEDED.into()]).unwrap();
        touch.remove(NEEDED.as_ref()).unwrap();
        if checked {
            touch.undo_is_checked(&mut undo).unwrap();
        }
        let outcome = left(&place).await;
        assert_eq!(told(&outcome), [if checked { "toy ok" } else { "toy changed" }]);
        assert!(outcome.released.is_empty(), "its reader may not have loaded that: {:?}", outcome.released);
        assert!(!place.at(NEEDED).exists() && place.kept().is_empty());
        assert!(left(&place).await.resources.is_empty());
    }
}

#[test]
fn a_checker_of_the_files_themselves_is_not_asked_when_they_are_gone() {
    let own = ConfigCheck::program(["/usr/bin/test", "-s", NEEDED]);
    let of_server = ConfigCheck::program(["toyd", "-t"]);
    let set = ConfigSet { checks: vec![own, of_server], read_by: Some("toyd".into()), ..set("toy", &[(NEEDED, "")]) };
    let judges = |set: &ConfigSet| set.traces().into_iter().filter(Trace::is_a_judge).collect::<Vec<_>>();
    assert_eq!(judges(&set), [Trace::Checker { argv: vec!["toyd".into(), "-t".into()], user: None }]);
    assert!(judges(&ConfigSet { read_by: None, ..set }).is_empty(), "nobody reads them");
}

fn root_or_own() -> (u32, u32) {
    (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
}

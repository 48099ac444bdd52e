use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

use super::*;
use crate::host::Host;
use crate::host::heal::heal;
use crate::host::programs::Real;

const NAME: &str = "toy";

struct Place(tempfile::TempDir);

impl Place {
    /// With a file, a file of somebody else's that holds no text, a link, a link to nothing, and none.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.at("/etc/toy")).unwrap();
        fs::write(place.at("/etc/toy/file"), "old\n").unwrap();
        fs::write(place.at("/etc/toy/theirs"), [0, 0xFF, b'\r', b'\n', 0x80]).unwrap();
        if nix::unistd::geteuid().is_root() {
            chown(place.at("/etc/toy/theirs"), Some(4711), Some(4712)).unwrap();
        }
        fs::set_permissions(place.at("/etc/toy/theirs"), fs::Permissions::from_mode(0o4710)).unwrap();
        fs::write(place.at("/etc/toy/empty"), "").unwrap();
        symlink("file", place.at("/etc/toy/link")).unwrap();
        symlink("../no where", place.at("/etc/toy/broken")).unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    /// Each call is a process of its own.
    fn touch(&self) -> Touch {
        Host::at(self.0.path(), Box::new(Real)).unwrap().touch()
    }

    /// Every name in /etc/toy with all that is to come back of it.
    fn all(&self) -> Vec<String> {
        let mut all: Vec<String> =
            fs::read_dir(self.at("/etc/toy")).unwrap().map(|entry| told(&entry.unwrap().path())).collect();
        all.sort();
        all
    }

    /// Changes all of it, as a new configuration might, and more.
    fn change(&self) {
        let touch = self.touch();
        let access = Access { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw(), mode: 0o644 };
        for name in ["file", "theirs", "empty", "absent", "deeper/absent"] {
            touch.replace(&Path::new("/etc/toy").join(name), b"new", access).unwrap();
        }
        for name in ["link", "broken"] {
            touch.remove(&Path::new("/etc/toy").join(name)).unwrap();
        }
        fs::write(self.at("/etc/toy/link"), "a file where a link was").unwrap();
        fs::remove_file(self.at("/etc/toy/empty")).unwrap();
        symlink("file", self.at("/etc/toy/empty")).unwrap();
    }

    fn kept(&self) -> bool {
        self.at("/var/lib/hostagent/undo/toy").exists()
    }
}

fn told(path: &Path) -> String {
    let meta = fs::symlink_metadata(path).unwrap();
    let holds = match fs::read_link(path) {
        Ok(target) => format!("-> {}", target.display()),
        Err(_) if meta.is_dir() => String::new(),
        Err(_) => format!("{:?}", fs::read(path).unwrap()),
    };
    let name = path.file_name().unwrap().display();
    format!("{name} {:o} {}:{} {holds}", meta.mode(), meta.uid(), meta.gid())
}

/// What the next run puts back.
fn put_back(place: &Place) -> Vec<String> {
    place.touch().put_back_unchecked().unwrap().into_iter().collect::<Result<_, _>>().unwrap()
}

fn paths() -> Vec<PathBuf> {
    let names = ["file", "theirs", "empty", "link", "broken", "absent", "deeper/absent"];
    names.map(|name| Path::new("/etc/toy").join(name)).into()
}

#[test]
fn everything_comes_back_byte_for_byte() {
    let place = Place::new();
    let before = place.all();
    let undo = place.touch().keep_old(NAME, &paths()).unwrap();
    assert_eq!(place.all(), before, "keeping changes nothing");
    place.change();
    assert_ne!(place.all(), before);
    place.touch().put_back(&undo).unwrap();
    let after: Vec<String> = place.all().into_iter().filter(|one| !one.starts_with("deeper ")).collect();
    assert_eq!(after, before);
    assert_eq!(fs::read_dir(place.at("/etc/toy/deeper")).unwrap().count(), 0, "a directory that was made for it stays");
    assert!(!place.kept());
}

#[test]
fn a_run_that_was_killed_before_the_check_is_put_back_by_the_next_from_wherever_it_was() {
    // Killed before anything changed, after it, and in the middle of putting back.
    for half_back in [None, Some(false), Some(true)] {
        let place = Place::new();
        let before = place.all();
        place.touch().keep_old(NAME, &paths()).unwrap();
        if let Some(half) = half_back {
            place.change();
            if half {
                let touch = place.touch();
                touch.remove(Path::new("/etc/toy/absent")).unwrap();
                fs::write(place.at("/etc/toy/file"), "old\n").unwrap();
            }
        }
        assert_eq!(put_back(&place), [NAME]);
        let after: Vec<String> = place.all().into_iter().filter(|one| !one.starts_with("deeper ")).collect();
        assert_eq!(after, before);
        assert!(put_back(&place).is_empty() && !place.kept());
    }
}

#[tokio::test]
async fn what_was_checked_stays_and_the_copies_with_it() {
    let place = Place::new();
    let mut undo = place.touch().keep_old(NAME, &paths()).unwrap();
    place.change();
    let changed = place.all();
    place.touch().undo_is_checked(&mut undo).unwrap();
    assert!(heal(&place.touch()).await.unwrap().is_empty());
    assert_eq!((place.all(), place.kept()), (changed, true));
    place.touch().forget_old(NAME).unwrap();
    place.touch().forget_old(NAME).unwrap();
    assert!(!place.kept());
}

#[test]
fn the_first_copy_stays_the_one_to_go_back_to() {
    let place = Place::new();
    let before = place.all();
    let mut undo = place.touch().keep_old(NAME, &paths()[..1]).unwrap();
    fs::write(place.at("/etc/toy/file"), "second\n").unwrap();
    place.touch().undo_is_checked(&mut undo).unwrap();
    // A later change of more files: what was loaded last is still the first version of the first.
    let undo = place.touch().keep_old(NAME, &paths()).unwrap();
    assert!(!undo.is_checked(), "these are not checked yet");
    place.change();
    place.touch().put_back(&undo).unwrap();
    let after: Vec<String> = place.all().into_iter().filter(|one| !one.starts_with("deeper ")).collect();
    assert_eq!(after, before);
}

#[test]
fn a_copy_whose_making_was_cut_off_is_forgotten_and_a_damaged_one_is_told_of() {
    let place = Place::new();
    let before = place.all();
    let directory = place.at("/var/lib/hostagent/undo/toy");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("0"), "old\n").unwrap();
    fs::write(directory.join("undo.new"), "{\"name").unwrap();
    assert!(put_back(&place).is_empty());
    assert!(!place.kept());

    place.touch().keep_old(NAME, &paths()).unwrap();
    fs::write(directory.join("undo.json"), "{").unwrap();
    let told = place.touch().put_back_unchecked().unwrap();
    let [Err(error)] = &told[..] else { panic!("{told:?}") };
    let error = error.to_string();
    assert!(error.starts_with("`/var/lib/hostagent/undo/toy/undo.json` is damaged: "), "{error}");
    assert_eq!(place.all(), before);
}

#[test]
fn copies_are_for_root_alone_and_of_files_and_links_only() {
    let place = Place::new();
    place.touch().keep_old(NAME, &paths()).unwrap();
    let directory = place.at("/var/lib/hostagent/undo/toy");
    assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o7777, 0o600);
    }
    let error = place.touch().keep_old("other", &["/etc/toy".into()]).unwrap_err();
    assert_eq!(error.to_string(), "`/etc/toy` is a directory, not a file");
    // Nothing was listed, so there is nothing to go back to.
    assert!(place.touch().undo("other").unwrap().is_none());
}

#[test]
fn a_copy_that_is_gone_is_not_taken_for_an_empty_file() {
    let place = Place::new();
    let undo = place.touch().keep_old(NAME, &paths()).unwrap();
    place.change();
    fs::remove_file(place.at("/var/lib/hostagent/undo/toy/0")).unwrap();
    let error = place.touch().put_back(&undo).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the old version of `/etc/toy/file` is gone: there is no `/var/lib/hostagent/undo/toy/0`"
    );
    assert_eq!(fs::read_to_string(place.at("/etc/toy/file")).unwrap(), "new");
    assert!(place.kept());
}

#[test]
fn what_cannot_be_put_back_keeps_no_other_from_it_and_all_of_it_is_told() {
    let place = Place::new();
    let undo = place.touch().keep_old(NAME, &paths()).unwrap();
    place.change();
    fs::remove_file(place.at("/var/lib/hostagent/undo/toy/0")).unwrap();
    // A directory that somebody filled stands where a link was.
    fs::remove_file(place.at("/etc/toy/link")).unwrap();
    fs::create_dir_all(place.at("/etc/toy/link/full")).unwrap();
    let error = place.touch().put_back(&undo).unwrap_err().to_string();
    assert!(
        error.starts_with("2 files could not be put back: the old version of `/etc/toy/file` is gone: "),
        "{error}"
    );
    assert!(error.contains("; could not remove `/etc/toy/link`: "), "{error}");
    assert_eq!(fs::read(place.at("/etc/toy/theirs")).unwrap(), [0, 0xFF, b'\r', b'\n', 0x80]);
    assert!(!place.at("/etc/toy/absent").exists() && place.at("/etc/toy/broken").is_symlink());
    assert!(place.kept());
}

#[test]
fn a_list_that_cannot_be_removed_keeps_its_copies() {
    let place = Place::new();
    place.touch().keep_old(NAME, &paths()).unwrap();
    let list = place.at("/var/lib/hostagent/undo/toy/undo.json");
    fs::remove_file(&list).unwrap();
    fs::create_dir(&list).unwrap();
    assert!(place.touch().forget_old(NAME).is_err());
    assert!(place.at("/var/lib/hostagent/undo/toy/0").exists());
}

#[test]
fn a_run_that_was_killed_while_it_forgot_leaves_no_list_without_copies() {
    let place = Place::new();
    place.touch().keep_old(NAME, &paths()).unwrap();
    // What cannot be removed cuts it off.
    let stuck = place.at("/var/lib/hostagent/undo/toy/stuck");
    fs::create_dir(&stuck).unwrap();
    let (flags, size) = (nix::mount::MsFlags::empty(), Some("size=64k"));
    if nix::mount::mount(Some("tmpfs"), &stuck, Some("tmpfs"), flags, size).is_err() {
        return; // Not a machine where that may be done.
    }
    let forgotten = place.touch().forget_old(NAME);
    nix::mount::umount(&stuck).unwrap();
    assert!(forgotten.is_err() && place.kept());
    assert!(place.touch().undo(NAME).unwrap().is_none());
    assert!(put_back(&place).is_empty() && !place.kept());
}

#[test]
fn an_id_of_any_length_has_its_copies() {
    let place = Place::new();
    let before = place.all();
    let ids = ["a", "b"].map(|end| format!("config_set:{}{end}", "/srv/long".repeat(100)));
    let first = place.touch().keep_old(&ids[0], &paths()).unwrap();
    assert!(place.touch().undo(&ids[1]).unwrap().is_none());
    place.change();
    place.touch().put_back(&first).unwrap();
    let after: Vec<String> = place.all().into_iter().filter(|one| !one.starts_with("deeper ")).collect();
    assert_eq!(after, before);
}

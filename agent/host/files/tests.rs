use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::host::Host;
use crate::host::programs::Real;

/// Somebody else.
const OTHER: u32 = 4711;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.at("/etc")).unwrap();
        fs::write(place.at("/etc/passwd"), "root").unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn touch(&self) -> Touch {
        Host::at(self.0.path(), Box::new(Real)).unwrap().touch()
    }

    /// A home directory that its owner, or everybody, may write.
    fn home(&self, mode: u32, owner: u32) -> PathBuf {
        let home = self.at("/home/ops");
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(mode)).unwrap();
        if Uid::effective().is_root() {
            chown(&home, Some(owner), Some(owner)).unwrap();
        }
        home
    }

    /// The ways in which somebody else may write a directory, as far as this process can make them.
    fn homes(&self) -> impl Iterator<Item = PathBuf> {
        let open = [(0o777, Uid::effective().as_raw()), (0o1777, Uid::effective().as_raw())];
        let theirs = [(0o700, OTHER), (0o755, OTHER)].into_iter().filter(|_| Uid::effective().is_root());
        let all: Vec<(u32, u32)> = open.into_iter().chain(theirs).collect();
        all.into_iter().map(|(mode, owner)| self.home(mode, owner))
    }

    fn names(&self, path: &str) -> Vec<String> {
        let entries =
            fs::read_dir(self.at(path)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    }
}

fn access(mode: u32) -> Access {
    Access { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw(), mode }
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn nobody_aims_a_write_elsewhere_with_a_link_in_a_directory_of_theirs() {
    let place = Place::new();
    let touch = place.touch();
    fs::set_permissions(place.at("/etc/passwd"), fs::Permissions::from_mode(0o600)).unwrap();
    for (target, home) in
        ["/etc", "../../etc"].into_iter().flat_map(|target| place.homes().map(move |home| (target, home)))
    {
        let below = |name: &str| PathBuf::from("/home/ops/.ssh").join(name);
        symlink(target, home.join(".ssh")).unwrap();
        let tries = [
            touch.replace(&below("new"), b"x", access(0o644)),
            touch.replace(&below("passwd"), b"x", access(0o644)),
            touch.make_directory(&below("new"), access(0o755)),
            touch.make_directory(&below("new/deeper"), access(0o755)),
            touch.set_access(&below("passwd"), access(0o777)),
            touch.link(&below("new"), Path::new("x")),
            touch.remove(&below("passwd")),
        ];
        for (number, tried) in tries.into_iter().enumerate() {
            assert!(matches!(tried, Err(Error::Unsafe { .. })), "try {number} under {target}: {tried:?}");
        }
        let stands = touch.make_directory(Path::new("/home/ops/.ssh"), access(0o700));
        assert!(matches!(stands, Err(Error::Kind { .. })), "{stands:?}");
        assert_eq!(place.names("/etc"), ["passwd"]);
        assert_eq!(
            (fs::read_to_string(place.at("/etc/passwd")).unwrap().as_str(), mode_of(&place.at("/etc/passwd"))),
            ("root", 0o600)
        );
        fs::remove_file(home.join(".ssh")).unwrap();
    }
}

#[test]
fn what_they_put_in_the_place_of_the_file_or_of_its_draft_is_not_written_through() {
    let place = Place::new();
    let touch = place.touch();
    let (path, home) = (Path::new("/home/ops/keys"), place.home(0o700, OTHER));
    symlink(place.at("/etc/passwd"), home.join(".keys.hostagent")).unwrap();
    touch.replace(path, b"one", access(0o600)).unwrap();
    assert_eq!(place.names("/home/ops"), ["keys"]);

    fs::remove_file(home.join("keys")).unwrap();
    symlink(place.at("/etc/passwd"), home.join("keys")).unwrap();
    let error = touch.replace(path, b"two", access(0o666)).unwrap_err();
    assert_eq!(error.to_string(), "`/home/ops/keys` is a symbolic link, not a file");
    touch.set_access(path, access(0o666)).unwrap();
    assert_ne!(mode_of(&place.at("/etc/passwd")), 0o666);

    // A draft that cannot be taken away stops the write, and only that.
    fs::remove_file(home.join("keys")).unwrap();
    fs::create_dir(home.join(".keys.hostagent")).unwrap();
    assert_eq!(touch.replace(path, b"three", access(0o600)).unwrap_err().code(), "file-io");
    assert_eq!(fs::read_to_string(place.at("/etc/passwd")).unwrap(), "root");
}

#[test]
fn a_second_name_of_a_file_is_given_to_nobody() {
    let place = Place::new();
    let touch = place.touch();
    fs::set_permissions(place.at("/etc/passwd"), fs::Permissions::from_mode(0o600)).unwrap();
    for home in place.homes() {
        fs::hard_link(place.at("/etc/passwd"), home.join("keys")).unwrap();
        let given = touch.set_access(Path::new("/home/ops/keys"), Access { uid: OTHER, ..access(0o666) });
        assert!(matches!(given, Err(Error::Unsafe { .. })), "{given:?}");
        assert_eq!(mode_of(&place.at("/etc/passwd")), 0o600);
        // A new file in its place is one of its own.
        touch.replace(Path::new("/home/ops/keys"), b"keys", access(0o644)).unwrap();
        assert_eq!(fs::read_to_string(place.at("/etc/passwd")).unwrap(), "root");
        fs::remove_file(home.join("keys")).unwrap();
    }
    fs::hard_link(place.at("/etc/passwd"), place.at("/etc/passwd-")).unwrap();
    touch.set_access(Path::new("/etc/passwd-"), access(0o640)).unwrap();
    assert_eq!(mode_of(&place.at("/etc/passwd")), 0o640, "root may");
}

#[test]
fn links_of_roots_are_followed_within_the_host_and_a_ring_of_them_ends() {
    let place = Place::new();
    let touch = place.touch();
    for (link, target) in
        [("/var", "srv/var"), ("/srv/var/run", "/run"), ("/run/up", "../srv/./var/../data"), ("/ring", "ring")]
    {
        fs::create_dir_all(place.at(link).parent().unwrap()).unwrap();
        symlink(target, place.at(link)).unwrap();
    }
    touch.replace(Path::new("/var/run/up/file"), b"x", access(0o644)).unwrap();
    assert_eq!(fs::read_to_string(place.at("/srv/data/file")).unwrap(), "x");
    assert_eq!(mode_of(&place.at("/srv/data")), 0o755);
    assert!(touch.ledger().written(Path::new("/srv/data")).unwrap().made);
    let error = touch.replace(Path::new("/ring/file"), b"x", access(0o644)).unwrap_err();
    assert!(matches!(error, Error::Unsafe { .. }), "{error:?}");
}

#[test]
fn nothing_but_a_file_is_replaced() {
    let place = Place::new();
    let touch = place.touch();
    fs::create_dir_all(place.at("/srv/directory")).unwrap();
    fs::write(place.at("/srv/directory/kept"), "k").unwrap();
    symlink("nowhere", place.at("/srv/link")).unwrap();
    nix::unistd::mkfifo(&place.at("/srv/pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    for (path, found) in
        [("/srv/directory", "a directory"), ("/srv/link", "a symbolic link"), ("/srv/pipe", "a device, socket or pipe")]
    {
        let error = touch.replace(Path::new(path), b"x", access(0o644)).unwrap_err();
        assert_eq!(error.to_string(), format!("`{path}` is {found}, not a file"));
    }
    let error = touch.link(Path::new("/srv/directory"), Path::new("x")).unwrap_err();
    assert_eq!(error.to_string(), "`/srv/directory` is a directory, not a link");
    let error = touch.make_directory(Path::new("/etc/passwd"), access(0o755)).unwrap_err();
    assert_eq!(error.to_string(), "`/etc/passwd` is a file, not a directory");
    assert_eq!(touch.remove(Path::new("/srv/directory")).unwrap_err().code(), "file-io");
    assert_eq!(place.names("/srv"), ["directory", "link", "pipe"]);
    assert_eq!(place.names("/srv/directory"), ["kept"]);
    assert!(touch.ledger().written(Path::new("/srv/directory")).is_none());
    for path in ["relative", "/", "/etc/.."] {
        assert!(touch.replace(Path::new(path), b"x", access(0o644)).is_err(), "{path}");
    }
}

#[test]
fn a_reader_sees_the_old_file_or_the_new_one_with_its_own_mode() {
    let place = Place::new();
    let touch = place.touch();
    let path = Path::new("/srv/large");
    let versions = [(vec![b'a'; 300_000], 0o600), (vec![b'b'; 200_000], 0o644)];
    let write = |n: usize| touch.replace(path, &versions[n % 2].0, access(versions[n % 2].1)).unwrap();
    write(0);
    let (over, real) = (AtomicBool::new(false), place.at("/srv/large"));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !over.load(Ordering::Relaxed) {
                let mut file = File::open(&real).unwrap();
                let mode = file.metadata().unwrap().mode() & 0o7777;
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                let whole = versions.iter().any(|(version, access)| *version == bytes && *access == mode);
                assert!(whole, "{} bytes of {:?}, mode {mode:o}", bytes.len(), bytes.first());
                reads += 1;
            }
            reads
        });
        (0..150).for_each(write);
        over.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 10);
    });
    assert_eq!(place.names("/srv"), ["large"]);
}

#[test]
fn a_file_has_its_mode_and_owner_from_the_first_moment_whatever_the_mask() {
    let place = Place::new();
    let touch = place.touch();
    let (path, real) = (Path::new("/srv/deep/file"), place.at("/srv/deep/file"));
    for mode in [0o600, 0o4755, 0o2750, 0o000, 0o666] {
        touch.replace(path, b"x", access(mode)).unwrap();
        assert_eq!(mode_of(&real), mode);
    }
    assert_eq!(mode_of(&place.at("/srv/deep")), 0o755);
    if Uid::effective().is_root() {
        touch.replace(path, b"y", Access { uid: OTHER, gid: OTHER + 1, mode: 0o6711 }).unwrap();
        let meta = fs::metadata(&real).unwrap();
        // In this order: another owner takes these bits away.
        assert_eq!((meta.uid(), meta.gid(), mode_of(&real)), (OTHER, OTHER + 1, 0o6711));
        touch.set_access(path, Access { uid: OTHER + 2, gid: OTHER, mode: 0o4700 }).unwrap();
        let meta = fs::metadata(&real).unwrap();
        assert_eq!((meta.uid(), meta.gid(), mode_of(&real)), (OTHER + 2, OTHER, 0o4700));
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_no_draft() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = Place::new();
    let touch = place.touch();
    fs::create_dir(place.at("/small")).unwrap();
    let small = place.at("/small");
    let flags = nix::mount::MsFlags::empty();
    if nix::mount::mount(Some("tmpfs"), &small, Some("tmpfs"), flags, Some("size=64k")).is_err() {
        return; // Not a machine where that may be done.
    }
    touch.replace(Path::new("/small/file"), b"old", access(0o644)).unwrap();
    let full = touch.replace(Path::new("/small/file"), &vec![b'x'; 1 << 20], access(0o644));
    let left = (fs::read_to_string(small.join("file")).unwrap(), place.names("/small"));
    nix::mount::umount(&small).unwrap();
    let error = full.unwrap_err();
    assert!(error.to_string().contains("No space left on device") && error.hint().unwrap().contains("full"), "{error}");
    assert_eq!(left, ("old".to_owned(), vec!["file".to_owned()]));
}

#[test]
fn a_draft_of_a_run_that_was_killed_is_gone_after_the_next_write() {
    let place = Place::new();
    let touch = place.touch();
    fs::create_dir(place.at("/srv")).unwrap();
    for name in [".file.hostagent", ".link.hostagent"] {
        fs::write(place.at("/srv").join(name), "half").unwrap();
    }
    touch.replace(Path::new("/srv/file"), b"whole", access(0o644)).unwrap();
    touch.link(Path::new("/srv/link"), Path::new("file")).unwrap();
    assert_eq!(place.names("/srv"), ["file", "link"]);
}

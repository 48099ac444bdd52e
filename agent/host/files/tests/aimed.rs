//! What somebody else does in a directory of theirs never aims hostagent at a file that is not theirs.

use super::*;

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
        assert_eq!(given.unwrap_err().code(), "unsafe-path");
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
fn a_link_that_is_swapped_in_meanwhile_never_leads_a_mode_elsewhere() {
    let place = Place::new();
    let touch = place.touch();
    let at = |name: &str| place.at(name);
    fs::create_dir(at("home")).unwrap();
    fs::write(at("shadow"), "").unwrap();
    fs::set_permissions(at("shadow"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(at("home/name"), "").unwrap();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                symlink(at("shadow"), at("home/link")).unwrap();
                fs::rename(at("home/link"), at("home/name")).unwrap();
                fs::write(at("home/file"), "").unwrap();
                fs::rename(at("home/file"), at("home/name")).unwrap();
            }
        });
        for _ in 0..5000 {
            touch.set_access(Path::new("/home/name"), access(0o666)).unwrap();
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(mode_of(&at("shadow")), 0o600);
}

/// Only the walk takes the link's target for a path of this host: whatever looks along the whole path errs here.
#[test]
fn what_stands_at_a_name_is_asked_of_the_directory_that_is_written_to() {
    let place = Place::new();
    let touch = place.touch();
    let at = |name: &str| place.at(name);
    fs::create_dir_all(at("only/here/directory")).unwrap();
    fs::write(at("only/here/file"), "").unwrap();
    symlink("/only/here", at("data")).unwrap();

    let kind = |result: Result<(), Error>| assert_eq!(result.unwrap_err().code(), "wrong-kind");
    kind(touch.replace(Path::new("/data/directory"), b"", access(0o600)));
    kind(touch.link(Path::new("/data/file"), Path::new("/target")));
    kind(touch.make_directory(Path::new("/data/file"), access(0o755)));
    touch.set_access(Path::new("/data/file"), access(0o604)).unwrap();
    assert_eq!(mode_of(&at("only/here/file")), 0o604);
    touch.remove(Path::new("/data/file")).unwrap();
    assert!(!at("only/here/file").exists());
}

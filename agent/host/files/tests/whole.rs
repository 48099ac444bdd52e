//! What stands at a path is put there whole, or what was there stays.

use super::*;

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
    assert_eq!(error.to_string(), "`/srv/directory` is a directory, not a symbolic link");
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

#[test]
fn removing_what_is_not_there_makes_no_directories() {
    let place = Place::new();
    let touch = place.touch();
    touch.remove(Path::new("/no/such/file")).unwrap();
    assert!(touch.set_access(Path::new("/no/such/file"), access(0o600)).is_err());
    assert!(!place.at("no").exists());
}

#[test]
fn a_link_replaces_a_file_only_where_that_is_asked_for() {
    let place = Place::new();
    let touch = place.touch();
    let path = Path::new("/file");
    fs::write(place.at("file"), "").unwrap();
    assert_eq!(touch.link(path, Path::new("/target")).unwrap_err().code(), "wrong-kind");
    touch.link_over(path, Path::new("/target")).unwrap();
    assert_eq!(touch.link_target(path).unwrap().unwrap(), Path::new("/target"));
    assert!(touch.ledger().written(path).is_none(), "somebody else's file is not made by hostagent");
}

#[test]
fn a_pipe_in_the_place_of_a_file_does_not_stop_a_read() {
    let place = Place::new();
    let touch = place.touch();
    nix::unistd::mkfifo(&place.at("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    symlink("/dev/null", place.at("masked")).unwrap();
    assert_eq!(touch.read(Path::new("/pipe")).unwrap_err().code(), "wrong-kind");
    assert_eq!(touch.sha256(Path::new("/pipe")).unwrap_err().code(), "wrong-kind");
    assert_eq!(touch.read_part(Path::new("/pipe"), 0, 9).unwrap_err().code(), "wrong-kind");
    assert_eq!(touch.read(Path::new("/masked")).unwrap().unwrap(), b"");
}

/// A name may have 255 bytes; what is put around it while it is written must not make it too long.
#[test]
fn a_file_of_the_longest_name_is_written_and_linked() {
    let place = Place::new();
    let (touch, name) = (place.touch(), "n".repeat(255));
    touch.replace(&Path::new("/srv").join(&name), b"x", access(0o644)).unwrap();
    touch.remove(&Path::new("/srv").join(&name)).unwrap();
    touch.link(&Path::new("/srv").join(&name), Path::new("x")).unwrap();
}

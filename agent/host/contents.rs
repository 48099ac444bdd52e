//! What files and whole trees hold: a digest to compare, and times to tell what is newer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::coming::Coming;
use super::files::{Kind, sha256_of};
use super::{Error, Look};

/// How fine the kernel's file times are: it stamps with the last tick, and a slow clock ticks 100 times a second.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What stands at some places and below them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents(BTreeMap<PathBuf, Content>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    /// SHA-256 of a file's content; none for a directory, a device, a link to nothing.
    sha256: Option<String>,
    /// When it last changed: nanoseconds since the epoch.
    changed: i128,
    directory: bool,
}

impl Look {
    /// Reads files and trees, following links. A directory with several names is read under one of them, its own if that
    /// is in these places.
    ///
    /// # Errors
    /// When something there cannot be read.
    pub fn contents(&self, places: &[PathBuf]) -> Result<Contents, Error> {
        let mut contents = Contents::default();
        let mut left = places.to_vec();
        // After all that is reached without a link, so that this is the name a directory is read under.
        let mut links = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some((path, linked)) = left.pop().map(|path| (path, false)).or_else(|| Some((links.pop()?, true))) {
            let Some(itself) = self.found(&path)? else { continue };
            if itself.kind == Kind::Link && !linked {
                links.push(path);
                continue;
            }
            let target = self.found_through(&path)?;
            let changed = target.as_ref().map_or(itself.ctime, |found| found.ctime.max(itself.ctime));
            let kind = target.as_ref().map(|found| found.kind);
            let directory = kind == Some(Kind::Directory);
            let sha256 = if kind == Some(Kind::File) { self.sha256(&path)? } else { None };
            if directory && target.is_some_and(|found| seen.insert(found.identity)) {
                let names = self.names_in(&path)?;
                left.extend(names.iter().filter(|name| !is_draft(name)).map(|name| path.join(name)));
            }
            contents.0.insert(path, Content { sha256, changed, directory });
        }
        Ok(contents)
    }
}

/// Whether it is a file that hostagent is about to rename to its place.
fn is_draft(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().strip_prefix('.').is_some_and(|rest| rest.ends_with(".hostagent"))
}

impl Contents {
    /// The same with what is to come, as far as that is at or below one of the places.
    #[must_use]
    pub fn with(mut self, coming: &Coming, places: &[PathBuf]) -> Self {
        for (path, content) in coming.iter().filter(|(path, _)| places.iter().any(|place| path.starts_with(place))) {
            match content {
                None => drop(self.0.remove(path)),
                Some(bytes) => {
                    let content = Content { sha256: Some(sha256_of(bytes)), changed: 0, directory: false };
                    self.0.insert(path.clone(), content);
                }
            }
        }
        self
    }

    /// The same for the same files with the same content. Directories, owners and modes do not count.
    pub fn digest(&self) -> String {
        let mut text = String::new();
        for (path, content) in self.0.iter().filter(|(_, content)| !content.directory) {
            let _ = writeln!(text, "{}\0{}", path.display(), content.sha256.as_deref().unwrap_or("-"));
        }
        sha256_of(text.as_bytes())
    }

    /// What changed after a moment (microseconds since the epoch) or may have. A directory is named only if no file is.
    pub fn newer_than(&self, moment: u64) -> Vec<&Path> {
        let from = i128::from(moment) * 1000 - i128::try_from(TICK.as_nanos()).unwrap_or_default();
        let newer = |directory: bool| {
            let found =
                self.0.iter().filter(move |(_, content)| content.directory == directory && content.changed > from);
            found.map(|(path, _)| path.as_path()).collect::<Vec<_>>()
        };
        let files = newer(false);
        if files.is_empty() { newer(true) } else { files }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    fn host() -> (tempfile::TempDir, Look) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/a/b")).unwrap();
        fs::write(root.path().join("etc/a/one"), "1").unwrap();
        fs::write(root.path().join("etc/a/b/two"), "2").unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        (root, host.look())
    }

    fn digest(host: &Look) -> String {
        host.contents(&["/etc/a".into()]).unwrap().digest()
    }

    #[test]
    fn a_tree_has_another_digest_when_a_file_in_it_changes_comes_or_goes() {
        let (root, host) = host();
        let first = digest(&host);
        assert_eq!(first, digest(&host));
        fs::write(root.path().join("etc/a/b/two"), "3").unwrap();
        assert_ne!(first, digest(&host));
        fs::write(root.path().join("etc/a/b/two"), "2").unwrap();
        assert_eq!(first, digest(&host));
        fs::write(root.path().join("etc/a/new"), "").unwrap();
        assert_ne!(first, digest(&host));
        fs::remove_file(root.path().join("etc/a/new")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("etc/a/link")).unwrap();
        assert_ne!(first, digest(&host));
    }

    #[test]
    fn links_are_followed_and_a_loop_of_them_ends() {
        let (root, host) = host();
        std::os::unix::fs::symlink("../a", root.path().join("etc/a/loop")).unwrap();
        std::os::unix::fs::symlink("b/two", root.path().join("etc/a/link")).unwrap();
        let first = digest(&host);
        fs::write(root.path().join("etc/a/b/two"), "3").unwrap();
        assert_ne!(first, digest(&host));
    }

    #[test]
    fn two_links_to_the_directory_above_do_not_double_at_every_turn() {
        let (root, host) = host();
        for name in ["first", "second"] {
            std::os::unix::fs::symlink("..", root.path().join("etc/a/b").join(name)).unwrap();
        }
        let read = host.contents(&["/etc/a".into()]).unwrap();
        let paths = ["/etc/a", "/etc/a/b", "/etc/a/b/first", "/etc/a/b/second", "/etc/a/b/two", "/etc/a/one"];
        assert_eq!(read.0.keys().collect::<Vec<_>>(), paths.map(Path::new));
    }

    #[test]
    fn a_file_that_is_being_written_is_not_there_yet() {
        let (root, host) = host();
        let first = digest(&host);
        fs::write(root.path().join("etc/a/.one.hostagent"), "draft").unwrap();
        assert_eq!(first, digest(&host));
    }

    #[test]
    fn what_is_to_come_counts_as_there() {
        let (root, host) = host();
        let places = [PathBuf::from("/etc/a")];
        let coming: Coming =
            [("/etc/a/new".into(), Some(b"x".to_vec())), ("/etc/a/one".into(), None), ("/etc/z".into(), Some(vec![]))]
                .into();
        let foreseen = host.contents(&places).unwrap().with(&coming, &places).digest();
        fs::write(root.path().join("etc/a/new"), "x").unwrap();
        fs::remove_file(root.path().join("etc/a/one")).unwrap();
        assert_eq!(foreseen, digest(&host));
    }

    #[test]
    fn a_file_newer_than_a_moment_is_named() {
        let (root, host) = host();
        std::thread::sleep(2 * TICK);
        let now = u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let contents = || host.contents(&["/etc/a".into()]).unwrap();
        assert!(contents().newer_than(now).is_empty());
        fs::write(root.path().join("etc/a/b/two"), "3").unwrap();
        assert_eq!(contents().newer_than(now), [Path::new("/etc/a/b/two")]);
        fs::remove_file(root.path().join("etc/a/b/two")).unwrap();
        assert_eq!(contents().newer_than(now), [Path::new("/etc/a/b")]);
    }
}

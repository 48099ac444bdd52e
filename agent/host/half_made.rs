//! Clusters of PostgreSQL that were cut off while they were made.
//!
//! `pg_createcluster(1)` takes seconds. It takes away what it has made when it fails, but not when it is killed or the power
//! goes; and what is left then is taken for a cluster, by the package's script as well as by itself.
//!
//! So before one is made it is noted which clusters there are. One that is not among them, and whose server never ran, is
//! nobody's: it is taken away, to be made anew. A server leaves `postmaster.opts` in its data before it does anything else.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use super::files::Kind;
use super::{Error, Look, STATE_DIR, Touch};

/// Names the cluster that `pg_createcluster` is making: `VERSION/NAME`, and where its data goes.
const UNDER_WAY: &str = "cluster-under-way";
const CONFIGURATION: &str = "/etc/postgresql";
const DATA: &str = "/var/lib/postgresql";
/// Says how the package's own cluster is made: `pg_createcluster(1)`.
const MAKERS: &str = "/etc/postgresql-common/createcluster.conf";

/// Is being made, until dropped: what comes after a kill is the next run's.
#[derive(Debug)]
pub struct UnderWay(Option<Touch>);

impl UnderWay {
    /// Takes away what there is of it: whoever made it was ended.
    ///
    /// # Errors
    /// When something of it cannot be removed; the next run tries again.
    pub fn unmake(mut self) -> Result<(), Error> {
        self.0.take().map_or(Ok(None), |touch| touch.remove_cluster_under_way()).map(drop)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // Whoever makes it may go on without us.
        if let Some(touch) = self.0.as_ref().filter(|touch| !touch.0.0.left_at_work.get())
            && let Err(error) = std::fs::remove_file(touch.place(&note()))
        {
            tracing::warn!(%error, "the note of a cluster under way stays; the next run sees that it is made");
        }
    }
}

impl Touch {
    /// Notes that a cluster is going to be made, unless its data is there already: then nothing of it may be taken away.
    ///
    /// # Errors
    /// When that cannot be written; then it must not be made.
    pub fn making_cluster(&self, version: u16, name: &str, data: &Path) -> Result<UnderWay, Error> {
        if !self.names_in(data)?.is_empty() {
            return Ok(UnderWay(None));
        }
        self.write_state_durably(UNDER_WAY, format!("{version}/{name}\n{}\n", data.display()).as_bytes())?;
        Ok(UnderWay(Some(self.clone())))
    }

    /// Takes away a cluster that hostagent was making when it was cut off; says which.
    pub(super) fn remove_cluster_under_way(&self) -> Result<Option<String>, Error> {
        let note = note();
        let Some(text) = self.read_text(&note)? else { return Ok(None) };
        let mut lines = text.lines();
        let removed = match (lines.next(), lines.next()) {
            (Some(cluster), Some(data)) => self.remove_unused_cluster(cluster, Path::new(data))?,
            _ => None,
        };
        std::fs::remove_file(self.place(&note)).map_err(|source| Error::File {
            doing: "remove",
            path: note,
            source,
        })?;
        Ok(removed)
    }

    /// Takes away the clusters of packages that dpkg was cut off at, but for those that were there before; says which.
    pub(super) fn remove_clusters_of_broken_packages(&self, before: &str) -> Result<Vec<String>, Error> {
        let mut removed = Vec::new();
        for cluster in self.clusters()? {
            let version = cluster.split('/').next().unwrap_or_default();
            let package = format!("postgresql-{version}");
            let is_broken = self.dpkg()?.broken().any(|one| one.name == package);
            if is_broken && !before.lines().any(|line| line == cluster) {
                let Some(data) = self.data_of(&cluster)? else { continue };
                removed.extend(self.remove_unused_cluster(&cluster, &data)?);
            }
        }
        Ok(removed)
    }

    /// Takes a cluster away whose server never ran.
    fn remove_unused_cluster(&self, cluster: &str, data: &Path) -> Result<Option<String>, Error> {
        if self.found(&data.join("postmaster.opts"))?.is_some() {
            return Ok(None);
        }
        let configuration = Path::new(CONFIGURATION).join(cluster);
        self.remove_all_in(&configuration)?;
        self.remove_all_in(data)?;
        for emptied in [configuration.as_path(), data] {
            // One that something is mounted on stays, empty.
            let _ = std::fs::remove_dir(self.place(emptied));
        }
        Ok(Some(cluster.to_owned()))
    }

    /// Empties a directory. It and those above it may be somebody else's than root's: so it is opened first, without a link
    /// being followed, and what goes is named from there.
    fn remove_all_in(&self, directory: &Path) -> Result<(), Error> {
        let Some(open) = self.directory_itself(directory)? else { return Ok(()) };
        let here = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        let list = |source| Error::File { doing: "list", path: directory.into(), source };
        for entry in std::fs::read_dir(&here).map_err(list)? {
            let name = entry.map_err(list)?.file_name();
            let path = directory.join(&name);
            let place = here.join(&name);
            let is_directory = std::fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_dir());
            let removed = if is_directory { std::fs::remove_dir_all(&place) } else { std::fs::remove_file(&place) };
            match removed {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::File { doing: "remove", path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn note() -> PathBuf {
    Path::new(STATE_DIR).join(UNDER_WAY)
}

impl Look {
    /// Where the data of a cluster is that a package was making. `None` where that cannot be told, or it was to be elsewhere
    /// than usual: then nothing of it is taken away.
    fn data_of(&self, cluster: &str) -> Result<Option<PathBuf>, Error> {
        let usual = Path::new(DATA).join(cluster);
        let settings = |text: &str| {
            let values = text.lines().filter_map(|line| line.trim().strip_prefix("data_directory"));
            values.map(|rest| rest.trim_start_matches([' ', '\t', '=', '\'']).to_owned()).next_back()
        };
        let configuration = Path::new(CONFIGURATION).join(cluster).join("postgresql.conf");
        if let Some(text) = self.read_text(&configuration)? {
            // `pg_createcluster` names it when all else is made.
            if let Some(value) = settings(&text) {
                return Ok(Some(usual).filter(|usual| value.split('\'').next().map(Path::new) == Some(usual)));
            }
        }
        let makers = self.read_text(Path::new(MAKERS))?.unwrap_or_default();
        Ok(settings(&makers).is_none().then_some(usual))
    }

    /// All clusters of this host, whole or not, as `VERSION/NAME`, sorted.
    pub(super) fn clusters(&self) -> Result<Vec<String>, Error> {
        let mut clusters = Vec::new();
        for place in [CONFIGURATION, DATA] {
            let is_version = |name: &std::ffi::OsString| name.to_string_lossy().bytes().all(|c| c.is_ascii_digit());
            for version in self.names_in(Path::new(place))?.into_iter().filter(is_version) {
                let folder = Path::new(place).join(&version);
                let mut names = self.names_in(&folder)?;
                // A link is no cluster: these folders are not root's.
                let is_real =
                    |path: &Path| matches!(self.found(path), Ok(Some(found)) if found.kind == Kind::Directory);
                names.retain(|name| is_real(&folder) && is_real(&folder.join(name)));
                clusters.extend(
                    names.iter().map(|name| format!("{}/{}", version.to_string_lossy(), name.to_string_lossy())),
                );
            }
        }
        clusters.sort();
        clusters.dedup();
        Ok(clusters)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::host::{Host, programs};

    struct Play {
        root: tempfile::TempDir,
        touch: Touch,
    }

    /// A host where dpkg was cut off at postgresql-15, with these files.
    fn play(files: &[&str]) -> Play {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files.iter().map(|path| (*path, "")).chain([(
            "/var/lib/dpkg/status",
            "Package: postgresql-15\nStatus: install ok half-configured\nVersion: 15\n",
        )]) {
            let place = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        let touch = Host::at(root.path(), Box::new(programs::Real)).unwrap().touch();
        Play { root, touch }
    }

    impl Play {
        fn has(&self, path: &str) -> bool {
            self.root.path().join(path.trim_start_matches('/')).exists()
        }
    }

    const HALF: [&str; 2] = ["/etc/postgresql/15/main/postgresql.conf", "/var/lib/postgresql/15/main/base/1/2"];

    #[test]
    fn a_cluster_that_was_being_made_with_its_package_is_made_anew() {
        let play = play(&HALF);
        assert_eq!(play.touch.remove_clusters_of_broken_packages("").unwrap(), ["15/main"]);
        assert!(!play.has("/etc/postgresql/15/main") && !play.has("/var/lib/postgresql/15/main"));
    }

    #[test]
    fn one_that_was_there_before_or_ever_ran_or_whose_package_is_whole_stays() {
        let before = play(&HALF);
        assert!(before.touch.remove_clusters_of_broken_packages("14/main\n15/main\n").unwrap().is_empty());
        assert!(before.has(HALF[0]) && before.has(HALF[1]));

        let ran = play(&[HALF[0], HALF[1], "/var/lib/postgresql/15/main/postmaster.opts"]);
        assert!(ran.touch.remove_clusters_of_broken_packages("").unwrap().is_empty());
        assert!(ran.has(HALF[1]));

        let whole = play(&["/etc/postgresql/14/main/postgresql.conf"]);
        assert!(whole.touch.remove_clusters_of_broken_packages("").unwrap().is_empty());
    }

    #[test]
    fn one_that_hostagent_was_making_goes_and_data_that_was_there_is_never_noted() {
        let play = play(&["/etc/postgresql/15/app/postgresql.conf"]);
        fs::create_dir_all(play.root.path().join("srv/pg")).unwrap();
        let data = Path::new("/srv/pg");
        std::mem::forget(play.touch.making_cluster(15, "app", data).unwrap());
        fs::write(play.root.path().join("srv/pg/PG_VERSION"), "15").unwrap();
        assert_eq!(play.touch.remove_cluster_under_way().unwrap().unwrap(), "15/app");
        assert!(!play.has("/etc/postgresql/15/app") && !play.has("/srv/pg/PG_VERSION"));
        assert_eq!(play.touch.remove_cluster_under_way().unwrap(), None);

        fs::create_dir_all(play.root.path().join("srv/pg")).unwrap();
        fs::write(play.root.path().join("srv/pg/PG_VERSION"), "15").unwrap();
        std::mem::forget(play.touch.making_cluster(15, "app", data).unwrap());
        assert_eq!(play.touch.remove_cluster_under_way().unwrap(), None);
        assert!(play.has("/srv/pg/PG_VERSION"));
    }

    #[test]
    fn nothing_goes_that_a_link_leads_to_or_whose_data_is_elsewhere() {
        let foreign = play(&["/home/ops/note"]);
        fs::create_dir_all(foreign.root.path().join("var/lib/postgresql/15")).unwrap();
        symlink(foreign.root.path().join("home"), foreign.root.path().join("var/lib/postgresql/15/x")).unwrap();
        assert!(foreign.touch.remove_clusters_of_broken_packages("").unwrap().is_empty());
        foreign.touch.remove_all_in(Path::new("/var/lib/postgresql/15/x")).unwrap();
        assert!(foreign.has("/home/ops/note"));

        // One that somebody runs, and one that the package was to make elsewhere.
        let elsewhere = "data_directory = '/srv/pg'\n";
        let own = play(&[HALF[0], "/srv/pg/postmaster.opts"]);
        fs::write(own.root.path().join(HALF[0].trim_start_matches('/')), elsewhere).unwrap();
        let moved = play(&["/srv/pg/PG_VERSION", "/etc/postgresql/15/main/pg_hba.conf", MAKERS]);
        fs::write(moved.root.path().join(MAKERS.trim_start_matches('/')), elsewhere).unwrap();
        for play in [own, moved] {
            assert!(play.touch.remove_clusters_of_broken_packages("").unwrap().is_empty());
            assert!(play.has("/etc/postgresql/15/main") && play.has("/srv/pg"));
        }
    }

    #[test]
    fn a_cluster_that_is_made_leaves_no_note() {
        let play = play(&[]);
        drop(play.touch.making_cluster(15, "app", Path::new("/srv/pg")).unwrap());
        assert!(!play.has("/var/lib/hostagent/cluster-under-way"));
    }
}

//! A unit's files on disk: which ones count, and whether they changed behind systemd's back.
//!
//! `NeedDaemonReload` overlooks a first drop-in and a new override in /etc on systemd 252 (systemd#31752), so the files'
//! own times are compared with when systemd last read them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Unit;
use super::settings::Settings;
use crate::host::coming::Coming;
use crate::host::{Error, Look};

/// Where unit files are, the strongest first (systemd.unit(5)), and whether people and packages put them there;
/// the other places are systemd's own.
const PLACES: [(&str, bool); 12] = [
    ("/etc/systemd/system.control", false),
    ("/run/systemd/system.control", false),
    ("/run/systemd/transient", false),
    ("/run/systemd/generator.early", false),
    ("/etc/systemd/system", true),
    ("/etc/systemd/system.attached", true),
    ("/run/systemd/system", true),
    ("/run/systemd/system.attached", true),
    ("/run/systemd/generator", false),
    ("/usr/local/lib/systemd/system", true),
    ("/usr/lib/systemd/system", true),
    ("/run/systemd/generator.late", false),
];

/// Where people put files that describe a unit: the files, and the folders whose files add to them.
pub fn written_by_people(name: &str) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let at = |names: Vec<String>| {
        let places = ["/etc/systemd/system", "/usr/local/lib/systemd/system"].into_iter();
        places.flat_map(|place| names.iter().map(|name| Path::new(place).join(name)).collect::<Vec<_>>()).collect()
    };
    (at(files_named(name)), at(folders_named(name)))
}

/// Whether a file of the unit is newer than systemd's last reading of files, or gone since.
pub(super) fn changed_since(host: &Look, unit: &Unit) -> Result<bool, Error> {
    for path in unit.fragment.iter().chain(&unit.drop_ins) {
        if host.found(path)?.is_none() {
            return Ok(true);
        }
    }
    if !unit.exists() {
        // Drop-ins of a unit that is still to be installed are read with it.
        return Ok(fragment_of(host, &unit.name, &Coming::new())?.is_some());
    }
    let names: BTreeSet<&str> = unit.names.iter().chain([&unit.name]).map(String::as_str).collect();
    let mut paths = Vec::new();
    for (place, _) in PLACES.iter().filter(|(_, theirs)| *theirs) {
        let files = names.iter().flat_map(|name| files_named(name));
        paths.extend(files.map(|file| Path::new(place).join(file)));
    }
    paths.extend(drop_ins_of(host, &names, &Coming::new())?.into_iter().filter(|path| !is_systemds_own(path)));
    // Before it reads files systemd runs its generators, so what was written in the same tick of the clock has been read.
    let from = i128::from(unit.files_read_at) * 1000;
    // After a jump of the clock a time to come says nothing.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    let until = i128::try_from(now).unwrap_or(i128::MAX);
    for path in paths {
        if newest(host, &path)?.is_some_and(|ctime| ctime > from && ctime <= until) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Look {
    /// What the unit's files on disk say, with what is to come in their place.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn unit_settings(&self, unit: &Unit, coming: &Coming) -> Result<Settings, Error> {
        let names: BTreeSet<&str> = unit.names.iter().chain([&unit.name]).map(String::as_str).collect();
        let mut texts = Vec::new();
        for path in fragment_of(self, &unit.name, coming)?.into_iter().chain(drop_ins_of(self, &names, coming)?) {
            texts.push(match coming.get(&path) {
                Some(content) => String::from_utf8_lossy(content.as_deref().unwrap_or_default()).into_owned(),
                None => self.read_text(&path)?.unwrap_or_default(),
            });
        }
        Ok(Settings::of(texts.iter().map(String::as_str)))
    }

    /// Whether the unit's files changed after this moment (microseconds since the epoch).
    ///
    /// # Errors
    /// When one of them cannot be looked at.
    pub fn unit_files_changed_after(&self, unit: &Unit, moment: u64) -> Result<bool, Error> {
        let names: BTreeSet<&str> = unit.names.iter().chain([&unit.name]).map(String::as_str).collect();
        let from = i128::from(moment) * 1000;
        // Enabling makes links that name the file anew; only the file itself counts.
        let fragment = fragment_of(self, &unit.name, &Coming::new())?.filter(|path| !is_systemds_own(path));
        if let Some(path) = fragment
            && self.found_through(&path)?.is_some_and(|found| found.ctime > from)
        {
            return Ok(true);
        }
        for path in drop_ins_of(self, &names, &Coming::new())?.iter().filter(|path| !is_systemds_own(path)) {
            if newest(self, path)?.is_some_and(|ctime| ctime > from) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether systemd may have read it as a unit file or drop-in.
pub fn is_unit_file(path: &Path) -> bool {
    PLACES.iter().any(|(place, _)| path.starts_with(place))
}

fn is_systemds_own(path: &Path) -> bool {
    PLACES.iter().any(|(place, theirs)| !theirs && path.starts_with(place))
}

/// The newest time of a file and, if it is a link, of what it points to.
fn newest(host: &Look, path: &Path) -> Result<Option<i128>, Error> {
    let Some(itself) = host.found(path)? else { return Ok(None) };
    Ok(Some(host.found_through(path)?.map_or(itself.ctime, |behind| behind.ctime.max(itself.ctime))))
}

/// The file that counts.
fn fragment_of(host: &Look, name: &str, coming: &Coming) -> Result<Option<PathBuf>, Error> {
    for file in files_named(name) {
        for (place, _) in PLACES {
            let path = Path::new(place).join(&file);
            let there = match coming.get(&path) {
                Some(content) => content.is_some(),
                None => host.found(&path)?.is_some(),
            };
            if there {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// The drop-ins that count, in the order they are read: by name, and of one name the strongest.
fn drop_ins_of(host: &Look, names: &BTreeSet<&str>, coming: &Coming) -> Result<Vec<PathBuf>, Error> {
    let mut chosen: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
    for folder in names.iter().flat_map(|name| folders_named(name)) {
        for (place, _) in PLACES {
            let directory = Path::new(place).join(&folder);
            let mut found: BTreeSet<std::ffi::OsString> = host.names_in(&directory)?.into_iter().collect();
            for (path, content) in coming.iter().filter(|(path, _)| path.parent() == Some(&directory)) {
                let name = path.file_name().unwrap_or_default().to_owned();
                if content.is_some() {
                    found.insert(name)
                } else {
                    found.remove(&name)
                };
            }
            for name in found {
                let path = directory.join(&name);
                if path.extension().is_some_and(|end| end == "conf") {
                    chosen.entry(name).or_insert(path);
                }
            }
        }
    }
    Ok(chosen.into_values().collect())
}

/// `a@b.service` may be described by `a@.service`.
fn files_named(name: &str) -> Vec<String> {
    let template = template_of(name);
    std::iter::once(name.to_owned()).chain(template).collect()
}

/// The folders whose drop-ins apply to a unit: its own, its template's, its prefixes', its kind's.
fn folders_named(name: &str) -> Vec<String> {
    let mut folders = Vec::new();
    let kind = name.rsplit('.').next().unwrap_or_default();
    for file in files_named(name) {
        let stem = file.strip_suffix(kind).and_then(|stem| stem.strip_suffix('.')).unwrap_or(&file);
        let (mut prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, format!("@{instance}")),
            None => (stem, String::new()),
        };
        folders.push(format!("{file}.d"));
        while let Some((shorter, _)) = prefix.trim_end_matches('-').rsplit_once('-') {
            if shorter.is_empty() {
                break;
            }
            folders.push(format!("{shorter}-{instance}.{kind}.d"));
            prefix = shorter;
        }
    }
    folders.push(format!("{kind}.d"));
    folders
}

fn template_of(name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let (prefix, instance) = stem.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{kind}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    fn host() -> (tempfile::TempDir, Look) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        (root, host.look())
    }

    fn put(root: &tempfile::TempDir, path: &str, text: &str) {
        let place = root.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    fn unit(name: &str) -> Unit {
        Unit { name: name.into(), names: vec![name.into()], ..Unit::default() }
    }

    #[test]
    fn drop_ins_come_from_every_folder_that_applies() {
        assert_eq!(
            folders_named("postgresql@15-main.service"),
            ["postgresql@15-main.service.d", "postgresql@.service.d", "service.d"]
        );
        assert_eq!(folders_named("a-b-c.service"), ["a-b-c.service.d", "a-b-.service.d", "a-.service.d", "service.d"]);
        assert_eq!(folders_named("-.slice"), ["-.slice.d", "slice.d"]);
    }

    #[test]
    fn people_describe_an_instance_by_its_template_too() {
        let (files, folders) = written_by_people("a@1.service");
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(files[..2], ["/etc/systemd/system/a@1.service", "/etc/systemd/system/a@.service"]);
        assert!(folders.contains(&"/usr/local/lib/systemd/system/a@.service.d".into()));
    }

    #[test]
    fn a_file_in_etc_counts_before_the_packages() {
        let (root, host) = host();
        put(&root, "usr/lib/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n");
        let packaged = host.unit_settings(&unit("a.service"), &Coming::new()).unwrap();
        put(&root, "etc/systemd/system/a.service", "[Service]\nExecStart=/bin/b\n");
        let ours = host.unit_settings(&unit("a.service"), &Coming::new()).unwrap();
        assert_ne!(packaged, ours);
        assert_eq!(ours, Settings::of(["[Service]\nExecStart=/bin/b\n"]));
    }

    #[test]
    fn what_is_to_come_is_read_as_if_it_were_there() {
        let (root, host) = host();
        put(&root, "usr/lib/systemd/system/a@.service", "[Service]\nExecStart=/bin/a\n");
        put(&root, "etc/systemd/system/a@.service.d/x.conf", "[Service]\nNice=1\n");
        let unit = unit("a@1.service");
        let path = PathBuf::from("/etc/systemd/system/a@1.service.d/hostagent.conf");
        let now = host.unit_settings(&unit, &Coming::new()).unwrap();
        let named =
            host.unit_settings(&unit, &[(path.clone(), Some(b"[Unit]\nDescription=x\n".to_vec()))].into()).unwrap();
        let niced = host.unit_settings(&unit, &[(path, Some(b"[Service]\nNice=2\n".to_vec()))].into()).unwrap();
        let gone = [(PathBuf::from("/etc/systemd/system/a@.service.d/x.conf"), None)].into();
        assert_eq!(now, named);
        assert_ne!(now, niced);
        assert_eq!(host.unit_settings(&unit, &gone).unwrap(), Settings::of(["[Service]\nExecStart=/bin/a\n"]));
    }

    #[test]
    fn systemd_must_read_again_what_is_newer_than_its_last_reading_or_gone() {
        let (root, host) = host();
        put(&root, "usr/lib/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n");
        std::thread::sleep(2 * crate::host::contents::TICK);
        let now =
            || u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let read = Unit { files_read_at: now(), ..unit("a.service") };
        assert!(!changed_since(&host, &read).unwrap());
        std::thread::sleep(2 * crate::host::contents::TICK);
        put(&root, "etc/systemd/system/a.service.d/o.conf", "[Service]\nNice=1\n");
        assert!(changed_since(&host, &read).unwrap());
        std::thread::sleep(2 * crate::host::contents::TICK);
        let again = Unit { files_read_at: now(), ..read };
        assert!(!changed_since(&host, &again).unwrap());
        let gone = Unit { drop_ins: vec!["/etc/systemd/system/a.service.d/p.conf".into()], ..again };
        assert!(changed_since(&host, &gone).unwrap());
    }
}

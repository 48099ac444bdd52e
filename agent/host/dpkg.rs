//! What dpkg says is installed: `/var/lib/dpkg/status`, read once and again only when it changed.
//!
//! Asking `dpkg-query` costs a process; the file costs a few milliseconds for the whole run. Records of a dpkg that was
//! killed still lie in `/var/lib/dpkg/updates/` and count: the status file alone would then be out of date.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::{Error, Look};

/// dpkg's record of every package.
pub(super) const STATUS: &str = "/var/lib/dpkg/status";
/// Records that a running or killed dpkg has not merged yet.
const UPDATES: &str = "/var/lib/dpkg/updates";

/// A package that is on this host, at least in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name; another one than was asked for if that is provided by this package.
    pub name: String,
    /// Its version, deb-version(7).
    pub version: String,
    /// Its architecture, such as `amd64` or `all`.
    pub architecture: String,
    /// The word that dpkg has for its state if that is not `installed`, such as `half-configured`.
    pub broken: Option<String>,
    /// Whether a person told dpkg to leave its version alone.
    pub held: bool,
    /// Whether somebody told dpkg to remove it.
    pub going: bool,
}

/// Everything dpkg has on this host.
#[derive(Debug, Default)]
pub(super) struct Packages {
    /// By name; more than one where several architectures are installed.
    by_name: BTreeMap<String, Vec<Record>>,
    /// What packages provide, as they say it, and their name with its architecture. Asked rarely, so taken apart late.
    provides: Vec<(String, String)>,
}

/// One paragraph; `None` for what was removed and left its configuration.
type Record = (String, Option<Installed>);

/// What the files looked like when they were read.
type Stamp = [(u64, i128); 2];

/// The last reading.
#[derive(Debug)]
pub(super) struct Read {
    stamp: Stamp,
    packages: Rc<Packages>,
}

impl Look {
    /// What dpkg has; empty if this host has no dpkg.
    pub(super) fn dpkg(&self) -> Result<Rc<Packages>, Error> {
        let stamp_of = |path| {
            let found = self.found(Path::new(path))?;
            Ok::<_, Error>(found.map_or((0, 0), |file| (file.size, file.ctime)))
        };
        let stamp = [stamp_of(STATUS)?, stamp_of(UPDATES)?];
        if let Some(read) = self.0.dpkg.borrow().as_ref().filter(|read| read.stamp == stamp) {
            return Ok(Rc::clone(&read.packages));
        }
        let mut read = Packages::default();
        read.take(&String::from_utf8_lossy(&self.read(Path::new(STATUS))?.unwrap_or_default()));
        for name in self.unmerged()? {
            read.take(&self.read_text(&Path::new(UPDATES).join(name))?.unwrap_or_default());
        }
        let packages = Rc::new(read);
        self.0.dpkg.replace(Some(Read { stamp, packages: Rc::clone(&packages) }));
        Ok(packages)
    }

    /// The records in `updates/`, oldest first.
    pub(super) fn unmerged(&self) -> Result<Vec<String>, Error> {
        let names = self.names_in(Path::new(UPDATES))?.into_iter().filter_map(|name| name.into_string().ok());
        Ok(names.filter(|name| name.bytes().all(|c| c.is_ascii_digit())).collect())
    }
}

impl Packages {
    /// The package of this name (`curl`, or `libc6:i386`), or one that provides it.
    pub(super) fn find(&self, asked: &str) -> Option<&Installed> {
        let (name, architecture) = asked.split_once(':').map_or((asked, None), |(name, arch)| (name, Some(arch)));
        let Some(records) = self.by_name.get(name) else {
            let provides = |list: &str| list.split(',').any(|one| one.split_whitespace().next() == Some(name));
            return self
                .provides
                .iter()
                .filter(|(list, _)| provides(list))
                .find_map(|(_, provider)| self.find(provider));
        };
        let native = self.by_name.get("dpkg").and_then(|records| records.first()).map(|(arch, _)| arch.as_str());
        let fits = |of: &str| of == "all" || architecture.or(native).is_none_or(|want| want == of);
        records.iter().find(|(arch, _)| fits(arch)).and_then(|(_, installed)| installed.as_ref())
    }

    /// The packages that dpkg did not finish with.
    pub(super) fn broken(&self) -> impl Iterator<Item = &Installed> {
        self.by_name
            .values()
            .flatten()
            .filter_map(|(_, installed)| installed.as_ref())
            .filter(|one| one.broken.is_some())
    }

    /// Takes in every paragraph of a status file; a later one replaces an earlier one of the same package.
    fn take(&mut self, text: &str) {
        let mut paragraph = Paragraph::default();
        for line in text.split('\n') {
            match line.as_bytes().first() {
                None => self.put(&std::mem::take(&mut paragraph)),
                Some(b'P' | b'S' | b'A' | b'V') => paragraph.take(line),
                Some(_) => {}
            }
        }
        self.put(&paragraph);
    }

    fn put(&mut self, paragraph: &Paragraph<'_>) {
        let (Some(name), architecture) = (paragraph.package, paragraph.architecture.unwrap_or_default()) else {
            return;
        };
        let mut status = paragraph.status.unwrap_or_default().split(' ');
        let (want, flag, state) = (status.next().unwrap_or_default(), status.next(), status.next().unwrap_or_default());
        let installed = (!matches!(state, "not-installed" | "config-files" | "")).then(|| Installed {
            name: name.to_owned(),
            version: paragraph.version.unwrap_or_default().to_owned(),
            architecture: architecture.to_owned(),
            broken: (state != "installed" || flag != Some("ok")).then(|| state.to_owned()),
            held: want == "hold",
            going: matches!(want, "deinstall" | "purge"),
        });
        if let (Some(provides), true) = (paragraph.provides, installed.is_some()) {
            self.provides.push((provides.to_owned(), format!("{name}:{architecture}")));
        }
        let records = self.by_name.entry(name.to_owned()).or_default();
        records.retain(|(other, _)| other != architecture);
        records.push((architecture.to_owned(), installed));
    }
}

/// The fields of one package that matter here.
#[derive(Default)]
struct Paragraph<'t> {
    package: Option<&'t str>,
    status: Option<&'t str>,
    architecture: Option<&'t str>,
    version: Option<&'t str>,
    provides: Option<&'t str>,
}

impl<'t> Paragraph<'t> {
    fn take(&mut self, line: &'t str) {
        let value = |field: &str| line.strip_prefix(field)?.strip_prefix(": ");
        match line.as_bytes().get(1) {
            Some(b'a') => self.package = value("Package").or(self.package),
            Some(b't') => self.status = value("Status").or(self.status),
            Some(b'r') if line.starts_with('A') => self.architecture = value("Architecture").or(self.architecture),
            Some(b'r') => self.provides = value("Provides").or(self.provides),
            Some(b'e') => self.version = value("Version").or(self.version),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::{Host, programs::Real};

    const SOME: &str = "\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22

Package: nginx
Status: hold ok installed
Architecture: amd64
Version: 1.22.1-9
Provides: httpd, httpd-cgi (= 1.22.1-9)
Description: server
 Package: not-a-field
Conffiles:
 /etc/nginx/nginx.conf 123

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: libc6
Status: install ok half-configured
Architecture: i386
Version: 2.36-9

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0
Provides: haunted
";

    fn host(text: &str) -> (tempfile::TempDir, Look) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("var/lib/dpkg/updates")).unwrap();
        fs::write(root.path().join("var/lib/dpkg/status"), text).unwrap();
        let look = Host::at(root.path(), Box::new(Real)).unwrap().look();
        (root, look)
    }

    #[test]
    fn packages_are_found_by_name_by_architecture_and_by_what_they_provide() {
        let (_root, look) = host(SOME);
        let dpkg = look.dpkg().unwrap();
        let nginx = dpkg.find("nginx").unwrap();
        assert_eq!((nginx.version.as_str(), nginx.held, &nginx.broken), ("1.22.1-9", true, &None));
        assert_eq!(dpkg.find("httpd-cgi"), Some(nginx));
        assert_eq!(dpkg.find("libc6").unwrap().broken, None);
        assert_eq!(dpkg.find("libc6:i386").unwrap().broken.as_deref(), Some("half-configured"));
        assert_eq!(dpkg.find("gone"), None);
        assert_eq!(dpkg.find("haunted"), None);
        assert_eq!(dpkg.find("not-a-field"), None);
        assert_eq!(dpkg.broken().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["libc6"]);
    }

    #[test]
    fn what_a_killed_dpkg_has_not_merged_counts() {
        let (root, look) = host(SOME);
        assert!(look.dpkg().unwrap().find("nginx").unwrap().broken.is_none());
        let paragraph = "Package: nginx\nStatus: install ok unpacked\nArchitecture: amd64\nVersion: 1.22.1-10\n";
        fs::write(root.path().join("var/lib/dpkg/updates/0001"), paragraph).unwrap();
        let dpkg = look.dpkg().unwrap();
        let nginx = dpkg.find("nginx").unwrap();
        assert_eq!((nginx.version.as_str(), nginx.broken.as_deref()), ("1.22.1-10", Some("unpacked")));
        assert_eq!(dpkg.find("httpd"), Some(nginx), "it is still the one that provides it");
    }

    #[test]
    fn a_changed_status_is_read_again_and_an_unchanged_one_is_not() {
        let (root, look) = host(SOME);
        let first = look.dpkg().unwrap();
        assert!(Rc::ptr_eq(&first, &look.dpkg().unwrap()));
        fs::write(root.path().join("var/lib/dpkg/status"), "").unwrap();
        assert_eq!(look.dpkg().unwrap().find("nginx"), None);
    }
}

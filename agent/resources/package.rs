//! A package that is installed, or is not. All packages of a plan are one transaction.

use std::cmp::Ordering;

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, LeftOut, Patience, Resource};
use crate::host::deb_version::{compare, satisfies};
use crate::host::packages::{Installed, Transaction, Wanted};
use crate::host::{Look, Touch};

/// A package of the distribution or of an [`super::apt_source::AptSource`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name, such as `nginx`.
    pub name: String,
    /// This version, or a pattern such as `1.22.*`; none: any will do.
    pub version: Option<String>,
    /// Whether it must not be installed. Its configuration files stay (it is removed, not purged).
    pub absent: bool,
    /// Whether packages that it recommends come with it.
    pub recommends: bool,
}

impl Package {
    /// A package in whichever version, without what it recommends.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), version: None, absent: false, recommends: false }
    }

    /// How the host differs.
    fn compared(&self, now: Option<&Installed>) -> Result<Changes, Cause> {
        // What only provides the name is another package: it is not this one's version, and not removed for it.
        let itself = now.filter(|one| Some(one.name.as_str()) == self.name.split(':').next());
        if self.absent {
            return match itself {
                Some(now) if now.held => Err(self.is_held(now)),
                Some(now) => Ok(Changes::none().disappears("installed", &now.version)),
                None => Ok(Changes::none()),
            };
        }
        let Some(present) = (if self.version.is_some() { itself } else { now }) else { return Ok(self.when_absent()) };
        let changes = match &present.broken {
            Some(state) => Changes::none().value("state", state, &"installed".to_owned()),
            None => Changes::none(),
        };
        match &self.version {
            Some(version) if !satisfies(&present.version, version) => {
                if present.held {
                    return Err(self.is_held(present));
                }
                let exact = !version.contains('*');
                if exact && compare(&present.version, version) == Ordering::Greater {
                    let says = format!(
                        "`{}` is installed in version {}, which is newer than {version}",
                        self.name, present.version
                    );
                    let hint = format!(
                        "what a newer version has written may be unreadable to an older one: raise the version in the recipe, or run `apt-get install --allow-downgrades {}={version}`",
                        self.name
                    );
                    return Err(Cause::new("package-newer", says).hint(hint));
                }
                Ok(changes.value("version", &present.version, version))
            }
            _ => Ok(changes),
        }
    }

    fn is_held(&self, now: &Installed) -> Cause {
        let says = format!("`{}` is held at version {}, and the recipe wants {}", self.name, now.version, self.wish());
        Cause::new("package-held", says)
            .hint(format!("`apt-mark unhold {0}`, or take `{0}` out of the recipe", self.name))
    }

    fn wish(&self) -> String {
        match &self.version {
            _ if self.absent => "it gone".to_owned(),
            Some(version) => version.clone(),
            None => "it installed".to_owned(),
        }
    }
}

impl Resource for Package {
    const TOGETHER: bool = true;

    fn id(&self) -> Id {
        Id::new("package", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        vec![Id::every("apt_source")]
    }

    /// A wait for apt's locks, and calls of apt that have half an hour each. One that is at work when this is over comes to
    /// its own end, and the next run waits for it.
    fn patience(&self) -> Patience {
        Patience::applying(Patience::LONGEST)
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        self.compared(host.package(&self.name)?.as_ref())
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        match Self::apply_all(&[self], host).await?.pop() {
            Some((_, cause)) => Err(cause),
            None => Ok(()),
        }
    }

    async fn apply_all(all: &[&Self], host: &Touch) -> Result<LeftOut, Cause> {
        let mut wanted = Vec::new();
        for one in all {
            // One that is right by now, or that may not be changed, is no reason to touch or to hold up the others.
            if one.check(host).await.is_ok_and(|changes| !changes.is_empty()) {
                wanted.push(Wanted {
                    name: one.name.clone(),
                    version: one.version.clone(),
                    absent: one.absent,
                    recommends: one.recommends,
                });
            }
        }
        let unknown = host.install(&wanted, Transaction::default()).await?;
        Ok(unknown.into_iter().map(|unknown| (Id::new("package", unknown.name), unknown.error.into())).collect())
    }

    fn when_absent(&self) -> Changes {
        if self.absent {
            return Changes::none();
        }
        Changes::none().appears("version", self.version.as_deref().unwrap_or("newest")).creating()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    /// A host whose apt writes what it installs and removes into dpkg's status.
    fn play(installed: &str) -> Play {
        let play = Play::with(|argv, root| {
            let word = argv.last()?;
            if argv.iter().any(|word| word == "--simulate") {
                return Some((0, String::new()));
            }
            let status = root.join("var/lib/dpkg/status");
            let record = |name: &str, state: &str| {
                format!("Package: {name}\nStatus: {state}\nArchitecture: all\nVersion: 1.22.1-9\n\n")
            };
            let text = match (argv.first()?.as_str(), word.strip_suffix('-')) {
                ("apt-get", Some(name)) => record(name, "deinstall ok config-files"),
                ("apt-get", None) => record(word.split('=').next()?, "install ok installed"),
                _ => return None,
            };
            std::fs::write(status, text).unwrap();
            Some((0, String::new()))
        });
        play.file("/var/lib/dpkg/status", installed)
            .file("/etc/apt/sources.list", "")
            .file("/var/lib/apt/lists/deb_Packages", "")
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_package_keeps_its_word_there_and_gone() {
        let play = play("");
        keeps_its_word::<Package>(&nginx(Some("1.22.*")), &play.host).await;
        keeps_its_word::<Package>(&Package { absent: true, ..nginx(None) }, &play.host).await;
        keeps_its_word::<Package>(&nginx(None), &play.host).await;
        // The removal is asked about first.
        assert_eq!(play.ran().iter().filter(|line| line.starts_with("apt-get")).count(), 4, "{:?}", play.ran());
    }

    fn installed(version: &str) -> Installed {
        Installed {
            name: "nginx".into(),
            version: version.into(),
            architecture: "amd64".into(),
            broken: None,
            held: false,
            going: false,
        }
    }

    fn nginx(version: Option<&str>) -> Package {
        Package { version: version.map(str::to_owned), ..Package::named("nginx") }
    }

    fn said(package: &Package, now: &Installed) -> String {
        package.compared(Some(now)).map_or_else(|cause| cause.says, |changes| changes.to_string())
    }

    #[test]
    fn a_package_differs_by_absence_state_and_version() {
        assert_eq!(nginx(None).compared(None).unwrap().to_string(), "version absent -> newest");
        assert_eq!(nginx(Some("1.22.*")).compared(None).unwrap().to_string(), "version absent -> 1.22.*");
        assert_eq!(said(&nginx(None), &installed("1.22.1-9")), "");
        assert_eq!(said(&nginx(Some("1.22.*")), &installed("1.22.1-9")), "");
        assert_eq!(said(&nginx(Some("1.24.*")), &installed("1.22.1-9")), "version 1.22.1-9 -> 1.24.*");
        let broken = Installed { broken: Some("half-configured".into()), ..installed("1.22.1-9") };
        assert_eq!(said(&nginx(None), &broken), "state half-configured -> installed");
    }

    #[test]
    fn a_held_package_and_an_older_version_are_refused() {
        let held = Installed { held: true, ..installed("1.22.1-9") };
        assert_eq!(said(&nginx(None), &held), "");
        assert_eq!(said(&nginx(Some("1.24")), &held), "`nginx` is held at version 1.22.1-9, and the recipe wants 1.24");
        assert_eq!(
            said(&nginx(Some("1.20")), &installed("1.22.1-9")),
            "`nginx` is installed in version 1.22.1-9, which is newer than 1.20"
        );
    }

    #[test]
    fn a_package_that_must_not_be_there_is_removed_and_what_provides_its_name_is_not() {
        let absent = Package { absent: true, ..nginx(None) };
        assert_eq!(said(&absent, &installed("1.22.1-9")), "installed 1.22.1-9 -> absent");
        assert_eq!(absent.compared(None).unwrap().to_string(), "");
        let other = Installed { name: "nginx-full".into(), ..installed("1.22.1-9") };
        assert_eq!(said(&absent, &other), "");
        assert_eq!(said(&nginx(None), &other), "");
        assert_eq!(said(&nginx(Some("1.24")), &other), "version absent -> 1.24");
    }
}

//! Locales that programs can use, and the one they use unless told otherwise.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, LeftOut, Resource, Shown};
use crate::host::files::{Access, Kind};
use crate::host::programs::Program;
use crate::host::{Look, Touch};
use crate::problem::nearest;

const LIST: &str = "/etc/locale.gen";
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";
/// How long all locales of a plan may take: a nano makes one in about ten seconds.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(10);

/// A locale that programs can use. All of a plan are generated in one go.
#[derive(Debug, Clone, Serialize)]
pub struct Locale {
    /// Its name, such as `en_US.UTF-8`.
    pub name: String,
}

/// The locale that programs use unless told otherwise (`LANG`).
#[derive(Debug, Clone, Serialize)]
pub struct DefaultLocale {
    /// Its name, such as `en_US.UTF-8`.
    pub name: String,
}

/// Whether every host has it without being asked: the C library brings it.
pub fn is_built_in(name: &str) -> bool {
    matches!(name, "C" | "POSIX" | "C.UTF-8" | "C.utf8")
}

/// Whether it can be the name of a locale.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b))
}

impl Locale {
    /// The line of /etc/locale.gen: name and charset, as the distribution lists it.
    fn line(&self, host: &Look) -> Result<String, Cause> {
        let Some(text) = host.read_text(Path::new(SUPPORTED))? else {
            let says = format!("there is no `{SUPPORTED}` to choose `{}` from", self.name);
            return Err(
                Cause::new("no-locales", says).hint("the package `locales` brings it; `[host] packages` adds it")
            );
        };
        let names = || text.lines().filter_map(|line| line.split_whitespace().next());
        if let Some(line) = text.lines().find(|line| line.split_whitespace().next() == Some(self.name.as_str())) {
            return Ok(line.trim().to_owned());
        }
        let says = format!("there is no locale `{}`", self.name);
        Err(Cause::new("unknown-locale", says).hint(match nearest(&self.name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`{SUPPORTED}` lists them"),
        }))
    }
}

/// The list with these lines in it: a line that is commented out is put in force, others are added.
fn listed(now: &str, wanted: &[String]) -> String {
    let mut missing: Vec<&String> = wanted.iter().collect();
    let mut text = String::new();
    for line in now.lines() {
        let plain = line.trim_start_matches(['#', ' ']).trim();
        let found = missing.iter().position(|want| want.as_str() == plain);
        text += found.map_or(line, |at| missing.remove(at));
        text.push('\n');
    }
    missing.into_iter().fold(text, |text, line| text + line + "\n")
}

impl Resource for Locale {
    const TOGETHER: bool = true;

    fn id(&self) -> Id {
        Id::new("locale", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        vec![Id::new("package", "locales"), Id::new("package", "locales-all")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        if is_built_in(&self.name) || host.has_locale(&self.name)? {
            return Ok(Changes::none());
        }
        self.line(host)?;
        Ok(self.when_absent())
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        Self::apply_all(&[self], host).await.map(drop)
    }

    async fn apply_all(all: &[&Self], host: &Touch) -> Result<LeftOut, Cause> {
        let mut lines = Vec::new();
        for one in all {
            if !is_built_in(&one.name) && !host.has_locale(&one.name)? {
                lines.push(one.line(host)?);
            }
        }
        if lines.is_empty() {
            return Ok(LeftOut::new());
        }
        let now = host.read_text(Path::new(LIST))?.unwrap_or_default();
        let want = listed(&now, &lines);
        if want != now {
            host.replace(Path::new(LIST), want.as_bytes(), Access { uid: 0, gid: 0, mode: 0o644 })?;
        }
        host.run(&Program::does("locale-gen").arg("--keep-existing").patience(PATIENCE)).await?;
        Ok(LeftOut::new())
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("locale", &self.name).creating()
    }
}

impl DefaultLocale {
    /// The file that says it: Debian 13 keeps systemd's and links the old one there.
    fn path(host: &Look) -> Result<PathBuf, Cause> {
        let (old, new) = (Path::new("/etc/default/locale"), Path::new("/etc/locale.conf"));
        let is_file = |path| Ok::<_, Cause>(host.found(path)?.is_some_and(|found| found.kind == Kind::File));
        if !is_file(old)? && is_file(new)? {
            return Ok(new.to_owned());
        }
        Ok(host.resolved(old)?.unwrap_or_else(|| old.to_owned()))
    }
}

/// The value of a variable in a file of assignments, unquoted.
fn assigned<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines().rev().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    lines.next().map(|value| value.trim_matches(['"', '\'']))
}

impl Resource for DefaultLocale {
    fn id(&self) -> Id {
        Id::new("host", "locale")
    }

    fn needs(&self) -> Vec<Id> {
        vec![Id::new("locale", &self.name), Id::new("package", "locales")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let text = host.read_text(&Self::path(host)?)?.unwrap_or_default();
        Ok(match assigned(&text, "LANG") {
            Some(now) => Changes::none().value("LANG", &now, &self.name.as_str()),
            None => Changes::none().differs("LANG", Shown::Absent, Shown::Plain(self.name.clone())),
        })
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let path = Self::path(host)?;
        let text = host.read_text(&path)?.unwrap_or_default();
        let others = text.lines().filter(|line| !line.trim().starts_with("LANG="));
        let text = others.fold(String::new(), |text, line| text + line + "\n");
        let text = format!("{text}LANG={}\n", self.name);
        Ok(host.replace(&path, text.as_bytes(), Access { uid: 0, gid: 0, mode: 0o644 })?)
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("LANG", &self.name).creating()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn play() -> Play {
        let play = Play::with(|argv, root| {
            assert_eq!(argv, ["locale-gen", "--keep-existing"]);
            std::fs::create_dir_all(root.join("usr/lib/locale/en_US.utf8")).unwrap();
            std::fs::create_dir_all(root.join("usr/lib/locale/de_DE.utf8")).unwrap();
            Some((0, String::new()))
        });
        let play = play.file(SUPPORTED, "de_DE.UTF-8 UTF-8\nde_DE ISO-8859-1\nen_US.UTF-8 UTF-8\n");
        play.file(LIST, "# This file lists locales\n# de_DE.UTF-8 UTF-8\n")
    }

    fn locale(name: &str) -> Locale {
        Locale { name: name.into() }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_locale_keeps_its_word() {
        let play = play();
        keeps_its_word::<Locale>(&locale("en_US.UTF-8"), &play.host).await;
        assert_eq!(play.text(LIST), "# This file lists locales\n# de_DE.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn two_locales_are_generated_in_one_go() {
        let play = play();
        let (us, de) = (locale("en_US.UTF-8"), locale("de_DE.UTF-8"));
        Locale::apply_all(&[&us, &de], &play.host.touch()).await.unwrap();
        assert_eq!(play.text(LIST), "# This file lists locales\nde_DE.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n");
        assert_eq!(play.ran().len(), 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_c_librarys_own_need_nothing_and_a_stranger_is_named_with_the_nearest() {
        assert!(Play::new().differs(&locale("C.UTF-8")).await.is_empty());
        let said = locale("en_US.UTF8").check(&play().host.look()).await.unwrap_err();
        assert_eq!(said.hint.as_deref(), Some("did you mean `en_US.UTF-8`?"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_default_keeps_its_word_and_other_variables() {
        let play = Play::new().file("/etc/default/locale", "LANG=C\nLC_TIME=de_DE.UTF-8\n");
        keeps_its_word::<DefaultLocale>(&DefaultLocale { name: "en_US.UTF-8".into() }, &play.host).await;
        assert_eq!(play.text("/etc/default/locale"), "LC_TIME=de_DE.UTF-8\nLANG=en_US.UTF-8\n");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_default_is_written_where_the_old_file_links() {
        let play = Play::new().file("/etc/locale.conf", "LANG=C.UTF-8\n");
        std::fs::create_dir_all(play.place("/etc/default")).unwrap();
        std::os::unix::fs::symlink("../locale.conf", play.place("/etc/default/locale")).unwrap();
        keeps_its_word::<DefaultLocale>(&DefaultLocale { name: "en_US.UTF-8".into() }, &play.host).await;
        assert_eq!(play.text("/etc/locale.conf"), "LANG=en_US.UTF-8\n");
    }
}

//! `[[file]]`: a file whose content stands in the recipe or on a server.
//!
//! A file with a `check` is written as a set of one, which its checker must like: before it is written if it can be given a
//! copy, else or it is put back. Files that can lock people out have theirs without being asked, by their paths: rules of
//! sudo, and the configuration of the SSH server.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Feature, holds_login, needs_package};
use crate::engine::plan::Added;
use crate::engine::{Draft, Id};
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::resources::config_set::{ConfigCheck, ConfigFile, ConfigSet};
use crate::resources::config_set::{sshd, sudoers};
use crate::resources::download::Download;
use crate::terms::{AbsolutePath, AccountName, Address, Mode};

/// A file. Exactly one of `content` and `source` says what is in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where it is.
    pub path: AbsolutePath,
    /// Every byte of it, as text. One of `content` and `source` is needed.
    #[serde(default)]
    pub content: Option<String>,
    /// Where its content is to be had. Not for what sudo and the SSH server read, which is checked before it stays.
    /// One of `content` and `source` is needed.
    #[serde(default)]
    pub source: Option<Source>,
    /// Permission bits. Default: `"0644"`; `"0440"` for `/etc/sudoers` and under `/etc/sudoers.d/`; `"0600"` for a `secret`.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Who owns it. Default: `"root"`.
    #[serde(default = "AccountName::root")]
    pub owner: AccountName,
    /// Which group owns it. Default: `"root"`.
    #[serde(default = "AccountName::root")]
    pub group: AccountName,
    /// A command that exits with 0 if the file is good; `%s` stands for a copy of it, and the file is not written before that
    /// is good. Without a `%s` the file is written, and the old one is put back if it is not good. Default: none. What sudo
    /// and the SSH server read is checked by `visudo` and `sshd -t` in any case.
    #[serde(default)]
    pub check: Option<Vec<String>>,
    /// Whether its content stays out of plans and reports. Not for a file that is checked. Default: `false`.
    #[serde(default)]
    pub secret: bool,
    /// Whether packages are installed after it, for one that tells them how. Default: `true` under `/etc/apt/`, else `false`.
    #[serde(default)]
    pub before_packages: Option<bool>,
}

/// A file on a server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FileSource")]
pub struct Source {
    /// `https://…`, `http://…`, `s3://BUCKET/KEY`, or `file://…` on this host, without a user name or password.
    pub url: String,
    /// SHA-256 of the content, in hexadecimal. Nothing is fetched while the host's file has it.
    #[schemars(extend("pattern" = "^[0-9a-fA-F]{64}$"))]
    pub sha256: String,
}

/// Whose mistakes in a file lock people out: by its path alone, whatever else the recipe says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Sudo,
    Ssh,
}

impl Reader {
    /// Why its files are special.
    fn says(self) -> &'static str {
        match self {
            Self::Sudo => "rules of sudo are checked by `visudo` before they stay",
            Self::Ssh => "configuration of the SSH server is checked by `sshd -t` before it stays",
        }
    }
}

impl File {
    fn is_under(&self, directory: &str) -> bool {
        self.path.as_path().parent() == Some(Path::new(directory))
    }

    fn reader(&self) -> Option<Reader> {
        let is = |path: &str| self.path.as_path() == Path::new(path);
        if is(sudoers::MAIN) || self.is_under(sudoers::DIRECTORY) {
            return Some(Reader::Sudo);
        }
        (is(sshd::MAIN) || self.is_under(sshd::DIRECTORY)).then_some(Reader::Ssh)
    }

    fn mode(&self) -> Mode {
        self.mode.unwrap_or(match self.reader() {
            Some(Reader::Sudo) => sudoers::MODE,
            _ if self.secret => Mode::new(0o600),
            _ => Mode::FILE,
        })
    }

    fn comes_before_packages(&self) -> bool {
        self.before_packages.unwrap_or(self.path.as_path().starts_with("/etc/apt"))
    }

    /// The check of its own, if it has one.
    fn own_check(&self) -> Option<ConfigCheck> {
        let argv = self.check.as_ref()?;
        Some(if argv.iter().any(|word| word.contains("%s")) {
            ConfigCheck::copy(argv, self.path.as_path())
        } else {
            ConfigCheck::program(argv)
        })
    }

    /// The checks of a file that has any, those of the SSH server apart.
    fn checks(&self) -> Vec<ConfigCheck> {
        let mut checks = Vec::new();
        if self.reader() == Some(Reader::Sudo) {
            checks.extend(sudoers::rules("", self.path.as_path(), "").checks);
            checks.extend([sudoers::all_together(), sudoers::as_they_stand()]);
        }
        checks.extend(self.own_check());
        checks
    }

    /// What does not go with a check, and a check that is none.
    fn can_be_checked(&self, here: &KeyPath, plan: &mut Draft) {
        if self.check.as_ref().is_some_and(|argv| argv.first().is_none_or(String::is_empty)) {
            let hint =
                "write the program and its arguments, such as `[\"findmnt\", \"--verify\", \"%s\"]`, or leave it out";
            plan.problem_at(here.key("check"), "names no program", hint);
        }
        let Some(why) = self.reader().map(Reader::says).or_else(|| self.check.is_some().then_some("it has a `check`"))
        else {
            return;
        };
        if self.before_packages == Some(true) || self.secret {
            let key = if self.secret { "secret" } else { "before_packages" };
            let says = format!("{why}, and what is checked cannot be `{key}`");
            plan.problem_at(here.key(key), says, format!("leave `{key}` out"));
        }
    }

    fn config_file(&self, content: &str) -> ConfigFile {
        ConfigFile {
            path: self.path.clone().into(),
            content: content.into(),
            mode: self.mode(),
            owner: self.owner.clone(),
            group: self.group.clone(),
        }
    }

    fn add(&self, here: &KeyPath, plan: &mut Draft) {
        match (&self.content, &self.source) {
            (Some(content), None) => {
                self.can_be_checked(here, plan);
                self.add_content(content, plan);
            }
            (None, Some(source)) => match self.reader() {
                Some(reader) => {
                    let hint = "give it `content`: what is fetched would be in force unchecked";
                    plan.problem_at(here.key("source"), reader.says(), hint);
                }
                None => self.add_download(source, here, plan),
            },
            (None, None) => plan.problem(
                format!("nothing says what is in `{}`", self.path),
                "give it `content = \"…\"` or `source = { url = …, sha256 = … }`",
            ),
            (Some(_), Some(_)) => {
                let says = format!("`{}` has both `content` and `source`", self.path);
                plan.problem_at(here.key("source"), says, "take one of them out");
            }
        }
    }

    fn add_content(&self, content: &str, plan: &mut Draft) {
        let package = (self.reader() == Some(Reader::Sudo)).then(|| needs_package(plan, "sudo"));
        let checks = self.checks();
        if checks.is_empty() {
            plan.add(resources::file::File {
                path: self.path.clone().into(),
                content: content.into(),
                mode: self.mode(),
                owner: self.owner.clone(),
                group: self.group.clone(),
                secret: self.secret,
                before_packages: self.comes_before_packages(),
            });
            return;
        }
        let set = ConfigSet { checks, ..ConfigSet::new(self.path.to_string(), vec![self.config_file(content)]) };
        package.iter().fold(plan.add(set), Added::after);
    }

    fn add_download(&self, source: &Source, here: &KeyPath, plan: &mut Draft) {
        let scheme = source.url.split("://").next().unwrap_or_default();
        if holds_login(&source.url) {
            let hint = "fetch it from where none is needed, or put the content into the recipe";
            plan.problem_at(here.key("source").key("url"), "the URL holds a user name or password", hint);
        } else if scheme == "s3" {
            if let Err(complaint) = Address::try_from(source.url.as_str()) {
                let (says, hint) = complaint.split_once("\nhint: ").unwrap_or((&complaint, "is it right?"));
                plan.problem_at(here.key("source").key("url"), says, hint);
            }
        } else if !matches!(scheme, "https" | "http" | "file") || !source.url.contains("://") {
            let says = format!("cannot fetch `{}`", source.url);
            plan.problem_at(
                here.key("source").key("url"),
                says,
                "the URL begins with `https://`, `http://`, `s3://` or `file://`",
            );
        }
        if source.sha256.len() != 64 || !source.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            plan.problem_at(
                here.key("source").key("sha256"),
                "not a SHA-256",
                "64 hexadecimal digits, as `sha256sum` prints them",
            );
        }
        let beside = [
            ("check", self.check.is_some()),
            ("secret", self.secret),
            ("before_packages", self.before_packages == Some(true)),
        ];
        for (key, _) in beside.into_iter().filter(|(_, given)| *given) {
            let says = format!("`{key}` goes with `content`, not with `source`");
            plan.problem_with_key(here.key(key), says, "take it out, or put the content into the recipe");
        }
        if matches!(scheme, "https" | "s3") {
            needs_package(plan, "ca-certificates");
        }
        plan.add(Download {
            path: self.path.clone().into(),
            url: source.url.clone(),
            sha256: source.sha256.to_ascii_lowercase(),
            mode: self.mode(),
            owner: self.owner.clone(),
            group: self.group.clone(),
        });
    }

    /// Names that servers pass over, to the surprise of many.
    fn is_read(&self, here: &KeyPath, plan: &mut Draft) {
        let name = self.path.as_path().file_name().unwrap_or_default().to_string_lossy();
        if self.is_under(sudoers::DIRECTORY) && (name.contains('.') || name.ends_with('~')) {
            let says = format!("sudo passes over `{name}`");
            plan.problem_at(here.key("path"), says, "choose a name without a dot that does not end in `~`");
        }
        if self.is_under(sshd::DIRECTORY) && !name.ends_with(".conf") {
            plan.problem_at(
                here.key("path"),
                format!("the SSH server passes over `{name}`"),
                "choose a name that ends in `.conf`",
            );
        }
    }
}

impl Feature for Vec<File> {
    const TABLE: &'static str = "file";

    fn compile(&self, _facts: &Facts, plan: &mut Draft) {
        let (mut read_by_ssh, mut own_checks) = (Vec::new(), Vec::new());
        for (index, file) in self.iter().enumerate() {
            let here = KeyPath::root().key(Self::TABLE).index(index);
            plan.at(here.clone());
            file.is_read(&here, plan);
            match &file.content {
                Some(content) if file.reader() == Some(Reader::Ssh) && file.source.is_none() => {
                    file.can_be_checked(&here, plan);
                    read_by_ssh.push(file.config_file(content));
                    own_checks.extend(file.own_check());
                }
                _ => file.add(&here, plan),
            }
        }
        // One set for all of them: the server reads them together, and one may only make sense beside another.
        if !read_by_ssh.is_empty() {
            let package = needs_package(plan, sshd::PACKAGE);
            let needs = plan.add(sshd::privilege_separation()).id();
            let mut set = sshd::drop_ins(sshd::FILES, read_by_ssh);
            set.checks.extend(own_checks);
            let set: Id = plan.add(set).after(&package).after(&needs).id();
            plan.add(sshd::service()).after(&set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Recipe {
        file: Vec<File>,
    }

    fn plan(recipe: &str) -> Result<Vec<String>, Vec<String>> {
        let recipe: Recipe = toml::from_str(recipe).unwrap();
        let mut plan = Draft::default();
        recipe.file.compile(&Facts::default(), &mut plan);
        let plan =
            plan.finish().map_err(|problems| problems.into_iter().map(|problem| problem.says).collect::<Vec<_>>())?;
        Ok(plan.ids().map(ToString::to_string).collect())
    }

    #[test]
    fn a_plain_file_is_a_file_and_one_with_a_check_a_set() {
        assert_eq!(plan("[[file]]\npath = \"/etc/motd\"\ncontent = \"hi\"\n").unwrap(), ["file:/etc/motd"]);
        let checked = "[[file]]\npath = \"/etc/fstab\"\ncontent = \"\"\ncheck = [\"findmnt\", \"--verify\", \"%s\"]\n";
        assert_eq!(plan(checked).unwrap(), ["config_set:/etc/fstab"]);
    }

    #[test]
    fn what_apt_reads_comes_before_packages() {
        let file = "[[file]]\npath = \"/etc/apt/apt.conf.d/90-mine\"\ncontent = \"\"\n";
        let ids =
            plan(&format!("{}{file}", file.replace("/etc/apt/apt.conf.d/90-mine", "/etc/sudoers.d/ops"))).unwrap();
        assert_eq!(ids, ["file:/etc/apt/apt.conf.d/90-mine", "package:sudo", "config_set:/etc/sudoers.d/ops"]);
    }

    #[test]
    fn rules_of_sudo_are_checked_and_have_its_mode() {
        let recipe = "[[file]]\npath = \"/etc/sudoers.d/deploy\"\ncontent = \"deploy ALL=NOPASSWD:ALL\\n\"\n";
        assert_eq!(plan(recipe).unwrap(), ["package:sudo", "config_set:/etc/sudoers.d/deploy"]);
        let file: Recipe = toml::from_str(recipe).unwrap();
        assert_eq!(file.file[0].mode(), Mode::new(0o440));
        assert_eq!(file.file[0].checks().len(), 3);
        assert_eq!(plan(&recipe.replace("deploy\"", "my.rules\"")).unwrap_err(), ["sudo passes over `my.rules`"]);
    }

    #[test]
    fn drop_ins_of_the_ssh_server_are_one_set_that_its_service_loads() {
        let one =
            |name: &str| format!("[[file]]\npath = \"/etc/ssh/sshd_config.d/{name}\"\ncontent = \"UseDNS no\\n\"\n");
        let ids = plan(&format!("{}{}", one("a.conf"), one("b.conf"))).unwrap();
        assert_eq!(ids, ["package:openssh-server", "directory:/run/sshd", "config_set:sshd-files", "service:ssh"]);
        assert_eq!(plan(&one("a")).unwrap_err(), ["the SSH server passes over `a`"]);
    }

    #[test]
    fn what_can_lock_people_out_is_checked_by_its_path_alone() {
        let one = |path: &str, more: &str| format!("[[file]]\npath = \"{path}\"\n{more}\n");
        let content = "content = \"\"\n";
        assert_eq!(plan(&one("/etc/sudoers", content)).unwrap(), ["package:sudo", "config_set:/etc/sudoers"]);
        let of = |recipe: &str| toml::from_str::<Recipe>(recipe).unwrap().file.remove(0);
        let main = of(&one("/etc/sudoers", "content = \"\"\ncheck = [\"true\"]"));
        assert_eq!((main.mode(), main.checks().len()), (Mode::new(0o440), 4));

        let both = one("/etc/ssh/sshd_config", content)
            + &one("/etc/ssh/sshd_config.d/a.conf", "content = \"\"\ncheck = [\"grep\", \"x\", \"%s\"]");
        let recipe: Recipe = toml::from_str(&both).unwrap();
        let mut draft = Draft::default();
        recipe.file.compile(&Facts::default(), &mut draft);
        let (set, _) = draft.added::<ConfigSet>(&Id::new("config_set", sshd::FILES)).unwrap();
        assert_eq!((set.files.len(), set.checks.len()), (2, 3));
        assert!(draft.has(&Id::new("service", "ssh")));

        let sum = "0".repeat(64);
        let source = format!("source = {{ url = \"https://a/b\", sha256 = \"{sum}\" }}");
        for (path, why) in [
            ("/etc/sudoers", Reader::Sudo),
            ("/etc/sudoers.d/ops", Reader::Sudo),
            ("/etc/ssh/sshd_config", Reader::Ssh),
            ("/etc/ssh/sshd_config.d/a.conf", Reader::Ssh),
        ] {
            assert_eq!(plan(&one(path, &source)).unwrap_err(), [why.says()], "{path}");
        }
    }

    #[test]
    fn what_is_checked_is_neither_secret_nor_before_packages() {
        let one = |path: &str, more: &str| {
            plan(&format!("[[file]]\npath = \"{path}\"\ncontent = \"\"\n{more}\n")).unwrap_err()
        };
        assert_eq!(
            one("/etc/ssh/sshd_config.d/a.conf", "secret = true"),
            [
                "configuration of the SSH server is checked by `sshd -t` before it stays, and what is checked cannot be `secret`"
            ]
        );
        assert_eq!(
            one("/etc/sudoers.d/a", "before_packages = true"),
            ["rules of sudo are checked by `visudo` before they stay, and what is checked cannot be `before_packages`"]
        );
        assert_eq!(
            one("/etc/a", "secret = true\ncheck = [\"true\"]"),
            ["it has a `check`, and what is checked cannot be `secret`"]
        );
        assert_eq!(one("/etc/a", "check = []"), ["names no program"]);
    }

    #[test]
    fn a_secret_is_for_its_owner_alone_unless_the_recipe_says_otherwise() {
        let mode = |more: &str| {
            let text = format!("[[file]]\npath = \"/a\"\ncontent = \"\"\nsecret = true\n{more}");
            toml::from_str::<Recipe>(&text).unwrap().file.remove(0).mode()
        };
        assert_eq!((mode(""), mode("mode = \"0640\"")), (Mode::new(0o600), Mode::new(0o640)));
    }

    #[test]
    fn a_url_holds_no_password() {
        let sum = "0".repeat(64);
        let source =
            format!("[[file]]\npath = \"/a\"\nsource = {{ url = \"https://me:pw@a/b\", sha256 = \"{sum}\" }}\n");
        assert_eq!(plan(&source).unwrap_err(), ["the URL holds a user name or password"]);
    }

    #[test]
    fn what_is_in_a_file_is_said_once() {
        assert_eq!(plan("[[file]]\npath = \"/a\"\n").unwrap_err(), ["nothing says what is in `/a`"]);
        let source = "source = { url = \"ftp://a/b\", sha256 = \"12\" }\n";
        assert_eq!(
            plan(&format!("[[file]]\npath = \"/a\"\n{source}")).unwrap_err(),
            ["cannot fetch `ftp://a/b`", "not a SHA-256"]
        );
        assert_eq!(
            plan(&format!("[[file]]\npath = \"/a\"\ncontent = \"\"\n{source}")).unwrap_err(),
            ["`/a` has both `content` and `source`"]
        );
    }
}

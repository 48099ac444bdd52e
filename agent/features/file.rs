//! `[[file]]`: a file whose content stands in the recipe or on a server.
//!
//! A file with a `check` is written as a set of one, which its checker must like or it is put back. Files that can lock
//! people out have theirs without being asked: rules of sudo, and drop-ins of the SSH server.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Feature, needs_package};
use crate::engine::{Draft, Id};
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::resources::config_set::{ConfigCheck, ConfigFile, ConfigSet};
use crate::resources::download::Download;
use crate::resources::{sshd, sudoers};
use crate::terms::{AbsolutePath, AccountName, Mode};

/// A file. Exactly one of `content` and `source` says what is in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where it is.
    pub path: AbsolutePath,
    /// Every byte of it, as text.
    #[serde(default)]
    pub content: Option<String>,
    /// Where its content is to be had.
    #[serde(default)]
    pub source: Option<Source>,
    /// Permission bits. Default: `"0644"`; `"0440"` under `/etc/sudoers.d/`.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Who owns it. Default: `"root"`.
    #[serde(default = "AccountName::root")]
    pub owner: AccountName,
    /// Which group owns it. Default: `"root"`.
    #[serde(default = "AccountName::root")]
    pub group: AccountName,
    /// A command that exits with 0 if the file is good; `%s` stands for its path. If it is not good, the old file is put back.
    /// Default: none; `visudo` under `/etc/sudoers.d/`, `sshd -t` under `/etc/ssh/sshd_config.d/`.
    #[serde(default)]
    pub check: Option<Vec<String>>,
    /// Whether its content stays out of plans and reports. Default: `false`.
    #[serde(default)]
    pub secret: bool,
    /// Whether packages are installed after it, for one that tells them how. Default: `true` under `/etc/apt/`, else `false`.
    #[serde(default)]
    pub before_packages: Option<bool>,
}

/// A file on a server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `https://…`, `http://…`, or `file://…` on this host.
    pub url: String,
    /// SHA-256 of the content, in hexadecimal. Nothing is fetched while the host's file has it.
    #[schemars(extend("pattern" = "^[0-9a-fA-F]{64}$"))]
    pub sha256: String,
}

impl File {
    fn is_under(&self, directory: &str) -> bool {
        self.path.as_path().parent() == Some(Path::new(directory))
    }

    fn mode(&self) -> Mode {
        self.mode.unwrap_or(if self.is_under(sudoers::DIRECTORY) { sudoers::MODE } else { Mode::FILE })
    }

    fn comes_before_packages(&self) -> bool {
        self.before_packages.unwrap_or(self.path.as_path().starts_with("/etc/apt"))
    }

    /// The checks of a file that has any.
    fn checks(&self) -> Vec<ConfigCheck> {
        let path = self.path.to_string();
        if let Some(argv) = &self.check {
            return vec![ConfigCheck::program(argv.iter().map(|arg| arg.replace("%s", &path)))];
        }
        if self.is_under(sudoers::DIRECTORY) {
            let alone = sudoers::rules("", self.path.as_path(), "").checks;
            return alone.into_iter().chain([sudoers::all_together()]).collect();
        }
        Vec::new()
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
            (Some(content), None) => self.add_content(content, here, plan),
            (None, Some(source)) => self.add_download(source, here, plan),
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

    fn add_content(&self, content: &str, here: &KeyPath, plan: &mut Draft) {
        if self.is_under(sudoers::DIRECTORY) {
            needs_package(plan, "sudo");
        }
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
        if self.before_packages == Some(true) || self.secret {
            let key = if self.secret { "secret" } else { "before_packages" };
            let says = format!("`{key}` does not go with a check");
            plan.problem_with_key(here.key(key), says, format!("take `{key}` or `check` out"));
        }
        let set = ConfigSet { checks, ..ConfigSet::new(self.path.to_string(), vec![self.config_file(content)]) };
        plan.add(set);
    }

    fn add_download(&self, source: &Source, here: &KeyPath, plan: &mut Draft) {
        let scheme = source.url.split("://").next().unwrap_or_default();
        if !matches!(scheme, "https" | "http" | "file") || !source.url.contains("://") {
            let says = format!("cannot fetch `{}`", source.url);
            plan.problem_at(
                here.key("source").key("url"),
                says,
                "the URL begins with `https://`, `http://` or `file://`",
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
        if scheme == "https" {
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
        let mut drop_ins = Vec::new();
        for (index, file) in self.iter().enumerate() {
            let here = KeyPath::root().key(Self::TABLE).index(index);
            plan.at(here.clone());
            file.is_read(&here, plan);
            match &file.content {
                Some(content) if file.is_under(sshd::DIRECTORY) && file.source.is_none() && file.check.is_none() => {
                    drop_ins.push(file.config_file(content));
                }
                _ => file.add(&here, plan),
            }
        }
        // One set for all of them: the server reads them together, and one may only make sense beside another.
        if !drop_ins.is_empty() {
            needs_package(plan, sshd::PACKAGE);
            let needs = plan.add(sshd::privilege_separation()).id();
            let set: Id = plan.add(sshd::drop_ins(sshd::FILES, drop_ins)).after(&needs).id();
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
        assert_eq!(file.file[0].checks().len(), 2);
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
    fn what_is_in_a_file_is_said_once() {
        assert_eq!(plan("[[file]]\npath = \"/a\"\n").unwrap_err(), ["says nothing of what is in it"]);
        let source = "source = { url = \"ftp://a/b\", sha256 = \"12\" }\n";
        assert_eq!(
            plan(&format!("[[file]]\npath = \"/a\"\n{source}")).unwrap_err(),
            ["cannot fetch `ftp://a/b`", "not a SHA-256"]
        );
        assert_eq!(
            plan(&format!("[[file]]\npath = \"/a\"\ncontent = \"\"\n{source}")).unwrap_err(),
            ["has both `content` and `source`"]
        );
    }
}

//! `[ssh]`: settings of the SSH server, in a drop-in of hostagent's own that comes before all others.
//!
//! For those who come from the role geerlingguy.security: `security_ssh_port` is `Port`, `security_ssh_permit_root_login` is
//! `PermitRootLogin`, and so on: every setting has the server's own name. `security_sudoers_passwordless` is
//! `[[user]] sudo = true`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Feature, needs_package};
use crate::engine::Draft;
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources::config_set::ssh_access::{Access, ELSEWHERE};
use crate::resources::config_set::{ConfigFile, ConfigSet, sshd};
use crate::template::managed;
use crate::terms::{OneOrMany, SettingValue};

/// The SSH server. Its package is installed and its service runs; settings are checked by `sshd -t` before it reloads, and
/// whoever is logged in stays so.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// Settings by their names in `sshd_config(5)`, such as `PasswordAuthentication = false`. They win over those of other
    /// files. Default: none.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// Settings for some connections only. Default: none.
    #[serde(default, rename = "match")]
    pub matches: Vec<Match>,
    /// Whether it is meant that settings let nobody in: else they are refused where they turn passwords off and neither root
    /// nor anybody who may use sudo has a key, and where they cut off the login by SSH that runs hostagent. Default: `false`.
    #[serde(default)]
    pub lockout_is_meant: bool,
}

/// Settings for some connections.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SshMatch")]
pub struct Match {
    /// What it is for.
    pub name: String,
    /// Which connections, as `Match` in `sshd_config(5)` has it, such as `"Group sftponly"`.
    pub criteria: String,
    /// Settings by their names in `sshd_config(5)`.
    pub settings: BTreeMap<String, Setting>,
}

/// The value of a setting, with `true` and `false` for `yes` and `no`, or a list for a setting that is given several times.
type Setting = OneOrMany<SettingValue>;

fn words(setting: &Setting) -> impl Iterator<Item = Cow<'_, str>> {
    setting.iter().map(|value| value.text("yes", "no"))
}

impl Ssh {
    fn text(&self) -> String {
        let mut text = managed("`[ssh]` of the recipe") + "\n";
        let add = |text: &mut String, indent: &str, settings: &BTreeMap<String, Setting>| {
            for (name, value) in settings.iter().flat_map(|(name, all)| words(all).map(move |value| (name, value))) {
                let _ = writeln!(text, "{indent}{name} {value}");
            }
        };
        add(&mut text, "", &self.settings);
        for one in &self.matches {
            let _ = write!(text, "\n# {}\nMatch {}\n", one.name, one.criteria);
            add(&mut text, "    ", &one.settings);
        }
        // What follows in other files is again for everybody.
        if !self.matches.is_empty() {
            text += "\nMatch all\n";
        }
        text
    }

    /// What the settings for everybody say of who may log in.
    fn access(&self) -> Access {
        let words = |name: &str| {
            let named = self.settings.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            let texts = named.flat_map(|(_, value)| words(value));
            texts.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let says = |name: &str, value: &str| words(name).first().is_some_and(|is| is.eq_ignore_ascii_case(value));
        // Then somebody may get in whom nobody here can see.
        let elsewhere =
            ELSEWHERE.iter().any(|name| words(name).first().is_some_and(|value| value != "no" && value != "none"));
        Access {
            no_passwords: says("PasswordAuthentication", "no") && !elsewhere,
            no_keys: says("PubkeyAuthentication", "no"),
            no_root: says("PermitRootLogin", "no") || says("PermitRootLogin", "forced-commands-only"),
            ports: words("Port").iter().filter_map(|port| port.parse().ok()).collect(),
            allow_users: words("AllowUsers"),
            deny_users: words("DenyUsers"),
            allow_groups: words("AllowGroups"),
            deny_groups: words("DenyGroups"),
        }
    }

    fn problems(&self, here: &KeyPath, plan: &mut Draft) {
        settings_problems(&self.settings, &here.key("settings"), plan);
        for (index, one) in self.matches.iter().enumerate() {
            let here = here.key("match").index(index);
            for (key, text) in [("name", &one.name), ("criteria", &one.criteria)] {
                if text.contains('\n') || text.trim().is_empty() {
                    let says = format!("`{key}` is not one line of words");
                    plan.problem_at(here.key(key), says, "such as `criteria = \"Group sftponly\"`");
                }
            }
            settings_problems(&one.settings, &here.key("settings"), plan);
        }
    }
}

fn settings_problems(settings: &BTreeMap<String, Setting>, here: &KeyPath, plan: &mut Draft) {
    for (name, value) in settings {
        let here = here.key(name);
        if name.eq_ignore_ascii_case("match") || name.eq_ignore_ascii_case("include") {
            plan.problem_with_key(
                here,
                format!("`{name}` is not a setting"),
                "write `[[ssh.match]]`, or a `[[file]]` under /etc/ssh/sshd_config.d/",
            );
        } else if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            plan.problem_with_key(
                here,
                format!("`{name}` is not a setting of sshd_config(5)"),
                "it is one word of letters, such as `PermitRootLogin`",
            );
        } else if words(value).any(|text| text.contains(['\n', '\r']) || text.trim().is_empty()) {
            plan.problem_at(here, "a value is one line", "a list gives a setting several times");
        }
    }
}

impl Feature for Ssh {
    const TABLE: &'static str = "ssh";

    fn compile(&self, _facts: &Facts, plan: &mut Draft) {
        let here = KeyPath::root().key(Self::TABLE);
        plan.at(here.clone());
        self.problems(&here, plan);
        let package = needs_package(plan, sshd::PACKAGE);
        let needs = plan.add(sshd::privilege_separation()).id();
        let file = ConfigFile::new(format!("{}/10-hostagent.conf", sshd::DIRECTORY), self.text());
        let guard = (!self.lockout_is_meant).then(|| self.access().guard());
        let set = ConfigSet { guard, ..sshd::drop_ins(sshd::SET, vec![file]) };
        let set = plan.add(set).after(&package).after(&needs).id();
        plan.add(sshd::service()).after(&set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(text: &str) -> Ssh {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn settings_have_the_servers_names_and_matches_end() {
        let ssh = ssh(
            "[settings]\nPort = [\"22\", \"2222\"]\nPermitRootLogin = \"prohibit-password\"\nPasswordAuthentication = false\nMaxAuthTries = 3\n\
                       [[match]]\nname = \"drop box\"\ncriteria = \"Group sftponly\"\nsettings = { ForceCommand = \"internal-sftp\" }\n",
        );
        let expected = "PasswordAuthentication no\nPermitRootLogin prohibit-password\nPort 22\nPort 2222\n\n\
                        # drop box\nMatch Group sftponly\n    ForceCommand internal-sftp\n\nMatch all\n";
        let expected = format!("MaxAuthTries 3\n{expected}");
        assert_eq!(ssh.text().split_once('\n').unwrap().1, expected);
    }

    #[test]
    fn who_may_log_in_is_read_from_the_settings() {
        let access = |settings: &str| ssh(&format!("settings = {{ {settings} }}")).access();
        let one = access(
            "passwordauthentication = false, PermitRootLogin = \"no\", Port = [\"22\", \"2222\"], AllowUsers = \"a b\"",
        );
        assert!(one.no_passwords && one.no_root && !one.no_keys);
        assert_eq!((one.ports, one.allow_users), (vec![22, 2222], vec!["a".to_owned(), "b".to_owned()]));
        assert!(!access("PasswordAuthentication = true, Port = 22").no_passwords);
        assert!(!access("PasswordAuthentication = false, TrustedUserCAKeys = \"/etc/ssh/ca\"").no_passwords);
        assert!(access("PasswordAuthentication = false, GSSAPIAuthentication = false").no_passwords);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn settings_that_let_nobody_in_are_refused_unless_that_is_meant() {
        use crate::engine::run::preview;
        use crate::resources::laws::Play;
        let told = async |more: &str| {
            let play = Play::new().file("/var/lib/dpkg/status", "");
            let mut plan = Draft::default();
            ssh(&format!("settings = {{ PasswordAuthentication = false }}\n{more}"))
                .compile(&Facts::default(), &mut plan);
            let outcome = preview(&plan.finish().unwrap(), &play.host, &mut |_| {}).await;
            let set = outcome.resources.into_iter().find(|told| told.id.as_str() == "config_set:sshd").unwrap();
            match set.verdict {
                crate::engine::Verdict::Failed(failure) => failure.cause.says,
                other => other.word().to_owned(),
            }
        };
        assert_eq!(
            told("").await,
            "with these settings no password logs in, and neither root nor anybody who may use sudo has a key that does"
        );
        assert_eq!(told("lockout_is_meant = true").await, "pending");
    }

    #[test]
    fn the_server_is_there_checked_and_reloaded() {
        let mut plan = Draft::default();
        ssh("settings = { UseDNS = false }").compile(&Facts::default(), &mut plan);
        let plan = plan.finish().unwrap();
        let ids: Vec<String> = plan.ids().map(ToString::to_string).collect();
        assert_eq!(ids, ["package:openssh-server", "directory:/run/sshd", "config_set:sshd", "service:ssh"]);
    }

    #[test]
    fn a_setting_is_a_word_and_its_value_a_line() {
        let mut plan = Draft::default();
        ssh("settings = { \"Use DNS\" = false, Match = \"User a\", Banner = \"a\\nb\" }")
            .compile(&Facts::default(), &mut plan);
        let says: Vec<String> = plan.finish().unwrap_err().into_iter().map(|problem| problem.says).collect();
        assert_eq!(
            says,
            ["a value is one line", "`Match` is not a setting", "`Use DNS` is not a setting of sshd_config(5)"]
        );
    }
}

//! `[[apt_source]]`: where packages come from beside the distribution.
//!
//! ```toml
//! [[apt_source]]
//! name = "pgdg"
//! uris = ["https://apt.postgresql.org/pub/repos/apt"]
//! suites = ["bookworm-pgdg"]
//! components = ["main"]
//! key = { url = "https://www.postgresql.org/media/keys/ACCC4CF8.asc", fingerprints = ["B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8"] }
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Feature, holds_login};
use crate::engine::Draft;
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources::apt_source::{AptSource, Key, KeyFrom};
use crate::terms::{AbsolutePath, Fingerprint};

/// A source of packages. Before the next installation its package lists are fetched.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AptSource")]
pub struct Source {
    /// Names its files, `/etc/apt/sources.list.d/NAME.sources` and `/etc/apt/keyrings/NAME.gpg`: letters, digits, `_`,
    /// `-` and `.`.
    name: String,
    /// Where it is, such as `["https://apt.postgresql.org/pub/repos/apt"]`; several are mirrors of each other.
    uris: Vec<String>,
    /// Its suites, such as `["bookworm-pgdg"]`; one that ends in `/` is a folder and has no components.
    /// Default: the code name of the host's release.
    suites: Option<Vec<String>>,
    /// Its components. Default: `["main"]`, and none for a folder.
    components: Option<Vec<String>>,
    /// The architectures to take from it, such as `["amd64"]`. Default: the host's.
    #[serde(default)]
    architectures: Vec<String>,
    /// Who signs it.
    key: SourceKey,
}

/// The OpenPGP keys that sign a source: exactly one of `armored`, `file` and `url`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AptKey")]
pub struct SourceKey {
    /// The keys themselves: a text that begins with `-----BEGIN PGP PUBLIC KEY BLOCK-----`.
    /// One of `armored`, `file` and `url` is needed.
    armored: Option<String>,
    /// A file of the host that holds them, armored or not, such as one that a `[[file]]` puts there.
    /// One of `armored`, `file` and `url` is needed.
    file: Option<AbsolutePath>,
    /// Where they can be fetched: `https:`, or `http:` as `fingerprints` says which keys must come. Fetched when the key
    /// on the host is not there or not the right one. One of `armored`, `file` and `url` is needed.
    url: Option<String>,
    /// The fingerprints of all primary keys in it, each 40 hex digits. Required for `url`.
    /// Default: with `armored` and `file`, whichever keys those hold.
    #[serde(default)]
    fingerprints: Vec<Fingerprint>,
}

impl Feature for Vec<Source> {
    const TABLE: &'static str = "apt_source";

    fn compile(&self, facts: &Facts, plan: &mut Draft) {
        for (index, source) in self.iter().enumerate() {
            let here = KeyPath::root().key(Self::TABLE).index(index);
            plan.at(here.clone());
            source.compile(facts, &here, plan);
        }
    }
}

impl Source {
    fn compile(&self, facts: &Facts, here: &KeyPath, plan: &mut Draft) {
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
            let says = format!("`{}` is not a name for a file of sources", self.name);
            plan.problem_at(here.key("name"), says, "letters, digits, `_`, `-` and `.`: apt passes over other files");
        }
        let suites = match &self.suites {
            Some(suites) => suites.clone(),
            None if facts.os.codename.is_empty() => {
                plan.problem(
                    format!("the release of this host has no code name to be the suite of `{}`", self.name),
                    "name its `suites`",
                );
                Vec::new()
            }
            None => vec![facts.os.codename.clone()],
        };
        let folder = suites.iter().any(|suite| suite.ends_with('/'));
        let components =
            self.components.clone().unwrap_or_else(|| if folder { Vec::new() } else { vec!["main".to_owned()] });
        if folder && !components.is_empty() {
            plan.problem_at(
                here.key("components"),
                "a suite that ends in `/` is a folder, which has no components",
                "take `components` out",
            );
        }
        if !folder && components.is_empty() {
            plan.problem_at(here.key("components"), "a suite needs a component", "`components = [\"main\"]`");
        }
        for (field, values) in [
            ("uris", &self.uris),
            ("suites", &suites),
            ("components", &components),
            ("architectures", &self.architectures),
        ] {
            if values.is_empty() && matches!(field, "uris")
                || self.suites.is_some() && values.is_empty() && field == "suites"
            {
                plan.problem_at(here.key(field), format!("`{}` has no {field}", self.name), "name at least one");
            }
            for (index, value) in values.iter().enumerate() {
                if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control()) {
                    let says = format!("`{}` cannot stand in a file of sources", value.escape_debug());
                    plan.problem_at(here.key(field).index(index), says, "one value without spaces each");
                }
            }
        }
        for (index, uri) in self.uris.iter().enumerate() {
            if holds_login(uri) {
                let says = format!("a URI of `{}` holds a user name or password", self.name);
                let hint = "put it in a file of `/etc/apt/auth.conf.d/` with mode `0600`, see apt_auth.conf(5)";
                plan.problem_at(here.key("uris").index(index), says, hint);
            }
            if !uri.contains(':') {
                plan.problem_at(
                    here.key("uris").index(index),
                    format!("`{uri}` is not a URI"),
                    "such as `https://deb.example.org/debian`",
                );
            }
        }
        let Some(key) = self.key.compile(&here.key("key"), plan) else { return };
        let (uris, architectures) = (self.uris.clone(), self.architectures.clone());
        plan.add(AptSource { name: self.name.clone(), uris, suites, components, architectures, key });
    }
}

impl SourceKey {
    fn compile(&self, here: &KeyPath, plan: &mut Draft) -> Option<Key> {
        let from = match (&self.armored, &self.file, &self.url) {
            (Some(text), None, None) => KeyFrom::Armored(text.clone()),
            (None, Some(path), None) => KeyFrom::File(path.as_path().to_owned()),
            (None, None, Some(url)) => KeyFrom::Url(url.clone()),
            _ => {
                plan.problem_at(
                    here.clone(),
                    "a key comes from exactly one of `armored`, `file` and `url`",
                    "`key = { url = \"https://…\", fingerprints = [\"…\"] }`",
                );
                return None;
            }
        };
        if let KeyFrom::Url(url) = &from {
            if self.fingerprints.is_empty() {
                plan.problem_at(
                    here.clone(),
                    "a key from a URL needs its fingerprint: whoever holds that server could give another key",
                    "add `fingerprints = [\"…\"]`; `gpg --show-keys FILE` prints it",
                );
            }
            if holds_login(url) {
                let hint = "give the key itself, with `armored`, or put it on the host and name its `file`";
                plan.problem_at(here.key("url"), "the URL of a key holds a user name or password", hint);
            } else if !["https:", "http:", "file:"].iter().any(|scheme| url.starts_with(scheme)) {
                plan.problem_at(here.key("url"), format!("`{url}` is not a URL that can be fetched"), "use `https:`");
            }
        }
        if let KeyFrom::Armored(text) = &from
            && !text.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----")
        {
            plan.problem_at(
                here.key("armored"),
                "this is not an armored OpenPGP key",
                "`gpg --armor --export FINGERPRINT` prints one",
            );
        }
        Some(Key { from, fingerprints: self.fingerprints.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Result<String, Vec<String>> {
        #[derive(Deserialize)]
        struct Recipe {
            apt_source: Vec<Source>,
        }
        let recipe: Recipe = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        let (mut draft, mut facts) = (Draft::default(), Facts::default());
        facts.os.codename = "bookworm".into();
        recipe.apt_source.compile(&facts, &mut draft);
        let plan =
            draft.finish().map_err(|problems| problems.into_iter().map(|problem| problem.says).collect::<Vec<_>>())?;
        Ok(format!("{plan:?}"))
    }

    #[test]
    fn suite_and_component_have_defaults_and_a_folder_has_no_component() {
        let key = "key = { file = \"/k\" }";
        let plan = compiled(&format!("[[apt_source]]\nname = \"a\"\nuris = [\"https://a\"]\n{key}\n")).unwrap();
        assert!(plan.contains("suites: [\"bookworm\"], components: [\"main\"]"), "{plan}");
        let plan =
            compiled(&format!("[[apt_source]]\nname = \"a\"\nuris = [\"file:/srv\"]\nsuites = [\"./\"]\n{key}\n"))
                .unwrap();
        assert!(plan.contains("suites: [\"./\"], components: []"), "{plan}");
    }

    #[test]
    fn the_url_of_a_key_holds_no_password() {
        let source = |url: &str| {
            let print = "B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8";
            let key = format!("key = {{ url = \"{url}\", fingerprints = [\"{print}\"] }}");
            compiled(&format!("[[apt_source]]\nname = \"a\"\nuris = [\"https://a\"]\n{key}\n"))
        };
        for url in ["https://me:pw@a/key", "ftp://me@a"] {
            assert_eq!(source(url).unwrap_err(), ["the URL of a key holds a user name or password"]);
        }
        assert!(source("https://a/key?by=me@b").is_ok());
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let problems = compiled(
            "[[apt_source]]\nname = \"a b\"\nuris = [\"deb.example.org\", \"https://a b\", \"https://me:pw@c/d\"]\ncomponents = []\nkey = { url = \"ftp://a\" }\n\
             [[apt_source]]\nname = \"c\"\nuris = []\nkey = { file = \"/k\", url = \"https://k\" }\n",
        );
        assert_eq!(
            problems.unwrap_err(),
            [
                "`a b` is not a name for a file of sources",
                "a suite needs a component",
                "`https://a b` cannot stand in a file of sources",
                "`deb.example.org` is not a URI",
                "a URI of `a b` holds a user name or password",
                "a key from a URL needs its fingerprint: whoever holds that server could give another key",
                "`ftp://a` is not a URL that can be fetched",
                "`c` has no uris",
                "a key comes from exactly one of `armored`, `file` and `url`",
            ]
        );
    }
}

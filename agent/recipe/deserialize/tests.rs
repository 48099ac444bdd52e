//! Right and wrong tables for one recipe of every shape.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::problem::Style;
use crate::recipe::document;
use crate::recipe::interpolate::{Facts, Values, Weaver};

mod told;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    format: Option<u8>,
    nginx: Option<Nginx>,
    postgres: Option<Postgres>,
    swap: Option<Size>,
    #[serde(default)]
    user: Vec<User>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nginx {
    #[serde(default)]
    site: Vec<Site>,
    worker_connections: Option<u16>,
    ratio: Option<f64>,
    window: Option<(u8, u8)>,
    letter: Option<char>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Site {
    name: Name,
    server_name: Vec<String>,
    proxy: Option<Proxy>,
    spa: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proxy {
    to: Option<OneOrMore>,
    port: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Postgres {
    listen_addresses: Vec<String>,
    #[serde(default)]
    settings: BTreeMap<Name, Setting>,
    #[serde(default)]
    hba: Vec<Hba>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hba {
    #[serde(rename = "type")]
    kind: HbaType,
    method: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum HbaType {
    Local,
    Host,
    Hostssl,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: Name,
    password: Option<Password>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Password {
    Ssm(String),
    File { path: String },
    Locked,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name.contains(' ') {
            return Err(format!("`{name}` is no name\nhint: leave out the blanks"));
        }
        Ok(Self(name))
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Size(u64);

impl TryFrom<String> for Size {
    type Error = std::num::ParseIntError;

    fn try_from(size: String) -> Result<Self, Self::Error> {
        Ok(Self(size.trim_end_matches("GiB").parse()?))
    }
}

#[derive(Debug)]
struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Both;
        impl<'de> Visitor<'de> for Both {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an address or an array of addresses")
            }

            fn visit_str<E>(self, one: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![one.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<OneOrMore, A::Error> {
                let mut addresses = Vec::new();
                while let Some(address) = all.next_element()? {
                    addresses.push(address);
                }
                Ok(OneOrMore(addresses))
            }
        }
        deserializer.deserialize_any(Both)
    }
}

#[derive(Debug, PartialEq)]
enum Setting {
    Text(String),
    Number(i64),
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Setting;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string, an integer or a boolean")
            }

            fn visit_str<E>(self, text: &str) -> Result<Setting, E> {
                Ok(Setting::Text(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Setting, E> {
                Ok(Setting::Number(number))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn values() -> Values {
    [("port", Literal::from(3000)), ("text", "443".into()), ("yes", true.into()), ("db_password", "hunter2".into())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Some(value)))
        .collect()
}

fn recipe(text: &str) -> (Option<Recipe>, String) {
    let mut problems = Problems::default();
    let source = problems.sources_mut().add("r.toml", text);
    let mut node = document::parse(source, text, &mut problems).unwrap();
    let facts = Facts { names: &[], value: &|_| None };
    Weaver::new(&facts).weave(&mut node, &values(), &mut problems);
    let value = read(&mut node, &Guide::none(), &mut problems);
    assert_eq!(value.is_none(), !problems.is_empty());
    (value, problems.render(Style::Plain))
}

fn says(text: &str) -> String {
    let (_, shown) = recipe(text);
    shown.strip_suffix(" nothing was touched\n").unwrap().to_owned()
}

#[test]
fn a_right_recipe_is_read() {
    let text = r#"
format = 1
swap = "2GiB"
[nginx]
worker_connections = "{{ vars.text }}"
ratio = 1
window = [1, 2]
letter = "x"
[[nginx.site]]
name = "{{ vars.port }}"
server_name = ["a", "{{ vars.port }}"]
spa = "{{ vars.yes }}"
proxy = { to = "127.0.0.1", port = "{{ vars.port }}" }
[postgres]
listen_addresses = []
settings = { a = "x", b = 1 }
hba = [{ type = "host", method = "peer" }]
[[user]]
name = "a"
password = { ssm = "/x" }
[[user]]
name = "b"
password = { file = { path = "/x" } }
[[user]]
name = "c"
password = "locked"
"#;
    let (value, problems) = recipe(text);
    let Some(recipe) = value else { panic!("{problems}") };
    assert_eq!((recipe.format, recipe.swap.unwrap().0), (Some(1), 2));
    let nginx = recipe.nginx.unwrap();
    assert_eq!((nginx.worker_connections, nginx.ratio, nginx.letter), (Some(443), Some(1.0), Some('x')));
    assert_eq!(nginx.window, Some((1, 2)));
    let site = nginx.site.first().unwrap();
    assert_eq!(
        (&site.name, &site.server_name, site.spa),
        (&Name("3000".into()), &vec!["a".into(), "3000".into()], Some(true))
    );
    let proxy = site.proxy.as_ref().unwrap();
    assert_eq!((proxy.port, proxy.to.as_ref().unwrap().0.len()), (Some(3000), 1));
    let postgres = recipe.postgres.unwrap();
    assert!(postgres.listen_addresses.is_empty());
    assert_eq!(postgres.settings.get(&Name("b".into())), Some(&Setting::Number(1)));
    let hba = postgres.hba.first().unwrap();
    assert_eq!((&hba.kind, hba.method.as_str()), (&HbaType::Host, "peer"));
    assert_eq!(recipe.user.first().unwrap().name, Name("a".into()));
    let passwords: Vec<Password> = recipe.user.into_iter().filter_map(|user| user.password).collect();
    assert_eq!(passwords, [Password::Ssm("/x".into()), Password::File { path: "/x".into() }, Password::Locked]);
}

#[test]
fn a_literal_password_is_never_shown() {
    for text in [
        "[[user]]\nname = \"a\"\npassword = \"hunter2\"\n",
        "[[user]]\nname = 1\npassword = { file = { path = 1 } }\n[nginx]\nworker_connections = { password = \"hunter2\" }\n",
        "[nginx]\nworker_connections = \"{{ vars.db_password }}\"\n",
    ] {
        let shown = says(text);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("error: "), "{shown}");
    }
}

#[test]
fn what_is_missing_at_the_root_ends_the_reading() {
    #[derive(Debug, Deserialize)]
    struct Whole {
        #[serde(rename = "name")]
        _name: String,
    }
    let mut problems = Problems::default();
    let source = problems.sources_mut().add("r.toml", "");
    let mut node = document::parse(source, "", &mut problems).unwrap();
    assert!(read::<Whole>(&mut node, &Guide::none(), &mut problems).is_none());
    assert_eq!(
        problems.render(Style::Plain),
        "error: missing `name`\n --> r.toml:1:1\n  |\n1 |\n  | ^\n  |\n  = help: add `name = …`\n\n1 problem; nothing was touched\n"
    );
}

#[test]
fn a_thousand_problems_end() {
    let text = "[[user]]\nname = 1\n".repeat(1000);
    let shown = says(&text);
    assert!(shown.ends_with("100 problems;"), "{shown}");
}

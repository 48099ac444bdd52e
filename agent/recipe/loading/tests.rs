//! Whole recipes: over their bases, with variables and facts, and broken at random.

use serde::Deserialize;

use super::*;
use crate::problem::KeyPath;
use crate::problem::Style;
use crate::recipe::deserialize::read;
use crate::recipe::guide::Guide;
use crate::recipe::literal::Literal;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    host: Option<Host>,
    #[serde(default)]
    site: Vec<Site>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    hostname: Option<String>,
    packages: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Site {
    name: String,
    port: u16,
}

const NANO: &str = r#"format = 1
[vars]
domain = { required = "public name of the API" }
port = 3000
[host]
hostname = "{{ vars.domain }}"
packages = ["curl", "jq"]
[[site]]
name = "api"
port = "{{ vars.port }}"
[[site]]
name = "on {{ facts.hostname }}"
port = 80
"#;

fn base_text(name: &str) -> BaseText {
    let text = match name {
        "nano" => NANO,
        "odd" => "format = 1\n[host]\nhostnam = \"x\"\n",
        "broken" => "format = \n",
        "loop" => "format = 1\nbase = \"pool\"\n",
        "pool" => "format = 1\nbase = \"loop\"\n",
        _ => return Err("no such file".to_owned()),
    };
    Ok((format!("/usr/share/hostagent/recipes/{name}.toml"), text.into()))
}

fn loaded(bytes: &[u8], overrides: &[(&str, &str)]) -> Result<Document, Problems> {
    let names = ["nano", "odd", "broken", "loop", "pool", "gone"].map(str::to_owned);
    let bases = Bases { names: &names, read: &base_text, fetched: &fetched };
    let given = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load("r.toml", bytes, &given, &bases).map_err(wrong)
}

fn wrong(not: NotLoaded) -> Problems {
    match not {
        NotLoaded::Wrong(problems) => problems,
        NotLoaded::Lacks(lacking) => lacking.refused("nobody fetches it here", "fetch it"),
    }
}

/// What was fetched.
fn fetched(remote: &Remote) -> Option<Vec<u8>> {
    let text = match remote.address.whole().as_str() {
        "s3://recipes/nano.toml" => NANO,
        "s3://recipes/over.toml" => "base = \"nano\"\n[vars]\ndomain = \"far.example.org\"\n",
        "s3://recipes/loop.toml" => "base = \"s3://recipes/loop.toml\"\n",
        "ssm:/recipes/broken" => "format = 1\n[host\n",
        "https://example.org/nano.toml" if remote.sha256.is_some() => NANO,
        _ => return None,
    };
    Some(text.into())
}

fn recipe(text: &str, overrides: &[(&str, &str)]) -> Result<Recipe, String> {
    let document = loaded(text.as_bytes(), overrides).map_err(|problems| problems.render(Style::Plain))?;
    let value = |name: &str| (name == "hostname").then(|| Literal::from("web-1"));
    let (mut node, mut problems) = document.resolve(&Facts { names: &["hostname", "instance_id"], value: &value });
    read(&mut node, &Guide::none(), &mut problems).ok_or_else(|| problems.render(Style::Plain))
}

fn says(text: &str, overrides: &[(&str, &str)]) -> String {
    recipe(text, overrides).unwrap_err()
}

#[test]
fn three_lines_extend_a_base() {
    let found = recipe("base = \"nano\"\n[vars]\ndomain = \"api.example.org\"\n", &[("port", "8080")]).unwrap();
    let host = found.host.unwrap();
    assert_eq!(host.hostname.as_deref(), Some("api.example.org"));
    assert_eq!(host.packages.unwrap().len(), 2);
    let sites: Vec<(&str, u16)> = found.site.iter().map(|site| (site.name.as_str(), site.port)).collect();
    assert_eq!(sites, [("api", 8080), ("on web-1", 80)]);
}

#[test]
fn a_recipe_of_nothing_but_vars_extends_the_base_that_is_lent_to_it() {
    let over = |text: &str, base: &str| {
        let names = ["nano".to_owned()];
        let lent = Some(Lent { by: "instance tag `hostagent:recipe`", base });
        let bases = Bases { names: &names, read: &base_text, fetched: &fetched };
        load_over("user-data", text.as_bytes(), lent, &BTreeMap::new(), &bases).map_err(wrong)
    };
    for text in ["[vars]\ndomain = \"x\"\n", "format = 1\n[vars]\ndomain = \"x\"\n"] {
        let document = over(text, "nano").unwrap();
        assert!(document.borrows() && document.problems().is_empty(), "{:?}", document.problems());
    }
    assert!(over("", "nano").unwrap().borrows(), "no user-data at all");
    assert!(!over("base = \"nano\"\n", "nano").unwrap().borrows());
    assert!(!over("format = 1\n[host]\n", "nano").unwrap().borrows());
    assert_eq!(
        over("", "nanoo").unwrap_err().render(Style::Plain),
        "\
error: unknown base `nanoo`
 --> instance tag `hostagent:recipe`:1:1
  |
1 | nanoo
  | ^^^^^
  |
  = help: did you mean `nano`?

1 problem; nothing was touched
"
    );
}

#[test]
fn a_base_from_elsewhere_is_a_base_like_another() {
    let digest = "ab".repeat(32);
    for (base, domain) in [
        ("\"s3://recipes/nano.toml\"".to_owned(), "api.example.org"),
        (format!("{{ url = \"https://example.org/nano.toml\", sha256 = \"{digest}\" }}"), "api.example.org"),
        // Its own base is one of the image.
        ("\"s3://recipes/over.toml\"".to_owned(), "api.example.org"),
    ] {
        let found = recipe(&format!("base = {base}\n[vars]\ndomain = \"{domain}\"\n"), &[]).unwrap();
        let host = found.host.unwrap();
        assert_eq!((host.hostname.as_deref(), host.packages.unwrap().len()), (Some(domain), 2));
    }
    let over = recipe("base = \"s3://recipes/over.toml\"\n", &[]).unwrap();
    assert_eq!(over.host.unwrap().hostname.as_deref(), Some("far.example.org"));
}

#[test]
fn a_recipe_that_lacks_its_base_says_what_is_to_be_fetched() {
    let text = "base = { url = \"s3://lab/b\", sha256 = \"".to_owned() + &"AB".repeat(32) + "\" }\n";
    let not = load("r.toml", text.as_bytes(), &BTreeMap::new(), &Bases::none()).unwrap_err();
    let NotLoaded::Lacks(lacking) = not else { panic!("{not:?}") };
    assert_eq!((lacking.remote.to_string().as_str(), lacking.problems().len()), ("s3://lab/b", 0));
    assert_eq!(lacking.remote.sha256, Some("ab".repeat(32)));
    let shown = lacking.refused("it is gone", "look for it").render(Style::Plain);
    assert!(shown.starts_with("error: the base `s3://lab/b` cannot be had: it is gone\n --> r.toml:1:8\n"), "{shown}");
}

#[test]
fn facts_are_listed_before_they_are_gathered() {
    let document = loaded(b"base = \"nano\"\n[vars]\ndomain = \"{{ facts.instance_id }}\"\n", &[]).unwrap();
    assert_eq!(document.facts_read(), BTreeSet::from(["hostname".to_owned(), "instance_id".to_owned()]));
    let given = loaded(b"base = \"nano\"\n[vars]\ndomain = \"{{ facts.instance_id }}\"\n", &[("domain", "x")]).unwrap();
    assert_eq!(given.facts_read(), BTreeSet::from(["hostname".to_owned()]));
}

#[test]
fn a_key_path_finds_its_line_also_in_the_base() {
    let document = loaded(b"format = 1\nbase = \"nano\"\n[host]\nhostname = \"x\"\n", &[]).unwrap();
    let top = KeyPath::root();
    let mut problems = Problems::over(document.sources().clone());
    problems.push(Problem::new(top.key("site").index(1).key("port"), "the port is taken"));
    problems.push(Problem::new(top.key("host").key("timezone"), "no timezone"));
    problems.push(Problem::new(top.key("swap"), "no swap"));
    problems.locate(|path| document.locate(path));
    assert_eq!(
        problems.render(Style::Plain),
        "\
error: no timezone
 --> r.toml:3:1
  |
3 | [host]
  | ^^^^^^

error: the port is taken
  --> /usr/share/hostagent/recipes/nano.toml:13:8
   |
13 | port = 80
   |        ^^

error: no swap
--> swap

3 problems; nothing was touched
"
    );
}

#[test]
fn problems_of_all_stages_come_together_each_from_its_file() {
    let text = "base = \"nano\"\n[host]\nhostnam = \"x\"\n[[site]]\nname = \"api\"\nprot = 1\n[[site]]\nname = \"x\"\nunset = true\n";
    assert_eq!(
        says(text, &[("prt", "1")]),
        r#"error: the recipe does not say its `format`
 --> r.toml:1:1
  |
1 | base = "nano"
  | ^
  |
  = help: begin it with `format = 1`

error: unknown key `hostnam` in `host`
 --> r.toml:3:1
  |
3 | hostnam = "x"
  | ^^^^^^^
  |
  = help: did you mean `hostname`?

error: unknown key `prot` in `site[0]`
 --> r.toml:6:1
  |
6 | prot = 1
  | ^^^^
  |
  = help: did you mean `port`?

error: nothing to unset: the base has none with `name = "x"`
 --> r.toml:8:8
  |
8 | name = "x"
  |        ^^^

error: the variable `domain` has no value: public name of the API
 --> /usr/share/hostagent/recipes/nano.toml:3:10
  |
3 | domain = { required = "public name of the API" }
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: give it with `--var domain=…`, or with the instance tag `hostagent:var:domain`

error: the variable `prt` is given, but the recipe does not declare it
 |
 = help: did you mean `port`?

6 problems; nothing was touched
"#
    );
}

#[test]
fn bases_that_cannot_be_used_are_explained() {
    for (text, expected) in [
        ("base = \"nona\"\n", "error: unknown base `nona`"),
        ("base = \"nanoo\"\n", "  = help: did you mean `nano`?"),
        ("base = \"zzz\"\n", "  = help: the bases here are `nano`, `odd`, `broken`, `loop`, `pool`, `gone`"),
        ("base = \"gone\"\n", "error: the base `gone` cannot be read: no such file"),
        ("base = \"s3://lab/b\"\n", "error: the base `s3://lab/b` cannot be had: nobody fetches it here"),
        ("base = \"s3://recipes/loop.toml\"\n", "error: the base `s3://recipes/loop.toml` is its own base"),
        ("base = \"ssm:/recipes/broken\"\n", " --> ssm:/recipes/broken:2:6"),
        ("base = \"s3://b\"\n", "error: `s3://b` names no object of S3"),
        ("base = \"http://example.org/\"\n", "error: `http://example.org/` is not protected on its way"),
        ("base = \"https://e.org/a\"\n", "error: nothing says what must come from `https://e.org/a`"),
        ("base = { url = \"https://e.org/a\" }\n", "error: nothing says what must come from `https://e.org/a`"),
        ("base = { url = \"s3://lab/b\", sha256 = \"12\" }\n", "error: not a SHA-256"),
        ("base = { url = \"nano\" }\n", "error: `nano` is no address"),
        ("base = { url = 3 }\n", "error: expected an address, in quotes"),
        ("base = { url = \"s3://lab/{{ vars.x }}\" }\n", "error: a base is read before variables are known"),
        ("base = { ulr = \"s3://lab/b\" }\n", "  = help: did you mean `url`?"),
        ("base = {}\n", "error: the base has no `url`"),
        ("base = 3\n", "error: expected the name or the address of a base"),
        ("base = \"{{ vars.x }}\"\n", "error: a base is read before variables are known"),
        ("base = \"loop\"\n", "error: the base `loop` is its own base"),
        ("base = \"broken\"\n", " --> /usr/share/hostagent/recipes/broken.toml:1:10"),
        ("base = \"odd\"\n", " --> /usr/share/hostagent/recipes/odd.toml:3:1"),
        ("format = 0\n", "  = help: write `format = 1`"),
        ("format = 2\n[new]\n", "error: this version of hostagent reads format 1, not 2"),
        ("format = 2\n[new]\n", "1 problem; nothing was touched"),
        ("format = 1\nvars = 1\n", "error: `vars` is not a table"),
    ] {
        let shown = says(text, &[]);
        assert!(shown.lines().any(|line| line == expected), "{text}{shown}");
    }
}

#[test]
fn more_bases_than_anyone_needs_are_a_problem() {
    let names: Vec<String> = (0..20).map(|number| format!("b{number}")).collect();
    let read = |name: &str| {
        let number: usize = name.trim_start_matches('b').parse().unwrap();
        Ok((name.to_owned(), format!("base = \"b{}\"\n", number + 1).into_bytes()))
    };
    let bases = Bases { names: &names, read: &read, fetched: &|_| None };
    let Err(NotLoaded::Wrong(problems)) = load("r.toml", b"base = \"b0\"\n", &BTreeMap::new(), &bases) else {
        panic!("was taken");
    };
    assert!(problems.render(Style::Plain).contains("more than 8 bases"));
    assert!(load("r.toml", b"base = \"b0\"\n", &BTreeMap::new(), &Bases::none()).is_err());
}

#[test]
fn a_recipe_that_is_not_utf_8_is_cited() {
    let problems = loaded(b"format = 1\n[host]\nhostname = \"M\xfcnchen\"\n", &[]).unwrap_err();
    assert_eq!(
        problems.render(Style::Plain),
        "\
error: the recipe is not UTF-8
 --> r.toml:3:14
  |
3 | hostname = \"M\u{fffd}nchen\"
  |              ^
  |
  = help: save the file as UTF-8

1 problem; nothing was touched
"
    );
}

/// A small generator (xorshift): the same recipes in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

#[test]
fn no_mutation_of_a_recipe_panics() {
    const PIECES: [&str; 24] = [
        "{{",
        "}}",
        "\"",
        "'",
        "\"\"\"",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "#",
        "\n",
        "\\",
        "vars.",
        "facts.x",
        "unset = true\n",
        "base = \"nano\"\n",
        "ü",
        "\u{0}",
        "2024-01-01",
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut right = 0;
    for _ in 0..3000 {
        let mut bytes = NANO.as_bytes().to_vec();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(bytes.len() + 1);
            match dice.roll(4) {
                0 => drop(bytes.drain(at..(at + dice.roll(20)).min(bytes.len()))),
                1 => drop(bytes.splice(at..at, PIECES[dice.roll(PIECES.len())].bytes())),
                2 => {
                    let end = (at + dice.roll(60)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    let to = dice.roll(bytes.len() + 1);
                    drop(bytes.splice(to..to, copy));
                }
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = byte.wrapping_add(1)),
            }
        }
        let value = |name: &str| (name == "hostname").then(|| Literal::from("web-1"));
        let facts = Facts { names: &["hostname", "x"], value: &value };
        match loaded(&bytes, &[("domain", "example.org")]) {
            Err(problems) => assert!(!problems.is_empty() && !problems.render(Style::Coloured).is_empty()),
            Ok(document) => {
                document.facts_read();
                let (mut node, mut problems) = document.resolve(&facts);
                let found: Option<Recipe> = read(&mut node, &Guide::none(), &mut problems);
                right += usize::from(found.is_some());
                assert_eq!(found.is_none(), !problems.is_empty());
                assert!(!problems.render(Style::Plain).is_empty());
            }
        }
    }
    assert!(right > 0);
}

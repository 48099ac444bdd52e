//! Golden cases: `golden/CASE/recipe.toml` becomes exactly the other files there; `golden/problems/CASE.toml` has exactly
//! the problems of `CASE.txt`. `HOSTAGENT_GOLDEN=write` writes what is, to be read in the diff.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::host::nginx::build::Version;
use crate::problem::{Problems, Style};

#[derive(Debug, Deserialize)]
struct Recipe {
    nginx: Nginx,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("agent/features/nginx/golden")
}

fn nginx_of(text: &str) -> Nginx {
    toml::from_str::<Recipe>(text).unwrap_or_else(|error| panic!("{error}")).nginx
}

fn bare(nginx: &Nginx) -> Here {
    Here::foreseen(nginx, &Build::of_debian("12"))
}

fn problems_of(nginx: &Nginx) -> String {
    let mut draft = Draft::default();
    nginx.compile(&Facts::default(), &mut draft);
    let mut problems = Problems::default();
    // Certificates are another table's.
    problems.extend(draft.problems());
    problems.render(Style::Plain)
}

fn same(path: &Path, is: &str) {
    if std::env::var_os("HOSTAGENT_GOLDEN").is_some() {
        fs::write(path, is).unwrap();
    }
    let wanted = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(is, wanted, "{} differs; HOSTAGENT_GOLDEN=write accepts it", path.display());
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

#[test]
fn a_recipe_becomes_exactly_these_files() {
    for folder in names_in(&golden()).into_iter().filter(|folder| folder.join("recipe.toml").exists()) {
        let nginx = nginx_of(&fs::read_to_string(folder.join("recipe.toml")).unwrap());
        assert_eq!(problems_of(&nginx), "0 problems; nothing was touched\n", "{}", folder.display());
        let mut left = names_in(&folder);
        left.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        for file in render::files(&nginx, nginx.ipv6.unwrap_or(true), &bare(&nginx)).unwrap() {
            let place = folder.join(file.path.file_name().unwrap());
            same(&place, std::str::from_utf8(&file.content).unwrap());
            left.retain(|path| *path != place);
        }
        assert!(left.is_empty(), "nobody renders {left:?}");
    }
}

#[test]
fn a_wrong_recipe_has_exactly_these_problems() {
    for path in
        names_in(&golden().join("problems")).into_iter().filter(|path| path.extension().is_some_and(|it| it == "toml"))
    {
        let nginx = nginx_of(&fs::read_to_string(&path).unwrap());
        same(&path.with_extension("txt"), &problems_of(&nginx));
    }
}

#[test]
fn configurations_read_as_if_written_by_hand() {
    for path in names_in(&golden())
        .iter()
        .flat_map(|folder| names_in(folder))
        .filter(|path| path.extension().is_some_and(|it| it == "conf"))
    {
        let text = fs::read_to_string(&path).unwrap();
        let shown = path.display();
        assert!(text.starts_with("# managed by hostagent: changes here are put back"), "{shown}");
        assert!(text.ends_with("}\n") && !text.ends_with("\n\n"), "{shown} ends badly");
        assert!(!text.contains("\n\n\n"), "{shown} has two empty lines in a row");
        assert!(
            !text.contains("{\n\n") && !text.contains("\n\n}") && !text.contains("\n\n    }"),
            "{shown} has an empty line beside a brace"
        );
        for line in text.lines() {
            assert_eq!(line, line.trim_end(), "{shown}");
            assert!(!line.contains('\t'), "{shown}: {line}");
        }
    }
}

#[test]
fn the_package_comes_first_then_the_files_then_the_service() {
    let mut draft = Draft::default();
    nginx_of("[[nginx.site]]\nname = \"a\"\nserver_name = [\"a\"]\nreturn = { code = 204 }\n")
        .compile(&Facts::default(), &mut draft);
    let plan = draft.finish().unwrap();
    assert_eq!(plan.ids().map(Id::as_str).collect::<Vec<_>>(), ["package:nginx", "config_set:nginx", "service:nginx"]);
    assert!(plan.orders("package:nginx", "config_set:nginx") && plan.orders("config_set:nginx", "service:nginx"));
}

#[test]
fn a_package_that_must_be_absent_is_not_what_serves() {
    let mut draft = Draft::default();
    draft.at(KeyPath::root().key("host").key("packages").index(0));
    draft
        .add(crate::resources::package::Package { absent: true, ..crate::resources::package::Package::named("nginx") });
    nginx_of("[[nginx.site]]\nname = \"a\"\nserver_name = [\"a\"]\nreturn = { code = 204 }\n")
        .compile(&Facts::default(), &mut draft);
    let problem = draft.finish().unwrap_err().remove(0);
    assert_eq!(problem.says, "the package `nginx` is needed here, and `host.packages[0]` wants it absent");
}

#[test]
fn a_file_and_a_user_that_the_configuration_names_come_first() {
    let text = "[nginx]\nuser = \"web\"\n[[nginx.site]]\nname = \"a\"\nserver_name = [\"a\"]\nreturn = { code = 204 }\nsnippet_file = \"/etc/hostagent/a.conf\"\n";
    let mut draft = Draft::default();
    draft.add(crate::resources::file::File::new("/etc/hostagent/a.conf", "deny all;\n"));
    nginx_of(text).compile(&Facts::default(), &mut draft);
    let plan = draft.finish().unwrap();
    assert!(plan.orders("file:/etc/hostagent/a.conf", "config_set:nginx"));
}

#[test]
fn a_host_without_ipv6_listens_on_no_such_address_unless_the_recipe_says_so() {
    let facts = Facts::from_toml("ipv6 = false").unwrap();
    let content = |more: &str| {
        let site = "[[nginx.site]]\nname = \"a\"\nserver_name = [\"a\"]\nreturn = { code = 204 }\n";
        let mut draft = Draft::default();
        nginx_of(&format!("[nginx]\n{more}{site}")).compile(&facts, &mut draft);
        let plan = draft.finish().unwrap();
        let set = plan.steps.iter().find_map(|step| step.resource.as_any().downcast_ref::<ConfigSet>()).unwrap();
        set.files.iter().any(|file| String::from_utf8_lossy(&file.content).contains("listen [::]:80"))
    };
    assert!(!content(""));
    assert!(content("ipv6 = true\n"));
}

#[test]
fn nothing_brings_a_group_of_servers_by_id() {
    let nginx = nginx_of("[[nginx.site]]\nname = \"a\"\nserver_name = [\"a\"]\nupstream = \"app:bingo\"\n");
    assert!(problems_of(&nginx).contains("nothing brings the servers of `app:bingo`"));
    let package = "[[nginx.site]]\nname = \"a\"\nserver_name = [\"a\"]\nupstream = \"package:curl\"\n";
    assert!(toml::from_str::<Recipe>(package).is_err());
}

#[test]
fn no_value_of_a_recipe_breaks_out_of_its_directive() {
    // Every string of the richest recipe is tried with words that would open a block of their own.
    let recipe = fs::read_to_string(golden().join("everything/recipe.toml")).unwrap();
    let evil = ["x; } evil {", "x\n evil on;", "\"; evil on; #", "'; evil on; '", "\\", "x {", "$evil; evil on"];
    let raw = ["extra_conf", "extra_http", "snippet", "config"];
    let mut tried = 0;
    let document: toml::Table = toml::from_str(&recipe).unwrap();
    for path in strings_of(&toml::Value::Table(document.clone()), &[]) {
        if path.iter().any(|key| raw.contains(&key.as_str())) {
            continue;
        }
        for text in evil {
            let mut changed = toml::Value::Table(document.clone());
            *at(&mut changed, &path) = toml::Value::String(text.into());
            let Ok(recipe) = changed.try_into::<Recipe>() else { continue };
            tried += 1;
            for file in render::files(&recipe.nginx, true, &bare(&recipe.nginx)).unwrap() {
                let text = String::from_utf8(file.content).unwrap();
                let directives = directives_of(&text);
                assert!(!directives.iter().any(|name| name == "evil"), "{path:?} = {text:?}:\n{text}");
            }
        }
    }
    assert!(tried > 20, "only {tried} were taken at all");
}

fn strings_of(value: &toml::Value, path: &[String]) -> Vec<Vec<String>> {
    let below = |key: String, inner| strings_of(inner, &[path, &[key]].concat());
    match value {
        toml::Value::String(_) => vec![path.to_vec()],
        toml::Value::Array(all) => {
            all.iter().enumerate().flat_map(|(index, value)| below(index.to_string(), value)).collect()
        }
        toml::Value::Table(all) => all.iter().flat_map(|(key, value)| below(key.clone(), value)).collect(),
        _ => Vec::new(),
    }
}

fn at<'v>(value: &'v mut toml::Value, path: &[String]) -> &'v mut toml::Value {
    path.iter().fold(value, |inner, key| match inner {
        toml::Value::Array(all) => &mut all[key.parse::<usize>().unwrap()],
        other => &mut other.as_table_mut().unwrap()[key.as_str()],
    })
}

/// The first word of every directive, as nginx splits them.
fn directives_of(text: &str) -> Vec<String> {
    let (mut names, mut words, mut word) = (Vec::new(), Vec::<String>::new(), String::new());
    let (mut quote, mut escaped, mut comment) = (None::<char>, false, false);
    for c in text.chars() {
        if comment {
            comment = c != '\n';
        } else if escaped {
            escaped = false;
            word.push(c);
        } else if c == '\\' {
            escaped = true;
        } else if let Some(open) = quote {
            if c == open { quote = None } else { word.push(c) }
        } else if matches!(c, '"' | '\'') && word.is_empty() {
            quote = Some(c);
        } else if c == '#' && word.is_empty() {
            comment = true;
        } else if c.is_whitespace() || matches!(c, ';' | '{' | '}') {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if matches!(c, ';' | '{' | '}') {
                names.extend(words.first().cloned());
                words.clear();
            }
        } else {
            word.push(c);
        }
    }
    names
}

#[test]
fn the_schema_knows_every_key_with_its_words() {
    let schema = serde_json::to_value(schemars::schema_for!(Nginx)).unwrap();
    let mut bare: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in definitions.iter().chain([(&"Nginx".to_owned(), &schema)]) {
        for (key, value) in definition["properties"].as_object().into_iter().flatten() {
            if value["description"].as_str().unwrap_or_default().is_empty() {
                bare.entry(name.clone()).or_default().push(key.clone());
            }
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:?}");
    assert_eq!(schema["properties"]["worker_processes"]["default"], "auto");
}

/// A host that has everything: an account, certificates that others trust, and an nginx of this version.
fn furnished(nginx: &Nginx, build: &Build) -> Here {
    let trusted = nginx.site.iter().filter(|site| site.certificate.is_some() && site.hsts != Hsts::Off);
    Here {
        thumbprint: Some("nIN6ULGT-T_Zj3Gpcaq8fVXvWWVJsbUl6RClJFFXJzI".to_owned()),
        insists_for: trusted.map(|site| (site.name.to_string(), 63_072_000)).collect(),
        ..Here::foreseen(nginx, build)
    }
}

#[test]
fn every_version_of_nginx_gets_its_own_words() {
    let folder = golden().join("versions");
    let nginx = nginx_of(&fs::read_to_string(folder.join("recipe.toml")).unwrap());
    assert_eq!(problems_of(&nginx), "0 problems; nothing was touched\n");
    for (version, openssl) in [
        (Version(1, 18, 0), Version(1, 1, 1)),
        (Version(1, 22, 1), Version(3, 0, 17)),
        (Version(1, 24, 0), Version(3, 0, 13)),
        (Version(1, 26, 3), Version(3, 5, 1)),
        (Version(1, 30, 0), Version(3, 5, 4)),
    ] {
        let build = Build { version, openssl: Some(openssl), http_v2: true, http_v3: version >= Version(1, 25, 0) };
        let place = folder.join(format!("{}.{}", version.0, version.1));
        fs::create_dir_all(&place).unwrap();
        for file in render::files(&nginx, true, &furnished(&nginx, &build)).unwrap() {
            same(&place.join(file.path.file_name().unwrap()), std::str::from_utf8(&file.content).unwrap());
        }
    }
}

#[test]
fn a_template_of_ones_own_takes_the_place_of_the_program_s_and_a_broken_one_says_where() {
    let nginx = nginx_of("[[nginx.site]]\nname = \"a\"\nserver_name = [\"a\"]\nreturn = { code = 204 }\n");
    let with = |text: &str| {
        let templates = BTreeMap::from([("nginx/site.conf.tera".to_owned(), text.to_owned())]);
        render::files(&nginx, true, &Here { templates, ..bare(&nginx) })
    };
    let files = with("# mine, for {{ server_name }}\n").unwrap();
    assert_eq!(files[1].content, b"# mine, for a\n");
    let said = with("{{ no_such_thing }}").unwrap_err();
    assert!(said.starts_with("templates/nginx/site.conf.tera: ") && said.contains("no_such_thing"), "{said}");
}

#[test]
fn a_site_under_maintenance_says_nothing_but_that() {
    let text = "[nginx]\nmaintenance = true\n[[nginx.site]]\nname = \"a\"\nserver_name = [\"a\"]\nproxy = { to = [\"127.0.0.1:3000\"] }\nsnippet = \"return 200;\"\n";
    let site = |text: &str| {
        let nginx = nginx_of(text);
        let files = render::files(&nginx, true, &bare(&nginx)).unwrap();
        String::from_utf8(files[1].content.clone()).unwrap()
    };
    let closed = site(text);
    assert!(closed.contains("add_header Retry-After 300 always;") && closed.contains("return 503;"), "{closed}");
    assert!(
        closed.contains("location = /healthz") && !closed.contains("proxy_pass") && !closed.contains("return 200;")
    );
    let open = site(&format!("{text}maintenance = false\n"));
    assert!(open.contains("proxy_pass") && !open.contains("503"), "{open}");
}

//! Who may ask what, and what people add in nginx's own words.

use crate::lab::Machine;

pub(super) const MIXED: &str = r#"
[[nginx.site]]
name = "mixed"
server_name = ["mixed.example.org", "*.mixed.example.org", '~^v\d+\.example\.org$']
static = { root = "/srv/www/mixed" }
add_header = { X-Frame-Options = "DENY" }
client_max_body_size = "1k"
locations = [
    { path = "/api/", proxy = { to = ["127.0.0.1:4005"] }, client_max_body_size = "1m", add_header = { Cache-Control = "no-store" } },
    { path = "~ \\.php$", return = { code = 404 } },
    { path = "^~ /api/raw/", return = { code = 200, text = "raw\n" } },
    { path = "= /", return = { code = 200, text = "the door\n" } },
    { path = "/inside/", allow = ["10.0.0.0/8"] },
    { path = "/private/", deny = ["all"] },
]
"#;

pub(super) fn locations_mix(host: &Machine) {
    let app = host.backend("127.0.0.1:4005", "the application");
    host.write("/srv/www/mixed/page.html", "a page");
    host.write("/srv/www/mixed/private/x", "private");
    host.write("/srv/www/mixed/inside/x", "inside");
    host.get("http://mixed.example.org/").is(200).says("the door");
    let page = host.get("http://mixed.example.org/page.html").is(200).says("a page");
    assert_eq!((page.header("X-Frame-Options"), page.header("Cache-Control")), ("DENY", ""));
    let api = host.get("http://mixed.example.org/api/x").is(200).says("the application");
    assert_eq!((api.header("X-Frame-Options"), api.header("Cache-Control")), ("DENY", "no-store"));
    host.get("http://mixed.example.org/api/x.php").is(404);
    host.get("http://mixed.example.org/api/raw/x.php").is(200).says("raw");
    host.get("http://mixed.example.org/private/x").is(403);
    for name in ["a.mixed.example.org", "v12.example.org"] {
        host.get(&format!("http://{name}/")).says("the door");
    }
    host.from_outside("10.0.0.50").get("http://mixed.example.org/inside/x").is(200).says("inside");
    host.from_outside("192.168.77.50").get("http://mixed.example.org/inside/x").is(403);

    let sends = |path: &str, length: usize| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: mixed.example.org\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let answer = host.talk(80, &[head.into_bytes(), vec![b'x'; length]].concat()).unwrap();
        String::from_utf8_lossy(&answer).split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(sends("/page.html", 1500), "413");
    assert_eq!(sends("/api/x", 1500), "200");
    assert_eq!(app.last_request().method, "POST");
}

pub(super) const OF_ONES_OWN: &str = r#"
[[file]]
path = "/etc/hostagent/nginx/own.conf"
content = "location = /file { return 200 'from a file'; }\n"
[[nginx.site]]
name = "own"
server_name = ["own.example.org"]
return = { code = 404 }
snippet = """
location = /snippet {
    default_type text/plain;
    return 200 "two
lines";
}
"""
snippet_file = "/etc/hostagent/nginx/own.conf"
[[nginx.site]]
name = "whole"
config = """
server {
    listen 80;
    server_name whole.example.org;
    return 200 'all of it';
}
"""
"#;

pub(super) fn of_ones_own(host: &Machine) {
    host.get("http://own.example.org/snippet").is(200).says("two\nlines");
    host.get("http://own.example.org/file").is(200).says("from a file");
    host.get("http://own.example.org/").is(404);
    host.get("http://whole.example.org/").says("all of it");
}

/// A file that a site includes is part of what nginx has loaded.
pub(super) fn a_changed_snippet_is_loaded(host: &Machine) {
    host.recipe(&host.read(crate::lab::agent::RECIPE).replace("from a file", "from a new file"));
    host.agent("converge").exits(0);
    host.get("http://own.example.org/file").is(200).says("from a new file");
    host.agent("plan").exits(0);
}

pub(super) const UNKNOWN: &str = r#"
[[nginx.site]]
name = "inside"
server_name = ["inside.example.org"]
listen = [8080]
return = { code = 204 }
"#;

pub(super) fn a_host_that_no_site_names_gets_no_answer(host: &Machine) {
    host.get("http://inside.example.org:8080/").is(204);
    for url in [
        "http://nobody.example.org/",
        "http://127.0.0.1/",
        "http://inside.example.org/",
        "http://mixed.example.org:8080/",
    ] {
        assert!(host.ask(url, &[]).is_err(), "{url} got an answer");
    }
    assert!(host.from_outside("10.0.0.50").ask("http://10.0.0.10/", &[]).is_err());
    assert!(host.talk(80, b"GET / HTTP/1.0\r\n\r\n").unwrap_or_default().is_empty(), "nor does one that names none");
}

pub(super) const ANSWERS_EVERYBODY: &str = r#"
format = 1
[[nginx.site]]
name = "any"
default_server = true
return = { code = 200, text = "whoever you ask for" }
[[nginx.site]]
name = "one"
server_name = ["one.example.org"]
return = { code = 200, text = "one" }
"#;

pub(super) fn one_site_may_answer_everybody(host: &Machine) {
    host.get("http://nobody.example.org/").says("whoever you ask for");
    host.get("http://one.example.org/").says("one");
}

//! Addresses that have moved.

use crate::lab::Machine;

pub(super) const RECIPE: &str = r#"
[[nginx.site]]
name = "moved"
server_name = ["old.example.org"]
redirect = "https://www.example.org"
[[nginx.site]]
name = "parts"
server_name = ["parts.example.org"]
redirect_from = ["www.parts.example.org"]
redirect = "https://www.example.org/parts"
locations = [
    { path = "/page", redirect = "https://pages.example.org" },
    { path = "/keep/", return = { code = 302, url = "$scheme://www.example.org$request_uri" } },
    { path = "= /gone", return = { code = 410, text = "gone for good\n" } },
]
"#;

pub(super) fn keep_path_and_query(host: &Machine) {
    for (from, status, to) in [
        ("http://old.example.org/", 308, "https://www.example.org/"),
        ("http://old.example.org/a%20b/c?d=e&f=%2F", 308, "https://www.example.org/a%20b/c?d=e&f=%2F"),
        ("http://www.parts.example.org/x?y", 308, "http://parts.example.org/x?y"),
        ("http://parts.example.org/other?x=1", 308, "https://www.example.org/parts"),
        ("http://parts.example.org/page/2?x=1", 308, "https://pages.example.org/page/2?x=1"),
        ("http://parts.example.org/keep/2?x=1", 302, "http://www.example.org/keep/2?x=1"),
    ] {
        assert_eq!(host.get(from).is(status).header("Location"), to, "{from}");
    }
    host.get("http://parts.example.org/gone").is(410).says("gone for good");
}

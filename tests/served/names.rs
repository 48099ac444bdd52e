//! An application behind a name that is looked up again and again.

use crate::lab::Machine;

pub(super) const RECIPE: &str = r#"
[[nginx.site]]
name = "named"
server_name = ["named.example.org"]
proxy = { service = "api.production.internal", port = 3000, resolver = "10.0.0.2", resolver_valid = "1s" }
locations = [
    { path = "/v1/", proxy = { service = "api.production.internal", port = 3000, resolver = "10.0.0.2", resolver_valid = "1s", path = "/" } },
]
"#;

pub(super) fn a_name_is_looked_up_while_nginx_runs(host: &Machine) {
    let names = host.names("10.0.0.2");
    let first = host.backend("127.0.0.8:3000", "the first");
    let _second = host.backend("127.0.0.9:3000", "the second");

    // Nobody knows the name: nginx starts, and every other site goes on.
    host.sh("systemctl restart nginx").succeeds();
    host.get("http://named.example.org/").is(502);
    assert!(names.asked("api.production.internal") > 0);

    names.set("api.production.internal", &["127.0.0.8"]);
    super::soon_says(host, "http://named.example.org/", "the first");
    host.get("http://named.example.org/a%20b?c=d");
    assert_eq!(first.last_request().path, "/a%20b?c=d");
    host.get("http://named.example.org/v1/things?x=1");
    assert_eq!(first.last_request().path, "/things?x=1");
    assert_eq!(first.last_request().header("Host"), "named.example.org");
    assert_eq!(host.websocket("http://named.example.org/ws", b"ping"), (101, b"ping".to_vec()));

    let before = host.unit("nginx").start();
    names.set("api.production.internal", &["127.0.0.9"]);
    super::soon_says(host, "http://named.example.org/", "the second");
    assert_eq!(host.unit("nginx").start(), before, "nobody had to tell nginx");
}

//! Requests that are handed on to an application.

use std::collections::BTreeSet;

use crate::lab::Machine;

pub(super) const TO_A_LIST: &str = r#"
[[nginx.site]]
name = "list"
server_name = ["list.example.org"]
proxy = { to = ["127.0.0.1:4001", "127.0.0.1:4002"] }
[[nginx.site]]
name = "half"
server_name = ["half.example.org"]
proxy = { to = ["127.0.0.1:4001", "127.0.0.1:4999"] }
[[nginx.site]]
name = "down"
server_name = ["down.example.org"]
proxy = { to = ["127.0.0.1:4999"] }
error_page = { "502 503 504" = "@sorry" }
locations = [{ path = "@sorry", return = { code = 503, text = "back soon\n" } }]
[[nginx.upstream]]
name = "spare"
servers = ["127.0.0.1:4001", { address = "127.0.0.1:4002", backup = true }]
[[nginx.site]]
name = "spare"
server_name = ["spare.example.org"]
upstream = "spare"
"#;

pub(super) fn to_a_list(host: &Machine) {
    let one = host.backend("127.0.0.1:4001", "one");
    let _two = host.backend("127.0.0.1:4002", "two");
    let answers = |url: &str| (0..8).map(|_| host.get(url).is(200).body).collect::<BTreeSet<_>>();
    let both: BTreeSet<String> = ["one", "two"].map(str::to_owned).into();
    let first: BTreeSet<String> = ["one".to_owned()].into();
    assert_eq!(answers("http://list.example.org/"), both, "in turns");
    assert_eq!(answers("http://half.example.org/"), first, "the one that is there");
    assert_eq!(answers("http://spare.example.org/"), first, "the other is a spare");
    host.get("http://down.example.org/").is(502).says("back soon");
    // What the application answers is its answer, also when that is no good one.
    one.answers(404);
    host.get("http://half.example.org/").is(404).says("one");
}

pub(super) const TO_A_SOCKET: &str = r#"
[[nginx.site]]
name = "socket"
server_name = ["socket.example.org"]
proxy = { to = ["unix:/run/app.sock"] }
locations = [{ path = "/v1/", proxy = { to = ["unix:/run/app.sock"], path = "/" } }]
"#;

pub(super) fn to_a_socket(host: &Machine) {
    let app = host.backend("unix:/run/app.sock", "behind a socket");
    host.get("http://socket.example.org/a%20b?c=d&e").says("behind a socket");
    assert_eq!(app.last_request().path, "/a%20b?c=d&e", "as it came");
    assert_eq!(app.last_request().header("Host"), "socket.example.org");
    host.get("http://socket.example.org/v1/things?x=1").is(200);
    assert_eq!(app.last_request().path, "/things?x=1", "below its own root");
}

pub(super) const WITH_HEADERS: &str = r#"
[[nginx.site]]
name = "headers"
server_name = ["headers.example.org"]
proxy = { to = ["127.0.0.1:4003"], set_header = { X-Api-Key = 'a "quoted"; value', X-Real-IP = "" } }
locations = [{ path = "/usual/", proxy = { to = ["127.0.0.1:4003"] } }]
"#;

pub(super) fn with_headers(host: &Machine) {
    let app = host.backend("127.0.0.1:4003", "");
    let guest = host.from_outside("10.0.0.50");
    guest.get("http://headers.example.org/usual/");
    let request = app.last_request();
    for (name, value) in [
        ("Host", "headers.example.org"),
        ("X-Real-IP", "10.0.0.50"),
        ("X-Forwarded-For", "10.0.0.50"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "headers.example.org"),
        ("X-Api-Key", ""),
        ("Connection", ""),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    assert_eq!(request.header("X-Request-Id").len(), 32);

    // What a proxy in front says is kept, and its address added.
    guest.get_with("http://headers.example.org/", &[("X-Forwarded-For", "203.0.113.7"), ("X-Real-IP", "203.0.113.7")]);
    let request = app.last_request();
    assert_eq!(request.header("X-Forwarded-For"), "203.0.113.7, 10.0.0.50");
    assert_eq!(request.header("X-Api-Key"), "a \"quoted\"; value");
    assert_eq!(request.header("X-Real-IP"), "", "taken out by the recipe");
}

pub(super) const AS_A_WEBSOCKET: &str = r#"
[[nginx.site]]
name = "chat"
server_name = ["chat.example.org"]
proxy = { to = ["127.0.0.1:4004"] }
locations = [{ path = "/plain/", proxy = { to = ["127.0.0.1:4004"], websockets = false } }]
"#;

pub(super) fn as_a_websocket(host: &Machine) {
    let app = host.backend("127.0.0.1:4004", "no websocket");
    assert_eq!(host.websocket("http://chat.example.org/ws", b"ping"), (101, b"ping".to_vec()));
    assert_eq!(host.websocket("http://chat.example.org/plain/ws", b"ping").0, 200);
    assert_eq!(app.last_request().header("Upgrade"), "");
    host.get("http://chat.example.org/").is(200).says("no websocket");
}

/// recipes/reverse-proxy.toml
pub(super) fn the_recipe_of_a_reverse_proxy(host: &Machine) {
    let shop = [host.backend("127.0.0.1:3000", "shop"), host.backend("127.0.0.1:3001", "shop")];
    host.sh("mkdir -p /run/blog").succeeds();
    let _blog = host.backend("unix:/run/blog/blog.sock", "blog");
    let names = host.names("10.0.0.2");
    let _bookings = host.backend("127.0.0.9:3000", "bookings");

    for _ in 0..4 {
        host.get("http://shop.example.org/").is(200).says("shop");
    }
    assert!(shop.iter().all(|one| !one.requests().is_empty()), "both are asked");
    host.get("http://shop.example.org/events/1").says("shop");
    host.from_outside("10.0.0.50").get("http://shop.example.org/admin/").is(200);
    host.from_outside("192.168.77.50").get("http://shop.example.org/admin/").is(403);
    host.get("http://shop.example.org/health").is(200).says("ok");
    host.get("http://blog.example.org/").says("blog");
    host.get("http://bookings.example.org/").is(502);
    names.set("_bookings_production_service.bookings_production.internal", &["127.0.0.9"]);
    super::soon_says(host, "http://bookings.example.org/", "bookings");
    let moved = host.get("http://www.example.net/cart?item=7").is(308);
    assert_eq!(moved.header("Location"), "https://shop.example.org/cart?item=7");
}

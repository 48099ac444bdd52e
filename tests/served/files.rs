//! Files, and applications of one page.

use crate::lab::Machine;

pub(super) const OF_A_DIRECTORY: &str = r#"
[[nginx.site]]
name = "files"
server_name = ["files.example.org"]
static = { root = "/srv/www/files" }
error_page = { 404 = "/404.html" }
locations = [
    { path = "/list/", static = { root = "/srv/www/files", autoindex = true } },
    { path = "/docs/", static = { alias = "/srv/my docs", try_files = ["$uri", "$uri.html", "=404"] } },
]
"#;

pub(super) fn of_a_directory(host: &Machine) {
    for (path, text) in [
        ("/srv/www/files/index.html", "home"),
        ("/srv/www/files/style.css", "body {}"),
        ("/srv/www/files/sub/index.html", "below"),
        ("/srv/www/files/404.html", "nothing here"),
        ("/srv/www/files/list/one.txt", "1"),
        ("/srv/my docs/guide.html", "how to"),
        ("/srv/secret", "secret"),
    ] {
        host.write(path, text);
    }
    host.get("http://files.example.org/").is(200).says("home");
    assert_eq!(host.get("http://files.example.org/style.css").is(200).header("Content-Type"), "text/css");
    host.get("http://files.example.org/sub/").is(200).says("below");
    host.get("http://files.example.org/sub").is(301);
    host.get("http://files.example.org/nothing").is(404).says("nothing here");
    host.get("http://files.example.org/list/").is(200).says("one.txt");
    host.get("http://files.example.org/docs/guide").is(200).says("how to");
    host.get("http://files.example.org/docs/none").is(404);
    for path in ["/../secret", "/%2e%2e/secret", "/docs/../../secret", "/docs../secret"] {
        let answer = host.get(&format!("http://files.example.org{path}"));
        assert!(answer.status >= 400 && !answer.body.contains("secret"), "{answer}");
    }
    assert_eq!(host.get("http://files.example.org/").header("Server"), "nginx", "which version is nobody's business");
}

/// recipes/spa.toml
pub(super) fn the_recipe_of_an_application_of_one_page(host: &Machine) {
    for (path, text) in [("index.html", "the application"), ("assets/app-1f2e.js", "js"), ("favicon.ico", "icon")] {
        host.write(&format!("/srv/www/app/{path}"), text);
    }
    let api = host.backend("127.0.0.1:3000", "the interface");
    let page = |path: &str| host.get(&format!("http://app.example.org{path}"));
    for deep in ["/", "/orders", "/orders/42?tab=items", "/users/ann.b/"] {
        let answer = page(deep).is(200).says("the application");
        assert_eq!(answer.header("Cache-Control"), "no-cache", "{deep}");
        assert_eq!(answer.header("X-Content-Type-Options"), "nosniff", "{deep}");
    }
    for missing in ["/assets/app-0000.js", "/assets/none", "/logo.png", "/orders/42.json"] {
        let answer = page(missing).is(404);
        assert!(!answer.body.contains("the application"), "{answer}");
    }
    let asset = page("/assets/app-1f2e.js").is(200).says("js");
    assert_eq!(asset.header("Cache-Control"), "public, max-age=31536000, immutable");
    page("/favicon.ico").is(200).says("icon");
    page("/api/orders?open=1").is(200).says("the interface");
    assert_eq!(api.last_request().path, "/api/orders?open=1");
}

/// recipes/static-site.toml
pub(super) fn the_recipe_of_a_static_site(host: &Machine) {
    for (path, text) in
        [("index.html", "home"), ("about.html", "about us"), ("404.html", "nothing here"), ("sub/index.html", "below")]
    {
        host.write(&format!("/srv/www/site/{path}"), text);
    }
    host.get("http://example.org/").is(200).says("home");
    host.get("http://example.org/about").is(200).says("about us");
    host.get("http://example.org/sub/").is(200).says("below");
    let missing = host.get("http://example.org/none").is(404).says("nothing here");
    assert_eq!(missing.header("X-Content-Type-Options"), "nosniff");
    let moved = host.get("http://www.example.org/about?x=1").is(308);
    assert_eq!(moved.header("Location"), "http://example.org/about?x=1");
    assert!(host.ask("http://app.example.org/", &[]).is_err(), "the sites of the recipe before are gone");
}

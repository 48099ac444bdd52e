//! Applications that do not speak HTTP/1.1, and what becomes of what they say on its way out.

use super::linted;
use crate::lab::{Machine, eventually};

const RECIPE: &str = r#"
format = 1
[host]
packages = ["curl", "php-fpm", "uwsgi-core", "uwsgi-plugin-python3", "nghttp2-server"]
[[service]]
name = "PHP-fpm"
[nginx]
tls_profile = "modern"
brotli = true
real_ip = { from = ["127.0.0.0/8"] }
[[nginx.site]]
name = "php"
server_name = ["php.example.org"]
static = { root = "/srv/www/php", php = "unix:/run/php/PHP-fpm.sock" }
[[nginx.site]]
name = "python"
server_name = ["python.example.org"]
proxy = { to = ["unix:/run/python.sock"], protocol = "uwsgi" }
[[nginx.site]]
name = "grpc"
server_name = ["grpc.example.org"]
certificate = "grpc"
proxy = { to = ["127.0.0.1:50051"], protocol = "grpc" }
[[nginx.site]]
name = "two"
server_name = ["two.example.org"]
proxy = { to = ["127.0.0.1:4201", "127.0.0.1:4202"] }
[tls]
issuer = "self-signed"
[[tls.certificate]]
name = "grpc"
domains = ["grpc.example.org"]
"#;

/// A WSGI application that says what it was asked for.
const PYTHON: &str = r#"
def application(env, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [f"{env['REQUEST_METHOD']} {env['PATH_INFO']} from {env['REMOTE_ADDR']} by {env['HTTP_HOST']}\n".encode()]
"#;

pub(super) fn are_handed_requests(debian: u8) {
    let packages = ["nginx", "curl", "php-fpm", "uwsgi-core", "uwsgi-plugin-python3", "nghttp2-server"];
    let host = Machine::debian(debian).with_packages(packages).boot();
    let php = if debian == 12 { "php8.2" } else { "php8.4" };
    host.recipe(&RECIPE.replace("PHP", php));
    host.write("/srv/www/php/index.php", "<?php echo 'index of ', $_SERVER['REQUEST_URI'];");
    host.write("/srv/www/php/page.php", "<?php echo 'page for ', $_SERVER['REMOTE_ADDR'];");
    host.write("/srv/www/php/picture.jpg", "<?php echo 'never run';");
    host.write("/srv/www/php/long.txt", &"all work and no play ".repeat(500));
    host.write("/srv/python/app.py", PYTHON);
    host.write("/srv/h2/hello", "over HTTP/2");
    let uwsgi = "uwsgi --plugin python3 --socket /run/python.sock --chmod-socket=666 --wsgi-file /srv/python/app.py";
    let python = host.start(uwsgi);
    let grpc = host.start("nghttpd --no-tls -a 127.0.0.1 -d /srv/h2 50051");
    host.agent("converge").exits(0);
    host.agent("plan").exits(0);
    linted::configuration(&host);

    host.get("http://php.example.org/page.php").is(200).says("page for ");
    host.get("http://php.example.org/no/such/path?x").is(200).says("index of /no/such/path?x");
    // Whatever is asked for, only what is a script is run.
    for path in ["picture.jpg", "picture.jpg/x.php", "picture.jpg%00.php"] {
        let answer = host.ask(&format!("http://php.example.org/{path}"), &[]);
        assert!(answer.is_err() || answer.is_ok_and(|answer| !answer.body.starts_with("never run")), "{path}");
    }
    for (takes, encoded) in [("br", "br"), ("gzip, br", "br"), ("gzip", "gzip")] {
        let asked = format!("curl -sSI --resolve php.example.org:80:127.0.0.1 -H 'Accept-Encoding: {takes}'");
        host.sh(&format!("{asked} -X GET http://php.example.org/long.txt"))
            .says(&format!("Content-Encoding: {encoded}"));
    }

    eventually("uwsgi listens", || host.sh("test -S /run/python.sock").exit == 0);
    let asked = "curl -sS -m 10 --resolve python.example.org:80:127.0.0.1 -H 'X-Forwarded-For: 203.0.113.7'";
    host.sh(&format!("{asked} http://python.example.org/a/b"))
        .prints("GET /a/b from 203.0.113.7 by python.example.org");

    let asked = "curl -sSk -m 10 --http2 --resolve grpc.example.org:443:127.0.0.1";
    host.sh(&format!("{asked} -H 'TE: trailers' https://grpc.example.org/hello")).prints("over HTTP/2");
    host.sh(&format!("{asked} --tls-max 1.2 https://grpc.example.org/hello")).fails().says("alert protocol version");

    // One of the two is down: nobody notices.
    let two = host.backend("127.0.0.1:4202", "the other one");
    for _ in 0..6 {
        host.get("http://two.example.org/").is(200).says("the other one");
    }
    assert!(!two.last_request().path.is_empty());
    for program in [python, grpc] {
        program.signal("KILL");
        program.wait();
    }
}

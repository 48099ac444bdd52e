//! A network that gives no answer.

use std::time::Duration;

use super::{ends_well, only_these_fail};
use crate::evidence::{DEBIANS, on_each_debian};
use crate::lab::commands::Running;
use crate::lab::{Machine, eventually};

on_each_debian![without_names_what_is_fetched_fails_and_nothing_else, a_source_of_packages_that_stalls_fails_alone];

/// A TCP server that answers with this to whatever is asked, and then says nothing more; `UDP` for one that never answers.
fn stalls<'h>(host: &'h Machine, at: &str, says: &str) -> Running<'h> {
    let (address, port) = at.split_once(':').unwrap();
    let script = format!(
        "use Socket; socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); \
         bind(S, sockaddr_in({port}, inet_aton(\"{address}\"))) or die; listen(S, 50); \
         socket(U, PF_INET, SOCK_DGRAM, 0); bind(U, sockaddr_in({port}, inet_aton(\"{address}\"))) or die; \
         my @all; while (accept(my $c, S)) {{ syswrite($c, \"{says}\"); push @all, $c }}"
    );
    let file = format!("/srv/stalls-{port}");
    host.write(&file, &script);
    let running = host.start(&format!("perl {file}"));
    eventually("it listens", || host.sh(&format!("ss -lnt | grep -q {at}")).exit == 0);
    running
}

fn ends(stalling: Running<'_>) {
    stalling.signal("KILL");
    stalling.wait();
}

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn without_names_what_is_fetched_fails_and_nothing_else(debian: u8) {
    let host = Machine::debian(debian).boot();
    // Somebody is there, and never answers.
    let silent = stalls(&host, "127.0.0.53:53", "");
    host.sh("rm -f /etc/resolv.conf && echo nameserver 127.0.0.53 >/etc/resolv.conf").succeeds();
    host.write("/srv/app", "old\n");
    let recipe = format!(
        "[[file]]\npath = \"/srv/app\"\nsource = {{ url = \"https://files.example.org/app\", sha256 = \"{EMPTY}\" }}\n\
         [host]\npackages = [\"hello\"]\n"
    );
    let said = only_these_fail(&host, &recipe, ["file:/srv/app"]);
    assert!(said.took < Duration::from_mins(2), "{said}");
    said.says("could not fetch `https://files.example.org/app`").says("curl -v");
    host.sh("cat /srv/app").prints("old");
    host.sh("hello").succeeds();
    ends(silent);
    host.recipe("format = 1\n[host]\npackages = [\"hello\"]\n");
    ends_well(&host);
}

#[test]
fn a_server_that_stalls_is_given_up_and_the_old_file_stays() {
    for debian in DEBIANS {
        let host = Machine::debian(debian).boot();
        let shakes_no_hands = stalls(&host, "127.0.0.1:443", "");
        let stops_half_way =
            stalls(&host, "127.0.0.1:80", "HTTP/1.1 200 OK\\r\\ncontent-length: 99\\r\\n\\r\\nhalf of it");
        host.write("/srv/one", "old\n");
        host.write("/srv/two", "old\n");
        let source = |path: &str, url: &str| {
            format!("[[file]]\npath = \"{path}\"\nsource = {{ url = \"{url}\", sha256 = \"{EMPTY}\" }}\n")
        };
        let recipe = source("/srv/one", "https://127.0.0.1/app") + &source("/srv/two", "http://127.0.0.1/app");
        host.recipe(&format!("format = 1\n{}{recipe}", super::NOTE));
        let said = host.agent("converge").exits(1);
        assert!(said.took < Duration::from_secs(150), "{said}");
        said.says("could not fetch `https://127.0.0.1/app`")
            .says("could not fetch `http://127.0.0.1/app`")
            .says("timed out");
        host.sh("cat /srv/one /srv/two").prints("old\nold");
        super::leaves_nothing(&host);
        ends(shakes_no_hands);
        ends(stops_half_way);
        let _there = host.backend("127.0.0.1:80", "");
        host.recipe(&format!("format = 1\n{}{}", super::NOTE, source("/srv/two", "http://127.0.0.1/app")));
        ends_well(&host);
        host.sh("cat /srv/two").prints("");
    }
}

fn a_source_of_packages_that_stalls_fails_alone(debian: u8) {
    let host = Machine::debian(debian).boot();
    let silent = stalls(&host, "127.0.0.1:80", "");
    host.write("/etc/apt/sources.list.d/far.list", "deb [trusted=yes] http://127.0.0.1/debian ./\n");
    // What another source has is installed all the same; what only this one may have is not.
    let recipe = "[host]\npackages = [\"hello\", \"far-away\"]\n";
    host.recipe(&format!("format = 1\n{}{recipe}", super::NOTE));
    let said = host.agent("converge").exits(1);
    assert!(said.took < Duration::from_mins(5), "{said}");
    said.says("far-away").says("127.0.0.1");
    assert!(host.exists("/srv/note"));
    super::leaves_nothing(&host);
    ends(silent);
    host.sh("rm /etc/apt/sources.list.d/far.list").succeeds();
    host.recipe(&format!("format = 1\n{}[host]\npackages = [\"hello\"]\n", super::NOTE));
    ends_well(&host);
}

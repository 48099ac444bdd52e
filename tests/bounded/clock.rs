//! A clock that is ten years off, back and forward.
//!
//! The clock of a machine is that of the host it runs on. So hostagent alone is shown another one: by a library that is
//! loaded before libc's.

use std::fs;
use std::process::Command;

use super::ends_well;
use crate::evidence::on_each_debian;
use crate::lab::{Machine, Said, eventually, tool};

on_each_debian![what_needs_no_time_is_done_at_any_time, a_certificate_refused_for_the_time_names_the_clock];

const OTHER_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = syscall(SYS_clock_gettime, clock, now);
    const char *off = getenv("OFF_BY");
    if (off && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += atoll(off);
    return answer;
}
"#;

/// Ten years, in seconds.
const TEN_YEARS: i64 = 3652 * 86_400;

/// Runs hostagent with a clock that is so many seconds off.
fn agent_off_by(host: &Machine, seconds: i64, arguments: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
    fs::write(&source, OTHER_CLOCK).unwrap();
    tool::heard(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]));
    host.has_agent();
    host.copy(&library, "/srv/clock.so");
    host.sh(&format!("OFF_BY={seconds} LD_PRELOAD=/srv/clock.so hostagent {arguments}"))
}

fn what_needs_no_time_is_done_at_any_time(debian: u8) {
    let recipe = "format = 1\n[host]\npackages = [\"hello\"]\n[[user]]\nname = \"ops\"\n\
                  [[file]]\npath = \"/srv/note\"\ncontent = \"here\\n\"\n\
                  [[nginx.site]]\nname = \"api\"\nserver_name = [\"api.example.org\"]\nreturn = { code = 200, text = \"hello\" }\n\
                  [postgres]\n[[postgres.role]]\nname = \"booking\"\n";
    for seconds in [-TEN_YEARS, TEN_YEARS] {
        let host = Machine::debian(debian).with_packages(["nginx", "postgresql"]).boot();
        host.recipe(recipe);
        let year = if seconds < 0 { "\"began\":\"20" } else { "\"began\":\"203" };
        agent_off_by(&host, seconds, "converge --json").exits(0).says(year);
        host.get("http://api.example.org/").is(200);
        assert_eq!(agent_off_by(&host, seconds, "converge --json").exits(0).json()["changed"], 0);
        // The clock is put right, and put wrong the other way: nothing is to be done, and nothing is restarted.
        let start = host.unit("nginx").start();
        assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
        assert_eq!(agent_off_by(&host, -seconds, "converge --json").exits(0).json()["changed"], 0);
        assert_eq!(host.unit("nginx").start(), start);
        agent_off_by(&host, seconds, "status").exits(0);
        // A change is loaded, whatever the clock says of which came first.
        host.recipe(&recipe.replace("\"hello\" }", "\"good day\" }"));
        agent_off_by(&host, seconds, "converge").exits(0);
        // That its new workers are there hostagent sees by the clock, and here it has another one than they.
        eventually("the change is served", || host.get("http://api.example.org/").body == "good day");
        ends_well(&host);
    }
}

fn a_certificate_refused_for_the_time_names_the_clock(debian: u8) {
    let host = Machine::debian(debian).boot();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    host.write("/srv/tls/san", "subjectAltName=IP:127.0.0.1\n");
    host.sh(&format!(
        "cd /srv/tls && openssl req -x509 {key} -keyout ca.key -out ca.crt -subj /CN=lab -days 30 && \
         openssl req {key} -keyout s.key -out s.csr -subj /CN=server && \
         openssl x509 -req -in s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile san -out s.crt && \
         cp ca.crt /usr/local/share/ca-certificates/lab.crt && update-ca-certificates && echo new >app"
    ))
    .succeeds();
    let server = host.start("openssl s_server -quiet -accept 443 -WWW -cert /srv/tls/s.crt -key /srv/tls/s.key");
    host.write("/srv/app", "old\n");
    let sum = host.sh("sha256sum /srv/tls/app | cut -d' ' -f1").text().to_owned();
    host.recipe(&format!(
        "format = 1\n{}[[file]]\npath = \"/srv/app\"\nsource = {{ url = \"https://127.0.0.1/srv/tls/app\", sha256 = \"{sum}\" }}\n",
        super::NOTE
    ));
    for (seconds, words) in [(-TEN_YEARS, "not valid yet"), (TEN_YEARS, "expired")] {
        agent_off_by(&host, seconds, "converge")
            .exits(1)
            .says("could not fetch `https://127.0.0.1/srv/tls/app`")
            .says(words)
            .says("is this host's clock right? it says 20")
            .says("timedatectl");
        host.sh("cat /srv/app").prints("old");
        assert!(host.exists("/srv/note"));
    }
    ends_well(&host);
    host.sh("cat /srv/app").prints("new");
    server.signal("KILL");
    server.wait();
}

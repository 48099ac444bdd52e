//! A clock that is ten years off, back and forward.

use super::ends_well;
use crate::evidence::on_each_debian;
use crate::lab::{Machine, eventually};

on_each_debian![what_needs_no_time_is_done_at_any_time, a_certificate_refused_for_the_time_names_the_clock];

/// Ten years, in seconds.
const TEN_YEARS: i64 = 3652 * 86_400;

fn what_needs_no_time_is_done_at_any_time(debian: u8) {
    let recipe = "format = 1\n[host]\npackages = [\"hello\"]\n[[user]]\nname = \"ops\"\n\
                  [[file]]\npath = \"/srv/note\"\ncontent = \"here\\n\"\n\
                  [[nginx.site]]\nname = \"api\"\nserver_name = [\"api.example.org\"]\nreturn = { code = 200, text = \"hello\" }\n\
                  [postgres]\n[[postgres.role]]\nname = \"booking\"\n";
    for seconds in [-TEN_YEARS, TEN_YEARS] {
        let host = Machine::debian(debian).with_packages(["nginx", "postgresql"]).boot();
        host.recipe(recipe);
        let year = if seconds < 0 { "\"began\":\"20" } else { "\"began\":\"203" };
        host.agent_off_by(seconds, "converge --json").exits(0).says(year);
        host.get("http://api.example.org/").is(200);
        assert_eq!(host.agent_off_by(seconds, "converge --json").exits(0).json()["changed"], 0);
        // The clock is put right, and put wrong the other way: nothing is to be done, and nothing is restarted.
        let start = host.unit("nginx").start();
        assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
        assert_eq!(host.agent_off_by(-seconds, "converge --json").exits(0).json()["changed"], 0);
        assert_eq!(host.unit("nginx").start(), start);
        host.agent_off_by(seconds, "status").exits(0);
        // A change is loaded, whatever the clock says of which came first.
        host.recipe(&recipe.replace("\"hello\" }", "\"good day\" }"));
        host.agent_off_by(seconds, "converge").exits(0);
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
        host.agent_off_by(seconds, "converge")
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

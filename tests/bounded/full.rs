//! File systems without room.

use super::{NOTE, ends_well, leaves_nothing, only_these_fail};
use crate::evidence::{DEBIANS, on_each_debian};
use crate::lab::Machine;

on_each_debian![files_on_a_full_disk_keep_their_old_content, packages_that_do_not_fit_are_finished_when_they_do,];

/// Fills a file system to its last byte.
fn fill(host: &Machine, at: &str) {
    host.sh(&format!(
        "dd if=/dev/zero of={at}/filler bs=1k 2>/dev/null; dd if=/dev/zero of={at}/filler2 bs=1 2>/dev/null; sync; true"
    ));
}

fn files_on_a_full_disk_keep_their_old_content(debian: u8) {
    let host = Machine::debian(debian).with_packages(["nginx"]).boot();
    let large = "x".repeat(9000);
    let recipe = |content: &str| {
        format!(
            "[[file]]\npath = \"/srv/www/index.html\"\ncontent = \"{content}\\n\"\n\
             [[file]]\npath = \"/srv/www/new.html\"\ncontent = \"{large}\\n\"\n\
             [[file]]\npath = \"/srv/www/new/sub.html\"\ncontent = \"x\\n\"\n\
             [[file]]\npath = \"/srv/www/few/one.html\"\ncontent = \"x\\n\"\n\
             [[nginx.site]]\nname = \"page\"\nserver_name = [\"page.example.org\"]\nstatic = {{ root = \"/srv/www\" }}\n\
             snippet = \"# {}\"\n",
            content.len()
        )
    };
    // nginx's own files on a small disk of their own as well.
    host.sh("mkdir -p /srv/www && mount -t tmpfs -o size=32k,mode=755 tmpfs /srv/www").succeeds();
    host.sh("mkdir -p /srv/www/few && mount -t tmpfs -o nr_inodes=2,mode=755 tmpfs /srv/www/few && touch /srv/www/few/other")
        .succeeds();
    host.sh("mkdir -p /etc/nginx/hostagent.d && mount -t tmpfs -o size=16k,mode=755 tmpfs /etc/nginx/hostagent.d")
        .succeeds();
    host.write("/srv/www/index.html", "old\n");
    host.sh("chmod 644 /srv/www/index.html").succeeds();
    for full in ["/srv/www", "/etc/nginx/hostagent.d"] {
        fill(&host, full);
    }
    let before = host.digest("/srv/www/index.html");
    only_these_fail(
        &host,
        &recipe(&large),
        [
            "file:/srv/www/index.html",
            "file:/srv/www/new.html",
            "file:/srv/www/new/sub.html",
            "file:/srv/www/few/one.html",
            "config_set:nginx",
        ],
    )
    .says("could not write `/srv/www/index.html`: No space left on device")
    .says("could not write `/srv/www/new.html`: No space left on device")
    .says("could not write `/srv/www/few/one.html`: No space left on device")
    .says("df -h /srv/www")
    .says("df -i /srv/www/few")
    .says("hostagent.d/page.conf`: No space left on device");
    before.is_still(&host.digest("/srv/www/index.html"));
    host.sh("ls /srv/www/new.html /srv/www/few/one.html /etc/nginx/hostagent.d/page.conf").fails();
    host.sh("nginx -t").succeeds();

    host.sh("rm /srv/www/filler* /etc/nginx/hostagent.d/filler* && mount -o remount,nr_inodes=100 /srv/www/few")
        .succeeds();
    ends_well(&host);
    host.get("http://page.example.org/few/one.html").is(200);
    host.sh("systemctl stop nginx; umount /srv/www/few /srv/www /etc/nginx/hostagent.d").succeeds();
}

#[test]
fn a_run_that_can_keep_nothing_of_itself_touches_nothing() {
    for debian in DEBIANS {
        let host = Machine::debian(debian).boot();
        host.recipe(&format!("format = 1\n{NOTE}"));
        host.sh("mkdir -p /var/lib/hostagent && mount -t tmpfs -o size=16k,mode=700 tmpfs /var/lib/hostagent")
            .succeeds();
        fill(&host, "/var/lib/hostagent");
        host.agent("converge")
            .exits(1)
            .says("could not write `/var/lib/hostagent/last-run.json`: No space left on device")
            .says("df -h /var/lib/hostagent");
        host.sh("ls /srv/note").fails();
        leaves_nothing(&host);

        // It fills up in the middle of a run.
        host.sh("rm /var/lib/hostagent/filler*").succeeds();
        let fills = "dd if=/dev/zero of=/var/lib/hostagent/filler bs=1k; dd if=/dev/zero of=/var/lib/hostagent/filler2 bs=1; touch /srv/full";
        host.recipe(&format!(
            "format = 1\n[[run]]\nname = \"fills\"\ncommand = [\"sh\", \"-c\", \"{fills}\"]\ncreates = \"/srv/full\"\n\
             [[run]]\nname = \"late\"\ncommand = [\"touch\", \"/srv/late\"]\nonce = true\nafter = [\"run:fills\"]\n"
        ));
        let said = host.agent("converge").exits(1);
        said.says("could not write `/var/lib/hostagent/ledger.jsonl`: No space left on device");
        host.sh("rm /var/lib/hostagent/filler*").succeeds();
        leaves_nothing(&host);
        host.agent("status").exits(1);
        ends_well(&host);
        host.sh("umount /var/lib/hostagent").succeeds();
    }
}

fn packages_that_do_not_fit_are_finished_when_they_do(debian: u8) {
    let host = Machine::debian(debian).boot();
    let small = |at: &str, size: &str| {
        host.sh(&format!("cp -a {at} /srv/copy && mount -t tmpfs -o size={size},mode=755 tmpfs {at} && cp -a /srv/copy/. {at}/ && rm -r /srv/copy"))
            .succeeds();
    };
    let lets_go = |at: &str| host.sh(&format!("rm {at}/filler* && mount -o remount,size=200m {at}")).succeeds();
    // While a package is unpacked, and in dpkg's own records.
    for (package, at) in [("hello", "/usr/share/doc"), ("tree", "/var/lib/dpkg")] {
        small(at, "60m");
        fill(&host, at);
        let recipe = format!("[host]\npackages = [\"{package}\"]\n");
        let id = format!("package:{package}");
        only_these_fail(&host, &recipe, [&id]).says("No space left on device").says("df -h");
        lets_go(at);
        ends_well(&host);
        host.sh("dpkg --audit").prints("");
        host.sh(&format!("dpkg -s {package}")).succeeds().says("install ok installed");
        host.sh(&format!("cp -a {at} /srv/copy && umount {at} && cp -a /srv/copy/. {at}/ && rm -r /srv/copy"))
            .succeeds();
    }
}

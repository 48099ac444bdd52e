//! Eight things that the tools people use get wrong, each shown right here. Names as in the field notes: K1, K3 to K8
//! (K2 is K1 in another tool).

use std::thread;
use std::time::Duration;

use crate::evidence::{NANO, as_it_runs, converged, having, ids, nano, on_each_debian, postgres_folder, postgres_unit};
use crate::lab::Machine;

const SITE: &str = r#"
format = 1
[[nginx.site]]
name = "api"
server_name = ["api.example.org"]
return = { code = 200, text = "old" }
"#;

on_each_debian![
    k1_a_run_that_failed_between_writing_and_reloading_is_made_good_by_the_next,
    k3_a_broken_file_is_red_every_time_and_nginx_can_still_restart,
    k4_settings_with_a_common_prefix_are_written_once_and_restart_once,
    k5_a_plan_on_a_bare_host_is_true,
    k6_a_changed_password_and_attribute_are_seen_and_put_right,
    k7_a_first_drop_in_is_loaded_by_the_restart_it_needs,
    k8_every_lock_of_apt_is_waited_for_and_its_holder_named,
    a_changed_site_is_one_reload,
];

/// K1: Ansible writes the site, fails later in another role, and never reloads nginx again.
fn k1_a_run_that_failed_between_writing_and_reloading_is_made_good_by_the_next(debian: u8) {
    let host = converged(debian, SITE);
    host.recipe(&format!(
        "{}\n[[run]]\nname = \"later\"\ncommand = [\"false\"]\nonce = true\n",
        SITE.replace("old", "new")
    ));
    host.agent("converge").exits(1);
    host.get("http://api.example.org/").says("new");

    // The worst moment: the file is there, the reload is not.
    host.write(
        "/etc/nginx/hostagent.d/api.conf",
        &host.read("/etc/nginx/hostagent.d/api.conf").replace("new", "newer"),
    );
    host.recipe(&SITE.replace("old", "newer"));
    host.agent("plan --json").exits(3).says("service:nginx");
    host.agent("converge").exits(0);
    host.get("http://api.example.org/").says("newer");
    host.agent("plan").exits(0);
}

/// K3: a role without `nginx -t` leaves a broken file behind, and its second run says ok.
fn k3_a_broken_file_is_red_every_time_and_nginx_can_still_restart(debian: u8) {
    let host = converged(debian, SITE);
    let broken = SITE.replace("return =", "snippet = \"broken {\"\nreturn =");
    host.recipe(&broken);
    for _ in 0..3 {
        host.agent("converge").exits(1).says("nginx");
        host.sh("nginx -t").succeeds();
    }
    host.sh("systemctl restart nginx").succeeds();
    host.get("http://api.example.org/").says("old");

    // Somebody else's broken file is red too, for as long as it is there.
    host.recipe(&SITE.replace("old", "new"));
    host.write("/etc/nginx/conf.d/theirs.conf", "broken {");
    for _ in 0..2 {
        host.agent("converge").exits(1).says("theirs.conf");
    }
    host.get("http://api.example.org/").says("old");
    host.sh("rm /etc/nginx/conf.d/theirs.conf").succeeds();
    host.agent("converge").exits(0);
    host.get("http://api.example.org/").says("new");
}

/// K4: two settings of which one is the other's prefix make a role restart PostgreSQL on every run, for ever.
fn k4_settings_with_a_common_prefix_are_written_once_and_restart_once(debian: u8) {
    let host = converged(debian, "format = 1\n[postgres]\n");
    let before = host.unit(&postgres_unit(debian)).invocation_id();
    host.recipe("format = 1\n[postgres]\nsettings = { hot_standby = \"on\", hot_standby_feedback = true, max_connections = 41 }\n");
    host.agent("converge").exits(0);
    let after = host.unit(&postgres_unit(debian)).invocation_id();
    assert_ne!(after, before, "max_connections needs a restart");
    for _ in 0..3 {
        assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
    }
    assert_eq!(host.unit(&postgres_unit(debian)).invocation_id(), after);
    let files = format!("{}/conf.d/*.conf", postgres_folder(debian));
    host.sh(&format!("cat {files} | grep -c '^hot_standby '")).prints("1");

    // A setting that needs no restart gets none.
    host.recipe("format = 1\n[postgres]\nsettings = { hot_standby = \"on\", hot_standby_feedback = true, max_connections = 41, work_mem = \"5MB\" }\n");
    host.agent("converge").exits(0);
    assert_eq!(host.unit(&postgres_unit(debian)).invocation_id(), after);
    host.sh("runuser -u postgres -- psql -Atc 'show work_mem'").prints("5MB");
}

/// K5: `--check` on a bare host fails: "could not find the requested service nginx".
fn k5_a_plan_on_a_bare_host_is_true(debian: u8) {
    let host = Machine::debian(debian).boot();
    host.recipe(&NANO);
    let planned = host.agent("plan --json").exits(3);
    assert_eq!(having(&planned, "failed"), ids([]));
    assert_eq!(having(&planned, "skipped"), ids([]));
    host.agent("plan")
        .exits(3)
        .says("package:nginx")
        .says("service:nginx")
        .says("pg_role:booking")
        .says_not("not found");
    assert_eq!(having(&host.agent("converge --json").exits(0), "changed"), having(&planned, "pending"));
}

/// K6: a tool that only looks whether the role exists says ok to a changed password and to CREATEDB.
fn k6_a_changed_password_and_attribute_are_seen_and_put_right(debian: u8) {
    let host = nano(debian);
    host.sh("runuser -u postgres -- psql -qc \"alter role booking password 'x' createdb\"").succeeds();
    host.agent("plan").exits(3).says("pg_role:booking").says("password").says("createdb");
    host.agent("converge").exits(0);
    host.sh("runuser -u postgres -- psql -Atc \"select rolcreatedb from pg_roles where rolname='booking'\"")
        .prints("f");
    let login = "PGPASSWORD=$(cat /etc/hostagent/secrets/postgres.role.booking) psql -h 10.0.0.10 -U booking -d booking -Atc 'select 1'";
    host.from_outside("10.0.0.50").sh(login).prints("1");
}

/// K7: systemd says `NeedDaemonReload=no` for a first drop-in, and a restart runs without it.
fn k7_a_first_drop_in_is_loaded_by_the_restart_it_needs(debian: u8) {
    let host = converged(debian, SITE);
    host.recipe(&format!(
        "{SITE}\n[[service]]\nname = \"nginx\"\ndrop_in = {{ Service = {{ LimitNOFILE = 4321 }} }}\n"
    ));
    host.agent("converge").exits(0);
    let pid = host.unit("nginx").pid();
    host.sh(&format!("grep 'Max open files' /proc/{pid}/limits")).succeeds().says("4321");
    let start = host.unit("nginx").start();
    host.agent("plan").exits(0);
    host.agent("converge").exits(0);
    assert_eq!(host.unit("nginx").start(), start);
}

/// K8: apt waits for none of its locks by default, and for the lists' lock never.
fn k8_every_lock_of_apt_is_waited_for_and_its_holder_named(debian: u8) {
    let host = Machine::debian(debian).with_packages(["python3"]).boot();
    host.sh("apt-get update").succeeds();
    let locks = [
        "/var/lib/dpkg/lock-frontend",
        "/var/lib/dpkg/lock",
        "/var/lib/apt/lists/lock",
        "/var/cache/apt/archives/lock",
    ];
    for (lock, package) in locks.iter().zip(["hello", "tree", "sl", "cowsay"]) {
        let hold = format!(
            "python3 -c 'import fcntl,time; f=open(\"{lock}\",\"w\"); fcntl.lockf(f, fcntl.LOCK_EX); open(\"/tmp/held\",\"w\"); time.sleep(4)'"
        );
        let holder = host.start(&hold);
        crate::lab::eventually("the lock is held", || host.exists("/tmp/held"));
        host.recipe(&format!("format = 1\n[host]\npackages = [\"{package}\"]\n"));
        host.agent("converge").exits(0).says("python3");
        host.sh(&format!("dpkg -s {package}")).says("install ok installed");
        drop(holder);
        host.sh("rm -f /tmp/held").succeeds();
        thread::sleep(Duration::from_millis(10));
    }
}

/// A reload is one reload: nginx keeps its process, and gets new workers once.
fn a_changed_site_is_one_reload(debian: u8) {
    let host = converged(debian, SITE);
    let (start, workers) = as_it_runs(&host, "nginx");
    host.recipe(&SITE.replace("old", "new"));
    host.agent("converge").exits(0);
    let (again, fresh) = as_it_runs(&host, "nginx");
    assert_eq!(again, start);
    assert_ne!(fresh, workers);
    host.sh("journalctl -u nginx -o cat --no-pager | grep -c 'Reloaded nginx'").prints("1");
}

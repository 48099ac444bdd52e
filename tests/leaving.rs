//! What the recipe stops naming goes if hostagent made it; data and what a person edited stays, and is told.

use crate::evidence::{as_it_runs, converged, furnished, having, ids, on_each_debian, postgres_unit};
use crate::lab::Machine;
use crate::lab::digest::Digest;

const RECIPE: &str = r#"
format = 1
[[file]]
path = "/srv/note"
content = "made here\n"
[[file]]
path = "/srv/edited"
content = "made here\n"
[[nginx.site]]
name = "one"
server_name = ["one.example.org"]
return = { code = 200, text = "one" }
[[nginx.site]]
name = "two"
server_name = ["two.example.org"]
return = { code = 200, text = "two" }
[postgres]
[[postgres.role]]
name = "booking"
[[postgres.database]]
name = "booking"
"#;

on_each_debian![
    a_site_that_is_no_longer_named_leaves_the_disk_and_nginx,
    a_site_that_a_person_edited_meanwhile_is_kept_and_told,
    a_file_that_is_no_longer_named_goes_unless_somebody_edited_it,
    a_database_and_a_role_stay_and_are_told,
    a_drop_in_that_is_no_longer_named_goes_and_the_unit_runs_without_it,
    a_file_that_a_server_read_is_forgotten_by_the_server_in_the_same_run,
    a_user_loses_the_keys_and_sudo_rights_of_the_recipe_and_no_more,
    a_file_that_was_there_before_stays_and_its_first_version_is_told,
    what_nginx_refuses_to_miss_stays_and_nginx_serves_on,
];

fn a_site_that_is_no_longer_named_leaves_the_disk_and_nginx(debian: u8) {
    let host = converged(debian, RECIPE);
    host.get("http://two.example.org/").says("two");
    let (without, _) = RECIPE.split_once("[[nginx.site]]\nname = \"two\"").unwrap();
    let (_, postgres) = RECIPE.split_once("[postgres]").unwrap();
    host.recipe(&format!("{without}[postgres]{postgres}"));

    let planned = host.agent("plan --json").exits(3);
    let done = host.agent("converge --json").exits(0);
    assert_eq!(having(&done, "changed"), having(&planned, "pending"));
    host.sh("ls /etc/nginx/hostagent.d").succeeds().says("one.conf").says_not("two.conf");
    host.get("http://one.example.org/").says("one");
    assert!(host.ask("http://two.example.org/", &[]).is_err(), "nginx has forgotten the site");
    host.agent("plan").exits(0);
}

fn a_site_that_a_person_edited_meanwhile_is_kept_and_told(debian: u8) {
    let host = converged(debian, RECIPE);
    host.sh("echo '# mine' >> /etc/nginx/hostagent.d/two.conf").succeeds();
    let (without, _) = RECIPE.split_once("[[nginx.site]]\nname = \"two\"").unwrap();
    host.recipe(without);
    host.agent("converge").exits(0).says("/etc/nginx/hostagent.d/two.conf").says("edited by hand");
    assert!(host.read("/etc/nginx/hostagent.d/two.conf").ends_with("# mine\n"));
}

fn a_file_that_is_no_longer_named_goes_unless_somebody_edited_it(debian: u8) {
    let host = converged(debian, RECIPE);
    host.sh("echo mine >> /srv/edited").succeeds();
    let (_, rest) = RECIPE.split_once("[[nginx.site]]").unwrap();
    host.recipe(&format!("format = 1\n[[nginx.site]]{rest}"));
    host.agent("plan").exits(3).says("/srv/note");
    host.agent("converge").exits(0).says("/srv/edited").says("edited by hand");
    host.sh("ls /srv").says("edited").says_not("note");
}

fn a_database_and_a_role_stay_and_are_told(debian: u8) {
    let host = converged(debian, RECIPE);
    let (without, _) = RECIPE.split_once("[[postgres.role]]").unwrap();
    host.recipe(without);
    let postgres = as_it_runs(&host, &postgres_unit(debian));
    host.agent("converge").exits(0).says("pg_database:booking").says("pg_role:booking").says("no longer");
    host.sh("runuser -u postgres -- psql -Atc \"select datname from pg_database where datname='booking'\"")
        .prints("booking");
    host.sh("runuser -u postgres -- psql -Atc \"select rolname from pg_roles where rolname='booking'\"")
        .prints("booking");
    assert_eq!(as_it_runs(&host, &postgres_unit(debian)).0, postgres.0);
}

fn a_drop_in_that_is_no_longer_named_goes_and_the_unit_runs_without_it(debian: u8) {
    let with = format!("{RECIPE}\n[[service]]\nname = \"nginx\"\ndrop_in = {{ Service = {{ LimitNOFILE = 4321 }} }}\n");
    let host = converged(debian, &with);
    let open_files = || host.sh(&format!("grep 'Max open files' /proc/{}/limits", host.unit("nginx").pid())).succeeds();
    open_files().says("4321");
    host.recipe(RECIPE);
    let planned = host.agent("plan --json").exits(3);
    let done = host.agent("converge --json").exits(0);
    assert_eq!(having(&done, "changed"), having(&planned, "pending"));
    open_files().says_not("4321");
    host.agent("plan").exits(0);
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
}

fn a_file_that_a_server_read_is_forgotten_by_the_server_in_the_same_run(debian: u8) {
    let with = format!(
        "{RECIPE}\n[[file]]\npath = \"/etc/nginx/conf.d/mine.conf\"\ncontent = \"server {{ listen 8081; return 200 mine; }}\\n\"\n"
    );
    let host = converged(debian, &with);
    host.get("http://127.0.0.1:8081/").says("mine");
    host.recipe(RECIPE);
    let planned = host.agent("plan --json").exits(3);
    let done = host.agent("converge --json").exits(0);
    assert_eq!(having(&done, "changed"), having(&planned, "pending"));
    crate::lab::eventually("nginx has forgotten the file", || host.ask("http://127.0.0.1:8081/", &[]).is_err());
    host.agent("plan").exits(0);
}

fn a_user_loses_the_keys_and_sudo_rights_of_the_recipe_and_no_more(debian: u8) {
    let host = furnished(debian);
    host.sh(
        "systemctl start ssh && for key in theirs ours; do ssh-keygen -q -t ed25519 -N '' -C $key -f /root/$key; done",
    )
    .succeeds();
    let recipe = format!(
        "format = 1\n[[user]]\nname = \"ops\"\nsudo = true\ngroups = [\"adm\"]\nssh_authorized_keys = [\"{}\"]\n",
        host.read("/root/ours.pub").trim()
    );
    host.recipe(&recipe);
    host.agent("converge").exits(0);
    host.sh("cat /root/theirs.pub >>~ops/.ssh/authorized_keys; runuser -u ops -- touch /home/ops/work").succeeds();
    let login = |key: &str, command: &str| {
        let options = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null";
        host.sh(&format!("ssh -q {options} -i /root/{key} ops@127.0.0.1 {command}"))
    };
    login("ours", "sudo -n id -un").prints("root");
    login("theirs", "id -un").prints("ops");
    let all_but = |digest: Digest| digest.without("/etc/hostagent/recipe.toml").without("/etc/sudoers.d");
    let (etc, home) =
        (all_but(host.digest("/etc")), host.digest("/home/ops").without("/home/ops/.ssh/authorized_keys"));

    host.recipe("format = 1\n");
    let planned = host.agent("plan --json").exits(3);
    let done = host.agent("converge --json").exits(0);
    assert_eq!(having(&done, "changed"), ids(["authorized_keys:ops", "config_set:sudoers-ops"]));
    assert_eq!(having(&done, "changed"), having(&planned, "pending"));
    login("ours", "true").exits(255);
    login("theirs", "id -un").prints("ops");
    login("theirs", "sudo -n true").fails().says("password is required");
    host.sh("ls -A /etc/sudoers.d").prints("README");
    assert_eq!(host.read("/home/ops/.ssh/authorized_keys"), host.read("/root/theirs.pub"));
    etc.is_still(&all_but(host.digest("/etc")));
    home.is_still(&host.digest("/home/ops").without("/home/ops/.ssh/authorized_keys"));
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
}

fn a_file_that_was_there_before_stays_and_its_first_version_is_told(debian: u8) {
    const FIRST: &str = "/var/lib/hostagent/originals/etc%2Fapp.conf";
    let recipe =
        |content: &str| format!("format = 1\n[[file]]\npath = \"/etc/app.conf\"\ncontent = \"{content}\\n\"\n");
    let host = Machine::debian(debian).boot();
    host.write("/etc/app.conf", "a person's\n");
    for round in ["one", "two"] {
        for content in ["ours", round] {
            host.recipe(&recipe(content));
            host.agent("converge").exits(0);
        }
        host.recipe("format = 1\n");
        host.agent("plan").exits(0).says("`/etc/app.conf` was there before hostagent").says(FIRST);
        host.agent("converge").exits(0).says("`/etc/app.conf` was there before hostagent").says(FIRST);
        assert_eq!(host.read("/etc/app.conf"), format!("{round}\n"), "it stays as it is");
        assert_eq!(host.read(FIRST), "a person's\n");
        host.sh(&format!("stat -c '%a %U' $(dirname {FIRST}) {FIRST}")).prints("700 root\n600 root");
        host.agent("converge").exits(0).says_not("/etc/app.conf");
    }
    host.sh("ls /var/lib/hostagent/originals").prints("etc%2Fapp.conf");
}

fn what_nginx_refuses_to_miss_stays_and_nginx_serves_on(debian: u8) {
    let recipe = r#"
format = 1
[[nginx.site]]
name = "one"
server_name = ["one.example.org"]
proxy = { to = ["127.0.0.1:3000"] }
"#;
    let host = converged(debian, recipe);
    let app = host.backend("127.0.0.1:3000", "one");
    // A site of a person's own that leads to the same backend.
    host.write(
        "/etc/nginx/conf.d/mine.conf",
        "server { listen 8081; location / { proxy_pass http://one_backend; } }\n",
    );
    host.sh("nginx -t && systemctl restart nginx").succeeds();
    let etc = || host.digest("/etc").without("/etc/hostagent/recipe.toml");
    let (before, ran) = (etc(), as_it_runs(&host, "nginx"));

    host.recipe("format = 1\n");
    for _ in 0..2 {
        let told = host.agent("converge").exits(1);
        told.says("`/usr/sbin/nginx -t -q` says")
            .says("\"one_backend\"")
            .says("mine.conf:1")
            .says("the files are back");
        before.is_still(&etc());
        assert_eq!(as_it_runs(&host, "nginx"), ran, "it was neither restarted nor reloaded");
        host.get("http://one.example.org/").says("one");
        host.sh("nginx -t").succeeds();
    }
    host.sh("rm /etc/nginx/conf.d/mine.conf").succeeds();
    host.agent("converge").exits(0);
    host.sh("nginx -t && systemctl is-active nginx").succeeds();
    crate::lab::eventually("nginx has forgotten the site", || {
        !host.ask("http://one.example.org/", &[]).is_ok_and(|answer| answer.body.contains("one"))
    });
    host.agent("plan").exits(0);
    host.sh("ls /var/lib/hostagent/undo").prints("");
    drop(app);
}

//! K2: a run that failed after it had written a configuration, and before its server had loaded it. In tools that notify, the
//! next run finds the file right and tells the server nothing, for ever. Here it loads it, whatever the server is, and a
//! third run changes nothing.
//!
//! Here a run fails because something else that the server waits for cannot be had, or it is killed before its next system
//! call. Anywhere else: `cut_off`, `killed`, and `cargo lab soak`. That lists are read again after a source that was silent:
//! `packages`.

use crate::evidence::{converged, having, ids, on_each_debian, postgres_folder, postgres_unit, resources, sql};
use crate::lab::{Machine, eventually};

on_each_debian![
    nginx_is_reloaded,
    postgresql_is_reloaded,
    postgresql_is_restarted,
    sshd_is_reloaded,
    a_service_is_reloaded_for_a_file_that_it_reads,
    a_service_is_restarted_for_its_drop_in,
    a_service_is_restarted_for_its_unit_file,
    a_timer_goes_by_its_new_times,
    kernel_values_are_in_the_kernel_and_in_the_file,
    sudo_rights_are_the_new_ones_at_once,
];

/// What loading a configuration does to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reload,
    Restart,
}
use Effect::{Reload, Restart};

/// A server with another configuration on its way.
struct Change<'a> {
    unit: &'a str,
    /// What is to be in force.
    recipe: &'a str,
    /// Where it is written, and by which word one knows it.
    file: &'a str,
    word: &'a str,
    /// By the server's own account, what it runs with: before, and then.
    says: &'a dyn Fn() -> String,
    was: &'a str,
    shall: &'a str,
    effect: Effect,
}

impl Change<'_> {
    fn fails_and_is_made_good_by_the_next_run(&self, host: &Machine) {
        let Self { unit, recipe, says, .. } = *self;
        let (service, before) = (format!("service:{unit}"), host.unit(unit).start());
        assert_eq!(says(), self.was);
        // A drop-in that cannot be: only the server waits for it, not its configuration.
        let blocked = format!("/etc/systemd/system/{unit}.service.d/blocked.conf");
        host.recipe(&format!("{recipe}\n[[file]]\npath = \"{blocked}\"\ncontent = \"\"\nowner = \"nobody-knows\"\n"));
        for _ in 0..2 {
            let failed = host.agent("converge --json").exits(1);
            assert!(having(&failed, "skipped").contains(&service), "{:#?}", resources(&failed));
            assert!(host.read(self.file).contains(self.word), "the worst moment: {} is written", self.file);
            assert_eq!((says(), host.unit(unit).start()), (self.was.to_owned(), before.clone()), "and not loaded");
        }

        host.recipe(recipe);
        assert!(!host.exists(&blocked));
        let planned = host.agent("plan --json").exits(3);
        assert_eq!(having(&planned, "pending"), ids([&service]));
        let second = host.agent("converge --json").exits(0);
        assert_eq!(having(&second, "changed"), ids([&service]));
        assert_eq!(says(), self.shall);
        let after = host.unit(unit).start();
        assert_eq!(self.effect == Restart, after.invocation_id != before.invocation_id, "{:?}", self.effect);

        assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
        assert_eq!((says(), host.unit(unit).start()), (self.shall.to_owned(), after));
    }
}

fn nginx_is_reloaded(debian: u8) {
    let recipe = |text: &str| {
        format!(
            "format = 1\n[[nginx.site]]\nname = \"api\"\nserver_name = [\"api.example.org\"]\n\
             return = {{ code = 200, text = \"{text}\" }}\n"
        )
    };
    let host = converged(debian, &recipe("one"));
    Change {
        unit: "nginx",
        recipe: &recipe("two"),
        file: "/etc/nginx/hostagent.d/api.conf",
        word: "two",
        says: &|| host.get("http://api.example.org/").body.trim().to_owned(),
        was: "one",
        shall: "two",
        effect: Reload,
    }
    .fails_and_is_made_good_by_the_next_run(&host);
}

fn postgresql_is_reloaded(debian: u8) {
    postgresql(debian, "work_mem", Reload);
}

fn postgresql_is_restarted(debian: u8) {
    postgresql(debian, "shared_buffers", Restart);
}

fn postgresql(debian: u8, setting: &str, effect: Effect) {
    let recipe = |value: &str| format!("format = 1\n[postgres]\nsettings = {{ {setting} = \"{value}\" }}\n");
    let host = converged(debian, &recipe("32MB"));
    Change {
        unit: &postgres_unit(debian),
        recipe: &recipe("48MB"),
        file: &format!("{}/conf.d/90-hostagent.conf", postgres_folder(debian)),
        word: "48MB",
        says: &|| sql(&host, "postgres", &format!("show {setting}")),
        was: "32MB",
        shall: "48MB",
        effect,
    }
    .fails_and_is_made_good_by_the_next_run(&host);
}

fn sshd_is_reloaded(debian: u8) {
    let recipe = |word: &str| format!("format = 1\n[ssh]\nsettings = {{ VersionAddendum = \"{word}\" }}\n");
    let host = converged(debian, &recipe("one"));
    Change {
        unit: "ssh",
        recipe: &recipe("two"),
        file: "/etc/ssh/sshd_config.d/10-hostagent.conf",
        word: "VersionAddendum two",
        // It begins with who it is, and ends with who does not say the same. Told to reload it does not listen for a moment.
        says: &|| {
            eventually("sshd listens", || host.talk(22, b"hello\r\n").is_ok());
            let said = String::from_utf8(host.talk(22, b"hello\r\n").unwrap()).unwrap();
            said.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned()
        },
        was: "one",
        shall: "two",
        effect: Reload,
    }
    .fails_and_is_made_good_by_the_next_run(&host);
}

/// A server whose file, drop-in and unit file can be told from what it runs with.
fn app(read: &str, nice: &str, environment: &str) -> String {
    format!(
        r#"
format = 1
[[file]]
path = "/etc/app.conf"
content = "{read}"
[[file]]
path = "/etc/systemd/system/app.service"
content = '''
[Service]
Environment=APP={environment}
ExecStart=/bin/sh -c 'cp /etc/app.conf /run/app.loaded; exec sleep infinity'
ExecReload=/bin/cp /etc/app.conf /run/app.loaded
[Install]
WantedBy=multi-user.target
'''
[[service]]
name = "app"
reads = ["/etc/app.conf"]
drop_in = {{ Service = {{ Nice = {nice} }} }}
"#
    )
}

fn of_app(debian: u8, recipe: &str, file: &str, word: &str, [was, shall]: [&str; 2], line: &str, effect: Effect) {
    let host = converged(debian, &app("one", "1", "one"));
    let says = || host.sh(&line.replace("PID", &host.unit("app").pid().to_string())).succeeds().text().to_owned();
    Change { unit: "app", recipe, file, word, says: &says, was, shall, effect }
        .fails_and_is_made_good_by_the_next_run(&host);
}

fn a_service_is_reloaded_for_a_file_that_it_reads(debian: u8) {
    of_app(debian, &app("two", "1", "one"), "/etc/app.conf", "two", ["one", "two"], "cat /run/app.loaded", Reload);
}

fn a_service_is_restarted_for_its_drop_in(debian: u8) {
    let file = "/etc/systemd/system/app.service.d/hostagent.conf";
    of_app(debian, &app("one", "2", "one"), file, "Nice=2", ["1", "2"], "ps -o ni= -p PID | tr -d ' '", Restart);
}

fn a_service_is_restarted_for_its_unit_file(debian: u8) {
    let line = "tr '\\0' '\\n' </proc/PID/environ | sed -n 's/^APP=//p'";
    let file = "/etc/systemd/system/app.service";
    of_app(debian, &app("one", "1", "two"), file, "APP=two", ["one", "two"], line, Restart);
}

fn a_timer_goes_by_its_new_times(debian: u8) {
    let recipe = |times: &str| {
        format!(
            "format = 1\n[[timer]]\nname = \"tidy\"\non_calendar = \"{times}\"\ncommand = [\"/bin/true\", \"{times}\"]\n"
        )
    };
    let host = with_strace(debian);
    host.recipe(&recipe("*-*-* 04:00:00"));
    host.agent("converge").exits(0);
    let times = || host.unit("tidy.timer").property("TimersCalendar");
    let command = || host.unit("tidy.service").property("ExecStart");
    let is_written = || host.read("/etc/systemd/system/tidy.timer").contains("05:00:00");
    killed_once(&host, &recipe("*-*-* 05:00:00"), &is_written);
    assert!(times().contains("04:00:00") && command().contains("04:00:00"), "{} {}", times(), command());

    let changed = host.agent("converge --json").exits(0);
    assert_eq!(having(&changed, "changed"), ids(["timer:tidy"]));
    assert!(times().contains("05:00:00") && command().contains("05:00:00"), "{} {}", times(), command());
    assert!(host.unit("tidy.timer").is_active());
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
}

fn kernel_values_are_in_the_kernel_and_in_the_file(debian: u8) {
    const FILE: &str = "/etc/sysctl.d/60-hostagent-host.conf";
    // A value that every network namespace has for itself.
    let recipe = |value: u32| format!("format = 1\n[host]\nsysctl = {{ \"net.core.somaxconn\" = {value} }}\n");
    let host = with_strace(debian);
    host.sh("mount -o remount,rw,bind /proc/sys").succeeds();
    host.recipe(&recipe(1111));
    host.agent("converge").exits(0);
    let now = || host.sh("sysctl -n net.core.somaxconn").succeeds().text().to_owned();
    killed_once(&host, &recipe(2222), &|| now() == "2222");
    assert!(host.read(FILE).contains(" = 1111\n"), "the worst moment: the next boot would bring the old value");

    let changed = host.agent("converge --json").exits(0);
    assert_eq!(having(&changed, "changed"), ids(["sysctl:host"]));
    assert!(now() == "2222" && host.read(FILE).contains("net.core.somaxconn = 2222\n"));
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
    // The other way round, as when somebody else sets it meanwhile.
    host.sh("sysctl -q net.core.somaxconn=1111").succeeds();
    assert_eq!(having(&host.agent("converge --json").exits(0), "changed"), ids(["sysctl:host"]));
    assert_eq!(now(), "2222");
}

/// sudo reads its files whenever it is asked: there is nothing to load, and so nothing to forget.
fn sudo_rights_are_the_new_ones_at_once(debian: u8) {
    let recipe = |rule: &str| format!("format = 1\n[[user]]\nname = \"ops\"\nsudo = \"ALL=(ALL) NOPASSWD:{rule}\"\n");
    let host = converged(debian, &recipe("/bin/true"));
    let rights = || host.sh("sudo -l -U ops").succeeds();
    rights().says("/bin/true");
    let later = "[[run]]\nname = \"later\"\ncommand = [\"false\"]\nonce = true\nafter = [\"user:ops\"]\n";
    host.recipe(&format!("{}{later}", recipe("/bin/false")));
    host.agent("converge").exits(1);
    rights().says("/bin/false").says_not("/bin/true");
    host.recipe(&recipe("/bin/false"));
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
    rights().says("/bin/false");
}

fn with_strace(debian: u8) -> Machine {
    Machine::debian(debian).with_packages(["strace"]).boot()
}

/// Ends a run with a signal that it cannot hear, once this is so, before it says or writes anything more.
fn killed_once(host: &Machine, recipe: &str, it_is_so: &dyn Fn() -> bool) {
    host.has_agent();
    host.recipe(recipe);
    // Always a little later: a run that was cut off before that does not count.
    let is_cut_off_right = |number: i32| {
        let calls = format!("inject=sendto,sendmsg,write:signal=KILL:when={number}");
        let cut_off = host.sh(&format!("strace -qq -o /dev/null -e {calls} hostagent converge"));
        assert_ne!(cut_off.exit, 0, "the run ended before it was cut off");
        it_is_so()
    };
    assert!((1..200).any(is_cut_off_right), "no run came so far");
}

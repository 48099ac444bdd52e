//! What only a booted systemd can show. Each test makes a toy server of its own and takes it away again.
//!
//! Not run by default; tests/inside.rs runs it on machines, with `HOSTAGENT_ON_A_MACHINE=1`. The cases are those of NixOS's
//! switch-test and of our own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::engine::outcome::Told;
use crate::engine::run::{Stop, converge, preview};
use crate::engine::{Draft, Plan, Verdict};
use crate::host::Host;
use crate::host::systemd::Unit;
use crate::resources::drop_in::DropIn;
use crate::resources::file::File;
use crate::resources::laws::keeps_its_word;
use crate::resources::service::{OnChange, Service};
use crate::resources::timer::Timer;
use crate::resources::unit_file::UnitFile;
use crate::terms::CalendarEvent;

/// Reads /etc/NAME/conf when it starts and at SIGHUP, and writes what it read to /run/NAME. Dies of `bad`.
const TOY: &str = r#"#!/bin/bash
name=$1
load() { value=$(cat /etc/$name/conf); [ "$value" = bad ] && { echo "$name: cannot bear bad"; exit 7; }; echo "$value" > /run/$name; }
trap load HUP
load
systemd-notify --ready
while :; do sleep 0.05; done
"#;

struct Toy {
    name: &'static str,
}

fn at(event: &str) -> CalendarEvent {
    event.to_owned().try_into().unwrap()
}

fn toy(name: &'static str) -> Toy {
    let toy = Toy { name };
    fs::create_dir_all("/usr/local/lib/systemd/system").unwrap();
    fs::create_dir_all(format!("/etc/{name}")).unwrap();
    fs::write("/usr/local/bin/toy", TOY).unwrap();
    shell("chmod 755 /usr/local/bin/toy");
    toy.write("one");
    fs::write(
        format!("/usr/local/lib/systemd/system/{name}.service"),
        format!(
            "[Unit]\nDescription=Toy\n[Service]\nType=notify\nNotifyAccess=all\nExecStart=/usr/local/bin/toy {name}\n\
             ExecReload=/bin/kill -HUP $MAINPID\nExecReload=/bin/sleep 0.2\n[Install]\nWantedBy=multi-user.target\n"
        ),
    )
    .unwrap();
    shell("systemctl daemon-reload");
    toy
}

impl Toy {
    fn gone(&self) {
        let name = self.name;
        shell(&format!(
            "systemctl unmask {name} {name}.timer; systemctl disable --now {name} {name}.timer {name}.socket; \
             systemctl reset-failed {name}; rm -rf /etc/systemd/system/{name}.* /usr/local/lib/systemd/system/{name}.* \
             /etc/{name} /run/{name} /var/lib/hostagent /run/hostagent; systemctl daemon-reload"
        ));
    }

    fn write(&self, text: &str) {
        fs::write(self.conf(), text).unwrap();
    }

    fn conf(&self) -> PathBuf {
        format!("/etc/{}/conf", self.name).into()
    }

    fn loaded(&self) -> String {
        fs::read_to_string(format!("/run/{}", self.name)).unwrap_or_default().trim().to_owned()
    }

    fn service(&self) -> Service {
        let reads = vec![format!("/etc/{}", self.name).into()];
        Service { reads, on_change: OnChange::Reload, ..Service::running(self.name) }
    }

    fn drop_in(&self, content: &str) -> DropIn {
        DropIn { unit: self.name.into(), name: "hostagent".into(), content: content.into(), tried: true }
    }

    /// A service and a drop-in for it.
    fn with(&self, content: &str) -> (DropIn, Service) {
        let drop_in = self.drop_in(content);
        (drop_in.clone(), self.service())
    }

    async fn unit(&self) -> Unit {
        Host::here().unwrap().look().unit(self.name).await.unwrap()
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.gone();
    }
}

fn shell(line: &str) -> String {
    let output = Command::new("/bin/bash").args(["-c", line]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn plan(fill: impl FnOnce(&mut Draft)) -> Plan {
    let mut draft = Draft::default();
    fill(&mut draft);
    draft.finish().unwrap()
}

/// What a plan says will change, what a run changed, and what went wrong; and that a second run changes nothing.
async fn run(plan: &Plan) -> (Vec<String>, Vec<String>, Vec<String>) {
    let foreseen = preview(plan, &Host::here().unwrap(), &mut |_| ()).await;
    let done = converge(plan, &Host::here().unwrap(), &Stop::new(), &mut |_| ()).await;
    let named = |outcome: &crate::engine::Outcome, word: &str| {
        let found = outcome.resources.iter().filter(|told| told.verdict.word() == word);
        found.map(|told| told.id.to_string()).collect::<Vec<_>>()
    };
    let says = |told: &Told| match &told.verdict {
        Verdict::Failed(failure) => Some(format!("{}: {}", told.id, failure.cause.says)),
        _ => None,
    };
    let failed: Vec<String> = done.resources.iter().filter_map(says).collect();
    if failed.is_empty() {
        let again = converge(plan, &Host::here().unwrap(), &Stop::new(), &mut |_| ()).await;
        assert_eq!(named(&again, "ok").len(), plan.len(), "{:?}", again.resources);
    }
    (named(&foreseen, "pending"), named(&done, "changed"), failed)
}

/// Runs it, and holds that the plan was true and nothing failed.
async fn changes(plan: &Plan) -> Vec<String> {
    let (foreseen, changed, failed) = run(plan).await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(foreseen, changed);
    changed
}

macro_rules! on_a_machine {
    ($(async fn $name:ident() $body:block)*) => {$(
        #[tokio::test(flavor = "current_thread")]
        #[ignore = "needs a machine with systemd"]
        async fn $name() {
            // They stop and start things: whoever runs all ignored tests on a desk must not run these.
            assert!(std::env::var_os("HOSTAGENT_ON_A_MACHINE").is_some(), "is this a machine to be thrown away?");
            $body
        }
    )*};
}

on_a_machine! {
    async fn the_four_laws_of_what_only_systemd_can_hold_to_them() {
        let toy = toy("toy-laws");
        let host = || Host::here().unwrap();
        keeps_its_word::<Service>(&toy.service(), &host()).await;
        let running = toy.unit().await;
        toy.write("two");
        keeps_its_word::<Service>(&toy.service(), &host()).await;
        assert_eq!(toy.unit().await.invocation_id, running.invocation_id);
        keeps_its_word::<Service>(&Service { running: Some(false), enabled: Some(false), ..toy.service() }, &host()).await;
        let off = Service { running: Some(false), enabled: Some(false), ..toy.service() };
        keeps_its_word::<Service>(&Service { masked: Some(true), ..off }, &host()).await;
        keeps_its_word::<Service>(&toy.service(), &host()).await;

        keeps_its_word::<DropIn>(&toy.drop_in("[Unit]\nDescription=Other\n"), &host()).await;
        let unit = UnitFile { unit: "toy-laws.socket".into(), content: "[Socket]\nListenStream=/run/toy-laws.sock\n".into() };
        keeps_its_word::<UnitFile>(&unit, &host()).await;
        toy.gone();
        let timer = |when: &str| Timer::new("toy-laws", at(when), vec!["/bin/true".into()]);
        keeps_its_word::<Timer>(&timer("*-*-* 04:00"), &host()).await;
        keeps_its_word::<Timer>(&timer("*-*-* 05:00"), &host()).await;
    }

    async fn a_server_is_enabled_and_started_and_then_left_alone() {
        let toy = toy("toy-start");
        let plan = plan(|draft| drop(draft.add(toy.service())));
        assert_eq!(changes(&plan).await, ["service:toy-start"]);
        let unit = toy.unit().await;
        assert!(unit.is_up() && unit.is_enabled() == Some(true));
        assert_eq!(shell("systemctl show -p UnitFileState --value toy-start"), "enabled");
        assert_eq!(changes(&plan).await, Vec::<String>::new());
        assert_eq!(toy.unit().await, unit);
    }

    async fn a_changed_file_is_one_reload() {
        let toy = toy("toy-reload");
        let plan_of = |text: &str| plan(|draft| {
            draft.add(File::new(toy.conf(), text));
            draft.add(toy.service());
        });
        assert_eq!(changes(&plan_of("one")).await.len(), 1);
        let before = toy.unit().await;
        assert_eq!(changes(&plan_of("two")).await, ["file:/etc/toy-reload/conf", "service:toy-reload"]);
        assert_eq!((toy.loaded().as_str(), toy.unit().await.invocation_id), ("two", before.invocation_id));
    }

    // K1 and K2: written in a run that ended before the reload.
    async fn a_file_that_was_written_and_not_loaded_is_loaded_by_the_next_run() {
        let toy = toy("toy-k1");
        let plan = plan(|draft| drop(draft.add(toy.service())));
        changes(&plan).await;
        toy.write("two");
        assert_eq!(changes(&plan).await, ["service:toy-k1"]);
        assert_eq!(toy.loaded(), "two");
    }

    async fn a_file_repaired_before_anybody_loaded_it_disturbs_nobody() {
        let toy = toy("toy-repair");
        let plan = plan(|draft| {
            draft.add(File::new(toy.conf(), "one"));
            draft.add(toy.service());
        });
        changes(&plan).await;
        toy.write("by hand");
        assert_eq!(changes(&plan).await, ["file:/etc/toy-repair/conf"]);
        shell("chmod 600 /etc/toy-repair/conf");
        assert_eq!(changes(&plan).await, ["file:/etc/toy-repair/conf"]);
    }

    async fn a_restart_by_a_person_counts_as_loaded() {
        let toy = toy("toy-person");
        let plan = plan(|draft| drop(draft.add(toy.service())));
        changes(&plan).await;
        toy.write("two");
        shell("sleep 0.1; systemctl restart toy-person");
        assert_eq!(changes(&plan).await, Vec::<String>::new());
    }

    async fn a_new_description_disturbs_nobody() {
        let toy = toy("toy-words");
        let plan_of = |text: &str| plan(|draft| {
            let (drop_in, service) = toy.with(text);
            draft.add(drop_in);
            draft.add(service);
        });
        changes(&plan(|draft| drop(draft.add(toy.service())))).await;
        let before = toy.unit().await;
        assert_eq!(changes(&plan_of("[Unit]\nDescription=Other\n")).await, ["drop_in:toy-words.service/hostagent"]);
        assert_eq!(shell("systemctl show -p Description --value toy-words"), "Other");
        assert_eq!(changes(&plan_of("[Service]\nExecReload=\n")).await, ["drop_in:toy-words.service/hostagent"]);
        assert_eq!(toy.unit().await.invocation_id, before.invocation_id);
        assert!(!Path::new("/var/lib/hostagent/undo/drop_in:toy-words.service-hostagent").exists());
    }

    // K7: systemd 252 says NeedDaemonReload=no after a first drop-in.
    async fn a_first_drop_in_is_one_restart_that_has_it() {
        let toy = toy("toy-k7");
        let (drop_in, service) = toy.with("[Service]\nEnvironment=TOY=seven\n");
        changes(&plan(|draft| drop(draft.add(toy.service())))).await;
        let before = toy.unit().await;
        toy.write("two");
        let both = plan(|draft| {
            draft.add(drop_in);
            draft.add(service);
        });
        assert_eq!(changes(&both).await, ["drop_in:toy-k7.service/hostagent", "service:toy-k7"]);
        let after = toy.unit().await;
        assert_ne!(after.invocation_id, before.invocation_id);
        assert_eq!(toy.loaded(), "two");
        assert!(shell(&format!("tr '\\0' '\\n' < /proc/{}/environ", after.main_pid)).contains("TOY=seven"));
    }

    async fn a_unit_file_changed_by_hand_is_read_and_a_lone_drop_in_is_seen() {
        let toy = toy("toy-hand");
        let plan = plan(|draft| drop(draft.add(toy.service())));
        changes(&plan).await;
        shell("sleep 0.1; mkdir /etc/systemd/system/toy-hand.service.d; printf '[Service]\\nNice=1\\n' > /etc/systemd/system/toy-hand.service.d/o.conf");
        assert_eq!(changes(&plan).await, ["service:toy-hand"]);
        assert_eq!(shell("systemctl show -p Nice --value toy-hand"), "1");
        shell("rm -r /etc/systemd/system/toy-hand.service.d");
        assert_eq!(changes(&plan).await, ["service:toy-hand"]);
        assert_eq!(shell("systemctl show -p Nice --value toy-hand"), "0");
    }

    async fn a_drop_in_the_server_does_not_come_up_with_is_put_back() {
        let toy = toy("toy-refuse");
        let plan_of = |text: &str| plan(|draft| {
            let (drop_in, service) = toy.with(text);
            draft.add(drop_in);
            draft.add(service);
        });
        changes(&plan_of("[Service]\nEnvironment=A=1\n")).await;
        let bad = "[Service]\nExecStartPre=/bin/sh -c 'echo no such luck; exit 3'\n";
        let (_, _, failed) = run(&plan_of(bad)).await;
        assert!(failed.len() == 1 && failed[0].contains("no such luck"), "{failed:?}");
        assert!(failed[0].ends_with("the old configuration is back, and `toy-refuse.service` runs with it"), "{failed:?}");
        let invocation = toy.unit().await.invocation_id;
        // It fails the same in every run, and the server is not restarted once more for that.
        for _ in 0..2 {
            let (_, _, failed) = run(&plan_of(bad)).await;
            assert_eq!(failed.len(), 1);
            let told = ["drop_in:toy-refuse.service/hostagent: ", "was tried before, and is not again", "no such luck"];
            assert!(told.iter().all(|words| failed[0].contains(words)), "{failed:?}");
            assert!(toy.unit().await.is_up() && toy.unit().await.invocation_id == invocation);
            assert_eq!(fs::read_to_string("/etc/systemd/system/toy-refuse.service.d/hostagent.conf").unwrap(), "[Service]\nEnvironment=A=1\n");
        }
        fs::remove_dir_all("/run/hostagent/refused").unwrap();
        let (_, _, failed) = run(&plan_of(bad)).await;
        assert!(failed[0].starts_with("service:toy-refuse: "), "{failed:?}");
        assert_ne!(toy.unit().await.invocation_id, invocation, "it was tried again");
        assert_eq!(changes(&plan_of("[Service]\nEnvironment=A=1\n")).await, Vec::<String>::new());
    }

    async fn a_configuration_the_server_dies_of_is_put_back() {
        use crate::resources::config_set::{ConfigFile, ConfigSet};
        let toy = toy("toy-dies");
        let plan_of = |text: &str| plan(|draft| {
            let set = ConfigSet::new("toy", vec![ConfigFile::new(toy.conf(), text)]);
            draft.add(ConfigSet { read_by: Some("toy-dies".into()), ..set });
            draft.add(Service { sets: vec!["toy".into()], ..toy.service() });
        });
        changes(&plan_of("one")).await;
        assert_eq!(changes(&plan_of("two")).await, ["config_set:toy", "service:toy-dies"]);
        for _ in 0..2 {
            let (_, _, failed) = run(&plan_of("bad")).await;
            assert!(failed[0].contains("toy-dies: cannot bear bad"), "{failed:?}");
            assert!(failed[0].ends_with("the old configuration is back, and `toy-dies.service` runs with it"), "{failed:?}");
            assert_eq!((toy.loaded().as_str(), fs::read_to_string(toy.conf()).unwrap().as_str()), ("two", "two"));
        }
        assert_eq!(changes(&plan_of("three")).await, ["config_set:toy", "service:toy-dies"]);
        assert_eq!(toy.loaded(), "three");
    }

    async fn a_unit_that_fails_is_a_failure_in_its_own_words() {
        let toy = toy("toy-fail");
        toy.write("bad");
        let (_, _, failed) = run(&plan(|draft| drop(draft.add(toy.service())))).await;
        assert!(failed[0].contains("`toy-fail.service` did not start (failed)"), "{failed:?}");
        assert!(failed[0].contains("toy-fail: cannot bear bad"), "{failed:?}");
        toy.write("good");
        assert_eq!(changes(&plan(|draft| drop(draft.add(toy.service())))).await, ["service:toy-fail"]);
    }

    async fn a_unit_that_is_started_over_and_over_is_a_failure() {
        let toy = toy("toy-again");
        toy.gone();
        let text = "[Service]\nType=simple\nExecStart=/bin/sh -c 'sleep 0.1; echo dying; exit 1'\nRestart=always\nRestartSec=5\n";
        let unit = UnitFile { unit: "toy-again.service".into(), content: text.into() };
        let (_, _, failed) = run(&plan(|draft| {
            draft.add(unit);
            draft.add(Service { enabled: None, ..toy.service() });
        })).await;
        assert!(failed[0].contains("did not stay up: it is activating (auto-restart) (exit-code)"), "{failed:?}");
        assert!(failed[0].contains("dying"), "{failed:?}");
    }

    async fn a_socket_activated_service_is_not_started_by_looking_after_its_socket() {
        let toy = toy("toy-socket");
        fs::write("/usr/local/lib/systemd/system/toy-socket.socket", "[Socket]\nListenStream=/run/toy-socket.sock\n[Install]\nWantedBy=sockets.target\n").unwrap();
        let both = plan(|draft| {
            draft.add(Service::running("toy-socket.socket"));
            draft.add(Service { enabled: None, running: None, ..toy.service() });
        });
        assert_eq!(changes(&both).await, ["service:toy-socket.socket"]);
        toy.write("two");
        assert_eq!(changes(&both).await, Vec::<String>::new());
        assert!(!toy.unit().await.is_up());
    }

    async fn instances_and_odd_names_are_units_like_others() {
        let _toy = toy("toy@");
        let text = fs::read_to_string("/usr/local/lib/systemd/system/toy@.service").unwrap();
        fs::write("/usr/local/lib/systemd/system/toy@.service", text.replace("toy toy@", "toy toy@%i")).unwrap();
        for (unit, file) in [("toy@15-main", "toy@15-main"), (r"toy@a\x2db", r"toy@a\x2db")] {
            fs::create_dir_all(format!("/etc/{file}")).unwrap();
            fs::write(format!("/etc/{file}/conf"), "one").unwrap();
            let service = Service { reads: vec![format!("/etc/{file}").into()], on_change: OnChange::Reload, ..Service::running(unit) };
            let plan_of = |text: &str| plan(|draft| {
                draft.add(File::new(format!("/etc/{file}/conf"), text));
                draft.add(service.clone());
            });
            assert_eq!(changes(&plan_of("one")).await, [format!("service:{unit}")]);
            assert_eq!(changes(&plan_of("two")).await.len(), 2);
            assert_eq!(fs::read_to_string(format!("/run/{file}")).unwrap(), "two\n");
            shell(&format!("systemctl disable --now '{unit}'; rm -rf '/etc/{file}' '/run/{file}'"));
        }
        let look = Host::here().unwrap().look();
        assert!(look.unit("-.slice").await.unwrap().is_up());
        assert!(look.unit("-.mount").await.unwrap().is_up());
        assert!(!look.unit("no-such-thing").await.unwrap().exists());
        assert!(look.unit("no such/thing").await.unwrap_err().to_string().contains("not valid"));
    }

    async fn an_init_script_is_enabled_and_disabled_like_any_unit() {
        let script = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: toy-script\n# Required-Start:\n# Required-Stop:\n# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n# Short-Description: toy\n### END INIT INFO\nexit 0\n";
        shell(&format!("echo '{script}' >/etc/init.d/toy-script; chmod 755 /etc/init.d/toy-script; systemctl daemon-reload"));
        let starts = || shell("ls /etc/rc3.d | grep -c 'S..toy-script'") == "1";
        for wanted in [true, false, true] {
            let service = Service { enabled: Some(wanted), running: None, ..Service::running("toy-script") };
            let (_, changed, failed) = run(&plan(|draft| drop(draft.add(service)))).await;
            assert_eq!((changed, failed.len(), starts()), (vec!["service:toy-script".to_owned()], 0, wanted), "{failed:?}");
        }
        shell("rm /etc/init.d/toy-script; update-rc.d toy-script remove; systemctl daemon-reload");
    }

    async fn a_unit_is_masked_unmasked_stopped_and_disabled() {
        let toy = toy("toy-mask");
        let of = |service: Service| plan(|draft| drop(draft.add(service)));
        changes(&of(toy.service())).await;
        let out = Service { enabled: Some(false), running: Some(false), masked: Some(true), ..toy.service() };
        assert_eq!(changes(&of(out)).await, ["service:toy-mask"]);
        assert_eq!(shell("systemctl is-enabled toy-mask; systemctl is-active toy-mask"), "masked\ninactive");
        assert_eq!(changes(&of(toy.service())).await, ["service:toy-mask"]);
        assert_eq!(shell("systemctl is-enabled toy-mask; systemctl is-active toy-mask"), "enabled\nactive");
        shell("systemctl mask --runtime --now toy-mask");
        assert_eq!(changes(&of(toy.service())).await, ["service:toy-mask"]);
        let off = Service { enabled: Some(false), running: Some(false), ..toy.service() };
        assert_eq!(changes(&of(off)).await, ["service:toy-mask"]);
        assert_eq!(shell("systemctl is-enabled toy-mask; systemctl is-active toy-mask"), "disabled\ninactive");
        let (_, _, failed) = run(&of(Service::running("no-such-unit"))).await;
        assert_eq!(failed, ["service:no-such-unit: there is no unit `no-such-unit.service`"]);
    }

    async fn a_timer_runs_its_work_takes_new_times_and_goes() {
        let toy = toy("toy-timer");
        toy.gone();
        let timer = |when: &str| Timer::new("toy-timer", at(when), vec!["/bin/touch".into(), "/run/toy-timer".into()]);
        let of = |timer: Timer| plan(|draft| drop(draft.add(timer)));
        let next = || shell("systemctl show -p NextElapseUSecRealtime --value toy-timer.timer");
        assert_eq!(changes(&of(timer("*-*-* 04:00"))).await, ["timer:toy-timer"]);
        assert!(next().contains(" 04:00:00 "), "{}", next());
        assert_eq!(changes(&of(timer("*-*-* 05:00"))).await, ["timer:toy-timer"]);
        assert!(next().contains(" 05:00:00 "), "{}", next());
        shell("systemctl start toy-timer.service");
        assert!(Path::new("/run/toy-timer").exists());
        let (_, _, failed) = run(&of(timer("04:00 Europe/Atlantis"))).await;
        assert!(failed[0].contains("04:00 Europe/Atlantis"), "{failed:?}");
        assert!(next().contains(" 05:00:00 "), "{}", next());
        let gone = converge(&of(Timer::new("toy-other", at("daily"), vec!["/bin/true".into()])), &Host::here().unwrap(), &Stop::new(), &mut |_| ()).await;
        assert!(gone.is_good(), "{gone:?}");
        assert_eq!(shell("ls /etc/systemd/system | grep toy-timer; systemctl is-active toy-timer.timer"), "inactive");
        assert_eq!(shell("systemctl show -p LoadState --value toy-timer.timer toy-timer.service"), "not-found\n\nnot-found");
        shell("systemctl disable --now toy-other.timer; rm /etc/systemd/system/toy-other.*; systemctl daemon-reload");
    }

    async fn a_forking_server_restarted_by_a_person_is_fresh() {
        let service = Service { reads: vec!["/etc/nginx".into()], on_change: OnChange::Reload, ..Service::running("nginx") };
        let of = plan(|draft| drop(draft.add(service)));
        shell("systemctl restart nginx");
        changes(&of).await;
        let before = Host::here().unwrap().look().unit("nginx").await.unwrap();
        shell("echo '# one' > /etc/nginx/conf.d/toy.conf");
        assert_eq!(changes(&of).await, ["service:nginx"]);
        let after = Host::here().unwrap().look().unit("nginx").await.unwrap();
        assert_eq!((after.invocation_id, after.main_pid), (before.invocation_id, before.main_pid));
        shell("echo '# two' > /etc/nginx/conf.d/toy.conf; sleep 0.1; systemctl restart nginx");
        assert_eq!(changes(&of).await, Vec::<String>::new());
        shell("rm /etc/nginx/conf.d/toy.conf");
        assert_eq!(changes(&of).await, ["service:nginx"]);
    }

    async fn anybody_may_look() {
        let look = Host::here().unwrap().look();
        let unit = look.unit("nginx").await.unwrap();
        assert!(unit.exists() && unit.is_enabled().is_some(), "{unit:?}");
        assert!(!look.needs_daemon_reload(&unit).unwrap());
    }

    async fn a_reexecuted_systemd_is_asked_anew() {
        let look = Host::here().unwrap().look();
        assert!(look.unit("-.slice").await.unwrap().is_up());
        shell("systemctl daemon-reexec; sleep 0.5");
        assert!(look.unit("-.slice").await.unwrap().is_up());
    }

    async fn the_time_of_a_look() {
        let toy = toy("toy-time");
        let other = Service { reads: vec!["/etc/nginx".into()], on_change: OnChange::Reload, ..Service::running("nginx") };
        let plan = plan(|draft| {
            draft.add(toy.service());
            draft.add(other);
        });
        converge(&plan, &Host::here().unwrap(), &Stop::new(), &mut |_| ()).await;
        for _ in 0..3 {
            let host = Host::here().unwrap();
            let began = Instant::now();
            host.look().unit("nginx").await.unwrap();
            let first = began.elapsed();
            let began = Instant::now();
            host.look().unit("nginx").await.unwrap();
            let second = began.elapsed();
            let fresh = Host::here().unwrap();
            let began = Instant::now();
            preview(&plan, &fresh, &mut |_| ()).await;
            let both = began.elapsed();
            let began = Instant::now();
            host.touch().daemon_reload().await.unwrap();
            println!("first look {first:?}, next {second:?}; two services with their files {both:?}; daemon-reload {:?}", began.elapsed());
        }
    }
}

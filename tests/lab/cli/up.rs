//! `cargo lab up`

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use std::{env, fs};

use super::same;
use super::surroundings::Surroundings;
use crate::lab::acme::Acme;
use crate::lab::base::Base;
use crate::lab::network::MACHINE;
use crate::lab::release::Release;
use crate::lab::{Machine, agent, eventually, register};

/// Boot a machine, converge it before your eyes, and leave it running
#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// What the machine shall become; without it, it stays bare
    recipe: Option<PathBuf>,
    /// Which Debian: 12 or 13
    #[arg(long, default_value_t = 12)]
    debian: u8,
    /// What to call it [default: lab, or lab-2 …]
    #[arg(long)]
    name: Option<String>,
    /// A variable of the recipe, as `name=value`; what is required and not given is made up
    #[arg(long)]
    var: Vec<String>,
}

impl Up {
    pub(super) fn run(&self) -> ExitCode {
        let recipe = self.recipe.as_ref().map(|path| {
            fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
        });
        let agent = recipe.is_some().then(agent::binary);
        let name = self.name.clone().unwrap_or_else(free_name);

        Base::of(Release::numbered(self.debian));
        let begun = Instant::now();
        let world = recipe.as_ref().map(|recipe| Surroundings::of(recipe, &self.var));
        let blueprint = Machine::debian(self.debian).named(&name);
        let names = world.as_ref().map(|world| world.certified.clone()).unwrap_or_default();
        let host = if names.is_empty() {
            blueprint.boot()
        } else {
            blueprint.with_acme(Acme::new().plays_lets_encrypt()).boot()
        };
        for name in &names {
            host.acme().dns().a(name, MACHINE);
        }
        println!("{name}: Debian {} booted in {} ms", self.debian, begun.elapsed().as_millis());
        let (Some(recipe), Some(agent), Some(world)) = (recipe, agent, world) else {
            host.keep();
            println!("\n  cargo lab sh {name}\n  cargo lab down {name}");
            return ExitCode::SUCCESS;
        };
        play(&host, &world);
        host.copy(&agent, "/usr/local/bin/hostagent");
        host.recipe(&recipe);
        let result = converge(&host, &self.with_vars(&world));
        show(&host, &world);
        host.keep();
        result
    }

    fn with_vars(&self, world: &Surroundings) -> Vec<String> {
        let made_up = world.made_up.iter().map(|(name, value)| format!("{name}={value}"));
        self.var.iter().cloned().chain(made_up).flat_map(|var| ["--var".to_owned(), var]).collect()
    }
}

fn free_name() -> String {
    let taken: Vec<_> = register::all().into_iter().map(|entry| entry.name).collect();
    let names = (1..).map(|number| if number == 1 { "lab".to_owned() } else { format!("lab-{number}") });
    names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default()
}

/// Starts the backends and name servers; they end with the machine.
fn play(host: &Machine, world: &Surroundings) {
    let mut command = Command::new("setsid");
    command.args(["--fork", "nsenter"]).arg(format!("--net={}", host.network().inner().display()));
    command.arg(env::current_exe().unwrap_or_else(|error| panic!("where is this program: {error}"))).arg("play");
    for door in &world.doors {
        let path = door.strip_prefix("unix:").map(|path| host.root().join(path.trim_start_matches('/')));
        let path = path.map(|path| format!("unix:{}", path.display()));
        command.args(["--door", path.as_ref().unwrap_or(door)]);
    }
    for (resolver, names) in &world.names {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        if let Ok(address) = resolver.parse() {
            host.network().add(address);
            command.args(["--name", &format!("{resolver}={}", names.join(","))]);
        }
    }
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").status();
    assert!(status.is_ok_and(|status| status.success()), "cannot run {command:?}");
    eventually("the backends listen", || host.ask("http://backend:3000/", &[]).is_ok());
}

fn converge(host: &Machine, vars: &[String]) -> ExitCode {
    let mut words = vec!["hostagent", "converge"];
    words.extend(vars.iter().map(String::as_str));
    println!("\n{}# {}\n", host.name(), words.join(" "));
    let mut command = host.command(&words);
    command.env("TERM", env::var_os("TERM").unwrap_or_else(|| "dumb".into()));
    same(command.status().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}")))
}

/// How to look around; what is shown as an answer was really asked.
fn show(host: &Machine, world: &Surroundings) {
    let name = host.name();
    println!();
    for site in world.sites.iter().filter(|site| world.certified.contains(*site)) {
        host.write("/run/lab-ca.pem", &host.acme().issued_root_pem());
        let here = format!("curl -sS -m 10 --resolve {site}:443:127.0.0.1 --cacert /run/lab-ca.pem");
        let said = host.sh(&format!("{here} -w '%{{http_code}}' -o /run/lab-page https://{site}/"));
        let first = host.sh("head -n 1 /run/lab-page 2>/dev/null; true");
        println!("  https://{site}/  →  {} {} (verified: the lab's CA vouches for it)", said.text(), first.text());
        assert!(said.exit == 0, "https://{site}/ is not served as it should be: {}", said.stderr);
    }
    for site in &world.sites {
        let url = format!("http://{site}/");
        match host.from_outside("10.0.0.50").ask(&url, &[]) {
            Ok(answer) => {
                let first = answer.body.lines().next().unwrap_or_default();
                println!("  {url}  →  {} {first}", answer.status);
            }
            Err(error) => println!("  {url}  →  {error}"),
        }
    }
    let vars = world.made_up.iter().fold(String::new(), |vars, (name, value)| vars + &format!(" --var {name}={value}"));
    let lines = [
        world.databases.first().map(|database| {
            (format!("cargo lab sh {name} -- runuser -u postgres -- psql {database}"), "a psql prompt")
        }),
        Some((format!("cargo lab sh {name} -- hostagent plan{vars}"), "what would change now")),
        Some((format!("cargo lab sh {name}"), "a shell")),
        Some((format!("cargo lab down {name}"), "the end of it")),
    ];
    let width = lines.iter().flatten().map(|(line, _)| line.len()).max().unwrap_or_default();
    for (line, what) in lines.into_iter().flatten() {
        println!("  {line:width$}  # {what}");
    }
}

//! `hostagent tls adopt`: the certificates of certbot, without a moment in which nobody has them.
//!
//! | phase | what it does | cut off here |
//! |---|---|---|
//! | import | every lineage becomes a version in our store | certbot goes on; the next adoption goes on |
//! | switch | each path leads to ours, in one step each | both kinds of path serve; the next adoption goes on |
//! | certbot's timers | noted, then stopped | the next adoption goes on; certbot leaves what it does not know |

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::acme::certbot::{self, Adopted, Renewal};
use crate::acme::renewal::Point;
use crate::host::moment::Moment;
use crate::host::tls_store::lineages::Lineage;
use crate::host::tls_store::{Held, Meta, New, Readers, Source, keys, pair, place_of};
use crate::host::{Error, Host, Look, Touch};
use crate::report::out;
use crate::terms::UnitName;

use super::{Exit, Manner, Refusal};
use crate::cli::work;

/// What renews for certbot: of Debian's package, and of the snap.
const TIMERS: [&str; 2] = ["certbot.timer", "snap.certbot.renew.timer"];
/// The same, of who has no systemd. cron does not read a file with a dot in its name.
const CRON: [&str; 2] = ["/etc/cron.d/certbot", "/etc/cron.d/certbot.before-hostagent"];
/// What was stopped.
const RECORD: &str = "tls/adopted.json";

/// Take over the certificates of certbot, so that hostagent renews them
///
/// Keys and certificates stay as they are, and so do the paths: `/etc/letsencrypt/live/NAME` leads to ours from then on, so
/// every server finds there what hostagent renews. certbot's timers are stopped once every certificate is adopted. What
/// belongs into the recipe is printed as TOML; without it nobody renews. Nothing of certbot's is changed or removed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent tls adopt --dry-run                    what would it do? and what would belong into the recipe?
  sudo hostagent tls adopt >> /etc/hostagent/recipe.toml
  sudo hostagent tls adopt --undo                       everything as it was, and certbot renews again

Deploy hooks that only reload a service become `reload`; of others the TOML says that they do not run any more.
Exit codes: 0 all adopted · 1 one could not be, and certbot goes on · 2 nothing was touched · 4 another run is going on")]
pub(super) struct Adopt {
    /// certbot's folder
    #[arg(default_value = "/etc/letsencrypt")]
    folder: PathBuf,
    /// Put everything back as it was
    #[arg(long)]
    undo: bool,
    /// Say what would be done; change nothing
    #[arg(long, conflicts_with = "undo")]
    dry_run: bool,
    /// How long to wait for another run to end
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
}

/// What was stopped, and what it was like.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    folder: PathBuf,
    timers: Vec<Stopped>,
    cron: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stopped {
    name: String,
    was_enabled: bool,
    was_running: bool,
}

impl Adopt {
    pub(super) async fn run(self, _: Manner) -> Result<Exit, Refusal> {
        super::must_be_root("adopt")?;
        if !self.folder.is_absolute() {
            return Err(Refusal::wrong(
                format!("`{}` is not a whole path", self.folder.display()),
                "begin it with `/`",
            ));
        }
        let _lock = work::lock(Duration::from_secs(u64::from(self.wait)), "hostagent tls adopt").await?;
        let host = Host::here()?;
        if self.undo {
            return undo(&host.touch(), &self.folder).await;
        }
        let lineages = host.look().tls_lineages(&self.folder)?;
        if lineages.is_empty() {
            let says = format!("certbot keeps no certificates in `{}`", self.folder.display());
            return Err(Refusal::wrong(says, "name the folder in which its `renewal/` is"));
        }
        let shared = shared_hooks(&host.look(), &self.folder)?;
        let mut adopted = Vec::new();
        let mut left = 0;
        for lineage in &lineages {
            match adoptable(lineage, &shared) {
                Ok(one) => {
                    if !self.dry_run {
                        import(&host.touch(), lineage, &one)?;
                    }
                    adopted.push((lineage, one));
                }
                Err(why) => {
                    left += 1;
                    out::complain(&format!("{}: stays with certbot: {why}\n", lineage.name));
                }
            }
        }
        for (lineage, one) in &adopted {
            if !self.dry_run {
                host.touch().tls_stand_in(&lineage.live, &one.name)?;
            }
            let would = if self.dry_run { "would lead" } else { "leads" };
            let ours = place_of(&one.name).join("current");
            out::complain(&format!("{}: `{}` {would} to `{}`\n", one.name, lineage.live.display(), ours.display()));
        }
        self.quiet_certbot(&host, left).await?;
        let recipe: Vec<Adopted> = adopted.into_iter().map(|(_, one)| one).collect();
        if !recipe.is_empty() {
            out::print(&certbot::recipe(&recipe))?;
            if !self.dry_run {
                out::complain(
                    "hint: put this into the recipe: without it nobody renews; `--undo` puts everything back\n",
                );
            }
        }
        Ok(if left == 0 { Exit::AS_WANTED } else { Exit::FAILED })
    }

    /// Stops what renews for certbot, once nothing is left to it.
    async fn quiet_certbot(&self, host: &Host, left: usize) -> Result<(), Refusal> {
        let timers = timers(&host.look()).await?;
        let cron = host.look().found(Path::new(CRON[0]))?.is_some();
        if left > 0 {
            out::complain("certbot's timers go on: it still has certificates of its own\n");
            return Ok(());
        }
        let would = if self.dry_run { "would be " } else { "" };
        for timer in timers.iter().filter(|timer| timer.was_enabled || timer.was_running) {
            out::complain(&format!("{} {would}stopped\n", timer.name));
        }
        if cron {
            out::complain(&format!("`{}` {would}moved to `{}`\n", CRON[0], CRON[1]));
        }
        let tables = ["/etc/crontab", "/var/spool/cron/crontabs/root"];
        for table in tables {
            if host.look().read_text(Path::new(table))?.is_some_and(|text| text.contains("certbot")) {
                out::complain(&format!("note: `{table}` names certbot: take that line out\n"));
            }
        }
        if self.dry_run {
            return Ok(());
        }
        let touch = host.touch();
        // What it was like is on the disk before it is no more; the first time counts.
        let before = record(&touch)?;
        if before.is_none() {
            let record = Record { folder: self.folder.clone(), timers, cron };
            let bytes = serde_json::to_vec(&record).map_err(|error| Error::said("tls-adopt", error.to_string()))?;
            touch.write_state_durably(RECORD, &bytes)?;
        }
        for timer in record(&touch)?.iter().flat_map(|record| &record.timers) {
            touch.stop(&timer.name).await?;
            if timer.was_enabled {
                touch.disable(&timer.name).await?;
            }
        }
        Ok(touch.tls_set_aside(Path::new(CRON[0]), Path::new(CRON[1]))?)
    }
}

async fn undo(touch: &Touch, folder: &Path) -> Result<Exit, Refusal> {
    let record = record(touch)?;
    let folder = record.as_ref().map_or(folder, |record| &record.folder);
    for lineage in touch.tls_lineages(folder)? {
        let was_ours = lineage.is_adopted;
        touch.tls_stand_back(&lineage.live, &lineage.name)?;
        if was_ours {
            out::complain(&format!("{}: `{}` is certbot's again\n", lineage.name, lineage.live.display()));
        }
    }
    if let Some(record) = &record {
        if record.cron {
            touch.tls_set_aside(Path::new(CRON[1]), Path::new(CRON[0]))?;
        }
        for timer in &record.timers {
            if timer.was_enabled {
                touch.enable(&timer.name).await?;
            }
            if timer.was_running {
                touch.start(&timer.name).await?;
                out::complain(&format!("{} is started\n", timer.name));
            }
        }
        touch.remove_state(RECORD)?;
    }
    out::complain("hint: take the `[[tls.certificate]]` out of the recipe, and have servers read their files again\n");
    Ok(Exit::AS_WANTED)
}

/// What a lineage is in a recipe, or why hostagent cannot have it.
fn adoptable(lineage: &Lineage, shared: &[(String, String)]) -> Result<Adopted, String> {
    let missing = || "its `privkey.pem` or `fullchain.pem` is not there".to_owned();
    let (key, chain) = lineage.key.as_ref().zip(lineage.chain.as_ref()).ok_or_else(missing)?;
    let leaf = pair::check(key, chain, &[], Moment::now()).map_err(|error| error.to_string())?;
    let is_name = UnitName::try_from(lineage.name.clone()).is_ok();
    if !is_name || lineage.name == "account" || lineage.name.starts_with('.') {
        return Err("its name cannot be one in a recipe".to_owned());
    }
    let readers = "could read the key: give the certificate a `group`";
    let notes = lineage.group.iter().map(|gid| format!("a group (the one with number {gid}) {readers}")).collect();
    Ok(Adopted {
        name: lineage.name.clone(),
        names: leaf.names.into_iter().collect(),
        key_type: keys::public_half(key).map_err(|error| error.to_string())?.0,
        renewal: Renewal::read(&lineage.conf),
        shared_hooks: shared.to_vec(),
        notes,
    })
}

/// Makes a lineage's key and certificate what counts in our store, unless that has something newer.
fn import(touch: &Touch, lineage: &Lineage, one: &Adopted) -> Result<(), Error> {
    let (Some(key), Some(chain)) = (&lineage.key, &lineage.chain) else { return Ok(()) };
    if lineage.is_adopted {
        return Ok(());
    }
    let leaf = pair::leaf(chain)?;
    let is_newer = match touch.tls_held(&one.name)? {
        Held::Good(held) => held.meta.source != Source::Issued || held.leaf.to < leaf.to,
        Held::Nothing | Held::Broken(_) => true,
    };
    if !is_newer {
        return Ok(());
    }
    let meta = Meta {
        source: Source::Issued,
        issuer: Some(one.renewal.server.clone()),
        made: leaf.from,
        point: Point::draw().thousandths(),
        trusted_since: None,
    };
    let new = New { key, chain, names: &one.names, meta: &meta, readers: Readers { gid: None } };
    touch.tls_commit(&one.name, &new, Moment::now())?;
    Ok(())
}

/// The hooks that certbot runs for every lineage: programs in folders.
fn shared_hooks(host: &Look, folder: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut hooks = Vec::new();
    for kind in ["pre", "deploy", "post"] {
        let folder = folder.join("renewal-hooks").join(kind);
        for file in host.names_in(&folder)? {
            let path = folder.join(file);
            // certbot runs what may be run.
            if host.found_through(&path)?.is_some_and(|found| found.mode & 0o111 != 0) {
                let bytes = host.read(&path)?.unwrap_or_default();
                let text = String::from_utf8(bytes).unwrap_or_else(|_| "a program".to_owned());
                let shown = if certbot::reloads(&text).is_some() { text } else { "its own program".to_owned() };
                hooks.push((format!("`{}`", path.display()), shown));
            }
        }
    }
    Ok(hooks)
}

async fn timers(host: &Look) -> Result<Vec<Stopped>, Error> {
    let mut timers = Vec::new();
    if !host.has_systemd() {
        return Ok(timers);
    }
    for name in TIMERS {
        let unit = host.unit(name).await?;
        if unit.exists() {
            let (was_enabled, was_running) = (unit.is_enabled() == Some(true), unit.is_up());
            timers.push(Stopped { name: name.to_owned(), was_enabled, was_running });
        }
    }
    Ok(timers)
}

fn record(host: &Look) -> Result<Option<Record>, Error> {
    Ok(host.read_state(RECORD)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

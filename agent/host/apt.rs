//! One transaction of apt: wait for its locks, finish what was interrupted, refresh the lists if need be, install.
//!
//! Nothing is removed that the recipe does not name: apt is told so, and where it is to remove something it is first asked
//! what else would go.
//!
//! apt does nothing at all if it does not know one of the names it is given, and says which. Those are then left out, and
//! the others installed. It costs a look into its cache, and only where a name is wrong.

mod lists;
pub mod locks;
mod refusal;
mod removals;

use std::path::Path;
use std::time::{Duration, Instant};

use self::lists::Lists;
use self::locks::Turns;
use self::refusal::{Refusal, not_known, refusal, refused};
use super::held_starts::VARIABLE;
use super::packages::{Installed, Transaction, Unknown, Wanted};
use super::programs::{Output, Program};
use super::{Error, Look, STATE_DIR, Touch};

/// A server that takes the connection and says nothing is given up after this long; apt itself waits half a minute, four
/// times for each file.
const SILENCE: [&str; 4] = ["-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"];
/// How long one call of apt may take.
const PATIENCE: Duration = Duration::from_mins(30);
/// Is there while a transaction is: one that was cut off is finished by the next run. It holds the clusters of PostgreSQL
/// that there were before.
const UNDER_WAY: &str = "apt-under-way";

impl Touch {
    pub(super) async fn apt_transaction(&self, wanted: &[Wanted], how: Transaction) -> Result<Vec<Unknown>, Error> {
        let until = Instant::now() + how.wait;
        self.wait_for_apt_locks(until).await?;
        let held = self.hold_starts().await?;
        let installed = match self.mark_under_way() {
            Ok(()) => self.installed(wanted, until).await,
            Err(error) => Err(error),
        };
        // What was ended for its slowness was cut off as by a kill.
        if !matches!(installed, Err(Error::Program(_))) {
            self.unmark_under_way()?;
        }
        drop(held);
        // Also after a failure: other packages of the transaction may be there and complete.
        let started = self.start_what_was_held().await?;
        if let Some(complaint) = started.complaint() {
            // The packages are there; the next run tries again, and fails if it still does not come up.
            tracing::warn!("{complaint}");
            self.tell(&complaint);
        }
        tracing::debug!(units = ?started.units, "started what the packages bring");
        installed
    }

    /// Finishes a transaction that was cut off; says whether there was anything to finish.
    pub(super) async fn finish_cut_off(&self) -> Result<bool, Error> {
        if self.found(&Path::new(STATE_DIR).join(UNDER_WAY))?.is_none() {
            return Ok(false);
        }
        self.wait_for_apt_locks(Instant::now() + Transaction::default().wait).await?;
        let half_done = self.dpkg()?.broken().next().is_some() || !self.unmerged()?.is_empty();
        if half_done {
            let held = self.hold_starts().await?;
            let before = self.read_text(&Path::new(STATE_DIR).join(UNDER_WAY))?.unwrap_or_default();
            self.remove_clusters_of_broken_packages(&before)?;
            self.make_whole(&[], &Lists::AsFound).await?;
            drop(held);
        }
        self.unmark_under_way()?;
        Ok(half_done)
    }

    fn mark_under_way(&self) -> Result<(), Error> {
        // Of one that could not be finished it is known already what there was before.
        if self.read_state(UNDER_WAY)?.is_some() {
            return Ok(());
        }
        self.write_state_durably(UNDER_WAY, self.clusters()?.join("\n").as_bytes())
    }

    fn unmark_under_way(&self) -> Result<(), Error> {
        let path = Path::new(STATE_DIR).join(UNDER_WAY);
        match std::fs::remove_file(self.place(&path)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::File { doing: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    async fn installed(&self, wanted: &[Wanted], until: Instant) -> Result<Vec<Unknown>, Error> {
        let whole = self.finish_interrupted().await?;
        let mut lists = Lists::AsFound;
        if let Some(why) = self.lists_are_stale()? {
            tracing::debug!(why, "refreshing the package lists");
            lists = self.refresh(until).await?;
        }
        let all: Vec<&Wanted> = wanted.iter().collect();
        let again = self.unpacked_in_part(&all)?;
        if !whole || !again.is_empty() {
            self.complete(&again, &lists).await?;
        }
        // Those that want recommended packages go by themselves, as apt knows only one way for all.
        let mut unknown = Vec::new();
        for recommends in [false, true] {
            let mut some: Vec<&Wanted> = wanted.iter().filter(|one| one.recommends == recommends).collect();
            while !some.is_empty() {
                let left_out = self.install_like(&some, recommends, until, &mut lists).await?;
                if left_out.is_empty() {
                    break;
                }
                some.retain(|one| !left_out.iter().any(|unknown| unknown.name == one.name));
                unknown.extend(left_out);
            }
        }
        Ok(unknown)
    }

    /// Installs and removes them; or, if there are some that apt does not know, does nothing and says which.
    async fn install_like(
        &self,
        some: &[&Wanted],
        recommends: bool,
        until: Instant,
        lists: &mut Lists,
    ) -> Result<Vec<Unknown>, Error> {
        let option = format!("APT::Install-Recommends={recommends}");
        let removes = some.iter().any(|one| one.absent);
        let call = |how: &[&str]| {
            let options = program().args(how.iter().copied()).args(["-o", &option, "install"]);
            options.args(some.iter().map(|one| argument(one)))
        };
        let (ask, install) = (call(&["--simulate"]), call(if removes { &[] } else { &["--no-remove"] }));
        let mut mended = false;
        let mut turns = Turns::until(until);
        loop {
            let mut output = if removes { self.try_run(&ask).await? } else { Output::default() };
            if output.succeeded() || !removes {
                self.removes_only_what_is_named(&output, some)?;
                output = self.try_run(&install).await?;
                if output.succeeded() {
                    return Ok(Vec::new());
                }
            }
            match refusal(&output) {
                Refusal::Locked if self.apt_is_free_again(&mut turns).await? => {}
                Refusal::NotThere if matches!(lists, Lists::AsFound) => *lists = self.refresh(until).await?,
                Refusal::Interrupted if !mended => {
                    mended = true;
                    self.make_whole(some, lists).await?;
                }
                // Lists that could not be fetched may lack what is there, and then all of it has to wait.
                Refusal::NotThere if matches!(lists, Lists::Refreshed) && !not_known(&output, some).is_empty() => {
                    return Ok(not_known(&output, some));
                }
                _ => {
                    let names = quoted(some.iter().map(|one| one.name.as_str()));
                    return Err(refused(&format!("apt did not install or remove {names}"), &output, lists));
                }
            }
        }
    }

    /// Finishes what a killed dpkg left; says whether all of it could be.
    async fn finish_interrupted(&self) -> Result<bool, Error> {
        let dpkg = self.dpkg()?;
        let broken: Vec<&str> = dpkg.broken().map(|one| one.name.as_str()).collect();
        if broken.is_empty() && self.unmerged()?.is_empty() {
            return Ok(true);
        }
        tracing::info!(packages = ?broken, "finishing what dpkg was interrupted at");
        self.configure().await
    }

    /// Finishes whatever dpkg was interrupted at.
    async fn make_whole(&self, wanted: &[&Wanted], lists: &Lists) -> Result<(), Error> {
        let configured = self.configure().await?;
        let again = self.unpacked_in_part(wanted)?;
        if configured && again.is_empty() { Ok(()) } else { self.complete(&again, lists).await }
    }

    /// Configures what is unpacked; says whether all of it could be. What waits for a package that was not unpacked any
    /// more could not.
    async fn configure(&self) -> Result<bool, Error> {
        let options = ["--force-confdef", "--force-confold"];
        let output = self.try_run(&quiet(Program::does("dpkg")).args(options).args(["--configure", "-a"])).await?;
        Ok(output.succeeded())
    }

    /// Installs what is missing to packages that are there in part, and again those that dpkg was killed at while it
    /// unpacked them: of these there is nothing to configure, and apt takes them for installed.
    async fn complete(&self, again: &[String], lists: &Lists) -> Result<(), Error> {
        let options = program().args(["--no-remove", "--fix-broken", "--reinstall", "install"]);
        let output = self.try_run(&options.args(again.iter().cloned())).await?;
        if output.succeeded() {
            Ok(())
        } else {
            Err(refused("apt could not finish what it was interrupted at", &output, lists))
        }
    }
}

impl Look {
    /// The packages of which dpkg has unpacked only a part, but for those that somebody was removing and nobody wants.
    fn unpacked_in_part(&self, wanted: &[&Wanted]) -> Result<Vec<String>, Error> {
        let dpkg = self.dpkg()?;
        let native = dpkg.find("dpkg").map_or("", |dpkg| dpkg.architecture.as_str());
        let is_wanted = |one: &Installed| wanted.iter().any(|wanted| wanted.name == one.name && !wanted.absent);
        let again = dpkg.broken().filter(|one| one.broken.as_deref() == Some("half-installed"));
        let again = again.filter(|one| !one.going || is_wanted(one));
        let name = |one: &Installed| match one.architecture.as_str() {
            own if own == "all" || own == native => one.name.clone(),
            other => format!("{}:{other}", one.name),
        };
        Ok(again.map(name).collect())
    }
}

/// apt-get, which asks nothing and keeps configuration files as they are.
fn program() -> Program {
    let options = [
        "Dpkg::Options::=--force-confdef",
        "Dpkg::Options::=--force-confold",
        "DPkg::Lock::Timeout=60",
        "Acquire::Retries=3",
        "APT::Get::HideAutoRemove=true",
    ];
    quiet(Program::does("apt-get"))
        .args(["-q", "-y"])
        .args(options.into_iter().flat_map(|option| ["-o", option]))
        .args(SILENCE)
}

fn quiet(program: Program) -> Program {
    // Ubuntu's needrestart would restart servers on its own: list only.
    let environment = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("APT_LISTCHANGES_FRONTEND", "none"),
        ("NEEDRESTART_MODE", "l"),
        (VARIABLE, "1"),
    ];
    environment.into_iter().fold(program, |so_far, (name, value)| so_far.env(name, value)).patience(PATIENCE).outlives()
}

fn argument(wanted: &Wanted) -> String {
    match &wanted.version {
        _ if wanted.absent => format!("{}-", wanted.name),
        Some(version) => format!("{}={version}", wanted.name),
        None => wanted.name.clone(),
    }
}

/// Names for a sentence.
fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

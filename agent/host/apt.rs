//! One transaction of apt: wait for its locks, finish what was interrupted, refresh the lists if need be, install.

mod lists;
pub mod locks;
mod refusal;

use std::time::{Duration, Instant};

use self::lists::Lists;
use self::refusal::{Refusal, refusal, refused};
use super::held_starts::VARIABLE;
use super::packages::{Transaction, Wanted};
use super::programs::Program;
use super::{Error, Touch};

/// How long one call of apt may take.
const PATIENCE: Duration = Duration::from_mins(30);

impl Touch {
    pub(super) async fn apt_transaction(&self, wanted: &[Wanted], how: Transaction) -> Result<(), Error> {
        let until = Instant::now() + how.wait;
        self.wait_for_apt_locks(until).await?;
        let held = self.hold_starts().await?;
        let installed = self.installed(wanted, how, until).await;
        drop(held);
        if how.unsafe_io {
            nix::unistd::sync();
        }
        // Also after a failure: other packages of the transaction may be there and complete.
        let started = self.start_what_was_held().await;
        installed.and(started.map(|units| tracing::debug!(?units, "started what the packages bring")))
    }

    async fn installed(&self, wanted: &[Wanted], how: Transaction, until: Instant) -> Result<(), Error> {
        let whole = self.finish_interrupted(how).await?;
        let mut lists = Lists::AsFound;
        if let Some(why) = self.lists_are_stale()? {
            tracing::debug!(why, "refreshing the package lists");
            lists = self.refresh(until).await?;
        }
        if !whole {
            self.complete(how, &lists).await?;
        }
        // Those that want recommended packages go by themselves, as apt knows only one way for all.
        for recommends in [false, true] {
            let some: Vec<&Wanted> = wanted.iter().filter(|one| one.recommends == recommends).collect();
            if !some.is_empty() {
                self.install_like(&some, recommends, how, until, &mut lists).await?;
            }
        }
        Ok(())
    }

    async fn install_like(
        &self,
        some: &[&Wanted],
        recommends: bool,
        how: Transaction,
        until: Instant,
        lists: &mut Lists,
    ) -> Result<(), Error> {
        let option = format!("APT::Install-Recommends={recommends}");
        let install = program(how).args(["-o", &option, "install"]).args(some.iter().map(|one| argument(one)));
        let mut mended = false;
        loop {
            let output = self.try_run(&install).await?;
            if output.succeeded() {
                return Ok(());
            }
            match refusal(&output) {
                Refusal::Locked if Instant::now() < until => self.wait_for_apt_locks(until).await?,
                Refusal::NotThere if matches!(lists, Lists::AsFound) => *lists = self.refresh(until).await?,
                Refusal::Interrupted if !mended => {
                    mended = true;
                    if !self.configure(how).await? {
                        self.complete(how, lists).await?;
                    }
                }
                _ => {
                    let names = some.iter().map(|one| format!("`{}`", one.name)).collect::<Vec<_>>().join(", ");
                    return Err(refused(&format!("apt did not install or remove {names}"), &output, lists));
                }
            }
        }
    }

    /// Finishes what a killed dpkg left; says whether all of it could be.
    async fn finish_interrupted(&self, how: Transaction) -> Result<bool, Error> {
        let dpkg = self.dpkg()?;
        let broken: Vec<&str> = dpkg.broken().map(|one| one.name.as_str()).collect();
        if broken.is_empty() && self.unmerged()?.is_empty() {
            return Ok(true);
        }
        tracing::info!(packages = ?broken, "finishing what dpkg was interrupted at");
        self.configure(how).await
    }

    /// Configures what is unpacked; says whether all of it could be. What waits for a package that was not unpacked any
    /// more could not.
    async fn configure(&self, how: Transaction) -> Result<bool, Error> {
        let options =
            ["--force-confdef", "--force-confold"].into_iter().chain(how.unsafe_io.then_some("--force-unsafe-io"));
        let output = self.try_run(&quiet(Program::does("dpkg")).args(options).args(["--configure", "-a"])).await?;
        Ok(output.succeeded())
    }

    /// Installs what is missing to packages that are there in part.
    async fn complete(&self, how: Transaction, lists: &Lists) -> Result<(), Error> {
        let output = self.try_run(&program(how).args(["--fix-broken", "install"])).await?;
        if output.succeeded() {
            Ok(())
        } else {
            Err(refused("apt could not finish what it was interrupted at", &output, lists))
        }
    }
}

/// apt-get, which asks nothing and keeps configuration files as they are.
fn program(how: Transaction) -> Program {
    let options = [
        "Dpkg::Options::=--force-confdef",
        "Dpkg::Options::=--force-confold",
        "DPkg::Lock::Timeout=60",
        "Acquire::Retries=3",
        "APT::Get::HideAutoRemove=true",
    ];
    let unsafe_io = how.unsafe_io.then_some("Dpkg::Options::=--force-unsafe-io");
    quiet(Program::does("apt-get"))
        .args(["-q", "-y"])
        .args(options.into_iter().chain(unsafe_io).flat_map(|option| ["-o", option]))
}

fn quiet(program: Program) -> Program {
    // Ubuntu's needrestart would restart servers on its own: list only.
    let environment = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("APT_LISTCHANGES_FRONTEND", "none"),
        ("NEEDRESTART_MODE", "l"),
        (VARIABLE, "1"),
    ];
    environment.into_iter().fold(program, |so_far, (name, value)| so_far.env(name, value)).patience(PATIENCE)
}

fn argument(wanted: &Wanted) -> String {
    match &wanted.version {
        _ if wanted.absent => format!("{}-", wanted.name),
        Some(version) => format!("{}={version}", wanted.name),
        None => wanted.name.clone(),
    }
}

#[cfg(test)]
mod tests;

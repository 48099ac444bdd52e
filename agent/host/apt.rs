//! One transaction of apt: wait for its locks, finish what was interrupted, refresh the lists if need be, install.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::files::sha256_of;
use super::held_starts::VARIABLE;
use super::packages::{Transaction, Wanted};
use super::programs::{Output, Program};
use super::{Error, Look, STATE_DIR, Touch};

/// How long one call of apt may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Lists older than this are refreshed before they are used: packages leave the archive when a fixed one comes.
const LISTS_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause before the second and the third try of a refresh.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];
/// Where apt keeps the lists.
const LISTS: &str = "/var/lib/apt/lists";
/// Holds a digest of the sources as they were at the last refresh.
const REFRESHED: &str = "apt-sources";

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
        let install = program(how).args(["-o", &format!("APT::Install-Recommends={recommends}"), "install"]);
        let install = install.args(some.iter().map(|one| argument(one)));
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
        let options = ["--force-confdef", "--force-confold"].into_iter().chain(how.unsafe_io.then_some("--force-unsafe-io"));
        let output = self.try_run(&quiet(Program::does("dpkg")).args(options).args(["--configure", "-a"])).await?;
        Ok(output.succeeded())
    }

    /// Installs what is missing to packages that are there in part.
    async fn complete(&self, how: Transaction, lists: &Lists) -> Result<(), Error> {
        let output = self.try_run(&program(how).args(["--fix-broken", "install"])).await?;
        if output.succeeded() { Ok(()) } else { Err(refused("apt could not finish what it was interrupted at", &output, lists)) }
    }

    /// Fetches the package lists. Fails only when apt cannot work at all: a source that is away for the moment may not
    /// be the one that is needed. The next transaction then tries again.
    async fn refresh(&self, until: Instant) -> Result<Lists, Error> {
        let sources = self.sources_digest()?;
        let mut pauses = PAUSES.into_iter();
        let update = quiet(Program::does("apt-get")).args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]);
        loop {
            let output = self.try_run(&update).await?;
            if output.succeeded() {
                let (directory, file) = (self.place(Path::new(STATE_DIR)), self.place(&Path::new(STATE_DIR).join(REFRESHED)));
                let noted = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(file, sources));
                noted.map_err(|source| Error::File { doing: "write", path: Path::new(STATE_DIR).join(REFRESHED), source })?;
                return Ok(Lists::Refreshed);
            }
            match (refusal(&output), pauses.next()) {
                (Refusal::Locked, _) if Instant::now() < until => self.wait_for_apt_locks(until).await?,
                (Refusal::NotRead, _) => return Err(refused("apt could not read its sources", &output, &Lists::AsFound)),
                (_, Some(pause)) => tokio::time::sleep(pause).await,
                (_, None) => {
                    let said = cited(&output);
                    tracing::warn!("the package lists could not be refreshed:\n{said}");
                    return Ok(Lists::NotRefreshed(said));
                }
            }
        }
    }
}

impl Look {
    /// Why the lists are not to be used as they are.
    fn lists_are_stale(&self) -> Result<Option<&'static str>, Error> {
        let mut newest = None;
        for name in self.names_in(Path::new(LISTS))? {
            let name = name.to_string_lossy();
            if name.contains("_Packages") || name.contains("InRelease") || name.ends_with("_Release") {
                newest = newest.max(self.found(&Path::new(LISTS).join(&*name))?.map(|found| found.ctime));
            }
        }
        let Some(fetched) = newest else { return Ok(Some("there are none")) };
        let stamp = Path::new(STATE_DIR).join(REFRESHED);
        let refreshed = self.found(&stamp)?.map_or(fetched, |found| found.ctime.max(fetched));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if now.as_nanos().try_into().unwrap_or(i128::MAX) - refreshed > LISTS_AGE.as_nanos().try_into().unwrap_or(i128::MAX) {
            return Ok(Some("they are old"));
        }
        let changed = match self.read_text(&stamp)? {
            Some(sources) => sources != self.sources_digest()?,
            None => self.sources()?.iter().any(|(_, changed)| *changed > fetched),
        };
        Ok(changed.then_some("a source changed"))
    }

    fn sources_digest(&self) -> Result<String, Error> {
        let mut all = Vec::new();
        for (path, _) in self.sources()? {
            all.extend_from_slice(path.as_os_str().as_encoded_bytes());
            all.extend(self.read(&path)?.unwrap_or_default());
        }
        Ok(sha256_of(&all))
    }

    /// Every file that says where packages come from and who signs them, and when it changed.
    fn sources(&self) -> Result<Vec<(std::path::PathBuf, i128)>, Error> {
        let apt = Path::new("/etc/apt");
        let mut paths = vec![apt.join("sources.list")];
        for directory in ["sources.list.d", "keyrings", "trusted.gpg.d"] {
            let names = self.names_in(&apt.join(directory))?;
            paths.extend(names.into_iter().map(|name| apt.join(directory).join(name)));
        }
        let mut found = Vec::new();
        for path in paths {
            if let Some(file) = self.found(&path)? {
                found.push((path, file.ctime));
            }
        }
        Ok(found)
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
    quiet(Program::does("apt-get")).args(["-q", "-y"]).args(options.into_iter().chain(unsafe_io).flat_map(|option| ["-o", option]))
}

fn quiet(program: Program) -> Program {
    let program = program.env("DEBIAN_FRONTEND", "noninteractive").env("APT_LISTCHANGES_FRONTEND", "none");
    // Ubuntu's needrestart would restart servers on its own: list only.
    program.env("NEEDRESTART_MODE", "l").env(VARIABLE, "1").patience(PATIENCE)
}

fn argument(wanted: &Wanted) -> String {
    match &wanted.version {
        _ if wanted.absent => format!("{}-", wanted.name),
        Some(version) => format!("{}={version}", wanted.name),
        None => wanted.name.clone(),
    }
}

/// Whether this transaction refreshed the lists.
#[derive(Debug)]
enum Lists {
    AsFound,
    Refreshed,
    /// It tried, and apt said this.
    NotRefreshed(String),
}

/// What apt refuses for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Another took a lock since it was looked at.
    Locked,
    /// A package is not in the lists, or not in the archive any more.
    NotThere,
    /// dpkg or apt was killed before.
    Interrupted,
    /// A sources file has a mistake.
    NotRead,
    Full,
    Other,
}

/// apt's messages are translated; programs run in the C locale.
fn refusal(output: &Output) -> Refusal {
    const WORDS: [(&str, Refusal); 16] = [
        ("Could not get lock", Refusal::Locked),
        ("Unable to acquire the dpkg frontend lock", Refusal::Locked),
        ("dpkg frontend lock was locked by another process", Refusal::Locked),
        ("Unable to lock directory", Refusal::Locked),
        ("dpkg was interrupted", Refusal::Interrupted),
        ("Unmet dependencies. Try", Refusal::Interrupted),
        ("No space left on device", Refusal::Full),
        ("have enough free space", Refusal::Full),
        ("The list of sources could not be read", Refusal::NotRead),
        ("Unable to locate package", Refusal::NotThere),
        ("has no installation candidate", Refusal::NotThere),
        ("was not found", Refusal::NotThere),
        ("Unable to fetch some archives", Refusal::NotThere),
        ("Failed to fetch", Refusal::NotThere),
        ("Hash Sum mismatch", Refusal::NotThere),
        ("no installable candidate", Refusal::NotThere),
    ];
    let found = WORDS.iter().find(|(words, _)| output.stderr.contains(words) || output.stdout.contains(words));
    found.map_or(Refusal::Other, |(_, refusal)| *refusal)
}

fn refused(what: &str, output: &Output, lists: &Lists) -> Error {
    let (code, hint) = match refusal(output) {
        Refusal::Locked => ("apt-locked", "another program uses apt; run hostagent again when it is done"),
        Refusal::NotThere => ("package-not-found", "see `apt-cache policy NAME`: is its source in the recipe, and reachable?"),
        Refusal::Interrupted => ("dpkg-interrupted", "see `dpkg --audit`"),
        Refusal::NotRead => ("apt-sources", "mend or remove the file under /etc/apt that it names"),
        Refusal::Full => ("disk-full", "see `df -h /var /usr`; `apt-get clean` frees what was downloaded"),
        Refusal::Other => ("apt-failed", "see /var/log/apt/term.log for all of it, and `dpkg --audit` for what is half done"),
    };
    let ended = output.status.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("exited with {code}"));
    let mut says = format!("{what}: it {ended}:\n{}", cited(output));
    if let Lists::NotRefreshed(said) = lists {
        says.push_str("\nand before that the package lists could not be refreshed:\n");
        says.push_str(said);
    }
    Error::said_with_hint(code, says, hint)
}

/// The last lines of what apt and dpkg said, without those that only tell how far they got. dpkg's words are on stdout,
/// as apt gives it a terminal, which it copies to term.log.
fn cited(output: &Output) -> String {
    const PROGRESS: [&str; 20] = [
        "Reading ", "Building ", "The following ", "  ", "0 upgraded", "Need to get ", "After this operation", "Get:", "Hit:", "Ign:",
        "Fetched ", "Selecting ", "(Reading ", "Preparing ", "Unpacking ", "Setting up ", "Processing triggers ", "Preconfiguring ",
        "debconf: delaying", "Correcting ",
    ];
    let said = output.stdout.lines().chain(output.stderr.lines()).map(str::trim_end);
    let said: Vec<&str> = said.filter(|line| !line.is_empty() && !PROGRESS.iter().any(|start| line.starts_with(start))).collect();
    said.iter().skip(said.len().saturating_sub(12)).map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;

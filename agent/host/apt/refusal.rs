//! What apt and dpkg refuse for, in their words.

use super::lists::Lists;
use crate::host::Error;
use crate::host::programs::Output;

/// What apt refuses for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another took a lock since it was looked at.
    Locked,
    /// A package is not in the lists, or not in the archive any more.
    NotThere,
    /// dpkg or apt was killed before.
    Interrupted,
    /// A sources file has a mistake.
    NotRead,
    /// A source is not signed by the key it should be, or is no source at all: a second try will not help.
    NotSigned,
    /// A file system is full.
    Full,
    /// Anything else.
    Other,
}

/// apt's messages are translated; programs run in the C locale.
pub(super) fn refusal(output: &Output) -> Refusal {
    const WORDS: [(&str, Refusal); 18] = [
        ("Could not get lock", Refusal::Locked),
        ("Unable to acquire the dpkg frontend lock", Refusal::Locked),
        ("dpkg frontend lock was locked by another process", Refusal::Locked),
        ("Unable to lock directory", Refusal::Locked),
        ("dpkg was interrupted", Refusal::Interrupted),
        ("Unmet dependencies. Try", Refusal::Interrupted),
        ("No space left on device", Refusal::Full),
        ("have enough free space", Refusal::Full),
        ("The list of sources could not be read", Refusal::NotRead),
        ("is not signed", Refusal::NotSigned),
        ("does not have a Release file", Refusal::NotSigned),
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

/// The error for a call that failed.
pub(super) fn refused(what: &str, output: &Output, lists: &Lists) -> Error {
    let (code, hint) = match refusal(output) {
        Refusal::Locked => ("apt-locked", "another program uses apt; run hostagent again when it is done"),
        Refusal::NotThere => {
            ("package-not-found", "see `apt-cache policy NAME`: is its source in the recipe, and reachable?")
        }
        Refusal::Interrupted => ("dpkg-interrupted", "see `dpkg --audit`"),
        Refusal::NotRead => ("apt-sources", "mend or remove the file under /etc/apt that it names"),
        Refusal::NotSigned => ("apt-sources", "is the key of that source the right one? see `/etc/apt/sources.list.d`"),
        Refusal::Full => ("disk-full", "see `df -h /var /usr`; `apt-get clean` frees what was downloaded"),
        Refusal::Other => {
            ("apt-failed", "see /var/log/apt/term.log for all of it, and `dpkg --audit` for what is half done")
        }
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
pub(super) fn cited(output: &Output) -> String {
    const PROGRESS: [&str; 20] = [
        "Reading ",
        "Building ",
        "The following ",
        "  ",
        "0 upgraded",
        "Need to get ",
        "After this operation",
        "Get:",
        "Hit:",
        "Ign:",
        "Fetched ",
        "Selecting ",
        "(Reading ",
        "Preparing ",
        "Unpacking ",
        "Setting up ",
        "Processing triggers ",
        "Preconfiguring ",
        "debconf: delaying",
        "Correcting ",
    ];
    let said = output.stdout.lines().chain(output.stderr.lines()).map(str::trim_end);
    let tells = |line: &&str| {
        !line.is_empty() && !line.contains(" Translation-") && !PROGRESS.iter().any(|start| line.starts_with(start))
    };
    let lines: Vec<&str> = said.filter(tells).collect();
    lines.iter().skip(lines.len().saturating_sub(12)).map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

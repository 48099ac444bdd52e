//! What apt and dpkg refuse for, in their words.

use std::collections::BTreeSet;

use super::lists::Lists;
use super::{quoted, removals};
use crate::host::packages::{Unknown, Wanted};
use crate::host::programs::Output;
use crate::host::{Error, clock};

/// What to do about a name that apt does not know.
const SPELLED_SO: &str =
    "is it spelled so, and is its source in the recipe? `apt-cache policy NAME` shows what the sources have";

/// What apt refuses for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another took a lock since it was looked at.
    Locked,
    /// A file system is mounted read-only.
    ReadOnly,
    /// A lock or directory of apt's may not be opened.
    Denied,
    /// It would have to remove packages, and was told not to.
    Removes,
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
    refusal_in(&[output.stderr.as_str(), &output.stdout].join("\n"))
}

fn refusal_in(said: &str) -> Refusal {
    const WORDS: [(&str, Refusal); 21] = [
        // Before the locks: apt says of these, too, that it could not lock.
        ("Read-only file system", Refusal::ReadOnly),
        ("(13: Permission denied)", Refusal::Denied),
        ("Packages need to be removed but remove is disabled", Refusal::Removes),
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
    let found = WORDS.iter().find(|(words, _)| said.contains(words));
    found.map_or(Refusal::Other, |(_, refusal)| *refusal)
}

/// The package of which apt says in this line that it does not know it, or not in that version.
fn unknown(line: &str) -> Option<&str> {
    let says = line.strip_prefix("E: ")?;
    let name = says
        .strip_prefix("Unable to locate package ")
        .or_else(|| says.strip_prefix("Package ")?.strip_suffix(" has no installation candidate"))
        .or_else(|| says.strip_prefix("Couldn't find any package by glob "))
        .or_else(|| Some(says.strip_suffix(" was not found")?.rsplit_once(" for ")?.1))?;
    Some(name.trim_matches('\''))
}

/// Those of the wanted that apt does not know, each with what it says of it.
pub(super) fn not_known(output: &Output, wanted: &[&Wanted]) -> Vec<Unknown> {
    let lines = || output.stdout.lines().chain(output.stderr.lines());
    let is_unknown = |one: &&&Wanted| lines().filter_map(unknown).any(|name| name == one.name);
    let tell = |one: &&Wanted| {
        let own = lines().filter(|line| unknown(line).is_some_and(|name| name == one.name));
        let said: Vec<String> = own.map(|line| format!("  {}", line.trim_end())).collect();
        let says = format!("apt does not know `{}`:\n{}", one.name, said.join("\n"));
        Unknown { name: one.name.clone(), error: Error::said_with_hint("package-not-found", says, SPELLED_SO) }
    };
    wanted.iter().filter(is_unknown).map(tell).collect()
}

/// The error for a call that failed.
pub(super) fn refused(what: &str, output: &Output, lists: &Lists) -> Error {
    let unknown: BTreeSet<&str> = output.stderr.lines().chain(output.stdout.lines()).filter_map(unknown).collect();
    let before = if let Lists::NotRefreshed(said) = lists { said } else { "" };
    // What it does not know may only be missing from lists that it could not write.
    let reason = match (refusal(output), refusal_in(before)) {
        (Refusal::NotThere, full @ Refusal::Full) => full,
        (reason, _) => reason,
    };
    let (code, hint) = match reason {
        Refusal::Locked => ("apt-locked", "another program uses apt; run hostagent again when it is done"),
        Refusal::ReadOnly => {
            ("read-only", "a file system is mounted read-only; see `findmnt -T /var` and `findmnt -T /usr`")
        }
        Refusal::Denied => (
            "apt-denied",
            "apt may not open its own files, though root asks: see `namei -l /var/lib/apt/lists/lock`, and what confines hostagent (a container, a sandbox of its unit)",
        ),
        Refusal::Removes => ("apt-removes", removals::HINT),
        Refusal::NotThere if !unknown.is_empty() => ("package-not-found", SPELLED_SO),
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
    let of_the_clock = clock::hint_for(before).or_else(|| clock::hint_for(&output.stderr));
    let hint = of_the_clock.unwrap_or_else(|| hint.to_owned());
    let ended = output.status.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("exited with {code}"));
    let mut says = match (refusal(output), removals::listed(output)) {
        (Refusal::NotThere, _) if !unknown.is_empty() => {
            format!(
                "{what}: it does not know {}, and then does nothing:\n{}",
                quoted(unknown.iter().copied()),
                cited(output)
            )
        }
        (Refusal::Removes, more) => format!("{what}: it would have to remove {}", quoted(more)),
        _ => format!("{what}: it {ended}:\n{}", cited(output)),
    };
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

//! Whatever hangs, is full, may not be written or stands in the way: it is one clear failure of that resource, with its name,
//! the system's words and the remedy; nothing is half-written, everything else is done, and the next run after the cause is
//! gone ends as wanted.

mod clock;
mod full;
mod hangs;
mod network;
mod places;

use crate::evidence::{having, ids};
use crate::lab::{Machine, Said};

/// Something that has nothing to do with what fails: a directory, as files come after all packages.
const NOTE: &str = "[[directory]]\npath = \"/srv/note\"\n";

/// Converges to a recipe of which these alone fail; everything else is there, and nothing is half-written. Returns what was
/// said.
fn only_these_fail<const N: usize>(host: &Machine, recipe: &str, failing: [&str; N]) -> Said {
    host.recipe(&format!("format = 1\n{NOTE}{recipe}"));
    let said = host.agent("converge").exits(1);
    assert!(host.exists("/srv/note"));
    leaves_nothing(host);
    let again = host.agent("converge --json").exits(1);
    assert_eq!(having(&again, "failed"), ids(failing), "{said}");
    leaves_nothing(host);
    said
}

/// No draft, no temporary file, no note of a program, no policy, no program that still works.
fn leaves_nothing(host: &Machine) {
    host.sh(
        "find /etc /srv /var/lib/hostagent -name '.*.hostagent' -o -path '*/lib/hostagent/*.new'; \
         ls -A /run/hostagent/at-work /run/hostagent/staged 2>/dev/null | grep -v '^/\\|^$'; \
         ls /usr/sbin/policy-rc.d 2>/dev/null; grep -l '^HOSTAGENT_PROGRAM\\|.HOSTAGENT_PROGRAM' /proc/[0-9]*/environ 2>/dev/null; true",
    )
    .prints("");
}

/// The cause is gone: everything is as wanted, and stays so.
fn ends_well(host: &Machine) {
    host.agent("converge").exits(0);
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
    leaves_nothing(host);
}

//! Which mirror to take Debian from: the one this host already uses.

use std::collections::BTreeSet;
use std::env;

use super::release::Release;
use super::tool;

/// The lines of a sources.list for a release.
///
/// They are this host's own Debian sources with the release's name put in their place, or the mirror
/// that `$HOSTAGENT_LAB_MIRROR` names.
pub fn of(release: Release) -> String {
    if let Ok(mirror) = env::var("HOSTAGENT_LAB_MIRROR") {
        return line(&mirror, release.codename());
    }
    let mut known = host_sources();
    if known.is_empty() {
        tool::run("apt-get", &["-q", "update"]);
        known = host_sources();
    }
    assert!(!known.is_empty(), "this host's apt knows no Debian mirror\nhint: HOSTAGENT_LAB_MIRROR=http://…/debian");
    known.iter().map(|(mirror, suffix)| line(mirror, &format!("{}{suffix}", release.codename()))).collect()
}

fn line(mirror: &str, suite: &str) -> String {
    format!("deb {mirror} {suite} main\n")
}

/// Mirrors, each with what follows the code name in its suite: `-updates`, `-security` or nothing.
fn host_sources() -> BTreeSet<(String, String)> {
    let format = "$(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)";
    tool::run("apt-get", &["indextargets", "--format", format, "Created-By: Packages"])
        .lines()
        .filter_map(|target| {
            let mut words = target.strip_prefix("Debian main ")?.split_whitespace();
            let (mirror, suite) = (words.next()?, words.next()?);
            let suffix = suite.find('-').map_or("", |dash| suite.get(dash..).unwrap_or_default());
            (!suffix.contains("backports")).then(|| (mirror.to_owned(), suffix.to_owned()))
        })
        .collect()
}

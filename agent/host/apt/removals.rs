//! What apt would remove, and that it is no more than what the recipe names.

use std::collections::BTreeSet;

use super::quoted;
use crate::host::packages::Wanted;
use crate::host::programs::Output;
use crate::host::{Error, Look};

impl Look {
    /// Refuses a transaction that would remove more than the packages that are to be absent. `asked` is what `--simulate`
    /// said.
    pub(super) fn removes_only_what_is_named(&self, asked: &Output, wanted: &[&Wanted]) -> Result<(), Error> {
        let dpkg = self.dpkg()?;
        let native = dpkg.find("dpkg").map_or("", |dpkg| dpkg.architecture.as_str());
        // apt names the architecture only of packages from another one.
        let plain = |name: &str| match name.split_once(':') {
            Some((base, architecture)) if architecture == native => base.to_owned(),
            _ => name.to_owned(),
        };
        let named: BTreeSet<String> = wanted.iter().filter(|one| one.absent).map(|one| plain(&one.name)).collect();
        let more: Vec<String> = simulated(asked).map(plain).filter(|name| !named.contains(name)).collect();
        if more.is_empty() {
            return Ok(());
        }
        let more = quoted(more.iter().map(String::as_str));
        let says = format!("to remove {}, apt would also remove {more}", quoted(named.iter().map(String::as_str)));
        Err(Error::said_with_hint("apt-removes", says, HINT))
    }
}

/// What to do about a removal nobody asked for.
pub(super) const HINT: &str =
    "if these are to go, name them in the recipe with `absent = true`; hostagent removes nothing that is not named";

/// The packages a simulation removes.
fn simulated(asked: &Output) -> impl Iterator<Item = &str> {
    asked.stdout.lines().filter_map(|line| line.strip_prefix("Remv ")?.split_whitespace().next())
}

/// The packages that apt was kept from removing, from its list for people.
pub(super) fn listed(said: &Output) -> Vec<&str> {
    let lines = said.stdout.lines().skip_while(|line| !line.contains("packages will be REMOVED")).skip(1);
    let names = lines.take_while(|line| line.starts_with("  ")).flat_map(str::split_whitespace);
    // A `*` marks what would be purged.
    names.map(|name| name.trim_end_matches('*')).collect()
}

//! The groups of servers that a site's own `to` lists become.

use crate::features::nginx::proxy::Proxy;
use crate::features::nginx::site::Site;
use crate::features::nginx::view::GroupView;

/// How many idle connections each worker keeps open to a group, unless the recipe says.
pub(super) const KEEPALIVE: u32 = 16;

/// The groups of a site; equal lists share one.
#[derive(Debug)]
pub(super) struct Groups {
    site: String,
    pub(super) found: Vec<GroupView>,
}

impl Groups {
    /// None yet.
    pub(super) fn of(site: &Site) -> Self {
        Self { site: site.name.to_string(), found: Vec::new() }
    }

    /// The name of the group for these addresses.
    pub(super) fn name_for(&mut self, proxy: &Proxy) -> String {
        let name = name_of(&self.site, self.found.len());
        let group = GroupView {
            name: name.clone(),
            zone: proxy.to.len() > 1,
            strategy: proxy.strategy.as_ref().map(|strategy| strategy.as_str().to_owned()),
            servers: proxy.to.iter().map(|server| server.0.words()).collect(),
            keepalive: Some(proxy.keepalive.unwrap_or(KEEPALIVE)).filter(|count| *count > 0),
        };
        let same = |other: &&GroupView| GroupView { name: name.clone(), ..(*other).clone() } == group;
        if let Some(other) = self.found.iter().find(same) {
            return other.name.clone();
        }
        self.found.push(group);
        name
    }
}

/// The name of a site's group by its number from 0.
fn name_of(site: &str, number: usize) -> String {
    if number == 0 { format!("{site}_backend") } else { format!("{site}_backend_{}", number + 1) }
}

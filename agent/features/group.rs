//! `[[group]]`: a group of users.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Feature;
use crate::engine::Draft;
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::terms::AccountName;

/// A group of users. Who is in it is said in `[[user]] groups`. It is never deleted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: AccountName,
    /// Its number. Default: the next free one.
    #[serde(default)]
    pub gid: Option<u32>,
    /// Whether a new one gets a number below 1000. Default: `false`.
    #[serde(default)]
    pub system: bool,
}

impl Feature for Vec<Group> {
    const TABLE: &'static str = "group";

    fn compile(&self, _facts: &Facts, plan: &mut Draft) {
        for (index, group) in self.iter().enumerate() {
            plan.at(KeyPath::root().key(Self::TABLE).index(index));
            plan.add(resources::group::Group { name: group.name.clone(), gid: group.gid, system: group.system });
        }
    }
}

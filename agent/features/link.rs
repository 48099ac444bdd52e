//! `[[link]]`: a symbolic link.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Feature;
use crate::engine::Draft;
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::terms::AbsolutePath;

/// A symbolic link.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Where it stands.
    pub path: AbsolutePath,
    /// Where it points: an absolute path, or one relative to the directory that the link is in. It need not be there.
    pub target: PathBuf,
}

impl Feature for Vec<Link> {
    const TABLE: &'static str = "link";

    fn compile(&self, _facts: &Facts, plan: &mut Draft) {
        for (index, link) in self.iter().enumerate() {
            let here = KeyPath::root().key(Self::TABLE).index(index);
            plan.at(here.clone());
            if link.target.as_os_str().is_empty() {
                plan.problem_at(here.key("target"), "the target is empty", "name what the link points to");
            }
            plan.add(resources::link::Link { path: link.path.clone().into(), target: link.target.clone() });
        }
    }
}

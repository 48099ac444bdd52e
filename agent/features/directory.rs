//! `[[directory]]`: a directory with its mode and owner.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Feature;
use crate::engine::Draft;
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::terms::{AbsolutePath, AccountName, Mode};

/// A directory. What is in it is not touched; when the recipe stops naming it, it goes if it is empty.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Where it is.
    pub path: AbsolutePath,
    /// Permission bits. Default: `"0755"`.
    #[serde(default = "mode")]
    pub mode: Mode,
    /// Who owns it. Default: `"root"`.
    #[serde(default = "AccountName::root")]
    pub owner: AccountName,
    /// Which group owns it. Default: `"root"`.
    #[serde(default = "AccountName::root")]
    pub group: AccountName,
}

fn mode() -> Mode {
    Mode::DIRECTORY
}

impl Feature for Vec<Directory> {
    const TABLE: &'static str = "directory";

    fn compile(&self, _facts: &Facts, plan: &mut Draft) {
        for (index, directory) in self.iter().enumerate() {
            plan.at(KeyPath::root().key(Self::TABLE).index(index));
            plan.add(resources::directory::Directory {
                path: directory.path.clone().into(),
                mode: directory.mode,
                owner: directory.owner.clone(),
                group: directory.group.clone(),
                stays: false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Recipe {
        directory: Vec<Directory>,
    }

    #[test]
    fn a_directory_comes_before_the_one_in_it() {
        let recipe = "[[directory]]\npath = \"/srv/www/app\"\nmode = \"2750\"\n[[directory]]\npath = \"/srv/www\"\n";
        let recipe: Recipe = toml::from_str(recipe).unwrap();
        let mut plan = Draft::default();
        recipe.directory.compile(&Facts::default(), &mut plan);
        let plan = plan.finish().unwrap();
        assert!(plan.orders("directory:/srv/www", "directory:/srv/www/app"));
    }
}

//! Which recipe is this host's: the one that is named, what the instance was told at its boot, or the file on the host.
//!
//! | | weakest first |
//! |---|---|
//! | the recipe | `/etc/hostagent/recipe.toml` · the base that the tag `hostagent:recipe` names · user-data · a RECIPE that is named |
//! | a variable | the base's `[vars]` · the recipe's `[vars]` · the tag `hostagent:var:NAME` · `--var NAME=…` |
//!
//! The recipe is one text: the tag is a base for user-data that says nothing but `[vars]`, and is not laid under a whole
//! recipe. A variable's tag is stronger than every text, as it is of this one instance, and a text is often of many.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::host::{CONF_DIR, Look};
use crate::recipe::loading::Lent;
use crate::recipe::user_data;

use super::Refusal;
use super::kept::{self, BASE_TAG, Kept};
use super::open::Wanted;

/// Where the recipe of a run comes from.
#[derive(Debug)]
pub(super) struct Origin {
    /// The file, if the instance was told nothing; bases are looked for beside it.
    pub(super) file: PathBuf,
    /// What tags set.
    pub(super) vars: BTreeMap<String, String>,
    told: Option<Kept>,
}

impl Origin {
    /// The file that is named, or the usual one.
    pub(super) fn file(wanted: &Wanted) -> Self {
        Self { file: wanted.path(), vars: BTreeMap::new(), told: None }
    }

    /// What an instance is told, or was.
    pub(super) fn instance(kept: Kept) -> Self {
        let file = Path::new(CONF_DIR).join("recipe.toml");
        Self { file, vars: kept.vars.clone(), told: Some(kept).filter(Kept::has_recipe) }
    }

    /// The recipe of a command.
    ///
    /// # Errors
    /// When what was kept is another instance's, or may not be read.
    pub(super) fn of(wanted: &Wanted, host: &Look) -> Result<Self, Refusal> {
        let kept = if wanted.recipe.is_some() { None } else { Kept::read(host)? };
        let Some(kept) = kept else { return Ok(Self::file(wanted)) };
        kept.must_be_of(kept::identity(host)?.as_ref())?;
        Ok(Self::instance(kept))
    }

    /// What the instance was told, if that is a recipe.
    pub(super) fn told(&self) -> Option<&Kept> {
        self.told.as_ref()
    }

    /// What problems call the text.
    pub(super) fn source(&self) -> String {
        if self.told.is_some() { user_data::NAME.to_owned() } else { self.file.display().to_string() }
    }

    /// What people know the recipe by.
    pub(super) fn name(&self) -> String {
        self.told.as_ref().map_or_else(|| self.source(), Kept::name)
    }

    /// The base that a tag names.
    pub(super) fn lent(&self) -> Option<Lent<'_>> {
        let base = self.told.as_ref()?.base.as_deref()?;
        Some(Lent { by: BASE_TAG, base })
    }
}

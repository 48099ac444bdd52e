//! The bases that recipes have elsewhere: fetched as they are met, told of, and kept when the recipe has turned out good.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::aws::{Kind, NotHad, Session};
use crate::elsewhere::{self, Had};
use crate::host::{Error, Look, Touch};
use crate::recipe::loading::Lacking;
use crate::terms::Remote;

use super::patience::Patience;
use super::{Exit, Refusal};

/// How long the metadata service may take to give credentials: there may be a copy to go on with.
const METADATA: Duration = Duration::from_secs(15);

/// The bases of one recipe, as far as they were had.
#[derive(Debug, Default)]
pub(super) struct Bases(BTreeMap<Remote, Had>);

impl Bases {
    /// The text of one.
    pub(super) fn text(&self, remote: &Remote) -> Option<Vec<u8>> {
        self.0.get(remote).map(|had| had.text.clone())
    }

    /// Asks for what a recipe lacks.
    ///
    /// # Errors
    /// When it cannot be had, and nothing that was kept may be used in its place.
    pub(super) async fn fetch(&mut self, host: &Look, lacking: &Lacking, patience: Patience) -> Result<(), Refusal> {
        let session = Session::of(host).patient(patience.for_all().budget.min(METADATA));
        let had = elsewhere::recipe(host, &session, &lacking.remote).await.map_err(|why| refusal(why, lacking))?;
        self.0.insert(lacking.remote.clone(), had);
        Ok(())
    }

    /// Takes what was kept of what a recipe lacks; whether there is any.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn take_kept(&mut self, host: &Look, lacking: &Lacking) -> Result<bool, Refusal> {
        let kept = elsewhere::kept_recipe(host, &lacking.remote).map_err(|why| refusal(why, lacking))?;
        let is_there = kept.is_some();
        self.0.extend(kept.map(|had| (lacking.remote.clone(), had)));
        Ok(is_there)
    }

    /// What is to be known of them: which are not what their sources have now.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|(remote, had)| Some(format!("the base `{remote}`: {}", had.instead.as_ref()?)))
    }

    /// Keeps what was fetched, for when its source is down.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, host: &Touch) -> Result<(), Error> {
        let mut fetched = self.0.iter().filter(|(_, had)| had.instead.is_none());
        fetched.try_for_each(|(remote, had)| elsewhere::keep(host, &remote.address, &had.bytes))
    }
}

/// What the recipe names wrongly is a problem of the recipe; the rest is between this host and the source.
fn refusal(why: NotHad, lacking: &Lacking) -> Refusal {
    match why.kind {
        Kind::Gone | Kind::Wrong => Refusal::Recipe(Box::new(lacking.clone().refused(&why.says, &why.hint))),
        Kind::Down | Kind::Forbidden => {
            let kept = if why.is_down() { ", and no copy of it is kept here" } else { "" };
            let says = format!("the base `{}` cannot be had{kept}: {}", lacking.remote, why.says);
            Refusal::Said { says, hint: Some(why.hint), exit: Exit::UNASKED }
        }
    }
}

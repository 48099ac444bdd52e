//! What is true of this host, gathered for a verb: told while it is waited for, and kept for the boot.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use crate::aws::imds::{Imds, Unanswered};
use crate::facts::ec2::{self, Learned};
use crate::facts::{Fact, Facts};
use crate::host::{Host, state};
use crate::problem::nearest;
use crate::report::out;

use super::Refusal;
use super::patience::Patience;

/// How long a person sees nothing before hearing what is waited for.
const SILENT: Duration = Duration::from_secs(3);

/// What is true of this host, by the names that recipes use: all of it, or one fact; and why some is not known.
pub(super) async fn facts(
    only: Option<&str>,
    patience: Patience,
) -> Result<(Vec<(&'static str, Option<Fact>)>, Result<(), Refusal>), Refusal> {
    let names: Vec<&str> = Facts::names().filter(|name| only.is_none_or(|only| only == *name)).collect();
    if let (true, Some(only)) = (names.is_empty(), only) {
        let near = nearest(only, Facts::names()).map(|near| format!("did you mean `{near}`?"));
        let hint = near.unwrap_or_else(|| "`hostagent facts` lists them".to_owned());
        return Err(Refusal::wrong(format!("there is no fact `{only}`"), hint));
    }
    let wanted = names.iter().map(|name| (*name).to_owned()).collect();
    let patience = if only.is_some() { patience.for_all() } else { patience.for_each() };
    let host = Host::here()?;
    let session = async || Imds::open(&host.look(), patience.budget).await;
    let (facts, learned) = gathered(&host, &wanted, session, patience).await?;
    let values = names.into_iter().map(|name| (name, facts.value(name))).collect();
    Ok((values, all_answered(&learned)))
}

/// Gathers facts, and keeps for this boot what the metadata service said.
pub(super) async fn gathered(
    host: &Host,
    wanted: &BTreeSet<String>,
    session: impl AsyncFnOnce() -> Result<Imds, Unanswered>,
    patience: ec2::Patience,
) -> Result<(Facts, Learned), Refusal> {
    let look = host.look();
    let mut gathering = pin!(Facts::gather_from(&look, wanted, session, patience.each));
    let (facts, learned) = tokio::select! {
        gathered = &mut gathering => gathered,
        () = tokio::time::sleep(SILENT) => {
            let most = patience.budget.as_secs();
            out::complain(&format!("waiting up to {most} s for the metadata service of EC2\n"));
            gathering.await
        }
    }?;
    if state::is_root()
        && let Err(error) = learned.keep(&host.touch())
    {
        // The next run asks again.
        tracing::debug!("{error}");
    }
    Ok((facts, learned))
}

/// Refuses to go on without what was not answered.
pub(super) fn all_answered(learned: &Learned) -> Result<(), Refusal> {
    let Some(why) = learned.unanswered.values().next() else { return Ok(()) };
    let names: Vec<&str> =
        learned.unanswered.iter().filter(|(_, other)| *other == why).map(|(name, _)| name.as_str()).collect();
    Err(Refusal::unanswered(&names, why))
}

//! What a killed run may have left behind, put right before anything else.

use super::at_work::Waited;
use super::{Error, Touch};

/// Puts right what a killed run left; says what, in words.
///
/// # Errors
/// When something cannot be put right; the run goes on and tells of it.
pub async fn heal(host: &Touch) -> Result<Vec<String>, Error> {
    // First: what they are at is not to be put right under their hands.
    let Waited { said: mut healed, mut trouble } = host.wait_for_orphans().await?;
    // One thing that cannot be healed keeps no other from it.
    // Before files are put back: afterwards the ledger does not know any more what was to be written.
    if let Err(error) = host.remove_suspected_drafts() {
        trouble = Some(error);
    }
    for put_back in host.put_back_unchecked()? {
        match put_back {
            Ok(id) => healed.push(format!("a run was cut off while it changed {id}; the old files are back")),
            Err(error) => trouble = Some(error),
        }
    }
    if let Err(error) = host.settle_accounts() {
        trouble = Some(error);
    }
    // Nobody reads them: not worth a word.
    let cleared = [host.clear_stages().map(drop), host.forget_cut_off_attempts()];
    trouble = cleared.into_iter().filter_map(Result::err).next_back().or(trouble);
    match host.remove_cluster_under_way() {
        Ok(Some(cluster)) => {
            healed.push(format!("a run was cut off while it made the cluster {cluster}; it is made anew"));
        }
        Ok(None) => {}
        Err(error) => trouble = Some(error),
    }
    healed.extend(host.heal_packages().await?);
    trouble.map_or(Ok(healed), Err)
}

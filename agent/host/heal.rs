//! What a killed run may have left behind, put right before anything else.

use super::{Error, Touch};

/// Puts right what a killed run left; says what, in words.
///
/// # Errors
/// When something cannot be put right; the run goes on and tells of it.
pub async fn heal(host: &Touch) -> Result<Vec<String>, Error> {
    let mut healed = Vec::new();
    for name in host.put_back_unchecked()? {
        healed.push(format!("a run was cut off while it changed {name}; the old files are back"));
    }
    healed.extend(host.heal_packages().await?);
    Ok(healed)
}


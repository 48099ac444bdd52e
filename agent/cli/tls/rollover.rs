//! `hostagent tls rollover`: another key for the accounts with CAs.

use clap::Args;

use crate::resources::tls_account;

use super::{Exit, Manner, Refusal, Running};

/// Give the accounts with CAs another key
///
/// Certificates and their keys stay as they are: this is the key that asks for them, for when somebody else may have it. The
/// new key is on the disk before any CA hears of it, and the web server answers with it before anything is ordered again. A
/// run that is cut off is finished by the next one, whatever asks for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sudo hostagent tls rollover

Exit codes: 0 every account has the new key · 1 the CA refused, or something else failed · 2 the recipe is wrong
  4 another run is going on")]
pub(super) struct Rollover {
    #[command(flatten)]
    running: Running,
}

impl Rollover {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        super::must_be_root("rollover")?;
        let errand = self.running.errand("rollover", vec!["tls_account".to_owned(), "tls".to_owned()]);
        let prepare = |_: &crate::cli::open::Opened, host: &crate::host::Host| {
            tls_account::roll_over(&host.touch()).map_err(|cause| super::refusal(&cause))
        };
        errand.run(manner, prepare).await
    }
}

//! `hostagent tls renew`: what is due, or what a person wants anew.

use clap::Args;

use crate::resources::certificate::Certificate;

use super::{Exit, Manner, Refusal, Running};

/// Renew certificates that are due, or any with `--force`
///
/// The same as `hostagent converge --only` of them: what they need, such as the web server that answers the CA, is put right
/// first, and the servers read what is new. A certificate that is not due is left alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent tls renew                what is due, of all certificates
  sudo hostagent tls renew api --force    a new one, with a new key, though it is not due
  sudo hostagent tls renew api --unpaused the CA had paused it, and you lifted that on its page

`--force` passes over the pauses that hostagent makes after failures. It never passes over those of the CA: neither
`Retry-After` nor a paused name. CAs limit how many certificates a name may have in a week.
Exit codes: 0 as wanted · 1 something failed · 2 the recipe is wrong, nothing was touched · 4 another run is going on")]
pub(super) struct Renew {
    /// The certificates, by the names they have in the recipe [default: all]
    name: Vec<String>,
    /// Order another one, due or not
    #[arg(long, requires = "name")]
    force: bool,
    /// The CA's pause was lifted, so ask again now
    #[arg(long, requires = "name")]
    unpaused: bool,
    #[command(flatten)]
    running: Running,
}

impl Renew {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        super::must_be_root("renew")?;
        let named = |certificate: &&Certificate| self.name.contains(&certificate.name);
        let only = match self.name.as_slice() {
            [] => vec!["certificate".to_owned()],
            names => names.iter().map(|name| format!("certificate:{name}")).collect(),
        };
        let errand = self.running.errand("renew", only);
        let prepare = |opened: &crate::cli::open::Opened, host: &crate::host::Host| {
            for certificate in opened.plan.all::<Certificate>().filter(named) {
                if self.unpaused {
                    certificate.unpause(&host.touch()).map_err(|cause| super::refusal(&cause))?;
                }
                if self.force {
                    certificate.force();
                }
            }
            Ok(())
        };
        errand.run(manner, prepare).await
    }
}

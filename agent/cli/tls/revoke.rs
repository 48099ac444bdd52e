//! `hostagent tls revoke`: another certificate, and the CA takes the old one back.

use std::io::{IsTerminal as _, stdin};

use clap::{Args, ValueEnum};

use crate::acme::authority::Revoked;
use crate::host::Host;
use crate::host::tls_store::Held;
use crate::report::out;
use crate::resources::certificate::Certificate;

use super::{Exit, Manner, Refusal, Running};

/// Have the CA take a certificate back, once there is another one
///
/// Another one with a new key is ordered first, the servers read it, and only then is the old one revoked: at no moment are
/// they without. If none is issued now, nothing is revoked yet; every later run goes on until both are done. The old key and
/// certificate are then removed from this host.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent tls revoke api                                     asks for the name once more
  sudo hostagent tls revoke api --reason key-compromise --yes
  sudo hostagent tls revoke api --reason key-compromise --at-once   revoke first, whatever clients see until there is another

Exit codes: 0 replaced and revoked · 1 not both yet · 2 nothing was touched · 4 another run is going on")]
pub(super) struct Revoke {
    /// The certificate, by the name it has in the recipe
    name: String,
    /// Why; CAs publish it
    #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
    reason: Reason,
    /// Revoke before there is another one
    #[arg(long)]
    at_once: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    running: Running,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
}

impl Reason {
    fn of_ca(self) -> Revoked {
        match self {
            Self::Unspecified => Revoked::Unspecified,
            Self::KeyCompromise => Revoked::KeyCompromise,
            Self::AffiliationChanged => Revoked::AffiliationChanged,
            Self::Superseded => Revoked::Superseded,
            Self::CessationOfOperation => Revoked::CessationOfOperation,
        }
    }
}

impl Revoke {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        super::must_be_root("revoke")?;
        let Self { name, reason, at_once, yes, running } = self;
        if !yes {
            confirm(&name)?;
        }
        let errand = running.errand("revoke", vec![format!("certificate:{name}")]);
        let prepare = |opened: &crate::cli::open::Opened, host: &Host| {
            // That it is in the recipe is known by now.
            let found = opened.plan.all::<Certificate>().find(|certificate| certificate.name == name);
            let done = found.map(|certificate| certificate.revoke(&host.touch(), reason.of_ca(), at_once));
            done.transpose().map(|_| ()).map_err(|cause| super::refusal(&cause))
        };
        errand.run(manner, prepare).await
    }
}

/// Has a person type the name.
fn confirm(name: &str) -> Result<(), Refusal> {
    if !stdin().is_terminal() {
        let hint = "`--yes`, if it is meant";
        return Err(Refusal::wrong(
            format!("revoking `{name}` cannot be undone, and nobody is there to be asked"),
            hint,
        ));
    }
    let serial = match Host::here()?.look().tls_held(name)? {
        Held::Good(version) => format!(" (serial {}, until {})", version.leaf.serial, version.leaf.to),
        _ => String::new(),
    };
    out::print(&format!(
        "This has the CA revoke the certificate `{name}`{serial}; it cannot be undone.\nType its name to go on: "
    ))?;
    let mut typed = String::new();
    stdin().read_line(&mut typed)?;
    if typed.trim() == name { Ok(()) } else { Err(Refusal::wrong("that was another name", "nothing was touched")) }
}

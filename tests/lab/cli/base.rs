//! `cargo lab base`

use std::process::ExitCode;

use crate::lab::base::Base;
use crate::lab::install;
use crate::lab::release::Release;

/// Make what machines are made of, if it is not there
#[derive(Debug, clap::Args)]
pub(crate) struct BaseVerb {
    /// Make it anew, with the packages of today
    #[arg(long)]
    fresh: bool,
}

impl BaseVerb {
    pub(super) fn run(&self) -> ExitCode {
        install::ensure();
        for release in Release::ALL {
            if self.fresh {
                Base::forget(release);
            }
            println!("{release}: {}", Base::of(release).root().display());
        }
        ExitCode::SUCCESS
    }
}

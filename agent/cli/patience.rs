//! How long a verb waits for the metadata service of EC2.

use std::time::Duration;

use clap::Args;

use crate::aws::imds::BUDGET;
use crate::facts::ec2;

/// How long one fact may take where others can be shown without it.
const EACH: Duration = Duration::from_secs(5);

/// The patience of a verb that reads facts.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Patience {
    /// How long EC2's metadata service may take, in all
    #[arg(long, value_name = "SECONDS", env = "HOSTAGENT_METADATA_TIMEOUT", hide_env_values = true)]
    #[arg(default_value_t = BUDGET.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    metadata_timeout: u64,
}

impl Patience {
    /// For facts of which each is needed.
    pub(super) fn for_all(self) -> ec2::Patience {
        ec2::Patience::of(Duration::from_secs(self.metadata_timeout))
    }

    /// For facts that are shown as far as they are known.
    pub(super) fn for_each(self) -> ec2::Patience {
        let all = self.for_all();
        ec2::Patience { each: all.budget.min(EACH), ..all }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { metadata_timeout: BUDGET.as_secs() }
    }
}

//! Why the metadata service gave no answer, in words that say what to do.

use std::time::Duration;

/// The metadata service did not answer, or refused to. To a caller that needs the answer it is
/// [exit code 5](crate::cli::Exit::UNASKED).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub struct Unanswered {
    /// A stable word for machines: `imds-disabled`, `imds-silent`, `imds-refused`, `imds-broken`, or `not-on-ec2`.
    pub code: &'static str,
    /// A lowercase fragment.
    pub says: String,
    /// What to do about it.
    pub hint: String,
}

/// What one try came to that brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    pub(super) says: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody listens, or there is no way there.
    Refused,
    /// Nothing came back in time.
    Silent,
    /// What came back is no answer.
    Broken,
    /// What came back is no answer and will not become one.
    Hopeless,
}

impl Trouble {
    pub(super) fn new(kind: Kind, says: impl Into<String>) -> Self {
        Self { kind, says: says.into() }
    }

    /// The error of a caller whose patience is at its end.
    pub(super) fn after(self, asked: &str, tries: u32, patience: Duration) -> Unanswered {
        let Self { kind, says } = self;
        let times = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
        let within = format!("within {} s and {times}", patience.as_secs_f32().round());
        let is_token = asked.starts_with("PUT");
        let (code, says, hint) = match kind {
            Kind::Silent => (
                "imds-silent",
                format!("the metadata service did not answer `{asked}` {within}: {says}"),
                if is_token { HOP_LIMIT } else { FIREWALL },
            ),
            Kind::Refused => (
                "imds-refused",
                format!("the metadata service could not be reached {within}: {says}"),
                "is the network up, and nothing between? see `ip route get 169.254.169.254`",
            ),
            Kind::Broken => (
                "imds-broken",
                format!("the metadata service gave no answer to `{asked}` {within}: {says}"),
                "it may pass: run again; if it stays so, tell AWS support which instance it is",
            ),
            Kind::Hopeless => (
                "imds-broken",
                format!("the metadata service gave no usable answer to `{asked}`: {says}"),
                "is it EC2's own, and nothing between? see `ip route get 169.254.169.254`",
            ),
        };
        Unanswered { code, says, hint: hint.to_owned() }
    }
}

const HOP_LIMIT: &str = "a firewall drops it, or in a container its answer's hop limit is used up: \
                         `aws ec2 modify-instance-metadata-options --instance-id … --http-put-response-hop-limit 2`";
const FIREWALL: &str = "does a firewall of this host drop it? see `nft list ruleset`";

impl Unanswered {
    /// Nothing says that this host is an instance, and so nobody is asked.
    pub(super) fn not_on_ec2() -> Self {
        Self {
            code: "not-on-ec2",
            says: "this host is not an EC2 instance: its firmware does not say so".to_owned(),
            hint: "see `/sys/devices/virtual/dmi/id/sys_vendor`".to_owned(),
        }
    }

    /// The endpoint is switched off.
    pub(super) fn disabled(asked: &str) -> Self {
        Self {
            code: "imds-disabled",
            says: format!("the metadata service of this instance is disabled: `{asked}` was answered with 403"),
            hint: "`aws ec2 modify-instance-metadata-options --instance-id … --http-endpoint enabled`".to_owned(),
        }
    }

    /// A status that no metadata service of EC2 gives to this question.
    pub(super) fn refused(asked: &str, status: u16) -> Self {
        let meaning = match status {
            300..=399 => ", a redirect, which is not followed",
            401 => ", with a token that it had just given",
            _ => "",
        };
        Self {
            code: "imds-refused",
            says: format!("the metadata service answered `{asked}` with {status}{meaning}"),
            hint: "is it EC2's own, and nothing between? see `ip route get 169.254.169.254`".to_owned(),
        }
    }

    /// An answer that is not what it should be.
    pub fn unreadable(path: &str, why: &str) -> Self {
        Trouble::new(Kind::Hopeless, why).after(&format!("GET /latest/{path}"), 1, Duration::ZERO)
    }
}

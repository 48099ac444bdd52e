//! Why something could not be had from a service, in its own words, and what to do about it.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::imds::Unanswered;

/// What it means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody answered, or only that there is no answer now: it may pass.
    Down,
    /// There is no such thing.
    Gone,
    /// This host may not have it, or has nothing to ask with.
    Forbidden,
    /// The question is wrong, or the answer is none.
    Wrong,
}

/// Something could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub struct NotHad {
    /// What it means.
    pub kind: Kind,
    /// A stable word for machines: `source-down`, `source-gone`, `source-forbidden`, `source-wrong`.
    pub code: &'static str,
    /// What happened: a lowercase fragment.
    pub says: String,
    /// What to do about it.
    pub hint: String,
}

/// A question to a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The service's name: `S3`.
    pub service: &'a str,
    /// What was asked for, such as `s3://recipes/web.toml`.
    pub what: &'a str,
    /// The permission it takes, such as `s3:GetObject`.
    pub action: &'a str,
    /// What else may be behind a refusal; empty if nothing is.
    pub also: &'a str,
}

impl NotHad {
    /// A failure of a kind.
    pub fn new(kind: Kind, says: impl Into<String>, hint: impl Into<String>) -> Self {
        let code = match kind {
            Kind::Down => "source-down",
            Kind::Gone => "source-gone",
            Kind::Forbidden => "source-forbidden",
            Kind::Wrong => "source-wrong",
        };
        // What a service says goes to terminals and logs: it is one line, and commands nobody.
        let says = says.into().replace(char::is_control, " ");
        Self { kind, code, says, hint: hint.into() }
    }

    /// Whether the source may be there again in a while.
    pub fn is_down(&self) -> bool {
        self.kind == Kind::Down
    }

    /// There are no credentials or there is no region, as the metadata service did not tell them.
    pub(super) fn unanswered(wanted: &str, why: &Unanswered) -> Self {
        let says = format!("no {wanted} for AWS: {}", why.says);
        match why.code {
            "not-on-ec2" => Self::new(Kind::Forbidden, says, ELSEWHERE),
            "imds-disabled" => Self::new(Kind::Forbidden, says, why.hint.clone()),
            _ => Self::new(Kind::Down, says, why.hint.clone()),
        }
    }

    /// The whole question took too long.
    pub(super) fn late(asked: Asked<'_>, after: Duration) -> Self {
        let says = format!("{} did not answer within {} s", asked.service, after.as_secs());
        Self::new(Kind::Down, says, REACH)
    }

    /// More came than may be.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(Kind::Wrong, format!("it is larger than {limit} bytes"), "is the address right?")
    }

    /// An error of the SDK.
    pub(super) fn of<E>(asked: Asked<'_>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let service = asked.service;
        match error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                Self::answered(asked, status, answer.err().code(), answer.err().message())
            }
            SdkError::TimeoutError(_) => {
                Self::new(Kind::Down, format!("{service} did not answer in time: {}", reasons(error)), REACH)
            }
            SdkError::DispatchFailure(failure) if !failure.is_user() => {
                Self::new(Kind::Down, format!("{service} cannot be reached: {}", reasons(error)), REACH)
            }
            SdkError::ResponseError(_) => Self::new(
                Kind::Down,
                format!("the answer of {service} was no answer: {}", reasons(error)),
                "is it AWS's own, and nothing between?",
            ),
            _ => Self::new(Kind::Wrong, format!("{service} could not be asked: {}", reasons(error)), "report it"),
        }
    }

    /// An answer that is an error.
    fn answered(asked: Asked<'_>, status: u16, code: Option<&str>, message: Option<&str>) -> Self {
        let word = code.unwrap_or("without a word");
        let said = message.map(|text| text.trim().trim_end_matches('.')).filter(|text| !text.is_empty());
        let said = said.map(|text| format!(": {text}")).unwrap_or_default();
        let says = format!("{} answered {status} {word}{said}", asked.service);
        let kind = kind(status, word);
        let hint = match kind {
            Kind::Down => "it may pass: run again".to_owned(),
            Kind::Gone => "is the address right, and the region?".to_owned(),
            Kind::Forbidden => forbidden(asked, word),
            Kind::Wrong => "is the address right?".to_owned(),
        };
        Self::new(kind, says, hint)
    }
}

const ELSEWHERE: &str = "set `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_REGION`";
const REACH: &str = "does this host have a way there: a NAT gateway, a VPC endpoint, a name server? see `getent hosts`";

/// What an answer means, by its status and AWS's word for it.
fn kind(status: u16, code: &str) -> Kind {
    const THROTTLED: [&str; 6] =
        ["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "RequestTimeout", "ServiceUnavailable"];
    const GONE: [&str; 5] =
        ["NoSuchKey", "NoSuchBucket", "ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFound"];
    const FORBIDDEN: [&str; 8] = [
        "AccessDenied",
        "UnrecognizedClient",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "ExpiredToken",
        "InvalidToken",
    ];
    let is = |words: &[&str]| words.iter().any(|word| code.starts_with(word));
    // `RequestTimeTooSkewed` is no timeout.
    if code == "RequestTimeTooSkewed" || is(&FORBIDDEN) {
        Kind::Forbidden
    } else if is(&GONE) {
        Kind::Gone
    } else if is(&THROTTLED) || status >= 500 || status == 429 {
        Kind::Down
    } else {
        match status {
            404 | 410 => Kind::Gone,
            401 | 403 => Kind::Forbidden,
            _ => Kind::Wrong,
        }
    }
}

fn forbidden(asked: Asked<'_>, code: &str) -> String {
    let Asked { what, action, also, .. } = asked;
    if code == "RequestTimeTooSkewed" || code.starts_with("InvalidSignature") {
        return "is the clock of this host right? see `timedatectl`".to_owned();
    }
    if code.starts_with("AccessDenied") || code == "without a word" {
        return format!("allow `{action}` on `{what}` to the role of this instance{also}");
    }
    "are the credentials of this host good? see the environment, or the role of the instance".to_owned()
}

/// The reasons below an error: the SDK's own text is a word such as "dispatch failure".
fn reasons(error: &dyn Error) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut below = error.source();
    while let Some(reason) = below {
        let text = reason.to_string();
        // Each layer often says what the next one says, too.
        if !reasons.last().is_some_and(|last| last.ends_with(&text)) {
            reasons.push(text);
        }
        below = reason.source();
    }
    if reasons.is_empty() { error.to_string() } else { reasons.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked {
        service: "S3",
        what: "s3://recipes/web.toml",
        action: "s3:GetObject",
        also: "; or there is no such key",
    };

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        for (status, code, wanted) in [
            (503, "SlowDown", Kind::Down),
            (500, "InternalError", Kind::Down),
            (400, "ThrottlingException", Kind::Down),
            (429, "TooManyRequestsException", Kind::Down),
            (400, "RequestTimeout", Kind::Down),
            (404, "NoSuchKey", Kind::Gone),
            (404, "NoSuchBucket", Kind::Gone),
            (400, "ParameterNotFound", Kind::Gone),
            (400, "ResourceNotFoundException", Kind::Gone),
            (403, "AccessDenied", Kind::Forbidden),
            (400, "AccessDeniedException", Kind::Forbidden),
            (400, "UnrecognizedClientException", Kind::Forbidden),
            (400, "ExpiredToken", Kind::Forbidden),
            (403, "RequestTimeTooSkewed", Kind::Forbidden),
            (403, "a proxy", Kind::Forbidden),
            (400, "ValidationException", Kind::Wrong),
            (301, "PermanentRedirect", Kind::Wrong),
        ] {
            assert_eq!(kind(status, code), wanted, "{status} {code}");
        }
    }

    #[test]
    fn a_refusal_says_what_permission_is_missing() {
        let said = NotHad::answered(ASKED, 403, Some("AccessDenied"), Some("Access Denied"));
        assert_eq!(said.says, "S3 answered 403 AccessDenied: Access Denied");
        assert_eq!(
            said.hint,
            "allow `s3:GetObject` on `s3://recipes/web.toml` to the role of this instance; or there is no such key"
        );
        let skewed = NotHad::answered(ASKED, 403, Some("RequestTimeTooSkewed"), None);
        assert!(skewed.hint.contains("clock"), "{}", skewed.hint);
        let expired = NotHad::answered(ASKED, 400, Some("ExpiredTokenException"), Some("The security token expired"));
        assert!(expired.hint.contains("credentials"), "{}", expired.hint);
    }

    #[test]
    fn a_dead_metadata_service_may_come_back_and_a_disabled_one_will_not() {
        let silent = Unanswered { code: "imds-silent", says: "it is silent".into(), hint: "wait".into() };
        let disabled = Unanswered { code: "imds-disabled", ..silent.clone() };
        assert!(NotHad::unanswered("credentials", &silent).is_down());
        assert_eq!(NotHad::unanswered("credentials", &disabled).kind, Kind::Forbidden);
        assert_eq!(NotHad::unanswered("credentials", &silent).says, "no credentials for AWS: it is silent");
    }
}

//! Right answers made wrong.

use hyper::body::Bytes;
use serde_json::json;

use super::caller::Answer;
use super::fault::Change;
use super::{leaf, order};

/// Pebble's own certificate and key to sign with.
pub(super) struct Signer {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Change {
    /// Whether this is done with the CA's own key.
    pub(super) fn is_forgery(self) -> bool {
        matches!(self, Self::AnotherKey | Self::OtherNames | Self::Expired | Self::OffBy(_))
    }

    /// The answer, made wrong.
    pub(super) fn made_to(self, mut answer: Answer, signer: Option<&Signer>) -> Answer {
        // A rejected nonce is no certificate.
        if !answer.status().is_success() {
            return answer;
        }
        match self {
            Self::WithoutNonce => {
                answer.headers_mut().remove("replay-nonce");
                answer
            }
            Self::Processing => order::rewritten(answer, |order| {
                if order.contains_key("authorizations") {
                    order.insert("status".to_owned(), json!("processing"));
                    order.remove("certificate");
                }
            }),
            Self::Truncated => answer.map(|body| body.slice(..body.len() / 4)),
            Self::WithoutChain => {
                answer.map(|body| leaf::split(&text(&body)).map_or(body, |(leaf, _)| leaf.to_owned().into()))
            }
            Self::AnotherKey | Self::OtherNames | Self::Expired | Self::OffBy(_) => answer.map(|body| {
                let forged = |signer: &Signer| leaf::forged(self, &text(&body), &signer.certificate, &signer.key);
                let forged = signer.and_then(forged);
                forged.expect("Pebble's certificates and keys can be read").into()
            }),
        }
    }
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

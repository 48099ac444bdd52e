//! What a CA says of itself: its directory (RFC 8555, 7.1.1), and its advice on renewals (RFC 9773).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::http::Wire;
use super::refusal::{Kind, Refusal};
use super::renewal::Advice;
use crate::host::moment::Moment;

/// The part of a directory that is asked for here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// Where accounts are made: without it, it is no directory.
    pub new_account: String,
    /// Where numbers are had that make a request good for once.
    #[serde(default)]
    pub new_nonce: String,
    /// Where an account gets another key.
    pub key_change: Option<String>,
    /// Where advice is.
    pub renewal_info: Option<String>,
    /// What else it says.
    #[serde(default)]
    pub meta: Meta,
}

/// What else a directory says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Whether it takes only who is known elsewhere.
    pub external_account_required: bool,
    /// The names by which CAA records allow it.
    pub caa_identities: Vec<String>,
    /// The profiles it has, and what they are.
    pub profiles: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenewalInfo {
    suggested_window: Window,
    #[serde(rename = "explanationURL")]
    explanation: Option<String>,
}

#[derive(Deserialize)]
struct Window {
    start: String,
    end: String,
}

impl Directory {
    /// Asks for it.
    ///
    /// # Errors
    /// When there is no directory there.
    pub async fn of(wire: &Wire, url: &str) -> Result<Self, Refusal> {
        let bytes = wire.get(url).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::new(Kind::Away, format!("`{url}` is not the directory of a CA: {error}")))
    }

    /// Asks what the CA advises for a certificate; nothing if it advises nobody.
    ///
    /// # Errors
    /// When it does not answer, or what it says makes no sense.
    pub async fn advice(&self, wire: &Wire, renewal_id: &str, now: Moment) -> Result<Option<Advice>, Refusal> {
        let Some(place) = &self.renewal_info else { return Ok(None) };
        let bytes = wire.get(&format!("{}/{renewal_id}", place.trim_end_matches('/'))).await?;
        // One that does not say when to ask again is asked at the usual pace.
        read(&bytes, now).map(|advice| Some(Advice { every: Advice::pace(wire.aside().retry_after), ..advice }))
    }
}

fn read(bytes: &[u8], now: Moment) -> Result<Advice, Refusal> {
    let unreadable =
        |why: String| Refusal::new(Kind::Away, format!("the CA's advice on the renewal cannot be read: {why}"));
    let info: RenewalInfo = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
    let moment = |text: &str| Moment::parse(text).ok_or_else(|| unreadable(format!("`{text}` is no moment")));
    let window = info.suggested_window;
    let explanation = info.explanation.filter(|page| page.starts_with("https://"));
    Ok(Advice {
        start: moment(&window.start)?,
        end: moment(&window.end)?,
        explanation,
        asked: now,
        every: Advice::pace(None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_read_and_what_is_none_is_said() {
        let now = Moment::at(1_795_000_000);
        let text = br#"{"suggestedWindow":{"start":"2026-11-21T10:00:00Z","end":"2026-11-22T10:00:00.5Z"},"explanationURL":"https://ca.example/why"}"#;
        let advice = read(text, now).unwrap();
        assert_eq!(advice.end.since(advice.start).as_secs(), 24 * 3600);
        assert_eq!(advice.explanation.as_deref(), Some("https://ca.example/why"));
        for bad in [r#"{"suggestedWindow":{"start":"soon","end":"later"}}"#, "{}", "<html>"] {
            assert!(read(bad.as_bytes(), now).unwrap_err().says.contains("cannot be read"), "{bad}");
        }
    }

    #[test]
    fn a_directory_may_lack_what_is_new() {
        let old: Directory = serde_json::from_str(r#"{"newAccount":"a","newNonce":"b"}"#).unwrap();
        assert_eq!((old.renewal_info, old.meta), (None, Meta::default()));
        let new = r#"{"newAccount":"a","renewalInfo":"c","meta":{"profiles":{"shortlived":"six days"},"externalAccountRequired":true}}"#;
        let new: Directory = serde_json::from_str(new).unwrap();
        assert!(new.meta.external_account_required && new.meta.profiles.contains_key("shortlived"));
    }
}

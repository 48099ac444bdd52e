//! Zones at Cloudflare, written with a token that may do no more than that.

use std::error::Error as _;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Record, place, unshown};
use crate::acme::refusal::{Kind, Refusal, retry_after};

/// Where the API is, if it is not said.
const API: &str = "https://api.cloudflare.com/client/v4";
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// The least that Cloudflare takes: what is asked for is asked of the authoritative servers.
const TTL: u32 = 60;
/// What is said of a record to whoever finds it there.
const COMMENT: &str = "hostagent: a certificate is being issued";
/// There is such a record already (Cloudflare's number for it).
const IDENTICAL: u64 = 81_058;
const FIX: &str = "is the token right, and may it `Zone:Read` and `DNS:Edit` in that zone?";

/// Cloudflare, as it is asked.
#[derive(Debug, Clone)]
pub struct Cloudflare {
    client: reqwest::Client,
    /// What proves who asks; it is not printed.
    token: HeaderValue,
    zone: Option<String>,
    api: String,
}

/// An answer of the API, whatever it is about.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default)]
    errors: Vec<Complaint>,
    #[serde(default)]
    result: Value,
}

#[derive(Deserialize)]
struct Complaint {
    code: u64,
    #[serde(default)]
    message: String,
}

/// What is asked for by its ID.
#[derive(Deserialize)]
struct Known {
    id: String,
    #[serde(default)]
    content: String,
}

impl Cloudflare {
    /// With this token; the zone's ID if it is not to be found by its name, and where the API is if not where it always is.
    ///
    /// # Errors
    /// When the token is none.
    pub fn new(token: &SecretString, zone: Option<String>, api: Option<String>) -> Result<Self, Refusal> {
        let unfit =
            |_| unshown("the token of Cloudflare has characters that no token has", "is it the token, and all of it?");
        let mut token = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret().trim())).map_err(unfit)?;
        token.set_sensitive(true);
        let client = reqwest::Client::builder()
            // The token goes nowhere in the clear, nor where a redirect leads.
            .https_only(!cfg!(test))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .user_agent(concat!("hostagent/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(|error| silent(&error))?;
        let api = api.map_or_else(|| API.to_owned(), |api| api.trim_end_matches('/').to_owned());
        Ok(Self { client, token, zone, api })
    }

    pub(super) async fn put(&self, record: &Record) -> Result<(), Refusal> {
        let zone = self.zone_of(&record.name).await?;
        if !self.those_of(&zone, record).await?.is_empty() {
            return Ok(());
        }
        let body = json!({
            "type": "TXT", "name": record.name, "content": format!("\"{}\"", record.text), "ttl": TTL, "comment": COMMENT,
        });
        let answer = self.ask(Method::POST, &format!("/zones/{zone}/dns_records"), &[], Some(&body)).await?;
        if answer.success || answer.errors.iter().any(|error| error.code == IDENTICAL) {
            return Ok(());
        }
        Err(refused(&format!("take the TXT record of `{}`", record.name), &answer))
    }

    pub(super) async fn take(&self, record: &Record) -> Result<(), Refusal> {
        let zone = self.zone_of(&record.name).await?;
        for id in self.those_of(&zone, record).await? {
            let path = format!("/zones/{zone}/dns_records/{id}");
            let answer = self.ask(Method::DELETE, &path, &[], None).await?;
            if !answer.success {
                return Err(refused(&format!("delete the TXT record of `{}`", record.name), &answer));
            }
        }
        Ok(())
    }

    /// The ID of the zone that a name is in.
    async fn zone_of(&self, name: &str) -> Result<String, Refusal> {
        if let Some(zone) = &self.zone {
            return Ok(zone.clone());
        }
        for zone in place::suffixes(name) {
            let found: Vec<Known> = self.list("/zones", &[("name", &zone)], "say which zones it has").await?;
            if let Some(found) = found.into_iter().next() {
                return Ok(found.id);
            }
        }
        let says = format!("Cloudflare has no zone that `{name}` is in, or none that the token may see");
        Err(unshown(says, format!("{FIX} else say which: `zone = \"…\"`")))
    }

    /// The IDs of the records that are just so.
    async fn those_of(&self, zone: &str, record: &Record) -> Result<Vec<String>, Refusal> {
        let query = [("type", "TXT"), ("name", record.name.as_str()), ("per_page", "100")];
        let what = format!("say what `{}` has", record.name);
        let found: Vec<Known> = self.list(&format!("/zones/{zone}/dns_records"), &query, &what).await?;
        // It keeps texts with their quotes or without, as they were written.
        let is_so = |known: &Known| known.content.trim_matches('"') == record.text;
        Ok(found.into_iter().filter(is_so).map(|known| known.id).collect())
    }

    async fn list(&self, path: &str, query: &[(&str, &str)], what: &str) -> Result<Vec<Known>, Refusal> {
        let answer = self.ask(Method::GET, path, query, None).await?;
        if !answer.success {
            return Err(refused(what, &answer));
        }
        let wrong =
            |error| unshown(format!("what Cloudflare says makes no sense: {error}"), "is it Cloudflare's own API?");
        serde_json::from_value(answer.result).map_err(wrong)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Refusal> {
        let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = self.client.request(method, format!("{}{path}{mark}{}", self.api, query.join("&")));
        request = request.header(AUTHORIZATION, self.token.clone());
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| silent(&error))?;
        let status = answer.status();
        let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let wait = wait.and_then(|value| retry_after(&value, jiff::Timestamp::now()));
        let bytes = answer.bytes().await.map_err(|error| silent(&error))?;
        if status.is_server_error() || status.as_u16() == 429 {
            let says = format!("Cloudflare answered {status}");
            return Err(Refusal::new(Kind::Away, says).retry_after(wait).fix("it is tried again later by itself"));
        }
        serde_json::from_slice(&bytes).map_err(|_| {
            unshown(format!("Cloudflare answered {status}, and not as it does"), "is it Cloudflare's own API?")
        })
    }
}

fn refused(what: &str, answer: &Answer) -> Refusal {
    let said: Vec<String> = answer.errors.iter().map(|error| format!("{} ({})", error.message, error.code)).collect();
    let said = if said.is_empty() { "no reason".to_owned() } else { said.join("; ") };
    unshown(format!("Cloudflare did not {what}: {said}"), FIX)
}

fn silent(error: &reqwest::Error) -> Refusal {
    let mut reasons = Vec::new();
    let mut below = error.source();
    while let Some(reason) = below {
        reasons.push(reason.to_string());
        below = reason.source();
    }
    let why = if reasons.is_empty() { "it could not be asked".to_owned() } else { reasons.join(": ") };
    Refusal::new(Kind::Away, format!("Cloudflare gave no answer: {why}")).fix("it is tried again later by itself")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::testing::{Server, reply};

    fn record() -> Record {
        Record { name: "_acme-challenge.a.example.org".into(), text: "ours".into() }
    }

    fn at(server: &Server, zone: Option<&str>) -> Cloudflare {
        Cloudflare::new(&"canary".into(), zone.map(str::to_owned), Some(server.url())).unwrap()
    }

    fn done(result: &str) -> String {
        reply(200, "", &format!(r#"{{"success":true,"errors":[],"result":{result}}}"#))
    }

    #[tokio::test]
    async fn the_zone_is_found_by_the_longest_suffix_and_the_text_is_put_beside_others() {
        let others = done(r#"[{"id":"r1","content":"\"somebody else's\""}]"#);
        let server =
            Server::answering(&[done("[]"), done("[]"), done(r#"[{"id":"z1"}]"#), others, done(r#"{"id":"r2"}"#)])
                .await;
        at(&server, None).put(&record()).await.unwrap();
        let asked = server.asked();
        assert!(asked[0].starts_with("GET /zones?name=_acme-challenge.a.example.org "), "{}", asked[0]);
        assert!(asked[2].starts_with("GET /zones?name=example.org "), "{}", asked[2]);
        assert!(asked[4].starts_with("POST /zones/z1/dns_records "), "{}", asked[4]);
        assert!(asked[4].contains(r#""content":"\"ours\"""#) && asked[4].contains("Bearer canary"), "{}", asked[4]);
    }

    #[tokio::test]
    async fn only_what_is_ours_is_taken_away_and_what_is_there_is_not_put_again() {
        let both = done(r#"[{"id":"r1","content":"\"other\""},{"id":"r2","content":"ours"}]"#);
        let server = Server::answering(&[both.clone(), both, done(r#"{"id":"r2"}"#)]).await;
        let cloudflare = at(&server, Some("z9"));
        cloudflare.put(&record()).await.unwrap();
        cloudflare.take(&record()).await.unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 3);
        assert!(asked[2].starts_with("DELETE /zones/z9/dns_records/r2 "), "{}", asked[2]);
    }

    #[tokio::test]
    async fn a_refusal_is_in_cloudflare_s_words_and_says_what_the_token_needs() {
        let refused = reply(
            403,
            "",
            r#"{"success":false,"errors":[{"code":9109,"message":"Invalid access token"}],"result":null}"#,
        );
        let server = Server::answering(&[refused]).await;
        let refusal = at(&server, Some("z")).put(&record()).await.unwrap_err();
        assert_eq!(
            refusal.says,
            "Cloudflare did not say what `_acme-challenge.a.example.org` has: Invalid access token (9109)"
        );
        assert!(refusal.hint().contains("DNS:Edit"), "{}", refusal.hint());
        let server = Server::answering(&[reply(429, "retry-after: 60\r\n", "slow down")]).await;
        let refusal = at(&server, Some("z")).take(&record()).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry_after), (Kind::Away, Some(Duration::from_mins(1))));
        let debug = format!("{:?}", at(&server, None));
        assert!(!debug.contains("canary"), "{debug}");
    }

    #[test]
    fn a_token_that_is_none_is_not_quoted() {
        let refusal = Cloudflare::new(&"cana\nry".into(), None, None).unwrap_err();
        assert!(refusal.says.contains("no token has") && !refusal.says.contains("cana"), "{refusal}");
    }
}

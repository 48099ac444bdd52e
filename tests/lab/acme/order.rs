//! What Pebble 2.4.0 lacks and the proxy adds: `renewalInfo`, profiles, `replaces` and `profile` of an order.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::caller::Answer;
use super::fault::{Problem, Step};
use super::leaf::{Leaf, Life};
use super::{NAME, PROXY, State};

/// What the proxy remembers of what went through it.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What orders were made with that Pebble does not know, by the last word of their URLs.
    orders: BTreeMap<String, Extra>,
    /// Certificates that were fetched, by their names in ARI.
    pub(super) issued: BTreeMap<String, Life>,
}

#[derive(Debug, Clone, Default)]
struct Extra {
    replaces: Option<String>,
    profile: Option<String>,
    is_invalid: bool,
}

/// An answer of this status.
pub(super) fn answer(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status of HTTP");
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

impl Problem {
    pub(super) fn new(status: u16, kind: &str, detail: impl Into<String>) -> Self {
        Self { status, kind: kind.to_owned(), detail: detail.into() }
    }

    /// Itself as an answer, with a nonce as every answer of an ACME server has it.
    pub(super) fn answer(&self, nonce: Option<HeaderValue>) -> Answer {
        let kind = format!("urn:ietf:params:acme:error:{}", self.kind);
        let body = json!({ "type": kind, "detail": self.detail, "status": self.status }).to_string();
        let mut answer = answer(self.status, "application/problem+json", body);
        if let Some(nonce) = nonce {
            answer.headers_mut().insert("replay-nonce", nonce);
        }
        answer
    }
}

impl State {
    /// Why a new order is refused that Pebble would take.
    pub(super) fn refusal(&self, payload: &Value, memory: &Memory) -> Option<Problem> {
        if let Some(profile) = text(payload, "profile").filter(|_| !self.profiles.is_empty())
            && !self.profiles.contains_key(&profile)
        {
            return Some(Problem::new(400, "invalidProfile", format!("profile \"{profile}\" not recognized")));
        }
        let replaces = text(payload, "replaces").filter(|_| self.advice.is_some())?;
        if !memory.issued.contains_key(&replaces) {
            let detail = format!("certificate to replace not found: {replaces}");
            return Some(Problem::new(404, "malformed", detail));
        }
        let is_replaced = |extra: &Extra| !extra.is_invalid && extra.replaces.as_ref() == Some(&replaces);
        let detail =
            format!("cannot indicate an order replaces certificate {replaces}, which already has a replacement");
        memory.orders.values().any(is_replaced).then(|| Problem::new(409, "alreadyReplaced", detail))
    }

    /// The right answer to a request for renewal information.
    pub(super) fn renewal_info(&self, path: &str, memory: &Memory) -> Option<Answer> {
        let advice = self.advice.as_ref()?;
        let id = path.rsplit('/').next().unwrap_or_default();
        let answer = memory.issued.get(id).map(|life| advice.answer(*life));
        Some(answer.unwrap_or_else(|| Problem::new(404, "malformed", "certificate not found").answer(None)))
    }

    /// Pebble's answer with what Pebble lacks, and what is to be remembered of it.
    pub(super) fn completed(
        &self,
        request: &Request<Bytes>,
        step: Option<Step>,
        payload: &Value,
        answer: Answer,
        memory: &mut Memory,
    ) -> Answer {
        match step {
            Some(Step::Directory) => self.directory(request, answer),
            Some(Step::NewOrder) if answer.status() == StatusCode::CREATED => {
                let id = last(answer.headers().get(LOCATION).and_then(|url| url.to_str().ok()).unwrap_or_default());
                let extra = Extra {
                    replaces: text(payload, "replaces").filter(|_| self.advice.is_some()),
                    profile: text(payload, "profile").filter(|_| !self.profiles.is_empty()),
                    is_invalid: false,
                };
                memory.orders.insert(id.clone(), extra);
                memory.echoed(&id, answer)
            }
            Some(Step::Order | Step::Finalize) => memory.echoed(&last(request.uri().path()), answer),
            _ => {
                memory.saw(step, &answer);
                answer
            }
        }
    }

    fn directory(&self, request: &Request<Bytes>, answer: Answer) -> Answer {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
        let host = host.unwrap_or_else(|| format!("{NAME}:{PROXY}"));
        rewritten(answer, |directory| {
            if self.advice.is_some() {
                directory.insert("renewalInfo".to_owned(), json!(format!("https://{host}/renewal-info")));
            }
            if !self.profiles.is_empty()
                && let Some(meta) = directory.entry("meta").or_insert_with(|| json!({})).as_object_mut()
            {
                meta.insert("profiles".to_owned(), json!(self.profiles));
            }
        })
    }
}

impl Memory {
    /// Remembers the life of a certificate that is given out.
    pub(super) fn saw(&mut self, step: Option<Step>, answer: &Answer) {
        if step == Some(Step::Certificate)
            && let Some(leaf) = Leaf::read(&String::from_utf8_lossy(answer.body()))
        {
            self.issued.insert(leaf.id, leaf.life);
        }
    }

    fn echoed(&mut self, id: &str, answer: Answer) -> Answer {
        let Some(extra) = self.orders.get_mut(id) else { return answer };
        rewritten(answer, |order| {
            if order.get("status").and_then(Value::as_str) == Some("invalid") {
                extra.is_invalid = true;
            }
            // An error is no order.
            if !order.contains_key("authorizations") {
                return;
            }
            for (name, value) in [("replaces", &extra.replaces), ("profile", &extra.profile)] {
                if let Some(value) = value {
                    order.insert(name.to_owned(), json!(value));
                }
            }
        })
    }
}

/// An answer whose JSON is changed; one that has none stays as it is.
pub(super) fn rewritten(answer: Answer, change: impl FnOnce(&mut Map<String, Value>)) -> Answer {
    let (head, body) = answer.into_parts();
    let Ok(Value::Object(mut object)) = serde_json::from_slice(&body) else { return Response::from_parts(head, body) };
    change(&mut object);
    Response::from_parts(head, Value::Object(object).to_string().into())
}

fn text(payload: &Value, name: &str) -> Option<String> {
    payload.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn last(url: &str) -> String {
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

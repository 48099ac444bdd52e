//! A client of ACME (RFC 8555) that takes no other way than it is told, to see what the lab's CA does.

use std::thread::sleep;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use hyper::{Method, Request, Uri};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::caller::Answer;
use super::jws::encoded;
use super::service::Service;

/// A client with a key of its own.
pub(super) struct Client<'a> {
    ca: &'a Service,
    key: KeyPair,
    account: Option<String>,
    nonce: Option<HeaderValue>,
    pub(super) directory: Value,
    /// How many nonces were not taken.
    pub(super) rejected: usize,
}

/// A certificate, and the key that it was asked for with.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: KeyPair,
    pub(super) order: Value,
}

impl<'a> Client<'a> {
    pub(super) fn of(ca: &'a Service) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut client = Self { ca, key, account: None, nonce: None, directory: Value::Null, rejected: 0 };
        client.directory = json_of(&client.send(Method::GET, &ca.directory(), Bytes::new()));
        client
    }

    /// With an account.
    pub(super) fn registered(ca: &'a Service) -> Self {
        let mut client = Self::of(ca);
        let answer = client.post(&client.url("newAccount"), &json!({ "termsOfServiceAgreed": true }));
        assert_eq!(answer.status(), 201, "{answer:?}");
        client.account = Some(answer.headers()[LOCATION].to_str().unwrap().to_owned());
        client
    }

    /// What a web server adds to a token.
    pub(super) fn thumbprint(&self) -> String {
        encoded(Sha256::digest(self.jwk()))
    }

    /// A URL of the directory.
    pub(super) fn url(&self, name: &str) -> String {
        self.directory[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.directory)).to_owned()
    }

    pub(super) fn get(&self, url: &str) -> Answer {
        self.send(Method::GET, url, Bytes::new())
    }

    /// Asks with a signature; again if a nonce is not taken.
    pub(super) fn post(&mut self, url: &str, payload: &Value) -> Answer {
        let payload = if payload.is_null() { String::new() } else { encoded(payload.to_string()) };
        for _ in 0..200 {
            let nonce = self.nonce.take().unwrap_or_else(|| {
                let answer = self.send(Method::HEAD, &self.url("newNonce"), Bytes::new());
                answer.headers()["replay-nonce"].clone()
            });
            let mut protected = json!({ "alg": "ES256", "nonce": nonce.to_str().unwrap(), "url": url });
            match &self.account {
                Some(account) => protected["kid"] = json!(account),
                None => protected["jwk"] = serde_json::from_str(&self.jwk()).unwrap(),
            }
            let protected = encoded(protected.to_string());
            let signature = raw(&self.key.sign(format!("{protected}.{payload}").as_bytes()).unwrap());
            let body = json!({ "protected": protected, "payload": payload, "signature": encoded(signature) });
            let answer = self.send(Method::POST, url, body.to_string().into());
            self.nonce = answer.headers().get("replay-nonce").cloned();
            if said(&answer).contains("error:badNonce") {
                self.rejected += 1;
                continue;
            }
            return answer;
        }
        panic!("200 nonces in a row were not taken");
    }

    /// Makes an order for these names, with more in it if that is an object.
    pub(super) fn order(&mut self, names: &[&str], more: &Value) -> Answer {
        let identifiers: Vec<_> = names.iter().map(|name| json!({ "type": "dns", "value": name })).collect();
        let mut payload = json!({ "identifiers": identifiers });
        for (name, value) in more.as_object().into_iter().flatten() {
            payload[name] = value.clone();
        }
        self.post(&self.url("newOrder"), &payload)
    }

    /// Proves an order's names by `http-01` or `dns-01`; the status that the order has then.
    pub(super) fn prove(&mut self, order: &Answer, kind: &str) -> String {
        let url = order.headers()[LOCATION].to_str().unwrap().to_owned();
        for authorization in json_of(order)["authorizations"].as_array().unwrap() {
            let authorization = json_of(&self.post(authorization.as_str().unwrap(), &Value::Null));
            let challenges = authorization["challenges"].as_array().unwrap();
            let challenge = challenges.iter().find(|challenge| challenge["type"] == kind).unwrap();
            if kind == "dns-01" {
                let text = format!("{}.{}", challenge["token"].as_str().unwrap(), self.thumbprint());
                let name = format!("_acme-challenge.{}", authorization["identifier"]["value"].as_str().unwrap());
                self.ca.dns().without_txt(&name).txt(&name, &encoded(Sha256::digest(text)));
            }
            self.post(challenge["url"].as_str().unwrap(), &json!({}));
        }
        self.until(&url, &["ready", "invalid"])["status"].as_str().unwrap().to_owned()
    }

    /// Everything up to a certificate, whatever is wrong with it.
    pub(super) fn issue(&mut self, names: &[&str], more: &Value, kind: &str) -> Issued {
        let order = self.order(names, more);
        assert_eq!(order.status(), 201, "{}\n{}", said(&order), self.ca.log());
        assert_eq!(self.prove(&order, kind), "ready", "{}", self.ca.log());
        self.fetch(&order, names)
    }

    /// The certificate of an order whose names are proved.
    pub(super) fn fetch(&mut self, order: &Answer, names: &[&str]) -> Issued {
        let url = order.headers()[LOCATION].to_str().unwrap().to_owned();
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).unwrap();
        let finalize = json_of(order)["finalize"].as_str().unwrap().to_owned();
        let answer = self.post(&finalize, &json!({ "csr": encoded(request.der()) }));
        assert_eq!(answer.status(), 200, "{}", said(&answer));
        let order = self.until(&url, &["valid", "invalid"]);
        let chain = said(&self.post(order["certificate"].as_str().unwrap(), &Value::Null));
        Issued { chain, key, order }
    }

    /// Asks for an order until it has one of these states.
    pub(super) fn until(&mut self, url: &str, states: &[&str]) -> Value {
        let begun = Instant::now();
        loop {
            let order = json_of(&self.post(url, &Value::Null));
            if states.iter().any(|state| order["status"] == *state) {
                return order;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{order}\n{}", self.ca.log());
            sleep(Duration::from_millis(50));
        }
    }

    fn send(&self, method: Method, url: &str, body: Bytes) -> Answer {
        let whole: Uri = url.parse().unwrap();
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = whole.path().parse().unwrap();
        let host = HeaderValue::from_str(whole.authority().unwrap().as_str()).unwrap();
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jose+json"));
        self.ca.ask(request).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// The public key, in the order that its thumbprint is made of (RFC 7638).
    fn jwk(&self) -> String {
        let point = self.key.public_key_raw();
        let (x, y) = point[1..].split_at(32);
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encoded(x), encoded(y))
    }
}

pub(super) fn said(answer: &Answer) -> String {
    String::from_utf8_lossy(answer.body()).into_owned()
}

pub(super) fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|_| panic!("no JSON in {answer:?}"))
}

/// A signature of ASN.1 as JWS has it: two numbers of 32 bytes.
fn raw(signature: &[u8]) -> Vec<u8> {
    let mut rest = &signature[2..];
    let mut both = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(rest[1].into());
        let digits = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        both.extend(vec![0; 32 - digits.len()]);
        both.extend(digits);
        rest = after;
    }
    both
}

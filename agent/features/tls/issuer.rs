//! Who issues: a word, or the directory of a CA.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::resources::certificate;
use crate::secret::SecretRef;
use crate::terms::AbsolutePath;

const LETSENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
const WORDS: [&str; 3] = ["letsencrypt", "letsencrypt-staging", "self-signed"];

/// Who issues certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// Let's Encrypt.
    LetsEncrypt,
    /// Its staging: nobody trusts it, and nothing is counted.
    Staging,
    /// The key itself.
    SelfSigned,
    /// Any CA that speaks ACME.
    Other(Directory),
}

/// A CA that speaks ACME.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Directory {
    /// The address of its directory.
    pub directory: String,
    /// The file (PEM) of the certificate that its own TLS is trusted by. Default: what this host trusts.
    pub root: Option<AbsolutePath>,
    /// The directory of its twin for rehearsals after a failure. Default: none.
    pub staging: Option<String>,
    /// By what the CA knows you, if it takes only accounts that it knows from elsewhere (external account binding). Default:
    /// it need not.
    pub eab: Option<Eab>,
}

/// By what a CA knows you from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Eab {
    /// The key's ID, as the CA gives it.
    pub kid: String,
    /// The HMAC key, as the CA gives it (base64url).
    pub hmac: SecretRef,
}

impl Issuer {
    /// As a resource knows it.
    pub(super) fn resolved(&self) -> certificate::Issuer {
        let acme = |directory: &str, staging: Option<&str>| certificate::Issuer::Acme {
            directory: directory.to_owned(),
            root: None,
            staging: staging.map(str::to_owned),
            eab: None,
        };
        match self {
            Self::LetsEncrypt => acme(LETSENCRYPT, Some(STAGING)),
            Self::Staging => acme(STAGING, None),
            Self::SelfSigned => certificate::Issuer::SelfSigned,
            Self::Other(other) => certificate::Issuer::Acme {
                directory: other.directory.clone(),
                root: other.root.as_ref().map(|path| path.as_path().to_path_buf()),
                staging: other.staging.clone(),
                eab: other.eab.as_ref().map(|eab| certificate::Eab { kid: eab.kid.clone(), hmac: eab.hmac.clone() }),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Issuer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Issuer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`\"letsencrypt\"`, `\"letsencrypt-staging\"`, `\"self-signed\"` or `{ directory = \"https://…\" }`")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Issuer, E> {
                match word {
                    "letsencrypt" => Ok(Issuer::LetsEncrypt),
                    "letsencrypt-staging" => Ok(Issuer::Staging),
                    "self-signed" => Ok(Issuer::SelfSigned),
                    _ if word.contains("://") => Err(E::custom(format!(
                        "`{word}` is no word for an issuer\nhint: write `{{ directory = \"{word}\" }}`"
                    ))),
                    _ => Err(E::custom(format!(
                        "`{word}` is no word for an issuer\nhint: one of `{}`, or `{{ directory = \"https://…\" }}`",
                        WORDS.join("`, `")
                    ))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Issuer, A::Error> {
                Directory::deserialize(MapAccessDeserializer::new(map)).map(Issuer::Other)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Issuer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TlsIssuer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<Directory>();
        json_schema!({ "anyOf": [{ "type": "string", "enum": WORDS }, table] })
    }
}

//! Who keeps the zones of names that are proven by DNS: a word, or a table of one key.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::engine::Draft;
use crate::problem::KeyPath;
use crate::resources::certificate;
use crate::secret::SecretRef;
use crate::terms::Challenge;

/// Who keeps the zones of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// Route 53.
    Route53(Route53),
    /// Cloudflare.
    Cloudflare(Cloudflare),
}

/// Route 53, asked with the role of the instance: it needs `route53:ListHostedZones`, `route53:GetChange`, and in the zone
/// `route53:ListResourceRecordSets` and `route53:ChangeResourceRecordSets`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Route53 {
    /// The ID of the hosted zone. Default: the public one of this account whose name is the longest that the name ends in.
    pub zone: Option<String>,
}

/// Cloudflare.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Cloudflare {
    /// A token that may `Zone:Read` and `DNS:Edit` in the zone, and no more.
    pub token: SecretRef,
    /// The ID of the zone. Default: the one that the name is in.
    pub zone: Option<String>,
    /// Where the API is. Default: Cloudflare's own.
    pub api: Option<String>,
}

/// Exactly one of `route53` and `cloudflare`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct Table {
    /// Route 53, with the role of the instance.
    route53: Option<Route53>,
    /// Cloudflare, with a token.
    cloudflare: Option<Cloudflare>,
}

const FORMS: &str =
    "`\"route53\"`, `{ route53 = { zone = \"Z…\" } }` or `{ cloudflare = { token = { ssm = \"/…\" } } }`";

impl Keeper {
    /// As a resource knows it.
    pub(super) fn resolved(&self) -> certificate::Keeper {
        match self.clone() {
            Self::Route53(Route53 { zone }) => certificate::Keeper::Route53 { zone },
            Self::Cloudflare(Cloudflare { token, zone, api }) => certificate::Keeper::Cloudflare { token, zone, api },
        }
    }
}

/// What is wrong with how names are proven by DNS.
pub(super) fn problems(challenge: Challenge, keeper: Option<&Keeper>, name: &str, here: &KeyPath, plan: &mut Draft) {
    let at = here.key("dns");
    match (challenge, keeper) {
        (Challenge::Dns01, None) => {
            let says = format!("nobody is said who keeps the zone of the certificate `{name}`");
            plan.problem_at(here.key("challenge"), says, format!("add `dns`: {FORMS}"));
        }
        (Challenge::Http01 | Challenge::TlsAlpn01, Some(_)) => {
            plan.problem_at(at.clone(), "`dns` goes with `challenge = \"dns-01\"`", "add that, or take `dns` out");
        }
        _ => {}
    }
    if let Some(Keeper::Cloudflare(cloudflare)) = keeper {
        let at = at.key("cloudflare");
        secret_problems(&cloudflare.token, &at.key("token"), plan);
        if let Some(api) = cloudflare.api.as_ref().filter(|api| !api.starts_with("https://")) {
            plan.problem_at(at.key("api"), format!("`api` is not protected on its way: `{api}`"), "use `https://`");
        }
    }
}

/// What is wrong with a secret that somebody else gave.
pub(super) fn secret_problems(secret: &SecretRef, at: &KeyPath, plan: &mut Draft) {
    if matches!(secret, SecretRef::Generate(_)) {
        let hint = "say where the one is that was given to you: `ssm`, `secretsmanager` or `file`";
        plan.problem_at(at.key(secret.form()), "a secret that is made up here is known to nobody else", hint);
    } else if let Err(complaint) = secret.validate() {
        let (says, hint) = complaint.split_once("\nhint: ").unwrap_or((&complaint, "see the reference of secrets"));
        plan.problem_at(at.key(secret.form()), says, hint);
    }
}

impl<'de> Deserialize<'de> for Keeper {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Keeper;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(FORMS)
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Keeper, E> {
                match word {
                    "route53" => Ok(Keeper::Route53(Route53::default())),
                    "cloudflare" => {
                        let hint = "write `{ cloudflare = { token = { ssm = \"/…\" } } }`";
                        Err(E::custom(format!("Cloudflare needs its token\nhint: {hint}")))
                    }
                    _ => Err(E::custom(format!("`{word}` is no word for who keeps a zone\nhint: {FORMS}"))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Keeper, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                match (table.route53, table.cloudflare) {
                    (Some(route53), None) => Ok(Keeper::Route53(route53)),
                    (None, Some(cloudflare)) => Ok(Keeper::Cloudflare(cloudflare)),
                    (None, None) => Err(A::Error::custom(format!("it does not say who keeps the zone\nhint: {FORMS}"))),
                    (Some(_), Some(_)) => Err(A::Error::custom("it says more than one keeper\nhint: keep one of them")),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Keeper {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TlsZoneKeeper".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<Table>();
        json_schema!({ "anyOf": [{ "type": "string", "enum": ["route53"] }, table] })
    }
}

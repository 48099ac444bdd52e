//! `proxy = { … }`: requests are handed on.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::upstream::Server;
use super::words::{
    DnsName, HeaderName, HeaderValue, NextUpstream, Resolver, ServerAddress, Strategy, UpstreamName, UrlPath,
};
use crate::terms::{OneOrMany, Period};

/// What an application speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NginxProtocol")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// gRPC, without TLS. Who asks must speak HTTP/2: a site with a `certificate` does.
    Grpc,
    /// uwsgi, of Python applications.
    Uwsgi,
}

impl Protocol {
    /// What its directives begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Http => "proxy",
            Self::Grpc => "grpc",
            Self::Uwsgi => "uwsgi",
        }
    }
}

/// Hands requests on: to addresses (`to`), to a name that is looked up while nginx runs (`service`), or to a group of
/// servers (`upstream`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxProxy")]
pub struct Proxy {
    /// Addresses with ports, and unix sockets: `["127.0.0.1:3000", "unix:/run/app.sock"]`, or tables such as
    /// `{ address = "127.0.0.1:3000", weight = 2 }`. Default: none.
    #[serde(default)]
    pub to: Vec<Backend>,
    /// A DNS name that is looked up again and again while nginx runs; needs `port` and `resolver`. Default: none.
    pub service: Option<DnsName>,
    /// The port of `service`. Default: none.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The name servers to ask for `service`: an address, or a list of them. Default: none.
    pub resolver: Option<OneOrMany<Resolver>>,
    /// How long an answer of `resolver` counts, whatever its TTL says. Default: `"5s"`.
    pub resolver_valid: Option<Period>,
    /// Whether `service` is also looked up on IPv6. Default: `false`.
    #[serde(default)]
    pub resolver_ipv6: bool,
    /// The name of one of `[[nginx.upstream]]`, or an id such as `app:bingo`. Default: none.
    pub upstream: Option<UpstreamName>,
    /// What the application speaks: `"http"`, `"grpc"`, `"uwsgi"`. Default: `"http"`.
    #[serde(default)]
    pub protocol: Protocol,
    /// How requests are spread over `to`: `least_conn`, `ip_hash`, `random`, `hash KEY [consistent]`. Default: in turns.
    pub strategy: Option<Strategy>,
    /// How many idle connections to `to` each worker keeps open; 0 for none. Default: 16.
    pub keepalive: Option<u32>,
    /// What the path of the location is replaced with before the request is handed on, such as `/`. Default: it is kept.
    pub path: Option<UrlPath>,
    /// Whether connections may become websockets. Default: `true`.
    #[serde(default = "yes")]
    pub websockets: bool,
    /// Headers that the application gets beside the usual ones (`Host`, `X-Real-IP`, `X-Forwarded-For`, `-Proto`, `-Host`,
    /// `X-Request-Id`); one of the same name takes its place, an empty one takes it out. Default: none.
    #[serde(default)]
    pub set_header: BTreeMap<HeaderName, HeaderValue>,
    /// How long it may take to connect. Default: `"5s"`.
    pub connect_timeout: Option<Period>,
    /// How long the application may be silent; a websocket too. Default: nginx's own, 60 s.
    pub read_timeout: Option<Period>,
    /// How long the application may take nothing. Default: nginx's own, 60 s.
    pub send_timeout: Option<Period>,
    /// When a request goes on to the next server of several, such as `["error", "timeout", "http_503"]`. Default: nginx's
    /// own, `["error", "timeout"]`.
    #[serde(default)]
    pub next_upstream: Vec<NextUpstream>,
    /// How many of several servers are tried for a request; 0 for all. Default: 2.
    pub next_upstream_tries: Option<u32>,
    /// Whether answers are collected before they are sent on. Default: nginx's own, `true`; `false` for event streams.
    pub buffering: Option<bool>,
    /// Whether requests are collected before they are handed on. Default: nginx's own, `true`; `false` for large uploads.
    pub request_buffering: Option<bool>,
}

fn yes() -> bool {
    true
}

impl Proxy {
    /// To a group of servers, with every default.
    pub(super) fn to_upstream(name: &UpstreamName) -> Self {
        Self {
            to: Vec::new(),
            service: None,
            port: None,
            resolver: None,
            resolver_valid: None,
            resolver_ipv6: false,
            upstream: Some(name.clone()),
            protocol: Protocol::Http,
            strategy: None,
            keepalive: None,
            path: None,
            websockets: true,
            set_header: BTreeMap::new(),
            connect_timeout: None,
            read_timeout: None,
            send_timeout: None,
            next_upstream: Vec::new(),
            next_upstream_tries: None,
            buffering: None,
            request_buffering: None,
        }
    }

    /// The directives of the headers that the application gets, in order.
    pub(super) fn headers(&self) -> Vec<String> {
        let usual: [(&str, &str); 6] = [
            ("Host", "$host"),
            ("X-Real-IP", "$remote_addr"),
            ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
            ("X-Forwarded-Proto", "$scheme"),
            ("X-Forwarded-Host", "$host"),
            ("X-Request-Id", "$request_id"),
        ];
        // An empty `Connection` keeps the connection to the application open; nginx would close it.
        let connection: &[(&str, &str)] = if self.protocol != Protocol::Http {
            &[]
        } else if self.websockets {
            &[("Upgrade", "$http_upgrade"), ("Connection", "$hostagent_connection")]
        } else {
            &[("Connection", "\"\"")]
        };
        let kept = usual.iter().chain(connection).filter(|(name, _)| !self.set_header.keys().any(|own| own.is(name)));
        let own = self.set_header.iter().map(|(name, value)| (name.as_str(), value.word()));
        kept.map(|(name, value)| (*name, (*value).to_owned()))
            .chain(own)
            .map(|(name, value)| self.header(name, &value))
            .collect()
    }

    /// The directive of one header.
    fn header(&self, name: &str, value: &str) -> String {
        match self.protocol {
            Protocol::Http | Protocol::Grpc => format!("{}_set_header {name} {value}", self.protocol.prefix()),
            // A parameter of this form takes the place of the header that came.
            Protocol::Uwsgi => format!("uwsgi_param HTTP_{} {value}", name.to_ascii_uppercase().replace('-', "_")),
        }
    }
}

/// A server that requests go to: an address, or a table with more about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend(pub Server);

impl<'de> Deserialize<'de> for Backend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Backend;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a table with `address`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Backend, E> {
                ServerAddress::try_from(text.to_owned()).map(|address| Backend(Server::at(address))).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Backend, A::Error> {
                Server::deserialize(MapAccessDeserializer::new(map)).map(Backend)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Backend {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NginxBackend".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (address, table) = (generator.subschema_for::<ServerAddress>(), generator.subschema_for::<Server>());
        json_schema!({ "anyOf": [address, table], "description": "A server: an address, or a table with more about it." })
    }
}

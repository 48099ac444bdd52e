//! Who may come in: `pg_hba.conf` and `pg_ident.conf`, owned whole.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::Draft;
use crate::problem::KeyPath;
use crate::terms::OneOrMany;

const HBA: crate::template::Template = crate::template!("postgres/pg_hba.conf.tera");
const IDENT: crate::template::Template = crate::template!("postgres/pg_ident.conf.tera");

/// A line of `pg_hba.conf`: the first that fits a connection decides.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PostgresHba")]
pub struct Hba {
    /// How it comes: `local` (the unix socket), `host`, or `host` with or without TLS or GSSAPI.
    #[serde(rename = "type")]
    pub kind: HbaType,
    /// Which databases, one or a list: names, `all`, `sameuser`, `samerole`, `replication`. Default: `all`.
    #[serde(default = "all")]
    pub database: OneOrMany<String>,
    /// Which roles, one or a list: names, `all`, `+group` for the members of a role. Default: `all`.
    #[serde(default = "all")]
    pub user: OneOrMany<String>,
    /// From where, for all but `local`: `"10.0.0.0/16"`, a host name, `".example.org"`, `all`, `samehost` or `samenet`.
    #[serde(default)]
    pub address: Option<String>,
    /// The netmask, where `address` has no `/16` behind it. Default: none.
    #[serde(default)]
    pub mask: Option<IpAddr>,
    /// What it must show. A stored SCRAM verifier also does for `md5`.
    pub method: HbaMethod,
    /// Options of the method, such as `{ map = "admins" }`. Default: none.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// How a connection comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "PostgresHbaType")]
pub enum HbaType {
    /// The unix socket.
    Local,
    /// TCP.
    Host,
    /// TCP with TLS.
    HostSsl,
    /// TCP without TLS.
    HostNoSsl,
    /// TCP with GSSAPI encryption.
    HostGssEnc,
    /// TCP without GSSAPI encryption.
    HostNoGssEnc,
}

/// What a connection must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "PostgresHbaMethod")]
pub enum HbaMethod {
    /// Nothing: whoever can connect may.
    #[serde(rename = "trust")]
    Trust,
    /// It may not.
    #[serde(rename = "reject")]
    Reject,
    /// The password, by SCRAM.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// The password, by MD5 or SCRAM, as it is stored.
    #[serde(rename = "md5")]
    Md5,
    /// The password, in the clear.
    #[serde(rename = "password")]
    Password,
    /// A Kerberos ticket.
    #[serde(rename = "gss")]
    Gss,
    /// What an ident server says.
    #[serde(rename = "ident")]
    Ident,
    /// The account it comes from; only `local`.
    #[serde(rename = "peer")]
    Peer,
    /// What PAM says.
    #[serde(rename = "pam")]
    Pam,
    /// What an LDAP server says.
    #[serde(rename = "ldap")]
    Ldap,
    /// What a RADIUS server says.
    #[serde(rename = "radius")]
    Radius,
    /// A client certificate; only `hostssl`.
    #[serde(rename = "cert")]
    Cert,
    /// A bearer token (PostgreSQL 18).
    #[serde(rename = "oauth")]
    Oauth,
}

/// A line of `pg_ident.conf`: which account may be which role, for `peer`, `ident`, `cert` and `gss` with `map = …`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PostgresIdent")]
pub struct Ident {
    /// The name that a line of `pg_hba.conf` has as `options = { map = "…" }`.
    pub map: String,
    /// The account, or `/` and a regular expression.
    pub system_user: String,
    /// The role it may be; `\1` is what the expression found.
    pub database_user: String,
}

#[derive(Serialize)]
struct Page {
    lines: Vec<String>,
}

fn all() -> OneOrMany<String> {
    OneOrMany::one("all".to_owned())
}

fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The text of `pg_hba.conf`: administration first, then these lines, or those that Debian has.
pub(super) fn render(lines: &[Hba]) -> Result<String, String> {
    let mut rows = vec![
        ["# TYPE", "DATABASE", "USER", "ADDRESS", "METHOD"].map(str::to_owned),
        row("local", "postgres", "", "peer"),
    ];
    if lines.is_empty() {
        rows.push(row("local", "all", "", "peer"));
        rows.push(row("host", "all", "127.0.0.1/32", "scram-sha-256"));
        rows.push(row("host", "all", "::1/128", "scram-sha-256"));
    }
    rows.extend(lines.iter().map(Hba::row));
    HBA.render(&Page { lines: aligned(&rows) })
}

/// The text of `pg_ident.conf`.
pub(super) fn render_ident(lines: &[Ident]) -> Result<String, String> {
    let mut rows = vec![["# MAP", "SYSTEM-USER", "DATABASE-USER"].map(str::to_owned)];
    rows.extend(
        lines.iter().map(|line| [&line.map, &line.system_user, &line.database_user].map(|text| quoted(text, false))),
    );
    IDENT.render(&Page { lines: aligned(&rows) })
}

fn row(kind: &str, user: &str, address: &str, method: &str) -> [String; 5] {
    [kind, "all", user, address, method].map(str::to_owned)
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A word of these files. What would end it, or mean something else, is put between quotes; `marked` words may begin
/// with `+`, `@` or `/`, which mean something that is wanted.
fn quoted(text: &str, marked: bool) -> String {
    let plain = |c: char| !c.is_whitespace() && !"\",#".contains(c);
    let safe = !text.is_empty() && text.chars().all(plain) && (marked || !text.starts_with('@'));
    if safe { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

impl Hba {
    fn row(&self) -> [String; 5] {
        let list =
            |names: &OneOrMany<String>| names.iter().map(|name| quoted(name, true)).collect::<Vec<_>>().join(",");
        let address = match (&self.address, self.mask) {
            (Some(address), Some(mask)) => format!("{address} {mask}"),
            (Some(address), None) => address.clone(),
            (None, _) => String::new(),
        };
        let options = self.options.iter().map(|(name, value)| format!(" {name}={}", quoted(value, true)));
        let method = word(self.method) + &options.collect::<String>();
        [word(self.kind), list(&self.database), list(&self.user), address, method]
    }

    /// Says what is wrong with it and can be known without a server.
    pub(super) fn validate(&self, here: &KeyPath, plan: &mut Draft) {
        for (key, names) in [("database", &self.database), ("user", &self.user)] {
            if names.is_empty() {
                plan.problem_at(here.key(key), "an empty list fits no connection", "name one, or `\"all\"`");
            }
            for name in names {
                if name.contains(',') {
                    let list =
                        name.split(',').map(|name| format!("\"{}\"", name.trim())).collect::<Vec<_>>().join(", ");
                    plan.problem_at(
                        here.key(key),
                        format!("`{name}` is one name with a comma in it"),
                        format!("write a list: `[{list}]`"),
                    );
                } else if name.is_empty() || !is_one_line(name) {
                    plan.problem_at(
                        here.key(key),
                        "this is not a name",
                        "write it on one line, without `\\` at its end",
                    );
                }
            }
        }
        for (name, value) in &self.options {
            if !is_one_line(value) || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                plan.problem_with_key(
                    here.key("options").key(name),
                    format!("`{name}` is not an option on one line"),
                    "see the manual of the method",
                );
            }
        }
        self.validate_address(here, plan);
        let kind = word(self.kind);
        if self.method == HbaMethod::Peer && self.kind != HbaType::Local {
            plan.problem_at(
                here.key("method"),
                format!("`peer` does not go with `{kind}`"),
                "the account is known over `local` only; write `scram-sha-256`",
            );
        }
        if self.method == HbaMethod::Cert && self.kind != HbaType::HostSsl {
            plan.problem_at(
                here.key("method"),
                format!("`cert` does not go with `{kind}`"),
                "only `hostssl` has certificates",
            );
        }
    }

    fn validate_address(&self, here: &KeyPath, plan: &mut Draft) {
        let place = here.key("address");
        match (&self.address, self.kind) {
            (Some(_), HbaType::Local) => {
                plan.problem_at(place, "a `local` line has no address", "take it out, or make it `type = \"host\"`");
            }
            (None, HbaType::Local) => {}
            (None, kind) => {
                let says = format!("a `{}` line needs an address", word(kind));
                plan.problem_at(here.clone(), says, "add `address = \"10.0.0.0/16\"`, or `address = \"all\"`");
            }
            (Some(address), _) => {
                if let Some((says, hint)) = complaint(address, self.mask) {
                    plan.problem_at(place, says, hint);
                }
            }
        }
    }
}

/// What is wrong with an address, and what to do about it.
fn complaint(address: &str, mask: Option<IpAddr>) -> Option<(String, String)> {
    let (host, prefix) = address.split_once('/').map_or((address, None), |(host, prefix)| (host, Some(prefix)));
    let known = host.parse::<IpAddr>().ok();
    let longest = if known.is_some_and(|ip| ip.is_ipv6()) { 128 } else { 32 };
    match (known, prefix, mask) {
        (Some(_), Some(prefix), None) if prefix.parse::<u8>().is_ok_and(|bits| bits <= longest) => None,
        (Some(_), Some(prefix), None) => {
            Some((format!("`/{prefix}` is not a prefix length of `{host}`"), format!("a number from 0 to {longest}")))
        }
        (Some(_), Some(_), Some(_)) => {
            Some((format!("`{address}` has a prefix length and a mask"), "say it once: take `mask` out".into()))
        }
        (Some(ip), None, Some(mask)) if ip.is_ipv4() == mask.is_ipv4() => None,
        (Some(_), None, Some(mask)) => Some((
            format!("`{mask}` is no mask for `{host}`"),
            format!("write `{host}/{longest}` for this one address"),
        )),
        (Some(_), None, None) => Some((
            format!("`{host}` does not say how many addresses"),
            format!("write `{host}/{longest}` for this one"),
        )),
        (None, None, None) if is_name(host) => None,
        (None, None, Some(_)) if is_name(host) => {
            Some((format!("`{host}` is a name, and has no mask"), "take `mask` out".into()))
        }
        _ => Some((
            format!("`{address}` is neither an address range nor a host name"),
            "such as `10.0.0.0/16`, `db.example.org`, `all`, `samehost`".into(),
        )),
    }
}

/// Whether it stays a part of its line: one that ends in a backslash goes on in the next since PostgreSQL 14.
fn is_one_line(text: &str) -> bool {
    !text.contains(['\n', '\r', '\0']) && !text.ends_with('\\')
}

/// A host name, `.suffix` or key word; what has only digits and dots was meant as an address.
fn is_name(text: &str) -> bool {
    let characters = text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    characters && !text.is_empty() && !text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

impl Ident {
    /// Says what is wrong with it.
    pub(super) fn validate(&self, here: &KeyPath, plan: &mut Draft) {
        for (key, text) in
            [("map", &self.map), ("system_user", &self.system_user), ("database_user", &self.database_user)]
        {
            if text.is_empty() || !is_one_line(text) {
                plan.problem_at(
                    here.key(key),
                    "this is not a name on one line",
                    "write a name, without `\\` at its end",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_range_a_name_or_a_problem_with_a_hint() {
        for (address, mask, hint) in [
            ("10.0.0.0/16", None, None),
            ("::1/128", None, None),
            ("db.example.org", None, None),
            (".example.org", None, None),
            ("samehost", None, None),
            ("10.0.0.0", Some("255.255.0.0"), None),
            ("10.0.0.1", None, Some("write `10.0.0.1/32` for this one")),
            ("fe80::1", None, Some("write `fe80::1/128` for this one")),
            ("10.0.0.0/33", None, Some("a number from 0 to 32")),
            ("10.0.0/16", None, Some("such as `10.0.0.0/16`, `db.example.org`, `all`, `samehost`")),
            ("10.0.0", None, Some("such as `10.0.0.0/16`, `db.example.org`, `all`, `samehost`")),
            ("10.0.0.0/16", Some("255.255.0.0"), Some("say it once: take `mask` out")),
            ("all of them", None, Some("such as `10.0.0.0/16`, `db.example.org`, `all`, `samehost`")),
        ] {
            let said = complaint(address, mask.map(|mask| mask.parse().unwrap()));
            assert_eq!(said.map(|(_, hint)| hint).as_deref(), hint, "{address}");
        }
    }

    #[test]
    fn a_word_that_would_end_early_is_quoted() {
        for (text, marked, expected) in [
            ("booking", true, "booking"),
            ("my db", true, "\"my db\""),
            ("say \"x\"", true, "\"say \"\"x\"\"\""),
            ("a#b", true, "\"a#b\""),
            ("+ops", true, "+ops"),
            ("@file", false, "\"@file\""),
            ("", true, "\"\""),
        ] {
            assert_eq!(quoted(text, marked), expected);
        }
    }
}

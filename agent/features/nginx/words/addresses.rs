//! Addresses: where a site listens, where requests go, who may ask.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_plain;
use super::names::is_dns;
use crate::terms::TextOrNumber;

/// Where a site listens: a port (on IPv4, and IPv6 if that is on), an address with a port, or a unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "TextOrNumber")]
pub enum Listen {
    /// A port of every address.
    Port(u16),
    /// A port of one address.
    At(SocketAddr),
    /// A socket of the file system.
    Unix(String),
}

/// A socket in the words of a `listen` directive; the same socket has the same words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Socket(String);

impl Socket {
    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its port, if it has one.
    pub fn port(&self) -> Option<u16> {
        self.0.rsplit(':').next()?.parse().ok()
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Listen {
    /// The sockets it stands for.
    pub fn sockets(&self, ipv6: bool) -> Vec<Socket> {
        let any6 = |port: u16| Socket(format!("[::]:{port}"));
        match self {
            Self::Port(port) if ipv6 => vec![Socket(port.to_string()), any6(*port)],
            Self::Port(port) => vec![Socket(port.to_string())],
            Self::At(at) if at.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![Socket(at.port().to_string())],
            Self::At(at) if at.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => vec![any6(at.port())],
            Self::At(at) => vec![Socket(at.to_string())],
            Self::Unix(path) => vec![Socket(format!("unix:{path}"))],
        }
    }
}

impl TryFrom<TextOrNumber> for Listen {
    type Error = String;

    fn try_from(TextOrNumber(text): TextOrNumber) -> Result<Self, String> {
        let any = text.strip_prefix("*:").unwrap_or(&text);
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        match (any.parse::<u16>(), text.parse::<SocketAddr>()) {
            (Ok(port @ 1..), _) => Ok(Self::Port(port)),
            (_, Ok(at)) if at.port() > 0 => Ok(Self::At(at)),
            _ => Err(format!(
                "nginx cannot listen on `{text}`\nhint: a port such as 80, an address such as `\"127.0.0.1:8080\"` or `\"[::1]:8080\"`, or `\"unix:/run/site.sock\"`"
            )),
        }
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|number| number > 0)
}

fn socket_path(path: &str) -> Result<String, String> {
    if path.starts_with('/') && is_plain(path) && !path.contains([':', '$', '*']) && path.len() <= 107 {
        return Ok(path.to_owned());
    }
    Err(format!(
        "`unix:{path}` is not a unix socket\nhint: `unix:` and an absolute path of plain characters, such as `unix:/run/app.sock`"
    ))
}

/// A server of a group: an address with a port (`localhost` is 127.0.0.1), a unix socket, or a name with a port, which
/// nginx looks up once, when it loads its configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("examples" = ["127.0.0.1:3000", "unix:/run/app.sock"]))]
pub struct ServerAddress(String);

impl ServerAddress {
    /// The address in nginx's words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in it that only the DNS knows.
    pub fn dns_name(&self) -> Option<&str> {
        let (host, _port) = self.0.rsplit_once(':')?;
        let known = self.0.starts_with("unix:") || self.0.parse::<SocketAddr>().is_ok();
        (!known).then_some(host)
    }

    /// Its port, if it has one.
    pub fn port(&self) -> Option<&str> {
        self.0.rsplit_once(':').map(|(_, port)| port)
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(|it| Self(format!("unix:{it}")));
        }
        if text.parse::<SocketAddr>().is_ok_and(|at| at.port() > 0) {
            return Ok(Self(text));
        }
        // Not every host has `localhost` in /etc/hosts, and where it has two addresses each request may be tried twice.
        if let Some(port) = text.strip_prefix("localhost:").filter(|port| is_port(port)) {
            return Ok(Self(format!("127.0.0.1:{port}")));
        }
        let named = text.rsplit_once(':').filter(|(host, port)| is_dns(host) && is_port(port));
        if named.is_some() {
            return Ok(Self(text));
        }
        let hint = match &text {
            url if url.contains("://") => "only the address, without `http://` and path",
            bare if bare.parse::<IpAddr>().is_ok() || is_dns(bare) => "add the port, such as `127.0.0.1:3000`",
            _ => "such as `127.0.0.1:3000`, `[::1]:3000` or `unix:/run/app.sock`",
        };
        Err(format!("`{text}` is not an address to send requests to\nhint: {hint}"))
    }
}

/// Who asks: an address, a network such as `10.0.0.0/16`, `all`, or `unix:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Network(String);

impl Network {
    /// Everybody.
    pub fn all() -> Self {
        Self("all".to_owned())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (address, length) =
            text.split_once('/').map_or((text.as_str(), None), |(address, bits)| (address, Some(bits)));
        let fits = match address.parse::<IpAddr>() {
            Ok(ip) => {
                let most = if ip.is_ipv4() { 32 } else { 128 };
                length.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|number| number <= most))
            }
            Err(_) => matches!(text.as_str(), "all" | "unix:"),
        };
        if fits {
            return Ok(Self(text));
        }
        Err(format!(
            "`{text}` is neither an address nor a network\nhint: such as `10.0.0.0/16`, `2001:db8::/32`, `192.0.2.7` or `all`"
        ))
    }
}

/// The address of a name server, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("examples" = ["10.0.0.2", "127.0.0.1:5353"]))]
pub struct Resolver(String);

impl Resolver {
    /// The address in nginx's words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Resolver {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Ok(at) = text.parse::<SocketAddr>() {
            return Ok(Self(at.to_string()));
        }
        match text.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => return Ok(Self(ip.to_string())),
            Ok(IpAddr::V6(ip)) => return Ok(Self(format!("[{ip}]"))),
            Err(_) => {}
        }
        let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let hint = if words.len() > 1 && words.iter().all(|word| Self::try_from((*word).to_owned()).is_ok()) {
            format!("write a list: `[\"{}\"]`", words.join("\", \""))
        } else {
            "such as `10.0.0.2` (a VPC's is its network's third address, or `169.254.169.253`)".to_owned()
        };
        Err(format!("`{}` is not the address of a name server\nhint: {hint}", text.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<Listen, String> {
        Listen::try_from(TextOrNumber(text.to_owned()))
    }

    #[test]
    fn one_socket_has_one_spelling() {
        let words =
            |text: &str, ipv6| listen(text).unwrap().sockets(ipv6).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(words("80", true), ["80", "[::]:80"]);
        for same in ["80", "*:80", "0.0.0.0:80"] {
            assert_eq!(words(same, false), ["80"], "{same}");
        }
        assert_eq!(words("[::]:80", false), ["[::]:80"]);
        assert_eq!(words("127.0.0.1:8080", true), ["127.0.0.1:8080"]);
        assert_eq!(words("unix:/run/x.sock", true), ["unix:/run/x.sock"]);
        for wrong in ["", "0", "70000", "localhost:80", "80 default_server", "127.0.0.1", "unix:x", "unix:/a b", "80;"]
        {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        let server = |text: &str| ServerAddress::try_from(text.to_owned());
        for fine in ["127.0.0.1:3000", "[::1]:3000", "localhost:3000", "unix:/run/app.sock"] {
            assert_eq!(server(fine).unwrap().dns_name(), None, "{fine}");
        }
        assert_eq!(server("localhost:3000").unwrap().as_str(), "127.0.0.1:3000");
        assert_eq!(server("app.internal:3000").unwrap().dns_name(), Some("app.internal"));
        for wrong in [
            "",
            "127.0.0.1",
            "app.internal",
            "http://a:80",
            "a:0",
            "a:80;",
            "a b:80",
            "unix:/a;b",
            "unix:/a:b",
            "::1:80:x",
        ] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
        assert!(server("app").unwrap_err().ends_with("add the port, such as `127.0.0.1:3000`"));
    }

    #[test]
    fn networks_and_name_servers_are_addresses() {
        let network = |text: &str| Network::try_from(text.to_owned());
        for fine in ["10.0.0.0/8", "::1", "2001:db8::/32", "all", "unix:"] {
            assert!(network(fine).is_ok(), "{fine}");
        }
        for wrong in ["10.0.0.0/33", "any", "10.0.0.0/", "all;", "example.org"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
        let resolver = |text: &str| Resolver::try_from(text.to_owned());
        assert_eq!(resolver("fd00::2").unwrap().as_str(), "[fd00::2]");
        assert_eq!(resolver("127.0.0.1:5353").unwrap().as_str(), "127.0.0.1:5353");
        for wrong in ["", "dns.google", "10.0.0.2 valid=5s"] {
            assert!(resolver(wrong).is_err(), "{wrong}");
        }
        let two = resolver("10.0.0.2 fd00::2").unwrap_err();
        assert!(two.ends_with("write a list: `[\"10.0.0.2\", \"fd00::2\"]`"), "{two}");
    }
}

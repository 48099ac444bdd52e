//! Where the metadata service is: two addresses that are known, and never a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where the service is asked. A test may name another place, by `AWS_EC2_METADATA_SERVICE_ENDPOINT`; it must be an
/// address of this host or link.
pub const SETTING: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

const V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The addresses of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// Tried first.
    pub first: SocketAddr,
    /// Tried when the first one is slow, if there is one.
    pub second: Option<SocketAddr>,
}

impl Endpoints {
    /// EC2's own, by IPv4 and by IPv6.
    pub fn usual() -> Self {
        Self { first: (V4, 80).into(), second: Some((V6, 80).into()) }
    }

    /// As a request names it.
    pub(super) fn host(&self) -> String {
        match self.first.ip() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        }
    }

    /// What the setting names, or the usual ones.
    pub fn here() -> Self {
        match std::env::var(SETTING).ok().filter(|text| !text.is_empty()).map(|text| Self::named(&text)) {
            None => Self::usual(),
            Some(Ok(named)) => named,
            Some(Err(why)) => {
                tracing::warn!("{SETTING} is not honoured: {why}");
                Self::usual()
            }
        }
    }

    /// `http://ADDRESS[:PORT][/]`, if the address is of this host or link.
    ///
    /// # Errors
    /// Why it is not honoured. A name could be anybody's (CVE-2012-6639), and so could another address.
    pub fn named(url: &str) -> Result<Self, String> {
        let place = url.strip_prefix("http://").ok_or("it does not begin with `http://`")?.trim_end_matches('/');
        let address: SocketAddr = match (place.parse::<SocketAddr>(), place.parse::<Ipv4Addr>()) {
            (Ok(with_port), _) => with_port,
            (_, Ok(v4)) => (v4, 80).into(),
            _ => {
                let v6 = place.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                let v6 = v6.and_then(|text| text.parse::<Ipv6Addr>().ok());
                (v6.ok_or_else(|| format!("`{place}` is no address"))?, 80).into()
            }
        };
        let is_near = match address.ip() {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6 == V6,
        };
        if is_near {
            Ok(Self { first: address, second: None })
        } else {
            Err(format!("`{}` is neither an address of this link nor of this host itself", address.ip()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_host_or_link_is_honoured() {
        for (url, expected) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://169.254.169.254/", "169.254.169.254:80"),
            ("http://[fd00:ec2::254]", "[fd00:ec2::254]:80"),
            ("http://[::1]:81/", "[::1]:81"),
        ] {
            let named = Endpoints::named(url).unwrap();
            assert_eq!((named.first.to_string().as_str(), named.second), (expected, None));
        }
        for url in [
            "http://localhost:80",
            "http://instance-data/",
            "https://127.0.0.1",
            "http://10.0.0.1",
            "http://[fd00::1]",
            "http://169.254.169.254@example.org",
            "http://127.0.0.1/latest",
            "127.0.0.1",
        ] {
            assert!(Endpoints::named(url).is_err(), "{url}");
        }
    }
}

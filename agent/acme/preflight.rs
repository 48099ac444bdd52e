//! A look at a name before a CA is asked for it: a failure that we find costs nothing, one that the CA finds counts.
//!
//! | what is found | what is made of it |
//! |---|---|
//! | no address | refused |
//! | port 80 gives `token.thumbprint` for a random token, at every address that answers | go on: whatever lies between, it leads here |
//! | it gives anything else at one of them, or nobody listens there | refused, and where it leads is said |
//! | the same, or nothing, at an address of this host: it may not reach itself by its own public one | as port 80 of 127.0.0.1 says |
//! | nothing comes, or the way there is closed | go on: the CA may come another way |
//! | CAA records name other CAs (RFC 8659), and the CA says who it is | refused |
//! | the name servers do not say | go on |
//!
//! So only what is certain stops an order. `/etc/hosts` is not asked: the CA does not read it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use super::authority::Way;
use super::caa;
use super::http::reasons;
use super::refusal::{Kind, Refusal};
use crate::host::Look;
use crate::host::dns::Question;

/// Where a CA asks (RFC 8555, 8.3).
const PORT: u16 = 80;
/// How long port 80 may take.
const CONNECT: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(8);
/// After a reload an old worker may still answer: what is wrong is looked at again.
const TRIES: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(700);
/// So many names are looked at together.
const TOGETHER: usize = 8;
/// So many addresses of one.
const MOST_ADDRESSES: usize = 16;
/// No challenge is longer.
const LONGEST: usize = 1024;

/// What is known before the look.
#[derive(Debug)]
pub struct Before<'a> {
    /// The thumbprint of the account key.
    pub thumbprint: &'a str,
    /// The names by which CAA records allow the CA; none if it does not say.
    pub identities: &'a [String],
    /// How names are proven.
    pub way: Way,
    /// Who this host is.
    pub own: Own,
}

/// The addresses of this host.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// By which the world knows it, where somebody translates.
    pub public: Option<IpAddr>,
    /// Those that it has itself.
    pub addresses: Vec<IpAddr>,
}

impl Own {
    fn has(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.public == Some(address) || self.addresses.contains(&address)
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.public.map_or_else(|| self.addresses.clone(), |public| vec![public]);
        let own: Vec<String> = own.iter().map(IpAddr::to_string).collect();
        f.write_str(&own.join(", "))
    }
}

/// What port 80 said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    /// What it should.
    Right,
    /// Something else.
    Wrong(String),
    /// Nobody listens.
    Nobody,
    /// It could not be asked.
    Nothing(String),
}

/// What is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Fine,
    Refused(String),
    /// This host has to be asked from inside.
    FromInside(IpAddr),
    Unknown(String),
}

/// Looks at names; the refusals of those that a CA would not prove.
pub(crate) async fn refused(host: &Look, names: &[String], before: &Before<'_>) -> Vec<Refusal> {
    let looks = stream::iter(names).map(|name| async move {
        let found = match by_caa(host, name, before).await {
            None if before.way == Way::Http01 => by_port_80(host, name, before).await,
            found => found,
        };
        found.map(|says| Refusal::new(Kind::Unready, says).about(vec![name.clone()]))
    });
    looks.buffered(TOGETHER).filter_map(std::future::ready).collect().await
}

/// Why CAA records forbid it.
async fn by_caa(host: &Look, name: &str, before: &Before<'_>) -> Option<String> {
    if before.identities.is_empty() || name.parse::<IpAddr>().is_ok() {
        return None;
    }
    for place in caa::places(name) {
        match host.dns(place, Question::Issuers).await {
            Ok(answer) if answer.rules.is_empty() => {}
            Ok(answer) => {
                let why = caa::forbids(&answer.rules, name.starts_with("*."), before.identities)?;
                let ca = before.identities.join("`, `");
                return Some(format!("the CAA records of `{place}` forbid it: {why}, and this CA is `{ca}`"));
            }
            Err(error) => {
                tracing::debug!(%error, name, "CAA records could not be looked at");
                return None;
            }
        }
    }
    None
}

async fn by_port_80(host: &Look, name: &str, before: &Before<'_>) -> Option<String> {
    let addresses = match addresses(host, name).await {
        Ok(addresses) if addresses.is_empty() => return Some(format!("`{name}` has no address")),
        Ok(addresses) => addresses,
        Err(says) => {
            tracing::debug!(says, name, "the addresses could not be looked at");
            return None;
        }
    };
    let token = token();
    let wanted = format!("{token}.{}", before.thumbprint);
    let mut heard = Vec::new();
    for address in addresses.into_iter().take(MOST_ADDRESSES) {
        heard.push((address, patiently(name, address, PORT, &token, &wanted).await));
    }
    let mut verdict = verdict(name, &heard, &before.own);
    if let Verdict::FromInside(address) = verdict {
        let inside = patiently(name, Ipv4Addr::LOCALHOST.into(), PORT, &token, &wanted).await;
        verdict = from_inside(name, address, &inside);
    }
    match verdict {
        Verdict::Refused(says) => Some(says),
        Verdict::Unknown(says) => {
            tracing::debug!(says, name, "port 80 could not be looked at");
            None
        }
        Verdict::Fine | Verdict::FromInside(_) => None,
    }
}

async fn addresses(host: &Look, name: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let (four, six) = (host.dns(name, Question::V4).await, host.dns(name, Question::V6).await);
    let mut all = Vec::new();
    let mut last = None;
    for answer in [four, six] {
        match answer {
            Ok(answer) => all.extend(answer.addresses),
            Err(error) => last = Some(error.to_string()),
        }
    }
    // That there is none is certain only if both were answered.
    match last {
        Some(says) if all.is_empty() => Err(says),
        _ => Ok(all),
    }
}

fn token() -> String {
    format!("hostagent-{:032x}", rand::random::<u128>())
}

async fn patiently(name: &str, address: IpAddr, port: u16, token: &str, wanted: &str) -> Heard {
    let mut heard = ask(name, address, port, token, wanted).await;
    for _ in 1..TRIES {
        if !matches!(heard, Heard::Wrong(_) | Heard::Nobody) {
            break;
        }
        sleep(LOOK_AGAIN).await;
        heard = ask(name, address, port, token, wanted).await;
    }
    heard
}

/// Asks as a CA does: it follows redirects, and does not look whose certificate is where they lead to.
async fn ask(name: &str, address: IpAddr, port: u16, token: &str, wanted: &str) -> Heard {
    let built = reqwest::Client::builder()
        .no_proxy()
        .resolve(name, SocketAddr::new(address, 0))
        .redirect(reqwest::redirect::Policy::limited(10))
        .tls_danger_accept_invalid_certs(true)
        .connect_timeout(CONNECT)
        .timeout(PATIENCE)
        .user_agent(concat!("hostagent/", env!("CARGO_PKG_VERSION"), " (looks before a CA does)"))
        .build();
    let client = match built {
        Ok(client) => client,
        Err(error) => return Heard::Nothing(reasons(&error)),
    };
    // An address is asked for by itself, also where another is asked.
    let is_name = name.parse::<IpAddr>().is_err();
    let place = if is_name { name.to_owned() } else { SocketAddr::new(address, 0).ip().to_string() };
    let place = if place.contains(':') { format!("[{place}]") } else { place };
    let request = client.get(format!("http://{place}:{port}/.well-known/acme-challenge/{token}"));
    let request = if is_name { request } else { request.header("host", name) };
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if is_refused(&error) => return Heard::Nobody,
        Err(error) if error.is_redirect() => return Heard::Wrong("redirects without end".to_owned()),
        Err(error) => return Heard::Nothing(reasons(&error)),
    };
    let (status, moved) = (answer.status(), answer.url().host_str() != Some(place.as_str()));
    let mut body = Vec::new();
    while body.len() < LONGEST {
        match answer.chunk().await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => return Heard::Nothing(reasons(&error)),
        }
    }
    // Spaces at the end do not count (RFC 8555, 8.3).
    if status.is_success() && body.trim_ascii_end() == wanted.as_bytes() {
        return Heard::Right;
    }
    let whence =
        if moved { format!(" (from `{}`)", answer.url().host_str().unwrap_or_default()) } else { String::new() };
    Heard::Wrong(format!("answers {status}{whence}"))
}

fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let system = error.downcast_ref::<std::io::Error>();
        if system.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn verdict(name: &str, heard: &[(IpAddr, Heard)], own: &Own) -> Verdict {
    let is = match own.to_string() {
        own if own.is_empty() => String::new(),
        own => format!("; this host is {own}"),
    };
    for (address, heard) in heard.iter().filter(|(address, _)| !own.has(*address)) {
        match heard {
            Heard::Wrong(says) => {
                let says =
                    format!("`{name}` leads to {address}, where port 80 {says} and not what this host would{is}");
                return Verdict::Refused(says);
            }
            Heard::Nobody => {
                return Verdict::Refused(format!("`{name}` leads to {address}, where nobody listens at port 80{is}"));
            }
            Heard::Right | Heard::Nothing(_) => {}
        }
    }
    if let Some((address, _)) = heard.iter().find(|(address, heard)| own.has(*address) && *heard != Heard::Right) {
        return Verdict::FromInside(*address);
    }
    let nothing = heard.iter().find_map(|(_, heard)| match heard {
        Heard::Nothing(says) => Some(says.clone()),
        _ => None,
    });
    let is_right = heard.iter().any(|(_, heard)| *heard == Heard::Right);
    nothing.filter(|_| !is_right).map_or(Verdict::Fine, Verdict::Unknown)
}

fn from_inside(name: &str, address: IpAddr, heard: &Heard) -> Verdict {
    match heard {
        Heard::Right => Verdict::Fine,
        Heard::Wrong(says) => Verdict::Refused(format!(
            "`{name}` leads to {address}, which is this host, and port 80 {says} and not the challenge"
        )),
        Heard::Nobody => {
            Verdict::Refused(format!("`{name}` leads to {address}, which is this host, and nobody listens at port 80"))
        }
        Heard::Nothing(says) => Verdict::Unknown(says.clone()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const HERE: &str = "198.51.100.4";
    const THERE: &str = "203.0.113.9";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn own() -> Own {
        Own { public: Some(ip(HERE)), addresses: vec![ip("10.0.0.10")] }
    }

    fn found(heard: &[(&str, Heard)]) -> Verdict {
        let heard: Vec<_> = heard.iter().map(|(address, heard)| (ip(address), heard.clone())).collect();
        verdict("api.example.org", &heard, &own())
    }

    fn wrong() -> Heard {
        Heard::Wrong("answers 404 Not Found".into())
    }

    fn nothing() -> Heard {
        Heard::Nothing("timed out".into())
    }

    #[test]
    fn where_a_name_leads_is_said_beside_who_this_host_is() {
        let says = "`api.example.org` leads to 203.0.113.9, where port 80 answers 404 Not Found and not what this host would; this host is 198.51.100.4";
        assert_eq!(found(&[(THERE, wrong())]), Verdict::Refused(says.into()));
        let says = "`api.example.org` leads to 203.0.113.9, where nobody listens at port 80; this host is 198.51.100.4";
        assert_eq!(found(&[(HERE, Heard::Right), (THERE, Heard::Nobody)]), Verdict::Refused(says.into()));
    }

    #[test]
    fn whoever_answers_rightly_leads_here_and_who_cannot_be_asked_stops_nothing() {
        assert_eq!(found(&[(THERE, Heard::Right)]), Verdict::Fine);
        assert_eq!(found(&[(THERE, Heard::Right), ("2001:db8::1", nothing())]), Verdict::Fine);
        assert_eq!(found(&[(THERE, nothing())]), Verdict::Unknown("timed out".into()));
    }

    #[test]
    fn a_host_that_does_not_reach_itself_is_asked_from_inside() {
        for heard in [nothing(), wrong(), Heard::Nobody] {
            assert_eq!(found(&[(HERE, heard)]), Verdict::FromInside(ip(HERE)));
        }
        let inside = |heard| from_inside("api.example.org", ip(HERE), &heard);
        assert_eq!(inside(Heard::Right), Verdict::Fine);
        let Verdict::Refused(says) = inside(Heard::Nobody) else { panic!() };
        assert!(says.ends_with("which is this host, and nobody listens at port 80"), "{says}");
    }

    /// A server that answers each with this.
    async fn server(answers: Vec<&'static str>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 2048];
                let length = stream.read(&mut bytes).await.unwrap();
                let asked = String::from_utf8_lossy(&bytes[..length]).into_owned();
                assert!(asked.contains("host: www.example.org") || asked.contains("host: 192.0.2.1"), "{asked}");
                let answer = answer.replace("PORT", &port.to_string());
                stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
            }
        });
        port
    }

    async fn heard(name: &str, port: u16) -> Heard {
        ask(name, Ipv4Addr::LOCALHOST.into(), port, "token", "token.print").await
    }

    #[tokio::test]
    async fn port_80_is_asked_by_the_name_and_redirects_are_followed() {
        let right = "200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\ntoken.print\r\n";
        let moved =
            "308 Moved\r\nlocation: http://www.example.org:PORT/x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let other = "200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nHello";
        let port = server(vec![right, moved, right, other]).await;
        assert_eq!(heard("www.example.org", port).await, Heard::Right);
        assert_eq!(heard("www.example.org", port).await, Heard::Right);
        assert_eq!(heard("www.example.org", port).await, Heard::Wrong("answers 200 OK".into()));
        let port = server(vec![right]).await;
        assert_eq!(heard("192.0.2.1", port).await, Heard::Right);
    }

    #[tokio::test]
    async fn nobody_who_listens_is_told_from_silence() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(heard("www.example.org", port).await, Heard::Nobody);
        let port = server(vec![""]).await;
        assert!(matches!(heard("www.example.org", port).await, Heard::Nothing(_)));
    }
}

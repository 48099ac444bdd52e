//! Questions to name servers, each asked by itself. Whether all servers of a zone have a record is what no resolver tells:
//! it asks one of them, and remembers.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{Error, Look};

/// Where the resolvers of this host are said.
const RESOLVERS: &str = "/etc/resolv.conf";
/// How long one server may take for one question, and how often it is asked: packets get lost.
const A_TRY: Duration = Duration::from_secs(2);
const TRIES: usize = 2;
/// The most that comes in one packet without being asked for more (RFC 1035, 4.2.1), with room for those who send more.
const PACKET: usize = 4096;

/// What is asked of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Its addresses of IPv4.
    V4,
    /// Its addresses of IPv6.
    V6,
    /// What name it stands for (CNAME).
    Alias,
    /// Who serves it, if it is a zone (NS).
    Servers,
    /// Which zone it is in (SOA).
    Zone,
    /// Its texts (TXT).
    Texts,
    /// Which CAs may issue for it (CAA, RFC 8659).
    Issuers,
}

impl Question {
    fn kind(self) -> RecordType {
        match self {
            Self::V4 => RecordType::A,
            Self::V6 => RecordType::AAAA,
            Self::Alias => RecordType::CNAME,
            Self::Servers => RecordType::NS,
            Self::Zone => RecordType::SOA,
            Self::Texts => RecordType::TXT,
            Self::Issuers => RecordType::CAA,
        }
    }
}

/// What a server says of a name. Names are lower case and without the dot at their end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The names: those that an alias leads to, and those of servers.
    pub names: Vec<String>,
    /// The texts, each put together of its parts.
    pub texts: Vec<String>,
    /// The zone that it is in.
    pub zone: Option<String>,
    /// The rules about who may issue for it.
    pub rules: Vec<Rule>,
}

/// A rule about who may issue for a name (RFC 8659, 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whether who does not know the tag may issue nothing.
    pub critical: bool,
    /// What it is about, in lower case.
    pub tag: String,
    /// What it says.
    pub value: String,
}

/// Why a server gave no answer: a lowercase fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered(pub String);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Look {
    /// What the resolvers of this host say of a name, and they alone: whoever looks from outside does not read `/etc/hosts`, in
    /// which a host's own name often leads to itself.
    ///
    /// # Errors
    /// When none says it: that there is nothing is an answer.
    pub async fn dns(&self, name: &str, question: Question) -> Result<Answer, Error> {
        // A directory that plays a host asks nobody.
        let resolvers = if self.is_real() { self.resolvers()? } else { Vec::new() };
        resolve(&resolvers, name, question).await.map_err(|why| {
            let says = format!("the name servers do not say what `{name}` is: {why}");
            Error::said_with_hint("dns", says, "look at `/etc/resolv.conf`")
        })
    }

    /// The resolvers of this host (resolv.conf(5)); without any, the one on this host itself.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn resolvers(&self) -> Result<Vec<SocketAddr>, Error> {
        let text = self.read_text(Path::new(RESOLVERS))?.unwrap_or_default();
        let mut resolvers = listed(&text);
        if resolvers.is_empty() {
            resolvers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
        }
        Ok(resolvers)
    }
}

fn listed(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let addresses = lines.filter(|rest| rest.starts_with([' ', '\t']));
    // The interface of a link-local address (`fe80::1%eth0`) has no place in an address here.
    addresses.filter_map(|rest| Some(SocketAddr::from((rest.trim().parse::<IpAddr>().ok()?, 53)))).collect()
}

/// Asks resolvers, one after the other, until one answers.
///
/// # Errors
/// When none does.
pub async fn resolve(resolvers: &[SocketAddr], name: &str, question: Question) -> Result<Answer, Unanswered> {
    let mut last = Unanswered("there is no resolver".to_owned());
    for resolver in resolvers {
        match asked(*resolver, name, question, true).await {
            Ok(answer) => return Ok(answer),
            Err(why) => last = why,
        }
    }
    Err(last)
}

/// Asks one server what it knows by itself.
///
/// # Errors
/// When it does not answer, or says that it failed.
pub async fn ask(server: SocketAddr, name: &str, question: Question) -> Result<Answer, Unanswered> {
    asked(server, name, question, false).await
}

async fn asked(server: SocketAddr, name: &str, question: Question, recurse: bool) -> Result<Answer, Unanswered> {
    let wrong = |_| Unanswered(format!("`{name}` cannot be asked for"));
    let mut query = Message::query();
    query.metadata.recursion_desired = recurse;
    let full = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).map_err(wrong)?;
    query.add_query(Query::query(full, question.kind()));
    let bytes = query.to_vec().map_err(wrong)?;
    let mut last = None;
    for _ in 0..TRIES {
        match timeout(A_TRY, by_packet(server, &query, &bytes)).await {
            Ok(Ok(reply)) if reply.metadata.truncation => match timeout(A_TRY, by_stream(server, &query, &bytes)).await
            {
                Ok(Ok(reply)) => return read(server, &reply),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = None,
            },
            Ok(Ok(reply)) => return read(server, &reply),
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = None,
        }
    }
    let why = last.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
    Err(Unanswered(format!("{}: {why}", server.ip())))
}

async fn by_packet(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut packet = vec![0; PACKET];
    loop {
        let length = socket.recv(&mut packet).await?;
        // What answers another question is late, or a lie.
        if let Some(reply) = packet.get(..length).and_then(|bytes| reply_to(query, bytes)) {
            return Ok(reply);
        }
    }
}

async fn by_stream(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let mut packet = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut packet).await?;
    reply_to(query, &packet).ok_or_else(|| io::Error::other("what came is no answer"))
}

fn reply_to(query: &Message, bytes: &[u8]) -> Option<Message> {
    let reply = Message::from_vec(bytes).ok()?;
    let is_reply = reply.metadata.message_type == MessageType::Response && reply.metadata.id == query.metadata.id;
    (is_reply && reply.queries == query.queries).then_some(reply)
}

fn read(server: SocketAddr, reply: &Message) -> Result<Answer, Unanswered> {
    let code = reply.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(Unanswered(format!("{} answered `{code}`", server.ip())));
    }
    let mut answer = Answer::default();
    for record in &reply.answers {
        match &record.data {
            RData::A(address) => answer.addresses.push(IpAddr::V4(address.0)),
            RData::AAAA(address) => answer.addresses.push(IpAddr::V6(address.0)),
            RData::CNAME(name) => answer.names.push(plain(&name.0)),
            RData::NS(name) => answer.names.push(plain(&name.0)),
            RData::TXT(text) => {
                answer.texts.push(String::from_utf8_lossy(&text.txt_data.concat()).into_owned());
            }
            RData::CAA(rule) => answer.rules.push(Rule {
                critical: rule.issuer_critical,
                tag: rule.tag.to_ascii_lowercase(),
                value: String::from_utf8_lossy(&rule.value).into_owned(),
            }),
            _ => {}
        }
    }
    let starts = reply.answers.iter().chain(&reply.authorities);
    answer.zone = starts.filter(|record| matches!(record.data, RData::SOA(_))).map(|record| plain(&record.name)).next();
    Ok(answer)
}

fn plain(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{CNAME, SOA, TXT};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// Answers so many questions with what is made of each.
    async fn server(answers: Vec<fn(Message) -> Message>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let mut packet = [0; 512];
                let (length, asker) = socket.recv_from(&mut packet).await.unwrap();
                let query = Message::from_vec(&packet[..length]).unwrap();
                socket.send_to(&answer(query).to_vec().unwrap(), asker).await.unwrap();
            }
        });
        at
    }

    fn reply(mut query: Message) -> Message {
        query.metadata.message_type = MessageType::Response;
        query
    }

    #[tokio::test]
    async fn texts_come_put_together_and_names_without_their_dot() {
        let at = server(vec![
            |query| {
                let mut reply = reply(query);
                let texts = TXT::from_bytes(vec![b"one ", b"text"]);
                reply.add_answer(Record::from_rdata(name("A.example."), 1, RData::CNAME(CNAME(name("B.Example.")))));
                reply.add_answer(Record::from_rdata(name("b.example."), 1, RData::TXT(texts)));
                reply
            },
            |query| {
                let mut reply = reply(query);
                let soa = SOA::new(name("ns1.example."), name("root.example."), 1, 1, 1, 1, 1);
                reply.add_authority(Record::from_rdata(name("Example."), 1, RData::SOA(soa)));
                reply.metadata.response_code = ResponseCode::NXDomain;
                reply
            },
        ])
        .await;
        let answer = ask(at, "a.example", Question::Texts).await.unwrap();
        assert_eq!((answer.texts, answer.names), (vec!["one text".to_owned()], vec!["b.example".to_owned()]));
        let answer = ask(at, "no.a.example", Question::Zone).await.unwrap();
        assert_eq!(answer, Answer { zone: Some("example".into()), ..Answer::default() });
    }

    #[tokio::test]
    async fn a_failure_is_no_answer_and_an_answer_to_another_question_neither() {
        let fails: fn(Message) -> Message = |query| {
            let mut reply = reply(query);
            reply.metadata.response_code = ResponseCode::ServFail;
            reply
        };
        let at = server(vec![fails]).await;
        let why = ask(at, "a.example", Question::V4).await.unwrap_err();
        assert!(why.0.starts_with("127.0.0.1 answered"), "{why}");
        let strange: fn(Message) -> Message = |query| {
            let mut reply = reply(query);
            reply.metadata.id = reply.metadata.id.wrapping_add(1);
            reply
        };
        let at = server(vec![strange, strange]).await;
        assert_eq!(ask(at, "a.example", Question::V4).await.unwrap_err().0, "127.0.0.1: no answer");
        assert!(ask(at, "a..example", Question::V4).await.unwrap_err().0.contains("cannot be asked for"));
    }

    #[tokio::test]
    async fn the_next_resolver_is_asked_if_one_is_silent() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let good = server(vec![reply]).await;
        assert_eq!(resolve(&[silent, good], "a.example", Question::V6).await, Ok(Answer::default()));
        assert!(resolve(&[], "a.example", Question::V6).await.is_err());
    }

    #[test]
    fn resolvers_are_read_as_the_library_does() {
        let text = "# nameserver 192.0.2.9\nsearch example\nnameserver 10.0.0.2\n nameserver\t2001:db8::1\nnameservers 1.1.1.1\n";
        let found: Vec<String> = listed(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.2:53", "[2001:db8::1]:53"]);
    }
}

//! What the name servers of this host say, and they alone: whoever looks from outside does not read `/etc/hosts`, in which a
//! host's own name often leads to itself.

mod message;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use self::message::Read;
use super::{Error, Look};

pub use self::message::{Answer, Record, Wanted};

/// How long a name server may take for one question.
const PATIENCE: Duration = Duration::from_secs(3);
/// Each is asked so often: datagrams are lost.
const ROUNDS: usize = 2;
/// resolv.conf(5): the rest is ignored.
const MOST_SERVERS: usize = 3;
const PORT: u16 = 53;

impl Look {
    /// What there is of a name.
    ///
    /// # Errors
    /// When no name server says it: that there is nothing is an answer.
    pub async fn dns(&self, name: &str, wanted: Wanted) -> Result<Answer, Error> {
        // A directory that plays a host asks nobody.
        let servers = if self.is_real() { self.name_servers()? } else { Vec::new() };
        asked(&servers, name, wanted).await.map_err(|says| {
            let says = format!("the name servers do not say what `{name}` is: {says}");
            Error::said_with_hint("dns", says, "look at `/etc/resolv.conf`")
        })
    }

    fn name_servers(&self) -> Result<Vec<SocketAddr>, Error> {
        let text = self.read_text(Path::new("/etc/resolv.conf"))?.unwrap_or_default();
        Ok(servers_in(&text))
    }
}

fn servers_in(text: &str) -> Vec<SocketAddr> {
    let word = |line: &str| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server).and_then(|word| word.parse::<IpAddr>().ok())
    };
    let mut servers: Vec<SocketAddr> =
        text.lines().filter_map(word).take(MOST_SERVERS).map(|address| SocketAddr::new(address, PORT)).collect();
    if servers.is_empty() {
        servers.push(SocketAddr::from(([127, 0, 0, 1], PORT)));
    }
    servers
}

async fn asked(servers: &[SocketAddr], name: &str, wanted: Wanted) -> Result<Answer, String> {
    let mut last = "there is none".to_owned();
    for _ in 0..ROUNDS {
        for server in servers {
            let id = rand::random();
            let Some(question) = message::question(id, name, wanted) else {
                return Err("it is no name".to_owned());
            };
            match timeout(PATIENCE, one(*server, &question, wanted)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(says)) => last = format!("{}: {says}", server.ip()),
                Err(_) => last = format!("{}: no answer within {} s", server.ip(), PATIENCE.as_secs()),
            }
        }
    }
    Err(last)
}

async fn one(server: SocketAddr, question: &[u8], wanted: Wanted) -> Result<Answer, String> {
    let own: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(own).await.map_err(|error| error.to_string())?;
    socket.connect(server).await.map_err(|error| error.to_string())?;
    socket.send(question).await.map_err(|error| error.to_string())?;
    let mut bytes = vec![0; 4096];
    loop {
        let length = socket.recv(&mut bytes).await.map_err(|error| error.to_string())?;
        match message::read(bytes.get(..length).unwrap_or_default(), question, wanted) {
            Read::Answer(answer) => return Ok(answer),
            Read::No(says) => return Err(says),
            Read::CutShort => return whole(server, question, wanted).await,
            // Somebody else's, or made up: the right one may still come.
            Read::Foreign => {}
        }
    }
}

/// The same over TCP, where an answer may be long (RFC 7766).
async fn whole(server: SocketAddr, question: &[u8], wanted: Wanted) -> Result<Answer, String> {
    let ask = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
        let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut bytes).await?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = ask.await.map_err(|error| error.to_string())?;
    match message::read(&bytes, question, wanted) {
        Read::Answer(answer) => Ok(answer),
        Read::No(says) => Err(says),
        Read::CutShort | Read::Foreign => Err("its answer makes no sense".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_those_of_resolv_conf() {
        let text = "# a comment\nsearch example.org\nnameserver 10.0.0.2\nnameserver fd00:ec2::253\noptions timeout:1\nnameserver x\nnameserver 1.1.1.1\nnameserver 8.8.8.8\n";
        let all: Vec<String> = servers_in(text).iter().map(ToString::to_string).collect();
        assert_eq!(all, ["10.0.0.2:53", "[fd00:ec2::253]:53", "1.1.1.1:53"]);
        assert_eq!(servers_in("")[0].to_string(), "127.0.0.1:53");
    }

    #[tokio::test]
    async fn a_server_that_cuts_short_is_asked_again_over_tcp_and_a_stranger_is_not_heard() {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(server).await.unwrap();
        let played = tokio::spawn(async move {
            let mut bytes = [0; 512];
            let (length, from) = udp.recv_from(&mut bytes).await.unwrap();
            let question = &bytes[..length];
            let mut stranger = question.to_vec();
            stranger[0] ^= 1;
            stranger[2] = 0x80;
            udp.send_to(&stranger, from).await.unwrap();
            let mut short = question.to_vec();
            (short[2], short[3]) = (0x83, 0x80);
            udp.send_to(&short, from).await.unwrap();
            let (mut stream, _) = tcp.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; length.into()];
            stream.read_exact(&mut question).await.unwrap();
            let answer = message::tests::answered(&question, 0, &[(1, vec![192, 0, 2, 1])]);
            stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        });
        let answer = asked(&[server], "a.example", Wanted::A).await.unwrap();
        assert_eq!(answer.records, [Record::Address("192.0.2.1".parse().unwrap())]);
        played.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let says = asked(&[free], "a.example", Wanted::A).await.unwrap_err();
        assert!(says.starts_with("127.0.0.1: "), "{says}");
        assert_eq!(asked(&[], "a.example", Wanted::A).await.unwrap_err(), "there is none");
    }
}

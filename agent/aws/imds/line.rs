//! One TCP connection to the service, kept alive: the race to have it, and one question at a time.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::RETRY_AFTER;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::endpoints::Endpoints;
use super::pauses;
use super::unanswered::{Kind, Trouble};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a whole answer may take.
const READ: Duration = Duration::from_secs(2);
/// How long IPv4 is alone in the race.
const HEAD_START: Duration = Duration::from_millis(200);
/// No answer is larger; user-data has at most 16 KiB.
const MOST: usize = 64 << 10;

/// What the service said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// A connection that nobody else speaks on.
#[derive(Debug)]
pub(super) struct Line {
    at: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Line {
    /// Connects to whichever address answers first.
    pub(super) async fn open(endpoints: &Endpoints) -> Result<Self, Trouble> {
        let (stream, at) = match endpoints.second {
            None => dial(endpoints.first).await?,
            Some(second) => race(endpoints.first, second).await?,
        };
        let handshake = http1::Builder::new().max_headers(64).max_buf_size(MOST).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(|error| broken(at, &error))?;
        // Its end is seen by whoever asks next.
        let driver = tokio::spawn(async { drop(connection.await) }).abort_handle();
        Ok(Self { at, sender, driver })
    }

    /// Whether something may still be asked on it.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Asks. After trouble the line is of no use any more.
    pub(super) async fn ask(&mut self, request: Request<Empty<Bytes>>) -> Result<Answer, Trouble> {
        let at = self.at;
        let silence = || Trouble::new(Kind::Silent, format!("{at} took the question and was silent for 2 s"));
        timeout(READ, self.exchange(request)).await.map_err(|_elapsed| silence())?
    }

    async fn exchange(&mut self, request: Request<Empty<Bytes>>) -> Result<Answer, Trouble> {
        let at = self.at;
        self.sender.ready().await.map_err(|error| broken(at, &error))?;
        let response = self.sender.send_request(request).await.map_err(|error| broken(at, &error))?;
        read(at, response).await
    }
}

async fn read(at: SocketAddr, response: Response<Incoming>) -> Result<Answer, Trouble> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| pauses::retry_after(value.to_str().ok()?));
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| broken(at, &error))?;
        body.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if body.len() > MOST {
            return Err(Trouble::new(Kind::Hopeless, format!("it has more than {} KiB", MOST >> 10)));
        }
    }
    Ok(Answer { status, retry_after, body })
}

/// Happy Eyeballs (RFC 8305) for two: IPv4 first, as nearly every instance has it.
async fn race(first: SocketAddr, second: SocketAddr) -> Result<(TcpStream, SocketAddr), Trouble> {
    let mut one = pin!(dial(first));
    let why = tokio::select! {
        biased;
        one = &mut one => match one {
            Ok(won) => return Ok(won),
            Err(why) => Some(why),
        },
        () = sleep(HEAD_START) => None,
    };
    if let Some(why) = why {
        return dial(second).await.map_err(|other| both(why, &other));
    }
    let mut other = pin!(dial(second));
    tokio::select! {
        one = &mut one => match one {
            Ok(won) => Ok(won),
            Err(why) => other.await.map_err(|other| both(why, &other)),
        },
        two = &mut other => match two {
            Ok(won) => Ok(won),
            Err(other) => one.await.map_err(|why| both(why, &other)),
        },
    }
}

/// Silence is told before a refusal.
fn both(one: Trouble, other: &Trouble) -> Trouble {
    // Most hosts have no IPv6, and there is nothing to be said of that.
    if other.says.ends_with("unreachable") {
        return one;
    }
    let kind = if [one.kind, other.kind].contains(&Kind::Silent) { Kind::Silent } else { one.kind };
    Trouble { kind, says: format!("{}; {}", one.says, other.says) }
}

async fn dial(at: SocketAddr) -> Result<(TcpStream, SocketAddr), Trouble> {
    let stream = match timeout(CONNECT, TcpStream::connect(at)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => return Err(unreached(at)),
        Ok(Err(error)) => {
            let words = error.to_string();
            let words = words.split(" (os error").next().unwrap_or_default().to_lowercase();
            return Err(Trouble::new(Kind::Refused, format!("{at}: {words}")));
        }
        Err(_elapsed) => return Err(unreached(at)),
    };
    // A question is one small packet; it does not wait for another.
    let _ = stream.set_nodelay(true);
    Ok((stream, at))
}

fn unreached(at: SocketAddr) -> Trouble {
    Trouble::new(Kind::Silent, format!("no connection to {at} within 1 s"))
}

/// hyper's error with the reasons below it.
fn broken(at: SocketAddr, error: &hyper::Error) -> Trouble {
    let mut says = format!("{at}: {error}");
    let mut below = error.source();
    while let Some(reason) = below {
        says = format!("{says}: {reason}");
        below = reason.source();
    }
    Trouble::new(Kind::Broken, says)
}

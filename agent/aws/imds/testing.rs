//! A TCP server that plays the metadata service, in the process of the test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::Endpoints;

/// What is done with a question.
pub(crate) enum Reply {
    /// These bytes are sent back.
    Says(String),
    /// Nothing is.
    Silence,
    /// The connection ends.
    Cut,
}

/// What it was asked: the connection's number, and the head of the request.
pub(crate) type Journal = Arc<Mutex<Vec<(usize, String)>>>;

/// A server that lives as long as the test.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) journal: Journal,
}

/// An answer.
pub(crate) fn status(status: u16, body: &str) -> Reply {
    Reply::Says(format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

impl Server {
    /// Plays: the function gets how often this method and path were asked before, the method, and the path.
    pub(crate) async fn playing(reply: impl Fn(usize, &str, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { at: listener.local_addr().unwrap(), journal: Journal::default() };
        let (journal, reply) = (Arc::clone(&server.journal), Arc::new(reply));
        tokio::spawn(async move {
            for number in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (journal, reply) = (Arc::clone(&journal), Arc::clone(&reply));
                tokio::spawn(async move { serve(number, stream, &journal, &*reply).await });
            }
        });
        server
    }

    /// One that gives tokens `t1`, `t2`, … and answers what the function says to the rest.
    pub(crate) async fn with_tokens(reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::playing(move |before, method, path| match method {
            "PUT" => status(200, &format!("t{}", before + 1)),
            _ => reply(before, path),
        })
        .await
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        Endpoints { first: self.at, second: None }
    }

    /// `PUT api/token`, `GET user-data`, …
    pub(crate) fn asked(&self) -> Vec<String> {
        let line = |head: &String| head.lines().next().unwrap().replace(" HTTP/1.1", "").replace("/latest/", "");
        self.journal.lock().unwrap().iter().map(|(_, head)| line(head)).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.journal.lock().unwrap().iter().map(|(number, _)| *number).max().unwrap_or_default()
    }
}

async fn serve(
    number: usize,
    stream: TcpStream,
    journal: &Journal,
    reply: &(dyn Fn(usize, &str, &str) -> Reply + Sync),
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or_default() == 0 {
                return;
            }
        }
        let first = head.lines().next().unwrap().to_owned();
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap().trim_start_matches("/latest/"));
        let before = {
            let mut journal = journal.lock().unwrap();
            let before = journal.iter().filter(|(_, head)| head.starts_with(&first)).count();
            journal.push((number, head));
            before
        };
        match reply(before, method, path) {
            Reply::Says(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap_or_default(),
            Reply::Silence => {}
            Reply::Cut => return,
        }
    }
}

//! A TCP server that plays a service of AWS, in the process of the test: the wire is what is tested.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Environment, Session};
use crate::host::{Host, programs::Real};

/// Gives each of its answers once, and remembers what it was asked; gone when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// An answer: its status, more headers (each with its line end), its body.
pub(crate) fn reply(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} -\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// A session that asks this server for everything.
pub(crate) fn session(server: &Server) -> Session {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path(), Box::new(Real)).unwrap();
    Session::with(&host.look(), server.environment())
}

impl Server {
    pub(crate) async fn answering(answers: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let (journal, answers) = (Arc::clone(&asked), answers.to_vec());
        let task = tokio::spawn(async move {
            for answer in answers {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request).await.unwrap() > 0 {}
                let lower = request.to_lowercase();
                let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
                let mut body = vec![0; length.unwrap_or_default()];
                stream.read_exact(&mut body).await.unwrap();
                journal.lock().unwrap().push(request + &String::from_utf8_lossy(&body));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { at, asked, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// What a process would be told, so that it asks here.
    pub(crate) fn environment(&self) -> Environment {
        let url = self.url();
        [
            ("AWS_ACCESS_KEY_ID", "AKIALAB"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", &url),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
    }

    /// Every request so far, head and body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

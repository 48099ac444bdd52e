//! What becomes of a recipe when its source answers, is down, refuses, or has another text.

use super::*;
use crate::aws::testing::{Server, reply};
use crate::host::{Host, programs::Real};

const OLD: &str = "format = 1\n# old\n";
const NEW: &str = "format = 1\n# new\n";

struct Play {
    root: tempfile::TempDir,
    host: Host,
}

impl Play {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        Self { root, host }
    }

    /// One that has kept this text.
    fn with(kept: &str) -> Self {
        let play = Self::new();
        keep(&play.host.touch(), &remote(None).address, kept.as_bytes()).unwrap();
        play
    }

    /// Asks a server that gives these answers, and how often it was asked.
    async fn ask(&self, answers: &[String], text: Option<&str>) -> (Result<Had, NotHad>, usize) {
        let server = Server::answering(answers).await;
        let session = Session::with(&self.host.look(), server.environment());
        let had = recipe(&self.host.look(), &session, &remote(text)).await;
        (had, server.asked().len())
    }
}

/// The recipe in S3, which must have this text if there is one.
fn remote(text: Option<&str>) -> Remote {
    let address = Address::try_from("s3://recipes/web.toml").unwrap();
    Remote { address, sha256: text.map(|text| sha256_of(text.as_bytes())) }
}

fn refused(status: u16, code: &str) -> String {
    reply(status, "", &format!("<Error><Code>{code}</Code><Message>no</Message></Error>"))
}

fn down() -> Vec<String> {
    vec![refused(503, "SlowDown"); 3]
}

#[tokio::test]
async fn what_the_source_has_now_is_used() {
    let (had, _) = Play::with(OLD).ask(&[reply(200, "", NEW)], None).await;
    assert_eq!(had.unwrap(), Had { text: NEW.into(), bytes: NEW.into(), instead: None });
}

#[tokio::test]
async fn when_the_source_is_down_the_last_good_one_is_used_and_said() {
    let play = Play::with(OLD);
    let (had, asked) = play.ask(&down(), None).await;
    let had = had.unwrap();
    let said = had.instead.unwrap().to_string();
    assert_eq!((had.text.as_slice(), asked), (OLD.as_bytes(), 3));
    assert!(said.starts_with("the last good one is used, kept since 2"), "{said}");
    assert!(said.ends_with(" UTC: S3 answered 503 SlowDown: no"), "{said}");
    let (nothing, _) = Play::new().ask(&down(), None).await;
    assert!(nothing.unwrap_err().is_down());
}

#[tokio::test]
async fn what_is_gone_or_forbidden_or_wrong_is_not_replaced() {
    for (answer, text, kind) in [
        (refused(404, "NoSuchKey"), None, Kind::Gone),
        (refused(403, "AccessDenied"), None, Kind::Forbidden),
        (reply(200, "", "something else"), Some(NEW), Kind::Wrong),
    ] {
        let (had, _) = Play::with(OLD).ask(&[answer], text).await;
        assert_eq!(had.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn a_text_with_a_digest_is_fetched_once_and_never_another() {
    let (had, asked) = Play::with(NEW).ask(&[], Some(NEW)).await;
    assert_eq!((had.unwrap().instead, asked), (None, 0));
    let (had, asked) = Play::with(OLD).ask(&[reply(200, "", NEW)], Some(NEW)).await;
    assert_eq!((had.unwrap().text, asked), (NEW.into(), 1));
    // The last good one is another text.
    let (had, _) = Play::with(OLD).ask(&down(), Some(NEW)).await;
    assert!(had.unwrap_err().is_down());
}

#[tokio::test]
async fn without_asking_there_is_what_was_kept() {
    let play = Play::with(OLD);
    let kept = |text| kept_recipe(&play.host.look(), &remote(text)).unwrap();
    assert!(kept(None).unwrap().instead.unwrap().to_string().starts_with("not looked at; the last good one"));
    assert_eq!(kept(Some(OLD)).unwrap().instead, None);
    assert_eq!(kept(Some(NEW)), None);
    assert_eq!(kept_recipe(&Play::new().host.look(), &remote(None)).unwrap(), None);
}

#[test]
fn what_is_kept_is_private_and_written_once() {
    use std::os::unix::fs::MetadataExt as _;
    let play = Play::with(OLD);
    let folder = play.root.path().join("var/lib/hostagent/recipes");
    let file = || std::fs::metadata(std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path()).unwrap();
    let before = file();
    assert_eq!(before.mode() & 0o777, 0o600);
    keep(&play.host.touch(), &remote(None).address, OLD.as_bytes()).unwrap();
    assert_eq!(file().ino(), before.ino());
    keep(&play.host.touch(), &remote(None).address, NEW.as_bytes()).unwrap();
    assert_ne!(file().ino(), before.ino());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

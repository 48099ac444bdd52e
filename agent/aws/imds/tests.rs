//! The client against a server of TCP in this process: what is on the wire is real, and so is the time.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::testing::{Reply, Server, status};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

async fn opened(server: &Server) -> Imds {
    Imds::at(server.endpoints(), 10 * SECOND).await.unwrap()
}

#[tokio::test]
async fn one_connection_and_one_token_carry_everything() {
    let server = Server::with_tokens(|_, path| match path {
        "user-data" => status(200, "format = 1\n"),
        "meta-data/tags/instance" => status(200, "Name\nhostagent:recipe\nhostagent:gone"),
        "meta-data/tags/instance/hostagent:recipe" => status(200, "web"),
        _ => status(404, "<html>"),
    })
    .await;
    let mut imds = opened(&server).await;
    assert_eq!(imds.user_data().await.unwrap().unwrap(), b"format = 1\n");
    assert_eq!(imds.get("meta-data/public-ipv4").await.unwrap(), None);
    let tags = imds.instance_tags("hostagent:").await.unwrap();
    assert_eq!(tags, [("hostagent:recipe".to_owned(), "web".to_owned())].into());

    assert_eq!(server.connections(), 1);
    let heads = server.journal.lock().unwrap().clone();
    let (put, get) = (heads[0].1.to_lowercase(), heads[1].1.to_lowercase());
    assert!(put.contains("x-aws-ec2-metadata-token-ttl-seconds: 300\r\n"), "{put}");
    assert!(put.contains("host: 127.0.0.1\r\n") && put.contains("content-length: 0\r\n"), "{put}");
    assert!(get.contains("x-aws-ec2-metadata-token: t1\r\n"), "{get}");
    assert!(!format!("{imds:?}").contains("t1\""), "{imds:?}");
}

#[tokio::test]
async fn a_disabled_service_is_asked_once() {
    let server = Server::playing(|_, _, _| status(403, "")).await;
    let begun = Instant::now();
    let error = Imds::at(server.endpoints(), 60 * SECOND).await.unwrap_err();
    assert_eq!(error.code, "imds-disabled");
    assert!(error.says.ends_with("`PUT /latest/api/token` was answered with 403"), "{error}");
    assert!(error.hint.contains("--http-endpoint enabled"), "{}", error.hint);
    assert_eq!(server.asked(), ["PUT api/token"]);
    assert!(begun.elapsed() < SECOND);
}

#[tokio::test]
async fn a_token_that_is_not_known_any_more_is_replaced_at_once() {
    let server = Server::with_tokens(|before, _| if before == 0 { status(401, "") } else { status(200, "x") }).await;
    let mut imds = opened(&server).await;
    let begun = Instant::now();
    assert_eq!(imds.get("meta-data/mac").await.unwrap().unwrap(), b"x");
    assert!(begun.elapsed() < Duration::from_millis(90), "no pause: {:?}", begun.elapsed());
    assert_eq!(server.asked(), ["PUT api/token", "GET meta-data/mac", "PUT api/token", "GET meta-data/mac"]);
    let last = server.journal.lock().unwrap().last().unwrap().clone();
    assert!(last.1.contains("x-aws-ec2-metadata-token: t2\r\n") && last.0 == 1, "{last:?}");

    let server = Server::with_tokens(|_, _| status(401, "")).await;
    let error = opened(&server).await.get("meta-data/mac").await.unwrap_err();
    assert_eq!(error.code, "imds-refused");
    assert!(error.says.ends_with("with 401, with a token that it had just given"), "{error}");
    assert_eq!(server.asked().len(), 4, "one new token and no more");
}

#[tokio::test]
async fn a_server_that_asks_for_time_gets_it() {
    let server = Server::playing(|before, method, _| match (method, before) {
        ("PUT", 0) => Reply::Says("HTTP/1.1 503 -\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("PUT", _) => status(200, "t"),
        (_, 0..2) => status(500, ""),
        _ => status(200, "x"),
    })
    .await;
    let begun = Instant::now();
    let mut imds = opened(&server).await;
    let took = begun.elapsed();
    assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");

    let begun = Instant::now();
    assert_eq!(imds.get("meta-data/mac").await.unwrap().unwrap(), b"x");
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    assert_eq!(server.connections(), 1, "an error of the server ends no connection");
}

#[tokio::test]
async fn a_server_that_asks_for_more_time_than_there_is_gets_none() {
    let server = Server::playing(|_, _, _| {
        Reply::Says("HTTP/1.1 503 -\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n".to_owned())
    })
    .await;
    let begun = Instant::now();
    let error = Imds::at(server.endpoints(), 10 * SECOND).await.unwrap_err();
    assert_eq!(error.code, "imds-broken");
    assert!(error.says.ends_with("it answered 503 and `Retry-After: 120`"), "{error}");
    assert!(begun.elapsed() < SECOND);
}

#[tokio::test]
async fn an_error_for_ever_ends_with_the_budget() {
    let server = Server::with_tokens(|_, _| status(500, "")).await;
    let mut imds = Imds::at(server.endpoints(), 2 * SECOND).await.unwrap();
    let begun = Instant::now();
    let error = imds.get_within("meta-data/mac", SECOND).await.unwrap_err();
    assert_eq!(error.code, "imds-broken");
    assert!(error.says.contains("`GET /latest/meta-data/mac` within 1 s and "), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(1200), "{:?}", begun.elapsed());

    assert_eq!(imds.get("meta-data/other").await.unwrap_err().code, "imds-broken");
    assert!(begun.elapsed() < Duration::from_millis(2200), "all together: {:?}", begun.elapsed());
    sleep(Duration::from_secs(2).saturating_sub(begun.elapsed())).await;
    let error = imds.get("meta-data/other").await.unwrap_err();
    assert!(error.says.ends_with("the 2 s for all questions are over"), "{error}");
}

#[tokio::test]
async fn silence_is_told_apart_and_the_next_try_is_on_a_new_connection() {
    let server = Server::playing(|_, _, _| Reply::Silence).await;
    let begun = Instant::now();
    let error = Imds::at(server.endpoints(), 5 * SECOND).await.unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error.code, "imds-silent");
    assert!(error.says.contains("took the question and was silent for 2 s"), "{error}");
    assert!(error.hint.contains("--http-put-response-hop-limit 2"), "{}", error.hint);
    assert!(took > 4 * SECOND && took < Duration::from_millis(5500), "{took:?}");
    assert_eq!(server.asked().len(), server.connections());
    assert!((2..=3).contains(&server.connections()), "{}", server.connections());

    let server = Server::with_tokens(|before, _| if before == 0 { Reply::Silence } else { status(200, "x") }).await;
    let mut imds = opened(&server).await;
    assert_eq!(imds.get("meta-data/mac").await.unwrap().unwrap(), b"x");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_ends_is_replaced() {
    let server = Server::with_tokens(|before, _| match before {
        0 => Reply::Cut,
        1 => Reply::Says("HTTP/1.1 200 -\r\nContent-Length: 9\r\n\r\nx".to_owned()),
        2 => Reply::Says("220 mail.example.org ESMTP\r\n\r\n".to_owned()),
        _ => Reply::Says("HTTP/1.1 200 -\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx".to_owned()),
    })
    .await;
    let mut imds = Imds::at(server.endpoints(), 10 * SECOND).await.unwrap();
    for _ in 0..2 {
        assert_eq!(imds.get("meta-data/mac").await.unwrap().unwrap(), b"x");
    }
}

#[tokio::test]
async fn what_never_ends_or_leads_elsewhere_is_not_followed() {
    let server = Server::with_tokens(|_, path| match path {
        "meta-data/mac" => status(200, &"x".repeat(65_537)),
        _ => Reply::Says("HTTP/1.1 302 -\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n".to_owned()),
    })
    .await;
    let mut imds = opened(&server).await;
    let error = imds.get("meta-data/mac").await.unwrap_err();
    assert!(error.says.ends_with("it has more than 64 KiB"), "{error}");
    let error = imds.get("user-data").await.unwrap_err();
    assert!(
        error.says.ends_with("answered `GET /latest/user-data` with 302, a redirect, which is not followed"),
        "{error}"
    );
    assert_eq!(error.code, "imds-refused");
    assert_eq!(server.asked().len(), 3, "no second try: {:?}", server.asked());

    let server = Server::playing(|_, _, _| status(200, "<html> log in to the hotel")).await;
    let error = Imds::at(server.endpoints(), 10 * SECOND).await.unwrap_err();
    assert!(error.says.ends_with("`GET /latest/api/token`: it is no token"), "{error}");
}

#[tokio::test]
async fn the_address_that_answers_first_is_asked() {
    let server = Server::with_tokens(|_, _| status(404, "")).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let both = |first, second| Endpoints { first, second: Some(second) };

    let begun = Instant::now();
    Imds::at(both(closed, server.at), SECOND).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(150), "a refusal is no reason to wait: {:?}", begun.elapsed());

    // TEST-NET-1 (RFC 5737) is nobody: connecting is silence, or no way there.
    let nobody = "192.0.2.1:80".parse().unwrap();
    let begun = Instant::now();
    Imds::at(both(nobody, server.at), SECOND).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());

    let error = Imds::at(both(closed, closed), SECOND).await.unwrap_err();
    assert_eq!(error.code, "imds-refused");
    assert!(error.says.contains(&format!("{closed}: connection refused; {closed}: connection refused")), "{error}");
}

#[tokio::test]
async fn a_host_that_is_no_instance_asks_nobody() {
    let root = tempfile::tempdir().unwrap();
    let look = crate::host::Host::at(root.path(), Box::new(crate::host::programs::Real)).unwrap().look();
    let begun = Instant::now();
    assert_eq!(Imds::open(&look, 60 * SECOND).await.unwrap_err().code, "not-on-ec2");
    assert!(begun.elapsed() < Duration::from_millis(50));
}

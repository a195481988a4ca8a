//! The client against a server that misbehaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::SignedDuration;
use keyward_core::model::key::ApiKey;
use keyward_core::ports::{Clock, ProviderError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::answer::{MAX_BODY, MAX_ERROR_BODY};
use super::testing::{Reply, TestClock, TestServer, http, impatient, loopback, patient};
use super::*;

const KEY: &str = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef";

fn request(server: &TestServer, repeat: Repeat) -> Request {
    Request {
        method: Method::GET,
        url: server.base().join(&["keys"]).unwrap(),
        headers: &[],
        credential: Credential::new(Scheme::Bearer, &ApiKey::new(KEY)).unwrap(),
        body: None,
        repeat,
    }
}

async fn send(
    server: &TestServer,
    repeat: Repeat,
    settings: HttpSettings,
) -> (Result<Answer, Failure>, Vec<SignedDuration>) {
    let clock = TestClock::new();
    let outcome = http(&clock, settings).send(&request(server, repeat)).await;
    (outcome, clock.slept())
}

/// Servers refuse a POST with 411 that does not say how long it is.
#[tokio::test]
async fn what_carries_a_body_says_its_length_without_one_too() {
    let server = TestServer::always(Reply::new(200, "")).await;
    for (method, body, length) in [
        (Method::POST, None, "0"),
        (Method::PATCH, None, "0"),
        (Method::POST, Some(b"{}".to_vec()), "2"),
        (Method::GET, None, ""),
        (Method::DELETE, None, ""),
    ] {
        let mut request = request(&server, Repeat::Never);
        (request.method, request.body) = (method, body);
        let sent = http(&TestClock::new(), patient()).send(&request).await;
        assert!(sent.is_ok());
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.content_length, length, "{}", seen.method);
    }
}

#[tokio::test]
async fn a_safe_request_is_repeated_and_no_other() {
    for (name, first, repeats) in [
        ("500", Reply::new(500, ""), true),
        ("503", Reply::new(503, ""), true),
        ("529", Reply::new(529, ""), true),
        ("408", Reply::new(408, ""), true),
        ("429", Reply::new(429, ""), true),
        ("closed", Reply::Close, true),
        (
            "half sent",
            Reply::Half(200, b"{\"data\":[]}".to_vec()),
            true,
        ),
        ("200", Reply::new(200, ""), false),
        ("400", Reply::new(400, ""), false),
        ("401", Reply::new(401, ""), false),
        ("404", Reply::new(404, ""), false),
        ("302", Reply::new(302, ""), false),
    ] {
        for (repeat, expected) in [
            (Repeat::Safe, if repeats { 2 } else { 1 }),
            (Repeat::Never, 1),
        ] {
            let first = first.clone();
            let server = TestServer::start(move |number, _| match number {
                0 => first.clone(),
                _ => Reply::new(200, "{}"),
            })
            .await;
            let _ = send(&server, repeat, patient()).await;
            assert_eq!(server.seen().len(), expected, "{name} {repeat:?}");
        }
    }
}

#[tokio::test]
async fn attempts_are_bounded_by_count() {
    let server = TestServer::always(Reply::new(503, "")).await;
    let (outcome, slept) = send(&server, Repeat::Safe, patient()).await;
    assert_eq!(outcome.map(|a| a.status.as_u16()).ok(), Some(503));
    assert_eq!(server.seen().len(), 3);
    assert_eq!(slept.len(), 2);
    assert!(slept[0] <= SignedDuration::from_millis(250), "{slept:?}");
    assert!(slept[1] <= SignedDuration::from_millis(500), "{slept:?}");
    assert!(slept.iter().all(|d| d.is_positive()), "{slept:?}");
}

#[tokio::test]
async fn waits_grow_up_to_a_longest() {
    let server = TestServer::always(Reply::new(503, "")).await;
    let settings = HttpSettings {
        attempts: 12,
        first_wait: SignedDuration::from_secs(1),
        longest_wait: SignedDuration::from_secs(2),
        ..patient()
    };
    let (_, slept) = send(&server, Repeat::Safe, settings).await;
    assert_eq!(slept.len(), 11);
    assert!(
        slept.iter().all(|d| *d <= settings.longest_wait),
        "{slept:?}"
    );
    assert!(slept.iter().any(|d| *d > settings.first_wait), "{slept:?}");
}

#[tokio::test]
async fn no_attempt_outlasts_the_total_time() {
    let server = TestServer::always(Reply::Hang).await;
    let settings = HttpSettings {
        timeout: Duration::from_secs(3600),
        total: SignedDuration::from_millis(100),
        ..patient()
    };
    let sent = tokio::time::timeout(
        Duration::from_secs(60),
        send(&server, Repeat::Safe, settings),
    );
    assert!(sent.await.is_ok_and(|(outcome, _)| outcome.is_err()));
}

#[tokio::test]
async fn attempts_are_bounded_by_total_time() {
    let server = TestServer::always(Reply::new(503, "").with("retry-after", "3")).await;
    let settings = HttpSettings {
        attempts: 1000,
        total: SignedDuration::from_secs(20),
        ..patient()
    };
    let (_, slept) = send(&server, Repeat::Safe, settings).await;
    let all: SignedDuration = slept.iter().copied().sum();
    assert!(all < settings.total, "{slept:?}");
    assert!((3..=6).contains(&slept.len()), "{slept:?}");
    assert_eq!(server.seen().len(), slept.len() + 1);
}

#[tokio::test]
async fn retry_after_is_waited_out_or_handed_on() {
    for (header, requests, least) in [
        ("20", 3, 20),
        ("Wed, 25 Nov 2026 15:00:30 GMT", 3, 0),
        ("900", 1, 900),
    ] {
        let server = TestServer::always(Reply::new(429, "").with("retry-after", header)).await;
        let (outcome, slept) = send(&server, Repeat::Safe, patient()).await;
        assert_eq!(server.seen().len(), requests, "{header}");
        let after = outcome.map(|a| a.retry_after).unwrap_or_default();
        assert!(
            after.is_some_and(|a| a.as_secs() >= least),
            "{header} {after:?}"
        );
        assert!(
            slept.first().is_none_or(|d| d.as_secs() >= 20),
            "{header} {slept:?}"
        );
    }
}

#[tokio::test]
async fn a_slow_server_is_given_up() {
    let server = TestServer::always(Reply::Hang).await;
    let (outcome, _) = send(&server, Repeat::Never, impatient()).await;
    let failure = outcome.err().expect("no answer");
    assert!(
        matches!(&failure, Failure::Lost(d) if d.as_str().contains("in time")),
        "{failure:?}"
    );
    assert!(matches!(
        failure.into_error(Repeat::Never),
        ProviderError::Ambiguous { .. }
    ));
}

#[tokio::test]
async fn what_was_not_sent_is_not_ambiguous() {
    let server = TestServer::always(Reply::new(200, "")).await;
    let mut request = request(&server, Repeat::Never);
    // Bound, so that nobody else has the port, but not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    request.url.set_port(Some(port)).unwrap();
    let outcome = http(&TestClock::new(), patient()).send(&request).await;
    let failure = outcome.err().expect("no answer");
    assert!(matches!(failure, Failure::NotSent(_)), "{failure:?}");
    assert!(matches!(
        failure.into_error(Repeat::Never),
        ProviderError::RetryAfter { .. }
    ));
}

#[tokio::test]
async fn requests_that_are_sent_once_each_have_a_connection_of_their_own() {
    for (repeat, connections) in [(Repeat::Never, 3), (Repeat::Safe, 1)] {
        let server = TestServer::always(Reply::new(200, "{}")).await;
        let http = http(&TestClock::new(), patient());
        for _ in 0..3 {
            assert!(http.send(&request(&server, repeat)).await.is_ok());
        }
        let last = server.seen().last().map(|seen| seen.connection + 1);
        assert_eq!(last, Some(connections), "{repeat:?}");
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = TestServer::always(Reply::new(200, "{}")).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("http://{}/", elsewhere.addr);
        let server = TestServer::always(Reply::new(status, "").with("location", &to)).await;
        let (outcome, _) = send(&server, Repeat::Safe, patient()).await;
        assert_eq!(outcome.map(|a| a.status.as_u16()).ok(), Some(status));
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(elsewhere.seen().len(), 0);
}

#[tokio::test]
async fn bodies_are_read_up_to_a_cap() {
    let server = TestServer::always(Reply::new(400, vec![b'x'; MAX_ERROR_BODY + 9])).await;
    let (outcome, _) = send(&server, Repeat::Never, patient()).await;
    assert_eq!(outcome.map(|a| a.body.len()).ok(), Some(MAX_ERROR_BODY));
    for (size, fits) in [(MAX_BODY, true), (MAX_BODY + 1, false)] {
        let server = TestServer::always(Reply::new(200, vec![b' '; size])).await;
        let (outcome, _) = send(&server, Repeat::Never, patient()).await;
        assert_eq!(outcome.is_ok(), fits, "{size}");
    }
}

#[tokio::test]
async fn the_key_travels_in_the_header_and_nowhere_else() {
    let echo = format!(r#"{{"error":{{"type":"{KEY}","message":"bad {KEY}"}}}}"#);
    let server = TestServer::start(move |_, _| Reply::new(401, echo.clone())).await;
    let (outcome, _) = send(&server, Repeat::Never, patient()).await;
    let detail = outcome.map(|a| a.detail).unwrap_or_default();
    assert_eq!(detail.as_str(), "HTTP 401, [hidden]: bad [hidden]");
    let seen = &server.seen()[0];
    assert_eq!(seen.authorization, format!("Bearer {KEY}"));
    assert!(!seen.target.contains("EXAMPLE") && !seen.body.contains("EXAMPLE"));
}

/// Every name is this machine.
struct Here(SocketAddr);

impl Resolve for Here {
    fn resolve(&self, _: Name) -> Resolving {
        let found = [self.0];
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_gets_no_connection() {
    for (listed, requests) in [(false, 0), (true, 1)] {
        let server = TestServer::always(Reply::new(200, "{}")).await;
        let mut allowed = loopback();
        if listed {
            allowed.add("keys.example.com").unwrap();
        }
        let resolver = GuardedResolver::over(Arc::new(Here(server.addr)), allowed);
        let clock = TestClock::new();
        let _ = http(&clock, patient());
        let client = guard(
            reqwest::Client::builder(),
            Connections::Fresh,
            &patient(),
            &loopback(),
        )
        .dns_resolver(Arc::new(resolver))
        .build()
        .unwrap();
        let http = HttpClient::new(
            client.clone(),
            client,
            clock as Arc<dyn Clock>,
            patient(),
            fastrand::Rng::with_seed(7),
        );
        let mut request = request(&server, Repeat::Never);
        request.url = format!("http://keys.example.com:{}/", server.addr.port())
            .parse()
            .unwrap();
        let outcome = http.send(&request).await;
        assert_eq!(server.seen().len(), requests);
        if let Err(failure) = outcome {
            assert!(
                matches!(&failure, Failure::NotSent(d) if d.as_str().contains("no public address")),
                "{failure:?}"
            );
        }
    }
}

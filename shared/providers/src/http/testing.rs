//! A provider made of canned answers, on a free loopback port, and a clock that sleeping moves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::ports::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{AllowedHosts, BaseUrl, Connections, HttpClient, HttpSettings, guard};

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Answers.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Announces the whole body, sends half of it and closes.
    Half(u16, Vec<u8>),
    /// Closes the connection.
    Close,
    /// Never answers.
    Hang,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Whole(status, Vec::new(), body.into())
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, body.to_string())
    }

    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Whole(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Whole(status, headers, body)
            }
            other => other,
        }
    }
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) authorization: String,
    /// As announced; empty if nothing was.
    pub(crate) content_length: String,
    pub(crate) body: String,
    pub(crate) connection: usize,
}

type Answers = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

/// The server; it stops when dropped.
pub(crate) struct TestServer {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl TestServer {
    /// Answers by the number of the request, from 0, and by the request.
    pub(crate) async fn start(
        answers: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(answers);
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(serve(stream, connection, Arc::clone(&answers), log.clone()));
            }
        });
        Self { addr, seen, task }
    }

    /// Always the same answer.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn base(&self) -> BaseUrl {
        BaseUrl::parse(&format!("http://{}/api/v1", self.addr), &loopback()).unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    answers: Arc<Answers>,
    log: Arc<Mutex<Vec<Seen>>>,
) {
    while let Some(seen) = read_request(&mut stream, connection).await {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(seen.clone());
            log.len() - 1
        };
        let (status, headers, body, sent) = match answers(number, &seen) {
            Reply::Whole(status, headers, body) => {
                let all = body.len();
                (status, headers, body, all)
            }
            Reply::Half(status, body) => {
                let half = body.len() / 2;
                (status, Vec::new(), body, half)
            }
            Reply::Close => return,
            Reply::Hang => return std::future::pending().await,
        };
        let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&body[..sent]).await;
        if sent < body.len() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, connection: usize) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |wanted: &str| {
                head.lines()
                    .filter_map(|line| line.split_once(": "))
                    .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                    .map(|(_, value)| value.to_owned())
            };
            let length = header("content-length").map_or(0, |l| l.parse().unwrap());
            if body.len() >= length {
                let mut line = head.lines().next()?.split(' ');
                return Some(Seen {
                    method: line.next()?.to_owned(),
                    target: line.next()?.to_owned(),
                    authorization: header("authorization").unwrap_or_default(),
                    content_length: header("content-length").unwrap_or_default(),
                    body: body.to_owned(),
                    connection,
                });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

/// Sleeping moves it, and is written down.
pub(crate) struct TestClock(Mutex<(Timestamp, Vec<SignedDuration>)>);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        let start = "2026-11-25T15:00:00Z".parse().unwrap();
        Arc::new(Self(Mutex::new((start, Vec::new()))))
    }

    pub(crate) fn slept(&self) -> Vec<SignedDuration> {
        self.0.lock().unwrap().1.clone()
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    async fn sleep(&self, duration: SignedDuration) {
        let mut state = self.0.lock().unwrap();
        state.0 += duration;
        state.1.push(duration);
    }
}

pub(crate) fn loopback() -> AllowedHosts {
    let mut allowed = AllowedHosts::default();
    allowed.add("127.0.0.1").unwrap();
    allowed
}

/// Long enough never to run out on a slow machine.
pub(crate) fn patient() -> HttpSettings {
    HttpSettings {
        connect_timeout: Duration::from_secs(60),
        timeout: Duration::from_secs(60),
        total: SignedDuration::from_secs(120),
        ..HttpSettings::default()
    }
}

/// For servers that never answer.
pub(crate) fn impatient() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_millis(100),
        ..patient()
    }
}

pub(crate) fn http(clock: &Arc<TestClock>, settings: HttpSettings) -> HttpClient {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = |connections| {
        guard(
            // No TLS here, so no time to read roots.
            reqwest::Client::builder().tls_certs_only([]),
            connections,
            &settings,
            &loopback(),
        )
        .build()
        .unwrap()
    };
    HttpClient::new(
        client(Connections::Pooled),
        client(Connections::Fresh),
        Arc::clone(clock) as Arc<dyn Clock>,
        settings,
        fastrand::Rng::with_seed(7),
    )
}

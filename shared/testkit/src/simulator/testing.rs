//! A blocking HTTP client over one fresh connection for each request, for the simulator's own tests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Settings, Simulator};
use crate::clock::ManualClock;

/// Only a server that hangs is ever waited for this long.
const GIVE_UP: Duration = Duration::from_secs(60);
/// How long silence is listened to: a slower machine hears no more than this one.
const BRIEFLY: Duration = Duration::from_millis(20);

/// A simulator, its clock, and somebody who calls it.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
}

/// What came back; `Err` if no whole answer did.
pub(crate) type Answered = Result<Response, String>;

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::start());
        let simulator = Simulator::start(clock.clone(), settings).await;
        Self { clock, simulator }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        credential: Option<&str>,
        body: &str,
    ) -> Answered {
        let authorization = credential.map(|text| format!("authorization: Bearer {text}\r\n"));
        self.send_with(method, path, &authorization.unwrap_or_default(), body)
    }

    /// Sends a request with these header lines, each with its end.
    pub(crate) fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Answered {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: loopback\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len(),
        );
        let stream = self.connect(&request).map_err(|error| error.to_string())?;
        read(stream, GIVE_UP)
    }

    /// Sends a request of the management key and stays until the server has acted on it; whether nothing came back.
    pub(crate) fn is_silent_on(&self, method: &str, path: &str, body: &str) -> bool {
        let key = self.simulator.management_key();
        let before = self.simulator.requests().len();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: loopback\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
            key.expose_secret(),
            body.len(),
        );
        let mut stream = self.connect(&request).expect("a connection");
        while self.simulator.requests().len() == before {
            std::thread::yield_now();
        }
        stream.set_read_timeout(Some(BRIEFLY)).expect("a time-out");
        stream.read(&mut [0]).is_err()
    }

    fn connect(&self, request: &str) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.simulator.origin().replace("http://", ""))?;
        stream.write_all(request.as_bytes())?;
        Ok(stream)
    }

    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> Answered {
        let key = self.simulator.management_key();
        let path = format!("/api/v1{path}");
        self.send(method, &path, Some(key.expose_secret()), body)
    }

    /// Creates a key; its hash and its text.
    pub(crate) fn create(&self, body: &str) -> (String, String) {
        let answer = self.admin("POST", "/keys", body).expect("an answer");
        assert_eq!(answer.status, 201, "{}", answer.body);
        let json = answer.json();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&json["data"]["hash"]), text(&json["key"]))
    }

    pub(crate) fn agent_call(&self, text: &str) -> u16 {
        let path = "/api/v1/chat/completions";
        let answer = self.send("POST", path, Some(text), "{}");
        answer.expect("an answer").status
    }

    pub(crate) fn verify(&self, text: &str) -> u16 {
        let answer = self.send("GET", "/api/v1/key", Some(text), "");
        answer.expect("an answer").status
    }
}

fn read(mut stream: TcpStream, give_up: Duration) -> Answered {
    stream.set_read_timeout(Some(give_up)).expect("a time-out");
    let mut received = Vec::new();
    let ended = stream.read_to_end(&mut received);
    let text = String::from_utf8_lossy(&received).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Err(format!("no head ({ended:?})"));
    };
    let announced = header(head, "content-length").and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > body.len()) {
        return Err(format!("{} of {announced:?} bytes", body.len()));
    }
    Ok(Response {
        status: head[9..12].parse().expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

//! How many answers the sidecar gives from what it holds, how long one takes, and in how much memory; beside a plain call of the
//! SDK. Secrets Manager is a loopback server that answers at once: the real one is across a network from both.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keyward_tests::emulators::sdk_config;
use keyward_tests::functions::{Profile, build};

use crate::launch::peak_mb;
use crate::monitor::clock;
use crate::stats::round;
use crate::{Bound, Report, Result};

/// Answers in a second, on its one thread.
const ANSWERS_PER_S: f64 = 20_000.0;

/// Peak memory of the process, in megabytes.
const PEAK_MB: f64 = 10.0;

/// Connections that ask at the same time, and how often each does.
const CONNECTIONS: usize = 8;
const EACH: usize = 20_000;

/// Requests whose time is taken, one after the other.
const TIMED: usize = 2_000;

const TOKEN: &str = "bench-EXAMPLE";

/// What Secrets Manager answers:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>.
const ANSWER: &str = r#"{"ARN":"arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bench-a1B2c3","CreatedDate":1.7e9,"Name":"llm/bench","SecretString":"sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef","VersionId":"e2e00000-0000-4000-8000-000000000001","VersionStages":["AWSCURRENT"]}"#;

/// Measures the released sidecar.
pub(crate) fn sidecar(report: &mut Report) -> Result<()> {
    println!("\nthe sidecar, and a plain call of the SDK");
    let binary = build(Profile::Release, "agentd")?;
    let aws = secrets_manager()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new(binary);
    command
        .env("KEYWARD_ENVIRONMENT", "prod")
        .env("KEYWARD_PORT", port.to_string())
        .env("KEYWARD_LOG", "error")
        .env("AWS_TOKEN", TOKEN)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "EXAMPLE")
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &aws)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let running = Running(command.spawn()?);
    let mut first = connected(port)?;
    ask(&mut first)?;

    let mut times = Vec::with_capacity(TIMED);
    for _ in 0..TIMED {
        let begun = clock();
        ask(&mut first)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let begun = clock();
    let each: Vec<_> = (0..CONNECTIONS)
        .map(|_| std::thread::spawn(move || asks(port)))
        .collect();
    for thread in each {
        let told = thread.join().map_err(|_| "a thread of the load panicked")?;
        told?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let answers = (CONNECTIONS * EACH) as f64 / seconds;
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.0.id()))?;
    let peak = peak_mb(&status).ok_or("the kernel does not tell peak memory")?;
    let (p99, sdk) = (p99(&mut times), p99(&mut plain_calls(&aws)?));
    println!(
        "  {answers:.0} answers a second over {CONNECTIONS} connections; {p99:.3} ms (p99) one after the other, {sdk:.3} ms a call of the SDK; {peak:.1} MB"
    );
    report.figure("sidecar.answers_per_s", answers.round());
    report.figure("sidecar.p99_ms", round(p99));
    report.figure("sidecar.sdk_p99_ms", round(sdk));
    report.figure("sidecar.peak_mb", round(peak));
    report.target(
        "sidecar.answers_per_s",
        answers,
        Bound::AtLeast,
        ANSWERS_PER_S,
    );
    report.target("sidecar.peak_mb", peak, Bound::AtMost, PEAK_MB);
    Ok(())
}

/// A child that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn p99(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() * 99 / 100]
}

/// A connection, once the process listens.
fn connected(port: u16) -> Result<TcpStream> {
    for _ in 0..100 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err("the sidecar does not listen".into())
}

fn asks(port: u16) -> std::result::Result<(), String> {
    let mut stream = connected(port).map_err(|error| error.to_string())?;
    for _ in 0..EACH {
        ask(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// One request, and its whole answer.
fn ask(stream: &mut TcpStream) -> Result<()> {
    let request = format!(
        "GET /secretsmanager/get?secretId=llm/bench HTTP/1.1\r\nHost: localhost\r\nX-Aws-Parameters-Secrets-Token: {TOKEN}\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let told = message(stream)?.ok_or("the sidecar hung up")?;
    match told.starts_with("HTTP/1.1 200 ") && told.ends_with('}') {
        true => Ok(()),
        false => Err(format!(
            "the sidecar answered {}",
            told.lines().next().unwrap_or("nothing")
        )
        .into()),
    }
}

/// One HTTP message with its body; `None` where the other side hung up before one.
fn message(stream: &mut TcpStream) -> Result<Option<String>> {
    let (mut all, mut part) = (Vec::with_capacity(1024), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&all);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length: usize = length.map_or(Ok(0), |(_, value)| value.trim().parse())?;
            if body.len() >= length {
                return Ok(Some(text.into_owned()));
            }
        }
        match stream.read(&mut part)? {
            0 if all.is_empty() => return Ok(None),
            0 => return Err("an HTTP message broke off".into()),
            read => all.extend_from_slice(&part[..read]),
        }
    }
}

/// A loopback server that answers each call with the secret. Its address.
fn secrets_manager() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answers(stream));
        }
    });
    Ok(at)
}

fn answers(mut stream: TcpStream) {
    let length = ANSWER.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {length}\r\n\r\n"
    );
    // Whoever hangs up has what it wants.
    while let Ok(Some(_)) = message(&mut stream) {
        if stream
            .write_all(format!("{head}{ANSWER}").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

/// Milliseconds of each of as many calls of the SDK, over one connection that is kept.
fn plain_calls(aws: &str) -> Result<Vec<f64>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = aws_sdk_secretsmanager::Client::new(&sdk_config(aws).await);
        let mut times = Vec::with_capacity(TIMED);
        for _ in 0..TIMED {
            let begun = clock();
            client
                .get_secret_value()
                .secret_id("llm/bench")
                .send()
                .await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok(times)
    })
}

use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_smithy_types::timeout::TimeoutConfig;
use keyward_core::model::secret_document::SecretText;
use keyward_core::ports::{RotationToken, SecretStore as _, VersionSelector};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "sk-or-v1-EXAMPLE-text";

const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/a-b1C2d3";

const SESSION_TOKEN: &str = "EXAMPLE-session-token";

/// Answers any of the reads called here.
const BODY: &str = r#"{
    "TableNames": ["keyward"],
    "ARN": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/a-b1C2d3",
    "VersionId": "11111111-aaaa-4bbb-8ccc-000000000002",
    "SecretString": "sk-or-v1-EXAMPLE-text"
}"#;

/// What the server does with one connection.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    HangUp,
    Stall,
    HalfAnswer,
    Answer,
}

/// Serves connections in order, one each, and returns where.
async fn serve(behaviours: &'static [Behaviour]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stalled = Vec::new();
        for behaviour in behaviours {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 16 * 1024];
            let read = stream.read(&mut request).await.unwrap();
            let is_write = String::from_utf8_lossy(&request[..read]).contains("PutSecretValue");
            let body = if is_write { "{}" } else { BODY };
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            match behaviour {
                Behaviour::HangUp => {}
                Behaviour::Stall => stalled.push(stream),
                Behaviour::HalfAnswer => stream.write_all(head.as_bytes()).await.unwrap(),
                Behaviour::Answer => {
                    let answer = format!("{head}{body}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                    // Closing with something unread would reset the connection under the answer.
                    while stream.read(&mut request).await.is_ok_and(|n| n > 0) {}
                }
            }
        }
        drop(listener);
        std::future::pending::<()>().await;
    });
    url
}

async fn config(url: &str, attempts: u32) -> SdkConfig {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::ZERO);
    crate::loader(client)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(
            "AKIAEXAMPLE",
            "EXAMPLE-secret-key",
            Some(SESSION_TOKEN.to_owned()),
            None,
            "testing",
        ))
        .endpoint_url(url)
        .retry_config(retries)
        .timeout_config(
            TimeoutConfig::builder()
                .read_timeout(Duration::from_millis(200))
                .build(),
        )
        .load()
        .await
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    use Behaviour::{Answer, HalfAnswer, HangUp, Stall};
    for behaviours in [
        &[Answer] as &'static [Behaviour],
        &[HangUp, Answer],
        &[HalfAnswer, Answer],
        &[Stall, Answer],
    ] {
        let config = config(&serve(behaviours).await, 2).await;
        let client = aws_sdk_dynamodb::Client::new(&config);
        let tables = client.list_tables().send().await;
        let tables = tables.unwrap_or_else(|e| panic!("{behaviours:?}: {e:?}"));
        assert_eq!(tables.table_names(), ["keyward"], "{behaviours:?}");
    }
}

#[tokio::test]
async fn failures_keep_their_kind_and_no_url() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for (url, is_timeout) in [
        (closed, false),
        (serve(&[Behaviour::HangUp]).await, false),
        (serve(&[Behaviour::Stall]).await, true),
    ] {
        let client = aws_sdk_dynamodb::Client::new(&config(&url, 1).await);
        let error = client.list_tables().send().await.unwrap_err();
        let failure = crate::fault::examine("ListTables", &error);
        assert!(failure.is_transient);
        assert!(
            !failure.fault.to_string().contains(&url),
            "{}",
            failure.fault
        );
        let aws_smithy_runtime_api::client::result::SdkError::DispatchFailure(dispatch) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(dispatch.is_timeout(), is_timeout, "{dispatch:?}");
        assert_eq!(dispatch.is_io(), !is_timeout, "{dispatch:?}");
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn write_and_read_a_secret() {
    let url = serve(&[Behaviour::Answer, Behaviour::Answer]).await;
    let secrets = crate::SecretsManager::new(&config(&url, 1).await);
    let (arn, text) = (ARN.parse().unwrap(), SecretText::new(SECRET.to_owned()));
    let id = "11111111-aaaa-4bbb-8ccc-000000000002".parse().unwrap();
    let token = RotationToken::new("EXAMPLE-rotation-token".repeat(2));
    let put = secrets.put_pending(&arn, &id, Some(&token), &text).await;
    put.unwrap();
    let read = secrets.value(&arn, VersionSelector::Current).await;
    assert_eq!(read.unwrap().unwrap().1.expose_secret(), SECRET);
}

#[test]
fn no_log_level_shows_what_is_sent_or_received() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(write_and_read_a_secret()));
    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let log = log.replace("AKIAEXAMPLE", "");
    let as_numbers: Vec<String> = b"EXAMPLE".iter().map(ToString::to_string).collect();
    assert!(log.contains("received response from service"), "{log}");
    for line in log.lines() {
        assert!(!line.contains("EXAMPLE"), "{line}");
        assert!(!line.contains(&as_numbers.join(", ")), "{line}");
    }
}

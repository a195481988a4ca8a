use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn settings(extra_roots: Option<PathBuf>) -> HttpSettings {
    HttpSettings {
        extra_roots,
        timeout: Duration::from_secs(10),
    }
}

fn http() -> Http {
    Http::new(&settings(None)).unwrap()
}

/// A loopback server that gives `answer` to every request; its address, and how many connections it has had.
async fn server(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/keys", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while matches!(stream.read(&mut request).await, Ok(1..)) {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (url, connections)
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, visits) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n"
    );
    let (url, _) = server(answer.leak()).await;
    for client in [
        http().pooled().unwrap(),
        http().fresh_builder().build().unwrap(),
    ] {
        let response = client.get(&url).send().await.unwrap();
        assert_eq!(response.status(), 307);
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_client_keeps_its_connection_and_the_other_does_not() {
    let (url, connections) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let seen_with = async |client: reqwest::Client| {
        let before = connections.load(Ordering::SeqCst);
        for _ in 0..3 {
            let response = client.get(&url).send().await.unwrap();
            response.bytes().await.unwrap();
        }
        connections.load(Ordering::SeqCst) - before
    };
    // When a connection is back in the pool is up to the client's own task.
    assert!(seen_with(http().pooled().unwrap()).await < 3);
    assert_eq!(seen_with(http().fresh_builder().build().unwrap()).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let (url, _) = server("").await;
    let answer = http().pooled().unwrap().get(&url).send();
    let given_up = tokio::time::timeout(Duration::from_secs(11), answer).await;
    let error = given_up.expect("in time").unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

/// A root, and a server certificate that it signed, for `localhost`.
struct Authority {
    root_pem: String,
    server: rustls::ServerConfig,
}

fn authority() -> Authority {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let root_key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(root, root_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server =
        rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
    Authority { root_pem, server }
}

/// Answers one TLS connection on a thread of its own; the address.
fn tls_server(config: rustls::ServerConfig) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut tcp);
        // A client that does not trust the certificate hangs up here.
        if stream.read(&mut [0; 4096]).is_ok() {
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).unwrap();
        }
    });
    url
}

struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("keyward-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[tokio::test]
async fn a_company_root_is_trusted_only_when_it_is_named() {
    let Authority { root_pem, server } = authority();
    let file = TempFile::new("company-root.pem", &root_pem);

    let stranger = http().pooled().unwrap();
    let url = tls_server(server.clone());
    let error = stranger.get(url).send().await.unwrap_err();
    let text = crate::diagnostic::chain(&error);
    assert!(text.contains("UnknownIssuer"), "{text}");

    let http = Http::new(&settings(Some(file.0.clone()))).unwrap();
    for client in [
        http.pooled().unwrap(),
        http.fresh_builder().build().unwrap(),
    ] {
        let url = tls_server(server.clone());
        assert_eq!(client.get(url).send().await.unwrap().status(), 204);
    }
}

#[test]
fn a_bad_file_of_extra_roots_is_refused_by_what_is_wrong_with_it() {
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let refused = |text: &str| {
        let file = TempFile::new("bad-roots.pem", text);
        let error = Http::new(&settings(Some(file.0.clone()))).unwrap_err();
        assert!(error.to_string().contains("bad-roots.pem"), "{error}");
        error
    };
    let error = refused("no PEM here\n");
    assert!(matches!(error, HttpError::NoRoots { .. }), "{error:?}");
    let error = refused(&format!("{}{not_a_certificate}", authority().root_pem));
    assert!(
        matches!(error, HttpError::RootRefused { number: 2, .. }),
        "{error:?}"
    );
    let error = refused("-----BEGIN CERTIFICATE-----\naGVsbG8=\n");
    assert!(
        matches!(error, HttpError::RootsUnreadable { .. }),
        "{error:?}"
    );

    let missing = settings(Some("/nonexistent/roots.pem".into()));
    let error = Http::new(&missing).unwrap_err();
    assert!(
        matches!(error, HttpError::RootsUnreadable { .. }),
        "{error:?}"
    );
}

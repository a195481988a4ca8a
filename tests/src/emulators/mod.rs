//! Other people's AWS emulators: moto for Secrets Manager and functions, ministack for the rest.
//!
//! They are installed into `target/emulators` by the first test that needs them, in the versions that
//! `tests/emulators/requirements.txt` pins, run on loopback ports of their own, and end when their value is dropped or
//! the test process ends, however it ends. Where they cannot be had, a test is ignored on a person's machine and fails
//! where `CI` is set.

mod environment;
mod ministack;
mod moto;
mod process;
mod topic;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use keyward_lambda::http::{Http, HttpSettings};

pub(crate) use environment::{python, scripts};
pub use ministack::{Ministack, Stacked};
pub use moto::{Function, Moto};
pub(crate) use moto::{THROTTLED, invoke};
pub use topic::Topic;

/// The region that everything is in.
pub const REGION: &str = "us-east-1";

/// Where what functions asked the emulators for is kept.
pub fn calls_folder() -> std::path::PathBuf {
    environment::target().join("calls")
}

/// How long one request may take: the first of a kind can find an emulator still loading, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the adapters are built from, for the emulator at `url`.
pub async fn sdk_config(url: &str) -> SdkConfig {
    let patient = TimeoutConfig::builder()
        .operation_attempt_timeout(PATIENCE)
        .operation_timeout(PATIENCE)
        .build();
    let credentials = Credentials::new("testing", "testing", None, None, "testing");
    keyward_aws::loader(http_client())
        .region(Region::from_static(REGION))
        .credentials_provider(credentials)
        .endpoint_url(url)
        .timeout_config(patient)
        .load()
        .await
}

/// The HTTP client that functions use.
pub fn http_client() -> reqwest::Client {
    let settings = HttpSettings {
        extra_roots: None,
        timeout: PATIENCE,
    };
    Http::new(&settings).unwrap().pooled().unwrap()
}

/// One call of a JSON protocol by `POST`.
///
/// # Panics
/// If it is refused.
pub(crate) async fn post(
    url: &str,
    service: &str,
    request: &serde_json::Value,
) -> serde_json::Value {
    let request = http_client()
        .post(url)
        .header("Authorization", authorization(service))
        .json(request);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{url}: {answer:?}");
    answer.json().await.unwrap()
}

/// The header by which emulators tell services apart; they check no signature.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

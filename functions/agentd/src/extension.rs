//! As an extension of a Lambda function: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

/// Lambda answers when there is something to say, which may be at the end of the environment: longer than any lives.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Lambda did not take the extension, or does not say what it shall do.
#[derive(Debug, thiserror::Error)]
pub enum ExtensionError {
    /// Not reached.
    #[error("Lambda's extensions API was not reached")]
    Unreachable(#[source] reqwest::Error),
    /// Refused.
    #[error(
        "Lambda does not take this process as an extension (status {0}); its file must stand in /opt/extensions, and nowhere below"
    )]
    Refused(StatusCode),
    /// Without an id.
    #[error("Lambda gave the extension no id")]
    NoId,
}

/// What Lambda says next.
#[derive(Deserialize)]
struct Next {
    #[serde(rename = "eventType")]
    kind: String,
}

/// Registers this process, which was started as `name`, for the end of the environment and for nothing else: calls of the
/// function wait for no extension. Returns when Lambda ends the environment.
///
/// # Errors
/// [`ExtensionError`].
pub async fn until_shutdown(
    client: reqwest::ClientBuilder,
    api: &str,
    name: &OsStr,
) -> Result<(), ExtensionError> {
    let base = format!("http://{api}/2020-01-01/extension");
    let client = client.timeout(LONGEST).build();
    let client = client.map_err(ExtensionError::Unreachable)?;
    let name = Path::new(name).file_name().unwrap_or(name);
    let registered = client
        .post(format!("{base}/register"))
        .header("lambda-extension-name", name.to_string_lossy().as_ref())
        .json(&serde_json::json!({"events": ["SHUTDOWN"]}))
        .send()
        .await
        .map_err(ExtensionError::Unreachable)?;
    if !registered.status().is_success() {
        return Err(ExtensionError::Refused(registered.status()));
    }
    let id = registered.headers().get("lambda-extension-identifier");
    let id = id.ok_or(ExtensionError::NoId)?.clone();
    loop {
        let next = client.get(format!("{base}/event/next"));
        let next = next.header("lambda-extension-identifier", &id).send().await;
        let next = next.map_err(ExtensionError::Unreachable)?;
        if !next.status().is_success() {
            return Err(ExtensionError::Refused(next.status()));
        }
        let next: Next = next.json().await.map_err(ExtensionError::Unreachable)?;
        if next.kind == "SHUTDOWN" {
            return Ok(());
        }
    }
}

//! P-12: both places of an IAM user are taken, and a third credential is refused.

use keyward_core::model::slot::ProviderName;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Fault, FaultRule};
use serde::Deserialize;

use super::error::Unsupported;
use super::provider::slot_of;
use super::rotation::default_now;
use super::stage::{Stage, Standby};
use crate::support::Backend;

/// What the file tells.
#[derive(Debug, Deserialize)]
pub(super) struct Full {
    current_credential_id: String,
    list: List,
    create: Refused,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    service_specific_credentials: Vec<Credential>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credential {
    service_specific_credential_id: String,
    status: String,
}

#[derive(Debug, Deserialize)]
struct Refused {
    #[serde(deserialize_with = "super::file::status")]
    http_status: u16,
    error_code: String,
    message: String,
}

impl Refused {
    /// The file has what an SDK shows; IAM writes it so.
    fn as_xml(&self) -> String {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<ErrorResponse><Error><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>",
            escaped(&self.error_code),
            escaped(&self.message)
        )
    }
}

/// createSecret while the slot's key and others that no record has are there.
pub(super) async fn full(file: &Full, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let provider = ProviderName::Bedrock;
    let mut stage = slot_of(provider, Standby::Filled, default_now(), fleet).await?;
    let is_other = |c: &&Credential| c.service_specific_credential_id != file.current_credential_id;
    let credentials = file.list.service_specific_credentials.iter();
    for other in credentials.filter(is_other) {
        stage.simulator().seed("of nobody's record");
        let made = stage.simulator().keys().pop().map(|key| key.handle);
        let user = stage.provider.scope().user;
        if let (Some(made), Some(user), "Inactive") = (made, user, other.status.as_str())
            && let Ok(handle) = format!("{user}/{made}").parse()
        {
            let _ = stage.provider.driver().disable(&handle).await;
        }
    }
    stage.begin();
    let (method, path) = stage.simulator().route(ProviderCall::Create);
    let refused = Fault::recorded(file.create.http_status, None, file.create.as_xml());
    stage
        .simulator()
        .inject(FaultRule::on(method, path, refused));
    let given = format!("{} {}", file.create.http_status, file.create.error_code);
    stage.step("createSecret", Some(given)).await;
    Ok(stage)
}

use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider,
};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::*;

/// An AWS that gives the same answer to everything, or none, and keeps what it was asked.
#[derive(Debug, Clone)]
struct Recorded {
    answer: Option<(u16, &'static str)>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
        let asked = format!("{operation} {}", String::from_utf8(body).unwrap());
        self.asked.lock().unwrap().push(asked);
        HttpConnectorFuture::ready(match self.answer {
            None => Err(ConnectorError::timeout("too late".into())),
            Some((status, body)) => {
                let status = StatusCode::try_from(status).unwrap();
                Ok(HttpResponse::new(status, SdkBody::from(body)))
            }
        })
    }
}

impl HttpClient for Recorded {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn answering(answer: Option<(u16, &'static str)>) -> (SecretsManager, Recorded) {
    let recorded = Recorded {
        answer,
        asked: Arc::default(),
    };
    let credentials = Credentials::new("AKIDEXAMPLE", "EXAMPLE", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(SharedHttpClient::new(recorded.clone()))
        .sleep_impl(aws_sdk_secretsmanager::config::SharedAsyncSleep::new(
            Asleep,
        ))
        .build();
    (SecretsManager::new(&config), recorded)
}

/// Tokio's clock, which stands still until everybody waits.
#[derive(Debug)]
struct Asleep;

impl aws_sdk_secretsmanager::config::AsyncSleep for Asleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_secretsmanager::config::Sleep {
        aws_sdk_secretsmanager::config::Sleep::new(tokio::time::sleep(duration))
    }
}

fn query() -> Query {
    Query::current(SecretId::new("llm/bot").unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_value_is_asked_for_and_read_as_aws_describes_it() {
    let answer = r#"{"ARN":"arn:aws:secretsmanager:us-east-1:123456789012:secret:llm/bot-aBcDeF",
        "CreatedDate":1.569534789046E9,"Name":"llm/bot","SecretString":"sk-EXAMPLE",
        "VersionId":"EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE","VersionStages":["AWSCURRENT"]}"#;
    let (secrets, recorded) = answering(Some((200, answer)));
    let query = Query {
        stage: Some("AWSPREVIOUS".to_owned()),
        ..query()
    };
    let value = secrets.get(&query).await.unwrap();
    assert_eq!(
        value.version.as_str(),
        "EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE"
    );
    assert_eq!(
        (value.name.as_str(), value.stages),
        ("llm/bot", vec!["AWSCURRENT".to_owned()])
    );
    let created = value
        .created
        .unwrap()
        .duration_since(SystemTime::UNIX_EPOCH);
    assert_eq!(created.unwrap().as_millis(), 1_569_534_789_046);
    assert!(matches!(value.content, Content::Text(_)));
    assert_eq!(
        *recorded.asked.lock().unwrap(),
        [r#"secretsmanager.GetSecretValue {"SecretId":"llm/bot","VersionStage":"AWSPREVIOUS"}"#]
    );
}

#[tokio::test(start_paused = true)]
async fn binary_values_and_tags_are_read() {
    let answer = r#"{"Name":"b","SecretBinary":"AQI=","VersionId":"v"}"#;
    let value = answering(Some((200, answer)))
        .0
        .get(&query())
        .await
        .unwrap();
    assert!(matches!(value.content, Content::Binary(_)));
    let answer = r#"{"Name":"b","Tags":[{"Key":"keyward:slot","Value":"bot"},{"Key":"x","Value":"y"},
        {"Key":"keyward:environment","Value":"dev"}]}"#;
    let tags = answering(Some((200, answer))).0;
    let tags = tags.tags(&query().secret).await.unwrap();
    assert_eq!(tags.slot.as_deref(), Some("bot"));
    assert_eq!(tags.environment.as_deref(), Some("dev"));
}

/// The filter of ListSecrets matches by prefix.
#[tokio::test(start_paused = true)]
async fn a_slots_secret_is_the_one_whose_tag_is_its_whole_name() {
    let answer = r#"{"SecretList":[
        {"ARN":"arn:aws:secretsmanager:us-east-1:123456789012:secret:a-1","Tags":[{"Key":"keyward:slot","Value":"bot-two"}]},
        {"ARN":"arn:aws:secretsmanager:us-east-1:123456789012:secret:a-2","Tags":[{"Key":"keyward:slot","Value":"bot"}]},
        {"ARN":"arn:aws:secretsmanager:us-east-1:123456789012:secret:a-3","Tags":[{"Key":"owner","Value":"bot"}]}]}"#;
    let (secrets, recorded) = answering(Some((200, answer)));
    let found = secrets
        .of_slot(&SlotName::new("bot").unwrap())
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].as_str().ends_with(":a-2"));
    let asked = recorded.asked.lock().unwrap().join("");
    assert!(
        asked.contains(r#"{"Key":"tag-key","Values":["keyward:slot"]}"#),
        "{asked}"
    );
    assert!(
        asked.contains(r#"{"Key":"tag-value","Values":["bot"]}"#),
        "{asked}"
    );
}

#[tokio::test(start_paused = true)]
async fn errors_are_told_apart_by_what_can_be_done() {
    let denied = r#"{"__type":"AccessDeniedException","Message":"User: x is not authorized\nto perform: y"}"#;
    for (answer, attempts, expected) in [
        (
            Some((400, denied)),
            1,
            FetchError::Refused {
                code: "AccessDeniedException".to_owned(),
                message: "User: x is not authorized to perform: y".to_owned(),
            },
        ),
        (
            Some((
                400,
                r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#,
            )),
            3,
            FetchError::Busy {
                code: "ThrottlingException".to_owned(),
            },
        ),
        (
            Some((500, r#"{"__type":"InternalServiceError","message":"x"}"#)),
            3,
            FetchError::Busy {
                code: "InternalServiceError".to_owned(),
            },
        ),
        (
            Some((400, r#"{"__type":"ExpiredTokenException","message":"x"}"#)),
            1,
            FetchError::Busy {
                code: "ExpiredTokenException".to_owned(),
            },
        ),
        (None, 3, FetchError::Unreachable("it timed out".to_owned())),
        (
            Some((200, "sk-EXAMPLE, and no JSON")),
            1,
            FetchError::NoAnswer,
        ),
        (
            Some((200, r#"{"Name":"x","VersionId":"v"}"#)),
            1,
            FetchError::NoAnswer,
        ),
        (
            Some((503, "<html>sk-EXAMPLE</html>")),
            3,
            FetchError::NoAnswer,
        ),
    ] {
        let (secrets, recorded) = answering(answer);
        let error = secrets.get(&query()).await.unwrap_err();
        assert_eq!(error, expected, "{answer:?}");
        assert_eq!(recorded.asked.lock().unwrap().len(), attempts, "{answer:?}");
        assert!(!format!("{error} {error:?}").contains("EXAMPLE"));
    }
}

#[tokio::test(start_paused = true)]
async fn without_credentials_that_is_what_is_said() {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Nobody))
        .build();
    let error = SecretsManager::new(&config)
        .get(&query())
        .await
        .unwrap_err();
    assert_eq!(error, FetchError::NoCredentials);
}

/// Has no credentials.
#[derive(Debug, Default)]
struct Nobody;

impl aws_credential_types::provider::ProvideCredentials for Nobody {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let none = CredentialsError::not_loaded("none here");
        aws_credential_types::provider::future::ProvideCredentials::ready(Err(none))
    }
}

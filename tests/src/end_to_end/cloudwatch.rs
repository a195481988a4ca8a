//! CloudWatch over the wire, for alarms whose histories a test writes: an emulator keeps the time of its own changes only.

use std::sync::Arc;

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_types::DateTime;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use keyward_core::model::alarm::{AlarmArn, AlarmState, Change};
use keyward_core::ports::AlarmSource;
use keyward_testkit::memory::MemoryAlarms;
use serde_json::json;

/// Answers ListTagsForResource and DescribeAlarmHistory in the protocol that the SDK speaks:
/// <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>.
#[derive(Debug)]
pub struct CloudWatch {
    /// What it knows.
    pub alarms: Arc<MemoryAlarms>,
    /// Where it answers.
    pub url: String,
    server: tokio::task::JoinHandle<()>,
}

impl CloudWatch {
    /// Starts it on a port of the loopback interface.
    pub async fn start() -> Self {
        let alarms = Arc::new(MemoryAlarms::default());
        let path = "/service/GraniteServiceVersion20100801/operation/{operation}";
        let router = Router::new()
            .route(path, post(answer))
            .with_state(alarms.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            alarms,
            url,
            server,
        }
    }
}

impl Drop for CloudWatch {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The fields that are read here.
#[derive(Debug, Default)]
struct Request {
    arn: Option<String>,
    name: Option<String>,
    from: Option<DateTime>,
    to: Option<DateTime>,
}

impl Request {
    fn read(body: &[u8]) -> Self {
        let mut decoder = Decoder::new(body);
        let mut request = Self::default();
        let length = decoder.map().unwrap();
        let mut read = 0;
        while length.is_none_or(|length| read < length) {
            if decoder.datatype().unwrap() == Type::Break {
                break;
            }
            read += 1;
            match decoder.str().unwrap().as_ref() {
                "ResourceARN" => request.arn = Some(decoder.string().unwrap()),
                "AlarmName" => request.name = Some(decoder.string().unwrap()),
                "StartDate" => request.from = Some(decoder.timestamp().unwrap()),
                "EndDate" => request.to = Some(decoder.timestamp().unwrap()),
                _ => decoder.skip().unwrap(),
            }
        }
        request
    }
}

async fn answer(
    State(alarms): State<Arc<MemoryAlarms>>,
    Path(operation): Path<String>,
    body: Bytes,
) -> Response {
    let request = Request::read(&body);
    match operation.as_str() {
        "ListTagsForResource" => {
            let arn: AlarmArn = request.arn.unwrap().parse().unwrap();
            match alarms.tags(&arn).await {
                Ok(tags) => in_cbor(StatusCode::OK, |encoder| {
                    encoder.str("Tags").array(tags.len());
                    for (key, value) in &tags {
                        encoder.map(2).str("Key").str(key).str("Value").str(value);
                    }
                }),
                Err(_) => in_cbor(StatusCode::NOT_FOUND, |encoder| {
                    encoder.str("__type").str("ResourceNotFoundException");
                }),
            }
        }
        "DescribeAlarmHistory" => {
            let name = request.name.unwrap();
            let (from, to) = (time(&request.from.unwrap()), time(&request.to.unwrap()));
            // An ARN is not asked for here: the account is one, and so is the region.
            let arn = alarms.named(&name);
            let changes = match arn {
                Some(arn) => alarms.changes(&arn, from, to).await.unwrap(),
                None => Vec::new(),
            };
            in_cbor(StatusCode::OK, |encoder| {
                encoder.str("AlarmHistoryItems").array(changes.len());
                for change in &changes {
                    item(encoder, &name, change);
                }
            })
        }
        other => panic!("{other} is not answered here"),
    }
}

fn item(encoder: &mut Encoder, name: &str, change: &Change) {
    let state = match &change.to {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "INSUFFICIENT_DATA",
        AlarmState::Other(other) => other.as_str(),
    };
    let data = json!({"version": "1.0", "newState": {"stateValue": state}}).to_string();
    let at = DateTime::from_nanos(change.at.as_nanosecond()).unwrap();
    encoder.map(4).str("AlarmName").str(name);
    encoder.str("Timestamp").timestamp(&at);
    encoder.str("HistoryItemType").str("StateUpdate");
    encoder.str("HistoryData").str(&data);
}

fn time(at: &DateTime) -> Timestamp {
    Timestamp::from_nanosecond(at.as_nanos()).unwrap()
}

fn in_cbor(status: StatusCode, fields: impl FnOnce(&mut Encoder)) -> Response {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map();
    fields(&mut encoder);
    encoder.end();
    let headers = [
        ("smithy-protocol", "rpc-v2-cbor"),
        ("content-type", "application/cbor"),
    ];
    (status, headers, encoder.into_writer()).into_response()
}

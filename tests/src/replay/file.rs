//! Reads a case file: what it is, and what it says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keyward_core::model::names::{SecretArn, SecretVersionId};
use keyward_core::ports::Stage;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::MAX_BYTES;
use super::alarms::Alarms;
use super::error::Unsupported;
use super::recognise::{Kind, recognise};

/// What a file says.
#[derive(Debug)]
pub(super) enum File {
    /// Invocations of `rotate`, and what others did between them.
    Rotation(Vec<Turn>),
    /// A secret, looked at by `retire`.
    Watch(Box<Watch>),
    /// The end of an old key by the clock.
    Timeline(Timeline),
    /// What wakes the kill switch.
    Alarms(Box<Alarms>),
    /// Answers of a provider.
    Provider(Answers),
}

/// One thing that happens in a rotation.
#[derive(Debug)]
pub(super) enum Turn {
    /// A step is called.
    Step(Box<StepTurn>),
    /// Somebody else puts a value under AWSCURRENT.
    Outside {
        /// The version that it is stored as.
        new_current: SecretVersionId,
    },
}

/// One invocation of `rotate`, and the answers it meets.
#[derive(Debug, Deserialize)]
pub(super) struct StepTurn {
    pub(super) event: Value,
    pub(super) describe_secret: Option<Describe>,
    #[serde(default)]
    pub(super) get_secret_value: Vec<Read>,
    pub(super) put_secret_value: Option<AwsFault>,
    pub(super) update_secret_version_stage_if_from_old: Option<AwsFault>,
    #[serde(default)]
    pub(super) probe_answers: Vec<Probe>,
    pub(super) provider: Option<Value>,
    pub(super) lambda: Option<String>,
}

/// `DescribeSecret`'s answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(rename = "ARN")]
    pub(super) arn: SecretArn,
    pub(super) rotation_enabled: Option<bool>,
    last_changed_date: Option<f64>,
    last_rotated_date: Option<f64>,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
    #[serde(default)]
    pub(super) version_ids_to_stages: BTreeMap<SecretVersionId, Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

/// One `GetSecretValue`, request and answer.
#[derive(Debug, Deserialize)]
pub(super) struct Read {
    pub(super) request: ReadRequest,
    pub(super) response: ReadResponse,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReadRequest {
    pub(super) version_id: Option<SecretVersionId>,
    pub(super) version_stage: Option<String>,
}

/// A value, or an error.
#[derive(Debug, Deserialize)]
pub(super) struct ReadResponse {
    #[serde(rename = "SecretString")]
    pub(super) text: Option<String>,
    #[serde(flatten)]
    pub(super) fault: Option<AwsFault>,
}

/// An error in Secrets Manager's wire form.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AwsFault {
    #[serde(rename = "__type")]
    pub(super) code: String,
    #[serde(rename = "Message", alias = "message", default)]
    pub(super) message: String,
}

/// One answer of a provider.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Probe {
    #[serde(deserialize_with = "status")]
    pub(super) status: u16,
    #[serde(default, deserialize_with = "headers")]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: Value,
    /// What was asked, where the file says.
    pub(super) call: Option<String>,
}

/// A secret without an event.
#[derive(Debug, Deserialize)]
pub(super) struct Watch {
    pub(super) describe_secret: Describe,
    pub(super) rotate_secret: Option<AwsFault>,
    pub(super) now: Option<f64>,
}

/// What clients meet, second by second after a promotion.
#[derive(Debug, Deserialize)]
pub(super) struct Timeline {
    pub(super) scheduled: Vec<Moment>,
    #[serde(default)]
    pub(super) kill: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Moment {
    /// Seconds after the promotion.
    #[serde(deserialize_with = "after")]
    pub(super) t: i64,
    #[serde(rename = "do")]
    pub(super) action: Option<String>,
    pub(super) client_uses: Option<String>,
    pub(super) want: Option<String>,
}

/// A provider's answers, by what they answer.
#[derive(Debug)]
pub(super) enum Answers {
    /// To the create of a service account, with or without its key.
    ServiceAccount { body: Value },
    /// To probes of a key after its end was accepted.
    AfterDelete { probes: Vec<Probe> },
    /// 404 to the end of a key, the list with it and without.
    NotFound,
    /// Too many requests, one way after another.
    Busy(Vec<Probe>),
    /// To a suspension.
    Suspend { id: String, body: Value },
    /// To a create at a provider that makes no keys.
    CreateRefused,
    /// To what asks about a key.
    Verdicts(Vec<Probe>),
    /// A list without a key that the inventory has.
    Vanished,
    /// A list with as many keys as there can be, to a create.
    Full(super::full::Full),
    /// To probes of a key that is blocked, but remembered here and there.
    Remembered { probes: Vec<Probe> },
    /// What a proxy tells of one key.
    KeyInfo { body: Value },
    /// How far a create has come, first and later.
    Operation(Vec<Value>),
    /// A list of Google's keys, deleted ones among them.
    GoogleKeys { body: Value },
    /// Both keys of a pair, before and after one is regenerated.
    Pair(super::azure::Pair),
    /// To a regenerate that names no key of the pair.
    BadKeyName { status: u16, body: Value },
}

/// Reads a file.
pub(super) fn read(text: &str) -> Result<File, Unsupported> {
    if text.len() > MAX_BYTES {
        return Err(Unsupported::TooLarge(text.len()));
    }
    let value: Value = serde_json::from_str(text).map_err(|e| Unsupported::NotJson {
        line: e.line(),
        column: e.column(),
    })?;
    match recognise(&value)? {
        Kind::BareEvent => {
            let turn = serde_json::json!({ "event": value });
            Ok(File::Rotation(vec![Turn::Step(fields(turn)?)]))
        }
        Kind::Rotation => Ok(File::Rotation(vec![Turn::Step(fields(value)?)])),
        Kind::Sequence => Ok(File::Rotation(sequence(&value)?)),
        Kind::Alarm => Ok(File::Alarms(Box::new(Alarms {
            events: vec![value],
            ..Alarms::default()
        }))),
        Kind::Alarms => Ok(File::Alarms(Box::new(Alarms {
            events: value.as_array().cloned().unwrap_or_default(),
            ..Alarms::default()
        }))),
        Kind::AlarmWith => {
            let event = value["event"].clone();
            let mut file: Box<Alarms> = fields(value)?;
            file.events.insert(0, event);
            Ok(File::Alarms(file))
        }
        Kind::Watch => Ok(File::Watch(fields(value)?)),
        Kind::Timeline => Ok(File::Timeline(*fields(value)?)),
        Kind::ServiceAccount => Ok(File::Provider(Answers::ServiceAccount { body: value })),
        Kind::AfterDelete => Ok(File::Provider(Answers::AfterDelete {
            probes: probes(&value["probe_status"])?,
        })),
        Kind::NotFound => Ok(File::Provider(Answers::NotFound)),
        Kind::Busy => Ok(File::Provider(Answers::Busy(*fields(value)?))),
        Kind::Verdicts => Ok(File::Provider(Answers::Verdicts(*fields(value)?))),
        Kind::CreateRefused => Ok(File::Provider(Answers::CreateRefused)),
        Kind::Vanished => Ok(File::Provider(Answers::Vanished)),
        Kind::Full => Ok(File::Provider(Answers::Full(*fields(value)?))),
        Kind::Remembered => Ok(File::Provider(Answers::Remembered {
            probes: probes(&value["probe_status_by_10s"])?,
        })),
        Kind::KeyInfo => Ok(File::Provider(Answers::KeyInfo { body: value })),
        Kind::Operation => Ok(File::Provider(Answers::Operation(*fields(value)?))),
        Kind::GoogleKeys => Ok(File::Provider(Answers::GoogleKeys { body: value })),
        Kind::Pair => Ok(File::Provider(Answers::Pair(*fields(value)?))),
        Kind::BadKeyName => {
            let refused: Probe = *fields(value)?;
            Ok(File::Provider(Answers::BadKeyName {
                status: refused.status,
                body: refused.body,
            }))
        }
        Kind::Suspend => Ok(File::Provider(suspend(&value))),
    }
}

/// Bare statuses as answers.
fn probes(statuses: &Value) -> Result<Vec<Probe>, Unsupported> {
    let statuses = statuses.as_array().cloned().unwrap_or_default();
    let answers = statuses
        .into_iter()
        .map(|status| serde_json::json!({ "status": status }));
    Ok(*fields(answers.collect())?)
}

fn suspend(value: &Value) -> Answers {
    let path = value["request"]["path"].as_str().unwrap_or_default();
    Answers::Suspend {
        id: path.rsplit('/').next().unwrap_or_default().to_owned(),
        body: value["response"].clone(),
    }
}

fn sequence(value: &Value) -> Result<Vec<Turn>, Unsupported> {
    let turns = value["sequence"].as_array().cloned().unwrap_or_default();
    let turns: Vec<Turn> = turns
        .into_iter()
        .map(|turn| {
            if turn.get("outside").is_none() {
                return Ok(Turn::Step(fields(turn)?));
            }
            let new_current = *fields(turn["new_current"].clone())?;
            Ok(Turn::Outside { new_current })
        })
        .collect::<Result<_, Unsupported>>()?;
    match turns.first() {
        Some(Turn::Step(_)) => Ok(turns),
        _ => Err(Unsupported::Field {
            field: "sequence",
            why: "a list that begins with an event",
        }),
    }
}

/// The fields of a known form. What serde says can quote values, so it is not told.
fn fields<T: DeserializeOwned>(value: Value) -> Result<Box<T>, Unsupported> {
    let read = serde_json::from_value(value).map(Box::new);
    read.map_err(|_| {
        Unsupported::Unknown("a known form, but a field has another type than it must")
    })
}

impl Describe {
    /// The version that carries `stage`.
    pub(super) fn holder(&self, stage: &Stage) -> Option<SecretVersionId> {
        let label = stage.to_string();
        let mut versions = self.version_ids_to_stages.iter();
        let held = versions.find(|(_, labels)| labels.contains(&label));
        held.map(|(id, _)| id.clone())
    }

    /// When the secret was last changed.
    pub(super) fn changed(&self) -> Option<Timestamp> {
        seconds(self.last_changed_date?)
    }

    /// When it was last rotated.
    pub(super) fn rotated(&self) -> Option<Timestamp> {
        seconds(self.last_rotated_date?)
    }
}

/// A time as Secrets Manager writes it: seconds since 1970.
/// One before 2000 or after 2100 is none.
pub(super) fn seconds(at: f64) -> Option<Timestamp> {
    const SENSIBLE: std::ops::Range<i64> = 946_684_800..4_102_444_800;
    let at = at as i64;
    let at = SENSIBLE.contains(&at).then_some(at)?;
    Timestamp::from_second(at).ok()
}

/// An HTTP status, as a simulator can send it.
pub(super) fn status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    (200..600)
        .contains(&status)
        .then_some(status)
        .ok_or_else(|| serde::de::Error::custom("no status of a final answer"))
}

/// Headers that can be sent.
fn headers<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
    let fits = |text: &String| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if headers.values().all(fits) {
        Ok(headers)
    } else {
        Err(serde::de::Error::custom("no header's value"))
    }
}

/// Seconds after a promotion, up to 30 days.
fn after<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let after = i64::deserialize(deserializer)?;
    (0..=30 * 86_400)
        .contains(&after)
        .then_some(after)
        .ok_or_else(|| serde::de::Error::custom("not within 30 days"))
}

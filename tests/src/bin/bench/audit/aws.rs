//! DynamoDB, Secrets Manager and CloudWatch as the audit asks them, over HTTP: pages are made up as they are asked for, and
//! what an item looks like was learned from the adapter that writes it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use keyward_aws::{DynamoInventory, SdkConfig, loader};
use keyward_core::model::slot::Slot;
use keyward_core::model::version::Version;
use keyward_core::ports::Inventory as _;
use keyward_core::rules::alarms::wanted;
use serde_json::{Value, json};

use super::{KEYS_OF_A_SLOT, NOW, OLD, cbor, openai};
use crate::Result;
use crate::monitor::scene::{account, deployment, made};

/// The table of the inventory.
pub(super) const TABLE: &str = "keyward";

/// Items of a page: of the index of due work DynamoDB sends as many as fit into a megabyte, here it is fewer; of the others a
/// hundred is the most that can be asked for.
const PAGE: usize = 100;

/// What the adapters use where `url` answers for AWS.
pub(super) async fn config(url: &str) -> Result<SdkConfig> {
    let client = keyward_lambda::http::Http::new(&keyward_lambda::http::HttpSettings {
        extra_roots: None,
        timeout: std::time::Duration::from_secs(10),
    })?;
    let client = client.pooled_builder().no_proxy().build()?;
    let credentials = aws_credential_types::Credentials::new(
        "AKIAEXAMPLE",
        "EXAMPLE-secret-key",
        None,
        None,
        "bench",
    );
    Ok(loader(client)
        .region(aws_config::Region::from_static("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(url)
        .load()
        .await)
}

/// What is asked.
struct World {
    slots: usize,
    calls: Arc<AtomicUsize>,
    /// What was written, once.
    written: Mutex<Vec<Value>>,
    /// An item of a slot, and one of a version.
    patterns: Mutex<Option<[Value; 2]>>,
}

/// Serves a deployment of so many slots, and returns its URL.
pub(super) async fn serve(slots: usize, calls: Arc<AtomicUsize>) -> Result<String> {
    let world = Arc::new(World {
        slots,
        calls,
        written: Mutex::default(),
        patterns: Mutex::default(),
    });
    let router = Router::new().fallback(answer).with_state(world.clone());
    let url = crate::serve::serve(router).await?;
    let inventory = DynamoInventory::new(&config(&url).await?, TABLE);
    let (slot, version) = row(0, 0)?;
    inventory.create_slot(&slot, Some(&version)).await?;
    let written = world.written.lock().map_err(|_| "poisoned")?.clone();
    let of = |is_it: fn(&str) -> bool| {
        let mut items = written.iter();
        let item = items.find(|item| item["sk"]["S"].as_str().is_some_and(is_it));
        item.cloned().ok_or("the adapter wrote no such item")
    };
    let patterns = [of(|sk| sk == "SLOT")?, of(|sk| sk.starts_with("VERSION#"))?];
    *world.patterns.lock().map_err(|_| "poisoned")? = Some(patterns);
    Ok(url)
}

/// Slot number `n` and its key number `key`, the first being the current one.
fn row(n: usize, key: usize) -> Result<(Slot, Version)> {
    let now: Timestamp = NOW.parse()?;
    let (slot, version) = made(n)?;
    let days = if key == 0 && n.is_multiple_of(OLD) {
        70
    } else {
        20
    };
    let ago = now - SignedDuration::from_hours(24 * days);
    let handle = openai::handle(n * KEYS_OF_A_SLOT + key)?;
    let fingerprint = keyward_core::model::key::ApiKey::new(handle.as_str()).fingerprint();
    let version = Version {
        state: match key {
            0 => version.state,
            _ => keyward_core::model::version::VersionState::Retiring,
        },
        id: format!("11111111-aaaa-4bbb-{key:04}-{n:012}.1").parse()?,
        fingerprint: Some(fingerprint),
        handle: Some(handle),
        created: ago,
        promoted: Some(ago),
        deadline: (key > 0).then_some(now + SignedDuration::from_hours(1)),
        ..version
    };
    Ok((slot, version))
}

/// Text of an item; what the adapter never wrote is not put in.
fn set(item: &mut Value, name: &str, text: &str) -> Result<()> {
    let field = item.pointer_mut(&format!("/{name}/S"));
    *field.ok_or_else(|| format!("items have no {name}"))? = text.into();
    Ok(())
}

impl World {
    fn pattern(&self, at: usize) -> Result<Value> {
        let patterns = self.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        let patterns = patterns.as_ref().ok_or("nothing was written yet")?;
        Ok(patterns[at].clone())
    }

    fn slot(&self, n: usize) -> Result<Value> {
        let (slot, _) = made(n)?;
        let mut item = self.pattern(0)?;
        set(&mut item, "pk", &format!("SLOT#{}", slot.name))?;
        set(&mut item, "name", slot.name.as_str())?;
        set(&mut item, "agent", slot.agent.as_str())?;
        set(&mut item, "secret", slot.secret.as_str())?;
        set(&mut item, "account", account_of(n)?.as_str())?;
        Ok(item)
    }

    fn version(&self, n: usize, key: usize) -> Result<Value> {
        let (_, version) = row(n, key)?;
        let told = serde_json::to_value(&version)?;
        let mut item = self.pattern(1)?;
        set(&mut item, "pk", &format!("SLOT#{}", version.slot))?;
        set(&mut item, "sk", &format!("VERSION#{}", version.id))?;
        for name in [
            "id",
            "slot",
            "state",
            "handle",
            "fingerprint",
            "created",
            "promoted",
        ] {
            let text = told[name]
                .as_str()
                .ok_or_else(|| format!("{name} is no text"))?;
            set(&mut item, name, text)?;
        }
        if let Some(deadline) = told["deadline"].as_str() {
            item["deadline"] = json!({"S": deadline});
        }
        Ok(item)
    }

    /// Numbers of a page, and where the next begins.
    fn page(&self, from: usize) -> (std::ops::Range<usize>, Option<usize>) {
        let until = (from + PAGE).min(self.slots);
        (from..until, (until < self.slots).then_some(until))
    }

    fn answer(&self, operation: &str, asked: &Value) -> Result<Value> {
        match operation {
            "TransactWriteItems" => {
                let items = asked["TransactItems"].as_array().ok_or("no items")?;
                let items = items.iter().map(|item| item["Put"]["Item"].clone());
                let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
                written.extend(items.filter(Value::is_object));
                Ok(json!({}))
            }
            "Query" if asked["IndexName"].is_string() => {
                let after = asked["ExclusiveStartKey"]["pk"]["S"].as_str();
                let (page, next) = self.page(after.map(number).transpose()?.map_or(0, |n| n + 1));
                let items = page.map(key).collect::<Result<Vec<_>>>()?;
                let mut answer = json!({"Count": items.len(), "Items": items});
                if let Some(next) = next {
                    answer["LastEvaluatedKey"] = key(next - 1)?;
                }
                Ok(answer)
            }
            "Query" => {
                let values = asked["ExpressionAttributeValues"].as_object();
                let texts = values.ok_or("no values")?.values();
                let texts: Vec<&str> = texts.filter_map(|value| value["S"].as_str()).collect();
                let slot = texts.iter().find(|text| text.starts_with("SLOT#"));
                let n = number(slot.ok_or("no slot")?)?;
                let items = match texts.contains(&"VERSION#") {
                    true => (0..KEYS_OF_A_SLOT)
                        .map(|key| self.version(n, key))
                        .collect::<Result<Vec<_>>>()?,
                    false => Vec::new(),
                };
                Ok(json!({"Count": items.len(), "Items": items}))
            }
            "GetItem" => {
                let n = number(asked["Key"]["pk"]["S"].as_str().ok_or("no key")?)?;
                Ok(json!({"Item": self.slot(n)?}))
            }
            "ListSecrets" => {
                let from = asked["NextToken"].as_str().map_or(Ok(0), str::parse)?;
                let (page, next) = self.page(from);
                let secrets = page.map(secret).collect::<Result<Vec<_>>>()?;
                Ok(json!({"SecretList": secrets, "NextToken": next.map(|next| next.to_string())}))
            }
            "DescribeSecret" => {
                let name = asked["SecretId"].as_str().ok_or("no secret")?;
                let mut told = secret(in_arn(name)?)?;
                let stages = told["SecretVersionsToStages"].take();
                told["VersionIdsToStages"] = stages;
                Ok(told)
            }
            "GetResourcePolicy" => Ok(json!({})),
            other => Err(format!("{other} is not answered here").into()),
        }
    }

    fn alarms(&self, after: Option<&str>) -> Result<Vec<u8>> {
        let (page, next) = self.page(after.map_or(Ok(0), str::parse)?);
        let (deployment, mut alarms) = (deployment()?, Vec::new());
        for n in page {
            let (slot, _) = made(n)?;
            let alarm = wanted(&deployment, &slot.name);
            let arn = format!(
                "arn:aws:cloudwatch:{}:{}:alarm:{}",
                deployment.region, deployment.account, alarm.name
            );
            alarms.push((arn, alarm.setup));
        }
        Ok(cbor::alarms(&alarms, next))
    }
}

fn account_of(n: usize) -> Result<keyward_core::model::names::AccountName> {
    account(n % crate::monitor::scene::ACCOUNTS)
}

/// The number in a name.
fn number(name: &str) -> Result<usize> {
    let (_, number) = name.rsplit_once('-').ok_or("no name of ours")?;
    Ok(number.parse()?)
}

/// The number in the ARN of a slot's secret.
fn in_arn(arn: &str) -> Result<usize> {
    let name = arn.rsplit_once(':').map_or(arn, |(_, name)| name);
    // Six characters that Secrets Manager adds stand behind the last dash.
    let (name, _) = name.rsplit_once('-').ok_or("no ARN of ours")?;
    number(name)
}

/// An entry of the index of due work.
fn key(n: usize) -> Result<Value> {
    let (slot, _) = made(n)?;
    Ok(json!({
        "pk": {"S": format!("SLOT#{}", slot.name)}, "sk": {"S": "SLOT"},
        "due": {"S": "1"}, "due_at": {"S": slot.due_at.to_string()},
    }))
}

fn secret(n: usize) -> Result<Value> {
    let (slot, version) = row(n, 0)?;
    let now = NOW.parse::<Timestamp>()?.as_second();
    let day = 86_400;
    let version = version.id.to_string();
    let version = version.split('.').next().unwrap_or_default();
    Ok(json!({
        "ARN": slot.secret, "Name": slot.name, "RotationEnabled": true,
        "CreatedDate": now - 100 * day, "LastRotatedDate": now - 20 * day, "NextRotationDate": now + 20 * day,
        "LastAccessedDate": now - day,
        "Tags": [
            {"Key": "keyward:slot", "Value": slot.name}, {"Key": "keyward:stack", "Value": "bench"},
            {"Key": "team", "Value": "bench"},
        ],
        "SecretVersionsToStages": {version: ["AWSCURRENT"]},
    }))
}

async fn answer(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    world.calls.fetch_add(1, Ordering::Relaxed);
    let answered = match uri.path().rsplit_once("/operation/") {
        Some((_, "DescribeAlarms")) => {
            let after = cbor::next_token(&body);
            let alarms = after.and_then(|after| world.alarms(after.as_deref()));
            alarms.map(|alarms| {
                let headers = [
                    ("smithy-protocol", "rpc-v2-cbor"),
                    ("content-type", "application/cbor"),
                ];
                (headers, alarms).into_response()
            })
        }
        _ => json_answer(&world, &headers, &body),
    };
    answered.unwrap_or_else(|error| {
        // What is not answered fails the audit, which says so.
        (StatusCode::NOT_IMPLEMENTED, error.to_string()).into_response()
    })
}

fn json_answer(world: &World, headers: &HeaderMap, body: &Bytes) -> Result<Response> {
    let target = headers.get("x-amz-target").ok_or("no target")?.to_str()?;
    let (_, operation) = target.rsplit_once('.').ok_or("no operation")?;
    let answer = world.answer(operation, &serde_json::from_slice(body)?)?;
    let headers = [("content-type", "application/x-amz-json-1.0")];
    Ok((headers, answer.to_string()).into_response())
}

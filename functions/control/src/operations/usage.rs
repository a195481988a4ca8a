//! `/usage`: what a process of an agent used, by its own word. It is no act: nothing of it goes into the record.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::{ModelName, ReporterId, SecretVersionId, SlotName};
use keyward_core::model::usage::{Counts, TokenCounts};
use keyward_core::rules::told::{Refused, Report, ReportedBucket};
use keyward_core::usecases::report::{KnownVersion, ReportError, report};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Deps;
use crate::request::{Request, holds_a_key};
use crate::response::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    slot: SlotName,
    reporter: ReporterId,
    version: SecretVersionId,
    #[serde(default)]
    ends: bool,
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    from: Timestamp,
    models: Vec<Used>,
}

/// Counts are told one by one: one that is left out is not zero.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Used {
    model: ModelName,
    requests: u64,
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    /// Micro-dollars.
    #[serde(default)]
    cost: u64,
}

const TAKES: &str = "{slot, reporter, version, ends?, buckets: [{from, models: [{model, requests, input, output, cache_read, cache_write, cost?}]}]}";

/// A larger body is refused.
const MAX_BODY: usize = 512 * 1024;

pub(super) async fn take_report(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    if request.size() > MAX_BODY {
        return Err(Refusal::new(
            413,
            "the body is larger than 512 KB",
            "Tell of fewer buckets at a time.",
        ));
    }
    let body: Body = request.body(TAKES)?;
    let used = body.buckets.iter().flat_map(|bucket| &bucket.models);
    let models = used.map(|used| used.model.as_str());
    let names = models.chain([body.reporter.as_str()]);
    if names.into_iter().any(holds_a_key) {
        return Err(Refusal::bad(
            "a model or the reporter is called like a key; keys stand in no table",
        ));
    }
    let told = Report {
        slot: body.slot,
        reporter: body.reporter,
        version: body.version,
        ends: body.ends,
        buckets: body
            .buckets
            .into_iter()
            .map(bucket)
            .collect::<Result<_, _>>()?,
    };
    let taken = report(&deps.ports, &*deps.usage, &request.caller, &told).await;
    let taken = taken.map_err(refusal)?;
    Ok(json!({
        "slot": told.slot,
        "changed": taken.changed > 0,
        "version_known": taken.version == KnownVersion::Yes,
    }))
}

fn bucket(bucket: Bucket) -> Result<ReportedBucket, Refusal> {
    let mut models = BTreeMap::new();
    for used in bucket.models {
        let counts = Counts {
            cost: MicroDollars(used.cost),
            requests: used.requests,
            tokens: TokenCounts {
                input: used.input,
                output: used.output,
                cache_read: used.cache_read,
                cache_write: used.cache_write,
            },
        };
        if models.insert(used.model, counts).is_some() {
            let what = format!("the bucket of {} has a model twice", bucket.from);
            return Err(Refusal::bad(what));
        }
    }
    Ok(ReportedBucket {
        from: bucket.from,
        models,
    })
}

fn refusal(error: ReportError) -> Refusal {
    match error {
        ReportError::NotAReader(_) => Refusal::new(
            403,
            error.to_string(),
            "Name the caller's role, by its ARN, among the slot's readers in the fleet file, and run keyward apply.",
        ),
        ReportError::Refused(Refused::TooManyReporters(_)) => Refusal::new(
            429,
            error.to_string(),
            "Let processes of one machine tell together, under one reporter.",
        ),
        ReportError::Refused(_) => Refusal::bad(error.to_string()),
        ReportError::Inventory(error) => Refusal::from(error)
            .safe("Some of it may be taken down; sent again it counts no more than once."),
    }
}

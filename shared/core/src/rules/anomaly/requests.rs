//! How many requests there are, and how large: heard on models too cheap for any limit of money.

use super::finding::{Act, Finding, Measured, Rule};
use crate::model::baseline::Baseline;
use crate::model::usage::Bucket;

/// So few requests say nothing about a rate.
const LEAST_REQUESTS: u64 = 200;
/// So few requests say nothing about their size.
const LEAST_LARGE: u64 = 20;
/// How far back the busiest hour is looked for.
const RECORD_DAYS: u32 = 14;

/// Judges the last hour's requests and tokens.
pub(super) fn judge(baseline: &Baseline, at: Bucket, requests: u64, tokens: u64) -> Vec<Finding> {
    let alert = |rule, measured| Finding {
        act: Act::Alert,
        rule,
        at,
        measured,
    };
    let mut findings = Vec::new();
    if let Some(limit) = rate_limit(baseline)
        && requests >= LEAST_REQUESTS
        && requests > limit
    {
        let value = requests;
        findings.push(alert(
            Rule::RequestRate,
            Measured::Requests { value, limit },
        ));
    }
    let size = tokens / requests.max(1);
    let week = baseline.tokens_and_requests();
    if let (known, 1..) = week
        && requests >= LEAST_REQUESTS
        && above(tokens, requests, known, week.1)
    {
        let limit = 3 * known / (2 * week.1);
        findings.push(alert(
            Rule::RequestSize,
            Measured::Tokens { value: size, limit },
        ));
    }
    if let Some(limit) = too_large(baseline, requests, tokens) {
        let value = size;
        findings.push(alert(
            Rule::LargeRequests,
            Measured::Tokens { value, limit },
        ));
    }
    findings
}

/// Whether the last hour's requests are far larger than nearly all before: the tokens per request that they exceed.
pub(super) fn too_large(baseline: &Baseline, requests: u64, tokens: u64) -> Option<u64> {
    if requests < LEAST_LARGE {
        return None;
    }
    let limit = baseline.usual_size()?.saturating_mul(3);
    (u128::from(tokens) > u128::from(limit) * u128::from(requests)).then_some(limit)
}

/// 150 % of an hour's mean, and no hour on record had more: the busy hours of every day are no news.
fn rate_limit(baseline: &Baseline) -> Option<u64> {
    let mean = baseline.requests_an_hour()?;
    let above_mean = 3 * mean.sum / (2 * u64::from(mean.known));
    Some(above_mean.max(baseline.busiest_hour(RECORD_DAYS)?))
}

/// Whether tokens per request are above 150 % of the week's, and there were any.
fn above(tokens: u64, requests: u64, week_tokens: u64, week_requests: u64) -> bool {
    let [now, week] = [(tokens, week_requests), (week_tokens, requests)]
        .map(|(tokens, requests)| u128::from(tokens) * u128::from(requests));
    week > 0 && now * 2 > week * 3
}

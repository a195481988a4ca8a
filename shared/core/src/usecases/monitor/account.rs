//! What people are told of provider accounts, each thing once a day.

use jiff::{SignedDuration, Timestamp};

use super::run::{Run, of_account};
use super::{AccountPull, NotSeen, Sight, keep, tell};
use crate::model::alert::Alert;
use crate::model::names::SlotName;
use crate::model::usage_items::AccountUsage;
use crate::model::version::{Version, VersionState};
use crate::ports::MetricsError;
use crate::rules::anomaly::{Act, BLIND as BLIND_AFTER, OtherCalls, blind};
use crate::rules::usage::Owner;
use crate::usecases::find::reader_refused;
use crate::usecases::prices::NotUsed;

/// The same is told again after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// What is known of what was told beyond that is forgotten.
const MOST_TOLD: usize = 200;

/// So many slots of an account that are not read are told of each by itself.
const APART: usize = 3;

/// So much time telling one thing may take.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// That an account is not seen; a later page has a name of its own.
const BLIND: &str = "unseen";
const BLIND_PAGE: &str = "unseen, paged";

/// Tells of an account's pull what a person should know.
pub(super) async fn see_to(run: &mut Run<'_>, pulled: &AccountPull) {
    let mut news: Vec<(String, Alert)> = Vec::new();
    if let Some(since) = pulled.sight.blind_since() {
        run.report.unseen.push(pulled.account.clone());
        news.extend(unseen(run, pulled, since).await);
    }
    let vanished = still_current(run, &pulled.vanished).await;
    if !vanished.is_empty() {
        let alert = tell::vanished(&pulled.account, &vanished);
        let ids = vanished.iter().map(|(_, id)| id.to_string());
        let ids: Vec<String> = ids.collect();
        news.push((format!("vanished {}", ids.join(" ")), alert));
    }
    if !pulled.unknown_models.is_empty() {
        let models: Vec<&str> = pulled.unknown_models.iter().map(String::as_str).collect();
        // An agent can name as many as it likes.
        let name = match pulled.sight {
            Sight::Told => "unpriced".to_owned(),
            _ => format!("unpriced {}", models.join(" ")),
        };
        news.push((name, tell::unpriced(pulled)));
    }
    for gap in &pulled.gaps {
        let name = format!("bill {} {}", gap.slot, gap.day);
        news.push((name, tell::bill_differs(gap)));
    }
    news.extend(unread(run, pulled));
    for slot in &pulled.told.full {
        news.push((format!("full {slot}"), tell::too_many_tell(slot)));
    }
    for (slot, versions) in &pulled.told.strange {
        news.push((
            format!("strange {slot}"),
            tell::strange_versions(slot, versions),
        ));
    }
    tell_once(run, pulled, news, pulled.sight.is_new()).await;
}

/// Slots of which what agents told could not be read for a while. Many at once are told of together.
fn unread(run: &Run<'_>, pulled: &AccountPull) -> Vec<(String, Alert)> {
    let now = run.now();
    let unread = pulled.told.unread.iter();
    let unread: Vec<(&SlotName, &(Timestamp, NotSeen))> = unread
        .filter(|(_, (since, _))| now.duration_since(*since) >= BLIND_AFTER)
        .collect();
    match unread.len() {
        0 => Vec::new(),
        1..=APART => {
            let each = unread.iter().map(|one| {
                let alert = tell::unread(std::slice::from_ref(one));
                (format!("unread {}", one.0), alert)
            });
            each.collect()
        }
        _ => vec![("unread".to_owned(), tell::unread(&unread))],
    }
}

/// Of versions that the provider does not list, those that agents fetch even now: one that was cut off or replaced since
/// all slots were read is not missed.
async fn still_current(run: &Run<'_>, vanished: &[Owner]) -> Vec<Owner> {
    let mut current = Vec::new();
    for (slot, id) in vanished {
        let versions = run.monitor.ports.inventory.versions(slot).await;
        let versions = versions.unwrap_or_default();
        let is_current = |v: &Version| v.id == *id && v.state == VersionState::Current;
        if versions.iter().any(is_current) {
            current.push((slot.clone(), id.clone()));
        }
    }
    current
}

/// What there is to tell of an account that is not seen.
async fn unseen(run: &Run<'_>, pulled: &AccountPull, since: Timestamp) -> Option<(String, Alert)> {
    let why = match &pulled.sight {
        Sight::NotSeen(_, why) => Some(why),
        Sight::Waiting(_) | Sight::Seen(..) | Sight::Untold | Sight::Told => None,
    };
    let slots = of_account(&run.state.fleet, pulled);
    // One account's slots have one credential.
    let first = slots.values().next().map(|at| &run.state.fleet[*at].slot)?;
    if let Some(NotSeen::Provider(error)) = why
        && let Some(alert) = reader_refused(first, error)
    {
        return Some(("admin credential".to_owned(), alert));
    }
    let now = run.now();
    // Whether the provider answers anything else is asked only when that decides.
    let other = match blind(since, now, OtherCalls::Answered)?.act {
        Act::Page => other_calls(run, pulled, first).await,
        Act::Alert | Act::Restrict | Act::Kill => OtherCalls::Failing,
    };
    let act = blind(since, now, other)?.act;
    let name = match act {
        Act::Page => BLIND_PAGE,
        Act::Alert | Act::Restrict | Act::Kill => BLIND,
    };
    let silent = now.duration_since(since);
    let alert = tell::blind(&pulled.account, slots.len(), silent, act, why);
    Some((name.to_owned(), alert))
}

/// Whether the provider lists keys.
async fn other_calls(
    run: &Run<'_>,
    pulled: &AccountPull,
    slot: &crate::model::slot::Slot,
) -> OtherCalls {
    let providers = &run.monitor.ports.providers;
    let listed = async {
        let provider = providers.open(&pulled.account, pulled.provider).await?;
        provider.list(&slot.scope, None).await
    };
    match listed.await {
        Ok(_) => OtherCalls::Answered,
        Err(_) => OtherCalls::Failing,
    }
}

/// Tells what was not told lately, and keeps that it was. Where that cannot be kept it may be told twice.
async fn tell_once(
    run: &mut Run<'_>,
    pulled: &AccountPull,
    news: Vec<(String, Alert)>,
    is_seen: bool,
) {
    let usage = run.monitor.usage.clone();
    let name = &pulled.account;
    let now = run.now();
    if !is_seen && pulled.sight.blind_since().is_some() {
        run.state.seen.remove(name);
    }
    if news.is_empty() && (!is_seen || run.state.seen.contains(name)) {
        return;
    }
    let known = match usage.account_or_empty(name).await {
        Ok(known) => known,
        Err(error) => {
            tracing::warn!(account = %name, %error, "what was told of an account could not be read");
            AccountUsage::empty(name.clone())
        }
    };
    let lately = |at: Timestamp| now.duration_since(at) < TELL_AGAIN;
    let mut told = Vec::new();
    for (what, alert) in news {
        if known.told.get(&what).is_some_and(|at| lately(*at)) {
            continue;
        }
        if !run.has_time(MARGIN) {
            run.leave(format!("what is to be told of {name}"));
            break;
        }
        run.tell(alert).await;
        told.push(what);
    }
    let was_told_blind = known
        .told
        .keys()
        .any(|told| [BLIND, BLIND_PAGE].contains(&told.as_str()));
    if is_seen && was_told_blind {
        run.tell(tell::sees_again(name)).await;
    }
    if is_seen {
        run.state.seen.insert(name.clone());
    }
    if told.is_empty() && !was_told_blind {
        return;
    }
    let keep = |state: &mut AccountUsage| {
        state.told.retain(|_, at| lately(*at));
        if is_seen {
            state
                .told
                .retain(|told, _| ![BLIND, BLIND_PAGE].contains(&told.as_str()));
        }
        for what in &told {
            if state.told.len() < MOST_TOLD {
                state.told.insert(what.clone(), now);
            }
        }
    };
    if let Err(error) = keep::account(&*usage, name, known, keep).await {
        tracing::warn!(account = %name, %error, "what was told of an account was not kept; it may be told again");
    }
}

/// Tells that the table of prices is not used.
pub(super) async fn tell_prices(run: &mut Run<'_>, error: &NotUsed) {
    tracing::error!(%error, "the table of prices cannot be used");
    if run.state.is_news("prices", run.now()) {
        run.tell(tell::prices_refused(error)).await;
    }
}

/// Tells that no alarm sees scores.
pub(super) async fn tell_no_metrics(run: &mut Run<'_>, slots: usize, error: &MetricsError) {
    if run.state.is_news("metrics", run.now()) {
        run.tell(tell::no_metrics(slots, error)).await;
    }
}

//! Rules on the life of a slot's keys: age, rotation, revocation, and what the provider says of them.

use jiff::{SignedDuration, Timestamp};

use super::Fault;
use super::facts::{Listing, Sight, SlotFacts};
use crate::model::slot::{ProviderName, Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::ports::KeyOwner;
use crate::rules::policy;

/// A rotation whose label has stood so long does not end by itself.
const STUCK_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// A secret that was made so long ago has a key by now.
const FIRST_ROTATION: SignedDuration = SignedDuration::from_hours(24);

/// A revocation takes so long at most: `retire` works on it every five minutes.
const REVOKED_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// A kill's keys are kept for 72 hours, to be restored.
const CONTAINED_FOR: SignedDuration = SignedDuration::from_hours(72);

/// A provider's clock, and its time of last use, may lag so much.
const LATE_NEWS: SignedDuration = SignedDuration::from_mins(15);

/// A key that was never used for so long is not waited for by anybody.
const NEVER_USED_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The same of one that was.
pub(crate) const IDLE_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Formats that a provider refuses, or is about to: Gemini's standard keys begin with `AIza`, its auth keys do not.
/// Unrestricted standard keys are refused, and the rest are to be from September 2026 on:
/// <https://ai.google.dev/gemini-api/docs/api-key>.
const LEAVING: [(ProviderName, &str, &str); 1] = [(
    ProviderName::Gemini,
    "AIza",
    "Google refuses standard keys (AIza) from September 2026 on: it takes keys that are bound to a service account",
)];

/// Whether agents may be using the key.
const fn is_used(version: &Version) -> bool {
    matches!(
        version.state,
        VersionState::Current | VersionState::Promoting | VersionState::Retiring
    )
}

fn current<'a>(facts: &SlotFacts<'a>) -> Option<(&'a Version, Listing<'a>)> {
    let mut keys = facts.keys();
    keys.find(|(version, _)| version.state == VersionState::Current)
}

/// Whether keys are to be made for the slot.
const fn is_served(slot: &Slot) -> bool {
    matches!(slot.state, SlotState::Active | SlotState::Restricted)
}

fn days(span: SignedDuration) -> i64 {
    span.as_hours() / 24
}

fn each_key<'a>(
    facts: &SlotFacts<'a>,
    fault: impl Fn(&'a Version, Listing<'a>) -> Option<(String, Option<Timestamp>)>,
) -> Vec<Fault> {
    let keys = facts.keys().filter_map(|(version, listing)| {
        let (evidence, since) = fault(version, listing)?;
        Some(Fault::of(version.id.to_string(), evidence, since))
    });
    keys.collect()
}

pub(super) fn too_old(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let greatest = facts.slot.policy.max_age;
    each_key(facts, |version, _| {
        let since = version.created + greatest;
        (is_used(version) && facts.now > since).then(|| {
            let age = days(facts.now.duration_since(version.created));
            let evidence = format!(
                "the key {} is {age} days old; the policy allows {}",
                version.shown(),
                days(greatest)
            );
            (evidence, Some(since))
        })
    })
}

pub(super) fn rotation_off(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let secret = facts.secret.seen().flatten();
    let is_off = secret.is_some_and(|secret| !secret.rotates && secret.deleted.is_none());
    Fault::when(is_off && is_served(facts.slot), || {
        let arn = &facts.slot.secret;
        (format!("rotation of the secret {arn} is off"), None)
    })
}

pub(super) fn rotation_failing(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let told = facts.slot.told_failed;
    let told = told.or_else(|| current(facts)?.0.told.failed);
    Fault::when(told.is_some() && is_served(facts.slot), || {
        let evidence = "what Keyward has to do for it fails again and again".to_owned();
        (evidence, told)
    })
}

/// `NextRotationDate` is when a secret is to be rotated by:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretListEntry.html>.
pub(super) fn rotation_overdue(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let Some(secret) = facts.secret.seen().flatten() else {
        return Vec::new();
    };
    if !is_served(facts.slot) || !secret.rotates || secret.deleted.is_some() {
        return Vec::new();
    }
    let current = current(facts).map(|(version, _)| version);
    let since = match (secret.next_rotation, current) {
        (Some(next), _) if next < facts.now => {
            Some((next, format!("it was to be rotated by {next}")))
        }
        (_, Some(key)) => {
            let due = policy::overdue_at(&facts.slot.policy, key.created, key.expires);
            (due < facts.now).then(|| (due, format!("its key was to be replaced by {due}")))
        }
        (_, None) => {
            let due = secret.created.map(|made| made + FIRST_ROTATION);
            let due = due.filter(|due| secret.last_rotated.is_none() && *due < facts.now);
            due.map(|due| (due, "it was never rotated, and has no key".to_owned()))
        }
    };
    let (since, what) = match since {
        Some((since, what)) => (since, what),
        None => return Vec::new(),
    };
    let last = match secret.last_rotated {
        Some(at) => format!("; the last rotation was at {at}"),
        None => String::new(),
    };
    vec![Fault::of("", format!("{what}{last}"), Some(since))]
}

pub(super) fn rotation_stuck(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let Some(secret) = facts.secret.seen().flatten() else {
        return Vec::new();
    };
    let pending = secret.pending.as_ref();
    let Some(pending) = pending.filter(|version| secret.current.as_ref() != Some(version)) else {
        return Vec::new();
    };
    let seen = facts.slot.pending_seen.as_ref();
    let seen = seen.filter(|seen| seen.version == *pending);
    let begun = || {
        let of_it = |version: &&Version| version.id.secret_version == *pending;
        let versions = facts.versions.iter().filter(of_it);
        versions.map(Version::begun_at).min()
    };
    let since = seen.map(|seen| seen.since).or_else(begun);
    let is_stuck = since.is_some_and(|since| facts.now > since + STUCK_AFTER);
    Fault::when(is_stuck, || {
        let evidence = format!("AWSPENDING stands on version {pending}, and no rotation can begin");
        (evidence, since)
    })
}

pub(super) fn secret_gone(facts: &SlotFacts<'_>) -> Vec<Fault> {
    if facts.slot.state == SlotState::Decommissioned {
        return Vec::new();
    }
    let arn = &facts.slot.secret;
    match facts.secret.seen() {
        Some(None) => vec![Fault::of("", format!("there is no secret {arn}"), None)],
        Some(Some(secret)) => {
            let deleted = secret.deleted.into_iter();
            let told = deleted.map(|at| {
                let evidence = format!("the secret {arn} was deleted at {at}");
                Fault::of("", evidence, Some(at))
            });
            told.collect()
        }
        None => Vec::new(),
    }
}

/// The kill without the inventory finds a secret's slot by this tag.
pub(super) fn secret_untagged(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let is_gone = facts.slot.state == SlotState::Decommissioned;
    let secret = facts.secret.seen().flatten();
    let Some(secret) = secret.filter(|secret| secret.deleted.is_none() && !is_gone) else {
        return Vec::new();
    };
    let tag = secret.slot.as_ref().map(|tag| tag.as_str());
    Fault::when(tag != Some(facts.slot.name.as_str()), || {
        let tag = tag.map_or_else(|| "is missing".to_owned(), |tag| format!("says `{tag}`"));
        let evidence = format!("the tag keyward:slot of {} {tag}", facts.slot.secret);
        (evidence, None)
    })
}

pub(super) fn revoked_but_used(facts: &SlotFacts<'_>) -> Vec<Fault> {
    each_key(facts, |version, listing| {
        let confirmed = version.revoke_confirmed?.at;
        let Listing::There(key) = listing else {
            return None;
        };
        let used = key.last_used.filter(|used| *used > confirmed + LATE_NEWS)?;
        let evidence = format!(
            "the key {} was confirmed dead at {confirmed}, and used at {used}",
            version.shown()
        );
        Some((evidence, Some(used)))
    })
}

pub(super) fn revoked_but_there(facts: &SlotFacts<'_>) -> Vec<Fault> {
    each_key(facts, |version, listing| {
        let confirmed = version.revoke_confirmed?.at;
        let Listing::There(key) = listing else {
            return None;
        };
        let may_work = key.suspended != Some(true) && key.expires.is_none_or(|at| at > facts.now);
        may_work.then(|| {
            let evidence = format!(
                "the key {} is recorded as revoked, and its provider lists it",
                version.shown()
            );
            (evidence, Some(confirmed))
        })
    })
}

pub(super) fn not_revoked(facts: &SlotFacts<'_>) -> Vec<Fault> {
    each_key(facts, |version, _| {
        let (due, what) = match version.state {
            VersionState::Retiring => (version.deadline?, "was to be revoked by its deadline"),
            VersionState::Revoking => {
                let begun = version.revoke_begun?;
                (begun + REVOKED_WITHIN, "is being revoked, and not refused")
            }
            VersionState::Contained => {
                let killed = facts.slot.killed?.at;
                let due = killed + CONTAINED_FOR + REVOKED_WITHIN;
                (due, "was cut off, and never revoked")
            }
            VersionState::Abandoned => {
                let due = version.begun_at() + REVOKED_WITHIN;
                (due, "was left behind by a rotation, and never revoked")
            }
            VersionState::Intended
            | VersionState::Pending
            | VersionState::Promoting
            | VersionState::Current
            | VersionState::Restoring
            | VersionState::Revoked => return None,
        };
        (facts.now > due + STUCK_AFTER)
            .then(|| (format!("the key {} {what}", version.shown()), Some(due)))
    })
}

pub(super) fn gone_at_provider(facts: &SlotFacts<'_>) -> Vec<Fault> {
    each_key(facts, |version, listing| {
        let how = match listing {
            Listing::Absent => "is not in its provider's list".to_owned(),
            Listing::Deleted(None) => "was deleted at its provider".to_owned(),
            Listing::Deleted(Some(until)) => {
                format!("was deleted at its provider, and can be brought back until {until}")
            }
            Listing::There(_) | Listing::NotSeen => return None,
        };
        is_used(version).then(|| (format!("the key {} {how}", version.shown()), None))
    })
}

pub(super) fn handle_unknown(facts: &SlotFacts<'_>) -> Vec<Fault> {
    each_key(facts, |version, _| {
        let may_live = match version.state {
            VersionState::Current
            | VersionState::Retiring
            | VersionState::Contained
            | VersionState::Restoring => true,
            // A rotation is at work, or whoever revokes it looks for it by its name.
            VersionState::Intended
            | VersionState::Pending
            | VersionState::Promoting
            | VersionState::Abandoned
            | VersionState::Revoking
            | VersionState::Revoked => false,
        };
        (may_live && version.handle.is_none()).then(|| {
            let key = version.shown();
            (
                format!("no id of the key {key} is known: it cannot be revoked by Keyward"),
                Some(version.begun_at()),
            )
        })
    })
}

pub(super) fn format_leaving(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let provider = facts.slot.provider;
    each_key(facts, |version, _| {
        let hint = version.hint.as_ref()?.to_string();
        let mut leaving = LEAVING.iter();
        let (.., why) =
            leaving.find(|(of, prefix, _)| *of == provider && hint.starts_with(prefix))?;
        is_used(version).then(|| (format!("the key {hint}: {why}"), None))
    })
}

pub(super) fn owned_by_person(facts: &SlotFacts<'_>) -> Vec<Fault> {
    each_key(facts, |version, listing| {
        let Listing::There(key) = listing else {
            return None;
        };
        let is_persons = key.owner == KeyOwner::Person;
        (is_persons && is_used(version)).then(|| {
            let evidence = format!("the key {} belongs to a person there", version.shown());
            (evidence, None)
        })
    })
}

/// OpenAI suspends no keys: one counts as suspended whose owner has no access to the project,
/// <https://platform.openai.com/docs/api-reference/project-api-keys/object>.
pub(super) fn refused_at_provider(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let how = match facts.slot.provider {
        ProviderName::OpenAi => "belongs to somebody without access to its project",
        ProviderName::OpenRouter
        | ProviderName::Anthropic
        | ProviderName::Bedrock
        | ProviderName::LiteLlm
        | ProviderName::Gemini
        | ProviderName::Azure => "is suspended at its provider",
    };
    each_key(facts, |version, listing| {
        let Listing::There(key) = listing else {
            return None;
        };
        let is_refused = key.suspended == Some(true) && is_used(version);
        is_refused.then(|| (format!("the key {} {how}", version.shown()), None))
    })
}

/// Where `None` as the time of last use means never. OpenAI: `last_used_at` is null for such a key,
/// <https://platform.openai.com/docs/api-reference/project-api-keys/object>; of LiteLLM's `last_active` that is not
/// documented, and the others have no such time.
const fn tells_last_use(provider: ProviderName) -> bool {
    match provider {
        ProviderName::OpenAi => true,
        ProviderName::OpenRouter
        | ProviderName::Anthropic
        | ProviderName::Bedrock
        | ProviderName::LiteLlm
        | ProviderName::Gemini
        | ProviderName::Azure => false,
    }
}

pub(super) fn never_used(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let Some((version, Listing::There(key))) = current(facts) else {
        return Vec::new();
    };
    let made = key.created.unwrap_or(version.created);
    let is_so = tells_last_use(facts.slot.provider)
        && key.last_used.is_none()
        && version.last_used.is_none()
        && facts.now > made + NEVER_USED_AFTER;
    Fault::when(is_so, || {
        let evidence = format!("the key {} of {made} was never used", version.shown());
        (evidence, Some(made))
    })
}

/// When the key was last used by its record: where its provider tells no time of use, since when its figure stands still.
fn recorded_use(version: &Version) -> Option<Timestamp> {
    version
        .last_used
        .max(version.usage_seen.map(|seen| seen.since))
}

/// The current key, where its record tells of no use for so long that the usage that is kept has to be looked at: the record
/// is written while a key drains.
pub(crate) fn may_be_idle(versions: &[Version], now: Timestamp) -> Option<&Version> {
    let mut current = versions
        .iter()
        .filter(|version| version.state == VersionState::Current);
    let is_idle = |at: Timestamp| now > at + IDLE_AFTER;
    current.find(|version| recorded_use(version).is_some_and(is_idle))
}

pub(super) fn idle(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let Some((version, Listing::There(key))) = current(facts) else {
        return Vec::new();
    };
    let last = match (key.last_used, facts.used) {
        (Some(told), Sight::Seen(used)) => {
            Some(told.max(version.last_used.max(used).unwrap_or(told)))
        }
        (Some(told), Sight::NotSeen) => Some(told.max(version.last_used.unwrap_or(told))),
        (None, Sight::Seen(used)) => recorded_use(version).max(used),
        (None, Sight::NotSeen) => None,
    };
    let is_idle = last.is_some_and(|last| facts.now > last + IDLE_AFTER);
    Fault::when(is_idle, || {
        let evidence = format!("the key {} is not in use", version.shown());
        (evidence, last)
    })
}

//! What the provider says that usage cost: it stands in place of the table's price, day by day once a day is settled.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::pull::Turn;
use super::read::Reader;
use super::{AccountPull, CostGap, NotSeen, keep};
use crate::model::money::MicroDollars;
use crate::model::names::SlotName;
use crate::model::slot::Scope;
use crate::model::usage::Bucket;
use crate::model::usage_items::UsageHour;
use crate::model::version::VersionId;
use crate::ports::{UsageReports, Width, Window};
use crate::rules::usage::{disagrees, share};

/// Hours in a day.
const HOURS: u32 = 24;

/// The bill of a version for a day.
type Bills = BTreeMap<(SlotName, u32), BTreeMap<VersionId, MicroDollars>>;

/// Reads the costs of the days that are settled, and puts them in place of prices: each day's in parts as its buckets are
/// priced.
pub(super) async fn read(
    turn: &Turn<'_>,
    reports: &dyn UsageReports,
    reader: &mut Reader<'_>,
    out: &mut AccountPull,
) -> Result<(), NotSeen> {
    if reports.reporting().costs.is_none() {
        return Ok(());
    }
    let settled = turn.now.checked_sub(turn.settings.bills_settle);
    let end = Bucket::of(settled.unwrap_or(Timestamp::MIN)).day();
    let begin = end.saturating_sub(turn.settings.bill_days);
    let window = Window {
        from: midnight(begin),
        until: midnight(end),
        width: Width::Day,
    };
    // One report covers an account, but where it is made of a list of keys: then one for each place.
    let places = match reports.reporting().usage {
        Some(Width::Minute) => vec![Scope::default()],
        Some(_) | None => turn.places(),
    };
    let owners = turn.owners();
    let mut bills = Bills::new();
    for place in &places {
        for row in reader.costs(reports, place, &window).await? {
            let day = Bucket::of(row.from).day();
            let sum = match owners.owner(&row.key) {
                Some((slot, version)) => bills
                    .entry((slot.clone(), day))
                    .or_default()
                    .entry(version.clone())
                    .or_default(),
                None => &mut out.unattributed_bill,
            };
            sum.0 = sum.0.saturating_add(row.amount.0);
        }
    }
    let store = &*turn.ports.usage;
    let state = store.account_or_empty(turn.account).await?;
    for ((slot, day), billed) in bills {
        let priced = bill(turn, &slot, day, &billed, out).await?;
        let billed = MicroDollars(billed.values().fold(0, |sum, b| sum.saturating_add(b.0)));
        let first = day * Bucket::PER_DAY;
        let whole = (first..first + Bucket::PER_DAY).all(|bucket| state.saw(Bucket(bucket)));
        if whole && disagrees(priced, billed) {
            out.gaps.push(CostGap {
                slot,
                day: midnight(day),
                priced,
                billed,
            });
        }
    }
    Ok(())
}

/// Bills one day of one slot, and returns what the table makes of it.
async fn bill(
    turn: &Turn<'_>,
    slot: &SlotName,
    day: u32,
    billed: &BTreeMap<VersionId, MicroDollars>,
    out: &mut AccountPull,
) -> Result<MicroDollars, NotSeen> {
    let store = &*turn.ports.usage;
    let first = day * HOURS;
    let mut hours: BTreeMap<u32, UsageHour> = BTreeMap::new();
    for hour in store.hours(slot, first, first + HOURS).await? {
        hours.insert(hour.hour, hour);
    }
    let mut priced = 0_u64;
    let mut parts: BTreeMap<u32, Vec<(VersionId, Bucket, MicroDollars)>> = BTreeMap::new();
    for (version, amount) in billed {
        let cells = hours.values().flat_map(|hour| &hour.cells);
        let cells = cells.filter(|cell| cell.version == *version);
        let mut weights: Vec<(Bucket, u64)> =
            cells.map(|cell| (cell.bucket, cell.priced().0)).collect();
        if weights.is_empty() {
            // Costs without usage: when they came about is not known.
            let first = day * Bucket::PER_DAY;
            weights = (first..first + Bucket::PER_DAY)
                .map(|bucket| (Bucket(bucket), 0))
                .collect();
        }
        let (buckets, weights): (Vec<Bucket>, Vec<u64>) = weights.into_iter().unzip();
        priced = weights.iter().fold(priced, |sum, w| sum.saturating_add(*w));
        for (bucket, part) in buckets.into_iter().zip(share(*amount, &weights)) {
            let hour = parts.entry(bucket.hour()).or_default();
            hour.push((version.clone(), bucket, part));
        }
    }
    for (hour, parts) in parts {
        let known = hours.remove(&hour);
        let put = |item: &mut UsageHour| {
            let mut changed = BTreeSet::new();
            for (version, bucket, part) in &parts {
                if item.bill(version, *bucket, *part, turn.now) {
                    changed.insert(*bucket);
                }
            }
            changed
        };
        let (changed, item) = keep::hour_with(store, slot, hour, known, put).await?;
        let mut kept = keep::Kept::default();
        let buckets = changed.clone();
        kept.note(changed, &item, &buckets);
        out.note(slot, kept);
    }
    Ok(MicroDollars(priced))
}

fn midnight(day: u32) -> Timestamp {
    Bucket(day.saturating_mul(Bucket::PER_DAY)).begins()
}

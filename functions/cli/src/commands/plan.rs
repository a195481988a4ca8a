//! `keyward plan`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::fleet::{Fleet, SlotEntry};
use keyward_core::model::slot::{Mode, Scope};
use keyward_core::rules::change::{Basis, Difference};
use keyward_core::rules::plan::{Mender, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Format;
use crate::control::Control;
use crate::fleet_file;
use crate::print::{Outcome, clean, line};

/// What a plan is asked for.
pub(super) struct Wanted {
    /// The fleet file.
    pub(super) file: PathBuf,
    /// Where to keep the plan, for `apply --planned`.
    pub(super) out: Option<PathBuf>,
    pub(super) format: Format,
}

/// What the control function planned.
#[derive(Deserialize)]
struct Report {
    slots: Vec<Row>,
    counts: Counts,
    #[serde(default)]
    not_in_file: Vec<String>,
    #[serde(default)]
    others_unknown: bool,
}

#[derive(Deserialize)]
struct Row {
    slot: String,
    result: String,
    #[serde(default)]
    basis: Option<Basis>,
    #[serde(default)]
    changed: Vec<Difference>,
    #[serde(default)]
    remarks: Vec<Remark>,
    #[serde(default)]
    why: Option<String>,
}

#[derive(Deserialize)]
struct Remark {
    source: Source,
    what: String,
    mender: Mender,
    how: String,
}

#[derive(Default, Deserialize)]
struct Counts {
    register: usize,
    change: usize,
    unchanged: usize,
    refused: usize,
    not_read: usize,
    by_keyward: usize,
    by_a_person: usize,
    not_seen: usize,
}

/// A plan that is kept: what each slot was planned on.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    keyward_plan: u32,
    slots: BTreeMap<String, Basis>,
}

/// The form of a kept plan that this release reads and writes.
const KEPT_VERSION: u32 = 1;

pub(super) async fn plan(wanted: &Wanted) -> Result<Outcome> {
    let fleet = fleet_file::read(&wanted.file)?;
    let control = Control::open(ActKind::See).await?;
    let answer = control.post("/plan", &json!({ "fleet": fleet })).await?;
    let report: Report =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    if let Some(out) = &wanted.out {
        keep(&report, out)?;
    }
    match wanted.format {
        Format::Json => line(&answer.to_string()),
        Format::Table => {
            for text in words(&report, &fleet) {
                line(&text);
            }
        }
    }
    Ok(report.outcome())
}

fn keep(report: &Report, out: &Path) -> Result<()> {
    let slots = report.slots.iter();
    let slots = slots.filter_map(|row| Some((row.slot.clone(), row.basis.clone()?)));
    let kept = Kept {
        keyward_plan: KEPT_VERSION,
        slots: slots.collect(),
    };
    let text = serde_json::to_string_pretty(&kept)? + "\n";
    std::fs::write(out, text).with_context(|| {
        format!(
            "the plan cannot be written to {}; nothing was changed",
            out.display()
        )
    })
}

/// Reads a plan that [`keep`] wrote.
pub(super) fn kept(path: &Path) -> Result<BTreeMap<String, Basis>> {
    let what = || {
        format!(
            "{} is no plan of this release, and nothing was sent: make one with keyward plan --out {}",
            path.display(),
            path.display()
        )
    };
    let text = std::fs::read_to_string(path).with_context(what)?;
    let kept: Kept = serde_json::from_str(&text).with_context(what)?;
    match kept.keyward_plan {
        KEPT_VERSION => Ok(kept.slots),
        _ => Err(anyhow::anyhow!(what())),
    }
}

impl Report {
    /// What Keyward sets right by itself is no difference: nothing is left to do about it.
    fn outcome(&self) -> Outcome {
        let counts = &self.counts;
        let differing = [
            counts.register,
            counts.change,
            counts.refused,
            counts.not_read,
            counts.by_a_person,
            counts.not_seen,
        ];
        match differing == [0; 6] && !self.others_unknown {
            true => Outcome::Done,
            false => Outcome::Differs,
        }
    }
}

fn words(report: &Report, fleet: &Fleet) -> Vec<String> {
    let mut words: Vec<String> = report
        .slots
        .iter()
        .flat_map(|row| of_row(row, fleet))
        .collect();
    for name in &report.not_in_file {
        words.push(format!(
            "- slot {}: in the inventory, not in the file: nothing is done",
            clean(name)
        ));
    }
    if report.others_unknown {
        words.push(
            "? the slots that the file does not name could not be listed: not seen".to_owned(),
        );
    }
    words.push(summary(&report.counts, report.outcome()));
    words
}

/// A slot of which there is something to say, and each thing on a line of its own.
fn of_row(row: &Row, fleet: &Fleet) -> Vec<String> {
    let slot = clean(&row.slot);
    let why = row.why.as_deref().map(clean).unwrap_or_default();
    let head = match row.result.as_str() {
        "would_register" => format!("+ slot {slot}"),
        "would_update" => format!("~ slot {slot}"),
        "unchanged" if row.remarks.is_empty() => return Vec::new(),
        "unchanged" => format!("  slot {slot}"),
        "refused" => format!("! slot {slot}: REFUSED: {why}"),
        "failed" => format!("? slot {slot}: not read: {why}. Plan again"),
        _ => format!("? slot {slot}: there was no time to look at it. Plan again"),
    };
    let entry = fleet.slots.iter();
    let mut entry = entry.filter(|(name, _)| name.as_str() == row.slot);
    let new = match (row.result.as_str(), entry.next()) {
        ("would_register", Some((_, entry))) => of_new(entry, fleet),
        _ => Vec::new(),
    };
    let changed = row.changed.iter().map(|difference| {
        let field = clean(&difference.field);
        let (before, after) = (shown(&difference.before), shown(&difference.after));
        format!("    ~ {field}: {before} → {after}")
    });
    let remarks = row.remarks.iter().map(of_remark);
    let details = new.into_iter().chain(changed).chain(remarks);
    [head].into_iter().chain(details).collect()
}

/// What a new slot is to be.
fn of_new(entry: &SlotEntry, fleet: &Fleet) -> Vec<String> {
    let people = fleet.agents.get(&entry.agent);
    let owner = people.map(|people| format!("    + owner: \"{}\"", people.owner));
    let environment =
        people.map(|people| format!("    + environment: {}", shown(&json!(people.environment))));
    let has_scope = entry.scope != Scope::default();
    let scope = has_scope.then(|| format!("    + scope: {}", set(&json!(entry.scope))));
    let mode = entry.mode.unwrap_or(Mode::Observe);
    [
        Some(format!("    + agent: \"{}\"", entry.agent)),
        owner,
        environment,
        Some(format!("    + account: \"{}\"", entry.account)),
        scope,
        Some(format!("    + mode: {}", shown(&json!(mode)))),
        Some(format!("    + secret: \"{}\"", entry.secret)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_remark(remark: &Remark) -> String {
    let (source, what) = (remark.source.as_str(), clean(&remark.what));
    let how = clean(&remark.how);
    match remark.mender {
        Mender::Apply => format!("    ~ {source}: {what}"),
        Mender::Keyward => format!("    = {source}: {what} ({how})"),
        Mender::Person => format!("    ! {source}: {what}. Next: {how}"),
        Mender::NotSeen => format!("    ? {source}: not seen: {what}"),
    }
}

/// The fields of an object that say something.
fn set(value: &Value) -> String {
    let is_empty = |value: &Value| value.is_null() || *value == json!([]);
    let fields = value.as_object().into_iter().flatten();
    let fields = fields.filter(|(_, value)| !is_empty(value));
    let fields = fields.map(|(name, value)| format!("{name} = {}", shown(value)));
    fields.collect::<Vec<_>>().join(", ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        value => clean(&value.to_string()),
    }
}

fn summary(counts: &Counts, outcome: Outcome) -> String {
    let told = format!(
        "Plan: {} to register, {} to change, {} as the file says",
        counts.register, counts.change, counts.unchanged
    );
    let more = [
        (counts.refused, "refused"),
        (counts.not_read, "not read"),
        (counts.by_keyward, "set right by Keyward itself"),
        (counts.by_a_person, "for a person"),
        (counts.not_seen, "not seen"),
    ];
    let more = more.iter().filter(|(count, _)| *count > 0);
    let more: String = more.map(|(n, what)| format!(", {n} {what}")).collect();
    let end = match outcome {
        Outcome::Done if counts.by_keyward > 0 => ". Nothing is left for you to do.",
        Outcome::Done => ". Nothing differs.",
        Outcome::Differs | Outcome::NotAll | Outcome::MaybeMore => ".",
    };
    format!("{told}{more}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: &str = include_str!("../../../../tests/fixtures/keyward.toml");

    fn report(slots: Value, counts: Value) -> Report {
        let mut all = json!({
            "register": 0, "change": 0, "unchanged": 0, "refused": 0, "not_read": 0,
            "by_keyward": 0, "by_a_person": 0, "not_seen": 0,
        });
        for (name, count) in counts.as_object().expect("counts") {
            all[name] = count.clone();
        }
        let answer = json!({ "slots": slots, "counts": all, "not_in_file": ["old-bot"] });
        serde_json::from_value(answer).expect("a report")
    }

    #[test]
    fn a_plan_reads_as_people_know_plans() {
        let fleet = Fleet::read_toml(FLEET).expect("the sample");
        let slots = json!([
            {"slot": "canary-openrouter", "result": "unchanged"},
            {"slot": "search-bot-openrouter", "result": "would_register", "basis": "aa"},
            {"slot": "support-bot-openrouter", "result": "would_update", "basis": "bb",
             "changed": [
                {"field": "owner", "before": "ana", "after": "cleo"},
                {"field": "backup_owner", "before": null, "after": "ben"},
                {"field": "policy.max_age_days", "before": 60, "after": 30},
             ],
             "remarks": [
                {"source": "alarm", "what": "there is none", "mender": "keyward", "how": "monitor makes it"},
                {"source": "provider", "what": "no answer", "mender": "not_seen", "how": "x"},
                {"source": "secret", "what": "rotation is off", "mender": "person", "how": "turn it on"},
             ]},
            {"slot": "billing-bot-openrouter", "result": "refused", "why": "its scope\nmoved"},
        ]);
        let counts = json!({
            "register": 1, "change": 1, "unchanged": 1, "refused": 1,
            "by_keyward": 1, "by_a_person": 1, "not_seen": 1,
        });
        let told = words(&report(slots, counts), &fleet);
        let expected = "\
+ slot search-bot-openrouter
    + agent: \"search-bot\"
    + owner: \"search-team\"
    + environment: \"staging\"
    + account: \"openrouter-main\"
    + mode: \"observe\"
    + secret: \"arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/search-bot-a1B2c3\"
~ slot support-bot-openrouter
    ~ owner: \"ana\" → \"cleo\"
    ~ backup_owner: none → \"ben\"
    ~ policy.max_age_days: 60 → 30
    = alarm: there is none (monitor makes it)
    ? provider: not seen: no answer
    ! secret: rotation is off. Next: turn it on
! slot billing-bot-openrouter: REFUSED: its scope moved
- slot old-bot: in the inventory, not in the file: nothing is done
Plan: 1 to register, 1 to change, 1 as the file says, 1 refused, 1 set right by Keyward itself, 1 for a person, 1 not seen.";
        assert_eq!(told.join("\n"), expected);
    }

    #[test]
    fn a_new_slots_place_and_mode_are_shown() {
        let text = FLEET.replacen(
            "[slots.search-bot-openrouter]",
            "[slots.search-bot-openrouter]\nmode = \"enforce\"\nscope = { workspace = \"ws_EXAMPLE\" }",
            1,
        );
        let fleet = Fleet::read_toml(&text).expect("the sample");
        let slots = json!([{"slot": "search-bot-openrouter", "result": "would_register"}]);
        let told = words(&report(slots, json!({"register": 1})), &fleet);
        for line in [
            "    + scope: workspace = \"ws_EXAMPLE\"",
            "    + mode: \"enforce\"",
        ] {
            assert!(told.iter().any(|told| told == line), "{line}: {told:#?}");
        }
    }

    #[test]
    fn only_what_somebody_must_do_or_did_not_see_is_a_difference() {
        for (count, differs) in [
            ("unchanged", false),
            ("by_keyward", false),
            ("register", true),
            ("change", true),
            ("refused", true),
            ("not_read", true),
            ("by_a_person", true),
            ("not_seen", true),
        ] {
            let mut counts = json!({});
            counts[count] = json!(1);
            let report = report(json!([]), counts);
            let outcome = report.outcome();
            assert_eq!(outcome == Outcome::Differs, differs, "{count}");
            let said = summary(&report.counts, outcome);
            let end = match count {
                "unchanged" => ". Nothing differs.",
                "by_keyward" => ". Nothing is left for you to do.",
                _ => ".",
            };
            assert!(said.ends_with(end), "{said}");
            assert_eq!(said.contains("Nothing"), !differs, "{said}");
        }
    }
}

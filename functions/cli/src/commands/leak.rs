//! `keyward leak`: from a scanner's report to dead keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::names::SlotName;
use keyward_core::model::text::without_keys;
use keyward_core::ports::Clock;
use keyward_core::rules::leaks::{self, ReportError, Shown};
use keyward_lambda::clock::SystemClock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Format;
use super::confirm::{Confirm, confirmed, reasoned};
use crate::control::Control;
use crate::print::{Outcome, clean, complain, line, table};
use crate::waiting::{Words, attended};

/// A report of a scanner that went through a large repository is some megabytes.
const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// What one request can name.
const FINDS_AT_ONCE: usize = 500;
const PRINTS_AT_ONCE: usize = 5_000;

/// What was found.
#[derive(Args)]
pub(crate) struct Leak {
    /// A report of gitleaks (JSON), detect-secrets, trufflehog (JSON), SARIF, or GitHub's notice; `-` reads one, or keys
    /// themselves, from standard input.
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// Where the files are that a report names without their text, as detect-secrets does.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// Why; goes into the record.
    #[arg(long, required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Only say whose the keys are, and what would be cut off.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for the slots' names to be typed.
    #[arg(long)]
    yes: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Something that was found, as it leaves this machine.
#[derive(Serialize)]
struct Find {
    place: String,
    prints: Vec<Fingerprint>,
    key_like: bool,
}

/// What was read of the reports.
#[derive(Default)]
struct Found {
    finds: Vec<Find>,
    /// Where the text could not be looked at, and why.
    unseen: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Answer {
    finds: Vec<Row>,
    #[serde(default)]
    would_cut_off: Vec<SlotName>,
    #[serde(default)]
    would_end: usize,
    #[serde(default)]
    kills: Vec<Kill>,
    #[serde(default)]
    ended: Vec<Ended>,
    #[serde(default)]
    untold: bool,
}

#[derive(Deserialize)]
struct Row {
    place: String,
    key: Option<String>,
    is: String,
    slot: Option<String>,
    account: Option<String>,
}

/// A key that no agent uses, and what became of it.
#[derive(Deserialize)]
struct Ended {
    slot: Option<String>,
    account: Option<String>,
    key: String,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Kill {
    slot: String,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    versions: Vec<Version>,
    #[serde(default)]
    replacement: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    unrecorded: bool,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    done: Option<String>,
}

pub(super) async fn leak(wanted: Leak) -> Result<Outcome> {
    let began = SystemClock.now();
    if let (Some(reason), false) = (&wanted.reason, wanted.dry_run) {
        reasoned(reason)?;
    }
    let mut found = Found::default();
    for report in &wanted.reports {
        read(report, &wanted.root, &mut found)?;
    }
    let format: Format = wanted.json.into();
    if found.finds.is_empty() {
        say_nothing_found(&found, format);
        return Ok(outcome_of(&found, &[]));
    }
    let answers = sent(&wanted, &found.finds).await?;
    let seconds = SystemClock.now().duration_since(began).as_secs_f64();
    if format == Format::Json {
        let all = json!({ "answers": answers, "seconds": seconds, "unseen": found.unseen });
        line(&all.to_string());
    }
    let answers = understood(answers)?;
    if format == Format::Table {
        print(&answers, wanted.dry_run, seconds);
        say_unseen(&found);
    }
    Ok(outcome_of(&found, &answers))
}

fn say_nothing_found(found: &Found, format: Format) {
    match format {
        Format::Json => line(&json!({ "finds": [], "unseen": found.unseen }).to_string()),
        Format::Table if found.unseen.is_empty() => line("Nothing was found that could be a key."),
        Format::Table => say_unseen(found),
    }
}

fn say_unseen(found: &Found) {
    for (place, why) in &found.unseen {
        complain(&format!("not seen: {}: {}", clean(place), clean(why)));
    }
}

/// What the control function says of the finds, and did.
async fn sent(wanted: &Leak, finds: &[Find]) -> Result<Vec<Value>> {
    let control = Control::open(ActKind::Kill).await?;
    let look = wanted.dry_run || !wanted.yes;
    let foreseen = match look {
        true => ask(&control, finds, "", true).await?,
        false => Vec::new(),
    };
    if wanted.dry_run {
        return Ok(foreseen);
    }
    if look && !confirm(&foreseen)? {
        // Nothing is alive; people are told of what is nobody's all the same.
        complain("No slot's key is in use among them; those that no agent uses are ended.");
    }
    let reason = wanted.reason.as_deref().unwrap_or_default();
    ask(&control, finds, reason, false).await
}

fn understood(answers: Vec<Value>) -> Result<Vec<Answer>> {
    let answers = answers.into_iter();
    let answers = answers.map(serde_json::from_value);
    let answers: serde_json::Result<Vec<Answer>> = answers.collect();
    answers.context("the answer cannot be read; what was cut off stays so: keyward status")
}

/// Sends the finds, in parts where there are many.
async fn ask(control: &Control, finds: &[Find], reason: &str, dry_run: bool) -> Result<Vec<Value>> {
    let words = Words {
        late: "still waiting for an answer; a slot is cut off without AWS by: keyward kill SLOT --offline --leak --account ACCOUNT".to_owned(),
        left: "no longer waited for; an order that was sent goes on by itself: keyward status".to_owned(),
    };
    let mut answers = Vec::new();
    for part in parts(finds) {
        let request = json!({ "reason": reason, "finds": part, "dry_run": dry_run });
        let answer = control.post("/leak", &request);
        answers.push(attended(answer, &words).await?);
    }
    Ok(answers)
}

/// Finds that fit into one request each.
fn parts(finds: &[Find]) -> Vec<&[Find]> {
    let (mut parts, mut rest) = (Vec::new(), finds);
    while !rest.is_empty() {
        let (mut count, mut prints) = (0, 0);
        while count < rest.len().min(FINDS_AT_ONCE) {
            prints += rest[count].prints.len();
            if prints > PRINTS_AT_ONCE && count > 0 {
                break;
            }
            count += 1;
        }
        let (part, after) = rest.split_at(count);
        parts.push(part);
        rest = after;
    }
    parts
}

/// Has the name of each slot typed that would be cut off; `false` where there is none.
fn confirm(foreseen: &[Value]) -> Result<bool> {
    let foreseen = understood(foreseen.to_vec())?;
    let slots: Vec<&SlotName> = foreseen.iter().flat_map(|a| &a.would_cut_off).collect();
    for slot in &slots {
        let what = format!("A key of {slot} leaked: all keys of it are cut off at once, for good");
        confirmed(slot, &what, Confirm::Typed)?;
    }
    Ok(!slots.is_empty())
}

/// Reads one report, and of finds without text the lines that they stand in.
fn read(report: &Path, root: &Path, found: &mut Found) -> Result<()> {
    let is_input = report.as_os_str() == "-";
    let name = match is_input {
        true => "standard input".to_owned(),
        false => report.display().to_string(),
    };
    let text = match is_input {
        true if stdin().is_terminal() => {
            complain("Paste the keys, one a line, then Ctrl-D:");
            limited(stdin(), &name)?
        }
        true => limited(stdin(), &name)?,
        false => {
            let file = File::open(report);
            limited(
                file.with_context(|| format!("{name} cannot be opened; nothing was sent"))?,
                &name,
            )?
        }
    };
    let leaks = match leaks::read(&text) {
        Ok((_, leaks)) => leaks,
        Err(ReportError::Unknown) if is_input => leaks::of_text(&text),
        Err(error) => bail!("{name}: {error}; nothing was sent"),
    };
    for leak in leaks {
        let place = leak.place.to_string();
        let text = match leak.shown {
            Shown::Text(text) => Ok(text),
            Shown::At { file, line } => line_of(&root.join(&file), line),
            Shown::Hidden => Err("the report hides its text".to_owned()),
        };
        match text {
            Ok(text) => found.add(place, &text),
            Err(why) => found.unseen.push((place, why)),
        }
    }
    Ok(())
}

impl Found {
    fn add(&mut self, place: String, text: &ApiKey) {
        let candidates = text.candidates();
        if candidates.is_empty() {
            return;
        }
        self.finds.push(Find {
            place,
            prints: candidates.iter().map(ApiKey::fingerprint).collect(),
            key_like: candidates.iter().any(ApiKey::begins_as_keys_do),
        });
    }
}

fn limited(input: impl Read, name: &str) -> Result<String> {
    let mut text = String::new();
    let read = input.take(MAX_INPUT + 1).read_to_string(&mut text);
    read.with_context(|| format!("{name} cannot be read as text; nothing was sent"))?;
    if text.len() as u64 > MAX_INPUT {
        bail!("{name} is larger than 64 MB; nothing was sent");
    }
    Ok(text)
}

fn line_of(file: &Path, line: u64) -> Result<ApiKey, String> {
    let shown = || without_keys(&file.display().to_string());
    let text = std::fs::read(file).map_err(|error| {
        format!(
            "{} cannot be read ({}); say where it is with --root",
            shown(),
            error.kind()
        )
    })?;
    let text = String::from_utf8_lossy(&text);
    let at = usize::try_from(line)
        .ok()
        .and_then(|line| line.checked_sub(1));
    match at.and_then(|at| text.lines().nth(at)) {
        Some(text) => Ok(ApiKey::new(text)),
        None => Err(format!("{} has no line {line} any more", shown())),
    }
}

fn print(answers: &[Answer], dry_run: bool, seconds: f64) {
    let rows = answers.iter().flat_map(|answer| &answer.finds);
    // Pieces of a report that are no key are no news.
    let rows = rows.filter(|row| row.is != "no_key_that_is_known");
    let rows: Vec<[String; 4]> = rows.map(cells).collect();
    match rows.is_empty() {
        true => line("None of what was found is a key of a slot, or looks like one."),
        false => table(["KEY", "OF", "IS", "FOUND"], &rows),
    }
    let would = answers.iter().flat_map(|answer| &answer.would_cut_off);
    if dry_run {
        would.for_each(|slot| {
            line(&format!(
                "{slot}: nothing was changed; it would be cut off for good"
            ))
        });
        match answers.iter().map(|answer| answer.would_end).sum::<usize>() {
            0 => {}
            1 => line("A key that no agent uses would be ended."),
            count => line(&format!("{count} keys that no agent uses would be ended.")),
        }
        return;
    }
    let kills: BTreeMap<&str, &Kill> = answers
        .iter()
        .flat_map(|answer| &answer.kills)
        .map(|kill| (kill.slot.as_str(), kill))
        .collect();
    for (slot, kill) in &kills {
        line(&format!("{}: {}", clean(slot), words(kill, seconds)));
    }
    for ended in answers.iter().flat_map(|answer| &answer.ended) {
        line(&ended_words(ended));
    }
    if answers.iter().any(|answer| answer.untold) {
        complain(
            "People could not be told of the keys that belong to no slot: tell them yourself.",
        );
    }
}

fn cells(row: &Row) -> [String; 4] {
    let of = match (&row.slot, &row.account) {
        (Some(slot), _) => clean(slot),
        (None, Some(account)) => format!("pool of {}", clean(account)),
        (None, None) => "no slot".to_owned(),
    };
    let is = match row.is.as_str() {
        "alive" => "ALIVE",
        "cut_off" => "cut off by a kill",
        "ending" => "being revoked",
        "dead" => "dead",
        "standby" => "standing by",
        "nobodys" => "of nobody: end it at its provider",
        _ => "?",
    };
    let key = row.key.as_deref().map_or("?".to_owned(), clean);
    [key, of, is.to_owned(), clean(&row.place)]
}

fn ended_words(ended: &Ended) -> String {
    let of = match (&ended.slot, &ended.account) {
        (Some(slot), _) => clean(slot),
        (None, account) => format!(
            "pool of {}",
            account.as_deref().map_or_else(|| "?".to_owned(), clean)
        ),
    };
    let key = clean(&ended.key);
    match (&ended.error, &ended.slot) {
        (None, Some(_)) => format!("{of}: {key} cannot be brought back any more, and is revoked"),
        (None, None) => format!("{of}: {key} is out of the pool and ended at its provider"),
        (Some(error), Some(_)) => format!("{of}: {key} is NOT ended: {}", clean(error)),
        (Some(error), None) => format!(
            "{of}: {key} is NOT ended: {}. Delete it at the provider",
            clean(error)
        ),
    }
}

fn words(kill: &Kill, seconds: f64) -> String {
    if let Some(error) = &kill.error {
        return format!(
            "NOT cut off: {}. Send it again: keyward kill {} --leak",
            clean(error),
            clean(&kill.slot)
        );
    }
    if !is_cut_off(kill) {
        return format!(
            "NOT cut off whole ({}): keyward status {}",
            clean(kill.result.as_deref().unwrap_or("?")),
            clean(&kill.slot)
        );
    }
    let then = match kill.replacement.as_deref() {
        Some("suspended") => "it has no key: keyward restore",
        Some("in_use") => "its replacement is in use",
        _ => "a replacement is on its way",
    };
    format!("cut off for good, {seconds:.1} s after this began; {then}")
}

fn is_cut_off(kill: &Kill) -> bool {
    let is_over = matches!(
        kill.result.as_deref(),
        Some("contained" | "nothing_alive" | "over")
    );
    is_over && kill.versions.iter().all(|version| version.done.is_some())
}

/// Done, if nothing that was found is left alive, as far as is known.
fn outcome_of(found: &Found, answers: &[Answer]) -> Outcome {
    let is_left = |answer: &Answer| {
        let stays = |row: &Row| row.is == "nobodys";
        let is_done = |kill: &Kill| is_cut_off(kill) && !kill.unrecorded;
        let ends = |row: &&Row| matches!(row.is.as_str(), "standby" | "cut_off");
        let may_be_alive = |ended: &Ended| ended.error.is_some();
        answer.finds.iter().any(stays)
            || answer.ended.iter().any(may_be_alive)
            || (answer.ended.is_empty() && answer.finds.iter().find(ends).is_some())
            || !answer.kills.iter().all(is_done)
            || answer.untold
            || !answer.would_cut_off.is_empty()
    };
    match (answers.iter().any(is_left), found.unseen.is_empty()) {
        (true, _) => Outcome::NotAll,
        (false, false) => Outcome::MaybeMore,
        (false, true) => Outcome::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(prints: usize) -> Find {
        let print = ApiKey::new("EXAMPLE").fingerprint();
        Find {
            place: "here".to_owned(),
            prints: vec![print; prints],
            key_like: false,
        }
    }

    #[test]
    fn no_find_is_lost_between_requests() {
        for (count, prints) in [
            (1, 1),
            (500, 1),
            (501, 1),
            (1_200, 7),
            (3, 4_000),
            (2, 9_000),
        ] {
            let finds: Vec<Find> = (0..count).map(|_| find(prints)).collect();
            let parts = parts(&finds);
            let sent: usize = parts.iter().map(|part| part.len()).sum();
            assert_eq!(sent, count);
            for part in parts {
                let all: usize = part.iter().map(|find| find.prints.len()).sum();
                assert!(part.len() <= FINDS_AT_ONCE);
                assert!(all <= PRINTS_AT_ONCE || part.len() == 1);
            }
        }
    }

    #[test]
    fn only_what_is_known_to_be_dead_is_done() {
        let outcome = |unseen: usize, answer: Value| {
            let found = Found {
                finds: Vec::new(),
                unseen: vec![("here".to_owned(), "hidden".to_owned()); unseen],
            };
            let answer: Answer = serde_json::from_value(answer).expect("an answer");
            outcome_of(&found, &[answer])
        };
        let finds = |is: &str| json!([{"place": "here", "key": "ab", "is": is, "slot": "bot"}]);
        let kill = |result: &str, done: Value| json!([{"slot": "bot", "result": result, "versions": [{"done": done}]}]);
        for (answer, expected) in [
            (json!({"finds": finds("dead")}), Outcome::Done),
            (json!({"finds": finds("nobodys")}), Outcome::NotAll),
            (json!({"finds": finds("standby")}), Outcome::NotAll),
            (
                json!({"finds": finds("standby"), "ended": [{"account": "a", "key": "ab"}]}),
                Outcome::Done,
            ),
            (
                json!({"finds": finds("cut_off"), "ended": [{"slot": "a", "key": "ab", "error": "no"}]}),
                Outcome::NotAll,
            ),
            (
                json!({"finds": finds("dead"), "untold": true}),
                Outcome::NotAll,
            ),
            (
                json!({"finds": finds("alive"), "kills": kill("contained", json!("deleted"))}),
                Outcome::Done,
            ),
            (
                json!({"finds": finds("alive"), "kills": kill("contained", Value::Null)}),
                Outcome::NotAll,
            ),
            (
                json!({"finds": finds("alive"), "kills": kill("unfinished", json!("deleted"))}),
                Outcome::NotAll,
            ),
            (
                json!({"finds": finds("alive"), "kills": [{"slot": "bot", "error": "no"}]}),
                Outcome::NotAll,
            ),
            (
                json!({"finds": finds("alive"), "would_cut_off": ["bot"]}),
                Outcome::NotAll,
            ),
        ] {
            assert_eq!(outcome(0, answer.clone()), expected, "{answer}");
        }
        assert_eq!(
            outcome(1, json!({"finds": finds("dead")})),
            Outcome::MaybeMore
        );
    }
}

//! `keyward migrate`.

use anyhow::{Context, Result};
use keyward_core::model::act_kind::ActKind;
use keyward_core::ports::Pass;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Format;
use crate::control::Control;
use crate::print::{Outcome, clean, complain, line};

/// One part of a pass, and the sum of them.
#[derive(Default, Serialize, Deserialize)]
struct Sum {
    items: u64,
    of_before: u64,
    written: u64,
    unreadable: u64,
    named: Vec<Unreadable>,
    #[serde(default, skip_serializing)]
    next: Option<Value>,
    #[serde(default)]
    unrecorded: bool,
}

#[derive(Serialize, Deserialize)]
struct Unreadable {
    key: String,
    why: String,
}

pub(super) async fn migrate(reason: &str, pass: Pass, format: Format) -> Result<Outcome> {
    let control = Control::open(ActKind::Operate).await?;
    let mut sum = Sum::default();
    let mut from = None;
    loop {
        let request = json!({ "reason": reason, "from": from, "dry_run": pass == Pass::Look });
        let answer = control.post("/migrate", &request).await?;
        let part: Sum = serde_json::from_value(answer).context("the answer cannot be read")?;
        sum.add(part);
        match sum.next.take() {
            Some(next) => from = Some(next),
            None => break,
        }
        complain(&format!("{} items so far", sum.items));
    }
    match format {
        Format::Json => line(&json!(sum).to_string()),
        Format::Table => print(&sum),
    }
    if sum.unrecorded {
        complain("done, but its end could not be recorded");
    }
    Ok(match (sum.unreadable, sum.of_before) {
        _ if sum.unrecorded => Outcome::NotAll,
        (0, 0) => Outcome::Done,
        (0, _) => Outcome::Differs,
        _ => Outcome::NotAll,
    })
}

impl Sum {
    fn add(&mut self, part: Self) {
        self.items += part.items;
        self.of_before += part.of_before;
        self.written += part.written;
        self.unreadable += part.unreadable;
        self.named.extend(part.named);
        self.next = part.next;
        self.unrecorded |= part.unrecorded;
    }
}

fn print(sum: &Sum) {
    line(&format!(
        "{} items: {} written anew, {} still of the schema before, {} that cannot be read",
        sum.items, sum.written, sum.of_before, sum.unreadable
    ));
    for item in &sum.named {
        line(&format!("  {}: {}", clean(&item.key), clean(&item.why)));
    }
    if sum.of_before > 0 {
        line("Give it again: what is written meanwhile is found by the next pass.");
    }
}

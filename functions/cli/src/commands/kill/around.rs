//! What stands around a kill: what a person reads before they confirm it, while they wait, and where it fails.

use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use serde_json::{Value, json};

use super::{Answer, Order};
use crate::control::{Control, Refused};
use crate::print::{chain, clean, complain};
use crate::waiting::{Left, Words};

/// What is looked up for a person to read before they confirm may take so long.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// How the same is done without AWS. Nothing here knows the account.
pub(in crate::commands) fn offline_command(order: &Order) -> String {
    let leak = if order.leak { " --leak" } else { "" };
    format!(
        "keyward kill {} --offline{leak} --account ACCOUNT --yes < break-glass.txt",
        order.slot
    )
}

/// What the control function says that a kill would do.
pub(super) async fn look(control: &Control, order: &Order, limit: Duration) -> Result<Value> {
    let request = json!({ "slot": order.slot, "leak": order.leak, "dry_run": true });
    control.post_within(limit, "/kill", &request).await
}

/// What a kill would cut off, for a person to read; `None` if that is not known, which stops no kill.
///
/// # Errors
/// The order would be refused, as for a slot that is not there.
pub(super) async fn look_before(control: &Control, order: &Order) -> Result<Option<Answer>> {
    match look(control, order, LOOK_LIMIT).await {
        Ok(answer) => Ok(serde_json::from_value(answer).ok()),
        Err(error) if is_of_request(&error) => Err(error),
        Err(error) => {
            complain(&format!(
                "{}: its keys could not be looked at: {}",
                order.slot,
                chain(&error)
            ));
            Ok(None)
        }
    }
}

/// What a person reads before they type the slot's name.
pub(super) fn question(order: &Order, foreseen: Option<&Answer>) -> String {
    let slot = &order.slot;
    let how = match order.leak {
        true => "for good",
        false => "until a person restores them, where the provider can",
    };
    let Some(foreseen) = foreseen else {
        return format!("All keys of {slot} are cut off at once, {how}");
    };
    let or_unknown = |text: &Option<String>| text.as_deref().map_or("?".to_owned(), clean);
    let whose = format!(
        "{slot} ({}, of {})",
        or_unknown(&foreseen.environment),
        or_unknown(&foreseen.owner)
    );
    let keys: Vec<String> = foreseen
        .versions
        .iter()
        .map(|row| format!("{} ({})", or_unknown(&row.key), or_unknown(&row.was)))
        .collect();
    match keys.is_empty() {
        true => format!("{whose} has no key that is alive; one that turns up is cut off, {how}"),
        false => format!(
            "All keys of {whose} are cut off at once, {how}: {}",
            keys.join(", ")
        ),
    }
}

/// What is said while the answer is waited for.
pub(super) fn words_while(order: &Order) -> Words {
    let slot = &order.slot;
    Words {
        late: format!(
            "{slot}: still waiting for an answer. Without AWS, in another terminal: {}",
            offline_command(order)
        ),
        left: format!(
            "{slot}: no longer waited for. An order that was sent goes on by itself: keyward status {slot}"
        ),
    }
}

fn is_of_request(error: &Error) -> bool {
    error
        .downcast_ref::<Refused>()
        .is_some_and(Refused::is_of_request)
}

/// The error, with the way that needs neither AWS nor Keyward where one of them may be down.
pub(super) fn or_offline(order: &Order, error: Error) -> Error {
    if is_of_request(&error) || error.is::<Left>() {
        return error;
    }
    anyhow!(
        "{}. If AWS or Keyward is down, cut it off without them: {} (what that needs: functions/cli/README.md)",
        chain(&error).trim_end_matches('.'),
        offline_command(order)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(leak: bool) -> Order {
        Order {
            slot: "search-bot".parse().expect("a slot"),
            reason: "calls at night".to_owned(),
            leak,
        }
    }

    fn answer(value: Value) -> Answer {
        serde_json::from_value(value).expect("an answer")
    }

    #[test]
    fn a_person_reads_whose_keys_they_are_before_they_confirm() {
        let with = |versions: Value| {
            answer(json!({
                "result": "would_contain", "owner": "ana@example.com", "environment": "prod",
                "versions": versions,
            }))
        };
        let two = with(json!([
            { "version": "1", "key": "sk-…aaaa", "was": "current" },
            { "version": "0", "key": "sk-…bbbb", "was": "retiring" },
        ]));
        for (leak, foreseen, expected) in [
            (
                false,
                Some(two),
                "All keys of search-bot (prod, of ana@example.com) are cut off at once, until a person restores them, where the provider can: sk-…aaaa (current), sk-…bbbb (retiring)",
            ),
            (
                true,
                Some(with(json!([]))),
                "search-bot (prod, of ana@example.com) has no key that is alive; one that turns up is cut off, for good",
            ),
            (
                true,
                None,
                "All keys of search-bot are cut off at once, for good",
            ),
        ] {
            assert_eq!(question(&order(leak), foreseen.as_ref()), expected);
        }
    }

    #[test]
    fn an_error_names_the_way_without_aws() {
        let error = or_offline(&order(true), anyhow!("no route to host"));
        let text = error.to_string();
        assert!(text.starts_with("no route to host. If AWS"), "{text}");
        let command =
            "keyward kill search-bot --offline --leak --account ACCOUNT --yes < break-glass.txt";
        assert!(text.contains(command), "{text}");
    }
}

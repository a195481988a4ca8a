//! A break-glass credential on standard input: tried at its provider, and that recorded. It is stored nowhere.

use anyhow::Result;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::admin::BreakGlassResult;
use keyward_core::model::names::AccountName;
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::ports::{Administered, Inventory as _};
use keyward_providers::config::ProviderAccounts;
use serde_json::{Value, json};

use super::entered::{NotAsked, accepted, administered, opened};
use super::offline::{credential, piped};
use crate::aws::Aws;
use crate::control::Control;
use crate::print::{Outcome, chain, complain, line};
use crate::settings::{TABLE, required};

/// A break-glass credential that stands on standard input.
pub(super) struct BreakGlass {
    of: Administered,
    accounts: ProviderAccounts,
}

/// What became of it.
pub(super) struct Tried {
    of: Administered,
    result: BreakGlassResult,
    recorded: Result<()>,
}

impl BreakGlass {
    /// The account's. Nothing is read yet; where nothing is piped in, `command` says how.
    pub(super) fn of(
        account: &AccountName,
        accounts: ProviderAccounts,
        command: &str,
    ) -> Result<Self> {
        let of = administered(&accounts, account)?;
        piped("break-glass credential", command)?;
        Ok(Self { of, accounts })
    }

    /// Tries it at its provider, and has control record that. It is stored nowhere.
    pub(super) async fn tried(self, place: &Scope, reason: &str) -> Result<Tried> {
        let Self { of, accounts } = self;
        let key = credential()?;
        let aws = Aws::load().await?;
        let driver = opened(&aws, accounts, &of, key.clone()).await?;
        let place = place_in(&aws, &of, place).await;
        let result = match accepted(driver.as_ref(), &key, &place).await {
            Ok(()) => BreakGlassResult::Works,
            Err(error) if error.downcast_ref::<NotAsked>().is_some() => return Err(error),
            Err(_) => BreakGlassResult::Refused,
        };
        let request = json!({
            "account": of.account, "result": result, "fingerprint": key.fingerprint(), "reason": reason,
        });
        let recorded = match Control::open(ActKind::Operate).await {
            Ok(control) => control.post("/break-glass", &request).await.map(drop),
            Err(error) => Err(error),
        };
        Ok(Tried {
            of,
            result,
            recorded,
        })
    }
}

/// The place that was said; else, where the provider's keys are all in a project, that of a slot of the account, if the table
/// tells one.
async fn place_in(aws: &Aws, of: &Administered, said: &Scope) -> Scope {
    let knows = of.provider != ProviderName::Gemini || said.project.is_some();
    let found = match required([TABLE]) {
        Ok([table]) if !knows => of_a_slot(aws, &table, of).await,
        _ => None,
    };
    found.unwrap_or_else(|| said.clone())
}

async fn of_a_slot(aws: &Aws, table: &str, of: &Administered) -> Option<Scope> {
    let inventory = aws.inventory(table).await.ok()?;
    for name in inventory.slot_names().await.ok()? {
        let slot = inventory.slot(&name).await.ok().flatten();
        if let Some(slot) = slot.filter(|slot| slot.account == of.account) {
            return Some(slot.scope);
        }
    }
    None
}

impl Tried {
    pub(super) fn json(&self) -> Value {
        json!({ "account": self.of.account, "result": self.result, "recorded": self.recorded.is_ok() })
    }

    pub(super) fn show(&self) {
        let Administered {
            account, provider, ..
        } = &self.of;
        match self.result {
            BreakGlassResult::Works => line(&format!(
                "{account}: the break-glass credential works; it was stored nowhere"
            )),
            BreakGlassResult::Refused => line(&format!(
                "{account}: the break-glass credential is REFUSED by {provider}: make another now, and try that one"
            )),
        }
    }

    /// How the command ends. What was not recorded is said.
    pub(super) fn outcome(&self) -> Outcome {
        if let Err(error) = &self.recorded {
            complain(&format!(
                "{}: that it was tried is not recorded ({}): run this again once control answers",
                self.of.account,
                chain(error)
            ));
        }
        match (self.result, &self.recorded) {
            (BreakGlassResult::Works, Ok(())) => Outcome::Done,
            _ => Outcome::NotAll,
        }
    }
}

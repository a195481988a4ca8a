//! What people are told.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::act::ActId;
use super::names::{AccountName, SlotName};
use super::text::{AlertText, CleanText, OutsideText};

/// How soon a person must look.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Needs a person during working hours.
    Warning,
    /// Needs a person now.
    Page,
}

/// What an alert is about; the stable name that receivers route by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The provider refuses Keyward's own credential.
    AdminCredentialRefused,
    /// A rotation step ended without effect and will not mend by itself.
    RotationFailed,
    /// A new key has no money to spend but is otherwise accepted.
    NewKeyWithoutMoney,
    /// A key that is alive could not be revoked when it had to be.
    Orphan,
    /// An old key is still in use and was not revoked yet.
    OldKeyStillUsed,
    /// An old key was in use up to its hard deadline and was revoked.
    DeadlineRevocation,
    /// A revoke was accepted, but the key is still not refused.
    RevokeUnconfirmed,
    /// A key that cannot be named at the provider cannot be revoked by Keyward.
    HandleUnknown,
    /// The secret was changed by somebody else.
    ForeignSecretChange,
    /// A key was found where it must not be, and no slot can be cut off for it.
    LeakedKey,
    /// The inventory did not know a key that Keyward made.
    InventoryBehind,
    /// A slot was registered at a provider that lacks what would protect its keys.
    ProtectionMissing,
    /// An unfinished rotation was cleared away.
    StuckPendingCleared,
    /// A current key comes close to the age or the expiry at which it stops.
    KeyNearEnd,
    /// A standby pool has no key for a slot that needs one.
    PoolEmpty,
    /// A standby pool is running out of keys.
    PoolLow,
    /// What `retire` had to do could not be done and is tried again.
    WorkFailed,
    /// A slot was cut off: its keys are dead.
    Contained,
    /// A slot is being cut off, and not all of its keys are dead.
    NotContained,
    /// A slot that only observes would have been cut off.
    WouldContain,
    /// A slot that was cut off has no replacement yet: its agent has no key.
    NotReplaced,
    /// A slot is suspended: no key is made for it until a person restores it.
    Suspended,
    /// What set a kill off speaks of keys that are dead already, so nothing was done.
    OfDeadKeys,
    /// A kill is complete, from what set it off to the refusal of the dead key.
    KillDone,
    /// A message came to the kill switch that kills nobody.
    KillRefused,
    /// Somebody changed the alarm that guards a slot; it was set right.
    AlarmChanged,
    /// A slot has no alarm that guards it.
    AlarmMissing,
    /// Somebody changed a key's limit at its provider; it is set right.
    CapChanged,
    /// A key's limit cannot be set at its provider until a person does something.
    CapMissing,
    /// A key's limit was lowered below what it has spent: its agent is refused.
    CapBelowSpend,
    /// A drill of the kill switch is over, with the time of each stage.
    DrillDone,
    /// A drill of the kill switch did not end as it should.
    DrillFailed,
    /// A slot spends far more than is normal for it.
    SpendUnusual,
    /// A slot is used in another way than before: more or larger requests, a new model, after a long silence.
    UsageUnusual,
    /// At this pace a slot's monthly cap will be exceeded.
    MonthProjected,
    /// A slot's monthly cap is spent, and its keys are limited to one normal day a day.
    Restricted,
    /// Nobody tells what the slots of a provider account use, or they are told of again.
    UsageUnseen,
    /// The price table and the provider's bill are too far apart.
    BillDiffers,
    /// What a slot's agents tell of their use and what the provider tells are too far apart.
    UsageDiffers,
    /// A model that the price table lacks is in use.
    ModelUnpriced,
    /// The table of prices that was put in place of the shipped one is not used.
    PricesRefused,
    /// A key that agents fetch is not in its provider's list.
    KeyVanished,
    /// A key that was confirmed dead is in use.
    DeadKeyUsed,
    /// The monitor sent a slot to the kill switch itself: its alarm did not.
    KillOrdered,
    /// What the monitor has to do could not be done.
    MonitorFailed,
    /// An audit is over: what is new, fixed and still open, and what was not seen.
    AuditDone,
    /// An offboarding is done: every key of who left is dead or replaced.
    OffboardDone,
    /// The time of an offboarding runs out, or is over, with keys that are not dead or replaced.
    OffboardBehind,
    /// Who answered for slots has left, and nobody is there to take over, now or the next time.
    OwnerMissing,
    /// An event asked for an offboarding that was not begun.
    OffboardRefused,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 50] = [
        Self::AdminCredentialRefused,
        Self::RotationFailed,
        Self::NewKeyWithoutMoney,
        Self::Orphan,
        Self::OldKeyStillUsed,
        Self::DeadlineRevocation,
        Self::RevokeUnconfirmed,
        Self::HandleUnknown,
        Self::ForeignSecretChange,
        Self::LeakedKey,
        Self::InventoryBehind,
        Self::ProtectionMissing,
        Self::StuckPendingCleared,
        Self::KeyNearEnd,
        Self::PoolEmpty,
        Self::PoolLow,
        Self::WorkFailed,
        Self::Contained,
        Self::NotContained,
        Self::WouldContain,
        Self::NotReplaced,
        Self::Suspended,
        Self::OfDeadKeys,
        Self::KillDone,
        Self::KillRefused,
        Self::AlarmChanged,
        Self::AlarmMissing,
        Self::CapChanged,
        Self::CapMissing,
        Self::CapBelowSpend,
        Self::DrillDone,
        Self::DrillFailed,
        Self::SpendUnusual,
        Self::UsageUnusual,
        Self::MonthProjected,
        Self::Restricted,
        Self::UsageUnseen,
        Self::BillDiffers,
        Self::UsageDiffers,
        Self::ModelUnpriced,
        Self::PricesRefused,
        Self::KeyVanished,
        Self::DeadKeyUsed,
        Self::KillOrdered,
        Self::MonitorFailed,
        Self::AuditDone,
        Self::OffboardDone,
        Self::OffboardBehind,
        Self::OwnerMissing,
        Self::OffboardRefused,
    ];
}

/// A command of `keyward` that a person can run. Its words are Keyward's own, and of what came from outside it holds the
/// validated name of a slot or of a provider account only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Command(CleanText<512>);

impl Command {
    /// `keyward <words>`.
    pub fn general(words: &'static str) -> Self {
        Self(CleanText::new(&format!("keyward {words}")))
    }

    /// `keyward <words> <slot>`.
    pub fn about(words: &'static str, slot: &SlotName) -> Self {
        Self(CleanText::new(&format!("keyward {words} {slot}")))
    }

    /// `keyward <words> <provider account>`.
    pub fn of_account(words: &'static str, account: &AccountName) -> Self {
        Self(CleanText::new(&format!("keyward {words} {account}")))
    }

    /// The same with options after it.
    #[must_use]
    pub fn with(self, options: &'static str) -> Self {
        Self(CleanText::new(&format!("{} {options}", self.0)))
    }

    /// The command's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl JsonSchema for Command {
    fn schema_name() -> Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        CleanText::<512>::json_schema(generator)
    }
}

/// One message to people and to programs: what happened, to which slot, what was done, what is left, the command to run.
///
/// Its JSON form is for programs of others. A field or a kind may be added to it under the same `schema`; anything else
/// that changes is a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// The form of this message: 1.
    pub schema: u32,
    /// How soon a person must look.
    pub severity: Severity,
    /// The stable name of what happened.
    pub kind: AlertKind,
    /// The slot that it happened to; absent if no slot is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub slot: Option<SlotName>,
    /// What happened.
    pub what: AlertText,
    /// What Keyward did about it, and what is safe.
    pub done: AlertText,
    /// What is left for a person.
    pub left: AlertText,
    /// The command to run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<Command>,
    /// The incident that it belongs to: the same in all alerts about one kill.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub incident: Option<OutsideText>,
    /// The drill that it is part of: nothing is amiss. Absent where it is in earnest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drill: Option<OutsideText>,
    /// What set it off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<OutsideText>,
    /// Where the operator's runbook says what it means and what to do: an address, or a place in the release.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub runbook: Option<OutsideText>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
}

impl Alert {
    /// The form that this release writes.
    pub const SCHEMA: u32 = 1;

    /// An alert about a slot: what happened, what was done, what is left. The texts are cleaned and cut.
    pub fn about(slot: &SlotName, severity: Severity, kind: AlertKind, text: [&str; 3]) -> Self {
        Self {
            slot: Some(slot.clone()),
            ..Self::general(severity, kind, text)
        }
    }

    /// An alert about no slot, or one that is not known.
    pub fn general(severity: Severity, kind: AlertKind, text: [&str; 3]) -> Self {
        let [what, done, left] = text.map(AlertText::new);
        Self {
            schema: Self::SCHEMA,
            severity,
            kind,
            slot: None,
            what,
            done,
            left,
            command: None,
            incident: None,
            drill: None,
            cause: None,
            runbook: None,
            at: None,
        }
    }

    /// Names the command to run.
    #[must_use]
    pub fn with_command(mut self, command: Command) -> Self {
        self.command = Some(command);
        self
    }

    /// Names the incident that it belongs to.
    #[must_use]
    pub fn with_incident(mut self, id: &str) -> Self {
        self.incident = Some(OutsideText::new(id));
        self
    }

    /// Names the drill that it is part of.
    #[must_use]
    pub fn with_drill(mut self, drill: &ActId) -> Self {
        self.drill = Some(OutsideText::new(drill.as_str()));
        self
    }

    /// Says what set it off.
    #[must_use]
    pub fn with_cause(mut self, cause: &OutsideText) -> Self {
        self.cause = Some(cause.clone());
        self
    }

    /// Says where the runbook is; its section is named as the kind is.
    #[must_use]
    pub fn with_runbook(mut self, page: &str) -> Self {
        let kind = serde_json::to_value(self.kind).unwrap_or_default();
        let section = kind.as_str().unwrap_or_default();
        self.runbook = Some(OutsideText::new(&format!("{page}#{section}")));
        self
    }

    /// Says when.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// The JSON Schema of an alert's JSON form.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_holds_its_own_words_and_a_slot() {
        let slot: SlotName = "support-bot".parse().unwrap();
        let command = Command::about("enforce", &slot).with("--reason \"...\"");
        assert_eq!(
            command.as_str(),
            "keyward enforce support-bot --reason \"...\""
        );
        assert_eq!(Command::general("doctor").as_str(), "keyward doctor");
    }

    #[test]
    fn the_json_form_leaves_out_what_is_not_known() {
        let text = ["it happened", "nothing", "nothing"];
        let alert = Alert::general(Severity::Page, AlertKind::KillRefused, text);
        let expected = serde_json::json!({
            "schema": 1, "severity": "page", "kind": "kill_refused",
            "what": "it happened", "done": "nothing", "left": "nothing",
        });
        assert_eq!(serde_json::to_value(&alert).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Alert>(expected).unwrap(), alert);
    }
}

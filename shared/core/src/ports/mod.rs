//! Ports: what Keyward needs of the outside world, one trait a file with its error.
//!
//! Every call may be cut off before, during or after its effect. An error that leaves the effect open says so.

mod ability;
mod act_orders;
mod acts;
mod admin;
mod alarm_states;
mod alarms;
mod alerts;
mod clock;
mod found;
mod functions;
mod inventory;
mod kill_alarms;
mod kill_orders;
mod lists;
mod metrics;
mod migration;
mod offboardings;
mod pools;
mod progress;
mod provider;
mod reports;
mod secret_finder;
mod secrets;
mod usage;
mod usage_store;

pub use ability::{Ability, missing};
pub use act_orders::{
    ActOrderError, ActOrders, ActOutcome, CapSet, LeakedStandby, NoActOrders, Readied,
};
pub use acts::Acts;
pub use admin::{AdminCredentials, Administered, ListedAdmin, MintedAdmin, TAG_ADMIN};
pub use alarm_states::{AlarmStates, NoAlarmStates};
pub use alarms::{AlarmError, AlarmSource, TAG_STACK};
pub use alerts::{AlertError, Alerts};
pub use clock::{Clock, Deadline};
pub use found::{Gone, GonePage, LookUp};
pub use functions::{Concurrency, FunctionState, FunctionSwitch, SeenCall, Trail};
pub use inventory::{CHECKED_AT_ONCE, Due, Fence, Inventory, InventoryError, UniqueItem};
pub use kill_alarms::{KillAlarmError, KillAlarms};
pub use kill_orders::{KillOrderError, KillOrders};
pub use lists::{
    AlarmLists, BedrockCredential, Census, CredentialAge, CredentialAges, CredentialLists, Damaged,
    FunctionLists, FunctionVariables, ListError, ListPage, ListedAlarm, ListedSecret, Named,
    People, SecretLists, SlotRows, Variables,
};
pub use metrics::{Metrics, MetricsError};
pub use migration::{MigratedPage, Migration, MigrationError, Pass, Unreadable};
pub use offboardings::{
    EvidenceSink, NoOffboardOrders, OffboardOrders, Offboardings, ReadsPage, SecretRead,
    SecretReads,
};
pub use pools::StandbyPools;
pub use progress::{Progress, Stage as ReadingStage, Unwatched};
pub use provider::{
    Abilities, Advice, Disabled, Extent, IssueRequest, IssuedKey, KeyIssuer, KeyOwner, KeyProvider,
    KeyRecord, LATE_CREATE, Limits, Naming, Page, PageToken, PoolSettings, ProviderError,
    Providers, Reach, SpendCaps, Suspension, Verdict,
};
pub use reports::{
    AcceptedRisks, FindingHub, Imported, KeptRisk, Mark, Remembered, ReportFile, ReportSink,
    RiskRegister,
};
pub use secret_finder::{FoundSecret, SecretFinder};
pub use secrets::{
    RotationToken, SecretDescription, SecretError, SecretStore, Stage, TAG_ACCOUNT,
    TAG_HANDLE_PREFIX, TAG_PLACE, TAG_SLOT, VersionSelector, handle_tag,
};
pub use usage::{
    ByKey, Cost, CostPage, Reporting, Tokens, Usage, UsagePage, UsageReports, Width, Window,
};
pub use usage_store::{Held, Leases, UsageStore};

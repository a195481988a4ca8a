//! What an audit of a large deployment takes: `cargo run --release -p keyward-tests --example audit-size -- 100000`. The
//! deployment is made up page by page, so that the memory is the audit's own; one key in a hundred is at fault.
#![expect(clippy::print_stdout, reason = "a command")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alarm::AlarmState;
use keyward_core::model::audit::Period;
use keyward_core::model::fleet::Fleet;
use keyward_core::model::key::ApiKey;
use keyward_core::model::kill_alarm::FoundAlarm;
use keyward_core::model::names::{AccountName, KeyHandle, Principal, SecretArn, SlotName};
use keyward_core::model::slot::{Epoch, Mode, ProviderName, Scope, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{
    Abilities, AlarmLists, Census, Clock as _, CredentialAge, CredentialAges, Deadline, Disabled,
    KeyIssuer, KeyOwner, KeyProvider, KeyRecord, ListError, ListPage, ListedAlarm, ListedSecret,
    Mark, Named, Page, PageToken, People, PoolSettings, ProviderError, Providers, Reach,
    Remembered, ReportFile, ReportSink, SecretLists, SlotRows, SpendCaps, Verdict,
};
use keyward_core::rules::alarms::wanted;
use keyward_core::usecases::audit::{AuditOrder, AuditPorts, audit};
use keyward_core::usecases::register::new_slot;
use keyward_reports::{Place, renders};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::{
    MemoryAudits, MemoryInventory, MemoryLists, MemoryProvider, MemoryUsage,
};
use keyward_tests::support::deployment;

const ACCOUNTS: usize = 5;
const KEYS_OF_A_SLOT: usize = 10;
const PAGE: usize = 100;

/// A deployment of so many slots, none of which is kept.
struct MadeUp {
    slots: usize,
    now: Timestamp,
    pattern: Slot,
    abilities: Abilities,
    calls: AtomicUsize,
}

impl MadeUp {
    fn name(number: usize) -> SlotName {
        format!("slot-{number}").parse().expect("a name")
    }

    fn account(number: usize) -> AccountName {
        format!("account-{}", number % ACCOUNTS)
            .parse()
            .expect("a name")
    }

    fn number(name: &SlotName) -> usize {
        let (_, number) = name.as_str().rsplit_once('-').expect("a name of ours");
        number.parse().expect("a number")
    }

    fn arn(number: usize) -> SecretArn {
        let arn =
            format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/{number}-a1B2c3");
        arn.parse().expect("an ARN")
    }

    fn handle(slot: usize, key: usize) -> KeyHandle {
        format!("key_EXAMPLE{slot:08}{key:02}")
            .parse()
            .expect("a handle")
    }

    fn made(&self, number: usize) -> Slot {
        Slot {
            name: Self::name(number),
            secret: Self::arn(number),
            account: Self::account(number),
            mode: Mode::Enforce,
            ..self.pattern.clone()
        }
    }

    fn version(&self, slot: &Slot, key: usize) -> Version {
        let number = Self::number(&slot.name);
        let id = format!("11111111-aaaa-4bbb-{key:04}-{number:012}.1");
        let begun = self.now - SignedDuration::from_hours(24 * 20);
        // The current key of one slot in ten is too old: one key in a hundred.
        let age = if key == 0 && number.is_multiple_of(10) {
            70
        } else {
            20
        };
        Version {
            state: match key {
                0 => VersionState::Current,
                _ => VersionState::Retiring,
            },
            handle: Some(Self::handle(number, key)),
            fingerprint: Some(ApiKey::new(&format!("sk-EXAMPLE-{number}-{key}")).fingerprint()),
            created: self.now - SignedDuration::from_hours(24 * age),
            deadline: Some(self.now + SignedDuration::from_hours(1)),
            ..Version::intended(&slot.name, id.parse().expect("an id"), Epoch(0), begun)
        }
    }

    /// The numbers on a page, of so many.
    fn page<T>(
        &self,
        all: usize,
        after: Option<&PageToken>,
        item: impl Fn(usize) -> T,
    ) -> ListPage<T> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let from: usize = after.map_or(0, |token| token.0.parse().expect("a token of ours"));
        let until = (from + PAGE).min(all);
        ListPage {
            items: (from..until).map(item).collect(),
            next: (until < all).then(|| PageToken(until.to_string())),
        }
    }
}

#[async_trait]
impl Census for MadeUp {
    async fn names(&self, after: Option<&PageToken>) -> Result<ListPage<Named>, ListError> {
        Ok(self.page(self.slots, after, |number| Named::Slot(Self::name(number))))
    }

    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, ListError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Some(self.made(Self::number(name))))
    }

    async fn rows(&self, name: &SlotName) -> Result<SlotRows, ListError> {
        self.calls.fetch_add(3, Ordering::Relaxed);
        let slot = self.made(Self::number(name));
        let versions = (0..KEYS_OF_A_SLOT).map(|key| self.version(&slot, key));
        Ok(SlotRows {
            versions: versions.collect(),
            slot: Some(slot),
            ..SlotRows::default()
        })
    }
}

#[async_trait]
impl SecretLists for MadeUp {
    async fn secrets(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<ListedSecret>, ListError> {
        let ago = |days: i64| Some(self.now - SignedDuration::from_hours(24 * days));
        Ok(self.page(self.slots, after, |number| ListedSecret {
            arn: Self::arn(number),
            rotates: true,
            created: ago(100),
            last_rotated: ago(20),
            next_rotation: ago(-30),
            deleted: None,
            slot: Some(OutsideText::new(Self::name(number).as_str())),
            current: None,
            pending: None,
        }))
    }

    async fn secret(&self, _: &SecretArn) -> Result<Option<ListedSecret>, ListError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    async fn policy(&self, _: &SecretArn) -> Result<Option<String>, ListError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }
}

#[async_trait]
impl AlarmLists for MadeUp {
    async fn alarms(&self, after: Option<&PageToken>) -> Result<ListPage<ListedAlarm>, ListError> {
        let deployment = deployment();
        Ok(self.page(self.slots, after, |number| {
            let name = Self::name(number);
            ListedAlarm {
                alarm: FoundAlarm {
                    arn: deployment.alarm_arn(&name).expect("an ARN"),
                    setup: Some(wanted(&deployment, &name).setup),
                },
                state: AlarmState::Ok,
                since: None,
            }
        }))
    }
}

#[async_trait]
impl CredentialAges for MadeUp {
    async fn ages(&self, _: &AccountName) -> Result<Vec<CredentialAge>, ListError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl People for MadeUp {
    async fn left(
        &self,
        _: &BTreeSet<Principal>,
    ) -> Result<Option<BTreeSet<Principal>>, ListError> {
        Ok(Some(BTreeSet::new()))
    }
}

/// One account of it.
struct Account(Arc<MadeUp>, usize);

#[async_trait]
impl KeyProvider for Account {
    fn abilities(&self) -> Abilities {
        self.0.abilities
    }

    async fn list(&self, _: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let slots = (self.1..self.0.slots).step_by(ACCOUNTS).len();
        let listed = self.0.page(slots * KEYS_OF_A_SLOT, page, |number| {
            let (slot, key) = (number / KEYS_OF_A_SLOT, number % KEYS_OF_A_SLOT);
            let slot = slot * ACCOUNTS + self.1;
            KeyRecord {
                handle: MadeUp::handle(slot, key),
                label: OutsideText::new("keyward"),
                redacted: OutsideText::new("sk-or-v1-EX...MPLE"),
                suspended: Some(false),
                workspace: None,
                owner: KeyOwner::Service,
                created: Some(self.0.now),
                expires: None,
                last_used: Some(self.0.now),
                spent: None,
                cap: None,
                reach: Reach::default(),
            }
        });
        Ok(Page {
            keys: listed.items,
            next: listed.next,
        })
    }

    async fn get(&self, _: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        Err(ProviderError::Unsupported("get"))
    }

    async fn verify(&self, _: &ApiKey) -> Verdict {
        Verdict::Unknown(OutsideText::new("nobody asks"))
    }

    async fn disable(&self, _: &KeyHandle) -> Result<Disabled, ProviderError> {
        Err(ProviderError::Unsupported("disable"))
    }

    async fn restore(&self, _: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        Err(ProviderError::Unsupported("restore"))
    }

    async fn delete(&self, _: &KeyHandle) -> Result<(), ProviderError> {
        Err(ProviderError::Unsupported("delete"))
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        None
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        None
    }
}

/// Keeps no file.
struct Sink(MemoryAudits);

#[async_trait]
impl ReportSink for Sink {
    async fn ledger(&self) -> Result<Remembered, ListError> {
        self.0.ledger().await
    }

    async fn keep(&self, remembered: &Remembered) -> Result<Option<Mark>, ListError> {
        Ok(remembered.mark.clone())
    }

    async fn put(&self, period: Period, file: ReportFile) -> Result<String, ListError> {
        println!(
            "{}: {} bytes, peak so far {:.1} MB",
            file.name,
            file.text.len(),
            peak_mb()
        );
        Ok(format!("{period}/{}", file.name))
    }

    fn page(&self, period: Period, name: &str) -> String {
        self.0.page(period, name)
    }
}

struct Opened(Arc<MadeUp>);

#[async_trait]
impl Providers for Opened {
    async fn open(
        &self,
        account: &AccountName,
        _: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        let (_, number) = account.as_str().rsplit_once('-').expect("a name of ours");
        Ok(Arc::new(Account(
            self.0.clone(),
            number.parse().expect("a number"),
        )))
    }

    fn pool(&self, _: &AccountName) -> Option<PoolSettings> {
        None
    }
}

fn pattern(now: Timestamp) -> Slot {
    let text = serde_json::json!({
        "version": 1,
        "accounts": {"account-0": {"provider": "openrouter"}},
        "agents": {"bot": {"owner": "ana@example.com", "backup_owner": "ben@example.com", "environment": "prod"}},
        "slots": {"bot": {
            "agent": "bot", "account": "account-0",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3",
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    });
    let fleet = Fleet::from_json(&text.to_string()).expect("a fleet");
    new_slot(&fleet.check().expect("a fleet in order")[0], now)
}

fn ports(made_up: &Arc<MadeUp>, clock: &Arc<ManualClock>) -> AuditPorts {
    let lists = Arc::new(MemoryLists::default());
    let audits = Arc::new(MemoryAudits::default());
    let inventory = Arc::new(MemoryInventory::default());
    AuditPorts {
        census: made_up.clone(),
        secrets: made_up.clone(),
        providers: Arc::new(Opened(made_up.clone())),
        pools: inventory.clone(),
        usage: Arc::new(MemoryUsage::default()),
        alarms: made_up.clone(),
        functions: lists.clone(),
        iam: lists,
        ages: made_up.clone(),
        people: Some(made_up.clone()),
        acts: inventory,
        risks: audits,
        reports: Arc::new(Sink(MemoryAudits::default())),
        clock: clock.clone(),
    }
}

/// Peak memory in megabytes, as the kernel tells it.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1024.0
}

/// Seconds of CPU so far: fields 14 and 15 of <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>, of which there
/// are a hundred to the second.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys: usize = std::env::args()
        .nth(1)
        .map_or(Ok(10_000), |keys| keys.parse())?;
    let clock = Arc::new(ManualClock::start());
    let now = clock.now();
    let made_up = Arc::new(MadeUp {
        slots: keys / KEYS_OF_A_SLOT,
        now,
        pattern: pattern(now),
        abilities: MemoryProvider::new(clock.clone()).abilities(),
        calls: AtomicUsize::new(0),
    });
    let accounts = (0..ACCOUNTS).map(|n| (MadeUp::account(n), ProviderName::OpenRouter));
    let order = AuditOrder {
        period: "2026-11".parse()?,
        deployment: deployment(),
        accounts: accounts.collect(),
        deadline: Deadline(now + SignedDuration::from_mins(15)),
    };
    let place = Place {
        partition: "aws".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
    };
    let before = peak_mb();
    let ports = ports(&made_up, &clock);
    let done = audit(&ports, &order, &renders(&place)).await?;
    let report = &done.report;
    println!(
        "{} keys in {} slots: {} findings, {} calls, {:.2} s of CPU, peak {:.1} MB ({before:.1} MB before)",
        report.totals.listed,
        report.totals.slots,
        report.findings.len(),
        made_up.calls.load(Ordering::Relaxed),
        cpu_s(),
        peak_mb()
    );
    Ok(())
}

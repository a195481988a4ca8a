//! A deployment of one slot in which all is well, until a test changes something.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::admin::{BreakGlassResult, BreakGlassTest};
use crate::model::alarm::{AlarmMetric, AlarmState};
use crate::model::drill::{Drill, DrillOutcome};
use crate::model::finding::Finding;
use crate::model::fleet::Fleet;
use crate::model::key::{ApiKey, KeyFormat};
use crate::model::kill_alarm::FoundAlarm;
use crate::model::kill_order::TopicArn;
use crate::model::money::DayLimit;
use crate::model::names::{AccountName, KeyHandle, Principal, SlotName};
use crate::model::pool::{Pool, StandbyKey};
use crate::model::slot::{Environment, Epoch, Mode, Slot};
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::{BedrockCredential, KeyOwner, ListedSecret};
use crate::rules::alarms::{AlarmChange, set_up};
use crate::rules::audit::facts::{
    AccountTraits, BreakGlassFacts, CredentialFacts, FleetFacts, GuardFacts, KeyFacts, ListedKey,
    Listing, PoolFacts, ReaderFacts, RowFacts, Shared, SharedFacts, Sight, SlotFacts, UserFacts,
    VariableFacts, Watcher,
};
use crate::rules::audit::{
    of_break_glass, of_credential, of_fleet, of_guard, of_key, of_pool, of_reader, of_row,
    of_shared, of_slot, of_user, of_variable,
};
use crate::rules::caps;
use crate::rules::kill::Deployment;
use crate::usecases::register::new_slot;

/// How Google's keys look.
pub(super) const GEMINI: KeyFormat = KeyFormat {
    prefix: "AQ.",
    also: &["AIza"],
    not: &[],
    alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
};

pub(super) fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

pub(super) fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

pub(super) fn ago(span: SignedDuration) -> Timestamp {
    now() - span
}

pub(super) fn deployment() -> Deployment {
    Deployment {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        stack: "main".parse().unwrap(),
        topic: TopicArn::new("arn:aws:sns:us-east-1:111122223333:keyward-main-kill"),
        map: std::iter::empty().collect(),
    }
}

pub(super) fn version_id(number: u32) -> VersionId {
    let id = format!("11111111-aaaa-4bbb-8ccc-{number:012}.1");
    id.parse().unwrap()
}

/// A version with a handle, made ten days ago.
pub(super) fn version(number: u32, state: VersionState) -> Version {
    let slot = "bot".parse().unwrap();
    let made = ago(days(10));
    Version {
        state,
        handle: Some(format!("handle-{number}").parse().unwrap()),
        created: made,
        promoted: Some(made),
        last_used: Some(ago(days(1))),
        ..Version::intended(&slot, version_id(number), Epoch(0), made)
    }
}

/// A key of a list, in use and without a limit.
pub(super) fn key(label: &str) -> ListedKey {
    ListedKey {
        label: label.into(),
        redacted: "sk-or-v1-EX...MPLE".into(),
        suspended: Some(false),
        owner: KeyOwner::Service,
        created: Some(ago(days(10))),
        expires: None,
        last_used: Some(ago(days(1))),
        cap: None,
    }
}

fn slot() -> Slot {
    let text = serde_json::json!({
        "version": 1,
        "accounts": {"main": {"provider": "openrouter"}},
        "agents": {"bot": {"owner": "ana@example.com", "backup_owner": "ben@example.com", "environment": "prod"}},
        "slots": {"bot": {
            "agent": "bot", "account": "main",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3",
            "readers": ["arn:aws:iam::111122223333:role/bot"],
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    });
    let planned = Fleet::from_json(&text.to_string()).unwrap().check();
    let slot = new_slot(&planned.unwrap()[0], ago(days(100)));
    Slot {
        mode: Mode::Enforce,
        ..slot
    }
}

/// A break-glass credential that worked so many days ago.
pub(super) fn tried(before: i64) -> BreakGlassTest {
    BreakGlassTest {
        at: ago(days(before)),
        result: BreakGlassResult::Works,
        fingerprint: ApiKey::new("EXAMPLE").fingerprint(),
    }
}

/// An alarm of somebody's that is to guard slots.
pub(super) struct Guard {
    pub(super) alarm: FoundAlarm,
    pub(super) state: AlarmState,
    pub(super) since: Option<Timestamp>,
    pub(super) slots: BTreeSet<SlotName>,
}

pub(super) struct Scene {
    pub(super) inventory: Sight<()>,
    pub(super) slot: Slot,
    pub(super) versions: Vec<Version>,
    pub(super) list: BTreeMap<String, ListedKey>,
    pub(super) is_listed: Sight<()>,
    pub(super) deleted: bool,
    pub(super) account: Sight<AccountTraits>,
    pub(super) secret: Sight<Option<ListedSecret>>,
    pub(super) policy: Sight<Option<String>>,
    pub(super) watcher: Sight<Watcher>,
    pub(super) alarm: Sight<Option<AlarmChange>>,
    pub(super) left: Sight<BTreeSet<Principal>>,
    pub(super) used: Sight<Option<Timestamp>>,
    pub(super) strangers: Sight<Vec<ListedKey>>,
    pub(super) damaged: Option<&'static str>,
    pub(super) shares: Option<Shared>,
    pub(super) reads_also: Option<Environment>,
    pub(super) variables: Sight<Vec<&'static str>>,
    pub(super) users: Sight<Vec<OutsideText>>,
    pub(super) user_is_its_own: bool,
    pub(super) guards: Sight<Vec<Guard>>,
    pub(super) unknown: BTreeSet<SlotName>,
    pub(super) pool: Sight<Pool>,
    pub(super) credential: Sight<Option<Timestamp>>,
    pub(super) break_glass: Sight<Option<BreakGlassTest>>,
    pub(super) drilled: Sight<(Timestamp, DrillOutcome)>,
}

impl Default for Scene {
    fn default() -> Self {
        let slot = slot();
        let cap = caps::of_new_key(&slot, DayLimit::ItsOwn, now());
        let current = ListedKey {
            cap: Some(cap),
            ..key("keyward")
        };
        let account = slot.account.clone();
        Self {
            inventory: Sight::Seen(()),
            versions: vec![version(1, VersionState::Current)],
            list: BTreeMap::from([("handle-1".to_owned(), current)]),
            is_listed: Sight::Seen(()),
            deleted: false,
            account: Sight::Seen(AccountTraits {
                day_limit: Some(DayLimit::ItsOwn),
            }),
            secret: Sight::Seen(Some(secret())),
            policy: Sight::Seen(None),
            watcher: Sight::Seen(Watcher::Provider),
            alarm: Sight::Seen(None),
            left: Sight::Seen(BTreeSet::new()),
            used: Sight::Seen(None),
            strangers: Sight::Seen(Vec::new()),
            damaged: None,
            shares: None,
            reads_also: None,
            variables: Sight::Seen(Vec::new()),
            users: Sight::Seen(Vec::new()),
            user_is_its_own: false,
            guards: Sight::Seen(vec![guard()]),
            unknown: BTreeSet::new(),
            pool: Sight::Seen(pool(&account)),
            credential: Sight::Seen(Some(ago(days(30)))),
            break_glass: Sight::Seen(Some(tried(30))),
            drilled: Sight::Seen((ago(days(30)), DrillOutcome::Passed)),
            slot,
        }
    }
}

fn secret() -> ListedSecret {
    ListedSecret {
        arn: "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3"
            .parse()
            .unwrap(),
        rotates: true,
        created: Some(ago(days(100))),
        last_rotated: Some(ago(days(10))),
        next_rotation: Some(now() + days(44)),
        deleted: None,
        slot: Some(OutsideText::new("bot")),
        current: Some(version_id(1).secret_version),
        pending: None,
    }
}

fn guard() -> Guard {
    let metric = AlarmMetric::new("LLM/Usage", "SpendUsd", &[]);
    let topic = deployment().topic;
    let arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:agent-billing-spend";
    Guard {
        alarm: FoundAlarm {
            arn: arn.parse().unwrap(),
            setup: Some(set_up(metric, Some(topic.as_str()))),
        },
        state: AlarmState::Ok,
        since: None,
        slots: BTreeSet::from(["bot".parse().unwrap()]),
    }
}

fn pool(account: &AccountName) -> Pool {
    let text = ApiKey::new("EXAMPLE");
    let mut pool = Pool::empty(account);
    pool.standby.push(StandbyKey {
        fingerprint: text.fingerprint(),
        hint: text.hint(&GEMINI),
        handle: "standby-1".parse().unwrap(),
        workspace: None,
        created: ago(days(5)),
        expires: None,
        added: ago(days(5)),
        ready: None,
    });
    pool
}

impl Scene {
    pub(super) fn current(&mut self) -> &mut Version {
        &mut self.versions[0]
    }

    pub(super) fn listed(&mut self) -> &mut ListedKey {
        self.list.get_mut("handle-1").unwrap()
    }

    pub(super) fn secret(&mut self) -> &mut ListedSecret {
        match &mut self.secret {
            Sight::Seen(Some(secret)) => secret,
            _ => panic!("the scene has no secret"),
        }
    }

    pub(super) fn pool(&mut self) -> &mut Pool {
        match &mut self.pool {
            Sight::Seen(pool) => pool,
            Sight::NotSeen => panic!("the scene has no pool"),
        }
    }

    pub(super) fn guard(&mut self, change: impl FnOnce(&mut Guard)) {
        if let Sight::Seen(guards) = &mut self.guards {
            change(&mut guards[0]);
        }
    }

    pub(super) fn user(&mut self, name: &str) {
        self.users = Sight::Seen(vec![OutsideText::new(name)]);
    }

    /// One more key of the slot, with its row in the provider's list.
    pub(super) fn add(&mut self, version: Version) {
        let handle = version.handle.as_ref().unwrap().to_string();
        let row = ListedKey {
            cap: self.listed().cap,
            last_used: None,
            ..key("keyward")
        };
        self.list.insert(handle, row);
        self.versions.push(version);
    }

    /// Whether something was not read.
    pub(super) fn is_blind(&self) -> bool {
        fn is_not_seen<T>(sight: &Sight<T>) -> bool {
            sight.as_ref().seen().is_none()
        }
        is_not_seen(&self.inventory)
            || is_not_seen(&self.is_listed)
            || is_not_seen(&self.secret)
            || is_not_seen(&self.policy)
            || is_not_seen(&self.watcher)
            || is_not_seen(&self.alarm)
            || is_not_seen(&self.left)
            || is_not_seen(&self.strangers)
            || is_not_seen(&self.variables)
            || is_not_seen(&self.users)
            || is_not_seen(&self.guards)
            || is_not_seen(&self.pool)
            || is_not_seen(&self.credential)
            || is_not_seen(&self.break_glass)
            || is_not_seen(&self.drilled)
    }

    pub(super) fn found(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.inventory.as_ref().seen().is_some() {
            found.extend(of_slot(&self.slot_facts()));
            found.extend(self.of_inventory());
        }
        found.extend(self.of_the_rest());
        found
    }

    fn slot_facts(&self) -> SlotFacts<'_> {
        let listing = |version: &Version| match (&version.handle, self.is_listed) {
            (None, _) | (_, Sight::NotSeen) => Listing::NotSeen,
            (Some(_), _) if self.deleted => Listing::Deleted(Some(now() + days(20))),
            (Some(handle), _) => self
                .list
                .get(handle.as_str())
                .map_or(Listing::Absent, Listing::There),
        };
        SlotFacts {
            now: now(),
            slot: &self.slot,
            versions: &self.versions,
            listings: self.versions.iter().map(listing).collect(),
            account: self.account,
            secret: match &self.secret {
                Sight::Seen(secret) => Sight::Seen(secret.as_ref()),
                Sight::NotSeen => Sight::NotSeen,
            },
            policy: match &self.policy {
                Sight::Seen(policy) => Sight::Seen(policy.as_deref()),
                Sight::NotSeen => Sight::NotSeen,
            },
            watcher: self.watcher,
            alarm: match &self.alarm {
                Sight::Seen(change) => Sight::Seen(change.as_ref()),
                Sight::NotSeen => Sight::NotSeen,
            },
            left: self.left.as_ref(),
            used: self.used,
        }
    }

    fn of_inventory(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(why) = self.damaged {
            let key = OutsideText::new("SLOT#broken/SLOT");
            let row = RowFacts {
                key: &key,
                slot: None,
                why,
            };
            found.extend(of_row(&row));
        }
        let other: SlotName = "other".parse().unwrap();
        if let Some(what) = self.shares {
            found.extend(of_shared(&SharedFacts {
                what,
                first: &other,
                second: &self.slot.name,
            }));
        }
        let mut slots = BTreeMap::from([(self.slot.name.clone(), Environment::Prod)]);
        if let Some(environment) = self.reads_also {
            slots.insert(other, environment);
        }
        found.extend(of_reader(&ReaderFacts {
            reader: &self.slot.readers[0],
            slots: &slots,
        }));
        found
    }

    fn of_the_rest(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let handle: KeyHandle = "stranger".parse().unwrap();
        for key in self.strangers.as_ref().seen().into_iter().flatten() {
            found.extend(of_key(&KeyFacts {
                now: now(),
                account: &self.slot.account,
                handle: &handle,
                key,
                damaged: 0,
            }));
        }
        let function = OutsideText::new("arn:aws:lambda:us-east-1:111122223333:function:bot");
        for name in self.variables.as_ref().seen().into_iter().flatten() {
            found.extend(of_variable(&VariableFacts {
                version: None,
                function: &function,
                variable: &OutsideText::new(name),
                slot: Some(&self.slot.name),
            }));
        }
        let credentials = [BedrockCredential {
            user: OutsideText::new("BedrockAPIKey-EXAMPLE"),
            id: OutsideText::new("ACCAEXAMPLE"),
            created: Some(ago(days(3))),
            expires: None,
        }];
        for user in self.users.as_ref().seen().into_iter().flatten() {
            found.extend(of_user(&UserFacts {
                user,
                credentials: &credentials,
                slot: self.user_is_its_own.then_some(&self.slot.name),
            }));
        }
        found.extend(self.of_guards());
        found
    }

    fn of_guards(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let deployment = deployment();
        for guard in self.guards.as_ref().seen().into_iter().flatten() {
            found.extend(of_guard(&GuardFacts {
                now: now(),
                alarm: &guard.alarm,
                state: &guard.state,
                since: guard.since,
                slots: &guard.slots,
                unknown: &self.unknown,
                deployment: &deployment,
            }));
        }
        if let Sight::Seen(pool) = &self.pool {
            found.extend(of_pool(&PoolFacts {
                now: now(),
                account: &self.slot.account,
                pool: Some(pool),
                low_water: 1,
                max_age_days: Some(60),
            }));
        }
        if let Sight::Seen(changed) = self.credential {
            found.extend(of_credential(&CredentialFacts {
                now: now(),
                account: &self.slot.account,
                purpose: "admin",
                changed,
            }));
        }
        if let Sight::Seen(tried) = &self.break_glass {
            found.extend(of_break_glass(&BreakGlassFacts {
                now: now(),
                account: &self.slot.account,
                tried: tried.as_ref(),
            }));
        }
        if let Sight::Seen((ended, outcome)) = self.drilled {
            let drill = drill(&self.slot.name, ended, outcome);
            found.extend(of_fleet(&FleetFacts {
                now: now(),
                canaries: &[(self.slot.name.clone(), Some(drill))],
                slots: 1,
            }));
        }
        found
    }
}

fn drill(slot: &SlotName, ended: Timestamp, outcome: DrillOutcome) -> Drill {
    use crate::model::act::{ActId, CallerArn};
    Drill {
        schema: crate::model::SCHEMA,
        slot: slot.clone(),
        id: ActId::new("drill-1"),
        by: CallerArn::new("arn:aws:iam::111122223333:role/ops"),
        reason: OutsideText::new("monthly"),
        started: ended,
        ended,
        outcome,
        incident: None,
        stages: Vec::new(),
    }
}

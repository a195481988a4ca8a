//! A deployment with one slot, its functions, and what CloudTrail knows of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::SignedDuration;
use keyward_core::model::act::CallerArn;
use keyward_core::model::incident::{OwnerId, TriggerId};
use keyward_core::model::offboarding::{AskedFor, Leaver, Offboarding, Person};
use keyward_core::model::slot::{Slot, SlotState};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{Clock, Deadline, Inventory, SecretStore, TAG_SLOT};
use keyward_core::rules::offboard::OffboardOrder;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::offboard::{
    Offboarder, OffboardingRecord, Opened, carry_on, cases_of, open,
};
use keyward_testkit::gate::{Gate, gated_offboarder};
use keyward_testkit::memory::{KillSwitchHere, MemoryEvidence, MemoryReads};
use keyward_tests::support::{Outside, World, token};

/// For how many days a deleted secret can be brought back.
pub(crate) const DAYS: u16 = 30;

/// The function's time-out.
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) reads: Arc<MemoryReads>,
    pub(crate) evidence: Arc<MemoryEvidence>,
    /// Through the gate.
    pub(crate) gated: Offboarder,
    /// Not through the gate.
    pub(crate) open: Offboarder,
    runs: AtomicU32,
}

impl Scene {
    /// A slot whose key was replaced by a rotation a day ago.
    pub(crate) async fn new(gate: &Arc<Gate>) -> Self {
        let world = World::in_memory(gate).await;
        world.rotate(&token(2)).await.unwrap();
        world.live_through(SignedDuration::from_hours(26)).await;
        let states: Vec<_> = world.versions().await.iter().map(|v| v.state).collect();
        assert_eq!(states, [VersionState::Revoked, VersionState::Current]);
        world.outside.alerts.take();
        Self::on(world, gate)
    }

    pub(crate) fn on(world: World, gate: &Arc<Gate>) -> Self {
        let (reads, evidence) = (
            Arc::<MemoryReads>::default(),
            Arc::<MemoryEvidence>::default(),
        );
        let open = Offboarder {
            ports: world.open.clone(),
            cases: world.outside.inventory.clone(),
            orders: Arc::new(KillSwitchHere::on(&world.open)),
            reads: reads.clone(),
            evidence: evidence.clone(),
            recovery_days: DAYS,
        };
        let gated = gated_offboarder(&open, gate);
        Self {
            world,
            reads,
            evidence,
            gated,
            open,
            runs: AtomicU32::new(0),
        }
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.world.outside
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.outside().clock.now()
    }

    /// An invocation of the function that begins now.
    pub(crate) fn invocation(&self) -> Invocation {
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        Invocation {
            owner: OwnerId::new(&format!("offboard {number}")),
            deadline: Deadline(self.now() + TIMEOUT),
        }
    }

    pub(crate) fn order(&self, leaver: Leaver, request: &str) -> OffboardOrder {
        OffboardOrder {
            leaver,
            asked: AskedFor {
                request: TriggerId::new(request),
                by: CallerArn::new("arn:aws:iam::111122223333:user/otto"),
                reason: OutsideText::new("ticket 7"),
                at: self.now(),
            },
        }
    }

    pub(crate) async fn open_case(&self, leaver: Leaver, request: &str) -> Opened {
        let order = self.order(leaver, request);
        open(
            self.open.cases.as_ref(),
            self.outside().clock.as_ref(),
            &order,
        )
        .await
        .unwrap()
    }

    /// One run of the function on these ports.
    pub(crate) async fn run_on(&self, offboarder: &Offboarder) {
        let _ = carry_on(offboarder, &self.invocation()).await;
    }

    pub(crate) async fn run(&self) {
        self.run_on(&self.open).await;
    }

    /// Lets `time` pass with all functions woken every five minutes, and rotations carried out as asked.
    pub(crate) async fn live_through(&self, time: SignedDuration) {
        let end = self.now() + time;
        while self.now() < end {
            self.world.live_through(SignedDuration::from_mins(5)).await;
            self.run().await;
            self.world.rotate_as_asked().await;
        }
    }

    /// The last case of who left.
    pub(crate) async fn case(&self, leaver: &Leaver) -> Offboarding {
        cases_of(self.open.cases.as_ref(), leaver)
            .await
            .unwrap()
            .pop()
            .unwrap()
    }

    /// The evidence of a case, as an auditor reads it.
    pub(crate) fn record(&self, case: &Offboarding) -> OffboardingRecord {
        let text = self.evidence.of(&case.id).unwrap();
        let fingerprints = self.outside().inventory.all_versions();
        for print in fingerprints.iter().filter_map(|v| v.fingerprint) {
            assert!(
                !text.contains(&print.to_hex()),
                "12 digits of a fingerprint are shown"
            );
        }
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn slot(&self) -> Slot {
        self.world.slot().await
    }

    pub(crate) fn live(&self) -> usize {
        self.outside().provider.live().len()
    }

    /// What must hold once an agent's case is closed.
    pub(crate) async fn check_ended(&self, leaver: &Leaver, context: &str) {
        let case = self.case(leaver).await;
        assert!(case.closed.is_some(), "{context}: {case:#?}");
        let slot = self.slot().await;
        assert_eq!(slot.state, SlotState::Decommissioned, "{context}");
        assert_eq!(self.live(), 0, "{context}");
        let versions = self.world.versions().await;
        assert!(
            versions.iter().all(|v| v.state == VersionState::Revoked),
            "{context}"
        );
        assert_eq!(
            self.outside().secrets.recovery_days(&self.world.secret),
            Some(DAYS),
            "{context}"
        );
        let record = self.record(&case);
        assert!(record.is_complete(), "{context}: {record:#?}");
        assert_eq!(record.slots.len(), 1, "{context}");
        let by = record.asked.iter().map(|asked| asked.by.as_str());
        assert!(by.eq(["arn:aws:iam::111122223333:user/otto"].repeat(record.asked.len())));
    }

    /// What must hold once a person's case is closed.
    pub(crate) async fn check_replaced(&self, leaver: &Leaver, old: &str, context: &str) {
        let case = self.case(leaver).await;
        assert!(case.closed.is_some(), "{context}: {case:#?}");
        let provider = &self.outside().provider;
        assert!(!provider.accepts(old), "{context}");
        assert!(
            provider.accepts(&self.world.current_key()),
            "rule 1: {context}"
        );
        assert_eq!(self.live(), 1, "{context}");
        let record = self.record(&case);
        assert!(record.is_complete(), "{context}: {record:#?}");
        assert!(
            record.slots.iter().all(|slot| slot.replaced_by.is_some()),
            "{context}"
        );
    }
}

/// The agent of the one slot.
pub(crate) fn agent() -> Leaver {
    Leaver::Agent("support-bot".parse().unwrap())
}

pub(crate) fn person(name: &str) -> Leaver {
    Leaver::Person(Person {
        name: name.parse().unwrap(),
        also: Vec::new(),
    })
}

/// The owner of the one slot.
pub(crate) fn ana() -> Leaver {
    person("ana@example.com")
}

/// Changes the slot as it is stored.
pub(crate) async fn change_slot(scene: &Scene, change: impl FnOnce(&mut Slot)) {
    let mut slot = scene.slot().await;
    change(&mut slot);
    scene.outside().inventory.save_slot(&slot).await.unwrap();
}

/// The tag without which no secret is deleted.
pub(crate) async fn tag_of(scene: &Scene) -> Option<String> {
    let secret = scene
        .outside()
        .secrets
        .describe(scene.world.secret.as_str())
        .await
        .unwrap();
    secret.tags.get(TAG_SLOT).cloned()
}

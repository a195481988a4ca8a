use jiff::{SignedDuration, Timestamp};
use keyward_core::model::SCHEMA;
use keyward_core::model::act::{ActId, CallerArn};
use keyward_core::model::drill::DrillUnderWay;
use keyward_core::model::key::{ApiKey, Fingerprint, KeyFormat};
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{
    AcceptedLoss, Asked, CredentialKind, Drilled, Environment, Epoch, Expectation, ExpectedSpend,
    Killed, Mode, PendingSeen, Policy, ProviderName, Revision, Scope, Slot, SlotState,
};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{
    Confirmation, Confirmed, Refusals, SpentBefore, Tested, Told, UsageSeen, Version, VersionId,
    VersionState,
};

pub(in crate::contract) fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

/// A slot with every field set, alone in its name, place and secret, and not due for long.
pub(in crate::contract) fn slot(name: &str) -> Slot {
    let secret = format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:llm/{name}-aBcDeF");
    Slot {
        schema: SCHEMA,
        revision: Revision::default(),
        name: name.parse().expect("a valid name"),
        agent: format!("agent-{name}").parse().expect("a valid name"),
        owner: "team-support".parse().expect("a valid name"),
        backup_owner: Some("someone@example.com".parse().expect("a valid name")),
        environment: Environment::Prod,
        provider: ProviderName::OpenRouter,
        account: "main-account".parse().expect("a valid name"),
        scope: Scope {
            workspace: Some("workspace-1".parse().expect("a valid id")),
            ..Scope::default()
        },
        readers: vec!["team-audit".parse().expect("a valid name")],
        secret: secret.parse().expect("a valid ARN"),
        kind: CredentialKind::Minted,
        policy: Policy {
            max_age: SignedDuration::from_hours(60 * 24),
            overlap: SignedDuration::from_hours(2),
            deadline: SignedDuration::from_hours(24),
            refresh: SignedDuration::from_mins(60),
        },
        expected: ExpectedSpend {
            daily: MicroDollars::from_dollars(40),
            monthly: MicroDollars(u64::from(u32::MAX) * 1_000_000),
        },
        expected_assumed: true,
        loss: AcceptedLoss {
            floor: MicroDollars::from_dollars(5),
            ceiling: MicroDollars::from_dollars(60),
        },
        mode: Mode::Enforce,
        mode_since: Some(at("2026-11-02T08:00:00.25Z")),
        canary: true,
        drill: Some(DrillUnderWay {
            id: ActId::new("e1506fd5-9e7b-434f-bd42-000000000001-0"),
            by: CallerArn::new("arn:aws:iam::123456789012:user/ana"),
            reason: OutsideText::new("the monthly drill"),
            started: at("2026-11-30T07:59:00.25Z"),
            incident: Some("contract-3".to_owned()),
        }),
        state: SlotState::Active,
        epoch: Epoch(3),
        pending_seen: Some(PendingSeen {
            version: version_id(99).secret_version,
            since: at("2026-12-01T08:00:00.25Z"),
        }),
        killed: Some(Killed {
            at: at("2026-11-30T08:00:00.5Z"),
            epoch: Epoch(3),
            drill: Some(Drilled {
                before: Some(at("2026-11-29T08:00:00.5Z")),
                was: Some(SlotState::Active),
            }),
        }),
        restore_asked: Some(Asked {
            by: CallerArn::new("arn:aws:iam::123456789012:user/ana"),
            at: at("2026-11-30T09:00:00.5Z"),
            what: OutsideText::new("key newest"),
            epoch: Epoch(3),
        }),
        mode_asked: Some(Asked {
            by: CallerArn::new("arn:aws:iam::123456789012:user/ben"),
            at: at("2026-11-30T09:30:00.5Z"),
            what: OutsideText::new("mode Observe"),
            epoch: Epoch(3),
        }),
        rightful: Some(Epoch(2)),
        owner_left: None,
        expectation: Some(Expectation {
            percent: 250,
            until: at("2026-12-03T00:00:00Z"),
        }),
        told_failed: Some(at("2026-12-01T08:05:00Z")),
        due_at: at("2030-01-01T00:00:00Z"),
    }
}

pub(in crate::contract) fn version_id(n: u32) -> VersionId {
    format!("c0117ac7-aaaa-4bbb-8ccc-{n:012}.1")
        .parse()
        .expect("a valid version id")
}

pub(in crate::contract) fn print(text: &str) -> Fingerprint {
    ApiKey::new(&format!("sk-or-v1-EXAMPLE-{text}")).fingerprint()
}

/// A version that is only intended, and not due.
pub(in crate::contract) fn bare(slot: &SlotName, n: u32) -> Version {
    Version {
        due_at: None,
        ..Version::intended(slot, version_id(n), Epoch(3), at("2026-11-01T00:00:00Z"))
    }
}

/// A version with every field set, and with a key that no other slot or number has.
pub(in crate::contract) fn full(slot: &SlotName, n: u32) -> Version {
    let time = at("2026-11-01T12:00:00.75Z");
    let key = ApiKey::new(&format!("sk-or-v1-EXAMPLE-{slot}-{n}"));
    let format = KeyFormat {
        prefix: "sk-or-v1-",
        also: &[],
        not: &[],
        alphabet: "0123456789abcdef",
    };
    Version {
        state: VersionState::Current,
        handle: Some(
            format!("handle-{slot}-{n}")
                .parse()
                .expect("a valid handle"),
        ),
        fingerprint: Some(key.fingerprint()),
        hint: Some(key.hint(&format)),
        cap: Some(SpendCap {
            amount: MicroDollars::from_dollars(52),
            period: CapPeriod::Monthly,
        }),
        spent_before: Some(SpentBefore {
            day: 20_000,
            amount: MicroDollars::from_dollars(27),
        }),
        scope: Scope {
            workspace: Some("workspace-1".parse().expect("a valid id")),
            ..Scope::default()
        },
        expires: Some(time),
        lease_until: Some(time),
        tested: Some(Tested {
            at: time,
            epoch: Epoch(3),
        }),
        promoted: Some(time),
        restored: Some(at("2026-12-01T11:00:00.125Z")),
        last_used: Some(time),
        usage_seen: Some(UsageSeen {
            total: MicroDollars(1),
            since: time,
            watched_from: time,
        }),
        retire_after: Some(time),
        deadline: Some(time),
        revoke_begun: Some(time),
        revoke_accepted: Some(time),
        refusals: Some(Refusals {
            count: 3,
            first: time,
            last: time,
        }),
        revoke_confirmed: Some(Confirmed {
            at: time,
            by: Confirmation::Refused,
        }),
        used_when_dead: Some(time),
        told: Told {
            still_used: Some(time),
            moved_back: Some(time),
            unconfirmed: None,
            near_end: Some(time),
            failed: Some(time),
            taken_in_untold: Some(time),
            uncapped: Some(time),
        },
        due_at: Some(at("2030-01-01T00:00:00Z")),
        ..bare(slot, n)
    }
}

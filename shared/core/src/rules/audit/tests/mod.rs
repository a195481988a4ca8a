//! Each rule finds its fault, is silent where all is well, and says nothing where its source was not read.

mod scene;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::facts::{AccountTraits, FleetFacts, ListedKey, Shared, Sight, Watcher};
use super::{RULES, catalogue, of_fleet, rule};
use crate::model::admin::{BreakGlassResult, BreakGlassTest};
use crate::model::alarm::AlarmState;
use crate::model::drill::DrillOutcome;
use crate::model::finding::{About, RuleId};
use crate::model::key::ApiKey;
use crate::model::money::{DayLimit, MicroDollars};
use crate::model::slot::{Environment, Epoch, Killed, Mode, PendingSeen, ProviderName, SlotState};
use crate::model::text::OutsideText;
use crate::model::version::{Confirmation, Confirmed, UsageSeen, VersionState};
use crate::ports::KeyOwner;
use crate::rules::alarms::{AlarmChange, wanted};
use scene::{Guard, Scene, ago, days, key, now, version, version_id};

type Change = fn(&mut Scene);

/// A rule's three cases. One that lacks one does not compile, and a rule without any fails a test.
struct Case {
    rule: &'static str,
    /// It finds something.
    finds: Change,
    /// Just not enough for that: all is well.
    silent: Change,
    /// What it needs was not read.
    blind: Change,
}

/// For each rule, in their order.
const CASES: [Case; RULES.len()] = [
    Case {
        rule: "admin-credential-old",
        finds: |s| s.credential = Sight::Seen(Some(ago(days(91)))),
        silent: |s| s.credential = Sight::Seen(Some(ago(days(89)))),
        blind: |s| s.credential = Sight::NotSeen,
    },
    Case {
        rule: "agent-gone-key-alive",
        finds: |s| s.slot.state = SlotState::Decommissioned,
        silent: |s| {
            s.slot.state = SlotState::Decommissioned;
            s.current().state = VersionState::Revoking;
            s.current().revoke_begun = Some(ago(SignedDuration::from_hours(23)));
        },
        blind: no_inventory,
    },
    Case {
        rule: "alarm-guards-nothing",
        finds: |s| s.guard(|guard| guard.slots.clear()),
        silent: |s| {
            s.guard(|guard| {
                guard.state = AlarmState::InsufficientData;
                guard.since = Some(ago(days(1)));
            })
        },
        blind: |s| s.guards = Sight::NotSeen,
    },
    Case {
        rule: "bedrock-user-behind-your-back",
        finds: |s| s.user("BedrockAPIKey-EXAMPLE"),
        silent: |s| {
            s.user("bot-user");
            s.user_is_its_own = true;
        },
        blind: |s| s.users = Sight::NotSeen,
    },
    Case {
        rule: "break-glass-untried",
        finds: |s| s.break_glass = Sight::Seen(Some(scene::tried(91))),
        silent: |s| s.break_glass = Sight::Seen(Some(scene::tried(89))),
        blind: |s| s.break_glass = Sight::NotSeen,
    },
    Case {
        rule: "cap-default",
        finds: |s| s.slot.expected_assumed = true,
        silent: |s| {
            s.slot.expected_assumed = true;
            closed(s);
        },
        blind: no_inventory,
    },
    Case {
        rule: "cap-none",
        finds: |s| {
            s.account = Sight::Seen(AccountTraits { day_limit: None });
            s.watcher = Sight::Seen(Watcher::Nobody(Some(ago(days(1)))));
        },
        silent: |s| {
            s.account = Sight::Seen(AccountTraits { day_limit: None });
            s.watcher = Sight::Seen(Watcher::Agents);
        },
        blind: |s| s.watcher = Sight::NotSeen,
    },
    Case {
        rule: "cap-not-at-provider",
        finds: |s| s.listed().cap = None,
        silent: |s| {
            let cap = s.listed().cap.as_mut().unwrap();
            cap.amount = cap.amount.percent(50);
        },
        blind: no_list,
    },
    Case {
        rule: "inventory-row-damaged",
        finds: |s| s.damaged = Some("missing field `owner`"),
        silent: |s| s.damaged = None,
        blind: no_inventory,
    },
    Case {
        rule: "key-format-leaving",
        finds: |s| {
            s.slot.provider = ProviderName::Gemini;
            let text = ApiKey::new("AIzaEXAMPLE0123456789abcdefghijk");
            s.current().hint = Some(text.hint(&scene::GEMINI));
        },
        silent: |s| {
            s.slot.provider = ProviderName::Gemini;
            let text = ApiKey::new("AQ.EXAMPLE0123456789abcdefghijk");
            s.current().hint = Some(text.hint(&scene::GEMINI));
        },
        blind: no_inventory,
    },
    Case {
        rule: "key-gone-at-provider",
        finds: |s| s.list.clear(),
        silent: |s| {
            s.add(version(2, VersionState::Pending));
            s.list.remove("handle-2");
        },
        blind: no_list,
    },
    Case {
        rule: "key-handle-unknown",
        finds: |s| s.current().handle = None,
        silent: |s| {
            s.add(version(2, VersionState::Pending));
            s.versions[1].handle = None;
            s.list.remove("handle-2");
        },
        blind: no_inventory,
    },
    Case {
        rule: "key-idle",
        finds: |s| {
            s.listed().last_used = Some(ago(days(31)));
            s.current().last_used = None;
        },
        silent: |s| {
            s.listed().last_used = Some(ago(days(30)));
            s.current().last_used = None;
        },
        blind: no_list,
    },
    Case {
        rule: "key-in-function-variables",
        finds: |s| s.variables = Sight::Seen(vec!["OPENAI_API_KEY"]),
        silent: |s| s.variables = Sight::Seen(Vec::new()),
        blind: |s| s.variables = Sight::NotSeen,
    },
    Case {
        rule: "key-never-used",
        finds: |s| {
            s.slot.provider = ProviderName::OpenAi;
            s.listed().last_used = None;
            s.current().last_used = None;
        },
        silent: |s| {
            s.slot.provider = ProviderName::OpenAi;
            s.listed().created = Some(ago(days(7)));
            s.listed().last_used = None;
            s.current().last_used = None;
        },
        blind: no_list,
    },
    Case {
        rule: "key-not-in-inventory",
        finds: |s| s.strangers = Sight::Seen(vec![key("laptop test")]),
        silent: |s| {
            let mut ended = key("laptop test");
            ended.expires = Some(now());
            s.strangers = Sight::Seen(vec![ended]);
        },
        blind: |s| s.strangers = Sight::NotSeen,
    },
    Case {
        rule: "key-not-revoked",
        finds: |s| {
            let mut old = version(2, VersionState::Retiring);
            old.deadline = Some(ago(SignedDuration::from_hours(2)));
            s.add(old);
        },
        silent: |s| {
            let mut old = version(2, VersionState::Retiring);
            old.deadline = Some(ago(SignedDuration::from_hours(1)));
            s.add(old);
        },
        blind: no_inventory,
    },
    Case {
        rule: "key-of-a-person",
        finds: |s| s.listed().owner = KeyOwner::Person,
        silent: |s| s.listed().owner = KeyOwner::Unknown,
        blind: no_list,
    },
    Case {
        rule: "key-refused-at-provider",
        finds: |s| s.listed().suspended = Some(true),
        silent: |s| s.listed().suspended = None,
        blind: no_list,
    },
    Case {
        rule: "key-shared",
        finds: |s| s.shares = Some(Shared::Fingerprint),
        silent: |s| s.shares = None,
        blind: no_inventory,
    },
    Case {
        rule: "key-too-old",
        finds: |s| {
            s.current().created = ago(days(61));
            s.secret().next_rotation = None;
            s.secret().rotates = true;
            // Overdue as well: the schedule is not what this case is about.
            s.secret = Sight::NotSeen;
        },
        silent: |s| {
            s.current().created = ago(days(60));
            closed_just_now(s);
        },
        blind: no_inventory,
    },
    Case {
        rule: "kill-switch-not-drilled",
        finds: |s| s.drilled = Sight::Seen((ago(days(91)), DrillOutcome::Passed)),
        silent: |s| s.drilled = Sight::Seen((ago(days(89)), DrillOutcome::Passed)),
        blind: |s| s.drilled = Sight::NotSeen,
    },
    Case {
        rule: "owner-gone",
        finds: |s| s.left = Sight::Seen(BTreeSet::from(["ana@example.com".parse().unwrap()])),
        silent: |s| s.left = Sight::Seen(BTreeSet::from(["eve@example.com".parse().unwrap()])),
        blind: |s| s.left = Sight::NotSeen,
    },
    Case {
        rule: "owner-missing",
        finds: |s| s.slot.owner = "Unknown".parse().unwrap(),
        silent: |s| s.slot.owner = "nobody@example.com".parse().unwrap(),
        blind: no_inventory,
    },
    Case {
        rule: "owner-without-backup",
        finds: |s| s.slot.backup_owner = None,
        silent: |s| {
            s.slot.backup_owner = None;
            closed(s);
        },
        blind: no_inventory,
    },
    Case {
        rule: "pool-low",
        finds: |s| s.pool().standby.clear(),
        silent: |s| s.pool().standby.truncate(1),
        blind: |s| s.pool = Sight::NotSeen,
    },
    Case {
        rule: "pool-old",
        finds: |s| s.pool().standby[0].created = ago(days(31)),
        silent: |s| s.pool().standby[0].created = ago(days(30)),
        blind: |s| s.pool = Sight::NotSeen,
    },
    Case {
        rule: "reader-crosses-environments",
        finds: |s| s.reads_also = Some(Environment::Dev),
        silent: |s| s.reads_also = Some(Environment::Prod),
        blind: no_inventory,
    },
    Case {
        rule: "revoked-key-at-provider",
        finds: |s| s.add(revoked(2)),
        silent: |s| {
            s.add(revoked(2));
            s.list.get_mut("handle-2").unwrap().suspended = Some(true);
        },
        blind: no_list,
    },
    Case {
        rule: "revoked-key-used",
        finds: |s| {
            s.add(revoked(2));
            let key = s.list.get_mut("handle-2").unwrap();
            (key.suspended, key.last_used) = (Some(true), Some(now()));
        },
        silent: |s| {
            s.add(revoked(2));
            let key = s.list.get_mut("handle-2").unwrap();
            (key.suspended, key.last_used) = (Some(true), Some(ago(days(3))));
        },
        blind: no_list,
    },
    Case {
        rule: "rotation-failing",
        finds: |s| s.slot.told_failed = Some(ago(days(1))),
        silent: |s| {
            s.slot.told_failed = Some(ago(days(1)));
            closed_just_now(s);
        },
        blind: no_inventory,
    },
    Case {
        rule: "rotation-off",
        finds: |s| s.secret().rotates = false,
        silent: |s| {
            s.secret().rotates = false;
            closed_just_now(s);
        },
        blind: no_secret,
    },
    Case {
        rule: "rotation-overdue",
        finds: |s| s.secret().next_rotation = Some(ago(days(1))),
        silent: |s| s.secret().next_rotation = Some(now()),
        blind: no_secret,
    },
    Case {
        rule: "rotation-stuck",
        finds: |s| {
            let version = version_id(2).secret_version;
            s.secret().pending = Some(version.clone());
            let since = ago(SignedDuration::from_hours(2));
            s.slot.pending_seen = Some(PendingSeen { version, since });
        },
        silent: |s| {
            let version = version_id(2).secret_version;
            s.secret().pending = Some(version.clone());
            let since = ago(SignedDuration::from_hours(1));
            s.slot.pending_seen = Some(PendingSeen { version, since });
        },
        blind: no_secret,
    },
    Case {
        rule: "secret-gone",
        finds: |s| s.secret = Sight::Seen(None),
        silent: |s| {
            s.secret = Sight::Seen(None);
            closed(s);
        },
        blind: no_secret,
    },
    Case {
        rule: "secret-readable-widely",
        finds: |s| s.policy = Sight::Seen(Some(EVERYBODY.to_owned())),
        silent: |s| s.policy = Sight::Seen(Some(ITS_READER.to_owned())),
        blind: |s| s.policy = Sight::NotSeen,
    },
    Case {
        rule: "secret-shared",
        finds: |s| s.shares = Some(Shared::Secret),
        silent: |s| s.shares = None,
        blind: no_inventory,
    },
    Case {
        rule: "secret-untagged",
        finds: |s| s.secret().slot = None,
        silent: |s| s.secret().slot = Some(OutsideText::new("bot")),
        blind: no_secret,
    },
    Case {
        rule: "slot-left-closed",
        finds: |s| {
            s.slot.state = SlotState::Restricted;
            let at = ago(days(8));
            s.slot.killed = Some(Killed {
                at,
                epoch: s.slot.epoch,
                drill: None,
            });
            s.listed().cap = None;
            s.account = Sight::NotSeen;
        },
        silent: |s| {
            s.slot.state = SlotState::Restricted;
            s.slot.killed = Some(killed(ago(days(7))));
            s.account = Sight::Seen(AccountTraits { day_limit: None });
        },
        blind: no_inventory,
    },
    Case {
        rule: "slot-observes",
        finds: |s| {
            (s.slot.mode, s.slot.mode_since) = (Mode::Observe, Some(ago(days(15))));
        },
        silent: |s| {
            (s.slot.mode, s.slot.mode_since) = (Mode::Observe, Some(ago(days(14))));
        },
        blind: no_inventory,
    },
    Case {
        rule: "slot-unguarded",
        finds: |s| {
            let alarm = wanted(&scene::deployment(), &s.slot.name);
            s.alarm = Sight::Seen(Some(AlarmChange::Make(alarm)));
        },
        silent: |s| {
            // One too many is the monitor's to remove.
            let deployment = scene::deployment();
            let arn = deployment.alarm_arn(&s.slot.name).unwrap();
            let change = AlarmChange::Remove(arn, s.slot.name.clone());
            s.alarm = Sight::Seen(Some(change));
        },
        blind: |s| s.alarm = Sight::NotSeen,
    },
];

const EVERYBODY: &str = r#"{"Statement": {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Principal": "*"}}"#;

const ITS_READER: &str = r#"{"Statement": {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Principal": {"AWS": "arn:aws:iam::111122223333:role/bot"}}}"#;

/// The slot is closed for good, and no key of it is left.
fn closed(scene: &mut Scene) {
    scene.slot.state = SlotState::Decommissioned;
    scene.versions.clear();
    scene.list.clear();
}

/// The slot was cut off a moment ago.
fn closed_just_now(scene: &mut Scene) {
    scene.slot.state = SlotState::Suspended;
    scene.slot.killed = Some(killed(now()));
    scene.account = Sight::Seen(AccountTraits { day_limit: None });
}

fn killed(at: Timestamp) -> Killed {
    Killed {
        at,
        epoch: Epoch(0),
        drill: None,
    }
}

fn no_inventory(scene: &mut Scene) {
    scene.inventory = Sight::NotSeen;
}

fn no_list(scene: &mut Scene) {
    scene.is_listed = Sight::NotSeen;
}

fn no_secret(scene: &mut Scene) {
    scene.secret = Sight::NotSeen;
}

fn revoked(number: u32) -> crate::model::version::Version {
    let mut version = version(number, VersionState::Revoked);
    version.revoke_confirmed = Some(Confirmed {
        at: ago(days(3)),
        by: Confirmation::Refused,
    });
    version
}

#[test]
fn every_rule_has_its_cases_and_a_name_of_its_own() {
    let cases: Vec<&str> = CASES.iter().map(|case| case.rule).collect();
    let rules: Vec<&str> = RULES.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(cases, rules);
    assert!(rules.is_sorted_by(|a, b| a < b), "in order, each once");
    for rule in &RULES {
        assert!(!rule.owasp.is_empty(), "{}", rule.id);
        assert!(!rule.needs.is_empty(), "{}", rule.id);
    }
    assert!(rule(&RuleId::new("no-such-rule")).is_none());
}

#[test]
fn where_all_is_well_nothing_is_found() {
    let scene = Scene::default();
    let found = scene.found();
    assert!(found.is_empty(), "{found:#?}");
    assert!(!scene.is_blind());
}

#[test]
fn each_rule_finds_its_fault_and_no_other_rule_does() {
    let mut wrong = Vec::new();
    for Case {
        rule: id, finds, ..
    } in CASES
    {
        let mut scene = Scene::default();
        finds(&mut scene);
        let found = scene.found();
        let rules: Vec<&str> = found.iter().map(|f| f.rule.as_str()).collect();
        if rules != [id] {
            let rules = rules.join(", ");
            wrong.push(format!("{id}: {rules}"));
            continue;
        }
        let finding = &found[0];
        let rule = rule(&finding.rule).unwrap();
        assert_eq!(finding.gravity, rule.gravity);
        assert!(!finding.evidence.as_str().is_empty());
        assert!(
            !finding.sources.is_empty(),
            "{id}: whether it is fixed could not be told"
        );
        assert_eq!(found, scene.found(), "the same again");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_rule_is_silent_where_there_is_just_not_enough() {
    for case in CASES {
        let mut scene = Scene::default();
        (case.silent)(&mut scene);
        let found = scene.found();
        assert!(found.is_empty(), "{}: {found:#?}", case.rule);
        assert!(!scene.is_blind(), "{}: all of it was read", case.rule);
    }
}

#[test]
fn what_was_not_read_is_not_found_and_not_clean() {
    for case in CASES {
        let mut scene = Scene::default();
        (case.finds)(&mut scene);
        (case.blind)(&mut scene);
        assert!(scene.is_blind(), "{}: all of it was read", case.rule);
        let found = scene.found();
        let rules = found.iter().map(|finding| finding.rule.as_str());
        assert!(!Vec::from_iter(rules).contains(&case.rule), "{found:#?}");
    }
}

#[test]
fn a_finding_about_a_slot_names_it_its_owner_and_a_command() {
    let mut scene = Scene::default();
    scene.secret().next_rotation = Some(ago(days(1)));
    let found = scene.found().pop().unwrap();
    assert_eq!(found.about, About::Slot("bot".parse().unwrap()));
    assert_eq!(found.slot.unwrap().as_str(), "bot");
    assert_eq!(found.owner.unwrap().as_str(), "ana@example.com");
    assert_eq!(found.command.unwrap().as_str(), "keyward rotate bot --wait");
    assert_eq!(found.since, Some(ago(days(1))));
}

/// The cases that a rule has beside its first.
#[test]
fn rules_know_their_other_cases() {
    let cases: [(&str, Change, Option<&str>); 24] = [
        (
            "rotated for the first time never",
            |s| {
                s.versions.clear();
                s.secret().last_rotated = None;
                s.secret().next_rotation = None;
            },
            Some("rotation-overdue"),
        ),
        (
            "its key is due by the policy",
            |s| {
                s.current().created = ago(days(57));
                s.secret().next_rotation = None;
            },
            Some("rotation-overdue"),
        ),
        (
            "suspended, so not rotated",
            |s| {
                s.slot.state = SlotState::Suspended;
                s.secret().rotates = false;
                s.account = Sight::NotSeen;
                s.slot.killed = Some(Killed {
                    at: now(),
                    epoch: s.slot.epoch,
                    drill: None,
                });
            },
            None,
        ),
        (
            "a pending label that came just now",
            |s| {
                s.secret().pending = Some(version_id(2).secret_version);
            },
            None,
        ),
        (
            "a pending label on the current version",
            |s| {
                s.secret().pending = s.secret().current.clone();
            },
            None,
        ),
        (
            "a secret that was deleted",
            |s| s.secret().deleted = Some(ago(days(1))),
            Some("secret-gone"),
        ),
        (
            "a key that was deleted and can be brought back",
            |s| s.deleted = true,
            Some("key-gone-at-provider"),
        ),
        (
            "a revoked key that can be brought back",
            |s| {
                s.add(revoked(2));
                s.list.remove("handle-2");
            },
            None,
        ),
        (
            "a revoked key that is suspended",
            |s| {
                s.add(revoked(2));
                s.list.get_mut("handle-2").unwrap().suspended = Some(true);
            },
            None,
        ),
        (
            "a key that is just being revoked",
            |s| {
                s.slot.state = SlotState::Decommissioned;
                s.current().state = VersionState::Revoking;
                s.current().revoke_begun = Some(ago(SignedDuration::from_hours(1)));
            },
            None,
        ),
        (
            "a key whose revocation takes too long",
            |s| {
                let mut old = version(2, VersionState::Revoking);
                old.revoke_begun = Some(ago(days(3)));
                s.add(old);
            },
            Some("key-not-revoked"),
        ),
        (
            "a break-glass credential that nobody ever tried",
            |s| s.break_glass = Sight::Seen(None),
            Some("break-glass-untried"),
        ),
        (
            "one that was refused yesterday",
            |s| {
                let result = BreakGlassResult::Refused;
                let at = ago(days(1));
                s.break_glass = Sight::Seen(Some(BreakGlassTest {
                    at,
                    result,
                    ..scene::tried(1)
                }));
            },
            Some("break-glass-untried"),
        ),
        (
            "never used, where the provider does not tell",
            |s| {
                s.listed().last_used = None;
                s.current().last_used = None;
            },
            None,
        ),
        (
            "idle by its record, where the provider does not tell",
            |s| {
                s.listed().last_used = None;
                s.current().last_used = Some(ago(days(31)));
            },
            Some("key-idle"),
        ),
        (
            "the same, and the usage that is kept tells of a later use",
            |s| {
                s.listed().last_used = None;
                s.current().last_used = Some(ago(days(31)));
                s.used = Sight::Seen(Some(ago(days(1))));
            },
            None,
        ),
        (
            "the same, and the usage that is kept was not read",
            |s| {
                s.listed().last_used = None;
                s.current().last_used = Some(ago(days(31)));
                s.used = Sight::NotSeen;
            },
            None,
        ),
        (
            "idle by its record, and its figure moved since",
            |s| {
                s.listed().last_used = None;
                s.current().last_used = Some(ago(days(31)));
                s.current().usage_seen = Some(UsageSeen {
                    total: MicroDollars(1),
                    since: ago(days(1)),
                    watched_from: ago(days(40)),
                });
            },
            None,
        ),
        (
            "a secret of another slot's, of a slot that is out of service",
            |s| {
                closed(s);
                s.secret().slot = Some(OutsideText::new("other"));
            },
            None,
        ),
        (
            "a limit that is too high",
            |s| {
                let cap = s.listed().cap.as_mut().unwrap();
                cap.amount = cap.amount.percent(200);
            },
            Some("cap-not-at-provider"),
        ),
        (
            "a limit of a provider that moves it, whose right amount is not known",
            |s| {
                s.account = Sight::Seen(AccountTraits {
                    day_limit: Some(DayLimit::MovedEachDay),
                });
            },
            None,
        ),
        (
            "the owner as backup",
            |s| s.slot.backup_owner = Some(s.slot.owner.clone()),
            Some("owner-without-backup"),
        ),
        (
            "an alarm without data for long",
            |s| {
                s.guard(|guard| {
                    guard.state = AlarmState::InsufficientData;
                    guard.since = None;
                })
            },
            Some("alarm-guards-nothing"),
        ),
        (
            "an alarm whose actions are off",
            |s| {
                s.guard(|guard| {
                    guard.alarm.setup.as_mut().unwrap().is_enabled = false;
                })
            },
            Some("alarm-guards-nothing"),
        ),
    ];
    for (name, change, expected) in cases {
        let mut scene = Scene::default();
        change(&mut scene);
        let found = scene.found();
        let rules: Vec<&str> = found.iter().map(|f| f.rule.as_str()).collect();
        assert_eq!(rules, Vec::from_iter(expected), "{name}: {found:#?}");
    }
}

#[test]
fn the_drill_that_is_missing_is_named_with_its_canary() {
    let scene = Scene {
        drilled: Sight::Seen((ago(days(91)), DrillOutcome::Passed)),
        ..Scene::default()
    };
    let found = scene.found();
    let command = found[0].command.as_ref().unwrap().as_str();
    assert_eq!(command, "keyward drill bot --yes --wait --reason \"audit\"");
    assert_eq!(found[0].slot, None, "it is about the deployment");
    let without = of_fleet(&FleetFacts {
        now: now(),
        canaries: &[],
        slots: 1,
    });
    let command = without[0].command.as_ref().unwrap().as_str();
    assert_eq!(command, "keyward apply keyward.toml --reason \"audit\"");
}

#[test]
fn the_catalogue_names_every_rule() {
    let page = catalogue::markdown();
    for rule in &RULES {
        assert!(page.contains(&format!("\n## {}\n", rule.id)), "{}", rule.id);
        assert!(catalogue::anchor(&rule.id).ends_with(rule.id.as_str()));
    }
}

#[test]
fn guards_of_the_map_must_be_of_slots_that_there_are() {
    let mut scene = Scene::default();
    let gone = "gone".parse().unwrap();
    scene.guard(|guard: &mut Guard| {
        guard.slots.insert("gone".parse().unwrap());
    });
    scene.unknown.insert(gone);
    let found = scene.found();
    assert_eq!(found.len(), 1);
    assert!(found[0].evidence.as_str().contains("no slot gone"));
}

#[test]
fn hostile_names_stay_one_line() {
    let mut scene = Scene::default();
    let hostile = ListedKey {
        label: "=cmd()\r\n<script>\u{202e}".into(),
        ..key("x")
    };
    scene.strangers = Sight::Seen(vec![hostile]);
    let found = scene.found();
    let evidence = found[0].evidence.as_str();
    assert!(!evidence.contains(['\r', '\n', '\u{202e}']), "{evidence}");
}

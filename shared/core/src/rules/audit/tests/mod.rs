//! Each rule finds its fault, is silent where all is well, and says nothing where its source was not read.

mod scene;

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::facts::{AccountTraits, ListedKey, Sight, Watcher};
use super::{RULES, catalogue, rule};
use crate::model::alarm::AlarmState;
use crate::model::drill::DrillOutcome;
use crate::model::finding::{About, RuleId};
use crate::model::key::ApiKey;
use crate::model::money::DayLimit;
use crate::model::slot::{Killed, Mode, PendingSeen, ProviderName, SlotState};
use crate::model::version::{Confirmation, Confirmed, VersionState};
use crate::ports::KeyOwner;
use crate::rules::alarms::{AlarmChange, wanted};
use scene::{Guard, Scene, ago, days, key, now, version, version_id};

type Change = fn(&mut Scene);

/// For each rule: what makes it find something, and what keeps what it needs from being read.
const CASES: [(&str, Change, Change); 39] = [
    (
        "admin-credential-old",
        |s| s.credential = Sight::Seen(Some(ago(days(91)))),
        |s| s.credential = Sight::NotSeen,
    ),
    (
        "agent-gone-key-alive",
        |s| s.slot.state = SlotState::Decommissioned,
        no_inventory,
    ),
    (
        "alarm-guards-nothing",
        |s| s.guard(|guard| guard.slots.clear()),
        |s| s.guards = Sight::NotSeen,
    ),
    (
        "bedrock-user-behind-your-back",
        |s| s.user("BedrockAPIKey-EXAMPLE"),
        |s| s.users = Sight::NotSeen,
    ),
    (
        "cap-default",
        |s| s.slot.expected_assumed = true,
        no_inventory,
    ),
    (
        "cap-none",
        |s| {
            s.account = Sight::Seen(AccountTraits { day_limit: None });
            s.watcher = Sight::Seen(Watcher::Nobody(Some(ago(days(1)))));
        },
        |s| s.watcher = Sight::NotSeen,
    ),
    ("cap-not-at-provider", |s| s.listed().cap = None, no_list),
    (
        "inventory-row-damaged",
        |s| s.damaged = Some("missing field `owner`"),
        |s| s.damaged = None,
    ),
    (
        "key-format-leaving",
        |s| {
            s.slot.provider = ProviderName::Gemini;
            let text = ApiKey::new("AIzaEXAMPLE0123456789abcdefghijk");
            s.current().hint = Some(text.hint(&scene::GEMINI));
        },
        no_inventory,
    ),
    ("key-gone-at-provider", |s| s.list.clear(), no_list),
    (
        "key-handle-unknown",
        |s| s.current().handle = None,
        no_inventory,
    ),
    (
        "key-idle",
        |s| {
            s.listed().last_used = Some(ago(days(31)));
            s.current().last_used = None;
        },
        no_list,
    ),
    (
        "key-in-function-variables",
        |s| s.variables = Sight::Seen(vec!["OPENAI_API_KEY"]),
        |s| s.variables = Sight::NotSeen,
    ),
    (
        "key-never-used",
        |s| {
            s.slot.provider = ProviderName::OpenAi;
            s.listed().last_used = None;
            s.current().last_used = None;
        },
        no_list,
    ),
    (
        "key-not-in-inventory",
        |s| s.strangers = Sight::Seen(vec![key("laptop test")]),
        |s| s.strangers = Sight::NotSeen,
    ),
    (
        "key-not-revoked",
        |s| {
            let mut old = version(2, VersionState::Retiring);
            old.deadline = Some(ago(SignedDuration::from_hours(2)));
            s.add(old);
        },
        no_inventory,
    ),
    (
        "key-of-a-person",
        |s| s.listed().owner = KeyOwner::Person,
        no_list,
    ),
    (
        "key-refused-at-provider",
        |s| s.listed().suspended = Some(true),
        no_list,
    ),
    ("key-shared", |s| s.shares = true, |s| s.shares = false),
    (
        "key-too-old",
        |s| {
            s.current().created = ago(days(61));
            s.secret().next_rotation = None;
            s.secret().rotates = true;
            // Overdue as well: the schedule is not what this case is about.
            s.secret = Sight::NotSeen;
        },
        no_inventory,
    ),
    (
        "kill-switch-not-drilled",
        |s| s.drilled = Sight::Seen((ago(days(91)), DrillOutcome::Passed)),
        |s| s.drilled = Sight::NotSeen,
    ),
    (
        "owner-gone",
        |s| s.left = Sight::Seen(BTreeSet::from(["ana@example.com".parse().unwrap()])),
        |s| s.left = Sight::NotSeen,
    ),
    (
        "owner-missing",
        |s| s.slot.owner = "Unknown".parse().unwrap(),
        no_inventory,
    ),
    (
        "owner-without-backup",
        |s| s.slot.backup_owner = None,
        no_inventory,
    ),
    (
        "pool-low",
        |s| s.pool().standby.clear(),
        |s| s.pool = Sight::NotSeen,
    ),
    (
        "pool-old",
        |s| s.pool().standby[0].created = ago(days(31)),
        |s| s.pool = Sight::NotSeen,
    ),
    (
        "reader-crosses-environments",
        |s| s.reads_dev = true,
        no_inventory,
    ),
    ("revoked-key-at-provider", |s| s.add(revoked(2)), no_list),
    (
        "revoked-key-used",
        |s| {
            s.add(revoked(2));
            let key = s.list.get_mut("handle-2").unwrap();
            (key.suspended, key.last_used) = (Some(true), Some(now()));
        },
        no_list,
    ),
    (
        "rotation-failing",
        |s| s.slot.told_failed = Some(ago(days(1))),
        no_inventory,
    ),
    ("rotation-off", |s| s.secret().rotates = false, no_secret),
    (
        "rotation-overdue",
        |s| s.secret().next_rotation = Some(ago(days(1))),
        no_secret,
    ),
    (
        "rotation-stuck",
        |s| {
            let version = version_id(2).secret_version;
            s.secret().pending = Some(version.clone());
            let since = ago(SignedDuration::from_hours(2));
            s.slot.pending_seen = Some(PendingSeen { version, since });
        },
        no_secret,
    ),
    ("secret-gone", |s| s.secret = Sight::Seen(None), no_secret),
    (
        "secret-readable-widely",
        |s| s.policy = Sight::Seen(Some(EVERYBODY.to_owned())),
        |s| s.policy = Sight::NotSeen,
    ),
    ("secret-untagged", |s| s.secret().slot = None, no_secret),
    (
        "slot-left-closed",
        |s| {
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
        no_inventory,
    ),
    (
        "slot-observes",
        |s| {
            (s.slot.mode, s.slot.mode_since) = (Mode::Observe, Some(ago(days(15))));
        },
        no_inventory,
    ),
    (
        "slot-unguarded",
        |s| {
            let alarm = wanted(&scene::deployment(), &s.slot.name);
            s.alarm = Sight::Seen(Some(AlarmChange::Make(alarm)));
        },
        |s| s.alarm = Sight::NotSeen,
    ),
];

const EVERYBODY: &str = r#"{"Statement": {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Principal": "*"}}"#;

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
fn every_rule_has_a_case_and_a_name_of_its_own() {
    let cases: Vec<&str> = CASES.iter().map(|(rule, ..)| *rule).collect();
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
    let found = Scene::default().found();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn each_rule_finds_its_fault_and_no_other_rule_does() {
    let mut wrong = Vec::new();
    for (id, breaks, _) in CASES {
        let mut scene = Scene::default();
        breaks(&mut scene);
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
fn what_was_not_read_is_not_found_and_not_clean() {
    for (id, breaks, blinds) in CASES {
        let mut scene = Scene::default();
        breaks(&mut scene);
        blinds(&mut scene);
        let found = scene.found();
        assert!(found.iter().all(|f| f.rule.as_str() != id), "{found:#?}");
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
    let cases: [(&str, Change, Option<&str>); 17] = [
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
            "never used, where the provider does not tell",
            |s| {
                s.listed().last_used = None;
                s.current().last_used = None;
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

//! Each rule of the catalogue with its fault put into a deployment in which all else is well: exactly that is found; once it is
//! mended it is fixed; and it is not called fixed by an audit that could not read what would show it.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::alarm::{AlarmMetric, AlarmState};
use keyward_core::model::audit::{AuditReport, Source, Standing};
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::kill_alarm::FoundAlarm;
use keyward_core::model::money::{CapPeriod, DayLimit, MicroDollars, SpendCap};
use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::model::pool::{Pool, StandbyKey};
use keyward_core::model::slot::{
    Environment, Killed, Mode, PendingSeen, ProviderName, Slot, SlotState,
};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Confirmation, Confirmed, Version, VersionState};
use keyward_core::ports::{
    BedrockCredential, CredentialAge, Damaged, Fence, Inventory, InventoryError, KeyOwner,
    KeyRecord, ListedAlarm, ProviderError, StandbyPools, UsageStore,
};
use keyward_core::rules::alarms::{set_up, wanted};
use keyward_core::rules::audit::RULES;
use keyward_testkit::gate::{Gate, gated_usage};
use keyward_testkit::memory::{Break, ListName};
use keyward_tests::support::token;

use crate::stage::{Listed, Stage, ago, all_well, found, now, record, rules, well};

type Change = for<'a> fn(&'a mut Stage) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A rule, what makes its fault, and what mends it.
type Case = (&'static str, Change, Change);

const OPENROUTER: &str = "openrouter-main";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:bot";
const ROLE: &str = "arn:aws:iam::111122223333:role/agents";

/// How Google's keys look.
const GEMINI: KeyFormat = KeyFormat {
    prefix: "AQ.",
    also: &["AIza"],
    not: &[],
    alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
};

fn keys(stage: &mut Stage, change: impl FnOnce(&mut Vec<KeyRecord>)) {
    stage.relist(OPENROUTER, |listed| {
        change(listed.pages[0].as_mut().unwrap());
    });
}

fn first(stage: &mut Stage, change: impl FnOnce(&mut KeyRecord)) {
    keys(stage, |keys| change(&mut keys[0]));
}

async fn secret_of(stage: &Stage, slot: &str) -> SecretArn {
    let slot = stage.inventory.slot(&slot.parse().unwrap()).await;
    slot.unwrap().unwrap().secret
}

/// What comes with a fault: one secret carries the name of one slot.
fn comes_with(rule: &str) -> Option<&'static str> {
    (rule == "secret-shared").then_some("secret-untagged")
}

fn account(name: &str) -> AccountName {
    name.parse().unwrap()
}

fn killed(slot: &mut Slot, state: SlotState, days: i64) {
    slot.state = state;
    slot.killed = Some(Killed {
        at: ago(days),
        epoch: slot.epoch,
        drill: None,
    });
}

fn revoked(version: &mut Version) {
    version.state = VersionState::Revoked;
    version.revoke_confirmed = Some(Confirmed {
        at: ago(3),
        by: Confirmation::Refused,
    });
}

async fn watched(stage: &Stage, is_watched: bool) {
    let name = account(OPENROUTER);
    let mut usage = stage.usage.account_or_empty(&name).await.unwrap();
    usage.read_at = is_watched.then(now);
    stage.usage.save_account(&usage).await.unwrap();
}

async fn pool(stage: &Stage, days: i64) {
    let name = account("anthropic-main");
    let known = stage.inventory.pool(&name).await.unwrap();
    let mut pool = known.unwrap_or_else(|| Pool::empty(&name));
    let text = ApiKey::new("EXAMPLE");
    pool.standby = vec![StandbyKey {
        fingerprint: text.fingerprint(),
        hint: text.hint(&GEMINI),
        handle: "standby-1".parse().unwrap(),
        workspace: None,
        created: ago(days),
        expires: None,
        added: ago(days),
        ready: None,
    }];
    stage.inventory.save_pool(&pool).await.unwrap();
}

async fn anthropic(stage: &mut Stage) {
    stage
        .slot("chat", ProviderName::Anthropic, "handle-3")
        .await;
    let keys = vec![record("handle-3", "k"), record("standby-1", "k")];
    let mut listed = Listed::of(ProviderName::Anthropic, keys);
    listed.low_water = Some(1);
    stage.account("anthropic-main", listed);
}

/// An alarm of somebody's that tells the kill switch.
fn guard(stage: &Stage) -> ListedAlarm {
    let metric = AlarmMetric::new("LLM/Usage", "SpendUsd", &[]);
    let topic = stage.order.deployment.topic.as_str();
    let arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:spend";
    ListedAlarm {
        alarm: FoundAlarm {
            arn: arn.parse().unwrap(),
            setup: Some(set_up(metric, Some(topic))),
        },
        state: AlarmState::Ok,
        since: None,
    }
}

fn age(days: i64) -> [CredentialAge; 1] {
    [CredentialAge {
        purpose: "read",
        changed: Some(ago(days)),
    }]
}

const CASES: [Case; RULES.len()] = [
    (
        "admin-credential-old",
        |s| Box::pin(async { s.lists.put_ages(&account(OPENROUTER), &age(91)) }),
        |s| Box::pin(async { s.lists.put_ages(&account(OPENROUTER), &age(1)) }),
    ),
    (
        "agent-gone-key-alive",
        |s| Box::pin(s.change("bot", |slot| slot.state = SlotState::Decommissioned)),
        |s| {
            Box::pin(async {
                s.change_key("bot", revoked).await;
                keys(s, |keys| drop(keys.remove(0)));
            })
        },
    ),
    (
        "alarm-guards-nothing",
        |s| Box::pin(async { s.lists.put_alarm(guard(s)) }),
        |s| Box::pin(async { s.lists.forget_alarm("spend") }),
    ),
    (
        "bedrock-user-behind-your-back",
        |s| {
            Box::pin(async {
                s.lists.put_credential(BedrockCredential {
                    user: OutsideText::new("BedrockAPIKey-EXAMPLE"),
                    id: OutsideText::new("ACCAEXAMPLE"),
                    created: Some(ago(3)),
                    expires: None,
                });
            })
        },
        |s| Box::pin(async { s.lists.forget_credentials("BedrockAPIKey-EXAMPLE") }),
    ),
    (
        "break-glass-untried",
        |s| Box::pin(async { s.tried(&account(OPENROUTER), 91).await }),
        |s| Box::pin(async { s.tried(&account(OPENROUTER), 0).await }),
    ),
    (
        "cap-default",
        |s| Box::pin(s.change("bot", |slot| slot.expected_assumed = true)),
        |s| Box::pin(s.change("bot", |slot| slot.expected_assumed = false)),
    ),
    (
        "cap-none",
        |s| Box::pin(watched(s, false)),
        |s| Box::pin(watched(s, true)),
    ),
    (
        "cap-not-at-provider",
        |s| {
            Box::pin(async {
                s.relist(OPENROUTER, |l| l.day_limit = Some(DayLimit::ItsOwn));
            })
        },
        |s| {
            Box::pin(async {
                let amount = MicroDollars::from_cents(1);
                keys(s, |keys| {
                    let period = CapPeriod::Daily;
                    keys.iter_mut()
                        .for_each(|key| key.cap = Some(SpendCap { amount, period }));
                });
            })
        },
    ),
    (
        "inventory-row-damaged",
        |s| {
            Box::pin(async {
                s.census.damage(Damaged {
                    key: OutsideText::new("SLOT#bot/VERSION#broken"),
                    slot: Some("bot".parse().unwrap()),
                    why: OutsideText::new("missing field `state`"),
                });
            })
        },
        |s| Box::pin(async { s.census.mend() }),
    ),
    (
        "key-format-leaving",
        |s| {
            Box::pin(async {
                s.slot("chat", ProviderName::Gemini, "handle-3").await;
                let keys = vec![record("handle-3", "k")];
                s.account("gemini-main", Listed::of(ProviderName::Gemini, keys));
                let text = ApiKey::new("AIzaEXAMPLE0123456789abcdefghijk");
                s.change_key("chat", |key| key.hint = Some(text.hint(&GEMINI)))
                    .await;
            })
        },
        |s| {
            Box::pin(async {
                let text = ApiKey::new("AQ.EXAMPLE0123456789abcdefghijk");
                s.change_key("chat", |key| key.hint = Some(text.hint(&GEMINI)))
                    .await;
            })
        },
    ),
    (
        "key-gone-at-provider",
        |s| Box::pin(async { keys(s, |keys| drop(keys.remove(0))) }),
        |s| Box::pin(async { keys(s, |keys| keys.insert(0, record("handle-1", "k"))) }),
    ),
    (
        "key-handle-unknown",
        |s| {
            Box::pin(async {
                s.change_key("bot", |key| key.handle = None).await;
                keys(s, |keys| drop(keys.remove(0)));
            })
        },
        |s| {
            Box::pin(async {
                let handle = "handle-1".parse().ok();
                s.change_key("bot", |key| key.handle = handle).await;
                keys(s, |keys| keys.insert(0, record("handle-1", "k")));
            })
        },
    ),
    (
        "key-idle",
        |s| Box::pin(async { first(s, |key| key.last_used = Some(ago(31))) }),
        |s| Box::pin(async { first(s, |key| key.last_used = Some(ago(1))) }),
    ),
    (
        "key-in-function-variables",
        |s| {
            Box::pin(async {
                let variables = [("KEY", "sk-EXAMPLE0123456789abcdef")];
                s.lists.put_function(FUNCTION, &variables);
            })
        },
        |s| Box::pin(async { s.lists.forget_function(FUNCTION) }),
    ),
    (
        "key-never-used",
        |s| {
            Box::pin(async {
                s.slot("search", ProviderName::OpenAi, "handle-3").await;
                let mut key = record("handle-3", "k");
                key.last_used = None;
                s.account("openai-main", Listed::of(ProviderName::OpenAi, vec![key]));
            })
        },
        |s| {
            Box::pin(async {
                let keys = vec![record("handle-3", "k")];
                s.account("openai-main", Listed::of(ProviderName::OpenAi, keys));
            })
        },
    ),
    (
        "key-not-in-inventory",
        |s| Box::pin(async { keys(s, |keys| keys.push(record("stray", "laptop"))) }),
        |s| Box::pin(async { keys(s, |keys| drop(keys.pop())) }),
    ),
    (
        "key-not-revoked",
        |s| {
            Box::pin(s.change_key("bot", |key| {
                key.state = VersionState::Revoking;
                key.revoke_begun = Some(ago(3));
            }))
        },
        |s| {
            Box::pin(async {
                s.change_key("bot", revoked).await;
                keys(s, |keys| drop(keys.remove(0)));
            })
        },
    ),
    (
        "key-of-a-person",
        |s| Box::pin(async { first(s, |key| key.owner = KeyOwner::Person) }),
        |s| Box::pin(async { first(s, |key| key.owner = KeyOwner::Service) }),
    ),
    (
        "key-refused-at-provider",
        |s| Box::pin(async { first(s, |key| key.suspended = Some(true)) }),
        |s| Box::pin(async { first(s, |key| key.suspended = Some(false)) }),
    ),
    (
        "key-shared",
        |s| {
            Box::pin(s.force_key("canary", |key| {
                key.fingerprint = well("bot", ProviderName::OpenRouter, "handle-1")
                    .1
                    .fingerprint;
            }))
        },
        |s| {
            Box::pin(s.force_key("canary", |key| {
                let own = well("canary", ProviderName::OpenRouter, "handle-2").1;
                key.fingerprint = own.fingerprint;
            }))
        },
    ),
    (
        "key-too-old",
        |s| {
            Box::pin(async {
                // Cut off a day ago, so that no schedule is late as well.
                s.change("bot", |slot| killed(slot, SlotState::Suspended, 1))
                    .await;
                s.change_key("bot", |key| key.created = ago(61)).await;
            })
        },
        |s| Box::pin(s.change_key("bot", |key| key.created = ago(1))),
    ),
    (
        "kill-switch-not-drilled",
        |s| Box::pin(s.change("canary", |slot| slot.canary = false)),
        |s| Box::pin(s.change("canary", |slot| slot.canary = true)),
    ),
    (
        "owner-gone",
        |s| Box::pin(async { s.lists.leaves(&"ana@example.com".parse().unwrap()) }),
        |s| {
            Box::pin(async {
                for slot in ["bot", "canary"] {
                    s.change(slot, |slot| slot.owner = "eve@example.com".parse().unwrap())
                        .await;
                }
            })
        },
    ),
    (
        "owner-missing",
        |s| Box::pin(s.change("bot", |slot| slot.owner = "unknown".parse().unwrap())),
        |s| {
            Box::pin(s.change("bot", |slot| {
                slot.owner = "eve@example.com".parse().unwrap()
            }))
        },
    ),
    (
        "owner-without-backup",
        |s| Box::pin(s.change("bot", |slot| slot.backup_owner = None)),
        |s| {
            Box::pin(s.change("bot", |slot| {
                slot.backup_owner = "eve@example.com".parse().ok()
            }))
        },
    ),
    (
        "pool-low",
        |s| {
            Box::pin(async {
                anthropic(s).await;
                s.relist("anthropic-main", |listed| {
                    drop(listed.pages[0].as_mut().unwrap().pop())
                });
            })
        },
        |s| Box::pin(pool(s, 5)),
    ),
    (
        "pool-old",
        |s| {
            Box::pin(async {
                anthropic(s).await;
                pool(s, 31).await;
            })
        },
        |s| Box::pin(pool(s, 5)),
    ),
    (
        "reader-crosses-environments",
        |s| {
            Box::pin(async {
                s.change("bot", |slot| slot.readers = vec![ROLE.parse().unwrap()])
                    .await;
                s.change("canary", |slot| {
                    slot.readers = vec![ROLE.parse().unwrap()];
                    slot.environment = Environment::Dev;
                })
                .await;
            })
        },
        |s| Box::pin(s.change("canary", |slot| slot.readers.clear())),
    ),
    (
        "revoked-key-at-provider",
        |s| {
            Box::pin(async {
                s.change_key("bot", revoked).await;
                first(s, |key| key.last_used = None);
            })
        },
        |s| Box::pin(async { keys(s, |keys| drop(keys.remove(0))) }),
    ),
    (
        "revoked-key-used",
        |s| {
            Box::pin(async {
                s.change_key("bot", revoked).await;
                first(s, |key| key.suspended = Some(true));
            })
        },
        |s| Box::pin(async { keys(s, |keys| drop(keys.remove(0))) }),
    ),
    (
        "rotation-failing",
        |s| Box::pin(s.change("bot", |slot| slot.told_failed = Some(ago(1)))),
        |s| Box::pin(s.change("bot", |slot| slot.told_failed = None)),
    ),
    (
        "rotation-off",
        |s| Box::pin(s.change_secret("bot", |secret| secret.rotates = false)),
        |s| Box::pin(s.change_secret("bot", |secret| secret.rotates = true)),
    ),
    (
        "rotation-overdue",
        |s| Box::pin(s.change_secret("bot", |secret| secret.next_rotation = Some(ago(1)))),
        |s| Box::pin(s.change_secret("bot", |secret| secret.next_rotation = Some(ago(-1)))),
    ),
    (
        "rotation-stuck",
        |s| {
            Box::pin(async {
                s.change_secret("bot", |secret| secret.pending = Some(token(9)))
                    .await;
                let (version, since) = (token(9), ago(1));
                s.change("bot", |slot| {
                    slot.pending_seen = Some(PendingSeen { version, since });
                })
                .await;
            })
        },
        |s| Box::pin(s.change_secret("bot", |secret| secret.pending = None)),
    ),
    (
        "secret-gone",
        |s| Box::pin(s.change_secret("bot", |secret| secret.deleted = Some(ago(1)))),
        |s| Box::pin(s.change_secret("bot", |secret| secret.deleted = None)),
    ),
    (
        "secret-readable-widely",
        |s| {
            Box::pin(async {
                let wide =
                    r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Principal": "*"}]}"#;
                let slot = s.inventory.slot(&"bot".parse().unwrap()).await.unwrap();
                s.lists.put_policy(&slot.unwrap().secret, wide);
            })
        },
        |s| {
            Box::pin(async {
                let slot = s.inventory.slot(&"bot".parse().unwrap()).await.unwrap();
                s.lists
                    .put_policy(&slot.unwrap().secret, r#"{"Statement": []}"#);
            })
        },
    ),
    (
        "secret-shared",
        |s| {
            Box::pin(async {
                let secret = secret_of(s, "bot").await;
                s.change("canary", |slot| slot.secret = secret).await;
            })
        },
        |s| {
            Box::pin(async {
                let secret = well("canary", ProviderName::OpenRouter, "k").0.secret;
                s.change("canary", |slot| slot.secret = secret).await;
            })
        },
    ),
    (
        "secret-untagged",
        |s| Box::pin(s.change_secret("bot", |secret| secret.slot = None)),
        |s| Box::pin(s.change_secret("bot", |secret| secret.slot = Some(OutsideText::new("bot")))),
    ),
    (
        "slot-left-closed",
        |s| Box::pin(s.change("bot", |slot| killed(slot, SlotState::Restricted, 8))),
        |s| Box::pin(s.change("bot", |slot| slot.state = SlotState::Active)),
    ),
    (
        "slot-observes",
        |s| {
            Box::pin(s.change("bot", |slot| {
                (slot.mode, slot.mode_since) = (Mode::Observe, Some(ago(15)));
            }))
        },
        |s| Box::pin(s.change("bot", |slot| slot.mode = Mode::Enforce)),
    ),
    (
        "slot-unguarded",
        |s| {
            Box::pin(async {
                let deployment = &s.order.deployment;
                let alarm = wanted(deployment, &"bot".parse().unwrap());
                s.lists.forget_alarm(&alarm.name);
            })
        },
        |s| {
            Box::pin(async {
                let deployment = &s.order.deployment;
                let slot = "bot".parse().unwrap();
                s.lists.put_alarm(ListedAlarm {
                    alarm: FoundAlarm {
                        arn: deployment.alarm_arn(&slot).unwrap(),
                        setup: Some(wanted(deployment, &slot).setup),
                    },
                    state: AlarmState::Ok,
                    since: None,
                });
            })
        },
    ),
];

/// Pools that cannot be read.
struct NoPools;

#[async_trait]
impl StandbyPools for NoPools {
    async fn pool(&self, _: &AccountName) -> Result<Option<Pool>, InventoryError> {
        Err(InventoryError::Unavailable("throttled".into()))
    }

    async fn save_pool(&self, _: &Pool) -> Result<(), InventoryError> {
        panic!("an audit changes nothing")
    }

    async fn draw(&self, _: &Pool, _: &Version, _: Fence) -> Result<(), InventoryError> {
        panic!("an audit changes nothing")
    }
}

/// Keeps a source from being read, and puts it back.
async fn without(stage: &mut Stage, source: &Source) -> AuditReport {
    let (pools, usage) = (stage.ports.pools.clone(), stage.ports.usage.clone());
    let mut listed = None;
    match source {
        Source::Inventory => stage.census.break_names(Break::ForEver(1)),
        Source::Secrets => stage.lists.break_list(ListName::Secrets, Break::ForEver(1)),
        Source::Policies => stage.lists.break_list(ListName::Policies, Break::Refused),
        Source::Alarms => stage.lists.break_list(ListName::Alarms, Break::ForEver(1)),
        Source::Iam => stage.lists.break_list(ListName::Iam, Break::ForEver(1)),
        Source::Functions => stage
            .lists
            .break_list(ListName::Functions, Break::ForEver(1)),
        Source::People => stage.lists.break_list(ListName::People, Break::Refused),
        Source::Credential(_) => stage.lists.break_list(ListName::Ages, Break::Refused),
        Source::Pool(_) => stage.ports.pools = Arc::new(NoPools),
        Source::Usage(_) => {
            let gate = Arc::new(Gate::default());
            gate.silence(&["usage.account"]);
            stage.ports.usage = gated_usage(usage.clone(), &gate);
        }
        Source::Keys(name) => stage.relist(name.as_str(), |known| {
            let error = ProviderError::RetryAfter {
                after: None,
                detail: OutsideText::new("overloaded"),
            };
            listed = Some(std::mem::replace(&mut known.pages, vec![Err(error)]));
        }),
        Source::Slot(_) | Source::Places(_) => panic!("no rule needs it"),
    }
    let report = stage.report().await;
    stage.lists.mend();
    stage.census.mend();
    (stage.ports.pools, stage.ports.usage) = (pools, usage);
    if let (Source::Keys(name), Some(pages)) = (source, listed) {
        stage.relist(name.as_str(), |known| known.pages = pages);
    }
    report
}

fn standings(report: &AuditReport, rule: &str) -> BTreeSet<Standing> {
    let found = found(report, rule).into_iter();
    found.map(|entry| entry.standing).collect()
}

#[test]
fn every_rule_has_its_fault() {
    let cases: Vec<&str> = CASES.iter().map(|(rule, ..)| *rule).collect();
    let rules: Vec<&str> = RULES.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(cases, rules);
}

#[tokio::test]
async fn each_fault_is_found_alone_and_fixed_when_it_is_mended() {
    let mut wrong = Vec::new();
    for (rule, breaks, mends) in CASES {
        let mut stage = all_well().await;
        assert_eq!(rules(&stage.report().await), [""; 0], "before {rule}");
        breaks(&mut stage).await;
        let broken = stage.report().await;
        let all: BTreeSet<&str> = rules(&broken).into_iter().collect();
        let expected = std::iter::once(rule).chain(comes_with(rule));
        if all != expected.collect() {
            wrong.push(format!("{rule}: {all:?}"));
            continue;
        }
        mends(&mut stage).await;
        stage.order.period = stage.order.period.after();
        let mended = stage.report().await;
        let fixed = mended.findings.iter().all(|e| {
            e.standing == Standing::Fixed
                && e.fixed_in == Some(stage.order.period)
                && e.first_seen == broken.made
                && e.last_seen == broken.made
        });
        if !fixed || mended.findings.len() != broken.findings.len() {
            wrong.push(format!("{rule}, mended: {:#?}", mended.findings));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn nothing_is_called_fixed_by_an_audit_that_did_not_read_what_would_show_it() {
    let mut wrong = Vec::new();
    for (rule, breaks, mends) in CASES {
        let mut stage = all_well().await;
        breaks(&mut stage).await;
        let broken = stage.report().await;
        let sources = found(&broken, rule)[0].finding.sources.clone();
        mends(&mut stage).await;
        stage.order.period = stage.order.period.after();
        for source in &sources {
            if broken.coverage.of(source).is_none() {
                // An account without a pool, or a slot of which everything was read.
                continue;
            }
            stage.order.deadline.0 = stage.ports.clock.now() + SignedDuration::from_mins(15);
            let blind = without(&mut stage, source).await;
            let standings = standings(&blind, rule);
            if blind.coverage.is_whole(source) || standings != BTreeSet::from([Standing::NotSeen]) {
                wrong.push(format!("{rule} without {source}: {standings:?}"));
            }
        }
        stage.order.deadline.0 = stage.ports.clock.now() + SignedDuration::from_mins(15);
        let seen = standings(&stage.report().await, rule);
        if seen != BTreeSet::from([Standing::Fixed]) {
            wrong.push(format!("{rule}, read again: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the list still shows is looked at by itself, and so is what it does not show yet.
#[tokio::test]
async fn a_list_of_secrets_that_lags_is_not_believed() {
    let stage = all_well().await;
    let slot = stage.inventory.slot(&"bot".parse().unwrap()).await.unwrap();
    let arn = slot.unwrap().secret;
    let well = keyward_core::ports::SecretLists::secret(stage.lists.as_ref(), &arn);
    let well = well.await.unwrap().unwrap();
    let mut before = well.clone();
    before.rotates = false;
    stage.lists.put_secret(before);
    stage.lists.put_secret_unlisted(well.clone());
    assert_eq!(rules(&stage.report().await), [""; 0], "turned on since");
    stage.lists.forget_secret(&arn);
    let report = stage.report().await;
    assert_eq!(rules(&report), [""; 0], "made since, or of another account");
    assert!(report.is_complete());
    stage.lists.break_list(ListName::Secret, Break::Refused);
    let report = stage.report().await;
    assert_eq!(rules(&report), [""; 0], "nobody knows");
    assert!(!report.coverage.is_whole(&Source::Secrets));
}

/// The keys of a slot that cannot be read are no strangers, and what was found of it before may still be so.
#[tokio::test]
async fn what_a_damaged_item_hides_is_neither_fixed_nor_a_stranger() {
    let mut stage = all_well().await;
    stage
        .change("bot", |slot| slot.expected_assumed = true)
        .await;
    assert_eq!(rules(&stage.report().await), ["cap-default"]);
    stage
        .change("bot", |slot| slot.expected_assumed = false)
        .await;
    stage.census.damage(Damaged {
        key: OutsideText::new("SLOT#bot/VERSION#broken"),
        slot: Some("bot".parse().unwrap()),
        why: OutsideText::new("missing field `state`"),
    });
    stage.order.period = stage.order.period.after();
    let report = stage.report().await;
    assert_eq!(
        standings(&report, "cap-default"),
        BTreeSet::from([Standing::NotSeen])
    );
    let bot = Source::Slot("bot".parse().unwrap());
    assert!(report.coverage.of(&bot).is_some() && !report.is_complete());
    assert!(report.coverage.is_whole(&Source::Inventory));
    stage.census.hide_slot("bot");
    let report = stage.report().await;
    assert_eq!(
        rules(&report),
        ["cap-default", "inventory-row-damaged"],
        "handle-1 is no stranger"
    );
    assert!(!report.coverage.is_whole(&Source::Inventory));
}

/// What two slots share is not let go of by an item that cannot be read, whichever of the two it is of.
#[tokio::test]
async fn what_is_shared_with_a_slot_that_was_not_read_whole_is_not_called_fixed() {
    for damaged in ["bot", "canary"] {
        let mut stage = all_well().await;
        let secret = secret_of(&stage, "bot").await;
        stage.change("canary", |slot| slot.secret = secret).await;
        assert_eq!(
            rules(&stage.report().await),
            ["secret-shared", "secret-untagged"]
        );
        let own = well("canary", ProviderName::OpenRouter, "k").0.secret;
        stage.change("canary", |slot| slot.secret = own).await;
        stage.census.damage(Damaged {
            key: OutsideText::new(&format!("SLOT#{damaged}/VERSION#broken")),
            slot: Some(damaged.parse().unwrap()),
            why: OutsideText::new("missing field `state`"),
        });
        stage.order.period = stage.order.period.after();
        let report = stage.report().await;
        let expected = BTreeSet::from([Standing::NotSeen]);
        assert_eq!(standings(&report, "secret-shared"), expected, "{damaged}");
        stage.census.mend();
        let expected = BTreeSet::from([Standing::Fixed]);
        assert_eq!(
            standings(&stage.report().await, "secret-shared"),
            expected,
            "{damaged}"
        );
    }
}

/// Where keys are listed project by project, the report says that other projects were not looked at.
#[tokio::test]
async fn where_no_slot_lives_nobody_looked() {
    let mut stage = all_well().await;
    let openai = Listed::of(ProviderName::OpenAi, Vec::new());
    stage.account("openai-main", openai);
    let report = stage.report().await;
    let elsewhere = Source::Places(account("openai-main"));
    assert!(!report.coverage.is_whole(&elsewhere));
    assert!(report.coverage.of(&elsewhere).is_some());
    assert!(
        report
            .coverage
            .absent()
            .any(|(source, _)| *source == elsewhere)
    );
    assert_eq!(
        report.coverage.of(&Source::Places(account(OPENROUTER))),
        None
    );
}

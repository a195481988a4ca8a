//! The field cases of audits, by id.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::alarm::{AlarmMetric, AlarmState};
use keyward_core::model::audit::{Seen, Source, Standing};
use keyward_core::model::finding::About;
use keyward_core::model::kill_alarm::FoundAlarm;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::slot::{ProviderName, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Census, Damaged, Gone, KeyOwner, KeyRecord, ListError, ListPage, ListedAlarm, ListedSecret,
    Named, PageToken, ProviderError, SlotRows,
};
use keyward_core::rules::alarms::set_up;
use serde_json::Value;

use crate::stage::{Listed, Stage, ago, case, found, now, record, rules, seen, well};

/// An inventory that is scanned as a case's file says: pages, each with rows, or an error.
struct Scanned {
    pages: Mutex<Vec<Page>>,
    slots: BTreeMap<SlotName, Slot>,
}

#[derive(Clone)]
enum Page {
    Rows(Vec<Named>, Option<PageToken>),
    /// So many times, then what is behind it.
    Throttled(u32),
}

impl Scanned {
    fn new(pages: &[Value]) -> Self {
        let mut slots = BTreeMap::new();
        let pages = pages.iter().enumerate().map(|(at, page)| {
            let Some(rows) = page["Items"].as_array() else {
                return Page::Throttled(u32::MAX);
            };
            let named = rows.iter().map(|row| {
                let named = slot_of(row);
                if let Ok(slot) = &named {
                    slots.insert(slot.name.clone(), slot.clone());
                }
                named.map_or_else(Named::Damaged, |slot| Named::Slot(slot.name))
            });
            let named = named.collect();
            let has_more = page.get("LastEvaluatedKey").is_some();
            Page::Rows(named, has_more.then(|| PageToken((at + 1).to_string())))
        });
        let pages = pages.collect();
        Self {
            pages: Mutex::new(pages),
            slots,
        }
    }
}

/// A row of a case's file as a slot. A number that stands there as a text is one all the same.
fn slot_of(row: &Value) -> Result<Slot, Damaged> {
    let name = row["agent_id"]["S"].as_str().unwrap();
    let text = |field: &str| row[field]["S"].as_str();
    let needed = ["provider", "key_id", "secret_arn", "owner", "created_at"];
    let missing = needed.into_iter().find(|field| text(field).is_none());
    let days = row["rotation_days"]["N"]
        .as_str()
        .or_else(|| text("rotation_days"));
    let why = match (missing, days.and_then(|days| days.parse::<u32>().ok())) {
        (None, Some(_)) => None,
        (Some(field), _) => Some(format!("`{field}` is missing")),
        (None, None) => Some("`rotation_days` is no number".to_owned()),
    };
    match why {
        None => Ok(well(name, ProviderName::OpenRouter, "handle").0),
        Some(why) => Err(Damaged {
            key: OutsideText::new(name),
            slot: None,
            why: OutsideText::new(&why),
        }),
    }
}

#[async_trait]
impl Census for Scanned {
    async fn names(&self, after: Option<&PageToken>) -> Result<ListPage<Named>, ListError> {
        let at: usize = after.map_or(0, |token| token.0.parse().unwrap());
        let mut pages = self.pages.lock().unwrap();
        match &mut pages[at] {
            Page::Rows(items, next) => Ok(ListPage {
                items: items.clone(),
                next: next.clone(),
            }),
            Page::Throttled(left) if *left > 0 => {
                *left -= 1;
                let why = "ProvisionedThroughputExceededException";
                Err(ListError::Unavailable(OutsideText::new(why)))
            }
            Page::Throttled(_) => Ok(ListPage {
                items: Vec::new(),
                next: None,
            }),
        }
    }

    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, ListError> {
        Ok(self.slots.get(name).cloned())
    }

    async fn admin(&self, _: &AccountName) -> Result<Option<AdminRecord>, ListError> {
        Ok(None)
    }

    async fn rows(&self, name: &SlotName) -> Result<SlotRows, ListError> {
        Ok(SlotRows {
            slot: self.slots.get(name).cloned(),
            ..SlotRows::default()
        })
    }
}

fn scanned(file: &str) -> Stage {
    let case = case(file);
    let pages = case.as_array().or_else(|| case["pages"].as_array());
    let pages = pages.cloned().unwrap_or_else(|| vec![case.clone()]);
    let mut stage = Stage::new();
    stage.ports.census = Arc::new(Scanned::new(&pages));
    let keys = vec![record("handle", "agent")];
    stage.account(
        "openrouter-main",
        Listed::of(ProviderName::OpenRouter, keys),
    );
    stage
}

fn slots(report: &keyward_core::model::audit::AuditReport) -> Vec<&str> {
    report.slots.iter().map(|line| line.slot.as_str()).collect()
}

#[tokio::test]
async fn a_01_an_empty_page_with_more_behind_it_ends_nothing() {
    let report = scanned("A-01-scan-pages.json").report().await;
    assert_eq!(slots(&report), ["agent-a", "agent-z"]);
    assert_eq!(seen(&report, &Source::Inventory), Seen::Whole);
}

#[tokio::test]
async fn a_03_a_damaged_row_is_a_finding_and_the_rest_is_audited() {
    let report = scanned("A-03-ragged-items.json").report().await;
    assert_eq!(slots(&report), ["agent-ok", "agent-strnum"]);
    let damaged = found(&report, "inventory-row-damaged");
    let about: Vec<String> = damaged
        .iter()
        .map(|e| e.finding.about.to_string())
        .collect();
    assert_eq!(about, ["agent-bare", "agent-noowner", "agent-null"]);
    let evidence = damaged[1].finding.evidence.as_str();
    assert!(evidence.contains("`owner` is missing"), "{evidence}");
}

#[tokio::test]
async fn a_05_a_throttled_scan_is_tried_again_and_never_called_whole() {
    let stage = scanned("A-05-throttled-scan.json");
    let report = stage.report().await;
    let read = seen(&report, &Source::Inventory);
    assert!(
        matches!(&read, Seen::Part { why } if why.as_str().contains("ProvisionedThroughput")),
        "{read:?}"
    );
    assert!(!report.is_complete());
    assert_eq!(slots(&report), ["agent-a"], "what was read is told");
    assert!(
        found(&report, "key-not-in-inventory").is_empty(),
        "it may be of a slot that was not read"
    );
    assert!(found(&report, "kill-switch-not-drilled").is_empty());
    let case = case("A-05-throttled-scan.json");
    let once = Scanned::new(case["pages"].as_array().unwrap());
    once.pages.lock().unwrap()[1] = Page::Throttled(1);
    let mut stage = scanned("A-05-throttled-scan.json");
    stage.ports.census = Arc::new(once);
    let report = stage.report().await;
    assert_eq!(seen(&report, &Source::Inventory), Seen::Whole);
}

/// The same event twice: one report, which says the same.
#[tokio::test]
async fn a_06_one_period_has_one_report() {
    let events = case("A-06-scheduled-event-twice.json");
    let mut stage = Stage::new();
    stage.account(
        "openrouter-main",
        Listed::of(ProviderName::OpenRouter, vec![record("stray", "laptop")]),
    );
    let mut texts = Vec::new();
    for event in events.as_array().unwrap() {
        let at: Timestamp = event["time"].as_str().unwrap().parse().unwrap();
        stage.order.period = keyward_core::model::audit::Period::of(at);
        let done = stage.audit().await.unwrap();
        assert_eq!(done.files, ["2026-12/report.json"]);
        let stray = found(&done.report, "key-not-in-inventory");
        assert_eq!(stray[0].standing, Standing::New);
        texts.push(stage.audits.file("2026-12/report.json").unwrap().text);
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(stage.audits.places().len(), 1);
    assert_eq!(stage.audits.remembered().past.len(), 1);
}

/// The keys of a page of Anthropic's list.
fn anthropic(file: &str) -> Vec<KeyRecord> {
    let page = case(file);
    let rows = page["data"].as_array().unwrap().iter();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    rows.map(|row| record(&text(row, "id"), &text(row, "name")))
        .collect()
}

#[tokio::test]
async fn a_09_every_page_of_a_list_is_read_and_a_lost_one_is_said() {
    let pages = [
        "A-09-anthropic-keys-page1.json",
        "A-09-anthropic-keys-page2.json",
    ];
    let mut stage = Stage::new();
    let keys = Source::Keys("anthropic-main".parse().unwrap());
    let mut listed = Listed::of(ProviderName::Anthropic, Vec::new());
    listed.pages = pages.map(|page| Ok(anthropic(page))).into();
    stage.account("anthropic-main", listed);
    let report = stage.report().await;
    assert_eq!(found(&report, "key-not-in-inventory").len(), 21);
    assert_eq!(
        (report.totals.listed, seen(&report, &keys)),
        (21, Seen::Whole)
    );
    stage
        .slot("billing", ProviderName::Anthropic, "apikey_EXAMPLE0021")
        .await;
    let mut listed = Listed::of(ProviderName::Anthropic, anthropic(pages[0]));
    listed.pages.push(Err(ProviderError::RetryAfter {
        after: None,
        detail: OutsideText::new("overloaded"),
    }));
    stage.account("anthropic-main", listed);
    let report = stage.report().await;
    assert!(matches!(seen(&report, &keys), Seen::Part { .. }));
    assert_eq!(
        found(&report, "key-gone-at-provider").len(),
        0,
        "it may be on the page that was lost"
    );
    let strangers = found(&report, "key-not-in-inventory").into_iter();
    let standing: Vec<Standing> = strangers.map(|e| e.standing).collect();
    let not_seen = standing.iter().filter(|s| **s == Standing::NotSeen).count();
    assert_eq!(
        (standing.len(), not_seen),
        (21, 1),
        "of the one on the lost page nobody knows"
    );
}

#[tokio::test]
async fn a_10_a_deleted_key_is_nobodys_and_not_missing() {
    let list = case("A-10-google-list-with-deleted.json");
    let mut listed = Listed::of(ProviderName::Gemini, Vec::new());
    for row in list["keys"].as_array().unwrap() {
        let handle = row["name"].as_str().unwrap();
        let label = row["displayName"].as_str().unwrap();
        match row["deleteTime"].as_str() {
            None => listed.pages = vec![Ok(vec![record(handle, label)])],
            Some(deleted) => {
                let deleted: Timestamp = deleted.parse().unwrap();
                listed.gone.push(Gone {
                    handle: handle.parse().unwrap(),
                    label: OutsideText::new(label),
                    until: Some(deleted + SignedDuration::from_hours(30 * 24)),
                });
            }
        }
    }
    let mut stage = Stage::new();
    let chat = listed.gone[0].handle.to_string();
    let Ok(keys) = &listed.pages[0] else {
        panic!("a page of keys")
    };
    let billing = keys[0].handle.to_string();
    stage
        .slot("agent-billing", ProviderName::Gemini, &billing)
        .await;
    stage.drilled("agent-billing").await;
    stage.account("gemini-main", listed);
    let report = stage.report().await;
    assert_eq!(
        rules(&report),
        [""; 0],
        "a deleted key of nobody's is told of nowhere"
    );
    assert_eq!(report.totals.listed, 1);
    stage.slot("chat", ProviderName::Gemini, &chat).await;
    let report = stage.report().await;
    assert_eq!(rules(&report), ["key-gone-at-provider"]);
    let evidence = report.findings[0].finding.evidence.as_str();
    assert!(
        evidence.contains("can be brought back until 2026-12-20"),
        "{evidence}"
    );
}

#[tokio::test]
async fn a_12_a_provider_that_cannot_be_read_has_no_missing_keys_and_is_not_clean() {
    let answers = case("A-12-one-provider-unreadable.json");
    let mut stage = Stage::new();
    for (name, provider) in [
        ("openai", ProviderName::OpenAi),
        ("anthropic", ProviderName::Anthropic),
        ("google", ProviderName::Gemini),
    ] {
        let detail = OutsideText::new(&answers[name]["body"]["error"]["message"].to_string());
        let listed = match answers[name]["status"].as_u64().unwrap() {
            200 => Listed::of(provider, Vec::new()),
            401 => Listed::failing(provider, ProviderError::AdminCredential { detail }),
            _ => Listed::failing(
                provider,
                ProviderError::RetryAfter {
                    after: None,
                    detail,
                },
            ),
        };
        stage.account(&format!("{provider}-main"), listed);
        stage
            .slot(&format!("bot-{provider}"), provider, "handle")
            .await;
    }
    stage.drilled("bot-openai").await;
    let report = stage.report().await;
    assert_eq!(rules(&report), ["key-gone-at-provider"]);
    let gone = &report.findings[0].finding;
    assert_eq!(gone.about, About::Slot("bot-openai".parse().unwrap()));
    for account in ["anthropic-main", "gemini-main"] {
        let read = seen(&report, &Source::Keys(account.parse().unwrap()));
        assert!(matches!(read, Seen::Not { .. }), "{account}: {read:?}");
    }
    assert!(!report.is_complete());
}

#[tokio::test]
async fn a_13_whose_a_key_is_and_whether_it_works_and_was_used_are_findings_apart() {
    let rows = case("A-13-openai-key-rows.json");
    let mut stage = Stage::new();
    let mut keys = Vec::new();
    for (row, slot) in rows["data"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["agent-billing", "laptop"])
    {
        let id = row["id"].as_str().unwrap();
        let moment = |field: &str| {
            let second = row[field].as_i64()?;
            Some(Timestamp::from_second(second).unwrap())
        };
        let key = KeyRecord {
            // As the driver reads it: see its own tests.
            suspended: (row["owner_project_access"] == "inactive").then_some(true),
            owner: match row["owner"]["type"].as_str() {
                Some("user") => KeyOwner::Person,
                _ => KeyOwner::Service,
            },
            created: moment("created_at"),
            last_used: moment("last_used_at"),
            ..record(id, row["name"].as_str().unwrap())
        };
        stage.slot(slot, ProviderName::OpenAi, id).await;
        keys.push(key);
    }
    stage.drilled("agent-billing").await;
    stage.account("openai-main", Listed::of(ProviderName::OpenAi, keys));
    let report = stage.report().await;
    assert_eq!(
        rules(&report),
        [
            "key-never-used",
            "key-of-a-person",
            "key-refused-at-provider"
        ]
    );
    let slots = report.findings.iter().map(|e| e.finding.about.to_string());
    assert!(slots.into_iter().all(|slot| slot == "laptop"));
}

#[tokio::test]
async fn k_33_an_alarm_that_can_never_fire_is_told_of_and_so_is_a_slot_without_one() {
    let alarms = case("K-33-describe-alarms.json");
    let mut stage = Stage::new();
    let mut mapped = Vec::new();
    for row in alarms["MetricAlarms"].as_array().unwrap() {
        let text = |field: &str| row[field].as_str().unwrap();
        let dimension = &row["Dimensions"][0];
        let dimensions = [(
            dimension["Name"].as_str().unwrap(),
            dimension["Value"].as_str().unwrap(),
        )];
        let metric = AlarmMetric::new(text("Namespace"), text("MetricName"), &dimensions);
        let mut setup = set_up(metric, row["AlarmActions"][0].as_str());
        setup.is_enabled = row["ActionsEnabled"].as_bool().unwrap();
        stage.lists.put_alarm(ListedAlarm {
            alarm: FoundAlarm {
                arn: text("AlarmArn").parse().unwrap(),
                setup: Some(setup),
            },
            state: AlarmState::new(text("StateValue")),
            since: None,
        });
        let slot = dimensions[0].1;
        stage.slot(slot, ProviderName::OpenRouter, slot).await;
        mapped.push((text("AlarmName").to_owned(), slot.parse().unwrap()));
    }
    let keys = mapped
        .iter()
        .map(|(_, slot): &(String, SlotName)| record(slot.as_str(), "k"));
    stage.account(
        "openrouter-main",
        Listed::of(ProviderName::OpenRouter, keys.collect()),
    );
    stage.drilled("agent-billing").await;
    stage.order.deployment.map = mapped.into_iter().collect();
    let topic = alarms["MetricAlarms"][0]["AlarmActions"][0]
        .as_str()
        .unwrap();
    let ours = stage.order.deployment.topic.clone();
    stage.order.deployment.topic = keyward_core::model::kill_order::TopicArn::new(topic);
    let report = stage.report().await;
    let told = found(&report, "alarm-guards-nothing").into_iter();
    let told: Vec<String> = told
        .map(|e| format!("{} {}", e.finding.about, e.finding.evidence.as_str()))
        .collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].contains("agent-chat-spend its metric gets no data"),
        "{told:?}"
    );
    assert!(
        told[1].contains("agent-search-spend its actions are turned off"),
        "{told:?}"
    );
    assert_eq!(
        found(&report, "slot-unguarded").len(),
        3,
        "theirs tell another topic: {ours:?}"
    );
}

#[tokio::test]
async fn r_30_a_rotation_that_is_overdue_is_a_finding() {
    let case = case("R-30-overdue-rotation.json");
    let secret = &case["describe_secret"];
    let moment = |field: &str| {
        let second = secret[field].as_f64().unwrap() as i64;
        Some(Timestamp::from_second(second).unwrap())
    };
    let mut stage = Stage::new();
    let slot = stage
        .slot("billing", ProviderName::OpenRouter, "handle")
        .await;
    stage.drilled("billing").await;
    let keys = vec![record("handle", "billing")];
    stage.account(
        "openrouter-main",
        Listed::of(ProviderName::OpenRouter, keys),
    );
    assert_eq!(rules(&stage.report().await), [""; 0]);
    stage.lists.put_secret(ListedSecret {
        arn: slot.secret.clone(),
        rotates: secret["RotationEnabled"].as_bool().unwrap(),
        created: moment("CreatedDate"),
        last_rotated: moment("LastRotatedDate"),
        next_rotation: moment("NextRotationDate"),
        deleted: None,
        slot: Some(OutsideText::new("billing")),
        current: None,
        pending: None,
    });
    let report = stage.report().await;
    assert_eq!(rules(&report), ["rotation-overdue"]);
    let finding = &report.findings[0].finding;
    assert_eq!(finding.since, moment("NextRotationDate"));
    assert!(finding.since < Some(now()) && ago(1) < now());
    assert_eq!(
        finding.command.as_ref().unwrap().as_str(),
        "keyward rotate billing --wait"
    );
}

//! Whole audits: of a deployment in which all is well, of one with every source broken, twice, and cut off.

use jiff::SignedDuration;
use keyward_core::model::SCHEMA;
use keyward_core::model::act::{Act, ActId, CallerArn, Phase, Subject};
use keyward_core::model::audit::{AcceptedRisk, AuditReport, Seen, Source, Standing};
use keyward_core::model::key::ApiKey;
use keyward_core::model::slot::{Environment, Mode, ProviderName};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Acts, BedrockCredential, Damaged, Fence, Inventory, ListedSecret};
use keyward_testkit::memory::{Break, ListName};

use crate::stage::{Stage, ago, all_well, at, found, now, rules, seen};

#[tokio::test]
async fn where_all_is_well_everything_was_read_and_nothing_is_found() {
    let stage = all_well().await;
    let report = stage.report().await;
    assert_eq!(rules(&report), [""; 0]);
    assert!(report.is_complete(), "{:?}", report.coverage);
    assert_eq!(
        (
            report.totals.slots,
            report.totals.keys,
            report.totals.listed
        ),
        (2, 2, 2)
    );
    let line = &report.slots[0];
    assert_eq!(
        (line.slot.as_str(), line.age_days, line.max_age_days),
        ("bot", Some(10), 60)
    );
}

/// Each source that breaks off, at its first page or later: it is told, and nothing is called fixed that was not seen.
#[tokio::test]
async fn a_source_that_breaks_is_told_and_what_it_showed_before_is_not_fixed() {
    for (list, source, rule, page) in [
        (ListName::Secrets, Source::Secrets, "rotation-off", 1),
        (ListName::Alarms, Source::Alarms, "slot-unguarded", 1),
        (
            ListName::Functions,
            Source::Functions,
            "key-in-function-variables",
            1,
        ),
        (
            ListName::Iam,
            Source::Iam,
            "bedrock-user-behind-your-back",
            1,
        ),
        (ListName::People, Source::People, "owner-gone", 0),
        (
            ListName::Policies,
            Source::Policies,
            "secret-readable-widely",
            0,
        ),
    ] {
        let stage = all_well().await;
        break_all(&stage).await;
        let before = stage.report().await;
        assert!(
            !found(&before, rule).is_empty(),
            "{rule}: {:?}",
            rules(&before)
        );
        assert!(before.is_complete());
        for how in [Break::Refused, Break::ForEver(page)] {
            stage.lists.break_list(list, how);
            let report = stage.report().await;
            assert_ne!(seen(&report, &source), Seen::Whole, "{list:?} {how:?}");
            let standing: Vec<Standing> = found(&report, rule).iter().map(|e| e.standing).collect();
            let is_kept = standing
                .iter()
                .all(|s| [Standing::NotSeen, Standing::New].contains(s));
            assert!(!standing.is_empty() && is_kept, "{rule}: {standing:?}");
        }
        stage.lists.break_list(list, Break::Times(page, 2));
        let report = stage.report().await;
        assert!(
            report.is_complete(),
            "{list:?}: what is not answered twice is asked for again"
        );
    }
}

/// One of each fault around the slots.
async fn break_all(stage: &Stage) {
    stage.lists.put_function(
        "arn:aws:lambda:us-east-1:111122223333:function:bot",
        &[("LOG", "info"), ("KEY", "sk-EXAMPLE0123456789abcdef")],
    );
    stage.lists.put_credential(BedrockCredential {
        user: OutsideText::new("BedrockAPIKey-EXAMPLE"),
        id: OutsideText::new("ACCAEXAMPLE"),
        created: Some(ago(3)),
        expires: None,
    });
    stage.lists.leaves(&"ana@example.com".parse().unwrap());
    let slot = stage.inventory.all_slots().remove(0);
    let wide = r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Principal": "*"}]}"#;
    stage.lists.put_policy(&slot.secret, wide);
    let (slot, version) = crate::stage::well("third", ProviderName::OpenRouter, "handle-1x");
    let created = stage.inventory.create_slot(&slot, Some(&version));
    created.await.unwrap();
    stage.lists.put_secret(ListedSecret {
        arn: slot.secret.clone(),
        rotates: false,
        created: Some(ago(100)),
        last_rotated: None,
        next_rotation: None,
        deleted: None,
        slot: Some(OutsideText::new("third")),
        current: Some(version.id.secret_version),
        pending: None,
    });
}

#[tokio::test]
async fn each_fault_is_found_once_and_fixed_when_it_is_mended() {
    let mut stage = all_well().await;
    break_all(&stage).await;
    stage
        .change("bot", |slot| slot.environment = Environment::Prod)
        .await;
    stage
        .change("canary", |slot| {
            slot.mode = Mode::Observe;
            slot.mode_since = Some(ago(20));
        })
        .await;
    let report = stage.report().await;
    assert_eq!(
        rules(&report),
        [
            "bedrock-user-behind-your-back",
            "key-gone-at-provider",
            "key-in-function-variables",
            "owner-gone",
            "owner-gone",
            "owner-gone",
            "rotation-off",
            "secret-readable-widely",
            "slot-observes",
            "slot-unguarded",
        ]
    );
    assert!(report.findings.iter().all(|e| e.standing == Standing::New));
    assert_eq!(
        report.findings[0].finding.gravity.as_str(),
        "critical",
        "the worst first"
    );
    stage
        .change("canary", |slot| slot.mode = Mode::Enforce)
        .await;
    stage.order.period = "2026-12".parse().unwrap();
    let report = stage.report().await;
    let observes = found(&report, "slot-observes");
    assert_eq!(observes[0].standing, Standing::Fixed);
    let others = report
        .findings
        .iter()
        .filter(|e| e.standing == Standing::Open);
    assert_eq!(others.count(), 9);
    assert_eq!((report.past.len(), report.past[0].open.total()), (1, 10));
}

#[tokio::test]
async fn a_key_in_a_variable_is_told_with_the_slot_that_it_is_of_and_never_shown() {
    let stage = all_well().await;
    let text = "sk-EXAMPLE-bot-handle-1-0123456789";
    let slot = stage.inventory.all_slots().remove(0);
    let mut version = stage.inventory.all_versions().remove(0);
    assert_eq!(version.slot, slot.name);
    version.fingerprint = Some(ApiKey::new(text).fingerprint());
    let inventory = stage.inventory.clone();
    let saved = inventory.save_versions(std::slice::from_ref(&version), Fence::None);
    saved.await.unwrap();
    let json = format!("{{\"openrouter\": \"{text}\"}}");
    let function = "arn:aws:lambda:us-east-1:111122223333:function:bot";
    stage.lists.put_function(function, &[("CONFIG", &json)]);
    let report = stage.report().await;
    assert_eq!(rules(&report), ["key-in-function-variables"]);
    let finding = &report.findings[0].finding;
    assert_eq!(finding.slot.as_ref(), Some(&slot.name));
    let said = serde_json::to_string(&report).unwrap();
    assert!(
        !said.contains(text) && said.contains("a key of bot"),
        "{said}"
    );
}

/// Variables that nobody could decrypt are no variables without keys.
#[tokio::test]
async fn variables_that_cannot_be_decrypted_were_not_seen() {
    let stage = all_well().await;
    let arn = |name: &str| format!("arn:aws:lambda:us-east-1:111122223333:function:{name}");
    let key = "sk-EXAMPLE0123456789abcdef01";
    let clear = arn("clear");
    stage.lists.put_function(&clear, &[("OPENAI_API_KEY", key)]);
    let before = stage.report().await;
    assert_eq!(rules(&before), ["key-in-function-variables"]);
    stage.lists.put_encrypted_function(&arn("bot"));
    stage.lists.put_encrypted_function(&arn("other"));
    let report = stage.report().await;
    let seen = report.coverage.of(&Source::Functions).expect("a source");
    assert!(matches!(seen, Seen::Part { .. }), "{seen:?}");
    let why = seen.why().expect("not whole").as_str();
    assert!(why.contains("2 functions"), "{why}");
    assert!(why.contains("function:bot: AccessDeniedException"), "{why}");
    assert_eq!(rules(&report), ["key-in-function-variables"]);
    assert!(!report.is_complete());
}

/// A published version keeps its variables after they were taken out of what is edited.
#[tokio::test]
async fn a_key_in_an_old_version_of_a_function_is_told_with_the_version() {
    let stage = all_well().await;
    let arn = "arn:aws:lambda:us-east-1:111122223333:function:bot";
    let key = |end: &str| format!("sk-EXAMPLE0123456789abcdef{end}");
    let (old, both) = (key("01"), key("02"));
    for version in [Some("4"), Some("3"), None] {
        let mut variables = vec![("BOTH", both.as_str())];
        if version.is_some() {
            variables.push(("OLD", old.as_str()));
        }
        stage.lists.put_version(arn, version, &variables);
    }
    let report = stage.report().await;
    let said: Vec<&str> = report
        .findings
        .iter()
        .map(|entry| entry.finding.evidence.as_str())
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    let holds = "holds what looks like a key of a provider";
    assert!(said.contains(&format!("its variable BOTH {holds}").as_str()));
    assert!(said.contains(&format!("its variable OLD of version 3 {holds}").as_str()));
}

#[tokio::test]
async fn a_damaged_item_of_a_slot_hides_none_of_its_others() {
    let stage = all_well().await;
    stage.census.damage(Damaged {
        key: OutsideText::new("SLOT#bot/VERSION#broken"),
        slot: Some("bot".parse().unwrap()),
        why: OutsideText::new("missing field `state`"),
    });
    let report = stage.report().await;
    assert_eq!(rules(&report), ["inventory-row-damaged"]);
    assert_eq!(report.totals.slots, 2);
    stage.census.mend();
    let report = stage.report().await;
    assert_eq!(report.findings[0].standing, Standing::Fixed);
}

#[tokio::test]
async fn an_audit_that_is_cut_off_tells_all_of_its_news_again() {
    let stage = all_well().await;
    break_all(&stage).await;
    stage.audits.fail();
    let error = stage.audit().await.unwrap_err();
    assert!(error.is_retryable());
    assert!(stage.audits.remembered().entries.is_empty());
    stage.audits.fail();
    let report = stage.report().await;
    assert!(report.findings.iter().all(|e| e.standing == Standing::New));
}

#[tokio::test]
async fn what_somebody_answers_for_is_accepted_until_its_day() {
    let stage = all_well().await;
    break_all(&stage).await;
    let report = stage.report().await;
    let off = found(&report, "rotation-off")[0].finding.id;
    stage.audits.accept(AcceptedRisk {
        schema: SCHEMA,
        finding: off,
        owner: "ana@example.com".parse().unwrap(),
        reason: OutsideText::new("moves in December"),
        until: now() + SignedDuration::from_hours(24),
    });
    let report = stage.report().await;
    let accepted = found(&report, "rotation-off")[0];
    assert_eq!(accepted.standing, Standing::Accepted);
    assert_eq!(
        accepted.accepted.as_ref().unwrap().owner.as_str(),
        "ana@example.com"
    );
    stage.clock.advance(SignedDuration::from_hours(25));
    let mut stage = stage;
    stage.order.deadline.0 = at(&stage.clock) + SignedDuration::from_mins(15);
    let report = stage.report().await;
    assert_eq!(
        found(&report, "rotation-off")[0].standing,
        Standing::CameBack
    );
}

#[tokio::test]
async fn what_people_did_in_the_period_is_in_the_report() {
    let stage = all_well().await;
    let act = |id: &str, at: &str| Act {
        schema: SCHEMA,
        id: ActId::new(id),
        phase: Phase::Ended,
        at: at.parse().unwrap(),
        caller: CallerArn::new("arn:aws:iam::111122223333:role/ops"),
        operation: OutsideText::new("enforce"),
        reason: OutsideText::new("learned enough"),
        subject: Subject::Slot("bot".parse().unwrap()),
        state: serde_json::json!({"mode": "enforce"}),
        outcome: Some(OutsideText::new("done")),
    };
    for (id, at) in [
        ("in", "2026-11-02T00:00:00Z"),
        ("before", "2026-10-31T23:59:59Z"),
    ] {
        stage.inventory.append(&act(id, at)).await.unwrap();
    }
    let report = stage.report().await;
    let acts: Vec<&str> = report.acts.iter().map(|act| act.id.as_str()).collect();
    assert_eq!(acts, ["in"]);
}

/// What is written is what the schema says, with findings of every standing and sources that were not read.
#[tokio::test]
async fn a_report_is_valid_by_its_schema() {
    let validator = jsonschema::validator_for(&AuditReport::json_schema()).unwrap();
    let mut stage = all_well().await;
    for month in ["2026-11", "2026-12"] {
        stage.order.period = month.parse().unwrap();
        let report = serde_json::to_value(stage.report().await).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        if month == "2026-11" {
            break_all(&stage).await;
            stage.lists.break_list(ListName::Iam, Break::Refused);
        }
    }
    assert!(!validator.is_valid(&serde_json::json!({"schema": 1})));
}

/// Out of time: what was not read is said, and a report is kept all the same.
#[tokio::test]
async fn without_time_a_report_says_what_was_not_read() {
    let mut stage = all_well().await;
    stage.order.deadline.0 = now() + SignedDuration::from_secs(30);
    let report = stage.report().await;
    assert!(!report.is_complete());
    assert!(
        report.coverage.iter().all(|(_, seen)| !seen.is_whole()),
        "{:?}",
        report.coverage
    );
    assert_eq!(rules(&report), [""; 0]);
    assert_eq!(stage.audits.places().len(), 1);
}

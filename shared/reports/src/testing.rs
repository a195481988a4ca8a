//! A report with something of everything in it, hostile names too.

use jiff::Timestamp;
use keyward_core::model::SCHEMA;
use keyward_core::model::act::{Act, ActId, CallerArn, Phase, Subject};
use keyward_core::model::alert::Command;
use keyward_core::model::audit::{
    AcceptedRisk, AuditReport, Counts, Coverage, Entry, History, PastAudit, Seen, SlotLine, Source,
    Standing, Totals,
};
use keyward_core::model::finding::{About, Finding, FindingId};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::{Environment, ProviderName, SlotState};
use keyward_core::model::text::{AlertText, OutsideText};
use keyward_core::rules::audit::RULES;

use crate::Place;

/// What names of others may hold: markup, a formula, control characters and marks that turn text around.
pub(crate) const HOSTILE: &str =
    "=HYPERLINK(\"http://x\")<script>alert(1)</script>\r\n\u{202e}'\"&\u{7}";

pub(crate) fn now() -> Timestamp {
    "2026-12-01T06:00:00Z".parse().unwrap()
}

pub(crate) fn place() -> Place {
    Place {
        partition: "aws".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
    }
}

/// One finding of every rule, its standing in turn.
fn entries() -> Vec<Entry> {
    let slot = "support-bot".parse().unwrap();
    let first = "2026-11-01T06:00:00Z".parse().unwrap();
    let entries = RULES.iter().enumerate().map(|(at, rule)| {
        let standing = Standing::ALL[at % Standing::ALL.len()];
        let about = match at % 4 {
            0 => About::Row(OutsideText::new(HOSTILE)),
            1 => About::Function(OutsideText::new(
                "arn:aws:lambda:us-east-1:111122223333:function:f",
            )),
            2 => About::User(OutsideText::new("BedrockAPIKey-EXAMPLE")),
            _ => About::Slot("support-bot".parse().unwrap()),
        };
        let id = FindingId::new(&rule.id, &about, "");
        let is_accepted = standing == Standing::Accepted;
        Entry {
            finding: Finding {
                id,
                rule: rule.id.clone(),
                gravity: rule.gravity,
                about,
                slot: Some("support-bot".parse().unwrap()),
                owner: Some("ana@example.com".parse().unwrap()),
                evidence: AlertText::new(&format!("{HOSTILE} was seen")),
                since: (at % 2 == 0).then_some(first),
                command: (at % 3 == 0).then(|| Command::about("rotate", &slot).with("--wait")),
                sources: vec![Source::Inventory],
            },
            standing,
            first_seen: first,
            first_period: "2026-11".parse().unwrap(),
            last_seen: now(),
            fixed_in: (standing == Standing::Fixed).then(|| "2026-12".parse().unwrap()),
            back_in: None,
            accepted: is_accepted.then(|| AcceptedRisk {
                schema: SCHEMA,
                finding: id,
                owner: "ana@example.com".parse().unwrap(),
                reason: OutsideText::new(HOSTILE),
                until: "2027-01-01T00:00:00Z".parse().unwrap(),
            }),
        }
    });
    entries.collect()
}

fn slot(name: &str, spent: Option<u64>, age: Option<u32>) -> SlotLine {
    SlotLine {
        slot: name.parse().unwrap(),
        agent: name.parse().unwrap(),
        owner: "ana@example.com".parse().unwrap(),
        environment: Environment::Prod,
        provider: ProviderName::OpenRouter,
        account: "openrouter-main".parse().unwrap(),
        state: SlotState::Active,
        age_days: age,
        max_age_days: 60,
        spent: spent.map(MicroDollars::from_dollars),
        expected: MicroDollars::from_dollars(300),
        normal_day: None,
        cap: MicroDollars::from_dollars(390),
    }
}

pub(crate) fn report() -> AuditReport {
    let mut coverage = Coverage::default();
    coverage.put(Source::Inventory, Seen::Whole);
    coverage.put(Source::Iam, Seen::not(HOSTILE));
    coverage.put(
        Source::Keys("openai-main".parse().unwrap()),
        Seen::part("page 3 was lost"),
    );
    let open = Counts {
        critical: 1,
        high: 2,
        medium: 0,
        low: 5,
    };
    AuditReport {
        schema: AuditReport::SCHEMA,
        history: History::Known,
        stack: OutsideText::new("prod"),
        period: "2026-12".parse().unwrap(),
        made: now(),
        coverage,
        totals: Totals {
            slots: 3,
            keys: 4,
            listed: 5,
        },
        findings: entries(),
        slots: vec![
            slot("support-bot", Some(400), Some(61)),
            slot(
                "a-slot-with-a-name-that-is-longer-than-its-place-in-the-chart",
                Some(10),
                Some(3),
            ),
            slot("unseen", None, None),
        ],
        past: vec![PastAudit {
            period: "2026-11".parse().unwrap(),
            open,
        }],
        acts: vec![Act {
            schema: SCHEMA,
            id: ActId::new("act-1"),
            phase: Phase::Ended,
            at: now(),
            caller: CallerArn::new("arn:aws:iam::111122223333:role/ops"),
            operation: OutsideText::new("enforce"),
            reason: OutsideText::new(HOSTILE),
            subject: Subject::Fleet,
            state: serde_json::json!({}),
            outcome: Some(OutsideText::new("done")),
        }],
    }
}

/// What is about everything there is, in every standing, with names as hostile and as long as they can come.
pub(crate) fn large() -> AuditReport {
    let small = report();
    let long = "x".repeat(500);
    let turned = "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{202e}gnp.exe\u{2066}";
    let names = [
        HOSTILE,
        "=cmd|'/c calc'!A1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\ttab",
        "\rreturn",
        "\u{ff1d}1",
        "</script><img src=x onerror=alert(1)>",
        "\u{0}\u{1b}[31mred\u{85}\u{2028}",
        turned,
        "",
        " ",
        &long,
    ];
    let abouts = |name: &str| {
        let text = || OutsideText::new(name);
        let account = "openai-main".parse().unwrap();
        let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/a-a1B2c3";
        [
            About::Row(text()),
            About::Function(text()),
            About::User(text()),
            About::Alarm(text()),
            About::Reader(text()),
            About::Slot("support-bot".parse().unwrap()),
            About::Secret(arn.parse().unwrap()),
            About::Account(account),
            About::Deployment,
        ]
    };
    let mut findings = Vec::new();
    for (at, rule) in RULES.iter().enumerate() {
        for (turn, standing) in Standing::ALL.into_iter().enumerate() {
            let name = names[(at + turn) % names.len()];
            for about in abouts(name) {
                let pattern = &small.findings[at];
                let id = FindingId::new(&rule.id, &about, standing.as_str());
                let risk = AcceptedRisk {
                    schema: SCHEMA,
                    finding: id,
                    owner: "ana@example.com".parse().unwrap(),
                    reason: OutsideText::new(name),
                    until: "2027-01-01T00:00:00Z".parse().unwrap(),
                };
                let finding = Finding {
                    id,
                    about,
                    evidence: AlertText::new(name),
                    ..pattern.finding.clone()
                };
                findings.push(Entry {
                    finding,
                    standing,
                    accepted: (standing == Standing::Accepted).then_some(risk),
                    ..pattern.clone()
                });
            }
        }
    }
    AuditReport {
        findings,
        ..many_slots()
    }
}

/// A fleet as there are many: sixty slots, two years of audits.
pub(crate) fn many_slots() -> AuditReport {
    let slots = (0..60_u32).map(|n| {
        let spent = (n % 7 != 3).then(|| u64::from(n * n) * 7 % 520);
        slot(
            &format!("agent-{n:02}-openai-prod"),
            spent,
            (n % 9 != 5).then_some(n * 11 % 70),
        )
    });
    let past = (1..=24_u32).map(|n| PastAudit {
        period: format!("{}-{:02}", 2024 + (n + 10) / 12, (n + 10) % 12 + 1)
            .parse()
            .unwrap(),
        open: Counts {
            critical: n % 4,
            high: 3 + n * 5 % 11,
            medium: n % 6,
            low: 20 - n / 2,
        },
    });
    let small = report();
    AuditReport {
        slots: small.slots.iter().cloned().chain(slots).collect(),
        past: past.collect(),
        totals: Totals {
            slots: 63,
            keys: 70,
            listed: 81,
        },
        made: "2026-12-20T06:00:00Z".parse().unwrap(),
        ..small
    }
}

/// A report of nothing at all.
pub(crate) fn empty() -> AuditReport {
    AuditReport {
        coverage: Coverage::default(),
        totals: Totals::default(),
        findings: Vec::new(),
        slots: Vec::new(),
        past: Vec::new(),
        acts: Vec::new(),
        ..report()
    }
}

use std::collections::BTreeSet;

use keyward_core::model::audit::{AuditReport, Standing};
use keyward_core::rules::audit::RULES;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::published::rows;
use super::testing::{empty, place, report};
use super::*;

#[test]
fn every_file_is_written_and_a_report_of_nothing_too() {
    for report in [report(), empty()] {
        let files: Vec<ReportFile> = renders(&place()).iter().map(|r| r(&report)).collect();
        let names: BTreeSet<&str> = files.iter().map(|file| file.name).collect();
        assert_eq!(names.len(), 6);
        for file in &files {
            assert!(!file.text.is_empty(), "{}", file.name);
            assert!(!file.text.contains(['\u{202e}', '\u{7}']), "{}", file.name);
            if file.name.ends_with("json") || file.name.ends_with("sarif") {
                serde_json::from_str::<Value>(&file.text).unwrap();
            }
        }
        let json = files
            .iter()
            .find(|file| file.name == "report.json")
            .unwrap();
        let back: AuditReport = serde_json::from_str(&json.text).unwrap();
        assert_eq!(back, report, "nothing is lost");
        let written = files
            .iter()
            .find(|file| file.name == "findings.sarif")
            .unwrap();
        let written: Value = serde_json::from_str(&written.text).unwrap();
        assert_eq!(
            written,
            sarif(&report),
            "written piece by piece it is the same"
        );
    }
}

#[test]
fn no_cell_is_a_formula_and_every_row_is_whole() {
    let report = report();
    let rows = rows(&csv(&report)).unwrap();
    assert_eq!(rows.len(), report.findings.len() + 1);
    for row in &rows {
        assert_eq!(row.len(), rows[0].len());
        for cell in row {
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']),
                "{cell}"
            );
        }
    }
    let evidence = rows[0].iter().position(|cell| cell == "evidence").unwrap();
    assert!(
        rows[1][evidence].starts_with("'=HYPERLINK(\"http://x\")"),
        "{}",
        rows[1][evidence]
    );
}

#[test]
fn sarif_has_every_rule_and_says_what_was_not_seen() {
    let report = report();
    let log = sarif(&report);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RULES.len());
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), report.findings.len());
    let mut prints = BTreeSet::new();
    for (result, entry) in results.iter().zip(&report.findings) {
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        assert!(prints.insert(result["partialFingerprints"]["keywardFinding/v1"].to_string()));
        let is_accepted = entry.standing == Standing::Accepted;
        assert_eq!(result.get("suppressions").is_some(), is_accepted);
        let absent = result["baselineState"] == "absent";
        assert_eq!(absent, entry.standing == Standing::Fixed);
    }
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let unseen = invocation["toolExecutionNotifications"].as_array().unwrap();
    assert_eq!(unseen.len(), 2);
    assert_eq!(
        sarif(&empty())["runs"][0]["invocations"][0]["executionSuccessful"],
        true
    );
}

/// The lengths and words that the format allows:
/// <https://docs.aws.amazon.com/securityhub/latest/userguide/asff-required-attributes.html>.
#[test]
fn asff_keeps_to_its_lengths_and_words() {
    let report = report();
    let here = place();
    let findings: Vec<Value> = asff(&report, &here).collect();
    assert_eq!(findings.len(), report.findings.len());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for (finding, entry) in findings.iter().zip(&report.findings) {
        assert_eq!(finding["SchemaVersion"], "2018-10-08");
        assert!(text(&finding["Id"]).len() <= 512);
        assert_eq!(
            finding["ProductArn"],
            "arn:aws:securityhub:us-east-1:111122223333:product/111122223333/default"
        );
        assert!((1..=256).contains(&text(&finding["Title"]).chars().count()));
        assert!((1..=1024).contains(&text(&finding["Description"]).chars().count()));
        let mend = text(&finding["Remediation"]["Recommendation"]["Text"]);
        assert!((1..=512).contains(&mend.chars().count()), "{mend}");
        let labels = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];
        assert!(labels.contains(&text(&finding["Severity"]["Label"]).as_str()));
        let provided = &finding["FindingProviderFields"];
        assert_eq!(provided["Severity"], finding["Severity"]);
        assert_eq!(provided["Types"], finding["Types"]);
        let fields = finding["ProductFields"].as_object().unwrap();
        assert!(fields.len() <= 50 && fields.values().all(|v| !text(v).is_empty()));
        let resource = &finding["Resources"][0];
        assert!(
            !text(&resource["Type"]).is_empty() && text(&resource["Id"]).chars().count() <= 512
        );
        for moment in [
            "CreatedAt",
            "UpdatedAt",
            "FirstObservedAt",
            "LastObservedAt",
        ] {
            assert!(text(&finding[moment]).ends_with('Z'), "{moment}");
        }
        let is_fixed = entry.standing == Standing::Fixed;
        assert_eq!(finding["RecordState"] == "ARCHIVED", is_fixed);
        let is_unseen = entry.standing == Standing::NotSeen;
        assert_eq!(
            finding["Compliance"]["Status"] == "NOT_AVAILABLE",
            is_unseen
        );
    }
}

/// What the class asks for: <https://schema.ocsf.io/1.3.0/classes/compliance_finding>.
#[test]
fn ocsf_has_what_its_class_asks_for() {
    let report = report();
    for event in ocsf(&report, &place()) {
        let number = |name: &str| event[name].as_u64().unwrap();
        assert_eq!((number("category_uid"), number("class_uid")), (2, 2003));
        assert_eq!(number("type_uid"), 200_300 + number("activity_id"));
        assert!((1..=3).contains(&number("activity_id")));
        assert!((2..=5).contains(&number("severity_id")));
        assert_eq!(event["time"], report.made.as_millisecond());
        assert_eq!(event["metadata"]["version"], "1.3.0");
        assert_eq!(event["metadata"]["product"]["vendor_name"], "Keyward");
        assert!(event["finding_info"]["uid"].is_string());
        assert!(
            event["compliance"]["standards"]
                .as_array()
                .unwrap()
                .iter()
                .all(Value::is_string)
        );
        assert!((1..=3).contains(&event["compliance"]["status_id"].as_u64().unwrap()));
        assert!(event["remediation"]["desc"].is_string());
    }
}

fn hash(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = Sha256::digest(text.as_bytes());
    let mut out = String::from("sha256-");
    for group in digest.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for letter in 0..4 {
            let is_there = letter <= group.len();
            let index = (bits >> (18 - 6 * letter)) & 63;
            out.push(if is_there {
                LETTERS[index as usize] as char
            } else {
                '='
            });
        }
    }
    out
}

/// Between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[test]
fn the_page_runs_its_own_script_and_nothing_else() {
    let page = html(&report());
    assert_eq!(
        hash(between(&page, "<style>", "</style>")),
        html::STYLE_HASH
    );
    assert_eq!(
        hash(between(&page, "<script>", "</script>")),
        html::SCRIPT_HASH
    );
    let policy = between(
        &page,
        "http-equiv=\"Content-Security-Policy\" content=\"",
        "\"",
    );
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains(html::STYLE_HASH) && policy.contains(html::SCRIPT_HASH));
    assert_eq!(page.matches("<script").count(), 1);
    for forbidden in [
        " style=",
        " onload=",
        " onclick=",
        " src=",
        " href=",
        "innerHTML",
        "eval(",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn the_page_says_first_that_it_is_incomplete() {
    let page = html(&report());
    let alert = page.find("role=\"alert\"").unwrap();
    assert!(alert < page.find("<h2").unwrap());
    assert!(page.contains("INCOMPLETE") && page.contains("page 3 was lost"));
    let page = html(&empty());
    assert!(!page.contains("INCOMPLETE") && page.contains("Nothing was found in what was read"));
    assert!(!page.contains("Not seen"), "all of it was read");
    let mut unlooked = empty();
    let elsewhere = keyward_core::model::audit::Source::Places("openai-main".parse().unwrap());
    let why = keyward_core::model::audit::Seen::absent("listed project by project");
    unlooked.coverage.put(elsewhere, why);
    let page = html(&unlooked);
    let said = between(
        &page,
        "<p>Not seen, since it is not set up to be read",
        "</ul>",
    );
    assert!(
        said.contains("the keys of openai-main where no slot lives: listed project by project"),
        "{said}"
    );
    assert!(!page.contains("Everything that there was to read"));
}

#[test]
fn every_chart_says_in_words_what_it_shows() {
    let page = html(&report());
    let said: Vec<&str> = page
        .split("<p class=\"soft\" id=\"c-")
        .skip(1)
        .map(|said| between(said, ">", "</p>"))
        .collect();
    assert_eq!(said.len(), 4);
    assert_eq!(page.matches("aria-describedby=\"c-").count(), 4);
    assert!(said[0].contains("2026-11: 8 (1 critical"), "{said:?}");
    assert!(
        said[1].contains("1 of 2 current keys are older"),
        "{said:?}"
    );
    assert!(said[1].contains("slots without a key: 1"), "{said:?}");
    assert!(
        said[2].contains("1 of 2 slots are at their month's limit"),
        "{said:?}"
    );
    assert!(
        said[2].contains("slots of which nothing was seen: 1"),
        "{said:?}"
    );
    // Of the first day of 31, a normal month of $300 is $9.67.
    assert!(
        said[3].contains("1 of 2 slots spent 150% or more"),
        "{said:?}"
    );
    assert!(said[3].contains("by day 1 of 31"), "{said:?}");
}

/// What is learned from a slot's use counts before what people said of it.
#[test]
fn normal_is_what_was_learned_or_else_what_was_said() {
    let mut learned = report();
    let said = |report: &AuditReport| {
        let page = html(report);
        let chart = between(&page, "id=\"c-normal\">", "</p>").to_owned();
        let table = page.split("id=\"h-slots\"").nth(1).unwrap().to_owned();
        (chart, table)
    };
    let (chart, table) = said(&learned);
    assert!(
        chart.starts_with("1 of 2 slots") && chart.contains("of 0 that is learned"),
        "{chart}"
    );
    assert!(table.contains("$300"), "{table}");
    for slot in &mut learned.slots {
        slot.normal_day = slot.spent;
    }
    let (chart, _) = said(&learned);
    assert!(
        chart.starts_with("0 of 2 slots") && chart.contains("of 2 that is learned"),
        "{chart}"
    );
    let json = serde_json::to_value(&learned.slots[0]).unwrap();
    assert!(
        json["normal_day"].is_u64() || json["normal_day"].is_string(),
        "{json}"
    );
}

/// What is known to Security Hub has a workflow that its users alone move on; what is fixed is archived there.
#[test]
fn a_finding_tells_security_hub_how_work_on_it_begins_and_never_how_it_goes_on() {
    let report = report();
    let here = place();
    for (finding, entry) in asff(&report, &here).zip(&report.findings) {
        let workflow = finding.get("Workflow").map(|workflow| &workflow["Status"]);
        let (expected, state) = match entry.standing {
            Standing::New => (Some("NEW"), "ACTIVE"),
            Standing::Accepted => (Some("SUPPRESSED"), "ACTIVE"),
            Standing::CameBack | Standing::Open | Standing::NotSeen => (None, "ACTIVE"),
            Standing::Fixed => (None, "ARCHIVED"),
        };
        assert_eq!(
            workflow.and_then(Value::as_str),
            expected,
            "{}",
            entry.standing
        );
        assert_eq!(finding["RecordState"], state, "{}", entry.standing);
    }
}

/// A key as old as its policy allows is not older than it; and what a chart has no room for is not in it.
#[test]
fn charts_keep_to_their_room_and_to_the_policy() {
    let mut old = report();
    old.slots[0].age_days = Some(60);
    assert!(html(&old).contains("0 of 2 current keys are older"));
    let many = testing::many_slots();
    let page = html(&many);
    let bars = between(&page, "aria-describedby=\"c-time\">", "</svg>");
    // Twelve months, and the year under the first.
    assert_eq!(
        bars.matches("class=\"mid under\"").count(),
        12 + 1,
        "{bars}"
    );
    for chart in ["c-caps", "c-normal"] {
        let lines = between(&page, &format!("aria-describedby=\"{chart}\">"), "</svg>");
        assert_eq!(lines.matches("class=\"end\"").count(), 10, "{lines}");
    }
}

/// A table that is too long for a browser says that it is cut.
#[test]
fn a_page_of_many_findings_is_cut_and_says_so() {
    let mut many = report();
    let one = many.findings[0].clone();
    many.findings = std::iter::repeat_n(one, html::MOST_ROWS + 1).collect();
    let page = html(&many);
    assert_eq!(page.matches("<tr data-gravity").count(), html::MOST_ROWS);
    assert!(page.contains(&format!(
        "The first {} of {}",
        html::MOST_ROWS,
        html::MOST_ROWS + 1
    )));
    assert_eq!(rows(&csv(&many)).unwrap().len(), html::MOST_ROWS + 2);
}

//! Every file of a report against the schema that its format publishes: `schemas/README.md` says from where.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::testing::{empty, large, place, report};
use super::*;

/// A format: the file that has it, its schema, and how one finding is reached in it.
struct Format {
    file: &'static str,
    schema: &'static str,
    /// What its schema is of: the whole file, or each item of its list.
    of: Of,
}

#[derive(PartialEq)]
enum Of {
    File,
    /// Lists of so many at most.
    Batches,
    Items,
}

const FORMATS: [Format; 4] = [
    Format {
        file: "report.json",
        schema: include_str!("../report.schema.json"),
        of: Of::File,
    },
    Format {
        file: "findings.sarif",
        schema: include_str!("../schemas/sarif-2.1.0.json"),
        of: Of::File,
    },
    Format {
        file: "findings.asff.json",
        schema: include_str!("../schemas/asff-2018-10-08.json"),
        of: Of::Batches,
    },
    Format {
        file: "findings.ocsf.json",
        schema: include_str!("../schemas/ocsf-1.3.0-compliance_finding.json"),
        of: Of::Items,
    },
];

impl Format {
    fn validator(&self) -> Validator {
        let schema = serde_json::from_str(self.schema).unwrap();
        jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    }

    /// What its schema is asked of, one after the other.
    fn parts(&self, report: &AuditReport) -> Vec<Value> {
        let text = file(report, self.file);
        let whole: Value = serde_json::from_str(&text).unwrap();
        let items = |whole: &Value| whole.as_array().unwrap().clone();
        match self.of {
            Of::File => vec![whole],
            Of::Batches => items(&whole)
                .chunks(BATCH)
                .map(|batch| json!(batch))
                .collect(),
            Of::Items => items(&whole),
        }
    }
}

fn file(report: &AuditReport, name: &str) -> String {
    let files = renders(&place());
    let mut files = files.iter().map(|render| render(report));
    files.find(|file| file.name == name).unwrap().text
}

#[test]
fn every_file_keeps_to_its_published_schema() {
    for format in &FORMATS {
        let validator = format.validator();
        for (name, report) in [("small", report()), ("empty", empty()), ("large", large())] {
            for part in format.parts(&report) {
                let mut errors = validator.iter_errors(&part);
                if let Some(error) = errors.next() {
                    let at = error.instance_path();
                    panic!("{}, {name} report: {at}: {error}", format.file);
                }
            }
        }
        let many = format.parts(&large()).len();
        assert_eq!(many > 1, format.of != Of::File, "{}", format.file);
    }
}

/// What was changed for the worse, by file: where, and to what (`Null` takes it away).
fn spoiled() -> Vec<(&'static str, &'static str, Value)> {
    let long = |most: usize| json!("x".repeat(most + 1));
    vec![
        ("report.json", "/findings/0/standing", json!("forgotten")),
        ("report.json", "/period", json!("2026-13")),
        ("report.json", "/findings", Value::Null),
        ("findings.sarif", "/version", json!("2.0.0")),
        ("findings.sarif", "/runs/0/tool", Value::Null),
        ("findings.sarif", "/runs/0/results/0/level", json!("fatal")),
        ("findings.sarif", "/runs/0/results/0/message", Value::Null),
        (
            "findings.sarif",
            "/runs/0/results/0/baselineState",
            json!("fixed"),
        ),
        ("findings.sarif", "/runs/0/results/0/extra", json!(1)),
        (
            "findings.sarif",
            "/runs/0/invocations/0/endTimeUtc",
            json!("today"),
        ),
        ("findings.asff.json", "/0/Id", long(512)),
        ("findings.asff.json", "/0/Title", long(256)),
        ("findings.asff.json", "/0/Description", json!(" ")),
        ("findings.asff.json", "/0/Description", long(1024)),
        ("findings.asff.json", "/0/AwsAccountId", json!("1111")),
        ("findings.asff.json", "/0/CreatedAt", json!("2026-12-01")),
        ("findings.asff.json", "/0/Resources", Value::Null),
        ("findings.asff.json", "/0/Severity/Label", json!("SEVERE")),
        ("findings.asff.json", "/1/Workflow/Status", json!("DONE")),
        ("findings.asff.json", "/0/Compliance/Status", json!("OK")),
        ("findings.asff.json", "/0/RecordState", json!("GONE")),
        (
            "findings.asff.json",
            "/0/Remediation/Recommendation/Text",
            long(512),
        ),
        (
            "findings.asff.json",
            "/0/ProductFields/keyward~1Rule",
            long(2048),
        ),
        ("findings.asff.json", "/0/Extra", json!("x")),
        ("findings.ocsf.json", "/class_uid", json!(2004)),
        ("findings.ocsf.json", "/type_uid", json!(200_399_999)),
        ("findings.ocsf.json", "/activity_id", json!(7)),
        ("findings.ocsf.json", "/status_id", json!(7)),
        ("findings.ocsf.json", "/time", json!("2026-12-01T06:00:00Z")),
        ("findings.ocsf.json", "/metadata/product", Value::Null),
        ("findings.ocsf.json", "/finding_info/uid", Value::Null),
        ("findings.ocsf.json", "/compliance", Value::Null),
        ("findings.ocsf.json", "/cloud/provider", Value::Null),
        ("findings.ocsf.json", "/extra", json!(1)),
    ]
}

fn spoil(whole: &mut Value, path: &str, value: Value) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/");
    let parent = whole.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => assert!(parent.remove(&name).is_some(), "{path} is not there"),
        value => {
            parent.insert(name, value);
        }
    }
}

/// The schemas bite: each of these is refused, and for nothing else than what was changed.
#[test]
fn a_spoiled_file_is_refused() {
    let report = report();
    for format in &FORMATS {
        let validator = format.validator();
        let whole = format.parts(&report).remove(0);
        assert!(validator.is_valid(&whole), "{}", format.file);
        let mine = spoiled().into_iter();
        let mine: Vec<_> = mine.filter(|(file, ..)| *file == format.file).collect();
        assert!(!mine.is_empty(), "{}", format.file);
        for (file, path, value) in mine {
            let mut spoiled = whole.clone();
            spoil(&mut spoiled, path, value.clone());
            let is_valid = validator.is_valid(&spoiled);
            assert!(!is_valid, "{file}: {path} as {value} was not refused");
        }
    }
}

/// What the formats claim to be, in their own words.
#[test]
fn each_format_names_the_version_that_it_was_checked_by() {
    let sarif: Value = serde_json::from_str(&file(&report(), "findings.sarif")).unwrap();
    let schema = |at: usize| serde_json::from_str::<Value>(FORMATS[at].schema).unwrap();
    assert_eq!(sarif["$schema"], schema(1)["id"]);
    let id = schema(3)["$id"].as_str().unwrap().to_owned();
    for event in FORMATS[3].parts(&report()) {
        let version = event["metadata"]["version"].as_str().unwrap();
        let of = format!("https://schema.ocsf.io/schema/{version}/classes/compliance_finding");
        assert_eq!(id.split('?').next(), Some(of.as_str()));
        assert_eq!(
            event["metadata"]["profiles"],
            json!(["cloud"]),
            "as in {id}"
        );
    }
}

/// Neither control characters nor marks that turn text around are in a file, as they are or escaped.
#[test]
fn no_control_character_is_in_any_file() {
    let report = large();
    let is_bad = |letter: char| {
        let is_line = matches!(letter, '\n' | '\r');
        (letter.is_control() && !is_line)
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
            || ('\u{202a}'..='\u{202e}').contains(&letter)
            || ('\u{2066}'..='\u{2069}').contains(&letter)
    };
    for render in renders(&place()) {
        let file = render(&report);
        let bad = file.text.chars().find(|letter| is_bad(*letter));
        assert_eq!(bad, None, "{}", file.name);
        // JSON may hold them in another way.
        if file.media_type.contains("json") {
            let whole: Value = serde_json::from_str(&file.text).unwrap();
            let mut texts = Vec::new();
            collect(&whole, &mut texts);
            for text in texts {
                let bad = text
                    .chars()
                    .find(|c| is_bad(*c) || matches!(c, '\n' | '\r'));
                assert_eq!(bad, None, "{}: {text:?}", file.name);
            }
        }
    }
}

fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.iter().for_each(|(name, item)| {
            texts.push(name);
            collect(item, texts);
        }),
        _ => {}
    }
}

/// Rows by the letter of RFC 4180, and nothing beside it: <https://www.rfc-editor.org/rfc/rfc4180>.
pub(crate) fn rows(csv: &str) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let mut rest = csv;
    while !rest.is_empty() {
        let mut row = Vec::new();
        loop {
            let (cell, after) = cell(rest).map_err(|e| format!("row {}: {e}", rows.len()))?;
            row.push(cell);
            rest = after;
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest
            .strip_prefix("\r\n")
            .ok_or(format!("row {} does not end in a line break", rows.len()))?;
        rows.push(row);
    }
    let columns = rows.first().map_or(0, Vec::len);
    match rows.iter().position(|row| row.len() != columns) {
        Some(at) => Err(format!(
            "row {at} has {} cells of {columns}",
            rows[at].len()
        )),
        None => Ok(rows),
    }
}

/// The cell that a text begins with, and what is behind it.
fn cell(text: &str) -> Result<(String, &str), String> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\r', '\n', '"']).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut cell = String::new();
    loop {
        let end = rest.find('"').ok_or("a quotation is not closed")?;
        cell.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                cell.push('"');
                rest = next;
            }
            None => return Ok((cell, rest)),
        }
    }
}

#[test]
fn a_strict_reader_finds_every_row_of_the_table() {
    for report in [report(), empty(), large()] {
        let rows = rows(&csv(&report)).unwrap();
        assert_eq!(rows.len(), report.findings.len() + 1);
        let id = rows[0].iter().position(|cell| cell == "id").unwrap();
        for (row, entry) in rows[1..].iter().zip(&report.findings) {
            assert_eq!(row[id], entry.finding.id.to_string());
            for cell in row {
                let is_formula = cell
                    .trim_start()
                    .starts_with(['=', '+', '-', '@', '\u{ff1d}']);
                assert!(!is_formula, "{cell:?}");
                assert!(!cell.contains(char::is_control), "{cell:?}");
            }
        }
    }
    for broken in [
        "\"a\"b\"\r\n",
        "\"a\"\n",
        "\"a",
        "a\"b\r\n",
        "a,b\r\nc\r\n",
        "a",
    ] {
        assert!(rows(broken).is_err(), "{broken:?}");
    }
}

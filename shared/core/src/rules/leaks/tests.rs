use serde_json::json;

use super::*;

const KEY: &str = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef";

/// Where something was found, and what is shown of it.
type Told = (String, &'static str);

/// What each find is, in words; a key is told by whether it is the one of these tests.
fn told(report: &str) -> Result<(Scanner, Vec<Told>), ReportError> {
    let print = ApiKey::new(KEY).fingerprint();
    let (scanner, leaks) = read(report)?;
    let told = leaks.into_iter().map(|leak| {
        let shown = match leak.shown {
            Shown::Text(text) => {
                let mut candidates = text.candidates().into_iter();
                match candidates.any(|key| key.fingerprint() == print) {
                    true => "the key",
                    false => "another text",
                }
            }
            Shown::At { .. } => "a line",
            Shown::Hidden => "hidden",
        };
        (leak.place.to_string(), shown)
    });
    Ok((scanner, told.collect()))
}

fn gitleaks_entry(secret: &str, commit: &str) -> Value {
    json!({
        "Description": "OpenRouter", "RuleID": "openrouter-api-key", "File": "src/app.py",
        "StartLine": 12, "EndLine": 12, "StartColumn": 8, "EndColumn": 80, "Commit": commit,
        "Match": format!("KEY = \"{secret}\""), "Secret": secret, "SymlinkFile": "", "Entropy": 4.5,
        "Author": "", "Email": "", "Date": "", "Message": "", "Tags": [], "Fingerprint": "x",
    })
}

#[test]
fn gitleaks_is_read_and_what_it_hides_is_looked_up_where_it_stands() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let report = json!([
        gitleaks_entry(KEY, ""),
        gitleaks_entry(KEY, commit),
        gitleaks_entry("REDACTED", ""),
        gitleaks_entry("REDACTED", commit),
    ]);
    let (scanner, leaks) = told(&report.to_string()).unwrap();
    assert_eq!(scanner, Scanner::Gitleaks);
    let place = "src/app.py:12 (gitleaks: openrouter-api-key)";
    let of_commit = "src/app.py:12, commit 0123456789ab (gitleaks: openrouter-api-key)";
    let expected = [
        (place, "the key"),
        (of_commit, "the key"),
        (place, "a line"),
        (of_commit, "hidden"),
    ];
    assert_eq!(leaks, expected.map(|(place, is)| (place.to_owned(), is)));
    assert_eq!(told("[]").unwrap(), (Scanner::Gitleaks, vec![]));
}

#[test]
fn trufflehog_is_read_line_by_line_past_its_log() {
    let found = json!({
        "SourceMetadata": {"Data": {"Git": {"commit": "0123456789abcdef0123", "file": "a/b.env", "line": 3}}},
        "SourceName": "trufflehog - git", "DetectorType": 1, "DetectorName": "OpenRouter",
        "DecoderName": "PLAIN", "Verified": true, "Raw": KEY, "RawV2": "", "Redacted": "",
    });
    let log = json!({"level": "info-0", "ts": "2026-11-28T00:00:00Z", "msg": "finished scanning"});
    for report in [
        format!("{log}\n{found}\n\n{log}\n"),
        found.to_string(),
        json!([found]).to_string(),
    ] {
        let (scanner, leaks) = told(&report).unwrap();
        assert_eq!(scanner, Scanner::TruffleHog);
        let place = "a/b.env:3, commit 0123456789ab (trufflehog: OpenRouter)".to_owned();
        assert_eq!(leaks, [(place, "the key")]);
    }
    assert_eq!(told(&log.to_string()), Err(ReportError::Unknown));
    let cut = format!("{found}\n{}", &found.to_string()[..40]);
    let scanner = "trufflehog";
    assert_eq!(told(&cut), Err(ReportError::Damaged { scanner, at: 2 }));
}

#[test]
fn a_baseline_of_detect_secrets_has_places_only() {
    let report = json!({
        "version": "1.5.0", "plugins_used": [{"name": "OpenAIDetector"}], "filters_used": [],
        "results": {"src/app.py": [
            {"type": "OpenAI Token", "filename": "src/app.py", "hashed_secret": "ab", "is_verified": false, "line_number": 12},
        ]},
        "generated_at": "2026-11-28T00:00:00Z",
    });
    let (scanner, leaks) = told(&report.to_string()).unwrap();
    assert_eq!(scanner, Scanner::DetectSecrets);
    let place = "src/app.py:12 (detect-secrets: OpenAI Token)".to_owned();
    assert_eq!(leaks, [(place, "a line")]);
}

#[test]
fn sarif_is_read_by_its_snippets_or_by_where_they_stand() {
    let result = |snippet: Option<&str>| {
        let region = json!({"startLine": 12, "snippet": snippet.map(|text| json!({"text": text}))});
        json!({"ruleId": "openrouter", "message": {"text": "found"}, "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": "file:///repo/app.py"}, "region": region}},
        ]})
    };
    let results = [result(Some(KEY)), result(Some("REDACTED")), result(None)];
    let report = json!({"version": "2.1.0", "runs": [{"results": results}, {"tool": {}}]});
    let (scanner, leaks) = told(&report.to_string()).unwrap();
    assert_eq!(scanner, Scanner::Sarif);
    let shown: Vec<&str> = leaks.iter().map(|(_, is)| *is).collect();
    assert_eq!(shown, ["the key", "a line", "a line"]);
    assert_eq!(leaks[0].0, "/repo/app.py:12 (SARIF: openrouter)");
}

#[test]
fn a_partners_notice_is_read() {
    let url = "https://github.com/octocat/Hello-World/blob/main/foo/bar.txt";
    let report = json!([{"token": KEY, "type": "openrouter_key", "url": url, "source": "content"}]);
    let (scanner, leaks) = told(&report.to_string()).unwrap();
    assert_eq!(scanner, Scanner::GitHubNotice);
    assert_eq!(
        leaks,
        [(format!("{url} (GitHub: openrouter_key)"), "the key")]
    );
}

#[test]
fn what_cannot_be_read_is_never_empty() {
    for report in [
        "",
        "{}",
        "[1]",
        "[{}]",
        "no report",
        "{\"results\": {}}",
        "12",
        KEY,
    ] {
        assert_eq!(told(report), Err(ReportError::Unknown), "{report}");
    }
    let mut damaged = gitleaks_entry(KEY, "");
    damaged.as_object_mut().unwrap().remove("Secret");
    let report = json!([gitleaks_entry(KEY, ""), damaged]).to_string();
    let scanner = "gitleaks";
    assert_eq!(told(&report), Err(ReportError::Damaged { scanner, at: 2 }));
}

/// A file may be called by a key, and a rule by one.
#[test]
fn no_place_holds_a_key() {
    let mut entry = gitleaks_entry(KEY, "");
    entry["File"] = json!(format!("keys/{KEY}/{KEY}.txt"));
    entry["RuleID"] = json!(KEY);
    let (_, leaks) = told(&json!([entry]).to_string()).unwrap();
    assert!(!leaks[0].0.contains("0123456789ab"), "{}", leaks[0].0);
    assert!(leaks[0].0.starts_with("keys/"), "{}", leaks[0].0);
}

#[test]
fn a_text_is_one_find_a_line() {
    let leaks = of_text(&format!("\n{KEY}\r\n\nKEY={KEY}\n"));
    assert_eq!(leaks.len(), 2);
    assert_eq!(leaks[1].place.as_str(), "line 2 of the input");
}

#[test]
fn a_place_is_shown_whole_and_keys_in_it_are_cut() {
    let hex = "0123456789abcdef".repeat(2);
    for (place, shown) in [
        (
            "src/authentication-and-authorisation/openrouter-client.py:12, commit 0123456789ab (gitleaks: openrouter-api-key)".to_owned(),
            None,
        ),
        ("https://github.com/octocat/Hello-World/blob/main/a.env".to_owned(), None),
        (format!("keys/{KEY}/a.txt"), Some("keys/sk-or-v1-EX…")),
        (
            format!("a/KEY={KEY} (gitleaks: x)"),
            Some("a/KEY=sk-or-v… (gitleaks: x)"),
        ),
        (
            "b/ABSKEXAMPLE0123456789abcdefgh/1x/2y".to_owned(),
            Some("b/ABSKEXAMPLE…"),
        ),
        (
            "c/AQ.EXAMPLE0123456789_abcdefgh".to_owned(),
            Some("c/AQ.EXAMPLE0…"),
        ),
        (format!("é/{hex}.env"), Some("é/0123456789a…")),
    ] {
        assert_eq!(place_without_keys(&place), shown.unwrap_or(&place));
    }
}

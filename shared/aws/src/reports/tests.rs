use std::collections::BTreeSet;

use keyward_core::model::names::Principal;
use keyward_core::ports::People;

use super::*;
use crate::recorded::{Answer, Recorded};

const BUCKET: &str = "prod-reports";

fn reports(answers: impl IntoIterator<Item = Answer>) -> (S3Reports, Recorded) {
    let recorded = Recorded::new(answers);
    let reports = S3Reports::new(&recorded.config(), BUCKET).owned_by("111122223333");
    (reports, recorded)
}

fn error(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    Answer::Body(status, body)
}

fn period() -> Period {
    "2026-11".parse().unwrap()
}

#[tokio::test]
async fn a_file_is_put_under_its_period_by_its_type_and_only_into_our_bucket() {
    let (reports, recorded) = reports([Answer::Body(200, String::new())]);
    let file = ReportFile {
        name: "report.html",
        media_type: "text/html; charset=utf-8",
        text: "<!doctype html>".to_owned(),
    };
    let place = reports.put(period(), file).await.unwrap();
    assert_eq!(place, "s3://prod-reports/audits/2026-11/report.html");
    let sent = &recorded.sent()[0];
    let line = "PUT https://prod-reports.s3.us-east-1.amazonaws.com/audits/2026-11/report.html";
    assert!(sent.line.starts_with(line), "{}", sent.line);
    assert_eq!(
        sent.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let owner = sent.header("x-amz-expected-bucket-owner");
    assert_eq!(owner, Some("111122223333"));
    let page = reports.page(period(), "report.html");
    let expected = "https://us-east-1.console.aws.amazon.com/s3/object/prod-reports?region=us-east-1&prefix=audits/2026-11/report.html";
    assert_eq!(page, expected);
    for (region, host) in [
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
        ("us-west-2", "console.aws.amazon.com"),
    ] {
        assert_eq!(console(region), host);
    }
}

#[tokio::test]
async fn a_ledger_is_replaced_only_where_it_is_what_was_read() {
    let json = serde_json::to_string(&Ledger::default()).unwrap();
    let (reports, recorded) = reports([
        Answer::Headed(200, ("etag", "\"one\""), json),
        Answer::Headed(200, ("etag", "\"two\""), String::new()),
    ]);
    let mut remembered = reports.ledger().await.unwrap();
    assert_eq!(remembered.ledger, Ledger::default());
    remembered.mark = reports.keep(&remembered).await.unwrap();
    assert_eq!(remembered.mark, Some(Mark("\"two\"".to_owned())));
    let kept = &recorded.sent()[1];
    assert_eq!(kept.header("if-match"), Some("\"one\""));
    assert_eq!(kept.body, serde_json::to_value(Ledger::default()).unwrap());
}

#[tokio::test]
async fn the_first_ledger_is_put_only_where_there_is_none() {
    let (reports, recorded) = reports([
        error(404, "NoSuchKey"),
        Answer::Headed(200, ("etag", "\"one\""), String::new()),
    ]);
    let first = reports.ledger().await.unwrap();
    assert_eq!(first, Remembered::default());
    reports.keep(&first).await.unwrap();
    assert_eq!(recorded.sent()[1].header("if-none-match"), Some("*"));
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_is_never_empty() {
    let other = r#"{"schema": 9, "entries": [], "past": []}"#.to_owned();
    let etag = ("etag", "\"one\"");
    let body = "<Error><Code>NoSuchKey</Code></Error>".to_owned();
    for (answer, retryable, said) in [
        (error(403, "AccessDenied"), false, "AccessDenied"),
        (error(404, "NoSuchBucket"), false, "NoSuchBucket"),
        (error(503, "SlowDown"), true, "SlowDown"),
        (Answer::TimedOut, true, "not answered"),
        (
            Answer::Headed(200, etag, "[]".to_owned()),
            false,
            "no ledger",
        ),
        (Answer::Headed(200, etag, other), false, "form 9"),
        (
            Answer::Body(200, serde_json::to_string(&Ledger::default()).unwrap()),
            false,
            "ETag",
        ),
        (
            Answer::Headed(404, ("x-amz-delete-marker", "true"), body),
            false,
            "was deleted",
        ),
    ] {
        let (reports, _) = reports([answer.clone()]);
        let error = reports.ledger().await.unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{answer:?}: {error}");
        assert!(error.to_string().contains(said), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn who_comes_too_late_is_told_unless_what_is_there_is_their_own() {
    let own = serde_json::to_string(&Ledger::default()).unwrap();
    let etag = ("etag", "\"two\"");
    let remembered = Remembered {
        ledger: Ledger::default(),
        mark: Some(Mark("\"one\"".to_owned())),
    };
    for code in OVERTAKEN {
        let there = Answer::Headed(200, etag, own.clone());
        let (reports, _) = reports([error(412, code), there]);
        let mark = reports.keep(&remembered).await.unwrap();
        assert_eq!(mark, Some(Mark("\"two\"".to_owned())), "{code}");
    }
    for (there, said) in [
        (Answer::Headed(200, etag, "{}".to_owned()), "another audit"),
        (error(404, "NoSuchKey"), "another audit"),
        (Answer::TimedOut, "not answered"),
    ] {
        let (reports, _) = reports([error(412, "PreconditionFailed"), there]);
        let lost = reports.keep(&remembered).await.unwrap_err();
        assert!(
            lost.is_retryable() && lost.to_string().contains(said),
            "{lost}"
        );
    }
    // Deleted since it was read.
    let (reports, _) = reports([error(404, "NoSuchKey")]);
    assert!(!reports.keep(&remembered).await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn who_has_left_is_what_the_export_says_and_no_export_is_no_directory() {
    let people: BTreeSet<Principal> = ["ana", "ben@example.com"]
        .map(|name| name.parse().unwrap())
        .into();
    let left = async |answer| reports([answer]).0.left(&people).await;
    let export = r#"["ben@example.com", "Somebody Else", "ANA"]"#.to_owned();
    let gone = left(Answer::Body(200, export)).await.unwrap().unwrap();
    assert_eq!(gone.len(), 1);
    assert!(gone.iter().all(|who| who.as_str() == "ben@example.com"));
    assert_eq!(left(error(404, "NoSuchKey")).await.unwrap(), None);
    for (answer, retryable) in [
        (Answer::Body(200, r#"{"left": []}"#.to_owned()), false),
        (Answer::Body(200, r#"["ana", null]"#.to_owned()), false),
        (Answer::Body(200, String::new()), false),
        (error(403, "AccessDenied"), false),
        (Answer::TimedOut, true),
    ] {
        let error = left(answer).await.unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{error}");
    }
}

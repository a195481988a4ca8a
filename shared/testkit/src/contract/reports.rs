//! What every [`ReportSink`] promises.

use keyward_core::model::audit::{Counts, PastAudit, Period};
use keyward_core::ports::{Remembered, ReportFile, ReportSink};

use super::{Check, checks};

/// The suite. It needs a sink of its own, in which nothing is yet; the checks build on each other.
pub const CHECKS: &[Check<dyn ReportSink>] = checks![dyn ReportSink:
    before_the_first_audit_nothing_is_remembered,
    of_two_first_audits_one_is_turned_away,
    what_is_kept_is_read_and_can_be_kept_again,
    who_read_an_older_state_is_turned_away_and_changes_nothing,
    a_file_that_is_put_again_is_in_the_same_place,
];

fn period() -> Period {
    "2026-11".parse().expect("a month")
}

/// What was read, with one audit more.
fn one_more(read: &Remembered) -> Remembered {
    let mut more = read.clone();
    more.ledger.past.push(PastAudit {
        period: period(),
        open: Counts {
            low: u32::try_from(more.ledger.past.len()).expect("few"),
            ..Counts::default()
        },
    });
    more
}

async fn read(sink: &dyn ReportSink) -> Remembered {
    sink.ledger().await.expect("read")
}

async fn before_the_first_audit_nothing_is_remembered(sink: &dyn ReportSink) {
    assert_eq!(read(sink).await, Remembered::default());
}

async fn of_two_first_audits_one_is_turned_away(sink: &dyn ReportSink) {
    let first = one_more(&read(sink).await);
    assert!(sink.keep(&first).await.expect("kept").is_some());
    let mut second = one_more(&one_more(&Remembered::default()));
    second.mark = None;
    let turned_away = sink.keep(&second).await.expect_err("there is one by now");
    assert!(turned_away.is_retryable(), "{turned_away}");
    assert_eq!(read(sink).await.ledger, first.ledger);
}

async fn what_is_kept_is_read_and_can_be_kept_again(sink: &dyn ReportSink) {
    let mut kept = one_more(&read(sink).await);
    kept.mark = sink.keep(&kept).await.expect("kept");
    assert_eq!(read(sink).await, kept);
    let again = one_more(&kept);
    let mark = sink
        .keep(&again)
        .await
        .expect("kept by the mark that was told");
    assert_ne!(mark, kept.mark, "another state has another mark");
}

async fn who_read_an_older_state_is_turned_away_and_changes_nothing(sink: &dyn ReportSink) {
    let older = read(sink).await;
    let newer = one_more(&older);
    sink.keep(&newer).await.expect("kept");
    let late = sink.keep(&one_more(&one_more(&older))).await;
    assert!(late.expect_err("it is older").is_retryable());
    assert_eq!(read(sink).await.ledger, newer.ledger);
}

async fn a_file_that_is_put_again_is_in_the_same_place(sink: &dyn ReportSink) {
    let file = |text: &str| ReportFile {
        name: "report.json",
        media_type: "application/json",
        text: text.to_owned(),
    };
    let first = sink.put(period(), file("{}")).await.expect("put");
    let second = sink.put(period(), file("[]")).await.expect("put");
    assert_eq!(first, second);
    assert!(first.ends_with("2026-11/report.json"), "{first}");
    let page = sink.page(period(), "report.json");
    assert!(
        page.starts_with("https://") && page.ends_with("2026-11/report.json"),
        "{page}"
    );
}

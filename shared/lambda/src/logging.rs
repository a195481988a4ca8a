//! Logs: JSON on standard output, one record a line.

use std::io::Write;

use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// Begins the targets of everything that Keyward itself logs.
const OWN: &str = "keyward";

/// Where the runtime opens the span that carries the request id; nothing else is logged there.
const INVOCATION_SPAN: &str = "lambda_runtime::layers::trace";

/// Where the runtime prints what a function returned as an error. [`crate::run`] has logged it by then.
const RETURNED_ERROR: &str = "lambda_runtime::layers::panic";

/// Sends all records of this process to standard output from now on, those of Keyward from `level` up, and reports
/// panics there too. A second call changes nothing.
pub fn install(level: Level) {
    let subscriber = subscriber(level, std::io::stdout);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(|panic| report_panic(panic.location())));
    }
}

/// What is logged: Keyward's own records from `level` up, of everything else warnings and errors at most.
///
/// An allow-list, because the runtime and the HTTP and SDK crates print events, headers and bodies at `trace` or
/// `debug`, and those hold credentials.
fn filter(level: Level) -> Targets {
    Targets::new()
        .with_default(level.min(Level::WARN))
        .with_target(OWN, level)
        .with_target(INVOCATION_SPAN, Level::INFO)
        .with_target(RETURNED_ERROR, LevelFilter::OFF)
}

fn subscriber<W>(level: Level, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let format = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .log_internal_errors(true)
        .with_writer(writer);
    tracing_subscriber::registry()
        .with(filter(level))
        .with(format)
}

/// Says where a panic happened, but not its message: a failed slice of a string, for one, quotes the string.
fn report_panic(location: Option<&std::panic::Location<'_>>) {
    let at = location.map_or_else(String::new, ToString::to_string);
    tracing::error!(at, "a panic ended the process");
    // The process may end right after this.
    std::io::stdout().flush().unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The records that `log` leaves at `level`, one for each line.
    fn records(level: Level, log: impl FnOnce()) -> Vec<Value> {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = subscriber(level, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = captured.0.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let outside = "support\n{\"level\":\"ERROR\"}\r\n\u{1b}[31m\"";
        let records = records(Level::INFO, || {
            let _span = tracing::info_span!("rotate", slot = outside).entered();
            tracing::warn!(owner = outside, "what\nhappened");
        });
        assert_eq!(records.len(), 1);
        let record = &records[0];
        assert_eq!(record["level"], "WARN");
        assert_eq!(record["message"], "what\nhappened");
        assert_eq!(record["owner"], outside);
        assert_eq!(record["spans"][0]["slot"], outside);
        assert!(record["timestamp"].is_string());
    }

    #[test]
    fn own_records_follow_the_level() {
        let log = || {
            tracing::error!("e");
            tracing::warn!("w");
            tracing::info!("i");
            tracing::debug!("d");
            tracing::trace!("t");
        };
        for (level, expected) in [
            (Level::ERROR, 1),
            (Level::WARN, 2),
            (Level::INFO, 3),
            (Level::DEBUG, 4),
            (Level::TRACE, 5),
        ] {
            assert_eq!(records(level, log).len(), expected, "{level}");
        }
    }

    #[test]
    fn other_crates_print_no_bodies_even_at_trace() {
        macro_rules! all {
            ($($target:literal),*) => {{$(
                tracing::trace!(target: $target, "body");
                tracing::debug!(target: $target, "body");
                tracing::info!(target: $target, "body");
                tracing::warn!(target: $target, "heard");
            )*}};
        }
        let records = records(Level::TRACE, || {
            all!(
                "aws_smithy_runtime::client",
                "aws_config",
                "aws_sdk_dynamodb",
                "hyper::proto",
                "hyper_util::client",
                "reqwest::connect",
                "rustls::client",
                "h2::codec",
                "lambda_runtime::layers::api_response",
                "something_new"
            );
        });
        let heard: Vec<&Value> = records.iter().map(|record| &record["message"]).collect();
        assert_eq!(heard, ["heard"; 10]);
    }

    #[test]
    fn other_crates_never_log_more_than_our_own() {
        let records = records(Level::ERROR, || {
            tracing::warn!(target: "hyper::proto", "w");
            tracing::error!(target: "hyper::proto", "e");
        });
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn the_request_id_is_in_every_record_at_every_level() {
        let records = records(Level::ERROR, || {
            let span = tracing::info_span!(target: "lambda_runtime::layers::trace", "invoke", requestId = "8476a536");
            let _span = span.entered();
            tracing::error!(target: "lambda_runtime::layers::panic", "the same again");
            tracing::error!("failed");
        });
        assert_eq!(records.len(), 1);
        assert_eq!(records[0]["spans"][0]["requestId"], "8476a536");
    }

    #[test]
    fn a_panic_is_reported_by_its_place() {
        let here = std::panic::Location::caller();
        let records = records(Level::ERROR, || report_panic(Some(here)));
        assert_eq!(records[0]["at"], here.to_string());
        assert_eq!(records[0]["level"], "ERROR");
    }
}

//! Everything that `tracing` emits, kept as text: the canary test searches it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Takes in every event and every span of every crate, down to TRACE, with all fields. Clones share one text.
#[derive(Debug, Clone, Default)]
pub struct CapturedLogs(Arc<Mutex<Vec<u8>>>);

impl CapturedLogs {
    /// The subscriber that fills it, to be made the default of a thread or of a process.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .without_time()
            .with_writer(self.clone())
            .finish()
    }

    /// The same, to be put around one future with [`tracing::instrument::WithSubscriber`].
    pub fn dispatch(&self) -> Dispatch {
        keep_every_callsite_interested();
        Dispatch::new(self.subscriber())
    }

    /// Captures what this thread emits until the guard is dropped.
    #[must_use = "nothing is captured after the guard is dropped"]
    pub fn on_this_thread(&self) -> DefaultGuard {
        tracing::dispatcher::set_default(&self.dispatch())
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().expect("not poisoned");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        self.0.lock().expect("not poisoned").clear();
    }
}

/// `tracing` asks once, of the thread that comes by first, whether anybody wants a callsite's events. A thread without a
/// subscriber would say no for all; so every thread gets one that wants everything and keeps nothing.
fn keep_every_callsite_interested() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let everything = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(io::sink)
            .finish();
        // A process that has a default of its own keeps it.
        let _ = tracing::subscriber::set_global_default(everything);
    });
}

impl Write for CapturedLogs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for CapturedLogs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use tracing::instrument::WithSubscriber;

    use super::*;

    #[test]
    fn events_and_span_fields_of_every_level_are_kept() {
        let logs = CapturedLogs::default();
        let guard = logs.on_this_thread();
        tracing::trace!(target: "somebody::else", field = "in an event", "a message");
        let span = tracing::trace_span!("silent", at_birth = "one", later = tracing::field::Empty);
        span.record("later", "two");
        drop(span);
        drop(guard);
        tracing::error!("after the guard");
        let text = logs.text();
        for expected in ["somebody::else", "in an event", "a message", "one", "two"] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(!text.contains("after the guard"));
        logs.clear();
        assert_eq!(logs.text(), "");
    }

    #[tokio::test]
    async fn a_future_is_captured_across_its_waits() {
        let logs = CapturedLogs::default();
        async {
            tokio::task::yield_now().await;
            tracing::debug!("from within");
        }
        .with_subscriber(logs.dispatch())
        .await;
        assert!(logs.text().contains("from within"));
    }
}

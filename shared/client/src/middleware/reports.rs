//! Tells the stack what this process uses: once in five minutes, in absolute counts, so that what is told twice counts once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Serialize;
use tokio::task::JoinHandle;

use super::ledger::{Counts, Ledger, Line, Page, WIDTH};
use super::sink::{NotTaken, ReportSink};
use crate::keys::AgentKey;
use crate::source::SlotName;

/// So long after the end of a bucket it is told at most: chance spreads the processes.
const SPREAD: Duration = Duration::from_secs(60);

/// Buckets in one report.
const MOST_BUCKETS: usize = 48;

/// What a process uses of its slot's key, told to the stack: what `POST /usage` takes.
#[derive(Debug, Clone)]
pub struct UsageReports {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    ledger: Arc<Ledger>,
    slot: SlotName,
    reporter: String,
    key: AgentKey,
    sink: Arc<dyn ReportSink>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Whether the process goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    GoesOn,
    Ends,
}

#[derive(Serialize)]
struct Body<'a> {
    slot: &'a str,
    reporter: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ends: bool,
    buckets: Vec<TellBucket<'a>>,
}

#[derive(Serialize)]
struct TellBucket<'a> {
    from: String,
    models: Vec<TellModel<'a>>,
}

#[derive(Serialize)]
struct TellModel<'a> {
    model: &'a str,
    requests: u64,
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    cost: u64,
}

impl UsageReports {
    /// Of the use of `key`, which is the slot's, to `sink`. Nothing is told before [`Self::start`].
    pub fn new(slot: SlotName, key: AgentKey, sink: Arc<dyn ReportSink>) -> Self {
        Self {
            inner: Arc::new(Inner {
                ledger: Arc::default(),
                slot,
                reporter: uuid(),
                key,
                sink,
                task: Mutex::default(),
            }),
        }
    }

    /// What is written down.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.inner.ledger
    }

    /// Tells what was used after every five minutes, from now on. Must be called in a tokio runtime.
    pub fn start(&self) {
        let mut task = self
            .inner
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            let inner = Arc::downgrade(&self.inner);
            let clock = self.inner.key.clock().clone();
            let jitter = self.inner.key.jitter().clone();
            *task = Some(tokio::spawn(async move {
                loop {
                    let left = until_the_next(clock.now().wall);
                    let spread = jitter.between(Duration::ZERO, SPREAD);
                    clock.sleep(left + spread).await;
                    let Some(inner) = inner.upgrade() else { return };
                    inner.tell(Process::GoesOn).await;
                }
            }));
        }
    }

    /// Tells what is left, and that this process ends: that it tells no more is no silence then. What is not taken now is lost.
    pub async fn end(&self) {
        let task = self.inner.task.lock();
        if let Some(task) = task.unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        self.inner.tell(Process::Ends).await;
    }

    /// Tells what was used now.
    pub async fn tell(&self) {
        self.inner.tell(Process::GoesOn).await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

/// An id that no other process has, in the form of a UUID: what looks like a key is taken for one.
fn uuid() -> String {
    let (high, low) = (fastrand::u64(..), fastrand::u64(..));
    let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0x0fff);
    let (fourth, last) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{last:012x}")
}

fn until_the_next(now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let into = since.unwrap_or_default().as_secs() % WIDTH;
    Duration::from_secs(WIDTH - into)
}

impl Inner {
    async fn tell(&self, process: Process) {
        let held = self.key.standing().version;
        let now = self.key.clock().now().wall;
        let mut untold = self.ledger.untold(held.clone(), now);
        if process == Process::Ends && untold.is_empty() {
            // That it ends must be told, whatever was told before.
            self.ledger.tell_again(now);
            untold = self.ledger.untold(held, now);
        }
        for page in untold {
            let last = page.buckets.len().div_ceil(MOST_BUCKETS);
            for (n, buckets) in page.buckets.chunks(MOST_BUCKETS).enumerate() {
                let part = Page {
                    version: page.version.clone(),
                    buckets: buckets.to_vec(),
                };
                let ends = if n + 1 == last {
                    process
                } else {
                    Process::GoesOn
                };
                if let Err(NotTaken::NotNow(why)) = self.hand_over(&part, ends).await {
                    tracing::warn!(slot = %self.slot, why, "usage was not told; it is told again");
                    return;
                }
            }
        }
    }

    /// Hands a page over. One that is refused is handed over again bucket by bucket, and what is refused then is given up: the
    /// same would be refused for ever.
    async fn hand_over(&self, page: &Page, process: Process) -> Result<(), NotTaken> {
        let Err(refused) = self.hand_over_once(page, process).await else {
            return Ok(());
        };
        let NotTaken::Refused(why) = &refused else {
            return Err(refused);
        };
        if let [_] = page.buckets[..] {
            tracing::error!(slot = %self.slot, why, "usage of five minutes is refused and will not be told");
            self.ledger.forget(page);
            return Ok(());
        }
        for line in &page.buckets {
            let alone = Page {
                version: page.version.clone(),
                buckets: vec![line.clone()],
            };
            Box::pin(self.hand_over(&alone, process)).await?;
        }
        Ok(())
    }

    async fn hand_over_once(&self, page: &Page, process: Process) -> Result<(), NotTaken> {
        let at = self.key.clock().now();
        let body = Body {
            slot: self.slot.as_str(),
            reporter: &self.reporter,
            version: page.version.as_str(),
            ends: process == Process::Ends,
            buckets: page.buckets.iter().map(bucket).collect(),
        };
        let body = serde_json::to_vec(&body).expect("numbers and texts");
        self.sink.hand_over(&body, at).await?;
        self.ledger.told(page, at.wall);
        Ok(())
    }
}

fn bucket(line: &Line) -> TellBucket<'_> {
    let begins = i64::try_from(line.bucket.saturating_mul(WIDTH)).unwrap_or(i64::MAX);
    let from = DateTime::from_secs(begins).fmt(Format::DateTime);
    TellBucket {
        from: from.unwrap_or_default(),
        models: models(&line.models),
    }
}

fn models(models: &BTreeMap<String, Counts>) -> Vec<TellModel<'_>> {
    let told = models.iter().map(|(model, counts)| TellModel {
        model,
        requests: counts.requests,
        input: counts.tokens.input,
        output: counts.tokens.output,
        cache_read: counts.tokens.cache_read,
        cache_write: counts.tokens.cache_write,
        cost: counts.tokens.cost,
    });
    told.collect()
}

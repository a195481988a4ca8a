use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::offboarding::OffboardingId;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{EvidenceSink, ListError, PageToken, ReadsPage, SecretRead, SecretReads};

/// What CloudTrail knows of reads of secrets: two to a page, the latest first.
#[derive(Debug, Default)]
pub struct MemoryReads(Mutex<Reads>);

#[derive(Debug, Default)]
struct Reads {
    reads: Vec<(String, SecretRead)>,
    refuses: bool,
    is_down: bool,
}

/// Events on one page: few, so that every test reads more than one.
const PAGE: usize = 2;

impl MemoryReads {
    fn state(&self) -> std::sync::MutexGuard<'_, Reads> {
        self.0.lock().expect("not poisoned")
    }

    /// Somebody read a secret.
    pub fn read(&self, who: &str, secret: &str, at: Timestamp) {
        let secret = OutsideText::new(secret);
        self.state()
            .reads
            .push((who.to_owned(), SecretRead { secret, at }));
    }

    /// From now on nobody may look.
    pub fn refuse(&self) {
        self.state().refuses = true;
    }

    /// Whether there is no answer.
    pub fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }
}

#[async_trait]
impl SecretReads for MemoryReads {
    async fn reads(
        &self,
        who: &OutsideText,
        from: Timestamp,
        to: Timestamp,
        page: Option<&PageToken>,
    ) -> Result<ReadsPage, ListError> {
        let state = self.state();
        if state.refuses {
            return Err(ListError::Refused(OutsideText::new(
                "AccessDeniedException",
            )));
        }
        if state.is_down {
            return Err(ListError::Unavailable(OutsideText::new(
                "ThrottlingException",
            )));
        }
        let is_meant = |(by, read): &&(String, SecretRead)| {
            by == who.as_str() && from <= read.at && read.at <= to
        };
        let mut found: Vec<SecretRead> = state
            .reads
            .iter()
            .filter(is_meant)
            .map(|(_, read)| read.clone())
            .collect();
        found.sort_by_key(|read| std::cmp::Reverse(read.at));
        let start = page.and_then(|page| page.0.parse().ok()).unwrap_or(0_usize);
        let reads: Vec<SecretRead> = found.iter().skip(start).take(PAGE).cloned().collect();
        let end = start + reads.len();
        Ok(ReadsPage {
            back_to: reads.last().map(|read| read.at),
            next: (end < found.len()).then(|| PageToken(end.to_string())),
            reads,
        })
    }
}

/// Evidence in memory.
#[derive(Debug, Default)]
pub struct MemoryEvidence(Mutex<BTreeMap<OffboardingId, String>>);

impl MemoryEvidence {
    /// What was put for a case last.
    pub fn of(&self, case: &OffboardingId) -> Option<String> {
        self.0.lock().expect("not poisoned").get(case).cloned()
    }

    /// All of it, for looking for what must not be there.
    pub fn dump(&self) -> String {
        format!("{:?}", self.0.lock().expect("not poisoned"))
    }
}

#[async_trait]
impl EvidenceSink for MemoryEvidence {
    async fn put_evidence(
        &self,
        case: &OffboardingId,
        json: &str,
    ) -> Result<OutsideText, ListError> {
        let mut kept = self.0.lock().expect("not poisoned");
        kept.insert(case.clone(), json.to_owned());
        Ok(OutsideText::new(&format!("memory:{case}")))
    }
}

//! The results, and those that stand in the repository.

use keyward_providers::conformance::{Operation, Table, Verified};

/// How results differ from the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What was verified and is so no more.
    pub worse: Vec<String>,
    /// What the table lacks, or has too much.
    pub other: Vec<String>,
    /// What was checked as before, against another version of a description.
    pub versions: Vec<String>,
}

impl Changes {
    /// From the table to the results.
    pub fn between(table: &Table, results: &Table) -> Self {
        let mut changes = Self::default();
        for (provider, operations) in results {
            for result in operations {
                let known = table.get(provider).and_then(|all| find(all, result));
                changes.note(provider, known, Some(result));
            }
        }
        for (provider, operations) in table {
            for known in operations {
                if results
                    .get(provider)
                    .and_then(|all| find(all, known))
                    .is_none()
                {
                    changes.note(provider, Some(known), None);
                }
            }
        }
        changes
    }

    fn note(&mut self, provider: &str, before: Option<&Operation>, now: Option<&Operation>) {
        let say = |operation: &Operation, what: &str| {
            let Operation { method, path, .. } = operation;
            format!(
                "{provider}: {} ({method} {path}): {what}",
                operation.operation
            )
        };
        match (before, now) {
            (Some(before), Some(now)) if now.verified < before.verified => {
                let what = format!("was {}, is {}", before.verified, now.verified);
                self.worse.push(say(now, &what));
            }
            (Some(before), Some(now)) if now.verified > before.verified => {
                let what = format!("was {}, is {}", before.verified, now.verified);
                self.other.push(say(now, &what));
            }
            (Some(before), Some(now)) if before.operation != now.operation => {
                self.other.push(say(now, "has another name"));
            }
            (Some(before), Some(now)) if before.against != now.against => {
                self.versions.push(say(now, &now.against.join(", ")));
            }
            (None, Some(now)) => self
                .other
                .push(say(now, &format!("is {}, is new", now.verified))),
            (Some(before), None) => self.other.push(say(before, "is not sent any more")),
            _ => {}
        }
    }
}

fn find<'a>(all: &'a [Operation], wanted: &Operation) -> Option<&'a Operation> {
    all.iter()
        .find(|o| o.method == wanted.method && o.path == wanted.path)
}

/// As the table stands in the repository.
pub fn written(table: &Table) -> String {
    let text = serde_json::to_string_pretty(table).unwrap_or_default();
    format!("{text}\n")
}

/// How many of a driver's operations are exact, request only, and unverified.
pub fn counts(operations: &[Operation]) -> [usize; 3] {
    let of = |wanted| operations.iter().filter(|o| o.verified == wanted).count();
    [Verified::Exact, Verified::RequestOnly, Verified::Unverified].map(of)
}

//! Who has left, as somebody's directory exports it into the bucket of reports.

use std::collections::BTreeSet;

use async_trait::async_trait;
use keyward_core::model::names::Principal;
use keyward_core::ports::{ListError, People};

use super::{S3Reports, said};

/// Where it stands: a JSON list of names, as the fleet file has them.
const LEFT: &str = "people/left.json";

#[async_trait]
impl People for S3Reports {
    async fn left(
        &self,
        people: &BTreeSet<Principal>,
    ) -> Result<Option<BTreeSet<Principal>>, ListError> {
        let Some((json, _)) = self.read(LEFT).await? else {
            return Ok(None);
        };
        // A name that nobody of Keyward's can have is nobody's.
        let left: BTreeSet<String> = serde_json::from_slice(&json)
            .map_err(|_| ListError::Refused(said(LEFT, "is no JSON list of names")))?;
        let is_among = |person: &&Principal| left.contains(person.as_str());
        Ok(Some(people.iter().filter(is_among).cloned().collect()))
    }
}

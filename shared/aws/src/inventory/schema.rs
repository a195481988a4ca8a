//! Which schema items are of. A release reads its own and the one before. It writes its own; while the deployment says
//! so, the one before: as long as that is so, the release before can take over again at any time.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use keyward_core::model::SCHEMA;
use keyward_core::model::slot::Revision;
use keyward_core::ports::{InventoryError, MigrationError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::items::{
    DUE, DUE_AT, DUE_PARTITION, Item, Key, REVISION, SCHEMA_FIELD, number, sortable,
};

/// How items changed from one schema to the next. Each way must lose nothing that its reader knows.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Makes an item of the schema before one of this.
    pub lift: fn(&mut Item),
    /// Makes an item of this schema one of the schema before.
    pub lower: fn(&mut Item),
}

/// What a release reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    own: u32,
    writes: u32,
    step: Option<Step>,
}

/// Releases of one schema have one step, or none: it is not compared.
impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        (self.own, self.writes) == (other.own, other.writes)
    }
}

impl Eq for Release {}

impl Release {
    /// This one, which writes its own schema. The first schema has none before it, so there is no step.
    pub const THIS: Self = Self {
        own: SCHEMA,
        writes: SCHEMA,
        step: None,
    };

    /// A release of the schema after this one's, as an upgrade meets it.
    pub const fn next(step: Step) -> Self {
        Self {
            own: SCHEMA + 1,
            writes: SCHEMA + 1,
            step: Some(step),
        }
    }

    /// The same, writing items of `schema`; `None` if it does not know that one.
    pub const fn writing(self, schema: u32) -> Option<Self> {
        let is_before = self.step.is_some() && schema + 1 == self.own;
        match is_before || schema == self.own {
            true => Some(Self {
                writes: schema,
                ..self
            }),
            false => None,
        }
    }

    /// The schemas that it can write, for people.
    pub fn schemas(self) -> String {
        match self.step {
            Some(_) => format!("{} or {}", self.own - 1, self.own),
            None => self.own.to_string(),
        }
    }

    /// Whether it writes its own schema.
    const fn is_settled(self) -> bool {
        self.writes == self.own
    }

    /// Whether `schema` is its own.
    pub(super) const fn is_own(self, schema: u32) -> bool {
        schema == self.own
    }

    /// # Errors
    /// [`MigrationError::WritesBefore`] as long as the schema before is written.
    pub(super) const fn refuse_unsettled(self) -> Result<(), MigrationError> {
        match self.is_settled() {
            true => Ok(()),
            false => Err(MigrationError::WritesBefore {
                writes: self.writes,
                own: self.own,
            }),
        }
    }

    /// The oldest schema that it reads.
    const fn oldest(self) -> u32 {
        match self.step {
            Some(_) => self.own - 1,
            None => self.own,
        }
    }

    /// Says which schema an item is of that looks the same in both.
    pub(super) fn mark(self, item: &mut Item) {
        let schema = number(u64::from(self.writes));
        item.insert(SCHEMA_FIELD.to_owned(), schema);
    }

    /// The item that `value`, read at `revision`, is written as.
    pub(super) fn encode<T: Serialize>(
        self,
        key: &Key,
        value: &T,
        revision: Revision,
        due_at: Option<Timestamp>,
    ) -> Result<Item, InventoryError> {
        let mut item: Item =
            serde_dynamo::to_item(value).map_err(|e| InventoryError::Unavailable(e.into()))?;
        if let (Some(step), false) = (self.step, self.is_settled()) {
            (step.lower)(&mut item);
        }
        self.mark(&mut item);
        item.extend(key.to_item());
        item.insert(REVISION.to_owned(), number(revision.next().0));
        if let Some(due_at) = due_at {
            let partition = AttributeValue::S(DUE_PARTITION.to_owned());
            item.insert(DUE.to_owned(), partition);
            item.insert(DUE_AT.to_owned(), AttributeValue::S(sortable(due_at)));
        }
        Ok(item)
    }

    /// What [`encode`](Self::encode) wrote, by this release or the one before.
    pub(super) fn decode<T: DeserializeOwned>(self, item: Item) -> Result<T, InventoryError> {
        let key = Key::of(&item);
        let item = self.lifted(item)?;
        serde_dynamo::from_item(item).map_err(|e| key.corrupt(e.to_string()))
    }

    /// The item as one of this release's schema.
    pub(super) fn lifted(self, mut item: Item) -> Result<Item, InventoryError> {
        let schema = self.schema_of(&item)?;
        if let (Some(step), true) = (self.step, schema < self.own) {
            (step.lift)(&mut item);
            let own = number(u64::from(self.own));
            item.insert(SCHEMA_FIELD.to_owned(), own);
        }
        Ok(item)
    }

    /// The schema that an item is of, if this release reads it.
    pub(super) fn schema_of(self, item: &Item) -> Result<u32, InventoryError> {
        let key = Key::of(item);
        let schema = item.get(SCHEMA_FIELD).and_then(|v| v.as_n().ok());
        let Some(schema) = schema.and_then(|n| n.parse::<u32>().ok()) else {
            return Err(key.corrupt("it names no schema"));
        };
        if schema > self.own {
            return Err(key.corrupt(format!(
                "its schema {schema} is newer than this release, which reads {}",
                self.own
            )));
        }
        if schema < self.oldest() {
            return Err(key.corrupt(format!(
                "its schema {schema} is too old: this release reads {} and newer",
                self.oldest()
            )));
        }
        Ok(schema)
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::model::slot::Slot;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_named_and_never_panics() {
        let key = Key::slot(&"support-bot".parse().unwrap());
        let with = |schema: Option<AttributeValue>| {
            let mut item = key.to_item();
            item.extend(schema.map(|n| (SCHEMA_FIELD.to_owned(), n)));
            Release::THIS.decode::<Slot>(item).unwrap_err().to_string()
        };
        for (schema, why) in [
            (None, "names no schema"),
            (Some(AttributeValue::S("1".to_owned())), "names no schema"),
            (Some(number(0)), "too old"),
            (
                Some(number(u64::from(SCHEMA) + 1)),
                "newer than this release",
            ),
            (Some(number(u64::from(SCHEMA))), "missing field"),
        ] {
            let error = with(schema);
            assert!(error.contains("SLOT#support-bot / SLOT"), "{error}");
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_release_writes_its_own_schema_or_the_one_before_and_no_other() {
        let step = Step {
            lift: |_| {},
            lower: |_| {},
        };
        let next = Release::next(step);
        for (release, schema, may) in [
            (Release::THIS, SCHEMA, true),
            (Release::THIS, SCHEMA - 1, false),
            (Release::THIS, SCHEMA + 1, false),
            (next, SCHEMA, true),
            (next, SCHEMA + 1, true),
            (next, SCHEMA + 2, false),
        ] {
            assert_eq!(
                release.writing(schema).is_some(),
                may,
                "{release:?} {schema}"
            );
        }
    }
}

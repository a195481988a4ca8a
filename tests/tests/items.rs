//! What items hold changes only with their schema: else a release that ran before could not go back to work, and nobody would know.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;

use keyward_core::model::SCHEMA;
use keyward_tests::items::{KINDS, Kept, fields, path};

/// What to do about a change.
fn advice() -> String {
    format!(
        "Items changed, and SCHEMA did not. If a release has written items of schema {SCHEMA}: raise SCHEMA in \
         shared/core/src/model/mod.rs; give Release::THIS, in shared/aws/src/inventory/schema.rs, the step that makes an item of \
         schema {SCHEMA} one of the next and back, by which the two releases work side by side and `keyward migrate` writes items anew; \
         and leave {} as it is. Then, or if none has: cargo run -q -p keyward-tests --example stored-items, \
         and keep what it prints in tests/fixtures/items/schema-<SCHEMA>.json",
        path(SCHEMA)
    )
}

/// By type, what is there and was not, and the other way round.
fn changes(before: &BTreeMap<String, Vec<String>>, now: &BTreeMap<String, Vec<String>>) -> String {
    let none = Vec::new();
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut told = String::new();
    for name in names {
        let of = |all: &'_ BTreeMap<String, Vec<String>>| all.get(name).unwrap_or(&none).clone();
        let (before, now) = (of(before), of(now));
        let gone = before.iter().filter(|field| !now.contains(field));
        let new = now.iter().filter(|field| !before.contains(field));
        for (sign, field) in gone.map(|f| ('-', f)).chain(new.map(|f| ('+', f))) {
            told += &format!("\n{sign} {name}.{field}");
        }
    }
    told
}

#[test]
fn fields_of_items_change_only_with_their_schema() {
    let kept = Kept::of(SCHEMA);
    let kept = kept.unwrap_or_else(|| panic!("there is no {}. {}", path(SCHEMA), advice()));
    assert_eq!(kept.schema, SCHEMA);
    let changed = changes(&kept.fields, &fields());
    assert!(changed.is_empty(), "{}{changed}", advice());
    for (name, fields) in &kept.fields {
        assert!(!fields.is_empty(), "{name} tells no fields");
    }
}

/// A type's fields can stay and what one of them holds change: a sample is written as it was read.
#[test]
fn a_sample_of_each_item_is_read_and_written_as_it_was() {
    let kept = Kept::of(SCHEMA).unwrap();
    let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kept.samples.keys().collect::<Vec<_>>(), kinds);
    for (kind, reread) in KINDS {
        let sample = &kept.samples[kind];
        let read = reread(sample).unwrap_or_else(|e| panic!("{kind}: {e}. {}", advice()));
        assert_eq!(&read, sample, "{kind}. {}", advice());
        assert_eq!(sample["schema"], SCHEMA, "{kind}");
        let set = sample.as_object().unwrap();
        let unset: Vec<&String> = kept.fields[kind]
            .iter()
            .filter(|field| !set.contains_key(*field))
            .collect();
        assert!(unset.is_empty(), "the sample of {kind} lacks {unset:?}");
    }
}

#[test]
fn every_schema_so_far_is_written_down() {
    for schema in 1..=SCHEMA {
        assert!(Kept::of(schema).is_some(), "{} is gone", path(schema));
    }
}

#[test]
fn a_field_that_came_or_went_is_named() {
    let mut changed = fields();
    let slot = changed.get_mut("Slot").unwrap();
    slot.retain(|field| field != "owner");
    slot.push("colour".to_owned());
    assert_eq!(
        changes(&fields(), &changed),
        "\n- Slot.owner\n+ Slot.colour"
    );
    assert_eq!(changes(&fields(), &fields()), "");
}

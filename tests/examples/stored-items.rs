//! Prints what the inventory's items hold, for `fixtures/items`: the fields of this release, and the samples as they were written
//! down last, of which one that this release cannot read is told.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use keyward_core::model::SCHEMA;
use keyward_tests::items::{KINDS, Kept, fields};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut schemas = (1..=SCHEMA).rev();
    let last = schemas
        .find_map(Kept::of)
        .ok_or("nothing was written down before")?;
    let mut samples = last.samples;
    for (kind, reread) in KINDS {
        let Some(sample) = samples.get_mut(kind) else {
            eprintln!("{kind} has no sample: add one with every field set");
            continue;
        };
        sample["schema"] = json!(SCHEMA);
        match reread(sample) {
            Ok(read) => *sample = read,
            Err(error) => eprintln!("the sample of {kind} cannot be read, mend it: {error}"),
        }
    }
    let kept = Kept {
        schema: SCHEMA,
        fields: fields(),
        samples,
    };
    println!("{}", serde_json::to_string_pretty(&kept)?);
    Ok(())
}

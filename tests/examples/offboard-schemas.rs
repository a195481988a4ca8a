//! Writes the JSON Schemas of offboarding anew: `cargo run -p keyward-tests --example offboard-schemas`.

use std::path::Path;

use keyward_core::usecases::offboard::OffboardingRecord;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/offboard");
    for (name, schema) in [
        ("event", keyward_offboard::event_schema()),
        ("record", OffboardingRecord::json_schema()),
    ] {
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        std::fs::write(folder.join(format!("{name}.schema.json")), text)?;
    }
    Ok(())
}

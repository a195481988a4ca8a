//! Writes the fleet's JSON Schema anew: `cargo run -p keyward-tests --example fleet-schema`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = keyward_core::model::fleet::Fleet::json_schema();
    let text = serde_json::to_string_pretty(&schema)? + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/core/fleet.schema.json");
    Ok(std::fs::write(file, text)?)
}

//! Writes the JSON Schema of alerts anew: `cargo run -p keyward-tests --example alert-schema`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = keyward_core::model::alert::Alert::json_schema();
    let text = serde_json::to_string_pretty(&schema)? + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/core/alert.schema.json");
    Ok(std::fs::write(file, text)?)
}

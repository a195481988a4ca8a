//! Writes the JSON Schema of an audit's report anew: `cargo run -p keyward-tests --example report-schema`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = keyward_core::model::audit::AuditReport::json_schema();
    let text = serde_json::to_string_pretty(&schema)? + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reports/report.schema.json");
    Ok(std::fs::write(file, text)?)
}

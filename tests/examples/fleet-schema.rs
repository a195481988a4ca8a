//! Prints the fleet's JSON Schema: `cargo run -p keyward-tests --example fleet-schema > shared/core/fleet.schema.json`.
#![expect(clippy::print_stdout, reason = "a command")]

fn main() {
    let schema = keyward_core::model::fleet::Fleet::json_schema();
    println!(
        "{}",
        serde_json::to_string_pretty(&schema).expect("serialises")
    );
}

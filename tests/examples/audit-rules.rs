//! Writes the catalogue of the audit's rules anew: `cargo run -p keyward-tests --example audit-rules`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let page = keyward_core::rules::audit::catalogue::markdown();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/core/AUDIT.md");
    std::fs::write(file, page)
}

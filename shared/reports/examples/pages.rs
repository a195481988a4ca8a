//! Writes the pages that `tests/browser` opens: `cargo run -p keyward-reports --example pages -- FOLDER`.

use std::path::PathBuf;

use keyward_reports::{Place, html};

#[path = "../src/testing.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "what the tests have beside")]
mod testing;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    std::fs::create_dir_all(&folder)?;
    for (name, report) in [
        ("small", testing::report()),
        ("empty", testing::empty()),
        ("fleet", testing::many_slots()),
        ("large", testing::large()),
    ] {
        std::fs::write(folder.join(format!("{name}.html")), html(&report))?;
    }
    Ok(())
}

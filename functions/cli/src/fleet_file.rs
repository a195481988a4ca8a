//! The fleet file: TOML, or JSON.

use std::path::Path;

use anyhow::{Context, Result, bail};
use keyward_core::model::fleet::{Fleet, FleetError};

use crate::print::{clean, complain};

/// The file that is read where none is named.
pub(crate) const USUAL: &str = "keyward.toml";

/// Reads and checks a fleet file. Nothing is sent of one that has a fault: each is told on a line of its own, with the
/// file and the line it stands in.
pub(crate) fn read(path: &Path) -> Result<Fleet> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "{} cannot be read, and nothing was sent: name the fleet file",
            path.display()
        )
    })?;
    match parse(&text, path) {
        Ok(fleet) => Ok(fleet),
        Err(error) => {
            for fault in faults(&error, path) {
                complain(&fault);
            }
            bail!(
                "{} is refused; nothing was sent, and nothing was changed",
                path.display()
            )
        }
    }
}

/// JSON by its name or by how it begins, else TOML.
fn parse(text: &str, path: &Path) -> Result<Fleet, FleetError> {
    let is_json = path.extension().is_some_and(|end| end == "json");
    if is_json || text.trim_start().starts_with('{') {
        let fleet = Fleet::from_json(text)?;
        fleet.check()?;
        Ok(fleet)
    } else {
        Fleet::read_toml(text)
    }
}

/// One line for each fault, in the form that editors and terminals jump by: `keyward.toml:12: …`.
fn faults(error: &FleetError, path: &Path) -> Vec<String> {
    let told = error.0.iter().map(|fault| {
        let line = fault
            .line
            .map_or_else(String::new, |line| format!("{line}:"));
        let (place, problem) = (clean(&fault.place), clean(&fault.problem));
        format!("{}:{line} {place}: {problem}", path.display())
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_file_and_line() {
        for (file, text, expected) in [
            (
                "keyward.toml",
                "version = 1\n[agents.a]\nenvironment = \"prod\"\n",
                "keyward.toml:2: column 1: missing field `owner`",
            ),
            (
                "fleet.json",
                "{\n  \"version\": 2}",
                "fleet.json: version: version 2 is not known here; this release reads 1",
            ),
            (
                "fleet",
                "{\n  \"version\": 1, \"nope\": 1}",
                "fleet:2: column 22: unknown field `nope`, expected one of",
            ),
        ] {
            let error = parse(text, Path::new(file)).expect_err(file);
            let said = faults(&error, Path::new(file));
            assert!(said[0].starts_with(expected), "{file}: {said:?}");
        }
    }
}

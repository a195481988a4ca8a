//! The deployment's template, `infra/template.yaml`, as a stack would be made from it.
//!
//! [`Template`] reads it, [`Stack`] works out what CloudFormation's functions in it come to, [`policy`] decides what IAM would, and
//! [`calls`] compares a function's role with what the function was seen to ask AWS for.

pub mod calls;
pub mod policy;
mod stack;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub use stack::Stack;

use crate::emulators::{python, scripts};

/// The functions: their names, and what their resources' names begin with.
pub const FUNCTIONS: [(&str, &str); 8] = [
    ("rotate", "Rotate"),
    ("retire", "Retire"),
    ("monitor", "Monitor"),
    ("kill-switch", "KillSwitch"),
    ("control", "Control"),
    ("usage", "Usage"),
    ("audit", "Audit"),
    ("offboard", "Offboard"),
];

/// The program that a function runs, as its folder in `functions` is called.
pub fn program(function: &str) -> &str {
    match function {
        "usage" => "control",
        itself => itself,
    }
}

/// The template as it is written.
#[derive(Debug, Clone)]
pub struct Template(pub Value);

impl Template {
    /// Where it is.
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml")
    }

    /// Reads it; `None` where there is no Python to read it with.
    ///
    /// # Panics
    /// If it is no YAML.
    pub fn read() -> Option<Self> {
        let output = Command::new(python()?)
            .arg(scripts().join("template_json.py"))
            .arg(Self::path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        Some(Self(serde_json::from_slice(&output.stdout).unwrap()))
    }
}

//! `keyward completions`.

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Args;
use crate::print::{Outcome, line};

pub(super) fn completions(shell: Shell) -> Result<Outcome> {
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "keyward", &mut script);
    let script = String::from_utf8(script).context("the script is no text")?;
    line(script.trim_end());
    Ok(Outcome::Done)
}

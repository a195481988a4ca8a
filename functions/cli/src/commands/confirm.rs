//! What cannot simply be taken back wants the slot's name typed.

use std::io::{BufRead, IsTerminal, stdin};

use anyhow::{Result, bail};
use keyward_core::model::names::{SlotName, StackName};

use crate::print::complain;

/// Whether a person has to type the slot's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirm {
    /// On this terminal; without one, nothing is done.
    Typed,
    /// They said yes on the command line.
    Given,
}

impl From<bool> for Confirm {
    fn from(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Typed }
    }
}

/// Refuses an empty reason before anybody is asked anything.
pub(super) fn reasoned(reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        bail!(
            "the reason is empty: say why, in 1 to 256 characters, as --reason \"calls at night\"; nothing was changed"
        );
    }
    Ok(())
}

/// Refuses unless the slot's name was typed, or need not be.
pub(super) fn confirmed(slot: &SlotName, what: &str, confirm: Confirm) -> Result<()> {
    typed("slot", slot.as_str(), what, confirm)
}

/// Refuses unless the name of the stack was typed, or need not be.
pub(super) fn confirmed_stack(stack: &StackName, what: &str, confirm: Confirm) -> Result<()> {
    typed("stack", stack.as_str(), what, confirm)
}

/// Refuses unless the name of what is called so was typed, or need not be.
pub(super) fn typed(called: &str, name: &str, what: &str, confirm: Confirm) -> Result<()> {
    if confirm == Confirm::Given {
        return Ok(());
    }
    if !stdin().is_terminal() {
        bail!("nothing was changed: say --yes where nobody can type the {called}'s name");
    }
    complain(&format!("{what}. To go on, type the {called}'s name:"));
    let mut typed = String::new();
    stdin().lock().read_line(&mut typed)?;
    if typed.trim() != name {
        bail!("that is not `{name}`; nothing was changed");
    }
    Ok(())
}

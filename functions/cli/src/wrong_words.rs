//! A command line that is wrong, and help that was asked for.

use std::process::ExitCode;

/// Arguments longer than this that are no path are not repeated whole: one may be a key.
const MAX_REPEATED: usize = 24;
const SHOWN: usize = 11;

/// The command line is wrong.
const WRONG: u8 = 2;
/// The same for `plan`, `audit` and `doctor`, where 2 says something else.
const FAILED: u8 = 1;

/// Says what is wrong with the command line, or prints what was asked for, as `--help`. What might be a key is not
/// repeated.
pub(crate) fn explain(refused: &clap::Error) -> ExitCode {
    if !refused.use_stderr() {
        crate::print::line(refused.to_string().trim_end());
        return ExitCode::SUCCESS;
    }
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let text = without_keys(refused.to_string(), arguments);
    crate::print::complain(text.trim_end());
    let word = std::env::args_os().nth(1);
    let says_something_else = word.is_some_and(|word| {
        ["plan", "audit", "doctor"]
            .iter()
            .any(|other| word == *other)
    });
    ExitCode::from(if says_something_else { FAILED } else { WRONG })
}

/// The text with every argument in it, and every value after a `=`, cut that may be a key.
fn without_keys(mut text: String, arguments: impl Iterator<Item = String>) -> String {
    for argument in arguments {
        let value = argument.split_once('=').map(|(_, value)| value);
        for part in [Some(argument.as_str()), value].into_iter().flatten() {
            let is_path = part.contains(['/', '.', '\\']);
            if !is_path && part.chars().count() > MAX_REPEATED {
                let shown: String = part.chars().take(SHOWN).collect();
                text = text.replace(part, &format!("{shown}…"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[test]
    fn a_word_that_is_mistyped_is_told_with_the_one_that_is_meant() {
        for (line, meant) in [
            ("statuss", "'status'"),
            ("pool stauts a", "'status'"),
            ("rotate a --wiat", "'--wait'"),
        ] {
            let words = ["keyward"].into_iter().chain(line.split(' '));
            let refused = Args::try_parse_from(words).err().map(|e| e.to_string());
            let text = without_keys(refused.unwrap_or_default(), std::iter::empty());
            assert!(text.contains("similar") && text.contains(meant), "{text}");
        }
    }

    #[test]
    fn what_is_said_of_a_wrong_command_line_holds_no_key() {
        let key = "sk-ant-api03-EXAMPLE0123456789abcdefghijklmnop-AA";
        for line in [
            format!("rotate {key}"),
            format!("rotate a --wait --timeout {key}"),
            format!("rotate a --wait --timeout={key}"),
            format!("pool status a --json={key}"),
            format!("pool add a {key} --reason x"),
            format!("pool add a --reason x --{key}"),
            format!("pool add a --reason x --key={key}"),
            key.to_owned(),
        ] {
            let words = || line.split(' ').map(str::to_owned);
            let refused = Args::try_parse_from(["keyward".to_owned()].into_iter().chain(words()));
            let refused = refused.err().map(|refused| refused.to_string());
            let text = without_keys(refused.unwrap_or_default(), words());
            assert!(!text.is_empty(), "{line} is refused");
            assert!(!text.contains(&key[..12]), "{line}: {text}");
        }
    }
}

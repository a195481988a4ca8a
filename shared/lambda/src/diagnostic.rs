//! What Lambda is told about an error.

use std::error::Error;

use keyward_core::model::text::OutsideText;
use lambda_runtime::Diagnostic;

/// The `errorType` of an error after which the same event can succeed without a person.
pub const RETRYABLE: &str = "Retryable";

/// The `errorType` of an error that stays until a person or another event changes something.
pub const NON_RETRYABLE: &str = "NonRetryable";

/// Layers of a chain that are printed at most.
const MAX_LAYERS: usize = 12;

/// Characters of one layer that are printed at most.
const MAX_LAYER_CHARS: usize = 4 * OutsideText::MAX_CHARS;

/// The answer to Lambda for `error`: one of two fixed types, and the whole chain as the message.
///
/// `is_retryable` is the error's own judgement, as in `diagnostic(&error, RotationError::is_retryable)`.
pub fn diagnostic<E: Error + 'static>(
    error: &E,
    is_retryable: impl FnOnce(&E) -> bool,
) -> Diagnostic {
    let error_type = if is_retryable(error) {
        RETRYABLE
    } else {
        NON_RETRYABLE
    };
    Diagnostic {
        error_type: error_type.to_owned(),
        error_message: chain(error),
    }
}

/// An error and what caused it, outermost first, on one line. A layer that merely repeats the one above it, or was
/// quoted by it already, is left out.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut layer = Some(error);
    for _ in 0..MAX_LAYERS {
        let Some(error) = layer else { break };
        let text = one_line(&error.to_string());
        if line.is_empty() {
            line = text;
        } else if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        layer = error.source();
    }
    line
}

/// Text without anything that could begin another line, cut to [`MAX_LAYER_CHARS`].
fn one_line(text: &str) -> String {
    let chars: Vec<char> = text.trim().chars().take(MAX_LAYER_CHARS).collect();
    chars
        .chunks(OutsideText::MAX_CHARS)
        .map(|part| String::from(OutsideText::new(&String::from_iter(part))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the step did not finish")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("Secrets Manager did not answer as expected")]
    struct Middle(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Inner(String);

    #[derive(Debug, thiserror::Error)]
    #[error("could not send: {0}")]
    struct Quoting(#[source] Inner);

    fn outer(text: &str) -> Outer {
        Outer(Middle(Inner(text.to_owned())))
    }

    #[test]
    fn three_layers_are_told_once_each_on_one_line() {
        assert_eq!(
            chain(&outer("connection reset\r\nERROR forged\u{2028}record")),
            "the step did not finish: Secrets Manager did not answer as expected: \
             connection reset  ERROR forged record"
        );
    }

    #[test]
    fn a_layer_that_was_quoted_is_not_told_again() {
        let error = Quoting(Inner("connection reset".to_owned()));
        assert_eq!(chain(&error), "could not send: connection reset");
    }

    #[test]
    fn a_long_layer_is_cut() {
        let text = chain(&Inner("x".repeat(99_999)));
        assert_eq!(text.chars().count(), MAX_LAYER_CHARS);
    }

    #[test]
    fn the_type_is_one_of_two_fixed_words() {
        let told = |retryable| diagnostic(&outer("x"), |_| retryable);
        assert_eq!(told(true).error_type, "Retryable");
        assert_eq!(told(false).error_type, "NonRetryable");
        assert_eq!(told(true).error_message, chain(&outer("x")));
    }
}

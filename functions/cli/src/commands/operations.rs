//! What was checked against the providers' published descriptions, for `keyward providers`.

use keyward_core::model::slot::ProviderName;
use keyward_providers::conformance::{Operation, Verified, operations};

use crate::print::table;

/// The table of `keyward providers --operations`.
pub(super) fn show() {
    let rows: Vec<[String; 5]> = ProviderName::ALL
        .into_iter()
        .flat_map(|provider| {
            operations(provider)
                .into_iter()
                .map(move |o| row(provider, o))
        })
        .collect();
    table(
        ["PROVIDER", "OPERATION", "METHOD", "PATH", "CHECKED AGAINST"],
        &rows,
    );
}

fn row(provider: ProviderName, operation: Operation) -> [String; 5] {
    let against = operation.against.join(", ");
    let checked = match operation.verified {
        Verified::Exact => against,
        Verified::RequestOnly => format!("{against} (request only)"),
        Verified::Unverified => "unverified".to_owned(),
    };
    let Operation {
        operation,
        method,
        path,
        ..
    } = operation;
    [provider.to_string(), operation, method, path, checked]
}

/// How far a driver's operations are verified, in a word.
pub(super) fn summary(provider: ProviderName) -> String {
    summary_of(&operations(provider))
}

fn summary_of(operations: &[Operation]) -> String {
    let states = [
        (Verified::Exact, "exact"),
        (Verified::RequestOnly, "request only"),
        (Verified::Unverified, "unverified"),
    ];
    let counted = states.map(|(state, name)| {
        let of_state = operations.iter().filter(|o| o.verified == state);
        (of_state.count(), name)
    });
    let there = counted.iter().filter(|(count, _)| *count > 0);
    let there: Vec<String> = there
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    match there.is_empty() {
        true => "none known".to_owned(),
        false => there.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(verified: Verified) -> Operation {
        Operation {
            operation: "list".to_owned(),
            method: "GET".to_owned(),
            path: "/keys".to_owned(),
            verified,
            against: vec!["acme 1.0".to_owned(), "acme/docs@0123456789ab".to_owned()],
        }
    }

    #[test]
    fn what_is_not_verified_is_said() {
        use Verified::{Exact, RequestOnly, Unverified};
        for (states, expected) in [
            (&[Exact, Exact][..], "2 exact"),
            (
                &[Exact, RequestOnly, Unverified],
                "1 exact, 1 request only, 1 unverified",
            ),
            (&[], "none known"),
        ] {
            let operations: Vec<_> = states.iter().copied().map(operation).collect();
            assert_eq!(summary_of(&operations), expected);
        }
        for (state, expected) in [
            (Exact, "acme 1.0, acme/docs@0123456789ab"),
            (
                RequestOnly,
                "acme 1.0, acme/docs@0123456789ab (request only)",
            ),
            (Unverified, "unverified"),
        ] {
            assert_eq!(row(ProviderName::OpenAi, operation(state))[4], expected);
        }
    }
}

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

/// How many of a driver's operations are verified, in a word.
pub(super) fn summary(provider: ProviderName) -> String {
    summary_of(&operations(provider))
}

fn summary_of(operations: &[Operation]) -> String {
    let of = |wanted: fn(Verified) -> bool| {
        let found = operations.iter().filter(|o| wanted(o.verified));
        found.count()
    };
    let verified = of(|state| state > Verified::Unverified);
    let all = format!("{verified} of {}", operations.len());
    match of(|state| state == Verified::RequestOnly) {
        0 => all,
        some => format!("{all} ({some} request only)"),
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
            (&[Exact, Exact][..], "2 of 2"),
            (&[Exact, RequestOnly, Unverified], "2 of 3 (1 request only)"),
            (&[], "0 of 0"),
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

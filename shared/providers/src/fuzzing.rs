//! The parsers of answers as functions of bytes, for a fuzzer: one line in [`PROVIDERS`] for each provider.

use std::fmt::Debug;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::AdminKey;
use keyward_core::ports::{ProviderError, Verdict, Width, Window};

use crate::api::{Dialect, refusal};
use crate::http::{Answer, Credential, Repeat, Scheme};
use crate::reports::Query;
use crate::{anthropic, azure, bedrock, gemini, litellm, openai, openrouter};

/// Every provider.
pub const PROVIDERS: &[Provider] = &[
    anthropic::fuzz::PROVIDER,
    azure::fuzz::PROVIDER,
    openai::fuzz::PROVIDER,
    openrouter::fuzz::PROVIDER,
    bedrock::fuzz::PROVIDER,
    litellm::fuzz::PROVIDER,
    gemini::fuzz::PROVIDER,
];

/// The credential of the request that is answered.
pub const CREDENTIAL: &str = "ADMIN-EXAMPLE-0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Everything of one provider that reads bytes.
#[derive(Debug)]
pub struct Provider {
    /// Its name.
    pub name: &'static str,
    /// A key of its form.
    pub key: &'static str,
    /// Its parsers.
    pub parsers: &'static [Parser],
    /// JSON or XML that they take, beside what was recorded.
    pub samples: &'static [&'static str],
}

/// One kind of answer.
#[derive(Debug)]
pub struct Parser {
    /// What it is of.
    pub name: &'static str,
    /// Reads an answer.
    pub parse: fn(&Input<'_>) -> Parsed,
}

/// An answer as it came.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The HTTP status; one that there is not reads as 500.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

/// What was made of an answer.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// All of it, names and ids of the provider's included: which way the parser went.
    pub whole: String,
    /// What goes into logs and alerts, and what holds a new key: no key's text may be in it.
    pub printed: String,
}

impl Parsed {
    /// Data: what is printed of it are its names, which are the provider's.
    pub(crate) fn data(data: &impl Debug) -> Self {
        Self {
            whole: format!("{data:?}"),
            printed: String::new(),
        }
    }

    /// Something that is printed as it is.
    pub(crate) fn printed(value: &impl Debug) -> Self {
        let whole = format!("{value:?}");
        Self {
            printed: whole.clone(),
            whole,
        }
    }

    pub(crate) fn error(error: &ProviderError) -> Self {
        let whole = format!("{error:?}");
        Self {
            printed: format!("{whole} {error}"),
            whole,
        }
    }

    /// Something else that was made of the same answer.
    pub(crate) fn add(&mut self, more: &Self) {
        self.whole.push_str(&more.whole);
        self.printed.push_str(&more.printed);
    }

    /// Data, or why there is none.
    pub(crate) fn outcome(outcome: &Result<impl Debug, ProviderError>) -> Self {
        match outcome {
            Ok(data) => Self::data(data),
            Err(error) => Self::error(error),
        }
    }
}

/// The answer to a request with [`CREDENTIAL`].
pub(crate) fn answer(scheme: Scheme, input: &Input<'_>) -> Option<Answer> {
    let status = StatusCode::from_u16(input.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let credential = Credential::new(scheme, &AdminKey::new(CREDENTIAL))?;
    Some(Answer::canned(status, input.body.to_vec(), &credential))
}

/// What the answer means if it refuses an administrator's call.
pub(crate) fn refused(dialect: &Dialect, input: &Input<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    for repeat in [Repeat::Safe, Repeat::Never] {
        if let Some(answer) = answer(dialect.scheme, input) {
            parsed.add(&Parsed::error(&refusal(dialect, answer, repeat)));
        }
    }
    parsed
}

/// What the answer says about the key that asked.
pub(crate) fn verdict(dialect: &Dialect, of: fn(&Answer) -> Verdict, input: &Input<'_>) -> Parsed {
    answer(dialect.scheme, input)
        .map_or_else(Parsed::default, |answer| Parsed::printed(&of(&answer)))
}

/// The time of most samples.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_608_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The second page of a report of four days.
pub(crate) fn query(part: usize) -> Option<Query> {
    let window = Window {
        from: now() - SignedDuration::from_hours(96),
        until: now(),
        width: Width::Day,
    };
    let first = Query::read(&window, now(), None).ok().flatten()?;
    Some(Query {
        part,
        cursor: Some("page_EXAMPLE1".to_owned()),
        ..first
    })
}

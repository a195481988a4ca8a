//! Lists read to their end, as far as they can be.

use std::collections::BTreeSet;
use std::future::Future;

use jiff::SignedDuration;

use crate::model::audit::Seen;
use crate::model::text::OutsideText;
use crate::ports::{
    Advice, Clock, Deadline, ListError, ListPage, PageToken, Progress, ProviderError,
};

/// A page takes so long at most.
const PAGE: SignedDuration = SignedDuration::from_secs(10);

/// How long is waited before a page is asked for again that was not answered, in seconds.
const WAITS: [i64; 4] = [1, 2, 4, 8];

/// A provider that asks for a longer wait is waited for no longer.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(30);

/// A list with more pages is a server that does not heed the page asked for. A hundred thousand keys are a thousand pages.
const MAX_PAGES: usize = 20_000;

/// Reads while there is time.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) deadline: Deadline,
    pub(crate) progress: &'a dyn Progress,
}

/// Whether to ask once more, and after how long.
pub(crate) trait Repeatable: std::fmt::Display {
    /// `None`: a person must mend it.
    fn again(&self) -> Option<SignedDuration>;
}

impl Repeatable for ListError {
    fn again(&self) -> Option<SignedDuration> {
        self.is_retryable().then_some(SignedDuration::ZERO)
    }
}

impl Repeatable for ProviderError {
    fn again(&self) -> Option<SignedDuration> {
        match (self.advice(), self) {
            (Advice::RetryLater, Self::RetryAfter { after, .. }) => {
                Some(after.unwrap_or_default().min(LONGEST_WAIT))
            }
            (Advice::RetryLater, _) => Some(SignedDuration::ZERO),
            (Advice::LookUpFirst | Advice::StopAndAlert, _) => None,
        }
    }
}

impl Reader<'_> {
    /// Asks once, and again where that may help; or says why there is no answer.
    pub(crate) async fn ask<T, E: Repeatable, F: Future<Output = Result<T, E>> + Send>(
        &self,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<T, String> {
        let mut waits = WAITS.into_iter();
        loop {
            if !self.deadline.allows(self.clock, PAGE) {
                return Err("there was no time to read it".to_owned());
            }
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let (Some(wait), Some(again)) = (waits.next(), error.again()) else {
                return Err(error.to_string());
            };
            let wait = again.max(SignedDuration::from_secs(wait));
            if !self.deadline.allows(self.clock, wait + PAGE) {
                return Err(error.to_string());
            }
            self.clock.sleep(wait).await;
        }
    }

    /// Every page of a list, to the last. What was read of a list that breaks off was taken all the same.
    pub(crate) async fn all<T, E: Repeatable, F: Future<Output = Result<ListPage<T>, E>> + Send>(
        &self,
        page: impl Fn(Option<PageToken>) -> F + Send + Sync,
        mut take: impl FnMut(T) + Send,
    ) -> Seen {
        let mut asked = BTreeSet::new();
        let mut at: Option<PageToken> = None;
        loop {
            let read = match self.ask(|| page(at.clone())).await {
                Ok(read) => read,
                Err(why) if asked.is_empty() => return Seen::not(&why),
                Err(why) => return Seen::part(&why),
            };
            read.items.into_iter().for_each(&mut take);
            let Some(next) = read.next else {
                return Seen::Whole;
            };
            if !asked.insert(next.0.clone()) || asked.len() >= MAX_PAGES {
                return Seen::part("the list does not end");
            }
            at = Some(next);
        }
    }
}

/// Functions whose variables nobody could decrypt.
#[derive(Default)]
pub(crate) struct Undecrypted {
    number: usize,
    /// Which the first was, and why it could not be.
    first: String,
}

impl Undecrypted {
    pub(crate) fn add(&mut self, function: &OutsideText, why: &impl std::fmt::Display) {
        if self.number == 0 {
            self.first = format!("{function}: {why}");
        }
        self.number += 1;
    }

    /// How much was seen of functions that were listed so far: those were not.
    pub(crate) fn of(self, listed: Seen) -> Seen {
        let Self { number, first } = self;
        match number {
            0 => listed,
            number => {
                let why = format!("the variables of {number} functions cannot be read ({first})");
                both(listed, Seen::part(&why))
            }
        }
    }
}

/// Both of two readings of one source: one that failed leaves the other a part.
pub(super) fn both(one: Seen, other: Seen) -> Seen {
    match (one, other) {
        (Seen::Whole, Seen::Whole) => Seen::Whole,
        (one @ Seen::Not { .. }, Seen::Not { .. }) => one,
        (one @ Seen::Absent { .. }, Seen::Absent { .. }) => one,
        (Seen::Part { why } | Seen::Not { why } | Seen::Absent { why }, _)
        | (Seen::Whole, Seen::Part { why } | Seen::Not { why } | Seen::Absent { why }) => {
            Seen::Part { why }
        }
    }
}

//! What reports of usage and cost have in common: which buckets are asked for, and how pages go on.

use jiff::Timestamp;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ByKey, PageToken, ProviderError, Width, Window};

use crate::api::unreadable;
use crate::http::Repeat;

/// A report longer than this is a server that does not heed the cursor.
const MAX_PAGES: u32 = 100_000;

/// What one page of a report asks for. The whole of it but `from` stands in the page's token, so that all pages of a
/// report ask the same, however long they take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// Where the first bucket begins.
    pub(crate) from: Timestamp,
    /// Where the last one ends.
    pub(crate) until: Timestamp,
    /// Which of several calls that make up the report.
    pub(crate) part: usize,
    /// Where the page begins, in the provider's words.
    pub(crate) cursor: Option<String>,
    pub(crate) pages: u32,
}

impl Query {
    /// The page at `token`, of the buckets of `window` that have begun by `now`. `None` if none has: there is nothing
    /// to ask, and providers refuse a range without a bucket.
    pub(crate) fn read(
        window: &Window,
        now: Timestamp,
        token: Option<&PageToken>,
    ) -> Result<Option<Self>, ProviderError> {
        let from = next_start(window.from, window.width);
        let query = match token {
            None => Self {
                from,
                until: next_start(window.until.min(now), window.width),
                part: 0,
                cursor: None,
                pages: 0,
            },
            Some(token) => Self::of(from, &token.0).ok_or_else(|| ProviderError::Refused {
                detail: OutsideText::new("not a page of this report"),
            })?,
        };
        Ok((query.from < query.until).then_some(query))
    }

    fn of(from: Timestamp, token: &str) -> Option<Self> {
        let mut words = token.splitn(4, ' ');
        Some(Self {
            from,
            pages: words.next()?.parse().ok()?,
            part: words.next()?.parse().ok()?,
            until: Timestamp::from_second(words.next()?.parse().ok()?).ok()?,
            cursor: words
                .next()
                .filter(|cursor| !cursor.is_empty())
                .map(str::to_owned),
        })
    }

    /// The page after this one: that which the provider names, or the first of the next of `parts`.
    ///
    /// # Errors
    /// The provider names the same page again, or none though there are more, or does not come to an end.
    pub(crate) fn after(
        &self,
        has_more: bool,
        next: Option<String>,
        parts: usize,
    ) -> Result<Option<PageToken>, ProviderError> {
        let next = next.filter(|next| !next.is_empty());
        let (part, cursor) = match (has_more, next) {
            (false, _) if self.part + 1 < parts => (self.part + 1, String::new()),
            (false, _) => return Ok(None),
            (true, Some(next)) if self.cursor.as_deref() != Some(&next) => (self.part, next),
            (true, _) => return Err(unread("a report does not go on, and does not end")),
        };
        if self.pages >= MAX_PAGES {
            return Err(unread("a report does not end"));
        }
        let (pages, until) = (self.pages + 1, self.until.as_second());
        Ok(Some(PageToken(format!("{pages} {part} {until} {cursor}"))))
    }

    /// Whether the bucket that begins at `start` was asked for.
    pub(crate) fn has(&self, start: Timestamp) -> bool {
        (self.from..self.until).contains(&start)
    }
}

/// The first start of a bucket at or after `time`.
fn next_start(time: Timestamp, width: Width) -> Timestamp {
    let width = width.duration().as_secs();
    // Rounded down: there are no fractions before the earliest time that there is.
    let seconds = time.as_nanosecond().div_euclid(1_000_000_000) as i64;
    let part = i64::from(time.subsec_nanosecond() != 0);
    let start = (seconds + part + width - 1).div_euclid(width) * width;
    Timestamp::from_second(start).unwrap_or(Timestamp::MAX)
}

/// Buckets on a page: the default of the providers that take such a limit, so that a page of many keys stays small.
/// They take 1440, 168 and 31 at most.
pub(crate) const fn buckets(width: Width) -> &'static str {
    match width {
        Width::Minute => "60",
        Width::Hour => "24",
        Width::Day => "7",
    }
}

/// The width in the providers' words.
pub(crate) const fn word(width: Width) -> &'static str {
    match width {
        Width::Minute => "1m",
        Width::Hour => "1h",
        Width::Day => "1d",
    }
}

/// The key that a row names.
pub(crate) fn by_key(id: Option<&str>) -> ByKey {
    match id {
        Some(id) if !id.is_empty() => ByKey::Id(OutsideText::new(id)),
        _ => ByKey::Unnamed,
    }
}

/// The model that a row names.
pub(crate) fn model(name: Option<&str>) -> Option<OutsideText> {
    name.filter(|name| !name.is_empty()).map(OutsideText::new)
}

/// A page that is not what the API describes.
pub(crate) fn unread(what: &str) -> ProviderError {
    unreadable(Repeat::Safe, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(from: &str, until: &str, width: Width) -> Window {
        Window {
            from: at(from),
            until: at(until),
            width,
        }
    }

    #[test]
    fn a_window_holds_the_buckets_that_begin_in_it_and_have_begun() {
        let now = at("2026-11-25T14:00:30Z");
        for (from, until, width, expected) in [
            (
                "2026-11-24T00:00:00Z",
                "2026-11-25T00:00:00Z",
                Width::Day,
                Some(("2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z")),
            ),
            (
                "2026-11-23T23:59:59.9Z",
                "2026-11-25T14:00:00Z",
                Width::Day,
                Some(("2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z")),
            ),
            // Too recent: the next day has not begun.
            (
                "2026-11-25T00:00:01Z",
                "2026-11-27T00:00:00Z",
                Width::Day,
                None,
            ),
            (
                "2026-11-25T13:58:00Z",
                "2026-11-25T15:00:00Z",
                Width::Minute,
                Some(("2026-11-25T13:58:00Z", "2026-11-25T14:01:00Z")),
            ),
            (
                "2026-11-25T12:30:00Z",
                "2026-11-25T13:00:00Z",
                Width::Hour,
                None,
            ),
            (
                "2026-11-25T13:00:00Z",
                "2026-11-25T12:00:00Z",
                Width::Hour,
                None,
            ),
            (
                "1969-12-31T23:59:59.5Z",
                "1970-01-01T00:00:00.000000001Z",
                Width::Minute,
                Some(("1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z")),
            ),
        ] {
            let query = Query::read(&window(from, until, width), now, None).unwrap();
            let expected = expected.map(|(from, until)| (at(from), at(until)));
            assert_eq!(query.map(|q| (q.from, q.until)), expected, "{from} {until}");
        }
        let all = Window {
            from: Timestamp::MIN,
            until: Timestamp::MAX,
            width: Width::Day,
        };
        assert!(Query::read(&all, Timestamp::MAX, None).unwrap().is_some());
    }

    #[test]
    fn pages_ask_the_same_however_long_they_take() {
        let window = window("2026-11-25T13:00:00Z", "2026-11-25T20:00:00Z", Width::Hour);
        let read = |now: &str, token: Option<&PageToken>| {
            Query::read(&window, at(now), token).unwrap().unwrap()
        };
        let first = read("2026-11-25T14:00:30Z", None);
        let token = first.after(true, Some("page 2".to_owned()), 2).unwrap();
        let second = read("2026-11-25T17:30:00Z", token.as_ref());
        assert_eq!(second.until, first.until);
        assert_eq!((second.part, second.cursor.as_deref()), (0, Some("page 2")));
        let token = second.after(false, Some("page 3".to_owned()), 2).unwrap();
        let third = read("2026-11-25T17:30:00Z", token.as_ref());
        assert_eq!((third.part, third.cursor.as_deref()), (1, None));
        assert_eq!(third.after(false, None, 2), Ok(None));
    }

    #[test]
    fn a_report_that_does_not_go_on_or_does_not_end_is_an_error() {
        let query = |pages, cursor: Option<&str>| Query {
            from: Timestamp::UNIX_EPOCH,
            until: Timestamp::MAX,
            part: 0,
            cursor: cursor.map(str::to_owned),
            pages,
        };
        for (name, query, next) in [
            ("no next page", query(0, None), None),
            ("an empty one", query(0, None), Some("")),
            ("the same again", query(1, Some("a")), Some("a")),
            ("one too many", query(MAX_PAGES, Some("a")), Some("b")),
        ] {
            let after = query.after(true, next.map(str::to_owned), 1);
            assert!(after.is_err(), "{name}: {after:?}");
        }
        for token in ["", "1", "1 0", "1 0 x ", "x 0 0 ", "1 -1 0 c"] {
            let token = PageToken(token.to_owned());
            let window = window("2026-11-25T13:00:00Z", "2026-11-25T20:00:00Z", Width::Hour);
            let read = Query::read(&window, Timestamp::MAX, Some(&token));
            assert!(
                matches!(read, Err(ProviderError::Refused { .. })),
                "{token:?}"
            );
        }
    }
}

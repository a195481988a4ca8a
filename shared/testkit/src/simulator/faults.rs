//! Answers that go wrong on demand.

use serde::{Deserialize, Serialize};

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Whether the request does its work all the same.
    pub effect: Effect,
    /// What comes back.
    pub answer: Answer,
}

/// Whether a faulty request does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It does.
    Happens,
    /// Nothing happens.
    Never,
}

/// What comes back for a faulty request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The connection is closed without a byte.
    Closed,
    /// No answer, for as long as the caller waits.
    Silence,
    /// All headers, half of the body, then the connection is closed.
    HalfSent,
    /// Status 200 and the first half of the JSON, as if it were whole.
    Truncated,
    /// Status 200 and an error object.
    ErrorObject,
    /// Status 429.
    RateLimited(RetryAfter),
    /// Any status with a made-up body.
    Status {
        /// The status.
        status: u16,
        /// The body.
        body: Body,
    },
    /// Exactly this, as somebody recorded it.
    Recorded {
        /// The status.
        status: u16,
        /// The header `Retry-After`, if it is to be there.
        retry_after: Option<String>,
        /// The body.
        body: String,
    },
}

/// The header of a 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// No such header.
    Absent,
    /// A number of seconds.
    Seconds(u32),
    /// An HTTP date that many seconds ahead of the simulator's clock.
    Date(u32),
}

/// A made-up body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// An error in the provider's own form.
    Json,
    /// A page of a proxy in between.
    Html,
    /// Nothing.
    Empty,
}

impl Fault {
    /// The request does its work, its answer is lost.
    pub const fn lost_after() -> Self {
        Self::with(Effect::Happens, Answer::Closed)
    }

    /// The request is lost.
    pub const fn lost_before() -> Self {
        Self::with(Effect::Never, Answer::Closed)
    }

    /// Nothing happens and nothing comes back.
    pub const fn silence() -> Self {
        Self::with(Effect::Never, Answer::Silence)
    }

    /// The request does its work, half of its answer arrives.
    pub const fn half_sent() -> Self {
        Self::with(Effect::Happens, Answer::HalfSent)
    }

    /// The request does its work, its answer is cut but looks whole to HTTP.
    pub const fn truncated() -> Self {
        Self::with(Effect::Happens, Answer::Truncated)
    }

    /// Nothing happens; status 200 and an error object.
    pub const fn error_object() -> Self {
        Self::with(Effect::Never, Answer::ErrorObject)
    }

    /// Nothing happens; 429.
    pub const fn rate_limited(retry_after: RetryAfter) -> Self {
        Self::with(Effect::Never, Answer::RateLimited(retry_after))
    }

    /// Nothing happens; any status and body. 200 with [`Body::Html`] is a proxy that lies.
    pub const fn status(status: u16, body: Body) -> Self {
        Self::with(Effect::Never, Answer::Status { status, body })
    }

    /// Nothing happens; an answer as it was recorded.
    pub const fn recorded(status: u16, retry_after: Option<String>, body: String) -> Self {
        let answer = Answer::Recorded {
            status,
            retry_after,
            body,
        };
        Self::with(Effect::Never, answer)
    }

    /// The same answer, but the request does its work before.
    #[must_use]
    pub fn after_effect(self) -> Self {
        Self::with(Effect::Happens, self.answer)
    }

    const fn with(effect: Effect, answer: Answer) -> Self {
        Self { effect, answer }
    }
}

/// Which requests a fault meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The HTTP method; absent for any.
    #[serde(default)]
    pub method: Option<String>,
    /// The path below the API's base, without a query: segments, where `*` stands for any one and a last `**` for
    /// any rest.
    pub path: String,
    /// Matching requests that pass before the first fault.
    #[serde(default)]
    pub skip: u32,
    /// How many requests meet it; absent for all.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// What goes wrong.
    pub fault: Fault,
}

fn once() -> Option<u32> {
    Some(1)
}

impl FaultRule {
    /// The first request with `method` (any if empty) to `path` meets `fault`.
    pub fn on(method: &str, path: &str, fault: Fault) -> Self {
        Self {
            method: (!method.is_empty()).then(|| method.to_owned()),
            path: path.to_owned(),
            skip: 0,
            times: once(),
            fault,
        }
    }

    /// From the `n`th matching request on, counted from 1.
    #[must_use]
    pub fn nth(self, n: u32) -> Self {
        Self {
            skip: n.saturating_sub(1),
            ..self
        }
    }

    /// `count` requests in a row.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self {
            times: Some(count),
            ..self
        }
    }

    /// Every request until the faults are cleared.
    #[must_use]
    pub fn always(self) -> Self {
        Self {
            times: None,
            ..self
        }
    }

    pub(super) fn matches(&self, method: &str, path: &str) -> bool {
        let any_method = self.method.as_deref().is_none_or(|m| m == method);
        any_method && path_matches(&self.path, path)
    }

    fn is_spent(&self) -> bool {
        self.times == Some(0)
    }

    /// Counts one matching request; whether it meets the fault.
    fn take(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some(left) = &mut self.times {
            *left -= 1;
        }
        true
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.trim_matches('/').split('/');
    for wanted in pattern.trim_matches('/').split('/') {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// The faults still to come, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<FaultRule>);

impl Faults {
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.0.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn pending(&self) -> Vec<FaultRule> {
        self.0.clone()
    }

    /// The fault that this request meets. All matching rules count it up to the one that applies.
    pub(super) fn next(&mut self, method: &str, path: &str) -> Option<Fault> {
        let met = self
            .0
            .iter_mut()
            .filter(|rule| rule.matches(method, path))
            .find_map(|rule| rule.take().then(|| rule.fault.clone()));
        self.0.retain(|rule| !rule.is_spent());
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, expected) in [
            ("/keys", "/keys", true),
            ("/keys", "/keys/abc", false),
            ("/keys/*", "/keys/abc", true),
            ("/keys/*", "/keys", false),
            ("/keys/*", "/keys/abc/x", false),
            ("/**", "/chat/completions", true),
            ("/keys/**", "/key", false),
        ] {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_rule_skips_then_meets_as_often_as_asked_and_is_gone() {
        let mut faults = Faults::default();
        faults.add(
            FaultRule::on("GET", "/keys", Fault::silence())
                .nth(2)
                .times(2),
        );
        assert_eq!(
            faults.next("POST", "/keys"),
            None,
            "another method does not count"
        );
        let met: Vec<bool> = (0..4)
            .map(|_| faults.next("GET", "/keys").is_some())
            .collect();
        assert_eq!(met, [false, true, true, false]);
        assert_eq!(faults.pending(), []);
    }

    #[test]
    fn rules_are_read_from_json_with_the_same_defaults() {
        let read: FaultRule = serde_json::from_str(
            r#"{"path":"/keys","fault":{"effect":"never","answer":{"rate_limited":{"seconds":2}}}}"#,
        )
        .unwrap();
        assert_eq!(
            read,
            FaultRule::on("", "/keys", Fault::rate_limited(RetryAfter::Seconds(2)))
        );
    }
}

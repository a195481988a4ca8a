//! Waiting for an answer while a person looks on.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::print::complain;

/// A person who reads nothing for so long wonders.
const QUIET: Duration = Duration::from_secs(5);

/// What is said meanwhile.
pub(crate) struct Words {
    /// When the answer is late.
    pub(crate) late: String,
    /// When the person stops waiting, by Ctrl-C.
    pub(crate) left: String,
}

/// The person stopped waiting.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Left(String);

/// The answer. Says once that it is late.
///
/// # Errors
/// The answer's own, or that it is no longer waited for.
pub(crate) async fn attended<T>(
    answer: impl Future<Output = Result<T>>,
    words: &Words,
) -> Result<T> {
    unless(
        interrupted(),
        &words.left,
        with_word(answer, sleep(QUIET), || complain(&words.late)),
    )
    .await
}

/// The answer, unless the person stops waiting.
///
/// # Errors
/// The answer's own, or that it is no longer waited for.
pub(crate) async fn until_left<T>(
    answer: impl Future<Output = Result<T>>,
    left: &str,
) -> Result<T> {
    unless(interrupted(), left, answer).await
}

/// Returns on Ctrl-C; never where that cannot be noticed.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn unless<T>(
    stop: impl Future<Output = ()>,
    left: &str,
    answer: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        answer = answer => answer,
        () = stop => Err(Left(left.to_owned()).into()),
    }
}

/// The answer; `say` is called if it is not there when `quiet` is over.
async fn with_word<T>(
    answer: impl Future<Output = T>,
    quiet: impl Future<Output = ()>,
    say: impl FnOnce(),
) -> T {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        () = quiet => say(),
    }
    answer.await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_late_answer_is_said_to_be_late_once() {
        let mut said = 0;
        let late = async {
            yield_now().await;
            7
        };
        assert_eq!(with_word(late, ready(()), || said += 1).await, 7);
        assert_eq!(said, 1);
        let given = with_word(ready(7), pending(), || said += 1).await;
        assert_eq!((given, said), (7, 1), "nothing is said of one in time");
    }

    #[tokio::test]
    async fn who_stops_waiting_is_told_what_goes_on() {
        let never = pending::<Result<()>>();
        let left = unless(ready(()), "it goes on", never).await;
        assert_eq!(left.expect_err("left").to_string(), "it goes on");
        let given = unless(ready(()), "it goes on", ready(Ok(7))).await;
        assert_eq!(given.ok(), Some(7), "an answer that is there counts");
    }
}

//! Stops Lambda functions by their reserved concurrency, and lets them run again.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Concurrency, FunctionState, FunctionSwitch, ListError};

use crate::fault::examine;
use crate::secrets::NOT_FOUND;

/// The tag of a function that says what it could run at a time before a lockdown: a number, or `shared`.
const TAG_LOCKDOWN: &str = "keyward:lockdown";

const SHARED: &str = "shared";

/// Lambda in the account and region of this process. A reserved concurrency of zero stops a function:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>.
#[derive(Debug, Clone)]
pub struct LambdaSwitch(Client);

impl LambdaSwitch {
    /// By the credentials of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// The function's ARN, which tags are set by; a function that is gone is an error here.
    async fn arn(&self, function: &str) -> Result<String, ListError> {
        let found = self.found(function).await?;
        found.map(|found| found.0).ok_or_else(|| {
            ListError::Refused(OutsideText::new("GetFunction: there is no such function"))
        })
    }

    async fn found(&self, function: &str) -> Result<Option<(String, FunctionState)>, ListError> {
        let answer = self.0.get_function().function_name(function).send().await;
        let answer = match answer.map_err(|error| examine("GetFunction", &error)) {
            Ok(answer) => answer,
            Err(failure) if failure.code() == NOT_FOUND => return Ok(None),
            Err(failure) => return Err(failure.of_list()),
        };
        let unreadable = |what| ListError::Unavailable(OutsideText::new(what));
        let arn = answer.configuration.and_then(|c| c.function_arn);
        let arn = arn.ok_or_else(|| unreadable("GetFunction: the answer names no function"))?;
        let reserved = answer
            .concurrency
            .and_then(|c| c.reserved_concurrent_executions);
        let concurrency = match reserved {
            None => Concurrency::Shared,
            Some(number) => Concurrency::Reserved(
                u32::try_from(number).map_err(|_| unreadable("GetFunction: less than none"))?,
            ),
        };
        let tags = answer.tags.unwrap_or_default();
        let before = tags
            .get(TAG_LOCKDOWN)
            .map(|text| remembered(text))
            .transpose()?;
        let state = FunctionState {
            concurrency,
            before_lockdown: before,
        };
        Ok(Some((arn, state)))
    }
}

fn remembered(text: &str) -> Result<Concurrency, ListError> {
    match text {
        SHARED => Ok(Concurrency::Shared),
        number => number.parse().map(Concurrency::Reserved).map_err(|_| {
            let what = "the function's tag `keyward:lockdown` is neither a number nor `shared`";
            ListError::Refused(OutsideText::new(what))
        }),
    }
}

#[async_trait]
impl FunctionSwitch for LambdaSwitch {
    async fn state(&self, function: &str) -> Result<Option<FunctionState>, ListError> {
        Ok(self.found(function).await?.map(|found| found.1))
    }

    async fn remember(&self, function: &str, before: Concurrency) -> Result<(), ListError> {
        let value = match before {
            Concurrency::Shared => SHARED.to_owned(),
            Concurrency::Reserved(number) => number.to_string(),
        };
        let arn = self.arn(function).await?;
        let request = self.0.tag_resource().resource(arn);
        let done = request.tags(TAG_LOCKDOWN, value).send().await;
        done.map(drop)
            .map_err(|error| examine("TagResource", &error).of_list())
    }

    async fn forget(&self, function: &str) -> Result<(), ListError> {
        let arn = self.arn(function).await?;
        let request = self.0.untag_resource().resource(arn);
        let done = request.tag_keys(TAG_LOCKDOWN).send().await;
        done.map(drop)
            .map_err(|error| examine("UntagResource", &error).of_list())
    }

    async fn allow(&self, function: &str, concurrency: Concurrency) -> Result<(), ListError> {
        match concurrency {
            Concurrency::Shared => {
                let request = self.0.delete_function_concurrency();
                let done = request.function_name(function).send().await;
                done.map(drop)
                    .map_err(|error| examine("DeleteFunctionConcurrency", &error).of_list())
            }
            Concurrency::Reserved(number) => {
                let number = i32::try_from(number).unwrap_or(i32::MAX);
                let request = self.0.put_function_concurrency().function_name(function);
                let done = request.reserved_concurrent_executions(number).send().await;
                done.map(drop)
                    .map_err(|error| examine("PutFunctionConcurrency", &error).of_list())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recorded::{Answer, Recorded};

    fn found(reserved: Option<u32>, tag: Option<&str>) -> Answer {
        let mut body = json!({
            "Configuration": {"FunctionArn": "arn:aws:lambda:us-east-1:111122223333:function:prod-rotate"},
        });
        if let Some(number) = reserved {
            body["Concurrency"] = json!({"ReservedConcurrentExecutions": number});
        }
        if let Some(tag) = tag {
            body["Tags"] = json!({TAG_LOCKDOWN: tag});
        }
        Answer::ok(&body)
    }

    #[tokio::test]
    async fn a_function_is_read_with_what_was_written_down_beside_it() {
        let state = |concurrency, before_lockdown| {
            Some(FunctionState {
                concurrency,
                before_lockdown,
            })
        };
        for (reserved, tag, expected) in [
            (None, None, state(Concurrency::Shared, None)),
            (Some(10), None, state(Concurrency::Reserved(10), None)),
            (
                Some(0),
                Some("shared"),
                state(Concurrency::Reserved(0), Some(Concurrency::Shared)),
            ),
            (
                Some(0),
                Some("10"),
                state(Concurrency::Reserved(0), Some(Concurrency::Reserved(10))),
            ),
        ] {
            let recorded = Recorded::new([found(reserved, tag)]);
            let switch = LambdaSwitch::new(&recorded.config());
            assert_eq!(
                switch.state("prod-rotate").await.unwrap(),
                expected,
                "{tag:?}"
            );
        }
        let recorded = Recorded::new([found(Some(0), Some("all"))]);
        let switch = LambdaSwitch::new(&recorded.config());
        let error = switch.state("prod-rotate").await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
    }
}

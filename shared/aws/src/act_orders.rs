//! What people asked for, carried out by the kill switch's function while it is waited for.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use keyward_core::model::act_order::ActOrder;
use keyward_core::model::names::StackName;
use keyward_core::ports::{ActOrderError, ActOrders, ActOutcome};
use serde_json::Value;

use crate::config::CONNECT_TIMEOUT;
use crate::fault::{Fault, examine};
use crate::http::ReqwestClient;

const INVOKE: &str = "Invoke";

/// A synchronous invocation that came to an end: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
const DONE: i32 = 200;

/// How long one invocation is waited for: more than the kill switch's own time-out of 60 s, so that it is over by then.
/// The HTTP client that is handed to [`ActsByKillSwitch::new`] must wait as long.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(65);

/// An order may be given twice: what was done stays so.
const ATTEMPTS: u32 = 2;

/// The kill switch as a Lambda function that people's orders are given to.
#[derive(Debug, Clone)]
pub struct ActsByKillSwitch {
    client: Client,
    function: String,
    stack: StackName,
}

impl ActsByKillSwitch {
    /// The function with this ARN, in the account and region of `config`, for orders of `stack`. `http` waits for
    /// [`ANSWER_TIMEOUT`] at least.
    pub fn new(
        config: &SdkConfig,
        http: reqwest::Client,
        function: &str,
        stack: StackName,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ANSWER_TIMEOUT)
            .operation_attempt_timeout(ANSWER_TIMEOUT)
            .operation_timeout(ANSWER_TIMEOUT * ATTEMPTS)
            .build();
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        let patient = config.to_builder().http_client(ReqwestClient::new(http));
        let patient = patient.timeout_config(timeouts).retry_config(retries);
        Self::on(&patient.build(), function, stack)
    }

    fn on(config: &SdkConfig, function: &str, stack: StackName) -> Self {
        Self {
            client: Client::new(config),
            function: function.to_owned(),
            stack,
        }
    }
}

#[async_trait]
impl ActOrders for ActsByKillSwitch {
    async fn carry_out(&self, order: &ActOrder) -> Result<ActOutcome, ActOrderError> {
        let request = self.client.invoke().function_name(&self.function);
        let request = request.invocation_type(InvocationType::RequestResponse);
        let request = request.payload(Blob::new(order.to_json(&self.stack).to_string()));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let failure = examine(INVOKE, &error);
                return Err(match failure.is_transient {
                    true => ActOrderError::Unknown(failure.fault.into()),
                    false => ActOrderError::Refused(failure.fault.into()),
                });
            }
        };
        // Nothing of the answer is shown: what a function that stopped says of itself is in its log.
        let unknown = |what: String| ActOrderError::Unknown(Fault::new(INVOKE, what).into());
        if answer.status_code() != DONE {
            return Err(unknown(format!("status {}", answer.status_code())));
        }
        if answer.function_error().is_some() {
            return Err(unknown(
                "the function failed or ran out of time; its log says why".to_owned(),
            ));
        }
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        let payload: Value = serde_json::from_slice(payload)
            .map_err(|_| unknown("the answer is not JSON".to_owned()))?;
        match ActOutcome::from_answer(order, &payload) {
            Some(outcome) => Ok(outcome),
            None if ActOutcome::is_report(&payload) => Err(ActOrderError::Refused(
                Fault::new(
                    INVOKE,
                    "the order is not taken: it is of another stack or release",
                )
                .into(),
            )),
            None => Err(unknown("the answer is none to the order".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::model::act_order::LimitedKeys;
    use keyward_core::model::slot::Epoch;
    use keyward_core::ports::CapSet;
    use serde_json::json;

    use super::*;
    use crate::recorded::{Answer, Recorded};

    const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:kill-switch";

    fn order() -> ActOrder {
        ActOrder::SetLimits {
            slot: "chat-eu".parse().unwrap(),
            epoch: Epoch(3),
            keys: LimitedKeys::Current,
        }
    }

    async fn given(
        answers: impl IntoIterator<Item = Answer>,
    ) -> (Recorded, Result<ActOutcome, ActOrderError>) {
        let aws = Recorded::new(answers);
        let stack = "prod".parse().unwrap();
        let switch = ActsByKillSwitch::on(&aws.config(), ARN, stack);
        let outcome = switch.carry_out(&order()).await;
        (aws, outcome)
    }

    #[tokio::test]
    async fn an_order_is_waited_for_and_its_outcome_read() {
        let outcome = ActOutcome::Limits(CapSet::NoKey);
        let body = outcome.to_answer(&order()).to_string();
        let (aws, read) = given([Answer::Body(200, body)]).await;
        assert_eq!(read.unwrap(), outcome);
        let stack = "prod".parse().unwrap();
        assert_eq!(aws.sent()[0].body, order().to_json(&stack));
    }

    #[tokio::test]
    async fn what_is_not_known_is_never_taken_for_done_or_for_not_done() {
        type Is = fn(&ActOrderError) -> bool;
        let unknown: Is = |e| matches!(e, ActOrderError::Unknown(_));
        let refused: Is = |e| matches!(e, ActOrderError::Refused(_));
        let other = ActOrder::ReadyPool {
            account: "main".parse().unwrap(),
            until: "2026-11-27T12:00:00Z".parse().unwrap(),
        };
        let of_another = ActOutcome::Resumed.to_answer(&other).to_string();
        let report = json!({"messages": 1, "contained": 0, "passed": 1, "unfinished": 0});
        let cases: [(Answer, Is); 8] = [
            (Answer::TimedOut, unknown),
            (Answer::Body(200, "null".to_owned()), unknown),
            (Answer::Body(202, String::new()), unknown),
            (Answer::Body(200, of_another), unknown),
            (Answer::Body(200, report.to_string()), refused),
            (
                Answer::error(429, "TooManyRequestsException", "slow down"),
                unknown,
            ),
            (Answer::error(500, "ServiceException", "broken"), unknown),
            (Answer::error(403, "AccessDeniedException", "no"), refused),
        ];
        for (answer, expected) in cases {
            let (_, outcome) = given([answer.clone()]).await;
            let error = outcome.unwrap_err();
            assert!(expected(&error), "{answer:?}: {error:?}");
        }
    }
}

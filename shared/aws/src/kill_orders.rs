//! Orders to the kill switch, by invoking its function.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use keyward_core::model::kill_order::{GoOnOrder, MonitorOrder};
use keyward_core::ports::{KillOrderError, KillOrders};
use serde_json::Value;

use crate::fault::{Fault, examine};

const INVOKE: &str = "Invoke";

/// An asynchronous invocation that Lambda has queued: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
const QUEUED: i32 = 202;

/// The kill switch as a Lambda function.
#[derive(Debug, Clone)]
pub struct KillSwitchFunction {
    client: Client,
    function: String,
}

impl KillSwitchFunction {
    /// The function with this ARN, in the account and region of `config`.
    pub fn new(config: &SdkConfig, function: &str) -> Self {
        Self {
            client: Client::new(config),
            function: function.to_owned(),
        }
    }

    /// Queues an invocation.
    pub(crate) async fn invoke(&self, order: &Value) -> Result<(), KillOrderError> {
        let request = self.client.invoke().function_name(&self.function);
        let request = request.invocation_type(InvocationType::Event);
        let request = request.payload(Blob::new(order.to_string()));
        match request.send().await {
            Ok(answer) if answer.status_code() == QUEUED => Ok(()),
            Ok(answer) => {
                let what = format!("status {} and not {QUEUED}", answer.status_code());
                Err(KillOrderError::Unavailable(Fault::new(INVOKE, what).into()))
            }
            Err(error) => {
                let failure = examine(INVOKE, &error);
                Err(match failure.is_transient {
                    true => KillOrderError::Unavailable(failure.fault.into()),
                    false => KillOrderError::Refused(failure.fault.into()),
                })
            }
        }
    }
}

#[async_trait]
impl KillOrders for KillSwitchFunction {
    async fn kill(&self, order: &MonitorOrder) -> Result<(), KillOrderError> {
        self.invoke(&order.to_json()).await
    }

    async fn go_on(&self, order: &GoOnOrder) -> Result<(), KillOrderError> {
        self.invoke(&order.to_json()).await
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::model::text::OutsideText;

    use super::*;
    use crate::recorded::{Answer, Recorded};

    const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:kill-switch";

    fn order() -> GoOnOrder {
        GoOnOrder {
            stack: "prod".parse().unwrap(),
            incident: OutsideText::new("chat-eu-3"),
        }
    }

    #[tokio::test]
    async fn an_order_is_taken_when_lambda_has_queued_it() {
        let aws = Recorded::new([Answer::Body(202, String::new())]);
        let switch = KillSwitchFunction::new(&aws.config(), ARN);
        switch.go_on(&order()).await.unwrap();
        assert_eq!(aws.sent()[0].body, order().to_json());
    }

    #[tokio::test]
    async fn what_was_not_seen_to_be_queued_is_given_again() {
        type Is = fn(&KillOrderError) -> bool;
        let unavailable: Is = |e| matches!(e, KillOrderError::Unavailable(_));
        let refused: Is = |e| matches!(e, KillOrderError::Refused(_));
        let cases: [(Answer, Is); 5] = [
            (Answer::TimedOut, unavailable),
            (Answer::Body(200, "null".to_owned()), unavailable),
            (
                Answer::error(429, "TooManyRequestsException", "slow down"),
                unavailable,
            ),
            (
                Answer::error(500, "ServiceException", "broken"),
                unavailable,
            ),
            (Answer::error(403, "AccessDeniedException", "no"), refused),
        ];
        for (answer, expected) in cases {
            let aws = Recorded::new([answer.clone()]);
            let switch = KillSwitchFunction::new(&aws.config(), ARN);
            let error = switch.go_on(&order()).await.unwrap_err();
            assert!(expected(&error), "{answer:?}: {error:?}");
        }
    }
}

//! An SNS topic that delivers into an SQS queue.

use serde_json::{Value, json};

use super::Ministack;
use super::ministack::sqs;

/// A topic, and the queue that keeps what is published to it until it is received.
#[derive(Debug)]
pub struct Topic {
    /// Its ARN.
    pub arn: String,
    url: String,
    queue: String,
}

impl Topic {
    /// Makes a topic `name` and subscribes a queue of the same name to it.
    pub async fn create(ministack: &Ministack, name: &str) -> Self {
        let sns = aws_sdk_sns::Client::new(&ministack.sdk_config().await);
        let created = sns.create_topic().name(name).send().await.unwrap();
        let arn = created.topic_arn().unwrap();
        Self::heard(ministack, name, arn).await
    }

    /// Subscribes a queue `name` to a topic that is there.
    pub async fn heard(ministack: &Ministack, name: &str, arn: &str) -> Self {
        let sns = aws_sdk_sns::Client::new(&ministack.sdk_config().await);
        let request = json!({"QueueName": name});
        let created = ministack.sqs("CreateQueue", &request).await;
        let queue = created["QueueUrl"].as_str().unwrap().to_owned();
        let request = json!({"QueueUrl": queue, "AttributeNames": ["QueueArn"]});
        let attributes = ministack.sqs("GetQueueAttributes", &request).await;
        let queue_arn = attributes["Attributes"]["QueueArn"].as_str().unwrap();
        let subscribe = sns.subscribe().topic_arn(arn).protocol("sqs");
        subscribe.endpoint(queue_arn).send().await.unwrap();
        Self {
            arn: arn.to_owned(),
            url: ministack.url().to_owned(),
            queue,
        }
    }

    /// What was published since the last call, each in SNS's envelope. Waits up to `wait` seconds for the first.
    pub async fn receive(&self, wait: u32) -> Vec<Value> {
        let mut received = self.batch(wait).await;
        loop {
            let more = self.batch(0).await;
            if more.is_empty() {
                return received;
            }
            received.extend(more);
        }
    }

    async fn batch(&self, wait: u32) -> Vec<Value> {
        let request = json!({
            "QueueUrl": self.queue,
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": wait,
        });
        let answer = sqs(&self.url, "ReceiveMessage", &request).await;
        let mut received = Vec::new();
        for message in answer["Messages"].as_array().into_iter().flatten() {
            let handle = json!({
                "QueueUrl": self.queue,
                "ReceiptHandle": message["ReceiptHandle"],
            });
            sqs(&self.url, "DeleteMessage", &handle).await;
            let body = message["Body"].as_str().unwrap();
            received.push(serde_json::from_str(body).unwrap());
        }
        received
    }
}

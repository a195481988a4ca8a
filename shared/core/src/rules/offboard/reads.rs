//! Which slot a read of a secret was of.

use jiff::SignedDuration;

use crate::model::names::SecretArn;

/// CloudTrail keeps its events of the last 90 days to be looked up:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>.
pub const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(90 * 24);

/// CloudTrail delivers events within about 5 minutes on average, and promises no bound; what came late is looked for once
/// more after so long: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/how-cloudtrail-works.html>.
pub const SECOND_LOOK: SignedDuration = SignedDuration::from_mins(20);

/// Length of what Secrets Manager adds to a secret's name in its ARN: a dash and six characters.
const SUFFIX: usize = 7;

/// Whether GetSecretValue with `asked` as its SecretId reads this secret: its ARN, the same without the end that Secrets
/// Manager adds, or its name. <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
pub fn is_secret(arn: &SecretArn, asked: &str) -> bool {
    let arn = arn.as_str();
    let partial = arn.len().checked_sub(SUFFIX).and_then(|end| arn.get(..end));
    let name = partial.and_then(|partial| partial.splitn(7, ':').nth(6));
    asked == arn || Some(asked) == partial || Some(asked) == name
}

//! What the audit is configured by, beside what every function is.

use keyward_core::rules::kill::Deployment;

use super::{Config, ConfigError, Reader};

pub(super) const REPORTS: &str = "KEYWARD_REPORTS";
const HUB: &str = "KEYWARD_SECURITY_HUB";

pub(super) const REPORTS_RULE: &str = "the bucket of reports, 3 to 63 of a-z 0-9 - .";

/// Everything that a deployment sets for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditConfig {
    /// What every function has.
    pub common: Config,
    /// `KEYWARD_STACK`, `KEYWARD_ALARM_TOPIC_ARN` and `KEYWARD_ALARM_MAP`, as the kill switch has them.
    pub deployment: Deployment,
    /// `KEYWARD_REPORTS`: the bucket that reports are kept in.
    pub reports: String,
    /// `KEYWARD_SECURITY_HUB`: `true` or `false`; `false` if not set. Whether findings go to AWS Security Hub as well.
    pub hub: SendTo,
}

/// Whether findings go to AWS Security Hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendTo {
    /// They stand in the report alone.
    ReportAlone,
    /// They go there too.
    SecurityHub,
}

impl AuditConfig {
    /// Reads the configuration through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems together.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup,
            problems: Vec::new(),
        };
        let credential = reader.credential();
        let common = reader.common(credential);
        let deployment = reader.deployment();
        let reports = reader.required(REPORTS, REPORTS_RULE, is_bucket);
        let hub = match reader.text(HUB).as_deref() {
            None | Some("false") => SendTo::ReportAlone,
            Some("true") => SendTo::SecurityHub,
            Some(_) => {
                reader.problem(HUB, "must be true or false".to_owned());
                SendTo::ReportAlone
            }
        };
        match deployment {
            Some(deployment) if reader.problems.is_empty() => Ok(Self {
                common,
                deployment,
                reports,
                hub,
            }),
            _ => Err(ConfigError(reader.problems)),
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub(super) fn is_bucket(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    (3..=63).contains(&text.len())
        && text.bytes().all(|b| is_word(b) || matches!(b, b'-' | b'.'))
        && ends.into_iter().flatten().copied().all(is_word)
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use keyward_providers::config::Credential;

    use super::super::testing::lookup;
    use super::*;

    fn with(set: &[(&str, &str)]) -> Result<AuditConfig, ConfigError> {
        AuditConfig::from_lookup(lookup(set, &[(REPORTS, "prod-reports-1a2b")]))
    }

    #[test]
    fn it_reads_by_a_credential_that_reads_and_sends_findings_nowhere_unless_told() {
        let config = with(&[]).unwrap();
        assert_eq!(config.reports, "prod-reports-1a2b");
        assert_eq!(config.hub, SendTo::ReportAlone);
        assert_eq!(config.common.credential, Credential::Read);
        assert_eq!(config.deployment.account, "111122223333");
        let hub = with(&[(HUB, "true")]).unwrap().hub;
        assert_eq!(hub, SendTo::SecurityHub);
    }

    #[test]
    fn what_is_no_bucket_and_no_answer_is_refused() {
        for (variable, value) in [
            (REPORTS, ""),
            (REPORTS, "ab"),
            (REPORTS, "Reports"),
            (REPORTS, "reports/audits"),
            (REPORTS, "-reports"),
            (REPORTS, "re..ports"),
            (HUB, "yes"),
        ] {
            let refused = with(&[(variable, value)]).unwrap_err();
            let variables: Vec<&str> = refused.0.iter().map(|p| p.variable).collect();
            assert_eq!(variables, [variable], "{value}");
        }
    }
}

//! When admin credentials are made, and when they are to end.

use jiff::SignedDuration;

use super::rotation::{StepDecision, not_pending};
use crate::model::names::SecretVersionId;
use crate::model::slot::ProviderName;
use crate::ports::{SecretDescription, Stage};

/// A credential is replaced within so long; an older one is a finding of the audit.
pub const HOLDS: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Days between two rotations, where the provider can make credentials: far enough below [`HOLDS`] to mend what fails.
pub const ROTATED_EVERY_DAYS: i64 = 30;

/// A credential ends by itself so long after it was made: a Keyward that stopped running leaves none for ever.
pub const ENDS_AFTER: SignedDuration = HOLDS;

/// A break-glass credential that nobody tried for so long may not work when it is needed.
pub const BREAK_GLASS_TRIED: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Whether accounts of a provider are administered by a credential, so that one can be sealed for the night on which nothing
/// else works.
pub const fn has_break_glass(provider: ProviderName) -> bool {
    match provider {
        ProviderName::OpenAi
        | ProviderName::Anthropic
        | ProviderName::OpenRouter
        | ProviderName::LiteLlm
        | ProviderName::Gemini
        | ProviderName::Azure => true,
        // Its keys are AWS's own.
        ProviderName::Bedrock => false,
    }
}

/// How a person replaces an admin credential of a provider, or makes a break-glass one.
pub const fn by_hand(provider: ProviderName) -> &'static str {
    match provider {
        ProviderName::OpenAi => {
            "make an admin key in the organization's settings, enter it by keyward doctor --bootstrap, and delete the old one there."
        }
        ProviderName::Anthropic => {
            "make an Admin API key in the Console, enter it by keyward doctor --bootstrap, and delete the old one there."
        }
        ProviderName::OpenRouter => {
            "make a management key in OpenRouter's settings, enter it by keyward doctor --bootstrap, and delete the old one there."
        }
        ProviderName::LiteLlm => {
            "make a virtual key of a user with the role proxy_admin, enter it by keyward doctor --bootstrap, and delete the old one; a master key is changed in the proxy's own configuration."
        }
        ProviderName::Gemini => {
            "make another key of the service account in IAM, enter its file by keyward doctor --bootstrap, and delete the old key there."
        }
        ProviderName::Azure => {
            "make another client secret of the application in Entra, enter it by keyward doctor --bootstrap, and delete the old one there."
        }
        ProviderName::Bedrock => {
            "there is none: the functions' roles administer it. End their sessions in IAM by Revoke active sessions."
        }
    }
}

/// Decides whether a step of a rotation of an admin secret may be carried out. A version that is AWSCURRENT already has its
/// last step left: what it replaced must end.
pub fn guard(secret: &SecretDescription, token: &SecretVersionId) -> StepDecision {
    if secret.has(token, &Stage::Current) {
        return StepDecision::Proceed;
    }
    not_pending(secret, token).map_or(StepDecision::Proceed, StepDecision::Refuse)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn a_step_goes_on_while_its_version_is_pending_or_current() {
        let token: SecretVersionId = "11111111-aaaa-4bbb-8ccc-000000000002".parse().unwrap();
        let secret = |rotation_enabled, stages: Option<&[Stage]>| SecretDescription {
            arn: "arn:aws:secretsmanager:us-east-1:111122223333:secret:a"
                .parse()
                .unwrap(),
            rotation_enabled,
            is_deleted: false,
            stages: stages
                .map(|stages| (token.clone(), BTreeSet::from_iter(stages.iter().cloned())))
                .into_iter()
                .collect(),
            tags: BTreeMap::new(),
        };
        for (name, enabled, stages, proceeds) in [
            ("pending", true, Some(&[Stage::Pending][..]), true),
            (
                "current, the last step left",
                false,
                Some(&[Stage::Current]),
                true,
            ),
            ("rotation is off", false, Some(&[Stage::Pending]), false),
            ("replaced meanwhile", true, Some(&[Stage::Previous]), false),
            ("no label any more", true, None, false),
        ] {
            let decision = guard(&secret(enabled, stages), &token);
            assert_eq!(decision == StepDecision::Proceed, proceeds, "{name}");
        }
    }
}

//! Where a slot's keys are, as its secret's tags say: what a kill without the inventory needs to know.

use crate::model::names::AccountName;
use crate::model::slot::{ProviderName, Scope, Slot};
use crate::ports::{SecretDescription, TAG_ACCOUNT, TAG_PLACE};

/// The place of keys that live nowhere in particular.
const NOWHERE: &str = "-";

/// The tags that say where a slot's keys are. A place that a tag cannot hold has none.
pub(crate) fn place_tags(slot: &Slot) -> Vec<(&'static str, String)> {
    let account = format!("{}/{}", slot.provider, slot.account);
    let mut tags = vec![(TAG_ACCOUNT, account)];
    tags.extend(written(&slot.scope).map(|place| (TAG_PLACE, place)));
    tags
}

/// `workspace=… project=… service_account=… user=…`, as far as they are set. Values of tags are letters, digits, spaces
/// and `_ . : / = + - @`, 256 at most:
/// <https://docs.aws.amazon.com/general/latest/gr/aws_tagging.html#tag-conventions>.
fn written(scope: &Scope) -> Option<String> {
    let Scope {
        workspace,
        project,
        service_account,
        user,
        ..
    } = scope;
    let parts = [
        ("workspace", workspace.as_ref().map(|id| id.as_str())),
        ("project", project.as_ref().map(|id| id.as_str())),
        (
            "service_account",
            service_account.as_ref().map(|id| id.as_str()),
        ),
        ("user", user.as_ref().map(|name| name.as_str())),
    ];
    let parts = parts
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)));
    let text = parts.collect::<Vec<_>>().join(" ");
    let fits = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
    match text.as_str() {
        "" => Some(NOWHERE.to_owned()),
        text if text.len() <= 256 && text.chars().all(fits) => Some(text.to_owned()),
        _ => None,
    }
}

/// What [`written`] wrote; `None` where it is not that.
fn read(place: &str) -> Option<Scope> {
    let mut scope = Scope::default();
    if place == NOWHERE {
        return Some(scope);
    }
    for part in place.split(' ') {
        let (name, value) = part.split_once('=')?;
        match name {
            "workspace" => scope.workspace = Some(value.parse().ok()?),
            "project" => scope.project = Some(value.parse().ok()?),
            "service_account" => scope.service_account = Some(value.parse().ok()?),
            "user" => scope.user = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(scope)
}

/// The account of a secret's slot.
pub(super) fn account_in(secret: &SecretDescription) -> Option<(ProviderName, AccountName)> {
    let (provider, account) = secret.tags.get(TAG_ACCOUNT)?.split_once('/')?;
    let mut all = ProviderName::ALL.into_iter();
    let provider = all.find(|known| known.as_str() == provider)?;
    Some((provider, account.parse().ok()?))
}

/// The place of a secret's slot; `None` where no tag says it.
pub(super) fn place_in(secret: &SecretDescription) -> Option<Scope> {
    read(secret.tags.get(TAG_PLACE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_what_a_tag_cannot_hold_has_none() {
        let whole = Scope {
            workspace: Some("wrkspc_01".parse().unwrap()),
            project: Some("proj_abc".parse().unwrap()),
            service_account: Some("bot@proj.iam.gserviceaccount.com".parse().unwrap()),
            user: Some("bedrock+bot=1".parse().unwrap()),
            ..Scope::default()
        };
        for scope in [Scope::default(), whole.clone()] {
            let text = written(&scope).unwrap();
            assert_eq!(read(&text), Some(scope), "{text}");
        }
        let odd = Scope {
            user: Some("a,b".parse().unwrap()),
            ..whole
        };
        assert_eq!(written(&odd), None);
        for text in [
            "",
            "project",
            "project=",
            "region=eu",
            "project=a project=b c=d",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

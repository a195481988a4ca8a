//! First contact: what holds keys of LLM providers in an account that has never seen Keyward. Reads, and changes nothing.
//!
//! Without values, secrets are judged by what people wrote beside them. With them, a text is looked at piece by piece and let
//! go of with the discovery; nothing of it is in what comes back.

mod accounts;
mod functions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, join, stream};

use super::audit::pages::Reader;
use crate::model::audit::Seen;
use crate::model::discovery::{Clue, Discovery, HoldingSecret, HoldingUser, Place, Told};
use crate::model::key::{ApiKey, Fingerprint};
use crate::model::names::{AccountName, SecretArn};
use crate::model::slot::ProviderName;
use crate::model::text::OutsideText;
use crate::ports::{
    BedrockCredential, Clock, CredentialLists, Deadline, FoundSecret, FunctionLists, PageToken,
    Progress, Providers, ReadingStage, SecretFinder, SecretLists, TAG_SLOT,
};
use crate::rules::audit::who_else_reads;
use crate::rules::discover::{by_name, by_text, environment};

/// Secrets that are read at once.
const AT_ONCE: usize = 8;

/// The outside world of a discovery. All of it is only read.
#[derive(Clone)]
pub struct DiscoverPorts {
    /// Secrets Manager.
    pub secrets: Arc<dyn SecretFinder>,
    /// The policies of secrets.
    pub policies: Arc<dyn SecretLists>,
    /// Lambda.
    pub functions: Arc<dyn FunctionLists>,
    /// IAM.
    pub iam: Arc<dyn CredentialLists>,
    /// The provider accounts, opened to be read.
    pub providers: Arc<dyn Providers>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Whether values of secrets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// None is.
    Left,
    /// Every secret's is.
    Read,
}

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct DiscoverOrder {
    /// Whether values are read.
    pub values: Values,
    /// The provider accounts.
    pub accounts: Vec<(AccountName, ProviderName)>,
    /// When it must have ended.
    pub deadline: Deadline,
}

/// What was found, and which secrets hold a key that another secret holds too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// What was found.
    pub found: Discovery,
    /// The secrets.
    pub shared: BTreeSet<SecretArn>,
}

/// A piece of a text that holds a key, with where it stands.
struct Piece {
    key: ApiKey,
    place: At,
    /// Whose, as far as that is told.
    provider: Option<ProviderName>,
}

/// Where a piece stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Secret(SecretArn),
    Variable(OutsideText, OutsideText),
}

impl At {
    fn shown(&self) -> OutsideText {
        match self {
            Self::Secret(arn) => OutsideText::new(arn.as_str()),
            Self::Variable(function, variable) => {
                OutsideText::new(&format!("{function} {variable}"))
            }
        }
    }
}

/// Looks at an account. A place that cannot be read stops no other.
pub async fn discover(
    ports: &DiscoverPorts,
    order: &DiscoverOrder,
    progress: &dyn Progress,
) -> Discovered {
    let reader = Reader {
        clock: ports.clock.as_ref(),
        deadline: order.deadline,
        progress,
    };
    let mut found = Discovery::default();
    progress.at(ReadingStage::Around, 0, 1);
    let ((secrets, listed), (variables, functions), (users, iam)) = join!(
        secrets(ports, &reader),
        functions::variables(ports, &reader),
        users(ports, &reader),
    );
    progress.at(ReadingStage::Around, 1, 1);
    found.secrets_listed = secrets.len();
    found.functions_listed = functions.listed;
    found.variables = functions.holding;
    found.users = users;
    found.coverage = vec![
        (Place::Secrets, listed),
        (Place::Functions, functions.seen),
        (Place::Iam, iam),
    ];
    let mut pieces = variables;
    judge_secrets(ports, order, &reader, secrets, &mut found, &mut pieces).await;
    let shared = same(&mut found, &pieces);
    accounts::accounts(ports, order, &reader, &pieces, &mut found).await;
    found.coverage.sort_by(|one, other| one.0.cmp(&other.0));
    Discovered { found, shared }
}

async fn secrets(ports: &DiscoverPorts, reader: &Reader<'_>) -> (Vec<FoundSecret>, Seen) {
    let mut found = BTreeMap::new();
    let page = |at: Option<PageToken>| async move { ports.secrets.found(at.as_ref()).await };
    let seen = reader
        .all(page, |secret: FoundSecret| {
            found.insert(secret.arn.clone(), secret);
        })
        .await;
    (found.into_values().collect(), seen)
}

/// What a text holds, and the pieces that are keys: those that begin as keys do; else, where its name says so, those that are
/// as long.
fn in_text(text: &ApiKey, named: Option<&Clue>) -> Option<(Clue, Vec<ApiKey>)> {
    let pieces = text.pieces();
    let first = pieces.iter().find_map(|piece| by_text(piece, named));
    if let Some(clue) = first {
        let like_keys = pieces.into_iter().filter(ApiKey::begins_as_keys_do);
        return Some((clue, like_keys.collect()));
    }
    let clue = named.filter(|_| !pieces.is_empty())?;
    Some((clue.clone(), pieces))
}

async fn users(ports: &DiscoverPorts, reader: &Reader<'_>) -> (Vec<HoldingUser>, Seen) {
    let mut users: BTreeMap<OutsideText, HoldingUser> = BTreeMap::new();
    let page = |at: Option<PageToken>| async move { ports.iam.bedrock(at.as_ref()).await };
    let seen = reader
        .all(page, |credential: BedrockCredential| {
            let user = credential.user.clone();
            let known = users.entry(user.clone()).or_insert(HoldingUser {
                user,
                keys: 0,
                without_end: 0,
            });
            known.keys += 1;
            known.without_end += usize::from(credential.expires.is_none());
        })
        .await;
    (users.into_values().collect(), seen)
}

/// Judges every secret, and reads more of those that may hold a key. One that is being deleted is nobody's any more.
async fn judge_secrets(
    ports: &DiscoverPorts,
    order: &DiscoverOrder,
    reader: &Reader<'_>,
    secrets: Vec<FoundSecret>,
    found: &mut Discovery,
    pieces: &mut Vec<Piece>,
) {
    let secrets: Vec<FoundSecret> = secrets
        .into_iter()
        .filter(|s| s.deleted.is_none())
        .collect();
    let (all, mut done) = (secrets.len(), 0);
    let judged = secrets
        .iter()
        .map(|secret| one(ports, order, reader, secret));
    let mut judged = stream::iter(judged).buffered(AT_ONCE);
    let (mut values, mut policies) = (None, None);
    while let Some(one) = judged.next().await {
        done += 1;
        reader.progress.at(ReadingStage::Secrets, done, all);
        pieces.extend(one.pieces);
        found.secrets.extend(one.holding);
        values = values.or(one.value_not_read);
        policies = policies.or(one.policy_not_read);
    }
    let seen = |why: Option<String>| why.map_or(Seen::Whole, |why| Seen::part(&why));
    if order.values == Values::Read {
        found.coverage.push((Place::Values, seen(values)));
    }
    found.coverage.push((Place::Policies, seen(policies)));
}

/// What was read of one secret.
#[derive(Default)]
struct One {
    holding: Option<HoldingSecret>,
    pieces: Vec<Piece>,
    value_not_read: Option<String>,
    policy_not_read: Option<String>,
}

async fn one(
    ports: &DiscoverPorts,
    order: &DiscoverOrder,
    reader: &Reader<'_>,
    secret: &FoundSecret,
) -> One {
    let mut one = One::default();
    let tags = secret.tags.iter();
    let tags = tags.flat_map(|(name, value)| [("tag", name.as_str()), ("tag", value.as_str())]);
    let texts = [
        ("name", secret.name.as_str()),
        ("description", secret.description.as_str()),
    ];
    let named = by_name(texts.into_iter().chain(tags.clone()));
    let mut clue = named.clone();
    if order.values == Values::Read {
        match reader.ask(|| ports.secrets.text(&secret.arn)).await {
            Ok(text) => {
                let inside = text.and_then(|text| in_text(&text, named.as_ref()));
                // A value that holds nothing like a key says more than a name that hopes for one.
                clue = inside.as_ref().map(|(clue, _)| clue.clone());
                let provider = clue.as_ref().and_then(|clue| clue.provider);
                let keys = inside.into_iter().flat_map(|(_, keys)| keys);
                one.pieces.extend(keys.map(|key| Piece {
                    key,
                    place: At::Secret(secret.arn.clone()),
                    provider,
                }));
            }
            Err(why) => one.value_not_read = Some(format!("{}: {why}", secret.name)),
        }
    }
    let Some(clue) = clue else {
        return one;
    };
    let readable_by = match reader.ask(|| ports.policies.policy(&secret.arn)).await {
        Ok(policy) => who_else_reads(policy.as_deref(), &secret.arn),
        Err(why) => {
            one.policy_not_read = Some(format!("{}: {why}", secret.name));
            Vec::new()
        }
    };
    let slot = secret
        .tags
        .iter()
        .find(|(name, _)| name.as_str() == TAG_SLOT);
    let places = tags.map(|(_, text)| text);
    one.holding = Some(HoldingSecret {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        clue,
        slot: slot.map(|(_, slot)| slot.clone()),
        environment: environment(std::iter::once(secret.name.as_str()).chain(places)),
        rotates: secret.rotates,
        created: secret.created,
        last_read: secret.last_read,
        readable_by,
    });
    one
}

/// Tells which places have the same key.
fn same(found: &mut Discovery, pieces: &[Piece]) -> BTreeSet<SecretArn> {
    let mut places: BTreeMap<Fingerprint, BTreeSet<&At>> = BTreeMap::new();
    for piece in pieces {
        let place = places.entry(piece.key.fingerprint()).or_default();
        place.insert(&piece.place);
    }
    let mut shared = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for group in places.into_values().filter(|group| group.len() > 1) {
        let secrets = group.iter().filter_map(|at| match at {
            At::Secret(arn) => Some(arn),
            At::Variable(..) => None,
        });
        let secrets: Vec<&SecretArn> = secrets.collect();
        if secrets.len() > 1 {
            shared.extend(secrets.into_iter().cloned());
        }
        groups.insert(group);
    }
    let shown = |group: BTreeSet<&At>| group.into_iter().map(At::shown).collect();
    found.same = groups.into_iter().map(shown).collect();
    shared
}

impl Discovery {
    /// How many secrets are told by their text, and how many by what they are called.
    pub fn told(&self) -> (usize, usize) {
        let by_text = self.secrets.iter().filter(|s| s.clue.told == Told::ByText);
        let by_text = by_text.count();
        (by_text, self.secrets.len() - by_text)
    }
}

//! First contact: what holds keys of LLM providers in an account that has never seen Keyward. Reads, and changes nothing.
//!
//! Without values, secrets are judged by what people wrote beside them. With them, a text is looked at piece by piece and let
//! go of with the discovery; nothing of it is in what comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, join, stream};

use super::audit::pages::{Reader, both};
use super::find;
use crate::model::audit::Seen;
use crate::model::discovery::{
    Clue, Discovery, HoldingSecret, HoldingUser, HoldingVariable, ListedAccount, ListedKey, Place,
    Told,
};
use crate::model::finding::ShownHandle;
use crate::model::key::{ApiKey, Fingerprint};
use crate::model::names::{AccountName, SecretArn};
use crate::model::slot::{ProviderName, Scope};
use crate::model::text::{OutsideText, without_keys};
use crate::ports::{
    BedrockCredential, Clock, CredentialLists, Deadline, FoundSecret, FunctionLists,
    FunctionVariables, KeyProvider, KeyRecord, LookUp, PageToken, Progress, ProviderError,
    Providers, ReadingStage, SecretFinder, SecretLists, TAG_SLOT, Variables,
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
        variables(ports, &reader),
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
    accounts(ports, order, &reader, &pieces, &mut found).await;
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

/// What was read of functions.
struct Functions {
    listed: usize,
    holding: Vec<HoldingVariable>,
    seen: Seen,
}

async fn variables(ports: &DiscoverPorts, reader: &Reader<'_>) -> (Vec<Piece>, Functions) {
    let (mut pieces, mut listed, mut not_read) = (Vec::new(), 0, None);
    let mut holding: BTreeMap<(OutsideText, OutsideText), HoldingVariable> = BTreeMap::new();
    let page = |at: Option<PageToken>| async move { ports.functions.functions(at.as_ref()).await };
    let take = |function: FunctionVariables| {
        listed += 1;
        match &function.variables {
            Variables::NotRead(why) => {
                let first = || (0, format!("{}: {why}", function.function));
                not_read.get_or_insert_with(first).0 += 1;
            }
            Variables::Read(variables) => {
                for (name, value) in variables {
                    let Some((variable, keys)) = of_variable(&function, name, value) else {
                        continue;
                    };
                    pieces.extend(keys);
                    let place = (function.function.clone(), name.clone());
                    let known = holding.entry(place).or_insert_with(|| variable.clone());
                    known.version = known.version.take().min(variable.version);
                }
            }
        }
    };
    let seen = reader.all(page, take).await;
    let seen = match not_read {
        None => seen,
        Some((number, first)) => {
            let why = format!("the variables of {number} functions cannot be read ({first})");
            both(seen, Seen::part(&why))
        }
    };
    let holding = holding.into_values().collect();
    (
        pieces,
        Functions {
            listed,
            holding,
            seen,
        },
    )
}

/// A variable that holds a key: by its text, or by its name where its value is as long as a key and names no secret.
fn of_variable(
    function: &FunctionVariables,
    name: &OutsideText,
    value: &ApiKey,
) -> Option<(HoldingVariable, Vec<Piece>)> {
    let named = by_name([("name", name.as_str())]);
    let names_a_secret = value.begins_with("arn:") || value.begins_with("http");
    let named = named.filter(|_| !names_a_secret);
    let (clue, keys) = in_text(value, named.as_ref())?;
    let place = At::Variable(function.function.clone(), name.clone());
    let provider = clue.provider;
    let piece = |key| Piece {
        key,
        place: place.clone(),
        provider,
    };
    let holding = HoldingVariable {
        function: function.function.clone(),
        version: function.version.clone(),
        variable: name.clone(),
        clue,
    };
    Some((holding, keys.into_iter().map(piece).collect()))
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

/// Lists each provider account, and holds its keys against what was read.
async fn accounts(
    ports: &DiscoverPorts,
    order: &DiscoverOrder,
    reader: &Reader<'_>,
    pieces: &[Piece],
    found: &mut Discovery,
) {
    let is_known = order.values == Values::Read
        && found.coverage.iter().all(|(place, seen)| match place {
            Place::Secrets | Place::Values | Place::Functions => seen.is_whole(),
            Place::Policies | Place::Iam | Place::Keys(_) => true,
        });
    for (number, (account, provider)) in order.accounts.iter().enumerate() {
        reader
            .progress
            .at(ReadingStage::Accounts, number, order.accounts.len());
        let read = account_of(ports, reader, account, *provider, pieces).await;
        let seen = match read {
            Ok((listed, held_nowhere)) => {
                found.accounts.push(ListedAccount {
                    account: account.clone(),
                    provider: *provider,
                    listed,
                    held_nowhere: is_known.then_some(held_nowhere),
                });
                Seen::Whole
            }
            Err(why) => Seen::not(&why),
        };
        found.coverage.push((Place::Keys(account.clone()), seen));
    }
    let all = order.accounts.len();
    reader.progress.at(ReadingStage::Accounts, all, all);
}

/// How many keys an account lists, and which of them no piece is of.
async fn account_of(
    ports: &DiscoverPorts,
    reader: &Reader<'_>,
    account: &AccountName,
    provider: ProviderName,
    pieces: &[Piece],
) -> Result<(usize, Vec<ListedKey>), String> {
    let whole = Scope::default();
    let driver = reader
        .ask(|| ports.providers.open(account, provider))
        .await?;
    let driver = driver.as_ref();
    let listed = reader.ask(|| find::keys(driver, &whole, |_| true)).await?;
    let may_be_of = |piece: &&Piece| piece.provider.is_none_or(|of| of == provider);
    let pieces: Vec<&ApiKey> = pieces
        .iter()
        .filter(may_be_of)
        .map(|piece| &piece.key)
        .collect();
    let by_look_up = reader.ask(|| looked_up(driver, &whole, &pieces)).await?;
    let is_held = |key: &KeyRecord| {
        by_look_up.contains(key.handle.as_str())
            || pieces.iter().any(|piece| driver.fits(key, piece))
    };
    let strangers = listed.iter().filter(|key| !is_held(key));
    let shown = strangers.map(|key| ListedKey {
        handle: ShownHandle::new(&key.handle),
        label: OutsideText::new(&without_keys(key.label.as_str())),
        created: key.created,
        last_used: key.last_used,
    });
    Ok((listed.len(), shown.collect()))
}

/// The handles of keys whose text one of the pieces is, where the list shows nothing of texts.
async fn looked_up(
    driver: &dyn KeyProvider,
    scope: &Scope,
    pieces: &[&ApiKey],
) -> Result<BTreeSet<String>, ProviderError> {
    let mut held = BTreeSet::new();
    for piece in pieces {
        match driver.look_up(scope, piece).await? {
            LookUp::ByTheList => return Ok(held),
            LookUp::Is(found) => held.extend(found.map(|key| key.handle.to_string())),
        }
    }
    Ok(held)
}

impl Discovery {
    /// How many secrets are told by their text, and how many by what they are called.
    pub fn told(&self) -> (usize, usize) {
        let by_text = self.secrets.iter().filter(|s| s.clue.told == Told::ByText);
        let by_text = by_text.count();
        (by_text, self.secrets.len() - by_text)
    }
}

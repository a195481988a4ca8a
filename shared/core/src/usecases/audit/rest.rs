//! What is around slots: secrets, alarms, functions, IAM, pools, admin credentials, people.

use std::collections::{BTreeMap, BTreeSet};

use futures::join;

use super::accounts::Lists;
use super::fleet::Outline;
use super::pages::{Reader, Undecrypted};
use super::slots::Fleet;
use super::{AuditOrder, AuditPorts, Read};
use crate::model::audit::{Seen, Source};
use crate::model::finding::Finding;
use crate::model::key::Fingerprint;
use crate::model::kill_alarm::FoundAlarm;
use crate::model::names::{AccountName, Principal, SecretArn, SlotName};
use crate::model::pool::Pool;
use crate::model::text::OutsideText;
use crate::ports::{
    BedrockCredential, FunctionVariables, ListError, ListedAlarm, ListedSecret, PageToken,
    ReadingStage, Variables,
};
use crate::rules::admin::has_break_glass;
use crate::rules::alarms::{self, AlarmChange};
use crate::rules::audit::facts::{
    BreakGlassFacts, CredentialFacts, GuardFacts, PoolFacts, Sight, UserFacts, VariableFacts,
};
use crate::rules::audit::{of_break_glass, of_credential, of_guard, of_pool, of_user, of_variable};

/// What was read beside the inventory and the providers.
#[derive(Debug)]
pub(super) struct Around {
    secrets: BTreeMap<SecretArn, ListedSecret>,
    secrets_seen: Seen,
    alarms: Sight<BTreeMap<SlotName, AlarmChange>>,
    guards: Vec<ListedAlarm>,
    /// Keys, or what looks so, by function and variable.
    variables: Vec<Variable>,
    users: BTreeMap<OutsideText, Vec<BedrockCredential>>,
    pub(super) left: Sight<BTreeSet<Principal>>,
}

/// A piece of a variable's value: its fingerprint, and whose keys look so. In the order of these fields what is edited comes
/// before published versions.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Variable {
    function: OutsideText,
    name: OutsideText,
    version: Option<OutsideText>,
    fingerprint: Fingerprint,
    looks: Looks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Looks {
    LikeAKey,
    Other,
}

impl Around {
    /// A slot's secret, as it is listed. What was made within minutes may not be.
    pub(super) fn secret(&self, arn: &SecretArn) -> Sight<Option<ListedSecret>> {
        match (self.secrets.get(arn), &self.secrets_seen) {
            (Some(secret), _) => Sight::Seen(Some(secret.clone())),
            (None, Seen::Whole) => Sight::Seen(None),
            (None, Seen::Absent { .. } | Seen::Part { .. } | Seen::Not { .. }) => Sight::NotSeen,
        }
    }

    /// What is wrong with a slot's alarm.
    pub(super) fn alarm(&self, slot: &SlotName) -> Sight<Option<&AlarmChange>> {
        match &self.alarms {
            Sight::Seen(changes) => Sight::Seen(changes.get(slot)),
            Sight::NotSeen => Sight::NotSeen,
        }
    }
}

/// Reads all of it, side by side.
pub(super) async fn around(
    ports: &AuditPorts,
    order: &AuditOrder,
    reader: &Reader<'_>,
    outline: &Outline,
    read: &mut Read,
) -> Around {
    reader.progress.at(ReadingStage::Around, 0, 1);
    let (secrets, alarms, variables, users, left) = join!(
        secrets(ports, reader),
        listed_alarms(ports, reader),
        variables(ports, reader),
        users(ports, reader),
        left(ports, reader, outline),
    );
    reader.progress.at(ReadingStage::Around, 1, 1);
    let (listed, alarms_seen) = alarms;
    let prefix = order.deployment.alarm_prefix();
    let is_ours = |listed: &ListedAlarm| listed.alarm.arn.name().starts_with(&prefix);
    let (ours, others): (Vec<ListedAlarm>, Vec<_>) = listed.into_iter().partition(is_ours);
    // An alarm that is not in a part of a list may be in the rest of it.
    let changes =
        (alarms_seen.is_whole() && read.coverage.is_whole(&Source::Inventory)).then(|| {
            let ours: Vec<FoundAlarm> = ours.into_iter().map(|listed| listed.alarm).collect();
            let changes = alarms::plan(&order.deployment, &outline.names, &ours);
            changes.into_iter().map(|c| (c.slot().clone(), c)).collect()
        });
    let guards = others.into_iter().filter(|listed| is_guard(order, listed));
    let around = Around {
        secrets: secrets.0,
        secrets_seen: secrets.1.clone(),
        alarms: changes.map_or(Sight::NotSeen, Sight::Seen),
        guards: guards.collect(),
        variables: variables.0,
        users: users.0,
        left: left.0,
    };
    read.put(Source::Secrets, secrets.1);
    read.put(Source::Alarms, alarms_seen);
    read.put(Source::Functions, variables.1);
    read.put(Source::Iam, users.1);
    read.put(Source::People, left.1);
    around
}

/// Whether an alarm that Keyward did not make is there to cut something off.
fn is_guard(order: &AuditOrder, listed: &ListedAlarm) -> bool {
    let topic = order.deployment.topic.as_str();
    let setup = listed.alarm.setup.as_ref();
    let tells = setup.is_some_and(|s| s.tells.iter().any(|to| to.as_str() == topic));
    tells || !order.deployment.map.slots_of(&listed.alarm.arn).is_empty()
}

async fn secrets(
    ports: &AuditPorts,
    reader: &Reader<'_>,
) -> (BTreeMap<SecretArn, ListedSecret>, Seen) {
    let mut secrets = BTreeMap::new();
    let page = |at: Option<PageToken>| async move { ports.secrets.secrets(at.as_ref()).await };
    let seen = reader
        .all(page, |secret: ListedSecret| {
            secrets.insert(secret.arn.clone(), secret);
        })
        .await;
    (secrets, seen)
}

async fn listed_alarms(ports: &AuditPorts, reader: &Reader<'_>) -> (Vec<ListedAlarm>, Seen) {
    let mut alarms = Vec::new();
    let page = |at: Option<PageToken>| async move { ports.alarms.alarms(at.as_ref()).await };
    let seen = reader.all(page, |alarm| alarms.push(alarm)).await;
    (alarms, seen)
}

/// Of each variable the pieces that may be keys; their text is let go of at once. Published versions that have the same are one.
async fn variables(ports: &AuditPorts, reader: &Reader<'_>) -> (Vec<Variable>, Seen) {
    let mut variables = Pieces::default();
    let page = |at: Option<PageToken>| async move { ports.functions.functions(at.as_ref()).await };
    let seen = reader.all(page, |function| variables.add(function)).await;
    variables.end(seen)
}

/// What is remembered of the variables of functions.
#[derive(Default)]
struct Pieces {
    found: BTreeMap<(OutsideText, OutsideText, Fingerprint), (Option<OutsideText>, Looks)>,
    not_read: Undecrypted,
}

impl Pieces {
    fn add(&mut self, function: FunctionVariables) {
        let variables = match function.variables {
            Variables::Read(variables) => variables,
            Variables::NotRead(why) => return self.not_read.add(&function.function, &why),
        };
        for (name, value) in variables {
            for piece in value.pieces() {
                let looks = match piece.begins_as_keys_do() {
                    true => Looks::LikeAKey,
                    false => Looks::Other,
                };
                let place = (function.function.clone(), name.clone(), piece.fingerprint());
                let version = function.version.clone();
                let known = self.found.entry(place).or_insert((version.clone(), looks));
                known.0 = known.0.take().min(version);
            }
        }
    }

    /// What was found, and how much was seen: variables that nobody could decrypt were not.
    fn end(self, seen: Seen) -> (Vec<Variable>, Seen) {
        let found =
            self.found
                .into_iter()
                .map(
                    |((function, name, fingerprint), (version, looks))| Variable {
                        function,
                        name,
                        version,
                        fingerprint,
                        looks,
                    },
                );
        let mut found: Vec<Variable> = found.collect();
        found.sort();
        (found, self.not_read.of(seen))
    }
}

async fn users(
    ports: &AuditPorts,
    reader: &Reader<'_>,
) -> (BTreeMap<OutsideText, Vec<BedrockCredential>>, Seen) {
    let mut users: BTreeMap<OutsideText, Vec<BedrockCredential>> = BTreeMap::new();
    let page = |at: Option<PageToken>| async move { ports.iam.bedrock(at.as_ref()).await };
    let seen = reader
        .all(page, |credential: BedrockCredential| {
            let of_user = users.entry(credential.user.clone()).or_default();
            of_user.push(credential);
        })
        .await;
    (users, seen)
}

async fn left(
    ports: &AuditPorts,
    reader: &Reader<'_>,
    outline: &Outline,
) -> (Sight<BTreeSet<Principal>>, Seen) {
    let none = || {
        let seen = Seen::absent("the deployment names no directory");
        (Sight::NotSeen, seen)
    };
    let Some(people) = &ports.people else {
        return none();
    };
    match reader.ask(|| people.left(&outline.people)).await {
        Ok(Some(left)) => (Sight::Seen(left), Seen::Whole),
        Ok(None) => none(),
        Err(why) => (Sight::NotSeen, Seen::not(&why)),
    }
}

/// The standby pool of each account that has one. Its keys are no strangers.
pub(super) async fn pools(
    ports: &AuditPorts,
    order: &AuditOrder,
    reader: &Reader<'_>,
    lists: &mut Lists,
    read: &mut Read,
) -> Vec<(AccountName, Option<Pool>)> {
    let mut pools = Vec::new();
    for (account, _) in &order.accounts {
        if ports.providers.pool(account).is_none() {
            continue;
        }
        let call = || async {
            let pool = ports.pools.pool(account).await;
            pool.map_err(ListError::from)
        };
        let source = Source::Pool(account.clone());
        match reader.ask(call).await {
            Ok(pool) => {
                read.put(source, Seen::Whole);
                if let (Some(pool), Some(list)) = (&pool, lists.get_mut(account)) {
                    pool.standby
                        .iter()
                        .for_each(|key| list.is_known(&key.handle));
                }
                pools.push((account.clone(), pool));
            }
            Err(why) => read.put(source, Seen::not(&why)),
        }
    }
    pools
}

/// Judges pools, admin credentials and break-glass ones.
pub(super) async fn judge_accounts(
    ports: &AuditPorts,
    order: &AuditOrder,
    reader: &Reader<'_>,
    outline: &Outline,
    pools: &[(AccountName, Option<Pool>)],
    read: &mut Read,
) {
    let now = ports.clock.now();
    for (account, pool) in pools {
        let low_water = ports
            .providers
            .pool(account)
            .map_or(0, |pool| pool.low_water);
        let facts = PoolFacts {
            now,
            account,
            pool: pool.as_ref(),
            low_water,
            max_age_days: outline.max_age.get(account).copied(),
        };
        read.findings.extend(of_pool(&facts));
    }
    for (account, provider) in &order.accounts {
        let source = Source::Credential(account.clone());
        let both = async {
            let ages = reader.ask(|| ports.ages.ages(account)).await?;
            let record = reader.ask(|| ports.census.admin(account)).await?;
            Ok::<_, String>((ages, record))
        };
        match both.await {
            Ok((ages, record)) => {
                read.put(source, Seen::Whole);
                let tried = record.and_then(|record| record.break_glass);
                let facts = BreakGlassFacts {
                    now,
                    account,
                    tried: tried.as_ref(),
                };
                if has_break_glass(*provider) {
                    read.findings.extend(of_break_glass(&facts));
                }
                for age in ages {
                    let facts = CredentialFacts {
                        now,
                        account,
                        purpose: age.purpose,
                        changed: age.changed,
                    };
                    read.findings.extend(of_credential(&facts));
                }
            }
            Err(why) => read.put(source, Seen::not(&why)),
        }
    }
}

/// Judges what was read around the slots, now that all of them are known.
pub(super) fn judge(
    ports: &AuditPorts,
    order: &AuditOrder,
    outline: &Outline,
    around: &Around,
    fleet: &Fleet,
    read: &mut Read,
) {
    let mut told: BTreeSet<(OutsideText, OutsideText)> = BTreeSet::new();
    for variable in &around.variables {
        let slot = fleet.fingerprints.get(&variable.fingerprint);
        let is_key = slot.is_some() || variable.looks == Looks::LikeAKey;
        let place = (variable.function.clone(), variable.name.clone());
        if !is_key || !told.insert(place) {
            continue;
        }
        read.findings.extend(of_variable(&VariableFacts {
            function: &variable.function,
            variable: &variable.name,
            version: variable.version.as_ref(),
            slot,
        }));
    }
    if read.coverage.is_whole(&Source::Inventory) {
        if read.unread.is_none() {
            read.findings.extend(of_users(outline, around));
        }
        let now = ports.clock.now();
        for guard in &around.guards {
            let slots = order.deployment.map.slots_of(&guard.alarm.arn);
            let slots: BTreeSet<SlotName> = slots.into_iter().cloned().collect();
            let unknown = slots.difference(&outline.names).cloned().collect();
            read.findings.extend(of_guard(&GuardFacts {
                now,
                alarm: &guard.alarm,
                state: &guard.state,
                since: guard.since,
                slots: &slots,
                unknown: &unknown,
                deployment: &order.deployment,
            }));
        }
    }
}

fn of_users(outline: &Outline, around: &Around) -> Vec<Finding> {
    let users = around.users.iter().flat_map(|(user, credentials)| {
        let own = user.as_str().parse().ok();
        of_user(&UserFacts {
            user,
            credentials,
            slot: own.and_then(|user| outline.users.get(&user)),
        })
    });
    users.collect()
}

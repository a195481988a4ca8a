//! Provider accounts, and which of their keys nothing holds that was read.

use std::collections::BTreeSet;

use super::{DiscoverOrder, DiscoverPorts, Piece, Values};
use crate::model::audit::Seen;
use crate::model::discovery::{Discovery, HoldingUser, ListedAccount, ListedKey, Place};
use crate::model::finding::ShownHandle;
use crate::model::key::ApiKey;
use crate::model::names::AccountName;
use crate::model::slot::{ProviderName, Scope};
use crate::model::text::{OutsideText, without_keys};
use crate::ports::{KeyProvider, KeyRecord, LookUp, ProviderError, ReadingStage};
use crate::usecases::audit::accounts::lists_all;
use crate::usecases::audit::pages::Reader;
use crate::usecases::find;

/// Lists each provider account, and holds its keys against what was read.
pub(super) async fn accounts(
    ports: &DiscoverPorts,
    order: &DiscoverOrder,
    reader: &Reader<'_>,
    pieces: &[Piece],
    found: &mut Discovery,
) {
    let is_known = order.values == Values::Read
        && found.coverage.iter().all(|(place, seen)| match place {
            Place::Secrets | Place::Values | Place::Functions => seen.is_whole(),
            Place::Policies | Place::Iam | Place::Keys(_) | Place::Projects(_) => true,
        });
    let iam = found.coverage.iter();
    let users_are_known = iam
        .filter(|(place, _)| *place == Place::Iam)
        .all(|(_, seen)| seen.is_whole());
    for (number, (account, provider)) in order.accounts.iter().enumerate() {
        reader
            .progress
            .at(ReadingStage::Accounts, number, order.accounts.len());
        let Some(places) = places(*provider, &found.users) else {
            let why = "its keys are listed project by project, and no project is known here";
            let place = Place::Projects(account.clone());
            found.coverage.push((place, Seen::not(why)));
            continue;
        };
        let read = account_of(ports, reader, (account, *provider), &places, pieces).await;
        let seen = match read {
            Ok((listed, held_nowhere)) => {
                found.accounts.push(ListedAccount {
                    account: account.clone(),
                    provider: *provider,
                    listed,
                    held_nowhere: is_known.then_some(held_nowhere),
                });
                let is_whole =
                    lists_all(*provider) || (users_are_known && places.len() == found.users.len());
                match is_whole {
                    true => Seen::Whole,
                    false => Seen::part("not all of IAM's users are known"),
                }
            }
            Err(why) => Seen::not(&why),
        };
        found.coverage.push((Place::Keys(account.clone()), seen));
    }
    let all = order.accounts.len();
    reader.progress.at(ReadingStage::Accounts, all, all);
}

/// Where an account's keys are listed: as a whole, or user by user, as IAM lists those; `None` where nobody knows the places.
fn places(provider: ProviderName, users: &[HoldingUser]) -> Option<Vec<Scope>> {
    if lists_all(provider) {
        return Some(vec![Scope::default()]);
    }
    let of_user = |user: &HoldingUser| {
        let user = user.user.as_str().parse().ok()?;
        Some(Scope {
            user: Some(user),
            ..Scope::default()
        })
    };
    (provider == ProviderName::Bedrock).then(|| users.iter().filter_map(of_user).collect())
}

/// How many keys an account lists in these places, and which of them no piece is of.
async fn account_of(
    ports: &DiscoverPorts,
    reader: &Reader<'_>,
    (account, provider): (&AccountName, ProviderName),
    places: &[Scope],
    pieces: &[Piece],
) -> Result<(usize, Vec<ListedKey>), String> {
    let driver = reader
        .ask(|| ports.providers.open(account, provider))
        .await?;
    let driver = driver.as_ref();
    let may_be_of = |piece: &&Piece| piece.provider.is_none_or(|of| of == provider);
    let pieces: Vec<&ApiKey> = pieces
        .iter()
        .filter(may_be_of)
        .map(|piece| &piece.key)
        .collect();
    let (mut listed, mut by_look_up) = (Vec::new(), BTreeSet::new());
    for place in places {
        listed.extend(reader.ask(|| find::keys(driver, place, |_| true)).await?);
        by_look_up.extend(reader.ask(|| looked_up(driver, place, &pieces)).await?);
    }
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

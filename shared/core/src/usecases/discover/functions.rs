//! Variables of Lambda functions that hold keys.

use std::collections::BTreeMap;

use super::{At, DiscoverPorts, Piece, in_text};
use crate::model::audit::Seen;
use crate::model::discovery::HoldingVariable;
use crate::model::key::ApiKey;
use crate::model::text::OutsideText;
use crate::ports::{FunctionVariables, PageToken, Variables};
use crate::rules::discover::by_name;
use crate::usecases::audit::pages::{Reader, Undecrypted};

/// What was read of functions.
pub(super) struct Functions {
    pub(super) listed: usize,
    pub(super) holding: Vec<HoldingVariable>,
    pub(super) seen: Seen,
}

/// Every variable that holds a key.
pub(super) async fn variables(
    ports: &DiscoverPorts,
    reader: &Reader<'_>,
) -> (Vec<Piece>, Functions) {
    let (mut pieces, mut listed, mut not_read) = (Vec::new(), 0, Undecrypted::default());
    let mut holding: BTreeMap<(OutsideText, OutsideText), HoldingVariable> = BTreeMap::new();
    let page = |at: Option<PageToken>| async move { ports.functions.functions(at.as_ref()).await };
    let take = |function: FunctionVariables| {
        listed += 1;
        match &function.variables {
            Variables::NotRead(why) => not_read.add(&function.function, why),
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
    let seen = not_read.of(seen);
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

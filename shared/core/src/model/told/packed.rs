//! Cells as they are kept: names once, and numbers in rows. A table's writes are paid by size, and every process of every
//! agent writes its hour twelve times.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ToldCell;
use crate::model::money::MicroDollars;
use crate::model::usage::{Bucket, Counts, TokenCounts};
use crate::model::version::VersionId;

#[derive(Default, Serialize, Deserialize)]
struct Packed {
    versions: Vec<VersionId>,
    models: Vec<String>,
    /// Bucket and version; then, where anything was used: model, requests, the four kinds of tokens, cost. Zeros at the
    /// end are left out.
    rows: Vec<Vec<u64>>,
}

/// Numbers in a row before those that may be left out.
const NAMED: usize = 3;
/// Numbers in a row.
const WHOLE: usize = 9;

/// The place of a name, which is added if it is not there.
fn place<T: PartialEq + Clone>(all: &mut Vec<T>, one: &T) -> u64 {
    let found = all.iter().position(|known| known == one);
    found.unwrap_or_else(|| {
        all.push(one.clone());
        all.len() - 1
    }) as u64
}

fn row(named: [u64; NAMED], counts: &Counts) -> Vec<u64> {
    let tokens = counts.tokens;
    let mut row = named.to_vec();
    row.extend([
        counts.requests,
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
        counts.cost.0,
    ]);
    while row.len() > NAMED && row.last() == Some(&0) {
        row.pop();
    }
    row
}

pub(super) fn serialize<S: Serializer>(
    cells: &[ToldCell],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut packed = Packed::default();
    for cell in cells {
        let (bucket, version) = (
            u64::from(cell.bucket.0),
            place(&mut packed.versions, &cell.version),
        );
        if cell.models.is_empty() {
            packed.rows.push(vec![bucket, version]);
        }
        for (model, counts) in &cell.models {
            let model = place(&mut packed.models, model);
            packed.rows.push(row([bucket, version, model], counts));
        }
    }
    packed.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ToldCell>, D::Error> {
    let packed = Packed::deserialize(deserializer)?;
    let mut cells: Vec<ToldCell> = Vec::new();
    for row in &packed.rows {
        let cell =
            unpacked(&packed, row).ok_or_else(|| D::Error::custom("a row is not in order"))?;
        match cells.last_mut() {
            Some(last) if (last.bucket, &last.version) == (cell.bucket, &cell.version) => {
                last.models.extend(cell.models);
            }
            _ => cells.push(cell),
        }
    }
    Ok(cells)
}

fn unpacked(packed: &Packed, row: &[u64]) -> Option<ToldCell> {
    let at = |place: usize| row.get(place).copied().unwrap_or(0);
    let place = |place: usize| usize::try_from(*row.get(place)?).ok();
    let mut cell = ToldCell {
        version: packed.versions.get(place(1)?)?.clone(),
        bucket: Bucket(u32::try_from(at(0)).ok()?),
        models: Default::default(),
    };
    if row.len() >= NAMED {
        let model = packed.models.get(place(2)?)?.clone();
        let counts = Counts {
            requests: at(3),
            tokens: TokenCounts {
                input: at(4),
                output: at(5),
                cache_read: at(6),
                cache_write: at(7),
            },
            cost: MicroDollars(at(8)),
        };
        cell.models.insert(model, counts);
    }
    (row.len() <= WHOLE).then_some(cell)
}

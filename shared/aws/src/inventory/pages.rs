//! Where one page of items ends and the next begins, as text. All of a key of this table and its index is text.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{InventoryError, ListError, PageToken};

use super::items::Item;

/// Why a page's end cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPage {
    #[error("the end of a page is no text")]
    NotText,
    #[error("no page begins there")]
    Unknown,
}

impl From<NoPage> for ListError {
    fn from(why: NoPage) -> Self {
        Self::Refused(OutsideText::new(&why.to_string()))
    }
}

impl From<NoPage> for InventoryError {
    fn from(why: NoPage) -> Self {
        Self::Refused(why.into())
    }
}

/// Where a page ended.
pub(super) fn token(key: &Item) -> Result<PageToken, NoPage> {
    let texts: Option<HashMap<&String, &String>> = key
        .iter()
        .map(|(name, value)| Some((name, value.as_s().ok()?)))
        .collect();
    let json = texts.and_then(|texts| serde_json::to_string(&texts).ok());
    json.map(PageToken).ok_or(NoPage::NotText)
}

/// The key after which the next page begins.
pub(super) fn begin_after(token: &PageToken) -> Result<Item, NoPage> {
    let texts = serde_json::from_str::<HashMap<String, String>>(&token.0);
    let texts = texts.map_err(|_| NoPage::Unknown)?.into_iter();
    Ok(texts
        .map(|(name, text)| (name, AttributeValue::S(text)))
        .collect())
}

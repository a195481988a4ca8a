//! The key in what a secret holds.

use std::borrow::Cow;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroize;

use crate::error::Unusable;
use crate::source::Content;

/// The text of a key. Wiped when it is dropped; it can be neither printed, compared nor serialised.
pub struct KeyText(SecretString);

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText([hidden])")
    }
}

/// Takes the text over without leaving a copy: no buffer of it is made smaller in place.
pub(crate) fn taken(mut text: String) -> SecretString {
    let exact: Box<str> = text.as_str().into();
    text.zeroize();
    SecretString::from(exact)
}

impl KeyText {
    /// Reads a secret's value: the whole text, or one field of a JSON object.
    ///
    /// # Errors
    /// [`Unusable`], in which nothing of the value stands.
    pub fn read(content: &Content, field: &str) -> Result<Self, Unusable> {
        let Content::Text(text) = content else {
            return Err(Unusable::Binary);
        };
        let text = text.expose_secret().trim();
        if text.is_empty() {
            return Err(Unusable::Empty);
        }
        if !text.starts_with(['{', '[', '"']) {
            return Ok(Self(SecretString::from(Box::<str>::from(text))));
        }
        let raw = field_of(text, field)?;
        let missing = || Unusable::NoField(field.to_owned());
        let mut value: String = serde_json::from_str(raw).map_err(|_| missing())?;
        let key: Box<str> = value.trim().into();
        value.zeroize();
        match key.is_empty() {
            true => Err(missing()),
            false => Ok(Self(SecretString::from(key))),
        }
    }

    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The raw value of an object's field, which stands in it once. Nothing of the text is copied.
fn field_of<'a>(text: &'a str, field: &str) -> Result<&'a str, Unusable> {
    if !text.starts_with('{') {
        let valid = serde_json::from_str::<&RawValue>(text);
        return Err(match valid {
            Ok(_) => Unusable::NotAnObject,
            Err(error) => broken(&error),
        });
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader.deserialize_map(Field(field));
    let found = found.and_then(|found| reader.end().map(|()| found));
    match found.map_err(|error| broken(&error))? {
        (Some(raw), 1) => Ok(raw),
        (None, _) => Err(Unusable::NoField(field.to_owned())),
        _ => Err(Unusable::Twice(field.to_owned())),
    }
}

fn broken(error: &serde_json::Error) -> Unusable {
    Unusable::BrokenJson {
        line: error.line(),
        column: error.column(),
    }
}

struct Field<'f>(&'f str);

impl<'de> Visitor<'de> for Field<'_> {
    type Value = (Option<&'de str>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut times) = (None, 0);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let value = map.next_value::<&'de RawValue>()?;
            if name == self.0 {
                found = Some(value.get());
                times += 1;
            }
        }
        Ok((found, times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, field: &str) -> Result<String, Unusable> {
        let content = Content::Text(SecretString::from(text));
        KeyText::read(&content, field).map(|key| key.expose().to_owned())
    }

    #[test]
    fn a_key_is_the_whole_text_or_one_field() {
        for (text, field) in [
            ("sk-EXAMPLE\n", "api_key"),
            (r#"{"api_key":"sk-EXAMPLE","n":1.50}"#, "api_key"),
            (
                r#" {"n":[1,{"TOKEN":"x"}],"TOKEN":" sk-EXAMPLE "}"#,
                "TOKEN",
            ),
            (r#"{"api\u005fkey":"sk-\u0045XAMPLE"}"#, "api_key"),
        ] {
            assert_eq!(read(text, field).as_deref(), Ok("sk-EXAMPLE"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_not_quoted() {
        let no_field = || Unusable::NoField("api_key".to_owned());
        for (text, why) in [
            (" \n", Unusable::Empty),
            (r#"{"token":"sk-EXAMPLE"}"#, no_field()),
            (r#"{"api_key":["sk-EXAMPLE"]}"#, no_field()),
            (r#"{"api_key":" "}"#, no_field()),
            (r#"["sk-EXAMPLE"]"#, Unusable::NotAnObject),
            (
                r#"{"api_key":"sk-EXAMPLE","api_key":"sk-EXAMPLE"}"#,
                Unusable::Twice("api_key".to_owned()),
            ),
            (
                "{\"api_key\":\"sk-EXAMPLE\",\n}",
                Unusable::BrokenJson { line: 2, column: 1 },
            ),
            (
                r#"{"api_key":"sk-EXAMPLE"} x"#,
                Unusable::BrokenJson {
                    line: 1,
                    column: 26,
                },
            ),
        ] {
            let refused = read(text, "api_key").unwrap_err();
            assert_eq!(refused, why);
            assert!(!refused.to_string().contains("EXAMPLE"));
        }
        let bytes = Content::Binary(vec![1u8].into());
        assert!(matches!(
            KeyText::read(&bytes, "api_key"),
            Err(Unusable::Binary)
        ));
    }

    #[test]
    fn a_key_prints_as_nothing() {
        let key = KeyText(taken("sk-EXAMPLE".to_owned()));
        assert_eq!(format!("{key:?}"), "KeyText([hidden])");
        assert_eq!(key.expose(), "sk-EXAMPLE");
    }
}

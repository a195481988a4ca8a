//! Fields of JSON objects, in any case: what re-publishes a message may spell its keys as AWS's API does.

use serde_json::Value;

/// A field by its name: as it is spelled here if there is one, else in any case. Null counts as absent.
pub(super) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let map = object.as_object()?;
    let in_any_case = || {
        let mut fields = map.iter();
        fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    };
    map.get(name).or_else(in_any_case).filter(|v| !v.is_null())
}

/// A field that is a text.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    field(object, name)?.as_str()
}

/// A field within fields.
pub(super) fn path<'a>(object: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let mut names = names.iter();
    names.try_fold(object, |value, name| field(value, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_spelling_asked_for_goes_first_and_null_is_absent() {
        let object = json!({"NAME": 1, "name": 2, "Other": {"Inner": 3}, "none": null});
        assert_eq!(field(&object, "name"), Some(&json!(2)));
        assert_eq!(field(&object, "Name"), Some(&json!(1)));
        assert_eq!(path(&object, &["other", "inner"]), Some(&json!(3)));
        assert_eq!(path(&object, &["other", "inner", "more"]), None);
        assert_eq!(field(&object, "none"), None);
        assert_eq!(field(&json!([1]), "0"), None);
    }
}

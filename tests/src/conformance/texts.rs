//! Bodies that are not JSON: forms and XML, as trees of texts.

use serde_json::{Map, Value};
use url::form_urlencoded;
use xmlparser::{ElementEnd, Token, Tokenizer};

/// A form's fields. Dots in names go down: `Tags.member.1.Key`.
pub(super) fn form(body: &[u8]) -> Value {
    let mut tree = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let mut names = name.split('.').peekable();
        let mut place = &mut tree;
        while let Some(name) = names.next() {
            let entry = place.entry(name);
            if names.peek().is_none() {
                entry.or_insert_with(|| Value::from(value.as_ref()));
                break;
            }
            let below = entry.or_insert_with(|| Value::Object(Map::new()));
            match below.as_object_mut() {
                Some(below) => place = below,
                None => break,
            }
        }
    }
    Value::Object(tree)
}

/// An element without attributes, and what is in it.
struct Element {
    name: String,
    text: String,
    inner: Map<String, Value>,
}

/// An XML document: elements are properties, those of one name a list. `None` if it is not well-formed.
pub(super) fn xml(body: &[u8]) -> Option<Value> {
    let mut open = vec![Element::new("")];
    for token in Tokenizer::from(std::str::from_utf8(body).ok()?) {
        match token.ok()? {
            Token::ElementStart { local, .. } => open.push(Element::new(local.as_str())),
            Token::ElementEnd { end, .. } => match end {
                ElementEnd::Open => {}
                ElementEnd::Empty => close(&mut open, None)?,
                ElementEnd::Close(_, local) => close(&mut open, Some(local.as_str()))?,
            },
            Token::Text { text } => open.last_mut()?.text += &unescaped(text.as_str()),
            Token::Cdata { text, .. } => open.last_mut()?.text += text.as_str(),
            _ => {}
        }
    }
    let document = open.pop().filter(|_| open.is_empty())?;
    (document.inner.len() == 1).then_some(Value::Object(document.inner))
}

/// The innermost element ends; `name` is what its end says.
fn close(open: &mut Vec<Element>, name: Option<&str>) -> Option<()> {
    let ended = open.pop()?;
    if name.is_some_and(|name| name != ended.name) {
        return None;
    }
    let value = match ended.inner.is_empty() {
        true => Value::String(ended.text.trim().to_owned()),
        false => Value::Object(ended.inner),
    };
    let holder = &mut open.last_mut()?.inner;
    match holder.get_mut(&ended.name) {
        Some(Value::Array(several)) => several.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
        None => drop(holder.insert(ended.name, value)),
    }
    Some(())
}

impl Element {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: String::new(),
            inner: Map::new(),
        }
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms_and_xml_become_trees() {
        assert_eq!(
            form(b"Action=Do&Tags.member.1.Key=a+b&Tags.member.2.Key=c"),
            json!({ "Action": "Do", "Tags": { "member": { "1": { "Key": "a b" }, "2": { "Key": "c" } } } })
        );
        let document = b"<?xml version=\"1.0\"?><R xmlns=\"x\"><L><member>1</member><member>a&amp;b</member></L><E/></R>";
        assert_eq!(
            xml(document),
            Some(json!({ "R": { "L": { "member": ["1", "a&b"] }, "E": "" } }))
        );
        for broken in ["<a><b></a></b>", "<a>", "{}", ""] {
            assert_eq!(xml(broken.as_bytes()), None, "{broken}");
        }
    }
}

//! What AWS's own APIs need: signatures, and answers in XML.

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use roxmltree::{Document, Node, ParsingOptions};
use url::Url;

/// Signs requests to AWS as the role that this process runs as. Implemented outside.
#[async_trait]
pub trait AwsSigner: Send + Sync {
    /// The headers that make the request one of that role: `authorization` and what goes with it.
    ///
    /// # Errors
    /// [`ProviderError::AdminCredential`] if there are no credentials, [`ProviderError::RetryAfter`] if there may be in a
    /// moment.
    async fn sign(
        &self,
        request: &ToSign<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, ProviderError>;
}

/// A `POST` that is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'a> {
    /// The service, as signatures name it.
    pub service: &'static str,
    /// The region that the signature is for.
    pub region: &'a str,
    /// Where it goes.
    pub url: &'a Url,
    /// What it carries.
    pub body: &'a [u8],
    /// When it is sent.
    pub at: Timestamp,
}

/// Where nobody signs.
pub(crate) struct NoSigner;

#[async_trait]
impl AwsSigner for NoSigner {
    async fn sign(&self, _: &ToSign<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, ProviderError> {
        Err(ProviderError::AdminCredential {
            detail: OutsideText::new("there are no AWS credentials here"),
        })
    }
}

/// More elements than any answer has.
const MAX_NODES: u32 = 100_000;

/// A whole XML document; `None` for anything else, half of one and one with a DTD included.
pub(crate) fn document(body: &[u8]) -> Option<Document<'_>> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(std::str::from_utf8(body).ok()?, options).ok()
}

/// The first element of that name directly below.
pub(crate) fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    let mut children = node.children();
    children.find(|child| child.is_element() && child.tag_name().name() == name)
}

/// The text of the first element of that name directly below; `None` if it is empty or holds more elements.
pub(crate) fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = child(node, name)?;
    let is_plain = child.children().all(|part| part.is_text());
    child
        .text()
        .map(str::trim)
        .filter(|text| is_plain && !text.is_empty())
}

/// An error in the form of AWS's Query protocol:
/// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#operation-error-serialization>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryError {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl QueryError {
    /// `None` for anything but an `ErrorResponse` with a code.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let document = document(body)?;
        let root = document.root_element();
        let error = child(root, "Error").filter(|_| root.tag_name().name() == "ErrorResponse")?;
        Some(Self {
            code: text(error, "Code")?.to_owned(),
            message: text(error, "Message").unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_their_own_form_only() {
        let whole = "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
            <Code>NoSuchEntity</Code><Message>a &amp; b</Message></Error><RequestId>r</RequestId></ErrorResponse>";
        let read = QueryError::read(whole.as_bytes()).unwrap();
        assert_eq!((&*read.code, &*read.message), ("NoSuchEntity", "a & b"));
        for other in [
            "",
            "{}",
            "<html><body>NoSuchEntity</body></html>",
            &whole[..whole.len() / 2],
            &whole[..whole.len() - 1],
            "<ErrorResponse><Error><Message>m</Message></Error></ErrorResponse>",
            "<ErrorResponse><Error><Code><b>x</b></Code></Error></ErrorResponse>",
            "<Error><Code>NoSuchEntity</Code></Error>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><ErrorResponse><Error><Code>&a;</Code></Error></ErrorResponse>",
        ] {
            assert_eq!(QueryError::read(other.as_bytes()), None, "{other}");
        }
        assert_eq!(QueryError::read(&[0xff, 0xfe]), None);
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let deep = format!("{}{}", "<a>".repeat(50_000), "</a>".repeat(50_000));
        let _ = QueryError::read(deep.as_bytes());
    }
}

//! Where a key may be sent, and how it stands on a request.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use zeroize::Zeroize;

/// How a provider takes its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer …`: OpenAI, OpenRouter, Bedrock, LiteLLM.
    Bearer,
    /// `x-api-key`: Anthropic.
    XApiKey,
    /// `api-key`: Azure OpenAI.
    ApiKey,
    /// `x-goog-api-key`: Gemini.
    XGoogApiKey,
}

impl KeyHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::Bearer => AUTHORIZATION,
            Self::XApiKey => HeaderName::from_static("x-api-key"),
            Self::ApiKey => HeaderName::from_static("api-key"),
            Self::XGoogApiKey => HeaderName::from_static("x-goog-api-key"),
        }
    }

    /// The header, its value marked sensitive: HTTP libraries neither print nor compress it. `None` if the key has
    /// characters that no header has.
    pub(super) fn with(self, key: &str) -> Option<(HeaderName, HeaderValue)> {
        let value = match self {
            Self::Bearer => {
                let mut text = format!("Bearer {key}");
                let value = HeaderValue::from_str(&text);
                text.zeroize();
                value
            }
            Self::XApiKey | Self::ApiKey | Self::XGoogApiKey => HeaderValue::from_str(key),
        };
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((self.name(), value))
    }
}

/// One provider's host. A key goes nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
    header: KeyHeader,
}

/// An address that no key may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// No address.
    #[error("the provider's address is none")]
    NoUrl,
    /// Neither https nor a loopback host.
    #[error("keys are sent over https; over http to a loopback host alone")]
    NotHttps,
    /// More than an origin and a path.
    #[error("the provider's address has a name, a query or a fragment in it")]
    MoreThanAnOrigin,
}

impl Endpoint {
    /// A provider, or a proxy of one's own, at this address. Only its scheme, host and port count.
    ///
    /// # Errors
    /// [`BadEndpoint`].
    pub fn new(base: &str, header: KeyHeader) -> Result<Self, BadEndpoint> {
        let base = Url::parse(base).map_err(|_| BadEndpoint::NoUrl)?;
        let is_plain = base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none();
        let is_here = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match base.scheme() {
            _ if !is_plain => Err(BadEndpoint::MoreThanAnOrigin),
            "https" => Ok(Self { base, header }),
            "http" if is_here => Ok(Self { base, header }),
            _ => Err(BadEndpoint::NotHttps),
        }
    }

    fn known(base: &str, header: KeyHeader) -> Self {
        Self::new(base, header).expect("an https address")
    }

    /// OpenAI.
    pub fn openai() -> Self {
        Self::known("https://api.openai.com", KeyHeader::Bearer)
    }

    /// Anthropic.
    pub fn anthropic() -> Self {
        Self::known("https://api.anthropic.com", KeyHeader::XApiKey)
    }

    /// Google Gemini.
    pub fn gemini() -> Self {
        let base = "https://generativelanguage.googleapis.com";
        Self::known(base, KeyHeader::XGoogApiKey)
    }

    /// OpenRouter.
    pub fn openrouter() -> Self {
        Self::known("https://openrouter.ai", KeyHeader::Bearer)
    }

    /// Amazon Bedrock in a region.
    ///
    /// # Errors
    /// [`BadEndpoint`]: that is no region.
    pub fn bedrock(region: &str) -> Result<Self, BadEndpoint> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if region.is_empty() || !region.bytes().all(allowed) {
            return Err(BadEndpoint::NoUrl);
        }
        let base = format!("https://bedrock-runtime.{region}.amazonaws.com");
        Self::new(&base, KeyHeader::Bearer)
    }

    /// An Azure OpenAI resource: `https://<name>.openai.azure.com`.
    ///
    /// # Errors
    /// [`BadEndpoint`].
    pub fn azure(resource: &str) -> Result<Self, BadEndpoint> {
        Self::new(resource, KeyHeader::ApiKey)
    }

    /// How the key stands on requests.
    pub const fn header(&self) -> KeyHeader {
        self.header
    }

    /// Whether a request to this address may carry the key.
    pub(super) fn admits(&self, url: &Url) -> bool {
        self.base.origin() == url.origin()
    }

    /// What an answer says of the key by its status alone. Bedrock refuses keys with 403, as it does models that a key may not
    /// use (<https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html>); Gemini with a 400 or, where
    /// a key was restricted, a 403, whose body says so.
    pub(super) fn judge(&self, status: StatusCode) -> Judgement {
        let is_bedrock = self
            .base
            .host_str()
            .is_some_and(|host| host.starts_with("bedrock-runtime."));
        match status {
            StatusCode::UNAUTHORIZED => Judgement::Refused,
            StatusCode::FORBIDDEN if is_bedrock => Judgement::Refused,
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN
                if self.header == KeyHeader::XGoogApiKey =>
            {
                Judgement::ByBody
            }
            _ => Judgement::Accepted,
        }
    }
}

/// What an answer says of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing against it.
    Accepted,
    /// It is refused.
    Refused,
    /// It is if the body says so.
    ByBody,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_its_provider_alone() {
        let openai = Endpoint::openai();
        for (url, admitted) in [
            ("https://api.openai.com/v1/responses", true),
            ("https://api.openai.com:443/v1/responses", true),
            ("https://api.openai.com:8443/v1/responses", false),
            ("http://api.openai.com/v1/responses", false),
            ("https://api.openai.com.evil.example/v1", false),
            ("https://evil.example/api.openai.com", false),
        ] {
            assert_eq!(openai.admits(&url.parse().unwrap()), admitted, "{url}");
        }
    }

    #[test]
    fn addresses_that_give_keys_away_are_refused() {
        for (base, why) in [
            ("http://api.openai.com", BadEndpoint::NotHttps),
            ("ftp://api.openai.com", BadEndpoint::NotHttps),
            ("http://127.0.0.1.evil.example", BadEndpoint::NotHttps),
            ("https://a:b@api.openai.com", BadEndpoint::MoreThanAnOrigin),
            (
                "https://api.openai.com?key=1",
                BadEndpoint::MoreThanAnOrigin,
            ),
            ("openai", BadEndpoint::NoUrl),
        ] {
            assert_eq!(Endpoint::new(base, KeyHeader::Bearer), Err(why), "{base}");
        }
        for good in [
            "http://127.0.0.1:4000",
            "http://localhost:1",
            "http://[::1]:1/v1",
        ] {
            assert!(Endpoint::new(good, KeyHeader::Bearer).is_ok(), "{good}");
        }
        assert_eq!(
            Endpoint::bedrock("x.evil.example/"),
            Err(BadEndpoint::NoUrl)
        );
        assert!(Endpoint::bedrock("eu-central-1").is_ok());
    }

    #[test]
    fn each_provider_gets_its_header_and_none_prints_it() {
        for (header, name, value) in [
            (KeyHeader::Bearer, "authorization", "Bearer sk-EXAMPLE"),
            (KeyHeader::XApiKey, "x-api-key", "sk-EXAMPLE"),
            (KeyHeader::ApiKey, "api-key", "sk-EXAMPLE"),
            (KeyHeader::XGoogApiKey, "x-goog-api-key", "sk-EXAMPLE"),
        ] {
            let (is, has) = header.with("sk-EXAMPLE").unwrap();
            assert_eq!((is.as_str(), has.to_str().unwrap()), (name, value));
            assert!(has.is_sensitive() && !format!("{has:?}").contains("EXAMPLE"));
        }
        assert!(KeyHeader::Bearer.with("sk\nEXAMPLE").is_none());
    }
}

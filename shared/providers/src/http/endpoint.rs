//! Where requests may go.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

use super::address::is_public;

/// Why a URL or host of the deployment configuration is refused. The text itself is not repeated: it may hold a
/// password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It cannot be read as a URL with a host.
    #[error("is not a URL of the form https://host/path")]
    Malformed,
    /// White space, control characters or backslashes: readers disagree about what they mean.
    #[error("holds white space, control characters or backslashes")]
    OddCharacters,
    /// A user name or password, or what looks like one.
    #[error("holds a user name or password; credentials are named by secret ARN only")]
    Credentials,
    /// A query or fragment.
    #[error("holds a query or a fragment")]
    QueryOrFragment,
    /// Neither https nor http.
    #[error("is not https")]
    Scheme,
    /// http for anything but a listed loopback host.
    #[error("is http, which is for a loopback host listed in allow_hosts only")]
    PlainHttp,
    /// A host name with a dot at its end.
    #[error("has a host that ends with a dot")]
    TrailingDot,
    /// A private, link-local, loopback or otherwise special host that is not listed.
    #[error("names a host that is not public; list it in allow_hosts if it is meant")]
    NotPublic,
    /// An entry of the list of hosts that is not a bare host name or address.
    #[error("is not a bare host name or address")]
    NotAHost,
    /// A path segment that would lead elsewhere.
    #[error("would lead to another path")]
    Segment,
}

/// The hosts that the deployment configuration lists although they are not public.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts(BTreeSet<Host<String>>);

impl AllowedHosts {
    /// Adds one host: a bare name or address, in any of the spellings that a URL allows.
    ///
    /// # Errors
    /// [`UrlError`] if it is anything else.
    pub fn add(&mut self, text: &str) -> Result<(), UrlError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let host = match bare.unwrap_or(text).parse::<Ipv6Addr>() {
            Ok(v6) => Host::Ipv6(v6),
            Err(_) => Host::parse(text).map_err(|_| UrlError::NotAHost)?,
        };
        if matches!(&host, Host::Domain(name) if name.ends_with('.')) {
            return Err(UrlError::TrailingDot);
        }
        self.0.insert(host);
        Ok(())
    }

    /// Adds all hosts of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Whether the name or address, as it stands in a URL, is listed.
    pub(crate) fn has(&self, host: &str) -> bool {
        Host::parse(host).is_ok_and(|host| self.0.contains(&host))
    }
}

/// The root of a provider's API: a place that keys may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Checks `text`: https only (http for a loopback host in `allowed`), nothing but host, port and path, and a host
    /// that is public or in `allowed`. Names are checked again by what they resolve to: [`super::GuardedResolver`].
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &str, allowed: &AllowedHosts) -> Result<Self, UrlError> {
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
        {
            return Err(UrlError::OddCharacters);
        }
        let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
        if text.contains('@') || !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UrlError::QueryOrFragment);
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err(UrlError::Scheme);
        }
        let kind = kind(&url)?;
        let listed = allowed.has(url.host_str().ok_or(UrlError::Malformed)?);
        match (url.scheme(), kind, listed) {
            ("https", HostKind::Public, _) | ("https", _, true) => Ok(Self(url)),
            ("http", HostKind::Loopback, true) => Ok(Self(url)),
            ("http", _, _) => Err(UrlError::PlainHttp),
            _ => Err(UrlError::NotPublic),
        }
    }

    /// The URL of `segments` below this one, each encoded so that it stays one segment.
    ///
    /// # Errors
    /// [`UrlError::Segment`] for an empty segment and for those that mean "here" and "up".
    pub(crate) fn join(&self, segments: &[&str]) -> Result<Url, UrlError> {
        let mut url = self.0.clone();
        let mut path = url.path_segments_mut().map_err(|()| UrlError::Malformed)?;
        path.pop_if_empty();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                return Err(UrlError::Segment);
            }
            path.push(segment);
        }
        drop(path);
        Ok(url)
    }
}

enum HostKind {
    Public,
    Loopback,
    Inside,
}

fn kind(url: &Url) -> Result<HostKind, UrlError> {
    let ip = match url.host().ok_or(UrlError::Malformed)? {
        Host::Domain(name) if name.ends_with('.') => return Err(UrlError::TrailingDot),
        Host::Domain(name) if name == "localhost" || name.ends_with(".localhost") => {
            return Ok(HostKind::Loopback);
        }
        Host::Domain(_) => return Ok(HostKind::Public),
        Host::Ipv4(v4) => IpAddr::V4(v4),
        Host::Ipv6(v6) => IpAddr::V6(v6),
    };
    Ok(match ip {
        _ if ip.is_loopback() => HostKind::Loopback,
        _ if is_public(ip) => HostKind::Public,
        _ => HostKind::Inside,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str]) -> AllowedHosts {
        let mut allowed = AllowedHosts::default();
        for host in hosts {
            allowed.add(host).unwrap();
        }
        allowed
    }

    #[test]
    fn urls_are_refused_by_rule() {
        use UrlError::*;
        for (text, listed, expected) in [
            ("https://openrouter.ai/api/v1", &[][..], None),
            ("HTTPS://OpenRouter.AI/api/v1", &[], None),
            ("https://8.8.8.8/", &[], None),
            ("https://litellm.example.com:4000", &[], None),
            ("http://openrouter.ai/api/v1", &[], Some(PlainHttp)),
            ("http://openrouter.ai/", &["openrouter.ai"], Some(PlainHttp)),
            ("ftp://openrouter.ai/", &[], Some(Scheme)),
            ("file:///etc/passwd", &[], Some(Scheme)),
            ("openrouter.ai/api", &[], Some(Malformed)),
            ("https://", &[], Some(Malformed)),
            ("", &[], Some(Malformed)),
            (
                "https://openrouter.ai@evil.example/",
                &[],
                Some(Credentials),
            ),
            ("https://user:pw@openrouter.ai/", &[], Some(Credentials)),
            ("https://@openrouter.ai/", &[], Some(Credentials)),
            (
                "https://openrouter.ai\\@evil.example/",
                &[],
                Some(OddCharacters),
            ),
            ("https://openrouter.ai/\n", &[], Some(OddCharacters)),
            (" https://openrouter.ai/", &[], Some(OddCharacters)),
            ("https://openrouter.ai/?key=1", &[], Some(QueryOrFragment)),
            ("https://openrouter.ai/?", &[], Some(QueryOrFragment)),
            ("https://openrouter.ai/#x", &[], Some(QueryOrFragment)),
            ("https://openrouter.ai./", &[], Some(TrailingDot)),
            ("https://localhost/", &[], Some(NotPublic)),
            ("https://LOCALHOST/", &[], Some(NotPublic)),
            ("https://a.localhost/", &[], Some(NotPublic)),
            ("https://127.0.0.1/", &[], Some(NotPublic)),
            ("https://127.0.0.1./", &[], Some(NotPublic)),
            ("https://127.1/", &[], Some(NotPublic)),
            ("https://2130706433/", &[], Some(NotPublic)),
            ("https://0x7f000001/", &[], Some(NotPublic)),
            ("https://0177.0.0.1/", &[], Some(NotPublic)),
            ("https://１２７.0.0.1/", &[], Some(NotPublic)),
            ("https://%31%32%37.0.0.1/", &[], Some(NotPublic)),
            ("https://169.254.169.254/latest", &[], Some(NotPublic)),
            ("https://2852039166/", &[], Some(NotPublic)),
            ("https://[::ffff:169.254.169.254]/", &[], Some(NotPublic)),
            ("https://[::ffff:8.8.8.8]/", &[], Some(NotPublic)),
            ("https://[::1]/", &[], Some(NotPublic)),
            ("https://[::]/", &[], Some(NotPublic)),
            ("https://[fd00:ec2::254]/", &[], Some(NotPublic)),
            ("https://[fe80::1]/", &[], Some(NotPublic)),
            ("https://[ff02::1]/", &[], Some(NotPublic)),
            ("https://0.0.0.0/", &[], Some(NotPublic)),
            ("https://10.0.0.1/", &[], Some(NotPublic)),
            ("https://100.64.0.1/", &[], Some(NotPublic)),
            ("https://192.168.0.1/", &[], Some(NotPublic)),
            ("https://224.0.0.1/", &[], Some(NotPublic)),
            ("http://127.0.0.1:8080/api", &["127.0.0.1"], None),
            ("http://2130706433:8080/api", &["127.0.0.1"], None),
            ("http://127.0.0.1:8080/api", &["127.0.0.2"], Some(PlainHttp)),
            ("http://[::1]:8080/", &["::1"], None),
            ("http://[::1]:8080/", &["[::1]"], None),
            ("http://localhost:8080/", &["localhost"], None),
            ("http://localhost:8080/", &["127.0.0.1"], Some(PlainHttp)),
            ("http://10.0.0.1/", &["10.0.0.1"], Some(PlainHttp)),
            ("https://10.0.0.1/", &["10.0.0.1"], None),
            ("https://10.0.0.1/", &["10.0.0.2"], Some(NotPublic)),
        ] {
            let got = BaseUrl::parse(text, &allowed(listed)).err();
            assert_eq!(got, expected, "{text} with {listed:?}");
        }
    }

    #[test]
    fn listed_hosts_are_bare_hosts() {
        for (text, expected) in [
            ("litellm.internal", None),
            ("10.0.0.1", None),
            ("::1", None),
            ("http://127.0.0.1", Some(UrlError::NotAHost)),
            ("127.0.0.1:8080", Some(UrlError::NotAHost)),
            ("a/b", Some(UrlError::NotAHost)),
            ("", Some(UrlError::NotAHost)),
            ("localhost.", Some(UrlError::TrailingDot)),
        ] {
            let got = AllowedHosts::default().add(text).err();
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn a_segment_stays_one_segment() {
        let base = BaseUrl::parse("https://openrouter.ai/api/v1/", &allowed(&[])).unwrap();
        for (segment, expected) in [
            ("abc", Some("https://openrouter.ai/api/v1/keys/abc")),
            (
                "../admin?x#y",
                Some("https://openrouter.ai/api/v1/keys/..%2Fadmin%3Fx%23y"),
            ),
            (
                "%2e%2e",
                Some("https://openrouter.ai/api/v1/keys/%252e%252e"),
            ),
            ("a\\b", Some("https://openrouter.ai/api/v1/keys/a%5Cb")),
            ("..", None),
            (".", None),
            ("", None),
        ] {
            let got = base.join(&["keys", segment]).ok();
            assert_eq!(got.as_ref().map(Url::as_str), expected, "{segment}");
        }
    }
}

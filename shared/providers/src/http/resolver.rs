//! Name resolution that refuses to lead inside.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;
use super::endpoint::AllowedHosts;

/// Resolves a name and keeps only public addresses, unless the name is listed. It runs at each connect, so a name
/// that changes its mind later leads nowhere. Addresses written as such in a URL do not come by here:
/// [`super::BaseUrl`] refuses those.
pub struct GuardedResolver {
    inner: Arc<dyn Resolve>,
    allowed: AllowedHosts,
}

/// A name leads to nothing but addresses inside a network.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address, and is not listed in allow_hosts")]
struct Inside;

impl GuardedResolver {
    /// Over the system's resolver.
    pub fn new(allowed: AllowedHosts) -> Self {
        Self::over(Arc::new(SystemResolver), allowed)
    }

    /// Over another resolver.
    pub fn over(inner: Arc<dyn Resolve>, allowed: AllowedHosts) -> Self {
        Self { inner, allowed }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let listed = self.allowed.has(name.as_str());
        let found = self.inner.resolve(name);
        Box::pin(async move {
            let found = found.await?;
            if listed {
                return Ok(found);
            }
            let public: Vec<SocketAddr> = found.filter(|a| is_public(a.ip())).collect();
            if public.is_empty() {
                return Err(Box::new(Inside) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<SocketAddr>);

    impl Resolve for Fixed {
        fn resolve(&self, _: Name) -> Resolving {
            let found = self.0.clone();
            Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
        }
    }

    async fn resolve(name: &str, found: &[&str], listed: &[&str]) -> Result<Vec<String>, String> {
        let mut allowed = AllowedHosts::default();
        for host in listed {
            allowed.add(host).unwrap();
        }
        let found = found
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
            .collect();
        let resolver = GuardedResolver::over(Arc::new(Fixed(found)), allowed);
        resolver
            .resolve(name.parse().unwrap())
            .await
            .map(|found| found.map(|a| a.ip().to_string()).collect())
            .map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn names_lead_to_public_addresses_only() {
        let kept = resolve("a.example", &["10.0.0.1", "8.8.8.8", "::1"], &[]).await;
        assert_eq!(kept, Ok(vec!["8.8.8.8".to_owned()]));
        for inside in ["169.254.169.254", "127.0.0.1", "::ffff:10.0.0.1", "fd00::1"] {
            let refused = resolve("a.example", &[inside], &["b.example"]).await;
            assert!(
                refused.unwrap_err().contains("no public address"),
                "{inside}"
            );
        }
    }

    #[tokio::test]
    async fn a_listed_name_may_lead_inside() {
        let kept = resolve("LiteLLM.internal", &["10.0.0.1"], &["litellm.internal"]).await;
        assert_eq!(kept, Ok(vec!["10.0.0.1".to_owned()]));
    }
}

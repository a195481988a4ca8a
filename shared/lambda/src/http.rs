//! The one place where HTTP clients are built.
//!
//! All of them: TLS by rustls, trusting the roots compiled in and a company's own if the configuration names a file;
//! no redirects, no proxy, no repetition, and a limit on connecting and on the whole request.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

/// Time for name lookup, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// A connection idle for longer is not used again. Short, because Lambda freezes the process between events: what was
/// open before is likely dead, and a create sent into it would be ambiguous.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

const USER_AGENT: &str = concat!("keyward/", env!("CARGO_PKG_VERSION"));

/// What clients are built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// A PEM file with roots to trust beside those compiled in.
    pub extra_roots: Option<PathBuf>,
    /// Time for one request from connecting to the last byte of the answer.
    pub timeout: Duration,
}

/// Clients could not be built. A person must mend the deployment.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file of extra roots cannot be read as PEM.
    #[error("the extra roots in {} cannot be read", .path.display())]
    RootsUnreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: pem::Error,
    },
    /// The file of extra roots holds none.
    #[error("there is no certificate in the extra roots file {}", .path.display())]
    NoRoots {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be used as a root.
    #[error("certificate {number} in {} cannot be a root", .path.display())]
    RootRefused {
        /// The file.
        path: PathBuf,
        /// Which of its certificates, from 1.
        number: usize,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// TLS could not be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// A client could not be built.
    #[error("an HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
}

/// Builds clients that share one TLS set-up.
#[derive(Debug)]
pub struct Http {
    tls: ClientConfig,
    timeout: Duration,
}

impl Http {
    /// Sets TLS up. Reads no file but the one named in `settings`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(path) = &settings.extra_roots {
            add_roots(&mut roots, path)?;
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(HttpError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls,
            timeout: settings.timeout,
        })
    }

    /// A client that keeps connections for the next request.
    ///
    /// # Errors
    /// [`HttpError::Client`].
    pub fn pooled(&self) -> Result<reqwest::Client, HttpError> {
        self.pooled_builder().build().map_err(HttpError::Client)
    }

    /// Of a client that keeps connections for the next request.
    pub fn pooled_builder(&self) -> reqwest::ClientBuilder {
        self.builder(self.tls.clone())
            .pool_idle_timeout(IDLE_TIMEOUT)
    }

    /// Of a client that opens a connection for each request, without resuming a TLS session: what it is told does not
    /// come from a server that remembers an earlier request.
    pub fn fresh_builder(&self) -> reqwest::ClientBuilder {
        let mut tls = self.tls.clone();
        tls.resumption = Resumption::disabled();
        self.builder(tls).pool_max_idle_per_host(0)
    }

    fn builder(&self, tls: ClientConfig) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT.min(self.timeout))
            .timeout(self.timeout)
    }
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), HttpError> {
    let unreadable = |source| HttpError::RootsUnreadable {
        path: path.to_owned(),
        source,
    };
    let mut number = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        number += 1;
        let refused = |source| HttpError::RootRefused {
            path: path.to_owned(),
            number,
            source,
        };
        roots
            .add(certificate.map_err(unreadable)?)
            .map_err(refused)?;
    }
    if number == 0 {
        return Err(HttpError::NoRoots {
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;

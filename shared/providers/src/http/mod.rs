//! The HTTP side of all drivers: where keys may be sent, how often, for how long, and what is kept of the answer.
//!
//! What does not exist here on purpose: redirects, proxies, a retry of a request that creates something, and any way
//! for a body, a query or key text to reach an error.

mod address;
mod answer;
mod client;
mod credential;
mod endpoint;
mod resolver;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use client::{Connections, HttpClient, HttpSettings, guard};
pub use endpoint::{AllowedHosts, BaseUrl, UrlError};
pub use resolver::GuardedResolver;

pub(crate) use answer::Answer;
#[cfg(test)]
pub(crate) use answer::Failure;
pub(crate) use client::{Repeat, Request};
pub(crate) use credential::{Credential, Scheme};

//! One suite for each port. Stand-ins and real adapters run the same one, so that a use case that passes with the
//! former works with the latter.

pub mod acts;
pub mod admins;
pub mod alarms;
pub mod alerts;
pub mod census;
pub mod inventory;
pub mod kill_alarms;
pub mod metrics;
pub mod offboardings;
pub mod pools;
pub mod provider;
pub mod reports;
pub mod risks;
pub mod secrets;
pub mod usage;

use futures::future::BoxFuture;

/// One promise of a port, as a check of an implementation `T`.
pub struct Check<T: ?Sized> {
    /// The promise.
    pub name: &'static str,
    /// Panics if it is broken.
    pub run: for<'a> fn(&'a T) -> BoxFuture<'a, ()>,
}

/// A check that an emulator is known to fail because it does not do what AWS documents.
#[derive(Debug, Clone, Copy)]
pub struct Deviation {
    /// The check that is left out.
    pub check: &'static str,
    /// What the emulator does instead.
    pub reason: &'static str,
}

/// Runs every check that no deviation names, and returns how many.
///
/// # Panics
/// If a promise is broken, or a deviation names no check.
pub async fn run<T: ?Sized>(checks: &[Check<T>], subject: &T, deviations: &[Deviation]) -> usize {
    for deviation in deviations {
        let known = checks.iter().any(|check| check.name == deviation.check);
        assert!(known, "no check is called {}", deviation.check);
    }
    let mut count = 0;
    for check in checks {
        if deviations.iter().any(|d| d.check == check.name) {
            tracing::info!(check = check.name, "left out");
            continue;
        }
        tracing::info!(check = check.name, "begins");
        (check.run)(subject).await;
        count += 1;
    }
    count
}

/// The named functions as checks.
macro_rules! checks {
    ($subject:ty: $($name:ident),+ $(,)?) => {
        &[$($crate::contract::Check::<$subject> {
            name: stringify!($name),
            run: |subject| Box::pin($name(subject)),
        }),+]
    };
}
pub(crate) use checks;

//! What a key is restricted to.
//! <https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys#Restrictions>

use keyward_core::model::names::{Endpoint, Network};
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Extent, Reach};
use serde::{Deserialize, Serialize};

/// The service that keys are for.
const SERVICE: &str = "generativelanguage.googleapis.com";

/// The one address that a suspended key may be used from. It is for documentation, and nobody's:
/// <https://www.rfc-editor.org/rfc/rfc5737>.
const NOWHERE: &str = "192.0.2.1";

/// What a key is restricted to. A list without an entry restricts nothing, so none is ever sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Restrictions {
    api_targets: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_key_restrictions: Option<Server>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Target {
    #[serde(default)]
    service: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Server {
    allowed_ips: Vec<String>,
}

impl Restrictions {
    /// To what a scope permits.
    pub(super) fn of(scope: &Scope) -> Self {
        let addresses = scope.addresses.iter().map(Network::as_str);
        Self::to(
            scope
                .endpoints
                .iter()
                .map(Endpoint::as_str)
                .map(str::to_owned)
                .collect(),
            addresses.map(str::to_owned).collect(),
        )
    }

    /// To an address that is nobody's.
    pub(super) fn suspension() -> Self {
        Self::to(Vec::new(), vec![NOWHERE.to_owned()])
    }

    fn to(methods: Vec<String>, allowed_ips: Vec<String>) -> Self {
        let target = Target {
            service: SERVICE.to_owned(),
            methods,
        };
        Self {
            api_targets: vec![target],
            server_key_restrictions: (!allowed_ips.is_empty()).then_some(Server { allowed_ips }),
        }
    }

    /// Whether they are those of a suspended key.
    pub(super) fn suspend(&self) -> bool {
        let is_nowhere = |ip: &String| ip.strip_suffix("/32").unwrap_or(ip) == NOWHERE;
        let ips = self.addresses();
        !ips.is_empty() && ips.iter().all(is_nowhere)
    }

    /// Whether a key so restricted may call the service.
    pub(super) fn permit_the_service(&self) -> bool {
        self.api_targets.is_empty() || self.api_targets.iter().any(Target::is_the_service)
    }

    fn addresses(&self) -> &[String] {
        let server = self.server_key_restrictions.as_ref();
        server.map_or(&[], |server| &server.allowed_ips)
    }

    /// A key that may call other services too is not limited to parts of this one.
    pub(super) fn reach(&self) -> Reach {
        let targets = &self.api_targets;
        let is_limited = |target: &Target| target.is_the_service() && !target.methods.is_empty();
        let endpoints = if targets.is_empty() || !targets.iter().all(is_limited) {
            Extent::All
        } else {
            only(targets.iter().flat_map(|target| &target.methods))
        };
        let addresses = match self.addresses() {
            [] => Extent::All,
            some => only(some.iter()),
        };
        Reach {
            endpoints,
            addresses,
            ..Reach::default()
        }
    }

    /// Whether they are as asked, in whatever order and case.
    pub(super) fn are(&self, asked: &Self) -> bool {
        self.suspend() && asked.suspend() || self.keep_to(asked) && asked.keep_to(self)
    }

    /// Whether they leave a key no more than `asked` does, as far as that can be told: the same service alone, and no
    /// method or address beside those asked for.
    pub(super) fn keep_to(&self, asked: &Self) -> bool {
        let service = self.api_targets.iter().all(Target::is_the_service);
        let within = |kept: &Extent, asked: &Extent| match (kept, asked) {
            (_, Extent::All | Extent::Untold) => true,
            (Extent::Only(kept), Extent::Only(asked)) => kept.iter().all(|one| asked.contains(one)),
            (Extent::All | Extent::Untold, Extent::Only(_)) => false,
        };
        let (kept, asked) = (self.reach(), asked.reach());
        service
            && !self.api_targets.is_empty()
            && within(&kept.endpoints, &asked.endpoints)
            && within(&kept.addresses, &asked.addresses)
    }
}

impl Target {
    /// Names of services are the same in any case.
    fn is_the_service(&self) -> bool {
        self.service.eq_ignore_ascii_case(SERVICE)
    }
}

fn only<'a>(names: impl Iterator<Item = &'a String>) -> Extent {
    Extent::Only(names.map(|name| OutsideText::new(name)).collect())
}

//! What a slot's scope must say for its provider.

use crate::model::names::Endpoint;
use crate::model::slot::{ProviderName, Scope};
use crate::model::text::OutsideText;
use crate::ports::{Extent, Reach};

/// Which fields of a scope a provider has.
struct Has {
    workspace: bool,
    project: bool,
    service_account: bool,
    user: bool,
    permissions: bool,
    models: bool,
    endpoints: bool,
    addresses: bool,
}

const NOTHING: Has = Has {
    workspace: false,
    project: false,
    service_account: false,
    user: false,
    permissions: false,
    models: false,
    endpoints: false,
    addresses: false,
};

const fn has(provider: ProviderName) -> Has {
    match provider {
        ProviderName::OpenRouter | ProviderName::Anthropic => Has {
            workspace: true,
            ..NOTHING
        },
        ProviderName::OpenAi => Has {
            project: true,
            service_account: true,
            permissions: true,
            ..NOTHING
        },
        ProviderName::Bedrock => Has {
            user: true,
            ..NOTHING
        },
        ProviderName::LiteLlm => Has {
            workspace: true,
            models: true,
            endpoints: true,
            ..NOTHING
        },
        ProviderName::Gemini => Has {
            project: true,
            service_account: true,
            endpoints: true,
            addresses: true,
            ..NOTHING
        },
        ProviderName::Azure => NOTHING,
    }
}

/// Entries of LiteLLM's `allowed_routes` that let a key ask for the list of models: the route itself, and names of
/// groups with it in them (<https://github.com/BerriAI/litellm>, `proxy/_types.py`, `LiteLLMRoutes`, release 1.108.7).
const LISTS_MODELS: [&str; 3] = ["/v1/models", "llm_api_routes", "openai_routes"];

/// The address that Gemini's suspended keys are limited to: <https://www.rfc-editor.org/rfc/rfc5737>.
const NOBODYS: &str = "192.0.2.1";

/// Whether one of the methods permits `method` of Google's `service`: by its name, with or without what it is in, or by
/// the beginning of either before a `*`, in any case.
/// <https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys#ApiTarget>
fn permits_method(methods: &[Endpoint], service: &str, method: &str) -> bool {
    const PACKAGE: &str = "google.ai.generativelanguage.";
    let (service, method) = (service.to_ascii_lowercase(), method.to_ascii_lowercase());
    let whole = format!("{service}.{method}");
    methods.iter().any(|permitted| {
        let permitted = permitted.as_str().to_ascii_lowercase();
        match permitted.strip_suffix('*') {
            Some(begin) => {
                method.starts_with(begin) || PACKAGE.starts_with(begin) || whole.starts_with(begin)
            }
            None => {
                permitted == method
                    || permitted.starts_with(PACKAGE) && permitted.ends_with(&format!(".{whole}"))
            }
        }
    })
}

/// Everything that is wrong with a scope: the field, and what to do about it. Empty when it can be kept.
pub fn problems(provider: ProviderName, scope: &Scope) -> Vec<(&'static str, String)> {
    let has = has(provider);
    let given = [
        ("scope.workspace", has.workspace, scope.workspace.is_some()),
        ("scope.project", has.project, scope.project.is_some()),
        (
            "scope.service_account",
            has.service_account,
            scope.service_account.is_some(),
        ),
        ("scope.user", has.user, scope.user.is_some()),
        (
            "scope.permissions",
            has.permissions,
            !scope.permissions.is_empty(),
        ),
        ("scope.models", has.models, !scope.models.is_empty()),
        (
            "scope.endpoints",
            has.endpoints,
            !scope.endpoints.is_empty(),
        ),
        (
            "scope.addresses",
            has.addresses,
            !scope.addresses.is_empty(),
        ),
    ];
    let unknown = given.iter().filter(|(_, has, given)| *given && !has);
    let mut problems: Vec<_> = unknown
        .map(|(field, ..)| {
            (
                *field,
                format!("{provider} has no such thing: leave it out"),
            )
        })
        .collect();
    problems.extend(
        missing(provider, scope)
            .into_iter()
            .map(|(field, text)| (field, text.to_owned())),
    );
    problems
}

/// What the provider needs and the scope leaves out.
fn missing(provider: ProviderName, scope: &Scope) -> Vec<(&'static str, &'static str)> {
    let mut missing = Vec::new();
    match provider {
        ProviderName::OpenRouter | ProviderName::Azure => {}
        ProviderName::LiteLlm => {
            let lists_models = |e: &Endpoint| LISTS_MODELS.contains(&e.as_str());
            if !scope.endpoints.is_empty() && !scope.endpoints.iter().any(lists_models) {
                missing.push((
                    "scope.endpoints",
                    "must include `/v1/models`: keys are tested by it",
                ));
            }
        }
        ProviderName::Anthropic => {
            if scope.workspace.is_none() {
                missing.push(("scope.workspace", "is missing: the id of the workspace whose standby keys the slot draws, `wrkspc_…`; the default workspace has one as well"));
            }
        }
        ProviderName::OpenAi => {
            if scope.project.is_none() {
                missing.push((
                    "scope.project",
                    "is missing: the id of the project that keys are made in, `proj_…`",
                ));
            }
            if !scope.permissions.is_empty() && scope.service_account.is_none() {
                missing.push(("scope.permissions", "needs `scope.service_account`: a key with an account of its own cannot be narrowed at birth"));
            }
        }
        ProviderName::Gemini => {
            if scope.project.is_none() {
                missing.push((
                    "scope.project",
                    "is missing: the id of the Google Cloud project that keys are made in",
                ));
            }
            let lacks = |service: &str, method: &str| {
                !scope.endpoints.is_empty() && !permits_method(&scope.endpoints, service, method)
            };
            if lacks("ModelService", "ListModels") {
                missing.push((
                    "scope.endpoints",
                    "must include `ListModels`: keys are tested by it",
                ));
            }
            if scope.addresses.iter().any(|one| one.as_str() == NOBODYS) {
                missing.push((
                    "scope.addresses",
                    "must not name 192.0.2.1: suspended keys are limited to it",
                ));
            }
            if scope.service_account.is_some() && lacks("GenerativeService", "CountTokens") {
                missing.push((
                    "scope.endpoints",
                    "must include `CountTokens`: keys with a service account are tested by it too",
                ));
            }
        }
        ProviderName::Bedrock => {
            if scope.user.is_none() {
                missing.push((
                    "scope.user",
                    "is missing: the IAM user that belongs to this slot alone",
                ));
            }
        }
    }
    missing
}

/// The first kind of limit that a key goes beyond, as the provider tells it: a list that was asked for came back longer,
/// or empty, which means all. What the provider does not tell is taken as it was asked for.
pub fn wider(asked: &Scope, kept: &Reach) -> Option<&'static str> {
    fn exceeds<T: AsRef<str>>(asked: &[T], kept: &Extent) -> bool {
        let is_asked = |one: &OutsideText| asked.iter().any(|a| a.as_ref() == one.as_str());
        match kept {
            Extent::Untold => false,
            Extent::All => !asked.is_empty(),
            Extent::Only(kept) => {
                !asked.is_empty() && (kept.is_empty() || !kept.iter().all(is_asked))
            }
        }
    }
    [
        ("models", exceeds(&asked.models, &kept.models)),
        ("endpoints", exceeds(&asked.endpoints, &kept.endpoints)),
        ("addresses", exceeds(&asked.addresses, &kept.addresses)),
    ]
    .into_iter()
    .find_map(|(what, exceeds)| exceeds.then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::ScopeId;

    #[test]
    fn each_provider_takes_what_it_has() {
        use ProviderName::{Anthropic, Azure, Bedrock, Gemini, LiteLlm, OpenAi, OpenRouter};
        let id = || Some("EXAMPLE_1".parse::<ScopeId>().unwrap());
        let permissions = || vec!["model.request".parse().unwrap()];
        let workspace = Scope {
            workspace: id(),
            ..Scope::default()
        };
        let project = Scope {
            project: id(),
            ..Scope::default()
        };
        let account = Scope {
            service_account: id(),
            permissions: permissions(),
            ..project.clone()
        };
        let user = Scope {
            user: Some("bedrock-agent".parse().unwrap()),
            ..Scope::default()
        };
        let alone = Scope {
            permissions: permissions(),
            ..project.clone()
        };
        let routes = |names: &[&str]| Scope {
            endpoints: names.iter().map(|name| name.parse().unwrap()).collect(),
            ..Scope::default()
        };
        let models = Scope {
            models: vec!["small".parse().unwrap()],
            ..Scope::default()
        };
        let bound = Scope {
            service_account: Some("agent@example.iam.gserviceaccount.com".parse().unwrap()),
            ..project.clone()
        };
        let methods = |of: &Scope, names: &[&str]| Scope {
            endpoints: routes(names).endpoints,
            addresses: vec!["203.0.113.7".parse().unwrap()],
            ..of.clone()
        };
        const WHOLE: &str = "google.ai.generativelanguage.v1beta.ModelService.ListModels";
        let some = ["GenerateContent", "list*"];
        for (name, provider, scope, expected) in [
            ("nothing", Gemini, Scope::default(), &["scope.project"][..]),
            ("project", Gemini, project.clone(), &[]),
            ("bound", Gemini, bound.clone(), &[]),
            ("methods", Gemini, methods(&project, &some), &[]),
            ("a method", Gemini, methods(&project, &[WHOLE]), &[]),
            (
                "all",
                Gemini,
                methods(&bound, &["google.ai.generativelanguage.*"]),
                &[],
            ),
            (
                "untestable",
                Gemini,
                methods(&project, &["GenerateContent", "ListTunedModels", "Lists*"]),
                &["scope.endpoints"],
            ),
            (
                "untestable",
                Gemini,
                methods(&bound, &some),
                &["scope.endpoints"],
            ),
            (
                "nobody's address",
                Gemini,
                Scope {
                    addresses: vec![NOBODYS.parse().unwrap()],
                    ..project.clone()
                },
                &["scope.addresses"],
            ),
            (
                "permissions",
                Gemini,
                account.clone(),
                &["scope.permissions"],
            ),
            ("nothing", LiteLlm, Scope::default(), &[][..]),
            ("workspace", LiteLlm, workspace.clone(), &[]),
            ("models", LiteLlm, models.clone(), &[]),
            ("models", OpenRouter, models, &["scope.models"]),
            (
                "untestable",
                LiteLlm,
                routes(&["/v1/chat/completions"]),
                &["scope.endpoints"],
            ),
            (
                "testable",
                LiteLlm,
                routes(&["/v1/chat/completions", "/v1/models"]),
                &[],
            ),
            ("a group", LiteLlm, routes(&["llm_api_routes"]), &[]),
            (
                "routes",
                OpenAi,
                routes(&["/v1/models"]),
                &["scope.endpoints", "scope.project"],
            ),
            (
                "account",
                LiteLlm,
                account.clone(),
                &[
                    "scope.project",
                    "scope.service_account",
                    "scope.permissions",
                ],
            ),
            ("nothing", OpenRouter, Scope::default(), &[]),
            ("nothing", Azure, Scope::default(), &[]),
            ("project", Azure, project.clone(), &["scope.project"]),
            ("nothing", Anthropic, Scope::default(), &["scope.workspace"]),
            ("nothing", OpenAi, Scope::default(), &["scope.project"]),
            ("workspace", OpenRouter, workspace.clone(), &[]),
            ("workspace", Anthropic, workspace.clone(), &[]),
            (
                "workspace",
                OpenAi,
                workspace,
                &["scope.workspace", "scope.project"],
            ),
            ("project", OpenAi, project.clone(), &[]),
            (
                "project",
                Anthropic,
                project,
                &["scope.project", "scope.workspace"],
            ),
            ("account", OpenAi, account.clone(), &[]),
            (
                "account",
                OpenRouter,
                account,
                &[
                    "scope.project",
                    "scope.service_account",
                    "scope.permissions",
                ],
            ),
            ("permissions", OpenAi, alone, &["scope.permissions"]),
            ("nothing", Bedrock, Scope::default(), &["scope.user"]),
            ("user", Bedrock, user.clone(), &[]),
            ("user", OpenRouter, user, &["scope.user"]),
        ] {
            let found: Vec<&str> = problems(provider, &scope)
                .iter()
                .map(|(field, _)| *field)
                .collect();
            assert_eq!(found, expected, "{name} at {provider}");
        }
    }

    #[test]
    fn an_empty_list_never_counts_as_a_limit() {
        let only =
            |names: &[&str]| Extent::Only(names.iter().map(|n| OutsideText::new(n)).collect());
        let scope = Scope {
            models: vec!["small".parse().unwrap(), "large".parse().unwrap()],
            ..Scope::default()
        };
        for (name, asked, kept, expected) in [
            ("as asked", &scope, only(&["large", "small"]), None),
            ("narrower", &scope, only(&["small"]), None),
            ("longer", &scope, only(&["small", "other"]), Some("models")),
            ("empty", &scope, only(&[]), Some("models")),
            ("no limit", &scope, Extent::All, Some("models")),
            ("not told", &scope, Extent::Untold, None),
            ("nothing asked", &Scope::default(), Extent::All, None),
        ] {
            let kept = Reach {
                models: kept,
                ..Reach::default()
            };
            assert_eq!(wider(asked, &kept), expected, "{name}");
        }
    }
}

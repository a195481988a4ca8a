//! What a slot's scope must say for its provider.

use crate::model::slot::{ProviderName, Scope};

/// Everything that is wrong with a scope: the field, and what to do about it. Empty when it can be kept.
pub fn problems(provider: ProviderName, scope: &Scope) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let takes_workspace = match provider {
        ProviderName::OpenRouter | ProviderName::Anthropic => true,
        ProviderName::OpenAi => false,
    };
    let mut refuse = |set: bool, field: &'static str| {
        if set {
            problems.push((field, format!("{provider} has no such thing: leave it out")));
        }
    };
    refuse(
        !takes_workspace && scope.workspace.is_some(),
        "scope.workspace",
    );
    refuse(takes_workspace && scope.project.is_some(), "scope.project");
    refuse(
        takes_workspace && scope.service_account.is_some(),
        "scope.service_account",
    );
    refuse(
        takes_workspace && !scope.permissions.is_empty(),
        "scope.permissions",
    );
    if provider == ProviderName::Anthropic && scope.workspace.is_none() {
        let text = "is missing: the id of the workspace whose standby keys the slot draws, `wrkspc_…`; the default workspace has one as well";
        problems.push(("scope.workspace", text.to_owned()));
    }
    if provider == ProviderName::OpenAi {
        if scope.project.is_none() {
            let text = "is missing: the id of the project that keys are made in, `proj_…`";
            problems.push(("scope.project", text.to_owned()));
        }
        if !scope.permissions.is_empty() && scope.service_account.is_none() {
            let text = "needs `scope.service_account`: a key with an account of its own cannot be narrowed at birth";
            problems.push(("scope.permissions", text.to_owned()));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::ScopeId;

    #[test]
    fn each_provider_takes_what_it_has() {
        use ProviderName::{Anthropic, OpenAi, OpenRouter};
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
        let alone = Scope {
            permissions: permissions(),
            ..project.clone()
        };
        for (name, provider, scope, expected) in [
            ("nothing", OpenRouter, Scope::default(), &[][..]),
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
        ] {
            let found: Vec<&str> = problems(provider, &scope)
                .iter()
                .map(|(field, _)| *field)
                .collect();
            assert_eq!(found, expected, "{name} at {provider}");
        }
    }
}

//! What is checked against which description. A new driver is one more arm of [`of`].

use jiff::SignedDuration;
use keyward_core::model::slot::ProviderName;
use keyward_providers::{anthropic, azure, bedrock, gemini, openai, openrouter};
use keyward_testkit::simulator::{Binding, Home, KeyEnd, Settings};

/// One driver, and what describes its provider's API.
pub struct Driver {
    /// Whose API.
    pub provider: ProviderName,
    /// Where the driver sends its requests.
    pub base: &'static str,
    /// The descriptions: what one does not know another may.
    pub sources: &'static [Source],
    /// The ways in which the provider may behave; the suite is played in each.
    pub settings: fn() -> Vec<Settings>,
    /// Every kind of request that the driver sends: what for, method, and path.
    pub operations: &'static [(&'static str, &'static str, &'static str)],
}

/// One description.
pub struct Source {
    /// Its file in the folder of descriptions.
    pub file: &'static str,
    /// Answers whose model is there under a name that nothing ties to the operation: method, path, and model.
    pub models: &'static [(&'static str, &'static str, Model)],
}

/// What an answer consists of.
pub enum Model {
    /// One of these.
    One(&'static str),
    /// A page: these in `data`. The page itself is not described.
    Page(&'static str),
}

/// The driver of a provider.
pub fn of(provider: ProviderName) -> Driver {
    match provider {
        ProviderName::OpenRouter => OPENROUTER,
        ProviderName::OpenAi => OPENAI,
        ProviderName::Anthropic => ANTHROPIC,
        ProviderName::Bedrock => BEDROCK,
        ProviderName::LiteLlm => LITELLM,
        ProviderName::Gemini => GEMINI,
        ProviderName::Azure => AZURE,
    }
}

const OPENROUTER: Driver = Driver {
    provider: ProviderName::OpenRouter,
    base: openrouter::BASE_URL,
    sources: &[Source {
        file: "openrouter-keys.openapi.json",
        models: &[],
    }],
    settings: || vec![Settings::default()],
    operations: &[
        ("create", "POST", "/keys"),
        ("list", "GET", "/keys"),
        ("get", "GET", "/keys/{key}"),
        ("suspend, resume, cap", "PATCH", "/keys/{key}"),
        ("delete", "DELETE", "/keys/{key}"),
        ("verify", "GET", "/key"),
        ("usage, cost", "GET", "/activity"),
    ],
};

const OPENAI: Driver = Driver {
    provider: ProviderName::OpenAi,
    base: openai::BASE_URL,
    sources: &[
        Source {
            file: "openai-admin.openapi.json",
            models: &[],
        },
        Source {
            file: "openai-admin.endpoints-newer.json",
            models: &[(
                "POST",
                "/organization/projects/{project_id}/api_keys/{api_key_id}",
                Model::One("ProjectAPIKey"),
            )],
        },
    ],
    settings: || {
        let ways = [
            (Home::StandingAccount, KeyEnd::Deletable),
            (Home::OwnAccount, KeyEnd::Deletable),
            (Home::StandingAccount, KeyEnd::Expires),
            (Home::OwnAccount, KeyEnd::Expires),
            (Home::OwnAccount, KeyEnd::WithItsAccountOnly),
        ];
        let settings = |(home, key_end)| Settings {
            provider: ProviderName::OpenAi,
            home,
            key_end,
            ..Settings::default()
        };
        ways.map(settings).into()
    },
    operations: &[
        (
            "create in a service account",
            "POST",
            "/organization/projects/{project}/service_accounts/{account}/api_keys",
        ),
        (
            "create with a service account",
            "POST",
            "/organization/projects/{project}/service_accounts",
        ),
        ("list", "GET", "/organization/projects/{project}/api_keys"),
        (
            "get",
            "GET",
            "/organization/projects/{project}/api_keys/{key}",
        ),
        (
            "suspend, resume, end",
            "POST",
            "/organization/projects/{project}/api_keys/{key}",
        ),
        (
            "delete",
            "DELETE",
            "/organization/projects/{project}/api_keys/{key}",
        ),
        (
            "get the service account",
            "GET",
            "/organization/projects/{project}/service_accounts/{account}",
        ),
        (
            "delete the service account",
            "DELETE",
            "/organization/projects/{project}/service_accounts/{account}",
        ),
        ("verify", "GET", "/models"),
        (
            "usage of completions",
            "GET",
            "/organization/usage/completions",
        ),
        (
            "usage of embeddings",
            "GET",
            "/organization/usage/embeddings",
        ),
        ("usage of images", "GET", "/organization/usage/images"),
        ("costs", "GET", "/organization/costs"),
        (
            "create an admin key",
            "POST",
            "/organization/admin_api_keys",
        ),
        (
            "list admin keys, verify one",
            "GET",
            "/organization/admin_api_keys",
        ),
        (
            "delete an admin key",
            "DELETE",
            "/organization/admin_api_keys/{key}",
        ),
    ],
};

const ANTHROPIC: Driver = Driver {
    provider: ProviderName::Anthropic,
    base: anthropic::BASE_URL,
    sources: &[Source {
        file: "anthropic-admin.endpoints.json",
        models: &[
            (
                "GET",
                "/v1/organizations/api_keys/{api_key_id}",
                Model::One("BetaAPIKey"),
            ),
            (
                "POST",
                "/v1/organizations/api_keys/{api_key_id}",
                Model::One("BetaAPIKey"),
            ),
            (
                "GET",
                "/v1/organizations/api_keys",
                Model::Page("BetaAPIKey"),
            ),
        ],
    }],
    settings: || {
        vec![Settings {
            provider: ProviderName::Anthropic,
            ..Settings::default()
        }]
    },
    operations: &[
        ("list", "GET", "/v1/organizations/api_keys"),
        ("get", "GET", "/v1/organizations/api_keys/{key}"),
        (
            "suspend, resume, archive",
            "POST",
            "/v1/organizations/api_keys/{key}",
        ),
        ("verify", "GET", "/v1/models"),
        ("usage", "GET", "/v1/organizations/usage_report/messages"),
        ("cost", "GET", "/v1/organizations/analytics/cost"),
    ],
};

const BEDROCK: Driver = Driver {
    provider: ProviderName::Bedrock,
    base: bedrock::IAM_URL,
    sources: &[Source {
        file: "aws-iam-service-specific-credentials.json",
        models: &[],
    }],
    settings: || {
        vec![Settings {
            provider: ProviderName::Bedrock,
            ..Settings::default()
        }]
    },
    operations: &[
        ("create", "POST", "/?Action=CreateServiceSpecificCredential"),
        (
            "list, get",
            "POST",
            "/?Action=ListServiceSpecificCredentials",
        ),
        (
            "suspend, resume",
            "POST",
            "/?Action=UpdateServiceSpecificCredential",
        ),
        ("delete", "POST", "/?Action=DeleteServiceSpecificCredential"),
        ("verify", "GET", "/foundation-models"),
    ],
};

const LITELLM: Driver = Driver {
    provider: ProviderName::LiteLlm,
    base: "",
    sources: &[Source {
        file: "litellm-keys.openapi.json",
        models: &[],
    }],
    settings: || {
        vec![Settings {
            provider: ProviderName::LiteLlm,
            ..Settings::default()
        }]
    },
    operations: &[
        ("create", "POST", "/key/generate"),
        ("list", "GET", "/key/list"),
        ("get", "GET", "/key/info"),
        ("suspend", "POST", "/key/block"),
        ("resume", "POST", "/key/unblock"),
        ("cap", "POST", "/key/update"),
        ("delete", "POST", "/key/delete"),
        ("verify", "GET", "/v1/models"),
        ("usage, cost", "GET", "/user/daily/activity"),
    ],
};

const GEMINI: Driver = Driver {
    provider: ProviderName::Gemini,
    base: gemini::BASE_URL,
    sources: &[Source {
        file: "google-apikeys-v2.discovery.json",
        models: &[],
    }],
    settings: || {
        let ways = [
            (Binding::Nothing, SignedDuration::ZERO),
            (Binding::ServiceAccount, SignedDuration::from_secs(3)),
        ];
        let settings = |(binding, operation_delay)| Settings {
            provider: ProviderName::Gemini,
            binding,
            operation_delay,
            ..Settings::default()
        };
        ways.map(settings).into()
    },
    operations: &[
        (
            "create",
            "POST",
            "/v2/projects/{project}/locations/global/keys",
        ),
        ("look at an operation", "GET", "/v2/operations/{operation}"),
        (
            "read a key's text",
            "GET",
            "/v2/projects/{project}/locations/global/keys/{key}/keyString",
        ),
        (
            "list",
            "GET",
            "/v2/projects/{project}/locations/global/keys",
        ),
        (
            "get",
            "GET",
            "/v2/projects/{project}/locations/global/keys/{key}",
        ),
        (
            "suspend, resume",
            "PATCH",
            "/v2/projects/{project}/locations/global/keys/{key}",
        ),
        (
            "delete",
            "DELETE",
            "/v2/projects/{project}/locations/global/keys/{key}",
        ),
        ("get an access token", "POST", "/token"),
        ("verify", "GET", "/v1beta/models"),
        (
            "verify a bound key",
            "POST",
            "/v1beta/models/{model}:countTokens",
        ),
    ],
};

const AZURE: Driver = Driver {
    provider: ProviderName::Azure,
    base: azure::ARM_URL,
    sources: &[Source {
        file: "azure-cognitiveservices-keys.openapi.json",
        models: &[],
    }],
    settings: || {
        vec![Settings {
            provider: ProviderName::Azure,
            ..Settings::default()
        }]
    },
    operations: &[
        ("token", "POST", "/{tenant}/oauth2/v2.0/token"),
        (
            "list, get",
            "POST",
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.CognitiveServices/accounts/{account}/listKeys",
        ),
        (
            "create, delete",
            "POST",
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.CognitiveServices/accounts/{account}/regenerateKey",
        ),
        ("verify", "GET", "/openai/models"),
    ],
};

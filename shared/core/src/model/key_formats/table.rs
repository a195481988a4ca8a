//! The table. Shapes are those that the detectors of trufflehog and gitleaks know, where the provider documents none:
//! <https://github.com/trufflesecurity/trufflehog/tree/main/pkg/detectors>,
//! <https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml>.

use super::Alphabet::{AToL, Alnum, Base64, Base64Url, Hex, LowerAlnum, Word};
use super::Part::{Chars, Padding, Text};
use super::{KeyFormat, KeyShape, MANY, Mixed, Power, ProviderName};

/// How OpenAI's keys look: `sk-`, nearly always `proj-` or `svcacct-` after it, and a random part. Keys of OpenRouter
/// and Anthropic begin so too, and so do OpenAI's admin keys.
pub const OPENAI: KeyFormat = KeyFormat {
    prefix: "sk-",
    also: &[],
    not: &["sk-or-", "sk-ant-", "sk-admin-"],
    alphabet: Base64Url.chars(),
};

/// How Anthropic's keys look: `sk-ant-api03-` and 95 characters; the number may change.
pub const ANTHROPIC: KeyFormat = KeyFormat {
    prefix: "sk-ant-api",
    also: &[],
    not: &[],
    alphabet: Base64Url.chars(),
};

/// What Gemini's keys begin with that are bound to a service account.
pub const GEMINI_BOUND: &str = "AQ.";

/// How Gemini's keys look: `AIzaSy` and 33 characters of URL-safe base64, or `AQ.` and more of them where they are bound to
/// a service account. The latter's form is not documented; the prefix is seen in keys.
pub const GEMINI: KeyFormat = KeyFormat {
    prefix: "AIzaSy",
    also: &[GEMINI_BOUND],
    not: &[],
    alphabet: Base64Url.chars(),
};

/// How Bedrock's long-term keys look: `ABSK`, then base64 of `<alias>:<secret>`. The alias is no secret, so entropy is
/// counted too high by its length. Short-term keys begin with `bedrock-api-key-`.
pub const BEDROCK: KeyFormat = KeyFormat {
    prefix: "ABSK",
    also: &[],
    not: &[],
    alphabet: Base64.chars(),
};

/// How Azure's keys look: 84 letters and digits, or 32 lower-case hex digits on older resources, without any prefix. Entropy
/// is counted too high for the older ones; they have 128 bits.
pub const AZURE: KeyFormat = KeyFormat {
    prefix: "",
    also: &[],
    not: &["sk-", "ABSK", "AIza"],
    alphabet: Alnum.chars(),
};

/// How virtual keys of LiteLLM look: `sk-` and, where the proxy chooses, 22 characters of URL-safe base 64. Keys of
/// OpenRouter, Anthropic and OpenAI begin so too.
pub const LITELLM: KeyFormat = KeyFormat {
    prefix: "sk-",
    also: &[],
    not: &["sk-or-", "sk-ant-", "sk-admin-", "sk-proj-", "sk-svcacct-"],
    alphabet: Base64Url.chars(),
};

/// How OpenRouter's keys look: `sk-or-v1-` and 64 lower-case hex digits.
pub const OPENROUTER: KeyFormat = KeyFormat {
    prefix: "sk-or-v1-",
    also: &[],
    not: &[],
    alphabet: Hex.chars(),
};

/// A shape whose text tells whose it is.
const fn told(
    id: &'static str,
    provider: &'static str,
    begins: &'static str,
    rest: &'static [super::Part],
) -> KeyShape {
    KeyShape {
        id,
        provider,
        driver: None,
        power: Power::Calls,
        begins,
        rest,
        named: &[],
        mixed: Mixed::Either,
    }
}

/// A shape of a provider that has a driver.
const fn driven(driver: ProviderName, shape: KeyShape) -> KeyShape {
    KeyShape {
        driver: Some(driver),
        ..shape
    }
}

const fn mixed(shape: KeyShape) -> KeyShape {
    KeyShape {
        mixed: Mixed::Needed,
        ..shape
    }
}

const fn administers(shape: KeyShape) -> KeyShape {
    KeyShape {
        power: Power::Administers,
        ..shape
    }
}

/// A shape that is told by what it is called alone.
const fn named(words: &'static [&'static str], shape: KeyShape) -> KeyShape {
    KeyShape {
        named: words,
        ..shape
    }
}

/// Every shape that is known. Of two with the same beginning the first is whose an audit takes a key for.
pub const SHAPES: &[KeyShape] = &[
    driven(
        ProviderName::OpenRouter,
        told(
            "openrouter-key",
            "OpenRouter",
            "sk-or-",
            &[Text("v1-"), Chars(Hex, 64, 64)],
        ),
    ),
    driven(
        ProviderName::Anthropic,
        administers(told(
            "anthropic-admin-key",
            "Anthropic",
            "sk-ant-admin",
            &[Chars(Hex, 2, 2), Text("-"), Chars(Base64Url, 80, 120)],
        )),
    ),
    driven(
        ProviderName::Anthropic,
        told(
            "anthropic-key",
            "Anthropic",
            "sk-ant-",
            &[
                Text("api"),
                Chars(Hex, 2, 2),
                Text("-"),
                Chars(Base64Url, 80, 120),
            ],
        ),
    ),
    driven(
        ProviderName::OpenAi,
        administers(told(
            "openai-admin-key",
            "OpenAI",
            "sk-admin-",
            &[Chars(Base64Url, 40, 200)],
        )),
    ),
    driven(
        ProviderName::OpenAi,
        mixed(told(
            "openai-project-key",
            "OpenAI",
            "sk-",
            &[Text("proj-"), Chars(Base64Url, 40, 200)],
        )),
    ),
    driven(
        ProviderName::OpenAi,
        mixed(told(
            "openai-service-account-key",
            "OpenAI",
            "sk-",
            &[Text("svcacct-"), Chars(Base64Url, 40, 200)],
        )),
    ),
    driven(
        ProviderName::OpenAi,
        told(
            "openai-user-key",
            "OpenAI",
            "sk-",
            &[Chars(Alnum, 20, 24), Text("T3BlbkFJ"), Chars(Alnum, 20, 24)],
        ),
    ),
    driven(
        ProviderName::LiteLlm,
        mixed(told(
            "litellm-virtual-key",
            "LiteLLM",
            "sk-",
            &[Chars(Base64Url, 22, 22)],
        )),
    ),
    told(
        "deepseek-key",
        "DeepSeek",
        "sk-",
        &[Chars(LowerAlnum, 32, 32)],
    ),
    driven(
        ProviderName::Gemini,
        told(
            "gemini-key",
            "Google Gemini",
            "AIza",
            &[Text("Sy"), Chars(Base64Url, 33, 33)],
        ),
    ),
    driven(
        ProviderName::Gemini,
        mixed(told(
            "gemini-bound-key",
            "Google Gemini",
            "AQ.",
            &[Chars(Base64Url, 40, 120)],
        )),
    ),
    driven(
        ProviderName::Bedrock,
        told(
            "bedrock-long-term-key",
            "Amazon Bedrock",
            "ABSK",
            &[Chars(Base64, 100, 300), Padding(2)],
        ),
    ),
    driven(
        ProviderName::Bedrock,
        told(
            "bedrock-short-term-key",
            "Amazon Bedrock",
            "bedrock-api-key-",
            &[Chars(Base64, 100, MANY), Padding(2)],
        ),
    ),
    // The marks of keys that Microsoft's scanners look for:
    // <https://github.com/microsoft/security-utilities/blob/main/docs/HighConfidenceSecurityModels.md>.
    driven(
        ProviderName::Azure,
        told(
            "azure-openai-key",
            "Azure OpenAI",
            "",
            &[
                Chars(Alnum, 52, 52),
                Text("JQQJ99"),
                Chars(Alnum, 1, 1),
                Chars(AToL, 1, 1),
                Chars(Alnum, 24, 24),
            ],
        ),
    ),
    driven(
        ProviderName::Azure,
        named(
            &["azure", "aoai", "cognitive", "openai"],
            told(
                "azure-openai-older-key",
                "Azure OpenAI",
                "",
                &[Chars(Hex, 32, 32)],
            ),
        ),
    ),
    administers(told(
        "xai-management-key",
        "xAI",
        "xai-token-",
        &[Chars(Word, 40, 200)],
    )),
    told("xai-key", "xAI", "xai-", &[Chars(Word, 80, 80)]),
    told("groq-key", "Groq", "gsk_", &[Chars(Alnum, 52, 52)]),
    told(
        "perplexity-key",
        "Perplexity",
        "pplx-",
        &[Chars(Alnum, 48, 48)],
    ),
    told("elevenlabs-key", "ElevenLabs", "sk_", &[Chars(Hex, 48, 48)]),
    mixed(told(
        "fireworks-key",
        "Fireworks",
        "fw_",
        &[Chars(Alnum, 22, 24)],
    )),
    mixed(told(
        "vercel-ai-gateway-key",
        "Vercel AI Gateway",
        "vck_",
        &[Chars(Alnum, 24, 80)],
    )),
    told(
        "databricks-token",
        "Databricks",
        "dapi",
        &[Chars(Hex, 32, 32)],
    ),
    mixed(told(
        "hugging-face-token",
        "Hugging Face",
        "hf_",
        &[Chars(Alnum, 34, 40)],
    )),
    named(
        &["mistral"],
        mixed(told("mistral-key", "Mistral", "", &[Chars(Alnum, 32, 32)])),
    ),
    named(
        &["cohere", "co_api_key"],
        mixed(told("cohere-key", "Cohere", "", &[Chars(Alnum, 40, 40)])),
    ),
    named(
        &["deepgram"],
        told("deepgram-key", "Deepgram", "", &[Chars(Hex, 40, 40)]),
    ),
    named(
        &["together"],
        told("together-key", "Together", "", &[Chars(Hex, 64, 64)]),
    ),
    named(
        &["cloudflare", "cf_api", "cf_aig"],
        mixed(told(
            "cloudflare-token",
            "Cloudflare",
            "",
            &[Chars(Base64Url, 40, 40)],
        )),
    ),
];

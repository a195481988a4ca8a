use keyward_core::model::slot::ProviderName;
use keyward_testkit::simulator::Simulator;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;

/// One call to a model at a simulated provider, and the status of its answer, if there was one. How many succeeded is read off
/// the provider's log.
pub async fn agent_call(
    http: &reqwest::Client,
    provider: &Simulator,
    key: &str,
) -> Option<StatusCode> {
    let body = r#"{"model":"example-model","messages":[{"role":"user","content":"hello"}]}"#;
    let base = provider.base_url();
    let (url, header, value) = match provider.settings().provider {
        ProviderName::OpenRouter | ProviderName::OpenAi => (
            format!("{base}/chat/completions"),
            "authorization",
            format!("Bearer {key}"),
        ),
        ProviderName::LiteLlm => (
            format!("{base}/v1/chat/completions"),
            "authorization",
            format!("Bearer {key}"),
        ),
        ProviderName::Anthropic => (format!("{base}/v1/messages"), "x-api-key", key.to_owned()),
        ProviderName::Gemini => (
            format!("{base}/v1beta/models/example-model:generateContent"),
            "x-goog-api-key",
            key.to_owned(),
        ),
        ProviderName::Azure => (
            format!("{base}/openai/deployments/example/chat/completions?api-version=2024-10-21"),
            "api-key",
            key.to_owned(),
        ),
        ProviderName::Bedrock => (
            format!("{base}/model/example.model-v1:0/converse"),
            "authorization",
            format!("Bearer {key}"),
        ),
    };
    let mut value = HeaderValue::try_from(value).unwrap();
    value.set_sensitive(true);
    let request = http
        .post(url)
        .header(header, value)
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(body);
    let answer = request.send().await.ok()?;
    Some(answer.status())
}

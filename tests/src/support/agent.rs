use reqwest::header::HeaderValue;

/// One call to a model. Whether it succeeded is read off the provider's log, not remembered here.
pub async fn agent_call(http: &reqwest::Client, url: &str, key: &str) {
    let body = r#"{"model":"example/model","messages":[{"role":"user","content":"hello"}]}"#;
    let mut bearer = HeaderValue::try_from(format!("Bearer {key}")).unwrap();
    bearer.set_sensitive(true);
    let request = http
        .post(url)
        .header("authorization", bearer)
        .header("content-type", "application/json")
        .body(body);
    let _ = request.send().await;
}

//! What an agent tells of its use, by the request that README shows.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn an_agent_tells_what_it_used_as_readme_says() {
    let Some(mut local) = local("told").await else {
        return;
    };
    let apply = format!("keyward apply {} --reason first", local.fleet.display());
    assert!(shell(&local, &apply, "").await.status.success());
    local.with_reports().await;
    let line = printed(&local, "curl --aws-sigv4", "KEYWARD_USAGE_URL");
    for changed in [true, false] {
        let output = shell(&local, &format!("{line} --silent --show-error"), "").await;
        let said = text(&output.stdout) + &text(&output.stderr);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let expected = json!({
            "slot": "support-bot-openrouter", "changed": changed, "version_known": true,
        });
        assert_eq!(answer, expected, "{said}");
    }
    // The same caller may do nothing else there, and without a signature not even that.
    let act = line.replace("}usage", "}kill") + " --silent";
    let said = text(&shell(&local, &act, "").await.stdout);
    assert!(
        said.contains("this function takes /usage of agents alone"),
        "{said}"
    );
    let unsigned = line.replace("--aws-sigv4 aws:amz:us-east-1:lambda", "--silent");
    let said = text(&shell(&local, &unsigned, "").await.stdout);
    assert!(said.contains("Forbidden"), "{said}");
    let acts = local.deployment.acts().await;
    let others = acts.iter().filter(|act| act.operation.as_str() != "/apply");
    assert_eq!(others.count(), 0, "{acts:?}");
    local.deployment.assert_no_key_text().await;
}

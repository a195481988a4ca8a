//! Configurations that are read, and what is said of the others.

use super::*;

const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/admin-a1B2c3";

#[test]
fn each_provider_has_a_host_of_its_own() {
    for (provider, more, expected) in [
        ("openrouter", "", openrouter::BASE_URL),
        ("openai", "", openai::BASE_URL),
        (
            "anthropic",
            r#", "pool_secret": "ARN""#,
            anthropic::BASE_URL,
        ),
        ("gemini", "", gemini::BASE_URL),
    ] {
        let more = more.replace("ARN", &ARN.replace("admin", "pool"));
        let text =
            format!(r#"{{"a": {{"provider": "{provider}", "admin_secret": "{ARN}"{more}}}}}"#);
        let accounts = ProviderAccounts::from_json(&text).unwrap();
        let base = accounts.get(&"a".parse().unwrap()).unwrap().url(BASE_URL);
        let expected = BaseUrl::parse(expected, &AllowedHosts::default()).unwrap();
        assert_eq!(base, expected, "{provider}");
    }
}

/// Where Google's tokens come from and where its keys are used is for the configuration to say, as every other host.
#[test]
fn each_of_googles_hosts_can_be_set() {
    let read = |more: &str| {
        let text = format!(r#"{{"a": {{"provider": "gemini", "admin_secret": "{ARN}"{more}}}}}"#);
        ProviderAccounts::from_json(&text).map_err(|error| error.to_string())
    };
    let fields = [BASE_URL, gemini::TOKEN_FIELD, gemini::VERIFY_FIELD];
    let usual = read("").unwrap();
    for field in fields {
        let set = format!(r#", "{field}": "https://google.example.com/x""#);
        let set = read(&set).unwrap();
        for other in fields {
            let url = |accounts: &ProviderAccounts| {
                accounts.get(&"a".parse().unwrap()).unwrap().url(other)
            };
            assert_eq!(url(&set) == url(&usual), other != field, "{field} {other}");
        }
        let inside = format!(r#", "{field}": "https://10.0.0.7""#);
        let error = read(&inside).unwrap_err();
        assert!(
            error.contains(&format!("a: `{field}` names a host")),
            "{error}"
        );
    }
}

/// A proxy of one's own is where its owner says, and inside a network only if that is listed.
#[test]
fn a_proxy_has_no_host_but_the_one_that_is_given() {
    let read = |more: &str| {
        let text = format!(r#"{{"a": {{"provider": "litellm", "admin_secret": "{ARN}"{more}}}}}"#);
        ProviderAccounts::from_json(&text).map_err(|error| error.to_string())
    };
    for (more, expected) in [
        ("", "a: `base_url` is missing"),
        (
            r#", "base_url": "http://litellm.example.com""#,
            "a: `base_url` is http",
        ),
        (r#", "base_url": "https://10.0.0.7""#, "not public"),
        (
            r#", "base_url": "http://10.0.0.7", "allow_hosts": ["10.0.0.7"]"#,
            "a: `base_url` is http",
        ),
        (
            r#", "base_url": "https://litellm.example.com", "pool_secret": "x""#,
            "a: there is no field `pool_secret`",
        ),
    ] {
        let error = read(more).unwrap_err();
        assert!(error.contains(expected), "{expected}\n{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
    }
    let both = read(r#", "allow_hosts": 1"#).unwrap_err();
    assert_eq!(both.lines().count(), 3, "all problems at once: {both}");
    for more in [
        r#", "base_url": "https://litellm.example.com/proxy""#,
        r#", "base_url": "https://10.0.0.7", "allow_hosts": ["10.0.0.7"]"#,
        r#", "base_url": "http://127.0.0.1:4000", "allow_hosts": ["127.0.0.1"]"#,
    ] {
        assert!(read(more).is_ok(), "{more}");
    }
}

#[test]
fn a_good_configuration_is_read() {
    let text = format!(
        r#"{{"openrouter-main": {{"provider": "openrouter", "admin_secret": "{ARN}"}},
            "openrouter-test": {{"provider": "openrouter", "admin_secret": "{ARN}",
                "base_url": "http://127.0.0.1:9000/api/v1", "allow_hosts": ["127.0.0.1"]}}}}"#
    );
    let accounts = ProviderAccounts::from_json(&text).unwrap();
    let main = accounts.get(&"openrouter-main".parse().unwrap()).unwrap();
    assert_eq!(
        main.url(BASE_URL),
        BaseUrl::parse(openrouter::BASE_URL, &AllowedHosts::default()).unwrap()
    );
    assert!(accounts.allowed_hosts().has("127.0.0.1"));
    let secrets: Vec<&str> = accounts
        .admin_secrets()
        .map(|(_, arn)| arn.as_str())
        .collect();
    assert_eq!(secrets, [ARN, ARN]);
    assert_eq!(
        ProviderAccounts::from_json("{}"),
        Ok(ProviderAccounts::default())
    );
}

#[test]
fn all_problems_are_told_together_and_no_value_is_repeated() {
    let text = r#"{
        "Bad Name": {},
        "flat": "sk-or-v1-EXAMPLE0123456789abcdef",
        "empty": {},
        "wrong": {
            "provider": "nope",
            "admin_secret": "sk-or-v1-EXAMPLE0123456789abcdef",
            "admin_key": "sk-or-v1-EXAMPLE0123456789abcdef",
            "allow_hosts": ["http://sk-or-v1-EXAMPLE0123456789abcdef", 1]
        },
        "inside": {
            "provider": "openrouter",
            "admin_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:x",
            "base_url": "https://u:sk-or-v1-EXAMPLE0123456789abcdef@openrouter.ai"
        },
        "number": {
            "provider": "openrouter",
            "admin_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:x",
            "base_url": 1,
            "allow_hosts": "127.0.0.1",
            "sk-or-v1-EXAMPLE0123456789abcdef": 1
        },
        "sk-or-v1-EXAMPLE0123456789abcdef": {}
    }"#;
    let error = ProviderAccounts::from_json(text).unwrap_err().to_string();
    for expected in [
        "Bad Name: an account name is",
        "flat: not an object",
        "empty: `provider` is missing",
        "empty: `admin_secret` is missing",
        "wrong: `provider` is not a known provider",
        "wrong: `admin_secret` is not the ARN",
        "wrong: there is no field `admin_key`",
        "wrong: `allow_hosts` is not a list",
        "wrong: `allow_hosts` is not a bare host",
        "inside: `base_url` holds a user name or password",
        "number: `base_url` is not a URL",
        "number: `allow_hosts` is not a list",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    assert_eq!(error.lines().count(), 15, "{error}");
    assert!(!error.contains("EXAMPLE"), "{error}");
}

#[test]
fn what_is_not_json_is_told_by_its_place() {
    for (text, expected) in [("{\n sk-or-v1-EXAMPLE", "line 2"), ("[]", "not an object")] {
        let error = ProviderAccounts::from_json(text).unwrap_err().to_string();
        assert!(
            error.contains(expected) && !error.contains("EXAMPLE"),
            "{error}"
        );
    }
}

#[test]
fn a_pool_is_read_where_slots_draw_from_one() {
    let account = |more: &str| {
        format!(r#"{{"a": {{"provider": "anthropic", "admin_secret": "{ARN}"{more}}}}}"#)
    };
    let pool = ARN.replace("admin", "pool");
    for (more, expected) in [
        (format!(r#", "pool_secret": "{pool}""#), 3),
        (
            format!(r#", "pool_secret": "{pool}", "pool_low_water": 7"#),
            7,
        ),
        (
            format!(r#", "pool_secret": "{pool}", "pool_low_water": 0"#),
            0,
        ),
    ] {
        let accounts = ProviderAccounts::from_json(&account(&more)).unwrap();
        let settings = accounts.get(&"a".parse().unwrap()).unwrap().pool.clone();
        let expected = PoolSettings {
            provider: ProviderName::Anthropic,
            secret: pool.parse().unwrap(),
            low_water: expected,
        };
        assert_eq!(settings, Some(expected), "{more}");
    }
    let key = "sk-ant-api03-EXAMPLE0123456789abcdef";
    for (more, expected) in [
        (String::new(), "a: `pool_secret` is missing"),
        (
            format!(r#", "pool_secret": "{key}""#),
            "a: `pool_secret` is not the ARN",
        ),
        (
            format!(r#", "pool_secret": "{pool}", "pool_low_water": -1"#),
            "a: `pool_low_water` is not a whole number",
        ),
        (
            format!(r#", "pool_secret": "{pool}", "pool_low_water": "3""#),
            "a: `pool_low_water` is not a whole number",
        ),
    ] {
        let error = ProviderAccounts::from_json(&account(&more)).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(expected), "{expected}\n{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
        assert!(!error.contains("EXAMPLE"), "{error}");
    }
}

#[test]
fn a_pool_stands_only_where_slots_draw_from_one() {
    let text = format!(
        r#"{{"a": {{"provider": "openrouter", "admin_secret": "{ARN}",
            "pool_secret": "{ARN}", "pool_low_water": 3}}}}"#
    );
    let error = ProviderAccounts::from_json(&text).unwrap_err().to_string();
    for field in ["pool_secret", "pool_low_water"] {
        let expected = format!("a: there is no field `{field}`");
        assert!(error.contains(&expected), "{error}");
    }
}

/// What Keyward stores for a pool becomes the secret's current value: an admin credential would be gone.
#[test]
fn a_pools_secret_is_used_for_nothing_else() {
    let admin = |name: &str| ARN.replace("admin", name);
    let accounts = |pools: [&str; 2]| {
        let account = |n: usize| {
            format!(
                r#""a{n}": {{"provider": "anthropic", "admin_secret": "{}", "pool_secret": "{}"}}"#,
                admin(&format!("admin{n}")),
                admin(pools[n])
            )
        };
        ProviderAccounts::from_json(&format!("{{{}, {}}}", account(0), account(1)))
    };
    assert!(accounts(["pool0", "pool1"]).is_ok());
    for pools in [["admin0", "pool1"], ["admin1", "pool1"], ["pool1", "pool1"]] {
        let error = accounts(pools).unwrap_err().to_string();
        let expected = "`pool_secret` is the secret of something else too";
        assert!(error.contains(expected), "{pools:?}: {error}");
        assert!(error.lines().count() < 4, "{error}");
    }
}
/// A secret for functions that only read may hold what an admin secret holds, but never is one: roles tell them apart.
#[test]
fn functions_that_only_read_have_a_secret_of_their_own() {
    let accounts = |read: &str| {
        let text = format!(
            r#"{{"a": {{"provider": "openrouter", "admin_secret": "{ARN}"{read}}},
                "b": {{"provider": "openrouter", "admin_secret": "{}"}}}}"#,
            ARN.replace("admin", "other")
        );
        ProviderAccounts::from_json(&text)
    };
    let field = |arn: &str| format!(r#", "read_secret": "{arn}""#);
    let name = "a".parse().unwrap();
    let own = ARN.replace("admin", "read");
    let read = accounts(&field(&own)).unwrap();
    let secret = |credential| {
        read.get(&name)
            .unwrap()
            .secret(credential)
            .unwrap()
            .as_str()
    };
    assert_eq!(secret(Credential::Admin), ARN);
    assert_eq!(secret(Credential::Read), own);
    assert!(read.missing_credentials(&name).is_empty());
    let without = accounts("").unwrap();
    assert_eq!(without.missing_credentials(&name), ["read_secret"]);
    let nowhere = "nowhere".parse().unwrap();
    assert!(without.missing_credentials(&nowhere).is_empty());
    for (value, expected) in [
        (ARN.to_owned(), "a: `read_secret` is an admin secret"),
        (
            ARN.replace("admin", "other"),
            "a: `read_secret` is an admin secret",
        ),
        ("sk-EXAMPLE".to_owned(), "a: `read_secret` is not the ARN"),
    ] {
        let error = accounts(&field(&value)).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}\n{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
        assert!(!error.contains("EXAMPLE"), "{error}");
    }
}

#[test]
fn bedrock_has_a_region_and_no_admin_secret() {
    let account = |more: &str| format!(r#"{{"a": {{"provider": "bedrock"{more}}}}}"#);
    let read = |more: &str| ProviderAccounts::from_json(&account(more));
    let name = "a".parse().unwrap();
    let accounts = read(r#", "region": "eu-central-1""#).unwrap();
    let url = |field| accounts.get(&name).unwrap().url(field);
    let public = |text| BaseUrl::parse(text, &AllowedHosts::default()).unwrap();
    assert_eq!(url("iam_url"), public("https://iam.amazonaws.com"));
    assert_eq!(
        url("verify_url"),
        public("https://bedrock.eu-central-1.amazonaws.com")
    );
    assert_eq!(accounts.admin_secrets().count(), 0);
    for (more, expected) in [
        ("", &["a: `region` is missing"][..]),
        (
            r#", "region": "evil.example/""#,
            &["a: `region` is not a region"],
        ),
        (
            r#", "region": "us-east-1", "admin_secret": "sk-EXAMPLE""#,
            &["a: there is no field `admin_secret`"],
        ),
        (
            r#", "region": "us-east-1", "read_secret": "sk-EXAMPLE""#,
            &["a: there is no field `read_secret`"],
        ),
        (
            r#", "iam_url": "http://10.0.0.1", "base_url": "https://example.com""#,
            &[
                "a: `region` is missing",
                "a: `iam_url` is http",
                "a: there is no field `base_url`",
            ],
        ),
    ] {
        let error = read(more).unwrap_err().to_string();
        for expected in expected {
            assert!(error.contains(expected), "{expected}\n{error}");
        }
        assert_eq!(error.lines().count(), expected.len() + 1, "{error}");
        assert!(!error.contains("EXAMPLE"), "{error}");
    }
}

#[test]
fn only_bedrock_has_a_region() {
    let text = format!(
        r#"{{"a": {{"provider": "openai", "admin_secret": "{ARN}", "region": "us-east-1"}}}}"#
    );
    let error = ProviderAccounts::from_json(&text).unwrap_err().to_string();
    assert!(error.contains("there is no field `region`"), "{error}");
}

/// Azure: all of a resource's names are checked, its host is made of them, and it is one account's.
#[test]
fn an_azure_resource_is_named_in_full_and_once() {
    let account = |more: &str| {
        format!(
            r#"{{"provider": "azure", "admin_secret": "{ARN}", "tenant": "example.onmicrosoft.com",
            "client_id": "20000000-aaaa-4bbb-8ccc-000000000002",
            "subscription": "30000000-aaaa-4bbb-8ccc-000000000003", "resource_group": "rg-agents"{more}}}"#
        )
    };
    let read = |text: &str| ProviderAccounts::from_json(text).map_err(|error| error.to_string());
    let public = |text: &str| BaseUrl::parse(text, &AllowedHosts::default()).unwrap();
    for (more, verify) in [
        (
            r#", "resource": "agents-east""#,
            "https://agents-east.openai.azure.com",
        ),
        (
            r#", "resource": "agents-east", "verify_url": "https://subdomain.openai.azure.com""#,
            "https://subdomain.openai.azure.com",
        ),
    ] {
        let accounts = read(&format!(r#"{{"a": {}}}"#, account(more))).unwrap();
        let account = accounts.get(&"a".parse().unwrap()).unwrap();
        assert_eq!(account.url("verify_url"), public(verify));
        assert_eq!(account.url(BASE_URL), public(azure::ARM_URL));
        assert_eq!(account.url("login_url"), public(azure::LOGIN_URL));
        assert_eq!(account.name("resource"), "agents-east");
    }
    for (more, expected) in [
        ("", "a: `resource` is missing"),
        (
            r#", "resource": "evil.example.com/x""#,
            "a: `resource` is not",
        ),
        (r#", "resource": 1"#, "a: `resource` is not"),
        (
            r#", "resource": "agents-east", "region": "eastus""#,
            "a: there is no field `region`",
        ),
        (
            r#", "resource": "agents-east", "verify_url": "http://x.example.com""#,
            "a: `verify_url` is http",
        ),
    ] {
        let error = read(&format!(r#"{{"a": {}}}"#, account(more))).unwrap_err();
        assert!(error.contains(expected), "{expected}\n{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
    }
    let two = |other: &str| {
        let one = account(r#", "resource": "agents-east""#);
        let other = account(&format!(r#", "resource": "{other}""#));
        read(&format!(r#"{{"a": {one}, "b": {other}}}"#))
    };
    assert!(two("agents-west").is_ok());
    let error = two("Agents-East").unwrap_err();
    assert!(error.contains("b: names the same resource"), "{error}");
    assert_eq!(error.lines().count(), 2, "{error}");
}

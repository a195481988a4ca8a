use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use keyward_core::model::slot::ProviderName;
use secrecy::ExposeSecret;

use super::super::testing::{Answered, World};
use super::super::{Caller, KeyState, Management, Settings};

async fn world() -> World {
    World::with(Settings {
        provider: ProviderName::Bedrock,
        ..Settings::default()
    })
    .await
}

/// A call of IAM as the role with this access key.
fn call_as(world: &World, access_key: &str, action: &str, parameters: &str) -> Answered {
    let signed = format!(
        "authorization: AWS4-HMAC-SHA256 Credential={access_key}/20261201/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=00\r\n"
    );
    let body = format!("Action={action}&Version=2010-05-08{parameters}");
    world.send_with("POST", "/", &signed, &body)
}

fn call(world: &World, action: &str, parameters: &str) -> (u16, String) {
    let role = world.simulator.management_key();
    let answer = call_as(world, role.expose_secret(), action, parameters).unwrap();
    assert!(answer.header("content-type").unwrap().contains("xml"));
    (answer.status, answer.body)
}

const USER: &str = "&UserName=bedrock-agent-0";
const SERVICE: &str = "&ServiceName=bedrock.amazonaws.com";

fn create(world: &World, more: &str) -> (u16, String) {
    let parameters = format!("{USER}{SERVICE}{more}");
    call(world, "CreateServiceSpecificCredential", &parameters)
}

fn list(world: &World, more: &str) -> String {
    let parameters = format!("{USER}{SERVICE}{more}");
    let (status, body) = call(world, "ListServiceSpecificCredentials", &parameters);
    assert_eq!(status, 200, "{body}");
    body
}

fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.to_owned())
}

fn code(body: &str) -> String {
    element(body, "Code").unwrap_or_else(|| panic!("{body}"))
}

fn models(world: &World, text: &str) -> u16 {
    let answer = world.send("GET", "/foundation-models", Some(text), "");
    answer.unwrap().status
}

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html>
#[tokio::test]
async fn a_create_shows_the_key_once_and_its_alias_begins_it() {
    let world = world().await;
    world.clock.advance(SignedDuration::from_millis(700));
    let (status, made) = create(&world, "&CredentialAgeDays=3");
    assert_eq!(status, 200);
    let secret = element(&made, "ServiceCredentialSecret").unwrap();
    assert!(secret.starts_with("ABSKQmVkcm9ja0FQSUtleS") && secret.contains("EXAMPLE"));
    let decoded = STANDARD.decode(&secret["ABSK".len()..]).unwrap();
    let alias = element(&made, "ServiceCredentialAlias").unwrap();
    assert!(decoded.starts_with(format!("{alias}:").as_bytes()));
    for (name, expected) in [
        ("UserName", "bedrock-agent-0"),
        ("ServiceName", "bedrock.amazonaws.com"),
        ("Status", "Active"),
        ("CreateDate", "2026-12-01T09:00:00Z"),
        ("ExpirationDate", "2026-12-04T09:00:00Z"),
    ] {
        assert_eq!(element(&made, name).as_deref(), Some(expected), "{name}");
    }
    assert!(element(&made, "ServicePassword").is_none());
    let listed = list(&world, "");
    assert!(!listed.contains(&secret) && listed.contains(&alias));
    assert!(listed.contains("<IsTruncated>false</IsTruncated>"));
    assert_eq!(models(&world, &secret), 200);
    let body = r#"{"messages":[]}"#;
    let said = world.send(
        "POST",
        "/model/example.model-v1:0/converse",
        Some(&secret),
        body,
    );
    assert_eq!(said.unwrap().status, 200);
}

#[tokio::test]
async fn two_are_the_most_inactive_and_expired_ones_too() {
    let world = world().await;
    let (_, first) = create(&world, "&CredentialAgeDays=1");
    create(&world, "");
    let id = element(&first, "ServiceSpecificCredentialId").unwrap();
    let one = format!("{USER}&ServiceSpecificCredentialId={id}");
    let full = |world: &World| {
        let (status, body) = create(world, "");
        assert_eq!((status, &*code(&body)), (409, "LimitExceeded"));
    };
    full(&world);
    call(
        &world,
        "UpdateServiceSpecificCredential",
        &format!("{one}&Status=Inactive"),
    );
    full(&world);
    call(
        &world,
        "UpdateServiceSpecificCredential",
        &format!("{one}&Status=Active"),
    );
    world.clock.advance(SignedDuration::from_hours(25));
    assert!(list(&world, "").contains("<Status>Expired</Status>"));
    full(&world);
    assert_eq!(call(&world, "DeleteServiceSpecificCredential", &one).0, 200);
    assert_eq!(create(&world, "").0, 200);
    let (status, body) = call(&world, "DeleteServiceSpecificCredential", &one);
    assert_eq!((status, &*code(&body)), (404, "NoSuchEntity"));
    let other = world.simulator.add_workspace();
    let elsewhere = format!("&UserName={other}{SERVICE}");
    let made = call(&world, "CreateServiceSpecificCredential", &elsewhere);
    assert_eq!(made.0, 200, "another user has places of its own");
}

#[tokio::test]
async fn a_key_works_until_it_is_inactive_expired_or_deleted() {
    let world = world().await;
    let (_, made) = create(&world, "&CredentialAgeDays=1");
    let secret = element(&made, "ServiceCredentialSecret").unwrap();
    let id = element(&made, "ServiceSpecificCredentialId").unwrap();
    let one = format!("{USER}&ServiceSpecificCredentialId={id}");
    let update = |status| {
        let parameters = format!("{one}&Status={status}");
        let (status, body) = call(&world, "UpdateServiceSpecificCredential", &parameters);
        assert_eq!(status, 200);
        assert!(body.contains("<RequestId>") && !body.contains("Result"));
    };
    update("Inactive");
    assert_eq!(models(&world, &secret), 403);
    update("Active");
    assert_eq!(models(&world, &secret), 200);
    world.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(models(&world, &secret), 403);
    assert_eq!(world.simulator.keys()[0].state, KeyState::Expired);
    assert_eq!(models(&world, "ABSKEXAMPLE"), 403, "never existed");
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let world = world().await;
    create(&world, "");
    create(&world, "");
    world.simulator.configure(|settings| settings.page_size = 1);
    let first = list(&world, "");
    assert!(first.contains("<IsTruncated>true</IsTruncated>"));
    let marker = element(&first, "Marker").unwrap();
    let second = list(&world, &format!("&Marker={marker}"));
    assert!(second.contains("<IsTruncated>false</IsTruncated>"));
    let id = |body: &str| element(body, "ServiceSpecificCredentialId").unwrap();
    assert_ne!(id(&first), id(&second));
}

#[tokio::test]
async fn what_a_driver_gets_wrong_is_refused() {
    let world = world().await;
    create(&world, "");
    let id = world.simulator.keys()[0].handle.clone();
    let one = format!("{USER}&ServiceSpecificCredentialId={id}");
    for (action, parameters, status, expected) in [
        (
            "CreateServiceSpecificCredential",
            format!("{USER}{SERVICE}&Name=a"),
            400,
            "ValidationError",
        ),
        (
            "CreateServiceSpecificCredential",
            format!("{USER}{SERVICE}&CredentialAgeDays=0"),
            400,
            "ValidationError",
        ),
        (
            "CreateServiceSpecificCredential",
            format!("{USER}{SERVICE}&CredentialAgeDays=36601"),
            400,
            "ValidationError",
        ),
        (
            "CreateServiceSpecificCredential",
            USER.to_owned(),
            400,
            "ValidationError",
        ),
        (
            "CreateServiceSpecificCredential",
            format!("&UserName=nobody{SERVICE}"),
            404,
            "NoSuchEntity",
        ),
        (
            "CreateServiceSpecificCredential",
            format!("{USER}&ServiceName=s3.amazonaws.com"),
            404,
            "NotSupportedService",
        ),
        (
            "ListServiceSpecificCredentials",
            format!("&UserName=nobody{SERVICE}"),
            404,
            "NoSuchEntity",
        ),
        (
            "ListServiceSpecificCredentials",
            format!("{USER}{SERVICE}&Marker=x"),
            400,
            "ValidationError",
        ),
        (
            "UpdateServiceSpecificCredential",
            format!("{one}&Status=Off"),
            400,
            "ValidationError",
        ),
        (
            "UpdateServiceSpecificCredential",
            format!("{USER}&ServiceSpecificCredentialId=none&Status=Active"),
            404,
            "NoSuchEntity",
        ),
        (
            "ResetServiceSpecificCredential",
            one.clone(),
            400,
            "InvalidAction",
        ),
        ("DeleteUser", USER.to_owned(), 400, "InvalidAction"),
    ] {
        let (found, body) = call(&world, action, &parameters);
        assert_eq!(
            (found, &*code(&body)),
            (status, expected),
            "{action} {parameters}"
        );
    }
    assert_eq!(
        world.simulator.keys().len(),
        1,
        "nothing was made or changed"
    );
    assert_eq!(world.simulator.keys()[0].state, KeyState::Enabled);
}

#[tokio::test]
async fn roles_are_kept_apart() {
    let world = world().await;
    let (_, made) = create(&world, "");
    let secret = element(&made, "ServiceCredentialSecret").unwrap();
    let asked = format!("{USER}{SERVICE}");
    let as_key = world.send(
        "POST",
        "/",
        Some(&secret),
        "Action=ListServiceSpecificCredentials",
    );
    assert_eq!(as_key.unwrap().status, 403, "a key administers nothing");
    let other = call_as(
        &world,
        "AKIAEXAMPLE",
        "ListServiceSpecificCredentials",
        &asked,
    );
    assert_eq!(code(&other.unwrap().body), "InvalidClientTokenId");
    let role = world.simulator.management_key();
    assert_eq!(models(&world, role.expose_secret()), 403);
    world
        .simulator
        .configure(|settings| settings.management = Management::Refused);
    let refused = call(&world, "ListServiceSpecificCredentials", &asked);
    assert_eq!(refused.0, 403);
    let log = world.simulator.requests();
    assert_eq!(log[0].path, "/CreateServiceSpecificCredential");
    assert_eq!(log[0].caller, Caller::Management);
}

//! All users with keys for Bedrock.

use keyward_core::ports::{BedrockCredential, CredentialLists, ListError};

use super::*;
use crate::bedrock::users::{BedrockUsers, iam_of};

async fn users(bodies: Vec<Reply>) -> (BedrockUsers, TestServer) {
    let server = TestServer::start(move |n, _| bodies[n.min(bodies.len() - 1)].clone()).await;
    let client = Arc::new(http(&TestClock::new(), patient()));
    let signer = Arc::new(Signer::default());
    let users = BedrockUsers::new(client, server.base(), "eu-central-1", signer);
    (users, server)
}

async fn all(users: &BedrockUsers) -> Result<Vec<BedrockCredential>, ListError> {
    let (mut all, mut at) = (Vec::new(), None);
    loop {
        let page = users.bedrock(at.as_ref()).await?;
        all.extend(page.items);
        match page.next {
            Some(next) => at = Some(next),
            None => return Ok(all),
        }
    }
}

fn of(user: &str, id: &str, status: &str) -> String {
    row(id, status, "").replace(">bedrock-agent<", &format!(">{user}<"))
}

#[tokio::test]
async fn every_user_is_listed_to_the_last_page_and_what_is_refused_is_left_out() {
    let more = "<IsTruncated>true</IsTruncated><Marker>a&amp;b</Marker>";
    let end = "<ExpirationDate>2027-01-25T15:00:00Z</ExpirationDate>";
    let pages = [
        listed(
            &[
                row("ACCAEXAMPLE1", "Active", end),
                of("ana", "ACCAEXAMPLE2", "Inactive"),
                of("ben", "ACCAEXAMPLE3", "Expired"),
            ],
            more,
        ),
        listed(&[], "<IsTruncated>true</IsTruncated><Marker>c</Marker>"),
        listed(
            &[
                of("BedrockAPIKey-ab12", "ACCAEXAMPLE4", "Active"),
                of("cem", "ACCAEXAMPLE5", "Unheard"),
                of("dia", "ACCAEXAMPLE6", "Active")
                    .replace("bedrock.amazonaws", "cassandra.amazonaws"),
            ],
            LAST,
        ),
    ];
    let replies = pages.into_iter().map(|page| Reply::new(200, page));
    let (users, server) = users(replies.collect()).await;
    let found = all(&users).await.unwrap();
    let names: Vec<(&str, &str)> = found
        .iter()
        .map(|found| (found.user.as_str(), found.id.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("bedrock-agent", "ACCAEXAMPLE1"),
            ("BedrockAPIKey-ab12", "ACCAEXAMPLE4"),
            ("cem", "ACCAEXAMPLE5"),
        ]
    );
    assert_eq!(
        found[0].created,
        Some("2026-11-25T14:00:00Z".parse().unwrap())
    );
    assert_eq!(
        found[0].expires,
        Some("2027-01-25T15:00:00Z".parse().unwrap())
    );
    assert_eq!(found[1].expires, None);
    let sent: Vec<String> = server.seen().into_iter().map(|seen| seen.body).collect();
    let call = "Action=ListServiceSpecificCredentials&Version=2010-05-08&AllUsers=true";
    let service = "ServiceName=bedrock.amazonaws.com";
    assert_eq!(
        sent,
        [
            format!("{call}&{service}"),
            format!("{call}&Marker=a%26b&{service}"),
            format!("{call}&Marker=c&{service}"),
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_no_empty_list() {
    for (reply, retryable, says) in [
        (error(403, "AccessDenied", "not you"), false, "not you"),
        (error(400, "Throttling", "slow down"), true, "slow down"),
        (html(200), true, "unreadable"),
        (
            Reply::new(200, listed(&[of("ana", "ACCAEXAMPLE1", "Active")], "")),
            true,
            "unreadable",
        ),
        (
            Reply::new(
                200,
                listed(
                    &[of("ana", "A", "Active").replace("CreateDate", "Made")],
                    LAST,
                ),
            ),
            true,
            "unreadable",
        ),
    ] {
        let (users, _server) = users(vec![reply]).await;
        let error = all(&users).await.unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// A server that gives the same page for ever is none that can be read.
#[tokio::test]
async fn a_page_that_leads_to_itself_is_refused() {
    let page = listed(&[], "<IsTruncated>true</IsTruncated><Marker>a</Marker>");
    let (users, _server) = users(vec![Reply::new(200, page)]).await;
    let error = all(&users).await.unwrap_err();
    assert!(error.to_string().contains("unreadable"), "{error}");
}

#[test]
fn each_partition_has_its_iam() {
    for (region, host) in [
        ("eu-central-1", "iam.amazonaws.com"),
        ("us-gov-west-1", "iam.us-gov.amazonaws.com"),
        ("cn-north-1", "iam.cn-north-1.amazonaws.com.cn"),
    ] {
        let url = iam_of(region).join(&[]).unwrap();
        assert_eq!(url.host_str(), Some(host));
    }
}

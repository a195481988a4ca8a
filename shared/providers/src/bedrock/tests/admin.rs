//! Listing, looking up, suspending, resuming and deleting.

use super::*;

async fn listing(bodies: Vec<String>) -> (Result<Vec<KeyRecord>, ProviderError>, TestServer) {
    let server =
        TestServer::start(move |n, _| Reply::new(200, bodies[n.min(bodies.len() - 1)].clone()));
    let server = server.await;
    let account = account(&server);
    let mut keys = Vec::new();
    let mut page = account.driver.list(&scope(), None).await;
    loop {
        match page {
            Err(error) => return (Err(error), server),
            Ok(mut read) => {
                keys.append(&mut read.keys);
                let Some(next) = read.next else {
                    return (Ok(keys), server);
                };
                page = account.driver.list(&scope(), Some(&next)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let more = "<IsTruncated>true</IsTruncated><Marker>a&amp;b</Marker>";
    let end = "<ExpirationDate>2027-01-25T15:00:00Z</ExpirationDate>";
    let bodies = vec![
        listed(&[row(ID, "Active", end)], more),
        listed(
            &[
                row("ACCAEXAMPLE3", "Inactive", "<New/>"),
                row("ACCAEXAMPLE4", "Expired", ""),
            ],
            LAST,
        ),
    ];
    let (keys, server) = listing(bodies).await;
    let keys = keys.unwrap();
    let suspended: Vec<_> = keys.iter().map(|key| key.suspended).collect();
    assert_eq!(suspended, [Some(false), Some(true), Some(true)]);
    assert_eq!(keys[0].handle, handle());
    assert_eq!(
        keys[0].expires,
        Some("2027-01-25T15:00:00Z".parse().unwrap())
    );
    assert_eq!(
        keys[0].created,
        Some("2026-11-25T14:00:00Z".parse().unwrap())
    );
    assert_eq!(keys[0].label.as_str(), ALIAS);
    let sent: Vec<String> = server.seen().into_iter().map(|seen| seen.body).collect();
    let first = "Action=ListServiceSpecificCredentials&Version=2010-05-08&UserName=bedrock-agent";
    assert_eq!(
        sent,
        [
            format!("{first}&ServiceName=bedrock.amazonaws.com"),
            format!("{first}&Marker=a%26b&ServiceName=bedrock.amazonaws.com"),
        ]
    );
}

/// Nobody else's credential is ever seen, whatever the answer holds.
#[tokio::test]
async fn other_users_and_services_are_left_out() {
    let of = |from: &str, to: &str| row("ACCAEXAMPLE9", "Active", "").replace(from, to);
    let rows = [
        of("bedrock.amazonaws", "codecommit.amazonaws"),
        of(">bedrock-agent<", ">somebody<"),
        row(ID, "Active", "").replace(">bedrock-agent<", ">Bedrock-Agent<"),
    ];
    let keys = listing(vec![listed(&rows, LAST)]).await.0.unwrap();
    let handles: Vec<_> = keys.into_iter().map(|key| key.handle).collect();
    assert_eq!(handles, [handle()]);
}

#[tokio::test]
async fn what_cannot_be_read_is_never_an_empty_page() {
    let good = listed(&[row(ID, "Active", "")], LAST);
    let without = |what: &str| good.replace(what, "");
    for (name, body) in [
        ("truncated", good[..good.len() / 2].to_owned()),
        ("one byte short", good[..good.len() - 1].to_owned()),
        ("no end told", without(LAST)),
        ("an odd end", good.replace(">false<", ">maybe<")),
        ("no marker", good.replace(">false<", ">true<")),
        ("no list", without("ServiceSpecificCredentials")),
        ("no request", without("<RequestId>EXAMPLE</RequestId>")),
        ("no id", without(ID)),
        ("no status", without("Active")),
        ("no user", without("<UserName>bedrock-agent</UserName>")),
        (
            "no service",
            without("<ServiceName>bedrock.amazonaws.com</ServiceName>"),
        ),
        ("no time", without("2026-11-25T14:00:00Z")),
        ("an odd time", good.replace("2026-11-25", "yesterday")),
        ("a DTD", format!("<!DOCTYPE a []>{good}")),
        ("HTML", "<html><body>ok</body></html>".to_owned()),
        ("JSON", r#"{"ServiceSpecificCredentials": []}"#.to_owned()),
        ("nothing", String::new()),
    ] {
        let (keys, _) = listing(vec![body]).await;
        assert!(
            matches!(keys, Err(ProviderError::RetryAfter { .. })),
            "{name}: {keys:?}"
        );
    }
}

#[tokio::test]
async fn a_list_that_does_not_move_on_is_no_list() {
    let more = "<IsTruncated>true</IsTruncated><Marker>m</Marker>";
    let (keys, _) = listing(vec![listed(&[], more)]).await;
    assert!(
        matches!(keys, Err(ProviderError::RetryAfter { .. })),
        "{keys:?}"
    );
}

/// A status that is not known here is neither suspended nor not.
#[tokio::test]
async fn an_unknown_status_is_unknown() {
    let keys = listing(vec![listed(&[row(ID, "Sleeping", "")], LAST)])
        .await
        .0;
    assert_eq!(keys.unwrap()[0].suspended, None);
}

/// "No such entity" for a whole user may be the wrong AWS account: it is no proof that a key is gone.
#[tokio::test]
async fn an_unknown_user_is_an_error_and_no_absence() {
    let server = TestServer::always(error(404, "NoSuchEntity", "no such user")).await;
    let driver = account(&server).driver;
    let refused = driver.list(&scope(), None).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "{refused:?}"
    );
    let refused = driver.get(&handle()).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "{refused:?}"
    );
    assert_eq!(driver.delete(&handle()).await, Err(ProviderError::NotFound));
    let refused = driver.list(&Scope::default(), None).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "no user named"
    );
}

#[tokio::test]
async fn a_key_is_looked_up_in_its_users_list() {
    let server = TestServer::start(|n, _| {
        let more = "<IsTruncated>true</IsTruncated><Marker>m</Marker>";
        Reply::new(
            200,
            match n % 2 {
                0 => listed(&[row("ACCAEXAMPLE3", "Active", "")], more),
                _ => listed(&[row(ID, "Active", "")], LAST),
            },
        )
    });
    let server = server.await;
    let driver = account(&server).driver;
    let found = driver.get(&handle()).await.unwrap().unwrap();
    assert_eq!(found.handle, handle());
    let other: KeyHandle = "bedrock-agent/ACCAEXAMPLE9".parse().unwrap();
    assert_eq!(driver.get(&other).await, Ok(None));
    let odd: KeyHandle = "ACCAEXAMPLE9".parse().unwrap();
    assert!(matches!(
        driver.get(&odd).await,
        Err(ProviderError::Refused { .. })
    ));
}

#[tokio::test]
async fn changes_name_user_and_key_and_count_once_they_are_answered() {
    let server = TestServer::start(|_, seen| {
        let action = seen.body.split('&').next().unwrap().replace("Action=", "");
        if action.starts_with("List") {
            return Reply::new(200, listed(&[row(ID, "Active", "")], LAST));
        }
        Reply::new(200, answer(&action, ""))
    });
    let server = server.await;
    let driver = account(&server).driver;
    assert_eq!(driver.disable(&handle()).await, Ok(Disabled::Now));
    assert_eq!(driver.restore(&handle(), &scope()).await, Ok(()));
    assert_eq!(driver.delete(&handle()).await, Ok(()));
    let sent: Vec<String> = server.seen().into_iter().map(|seen| seen.body).collect();
    let named =
        format!("Version=2010-05-08&UserName=bedrock-agent&ServiceSpecificCredentialId={ID}");
    assert_eq!(
        sent[0],
        format!("Action=UpdateServiceSpecificCredential&{named}&Status=Inactive")
    );
    assert_eq!(
        sent[1],
        format!("Action=UpdateServiceSpecificCredential&{named}&Status=Active")
    );
    assert_eq!(
        sent[3],
        format!("Action=DeleteServiceSpecificCredential&{named}")
    );
}

#[tokio::test]
async fn a_change_that_another_answer_came_to_is_not_done() {
    for reply in [
        Reply::new(200, answer("ListServiceSpecificCredentials", "")),
        Reply::new(200, "<UpdateServiceSpecificCredentialResponse/>"),
        html(200),
        Reply::new(200, ""),
        error(500, "ServiceFailure", "x"),
        html(404),
        error(400, "Throttling", "Rate exceeded"),
        error(409, "EntityTemporarilyUnmodifiable", "x"),
    ] {
        let shown = format!("{reply:?}");
        let server = TestServer::always(reply).await;
        let driver = account(&server).driver;
        let refused = driver.disable(&handle()).await;
        assert!(
            matches!(refused, Err(ProviderError::RetryAfter { .. })),
            "{shown}: {refused:?}"
        );
        let refused = driver.delete(&handle()).await;
        assert!(
            matches!(refused, Err(ProviderError::RetryAfter { .. })),
            "{shown}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn without_a_signature_nothing_is_sent() {
    struct Bare;
    #[async_trait]
    impl AwsSigner for Bare {
        async fn sign(
            &self,
            _: &ToSign<'_>,
        ) -> Result<Vec<(HeaderName, HeaderValue)>, ProviderError> {
            Ok(Vec::new())
        }
    }
    let server = TestServer::always(html(200)).await;
    let signers: [Arc<dyn AwsSigner>; 2] = [Arc::new(Bare), Arc::new(crate::aws::NoSigner)];
    for signer in signers {
        let client = Arc::new(http(&TestClock::new(), patient()));
        let driver = Bedrock::new(client, (server.base(), server.base()), "us-east-1", signer);
        let refused = driver.list(&scope(), None).await;
        assert!(
            matches!(refused, Err(ProviderError::AdminCredential { .. })),
            "{refused:?}"
        );
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn each_partition_is_signed_for_its_own_region() {
    for (region, expected) in [
        ("eu-central-1", "us-east-1"),
        ("us-gov-east-1", "us-gov-west-1"),
        ("cn-northwest-1", "cn-north-1"),
    ] {
        let server = TestServer::always(html(404)).await;
        let signer = Arc::new(Signer::default());
        let client = Arc::new(http(&TestClock::new(), patient()));
        let urls = (server.base(), server.base());
        let driver = Bedrock::new(client, urls, region, signer.clone());
        let _ = driver.list(&scope(), None).await;
        let signed = signer.0.lock().unwrap()[0].0.clone();
        assert_eq!(signed, format!("{expected}/iam"));
    }
}

proptest::proptest! {
    /// Whatever comes, reading it neither panics nor finds a key that is not there.
    #[test]
    fn any_bytes_are_read_without_a_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let user = "bedrock-agent".parse().unwrap();
        proptest::prop_assert!(Listed::read(&body, &user).is_none());
        proptest::prop_assert!(Created::read(&body, &user).is_none());
        proptest::prop_assert!(!wire::is_done(&body, "DeleteServiceSpecificCredential"));
    }

    #[test]
    fn any_part_of_an_answer_is_no_answer(cut in 0..600_usize) {
        let user = "bedrock-agent".parse().unwrap();
        let whole = listed(&[row(ID, "Active", "")], LAST);
        let cut = cut.min(whole.len() - 1);
        proptest::prop_assert!(Listed::read(&whole.as_bytes()[..cut], &user).is_none());
    }
}

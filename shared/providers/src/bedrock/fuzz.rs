//! What of Bedrock's and IAM's reads bytes.

use keyward_core::model::names::IamUser;

use super::wire::{self, Created, Listed};
use super::{ApiKey, iam, verdict};
use crate::fuzzing::{Input, Parsed, Parser, Provider, answer};
use crate::http::{Repeat, Scheme};

pub(crate) const PROVIDER: Provider = Provider {
    name: "bedrock",
    key: "ABSKEXAMPLEQmVkcm9ja0FQSUtleS1FWEFNUExFLWF0LTExMTEyMjIyMzMzMzpFWEFNUExFMDEyMzQ1Njc4OWFiY2RlZg==",
    parsers: &[
        Parser {
            name: "list of keys",
            parse: keys,
        },
        Parser {
            name: "new key",
            parse: new_key,
        },
        Parser {
            name: "change",
            parse: change,
        },
        Parser {
            name: "refusal",
            parse: refused,
        },
        Parser {
            name: "verdict",
            parse: asked,
        },
    ],
    samples: &[
        r#"<ListServiceSpecificCredentialsResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListServiceSpecificCredentialsResult><ServiceSpecificCredentials><member><CreateDate>2026-11-24T00:00:00Z</CreateDate><ExpirationDate>2027-01-24T00:00:00Z</ExpirationDate><ServiceName>bedrock.amazonaws.com</ServiceName><ServiceCredentialAlias>BedrockAPIKey-EXAMPLE</ServiceCredentialAlias><ServiceSpecificCredentialId>ACCAEXAMPLE</ServiceSpecificCredentialId><Status>Active</Status><UserName>agent</UserName></member></ServiceSpecificCredentials><IsTruncated>true</IsTruncated><Marker>m1</Marker></ListServiceSpecificCredentialsResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ListServiceSpecificCredentialsResponse>"#,
        r#"<CreateServiceSpecificCredentialResponse><CreateServiceSpecificCredentialResult><ServiceSpecificCredential><CreateDate>2026-11-24T00:00:00Z</CreateDate><ServiceName>bedrock.amazonaws.com</ServiceName><ServiceCredentialAlias>BedrockAPIKey-EXAMPLE</ServiceCredentialAlias><ServiceCredentialSecret>ABSKEXAMPLE</ServiceCredentialSecret><ServiceSpecificCredentialId>ACCAEXAMPLE</ServiceSpecificCredentialId><Status>Active</Status><UserName>agent</UserName></ServiceSpecificCredential></CreateServiceSpecificCredentialResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></CreateServiceSpecificCredentialResponse>"#,
        r#"<UpdateServiceSpecificCredentialResponse><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></UpdateServiceSpecificCredentialResponse>"#,
        r#"<ErrorResponse><Error><Type>Sender</Type><Code>LimitExceeded</Code><Message>Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2</Message></Error><RequestId>r</RequestId></ErrorResponse>"#,
        r#"{"message":"Authentication failed: Please make sure your API Key is valid.","__type":"com.amazon.coral.service#AccessDeniedException"}"#,
        r#"{"modelSummaries":[{"modelId":"m"}]}"#,
    ],
};

fn user() -> Option<IamUser> {
    "agent".parse().ok()
}

fn keys(input: &Input<'_>) -> Parsed {
    Parsed::data(&user().and_then(|user| Listed::read(input.body, &user)))
}

/// As in an `IssuedKey`.
fn new_key(input: &Input<'_>) -> Parsed {
    let created = user().and_then(|user| Created::read(input.body, &user));
    Parsed::printed(&created.map(|made| {
        let record = made.row.record;
        (ApiKey::new(&made.secret), made.row.status, record.expires)
    }))
}

fn change(input: &Input<'_>) -> Parsed {
    let done = [
        "UpdateServiceSpecificCredential",
        "DeleteServiceSpecificCredential",
    ]
    .map(|action| wire::is_done(input.body, action));
    Parsed::data(&done)
}

fn refused(input: &Input<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    for repeat in [Repeat::Safe, Repeat::Never] {
        if let Some(answer) = answer(Scheme::Bearer, input) {
            parsed.add(&Parsed::error(&iam::refusal(answer, repeat)));
        }
    }
    parsed
}

fn asked(input: &Input<'_>) -> Parsed {
    answer(Scheme::Bearer, input).map_or_else(Parsed::default, |answer| {
        Parsed::printed(&verdict::of(&answer))
    })
}

//! All Lambda functions with their variables, as an audit reads them.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{EnvironmentResponse, FunctionConfiguration, FunctionVersion};
use keyward_core::model::key::ApiKey;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    FunctionLists, FunctionVariables, ListError, ListPage, PageToken, Variables,
};

use crate::fault::examine;

/// The most that an answer holds: <https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>.
const PAGE: i32 = 50;

/// What the version is called that is edited.
const LATEST: &str = "$LATEST";

/// The Lambda functions of an account and region.
#[derive(Debug, Clone)]
pub struct LambdaFunctions(Client);

impl LambdaFunctions {
    /// Those of the account and region of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }
}

#[async_trait]
impl FunctionLists for LambdaFunctions {
    /// With every published version: an alias may serve an old one, and its variables stay readable.
    async fn functions(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<FunctionVariables>, ListError> {
        let request = self.0.list_functions().max_items(PAGE);
        let page = request
            .function_version(FunctionVersion::All)
            .set_marker(after.map(|token| token.0.clone()))
            .send()
            .await
            .map_err(|error| examine("ListFunctions", &error).of_list())?;
        let functions = page.functions.unwrap_or_default().into_iter();
        let next = page.next_marker.filter(|marker| !marker.is_empty());
        Ok(ListPage {
            items: functions.map(listed).collect::<Result<_, _>>()?,
            next: next.map(PageToken),
        })
    }
}

/// A function that cannot be named fails the page: it would be missing in the list.
fn listed(function: FunctionConfiguration) -> Result<FunctionVariables, ListError> {
    let unreadable = || ListError::Refused(OutsideText::new("a function's ARN cannot be read"));
    let version = function.version.unwrap_or_else(|| LATEST.to_owned());
    let arn = function.function_arn.filter(|arn| arn.starts_with("arn:"));
    let arn = arn.ok_or_else(unreadable)?;
    let own = arn
        .strip_suffix(&version)
        .and_then(|arn| arn.strip_suffix(':'));
    Ok(FunctionVariables {
        function: OutsideText::new(own.unwrap_or(&arn)),
        version: (version != LATEST).then(|| OutsideText::new(&version)),
        variables: variables(function.environment),
    })
}

/// A function without variables has no environment. One whose variables could not be decrypted has an error in their place:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html>. Of that only the code is kept.
fn variables(environment: Option<EnvironmentResponse>) -> Variables {
    let Some(environment) = environment else {
        return Variables::Read(Vec::new());
    };
    if let Some(error) = &environment.error {
        let code = error.error_code().unwrap_or("no error code");
        return Variables::NotRead(OutsideText::new(code));
    }
    match environment.variables {
        Some(variables) => Variables::Read(
            variables
                .into_iter()
                .map(|(name, value)| (OutsideText::new(&name), ApiKey::new(&value)))
                .collect(),
        ),
        None => Variables::NotRead(OutsideText::new("neither variables nor an error")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recorded::{Answer, Recorded};

    const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:bot";

    fn functions(answers: impl IntoIterator<Item = Answer>) -> (LambdaFunctions, Recorded) {
        let recorded = Recorded::new(answers);
        (LambdaFunctions::new(&recorded.config()), recorded)
    }

    #[tokio::test]
    async fn every_version_is_read_and_a_page_leads_to_the_next() {
        let page = json!({
            "Functions": [
                {"FunctionArn": format!("{ARN}:$LATEST"), "Version": "$LATEST",
                 "Environment": {"Variables": {"A": "EXAMPLE"}}},
                {"FunctionArn": format!("{ARN}:7"), "Version": "7"},
                {"FunctionArn": ARN},
            ],
            "NextMarker": "more",
        });
        let last = json!({"Functions": [], "NextMarker": ""});
        let (lists, recorded) = functions([Answer::ok(&page), Answer::ok(&last)]);
        let page = lists.functions(None).await.unwrap();
        let [latest, seventh, bare] = &page.items[..] else {
            panic!("{page:?}");
        };
        for function in [latest, seventh, bare] {
            assert_eq!(function.function.as_str(), ARN);
        }
        let version = |of: &FunctionVariables| of.version.clone().map(String::from);
        assert_eq!((version(latest), version(bare)), (None, None));
        assert_eq!(version(seventh).as_deref(), Some("7"));
        let Variables::Read(variables) = &latest.variables else {
            panic!("{latest:?}");
        };
        assert_eq!(variables[0].0.as_str(), "A");
        assert_eq!(
            variables[0].1.fingerprint(),
            ApiKey::new("EXAMPLE").fingerprint()
        );
        assert!(matches!(&seventh.variables, Variables::Read(none) if none.is_empty()));
        let last = lists.functions(page.next.as_ref()).await.unwrap();
        assert!(last.items.is_empty() && last.next.is_none());
        let sent = recorded.sent();
        assert!(
            sent[0].line.contains("FunctionVersion=ALL"),
            "{}",
            sent[0].line
        );
        assert!(sent[1].line.contains("Marker=more"), "{}", sent[1].line);
    }

    #[tokio::test]
    async fn variables_that_cannot_be_decrypted_are_not_none() {
        let page = json!({"Functions": [
            {"FunctionArn": ARN, "Environment": {"Error": {
                "ErrorCode": "AccessDeniedException",
                "Message": "Lambda was unable to decrypt your environment variables",
            }}},
            {"FunctionArn": ARN, "Environment": {}},
        ]});
        let (lists, _) = functions([Answer::ok(&page)]);
        let page = lists.functions(None).await.unwrap();
        for (function, why) in page.items.iter().zip(["AccessDeniedException", "neither"]) {
            let Variables::NotRead(said) = &function.variables else {
                panic!("{function:?}");
            };
            assert!(said.as_str().starts_with(why), "{said}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_no_empty_list() {
        let nameless = json!({"Functions": [{"Version": "1"}]});
        for (answer, retryable) in [
            (Answer::error(429, "TooManyRequestsException", "slow"), true),
            (Answer::error(403, "AccessDeniedException", "no"), false),
            (Answer::ok(&nameless), false),
        ] {
            let (lists, _) = functions([answer]);
            let error = lists.functions(None).await.unwrap_err();
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }

    #[test]
    fn nothing_printable_holds_a_value() {
        let environment = EnvironmentResponse::builder()
            .variables("KEY", "sk-EXAMPLE0123456789abcdef0123")
            .build();
        let shown = format!("{:?}", variables(Some(environment)));
        assert!(!shown.contains("0123456789"), "{shown}");
    }
}

//! The calls: what is sent, and whether what comes back is what was asked for.

use http::Method;
use keyward_core::model::key::ApiKey;
use keyward_core::model::key_formats::GEMINI_BOUND;
use keyward_core::model::names::{KeyHandle, OperationId, ScopeId};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{IssueRequest, IssuedKey, KeyProvider, ProviderError, Verdict};
use url::Url;

use super::ids::{self, Ids, key_id, project_of};
use super::restrictions::Restrictions;
use super::wire::{self, Change, KeyString, Listed, Operation, Row, State};
use super::{
    BETWEEN_LOOKS, Deleted, Gemini, KEY_FORMAT, KEY_HEADER, LOOKS, NOTHING, PAGE, not_about_a_key,
    verdict,
};
use crate::api::unreadable;
use crate::http::{Answer, Credential, Repeat, Request};

impl Gemini {
    pub(super) fn keys_url(&self, project: &str, below: &[&str]) -> Result<Url, ProviderError> {
        let keys = ["v2", "projects", project, "locations", "global", "keys"];
        self.api.url(&[&keys, below].concat())
    }

    pub(super) fn key_url(&self, handle: &KeyHandle, below: &[&str]) -> Result<Url, ProviderError> {
        let ids = Ids::of(handle)?;
        self.keys_url(ids.project, &[&[ids.key], below].concat())
    }

    pub(super) async fn read(&self, url: Url) -> Result<Answer, ProviderError> {
        self.api.call(Method::GET, url, NOTHING, Repeat::Safe).await
    }

    /// The key, deleted or not.
    pub(super) async fn row(&self, handle: &KeyHandle) -> Result<Option<Row>, ProviderError> {
        match self.read(self.key_url(handle, &[])?).await {
            Err(ProviderError::NotFound) => Ok(None),
            Err(error) => Err(error),
            Ok(answer) => wire::read::<Row>(&answer.body)
                .filter(|row| row.handle_is(handle))
                .map(Some)
                .ok_or_else(|| unreadable(Repeat::Safe, "a key was answered, but not readably")),
        }
    }

    pub(super) async fn page(
        &self,
        project: &ScopeId,
        page: Option<&str>,
        deleted: Deleted,
    ) -> Result<Listed, ProviderError> {
        let mut url = self.keys_url(project.as_str(), &[])?;
        url.query_pairs_mut().append_pair("pageSize", PAGE);
        if deleted == Deleted::Shown {
            url.query_pairs_mut().append_pair("showDeleted", "true");
        }
        if let Some(page) = page {
            url.query_pairs_mut().append_pair("pageToken", page);
        }
        let answer = self.read(url).await.map_err(not_about_a_key)?;
        wire::read::<Listed>(&answer.body)
            .filter(|listed| listed.next().is_none() || listed.next() != page)
            .ok_or_else(|| unreadable(Repeat::Safe, "a page of the list of keys is unreadable"))
    }

    /// The key's text, which can be read at any time.
    pub(super) async fn text(&self, handle: &KeyHandle) -> Result<ApiKey, ProviderError> {
        let answer = self.read(self.key_url(handle, &["keyString"])?).await?;
        wire::read::<KeyString>(&answer.body)
            .map(|read| ApiKey::new(&read.key_string))
            .ok_or_else(|| unreadable(Repeat::Safe, "a key's text was asked for, but not answered"))
    }

    pub(super) async fn operation(&self, id: &OperationId) -> Result<Operation, ProviderError> {
        let url = self
            .api
            .url(&["v2", "operations", ids::operation_in(id)?])?;
        let answer = self.read(url).await?;
        let read = Operation::read(&answer.body).filter(|operation| operation.id == *id);
        read.ok_or_else(|| unreadable(Repeat::Safe, "an operation was answered, but not readably"))
    }

    /// Asks for a change of a key, and waits a little for its end. A refusal may be about a key that is gone.
    pub(super) async fn change(
        &self,
        method: Method,
        url: Url,
        handle: &KeyHandle,
        restrictions: Option<Restrictions>,
    ) -> Result<State, ProviderError> {
        let change = restrictions.map(|restrictions| Change { restrictions });
        let answer = self
            .api
            .call(method, url, change.as_ref(), Repeat::Safe)
            .await;
        let changed = match answer {
            Ok(answer) => self.end_of(&answer).await,
            Err(error) => Err(error),
        };
        match changed {
            Err(error @ ProviderError::Refused { .. }) => match self.get(handle).await {
                Ok(None) => Err(ProviderError::NotFound),
                _ => Err(error),
            },
            other => other,
        }
    }

    pub(super) async fn end_of(&self, answer: &Answer) -> Result<State, ProviderError> {
        let what = "a change was answered, but not with an operation";
        let mut operation =
            Operation::read(&answer.body).ok_or_else(|| unreadable(Repeat::Safe, what))?;
        for _ in 0..LOOKS {
            match operation.state {
                State::GoesOn => {}
                State::Failed(status) => return Err(status.of_a_change()),
                done => return Ok(done),
            }
            self.http.wait(BETWEEN_LOOKS).await;
            operation = self.operation(&operation.id).await?;
        }
        Ok(operation.state)
    }

    /// Restricts a key. Done only if what the key is restricted to then is no more than that, and it has not ended.
    pub(super) async fn restrict(
        &self,
        handle: &KeyHandle,
        wanted: Restrictions,
    ) -> Result<(), ProviderError> {
        let mut url = self.key_url(handle, &[])?;
        url.query_pairs_mut()
            .append_pair("updateMask", "restrictions");
        let changed = self
            .change(Method::PATCH, url, handle, Some(wanted.clone()))
            .await?;
        let again = |what: &str| Err(unreadable(Repeat::Safe, what));
        let State::Done(key) = changed else {
            return again("the change of a key still goes on");
        };
        match serde_json::from_value::<Row>(key) {
            Ok(row) if row.handle_is(handle) && row.is_deleted() => Err(ProviderError::NotFound),
            Ok(row) if row.handle_is(handle) && row.restrictions().are(&wanted) => Ok(()),
            _ => again("the key still reads as restricted to something else"),
        }
    }

    /// The key of a create that may have come to its end.
    pub(super) async fn made(
        &self,
        request: &IssueRequest,
        operation: Operation,
    ) -> Result<IssuedKey, ProviderError> {
        let key = match operation.state {
            State::GoesOn => return Err(ProviderError::UnderWay(operation.id)),
            State::Failed(status) => return Err(status.of_a_create()),
            State::Done(key) => key,
        };
        let project = project_of(&request.scope)?;
        let amiss = |what: &str| unreadable(Repeat::Never, what);
        let row = serde_json::from_value::<Row>(key).ok();
        let row = row.filter(|row| row.id() == Some(&key_id(request.label.as_str())));
        let row = row.ok_or_else(|| amiss("a create ended, but not with the key"))?;
        if !row
            .restrictions()
            .keep_to(&Restrictions::of(&request.scope))
        {
            return Err(amiss("a key was made that is less restricted than asked"));
        }
        if !row.is_bound_to(request.scope.service_account.as_ref()) {
            return Err(amiss("a key was made without the service account"));
        }
        let handle = row.handle(project.as_str());
        let handle = handle.ok_or_else(|| amiss("a key was made whose id is none"))?;
        match self.text(&handle).await {
            Ok(key) if key.looks_like(&KEY_FORMAT) => Ok(IssuedKey {
                key,
                handle,
                expires: None,
            }),
            Ok(_) => Err(amiss(
                "a key was made whose text does not begin as Gemini's do",
            )),
            Err(ProviderError::NotFound) => Err(ProviderError::UnderWay(operation.id)),
            Err(
                error @ (ProviderError::RetryAfter { .. } | ProviderError::AdminCredential { .. }),
            ) => Err(error),
            Err(error) => Err(amiss(&error.to_string())),
        }
    }

    /// Asks once as the key itself, over a fresh connection.
    pub(super) async fn ask(
        &self,
        key: &ApiKey,
        path: &[&str],
        (query, body): (&[(&str, &str)], Option<&'static str>),
    ) -> Result<Answer, OutsideText> {
        let mut url = self
            .verify
            .join(path)
            .map_err(|_| OutsideText::new("the URL takes no path"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let unsendable = || OutsideText::new("the key's text cannot stand in a header");
        let request = Request {
            method: match body {
                Some(_) => Method::POST,
                None => Method::GET,
            },
            url,
            headers: &[],
            credential: Credential::new(KEY_HEADER, key).ok_or_else(unsendable)?,
            body: body.map(|body| body.as_bytes().to_vec()),
            repeat: Repeat::Never,
        };
        let answer = self.http.send(&request).await;
        answer.map_err(|failure| failure.detail())
    }

    /// A bound key may list models and be refused all the same where it is to be used: it counts tokens too, which costs
    /// nothing. <https://ai.google.dev/gemini-api/docs/tokens>
    pub(super) async fn count_tokens(
        &self,
        key: &ApiKey,
        listed: &Answer,
    ) -> Result<Verdict, OutsideText> {
        const TEXT: &str = r#"{"contents":[{"parts":[{"text":"a"}]}]}"#;
        let none = || OutsideText::new("no model is listed that counts tokens");
        let model = verdict::counting_model(listed).ok_or_else(none)?;
        let method = format!("{model}:countTokens");
        let counted = self
            .ask(key, &["v1beta", "models", &method], (&[], Some(TEXT)))
            .await?;
        Ok(verdict::of_a_count(&counted))
    }

    pub(super) async fn verdict(&self, key: &ApiKey) -> Result<Verdict, OutsideText> {
        let is_bound = key.begins_with(GEMINI_BOUND);
        let models = if is_bound { "50" } else { "1" };
        let query = [("pageSize", models)];
        let listed = self.ask(key, &["v1beta", "models"], (&query, None)).await?;
        match verdict::of(&listed) {
            Verdict::Live if is_bound => self.count_tokens(key, &listed).await,
            verdict => Ok(verdict),
        }
    }
}

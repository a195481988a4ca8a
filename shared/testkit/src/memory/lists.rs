use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::{AccountName, Principal, SecretArn};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    AlarmLists, BedrockCredential, CredentialAge, CredentialAges, CredentialLists, FoundSecret,
    FunctionLists, FunctionVariables, ListError, ListPage, ListedAlarm, ListedSecret, PageToken,
    People, SecretFinder, SecretLists, Variables,
};

/// Items on a page: few, so that every test reads more than one.
const PAGE: usize = 2;

/// How a list breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The page of this number, from 0 on, is not answered so many times.
    Times(usize, u32),
    /// The page of this number is never answered.
    ForEver(usize),
    /// The call is refused.
    Refused,
}

/// Which of the lists of [`MemoryLists`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListName {
    /// Secrets.
    Secrets,
    /// Secrets asked for one by one; each is a page of its own.
    Secret,
    /// Policies of secrets; each is a page of its own.
    Policies,
    /// Values of secrets; each is a page of its own.
    Values,
    /// Alarms.
    Alarms,
    /// Functions.
    Functions,
    /// IAM's credentials.
    Iam,
    /// Ages of admin credentials.
    Ages,
    /// People.
    People,
}

/// A function's ARN, which version it is, and what it has or why that cannot be read.
#[derive(Debug, Clone)]
struct Function {
    arn: String,
    version: Option<String>,
    variables: Result<Vec<(String, ApiKey)>, String>,
}

#[derive(Debug, Default)]
struct State {
    secrets: Vec<ListedSecret>,
    /// How secrets are by now that the list still shows as they were.
    unlisted: Vec<ListedSecret>,
    policies: BTreeMap<SecretArn, String>,
    alarms: Vec<ListedAlarm>,
    functions: Vec<Function>,
    found: Vec<(FoundSecret, Option<ApiKey>)>,
    credentials: Vec<BedrockCredential>,
    ages: BTreeMap<AccountName, Vec<CredentialAge>>,
    left: BTreeSet<Principal>,
    breaks: BTreeMap<ListName, Break>,
    calls: usize,
}

/// What an audit lists beside the inventory and the providers, in memory. The first page of every list is empty with more
/// behind it, as real ones may be.
#[derive(Debug, Default)]
pub struct MemoryLists(Mutex<State>);

impl MemoryLists {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }

    /// Adds a secret, or puts it in the place of the one with its ARN.
    pub fn put_secret(&self, secret: ListedSecret) {
        let mut state = self.state();
        state.secrets.retain(|known| known.arn != secret.arn);
        state.secrets.push(secret);
    }

    /// A secret is so by now, and the list does not show it yet.
    pub fn put_secret_unlisted(&self, secret: ListedSecret) {
        self.state().unlisted.push(secret);
    }

    /// Takes a secret out of the list.
    pub fn forget_secret(&self, arn: &SecretArn) {
        self.state().secrets.retain(|known| known.arn != *arn);
    }

    /// Gives a secret a resource policy.
    pub fn put_policy(&self, arn: &SecretArn, policy: &str) {
        let mut state = self.state();
        state.policies.insert(arn.clone(), policy.to_owned());
    }

    /// Adds an alarm.
    pub fn put_alarm(&self, alarm: ListedAlarm) {
        self.state().alarms.push(alarm);
    }

    /// Takes an alarm out of the list.
    pub fn forget_alarm(&self, name: &str) {
        let mut state = self.state();
        state.alarms.retain(|known| known.alarm.arn.name() != name);
    }

    /// Takes a function out of the list.
    pub fn forget_function(&self, arn: &str) {
        self.state().functions.retain(|known| known.arn != arn);
    }

    /// Takes every credential of a user out of the list.
    pub fn forget_credentials(&self, user: &str) {
        let mut state = self.state();
        state
            .credentials
            .retain(|known| known.user.as_str() != user);
    }

    /// Adds a function with its variables.
    pub fn put_function(&self, arn: &str, variables: &[(&str, &str)]) {
        self.put_version(arn, None, variables);
    }

    /// Adds a published version of a function, or with `None` the function as it is edited.
    pub fn put_version(&self, arn: &str, version: Option<&str>, variables: &[(&str, &str)]) {
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| ((*name).to_owned(), ApiKey::new(value)));
        self.state().functions.push(Function {
            arn: arn.to_owned(),
            version: version.map(str::to_owned),
            variables: Ok(variables.collect()),
        });
    }

    /// Adds a function whose variables are encrypted with a key that we may not use.
    pub fn put_encrypted_function(&self, arn: &str) {
        self.state().functions.push(Function {
            arn: arn.to_owned(),
            version: None,
            variables: Err("AccessDeniedException".to_owned()),
        });
    }

    /// Adds a secret that nobody has told of, with its value.
    pub fn put_found(&self, secret: FoundSecret, text: Option<&str>) {
        let found = (secret, text.map(ApiKey::new));
        self.state().found.push(found);
    }

    /// Adds a credential of IAM's.
    pub fn put_credential(&self, credential: BedrockCredential) {
        self.state().credentials.push(credential);
    }

    /// Says how old an account's admin credentials are.
    pub fn put_ages(&self, account: &AccountName, ages: &[CredentialAge]) {
        self.state().ages.insert(account.clone(), ages.to_vec());
    }

    /// Somebody leaves.
    pub fn leaves(&self, who: &Principal) {
        self.state().left.insert(who.clone());
    }

    /// Breaks a list from now on.
    pub fn break_list(&self, list: ListName, how: Break) {
        self.state().breaks.insert(list, how);
    }

    /// Mends every list.
    pub fn mend(&self) {
        self.state().breaks.clear();
    }

    /// How many pages were asked for.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    fn broken(&self, list: ListName, page: usize) -> Result<(), ListError> {
        let mut state = self.state();
        state.calls += 1;
        let not_answered = || {
            Err(ListError::Unavailable(OutsideText::new(
                "ThrottlingException",
            )))
        };
        match state.breaks.get_mut(&list) {
            Some(Break::Times(at, left)) if *at == page && *left > 0 => {
                *left -= 1;
                not_answered()
            }
            Some(Break::ForEver(at)) if *at == page => not_answered(),
            Some(Break::Refused) => Err(ListError::Refused(OutsideText::new(
                "AccessDeniedException",
            ))),
            _ => Ok(()),
        }
    }

    fn page<T>(
        &self,
        list: ListName,
        after: Option<&PageToken>,
        items: impl FnOnce(&State) -> Vec<T>,
    ) -> Result<ListPage<T>, ListError> {
        let number = page_number(after);
        self.broken(list, number)?;
        let all = items(&self.state());
        Ok(cut(all, number))
    }
}

/// The number of the page that a token leads to; 0 without one.
pub(super) fn page_number(after: Option<&PageToken>) -> usize {
    after.map_or(0, |token| token.0.parse().expect("a token of ours"))
}

/// A page of a list: the first is empty, with more behind it.
pub(super) fn cut<T>(all: Vec<T>, number: usize) -> ListPage<T> {
    let begins = number.saturating_sub(1) * PAGE;
    let ends = number * PAGE;
    let is_last = ends >= all.len();
    let items = all.into_iter().take(ends).skip(begins);
    ListPage {
        items: items.collect(),
        next: (!is_last || number == 0).then(|| PageToken((number + 1).to_string())),
    }
}

#[async_trait]
impl SecretLists for MemoryLists {
    async fn secrets(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<ListedSecret>, ListError> {
        self.page(ListName::Secrets, after, |state| state.secrets.clone())
    }

    async fn secret(&self, secret: &SecretArn) -> Result<Option<ListedSecret>, ListError> {
        self.broken(ListName::Secret, 0)?;
        let state = self.state();
        let now = state.secrets.iter().chain(&state.unlisted);
        Ok(now.rev().find(|known| known.arn == *secret).cloned())
    }

    async fn policy(&self, secret: &SecretArn) -> Result<Option<String>, ListError> {
        self.broken(ListName::Policies, 0)?;
        Ok(self.state().policies.get(secret).cloned())
    }
}

#[async_trait]
impl AlarmLists for MemoryLists {
    async fn alarms(&self, after: Option<&PageToken>) -> Result<ListPage<ListedAlarm>, ListError> {
        self.page(ListName::Alarms, after, |state| state.alarms.clone())
    }
}

#[async_trait]
impl FunctionLists for MemoryLists {
    async fn functions(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<FunctionVariables>, ListError> {
        self.page(ListName::Functions, after, |state| {
            let functions = state.functions.iter().map(|function| FunctionVariables {
                function: OutsideText::new(&function.arn),
                version: function.version.as_deref().map(OutsideText::new),
                variables: match &function.variables {
                    Err(why) => Variables::NotRead(OutsideText::new(why)),
                    Ok(variables) => Variables::Read(
                        variables
                            .iter()
                            .map(|(name, value)| (OutsideText::new(name), value.clone()))
                            .collect(),
                    ),
                },
            });
            functions.collect()
        })
    }
}

#[async_trait]
impl CredentialLists for MemoryLists {
    async fn bedrock(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<BedrockCredential>, ListError> {
        self.page(ListName::Iam, after, |state| state.credentials.clone())
    }
}

#[async_trait]
impl CredentialAges for MemoryLists {
    async fn ages(&self, account: &AccountName) -> Result<Vec<CredentialAge>, ListError> {
        self.broken(ListName::Ages, 0)?;
        Ok(self.state().ages.get(account).cloned().unwrap_or_default())
    }
}

#[async_trait]
impl People for MemoryLists {
    async fn left(
        &self,
        people: &BTreeSet<Principal>,
    ) -> Result<Option<BTreeSet<Principal>>, ListError> {
        self.broken(ListName::People, 0)?;
        let left = self.state().left.intersection(people).cloned().collect();
        Ok(Some(left))
    }
}

#[async_trait]
impl SecretFinder for MemoryLists {
    async fn found(&self, after: Option<&PageToken>) -> Result<ListPage<FoundSecret>, ListError> {
        self.page(ListName::Secrets, after, |state| {
            state
                .found
                .iter()
                .map(|(secret, _)| secret.clone())
                .collect()
        })
    }

    async fn text(&self, secret: &SecretArn) -> Result<Option<ApiKey>, ListError> {
        self.broken(ListName::Values, 0)?;
        let state = self.state();
        let mut found = state.found.iter();
        let found = found.find(|(known, _)| known.arn == *secret);
        Ok(found.and_then(|(_, text)| text.clone()))
    }
}

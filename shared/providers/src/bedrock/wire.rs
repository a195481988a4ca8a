//! IAM's XML.
//!
//! Unknown elements are ignored, and so is `ServicePassword`, which is of other services. What a decision rests on is
//! required. <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredential.html>

use jiff::Timestamp;
use keyward_core::model::names::{IamUser, KeyHandle};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{BedrockCredential, KeyOwner, KeyRecord, Reach};
use roxmltree::{Document, Node};

use super::handle::handle;
use super::iam::SERVICE;
use crate::aws::{child, document, text};

/// Where a credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Inactive,
    Expired,
    /// None that is known here.
    Other,
}

/// A credential in lists and answers.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) record: KeyRecord,
    pub(super) status: Status,
}

/// The answer to a create. No `Debug`: it carries the key.
pub(super) struct Created {
    pub(super) row: Row,
    pub(super) secret: String,
}

/// One page of a list.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) rows: Vec<Row>,
    pub(super) marker: Option<String>,
}

impl Created {
    /// `None` if the answer is not of that shape, or of another user's or service's credential.
    pub(super) fn read(body: &[u8], user: &IamUser) -> Option<Self> {
        let document = document(body)?;
        let result = result(&document, "CreateServiceSpecificCredential")?;
        let made = child(result, "ServiceSpecificCredential")?;
        Some(Self {
            row: row(made, user)??,
            secret: text(made, "ServiceCredentialSecret")?.to_owned(),
        })
    }
}

impl Listed {
    /// `None` if the answer is not of that shape. Credentials of other services and users are left out.
    pub(super) fn read(body: &[u8], user: &IamUser) -> Option<Self> {
        let document = document(body)?;
        let result = result(&document, "ListServiceSpecificCredentials")?;
        let listed = child(result, "ServiceSpecificCredentials")?;
        let members = listed.children().filter(Node::is_element);
        let rows: Option<Vec<Option<Row>>> = members.map(|member| row(member, user)).collect();
        Some(Self {
            rows: rows?.into_iter().flatten().collect(),
            marker: marker(result)?,
        })
    }
}

/// One page of the credentials of all users.
#[derive(Debug)]
pub(super) struct Everybody {
    pub(super) active: Vec<BedrockCredential>,
    pub(super) marker: Option<String>,
}

impl Everybody {
    /// `None` if the answer is not of that shape. Credentials of other services are left out, and those that are known to be
    /// refused: a status that is not known here is no such.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let document = document(body)?;
        let result = result(&document, "ListServiceSpecificCredentials")?;
        let listed = child(result, "ServiceSpecificCredentials")?;
        let members = listed.children().filter(Node::is_element);
        let active: Option<Vec<Option<BedrockCredential>>> = members.map(credential).collect();
        Some(Self {
            active: active?.into_iter().flatten().collect(),
            marker: marker(result)?,
        })
    }
}

/// Where the next page begins; `None` inside on the last, outside where that cannot be told.
fn marker(result: Node<'_, '_>) -> Option<Option<String>> {
    match text(result, "IsTruncated")? {
        "false" => Some(None),
        "true" => Some(Some(text(result, "Marker")?.to_owned())),
        _ => None,
    }
}

/// The credential; `None` inside for one of another service or one that is refused, outside for one that cannot be read.
fn credential(row: Node<'_, '_>) -> Option<Option<BedrockCredential>> {
    let user = text(row, "UserName")?;
    let is_ours = text(row, "ServiceName")? == SERVICE;
    let is_refused = match status(text(row, "Status")?) {
        Status::Inactive | Status::Expired => true,
        Status::Active | Status::Other => false,
    };
    if !is_ours || is_refused {
        return Some(None);
    }
    let expires = text(row, "ExpirationDate").map(str::parse).transpose();
    Some(Some(BedrockCredential {
        user: OutsideText::new(user),
        id: OutsideText::new(text(row, "ServiceSpecificCredentialId")?),
        created: Some(text(row, "CreateDate")?.parse().ok()?),
        expires: expires.ok()?,
    }))
}

/// Whether a call that answers nothing else was answered as done.
pub(super) fn is_done(body: &[u8], action: &str) -> bool {
    document(body).is_some_and(|document| is_answer(&document, action))
}

fn is_answer(document: &Document<'_>, action: &str) -> bool {
    let root = document.root_element();
    let is_answer = root.tag_name().name().strip_suffix("Response") == Some(action);
    is_answer && child(root, "ResponseMetadata").is_some_and(|m| text(m, "RequestId").is_some())
}

fn result<'a, 'i>(document: &'a Document<'i>, action: &str) -> Option<Node<'a, 'i>> {
    let result = child(document.root_element(), &format!("{action}Result"))?;
    is_answer(document, action).then_some(result)
}

/// Whose it is: IAM takes names that differ in case alone for one.
fn is_of(row: Node<'_, '_>, user: &IamUser) -> bool {
    let name = text(row, "UserName").unwrap_or_default();
    name.eq_ignore_ascii_case(user.as_str()) && text(row, "ServiceName") == Some(SERVICE)
}

/// The row; `None` inside for one of somebody else's, outside for one that cannot be read.
fn row(row: Node<'_, '_>, user: &IamUser) -> Option<Option<Row>> {
    text(row, "UserName")?;
    text(row, "ServiceName")?;
    if !is_of(row, user) {
        return Some(None);
    }
    let status = status(text(row, "Status")?);
    let handle: KeyHandle = handle(user, text(row, "ServiceSpecificCredentialId")?)?;
    let expires = match text(row, "ExpirationDate") {
        None => None,
        Some(end) => Some(end.parse().ok()?),
    };
    let created: Timestamp = text(row, "CreateDate")?.parse().ok()?;
    let record = KeyRecord {
        handle,
        // IAM gives it; a key has no name that anybody chose, and nothing of its text is shown but this.
        label: OutsideText::new(text(row, "ServiceCredentialAlias").unwrap_or_default()),
        redacted: OutsideText::default(),
        suspended: match status {
            Status::Active => Some(false),
            Status::Inactive | Status::Expired => Some(true),
            Status::Other => None,
        },
        workspace: None,
        owner: KeyOwner::Service,
        created: Some(created),
        expires,
        last_used: None,
        spent: None,
        cap: None,
        reach: Reach::default(),
    };
    Some(Some(Row { record, status }))
}

fn status(text: &str) -> Status {
    match text {
        "Active" => Status::Active,
        "Inactive" => Status::Inactive,
        "Expired" => Status::Expired,
        _ => Status::Other,
    }
}

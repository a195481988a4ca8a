#![doc = include_str!("../README.md")]

mod asff;
mod csv;
mod html;
mod ocsf;
mod sarif;

use keyward_core::model::audit::AuditReport;
use keyward_core::ports::ReportFile;
use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::audit::{Render, Writer};
use serde_json::Value;

pub use asff::{BATCH, findings as asff};
pub use csv::csv;
pub use html::page as html;
pub use ocsf::events as ocsf;
pub use sarif::log as sarif;

/// Where the deployment is: findings of AWS's format name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `aws`, or another partition.
    pub partition: String,
    /// The region.
    pub region: String,
    /// The account, twelve digits.
    pub account: String,
}

impl Place {
    /// Where a deployment is, by the alarm topic that it was told.
    pub fn of(deployment: &Deployment) -> Self {
        let partition = deployment.topic.as_str().split(':').nth(1);
        Self {
            partition: partition.unwrap_or("aws").to_owned(),
            region: deployment.region.clone(),
            account: deployment.account.clone(),
        }
    }
}

/// What writes findings for AWS Security Hub.
pub fn security_hub(place: &Place) -> Writer {
    let place = place.clone();
    Box::new(move |report| Box::new(asff::owned(report, place.clone())))
}

/// The release that writes reports.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// A form that a report is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One page for people.
    Html,
    /// The report as it is, with a schema.
    Json,
    /// Findings as a table.
    Csv,
    /// Findings for code hosts.
    Sarif,
    /// Findings for AWS Security Hub.
    Asff,
    /// Findings for security lakes.
    Ocsf,
}

impl Form {
    /// Every form, in the order of the files.
    pub const ALL: [Self; 6] = [
        Self::Html,
        Self::Json,
        Self::Csv,
        Self::Sarif,
        Self::Asff,
        Self::Ocsf,
    ];

    /// What writes it.
    pub fn render(self, place: &Place) -> Render {
        let place = place.clone();
        match self {
            Self::Html => render("report.html", "text/html; charset=utf-8", html),
            Self::Json => render("report.json", "application/json", |report| {
                // A report has nothing in it that cannot be written as JSON.
                serde_json::to_string(report).unwrap_or_default()
            }),
            Self::Csv => render("findings.csv", "text/csv; charset=utf-8", csv),
            Self::Sarif => render("findings.sarif", "application/sarif+json", sarif::text),
            Self::Asff => render("findings.asff.json", "application/json", move |report| {
                list(asff(report, &place))
            }),
            Self::Ocsf => render("findings.ocsf.json", "application/json", move |report| {
                list(ocsf(report, &place))
            }),
        }
    }
}

/// What writes each file of a report.
pub fn renders(place: &Place) -> Vec<Render> {
    let all = Form::ALL.into_iter();
    all.map(|form| form.render(place)).collect()
}

fn render(
    name: &'static str,
    media_type: &'static str,
    text: impl Fn(&AuditReport) -> String + Send + Sync + 'static,
) -> Render {
    Box::new(move |report| ReportFile {
        name,
        media_type,
        text: text(report),
    })
}

/// A list as JSON, one item a line; none of them is kept when it is written.
fn list(items: impl Iterator<Item = Value>) -> String {
    let mut text = String::from("[\n");
    for (at, item) in items.enumerate() {
        if at > 0 {
            text.push_str(",\n");
        }
        text.push_str(&item.to_string());
    }
    text.push_str("\n]\n");
    text
}

/// A text of at most so many characters.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The same, or another text where there is none: formats refuse what is blank.
fn said(text: &str, most: usize, instead: &str) -> String {
    match text.trim().is_empty() {
        true => cut(instead, most),
        false => cut(text, most),
    }
}

#[cfg(test)]
mod published;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

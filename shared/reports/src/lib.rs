#![doc = include_str!("../README.md")]

mod asff;
mod csv;
mod html;
mod ocsf;
mod sarif;

use keyward_core::model::audit::AuditReport;
use keyward_core::ports::ReportFile;

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

/// The release that writes reports.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Every file of a report.
pub fn files(report: &AuditReport, place: &Place) -> Vec<ReportFile> {
    let json = |value: &serde_json::Value| format!("{value:#}\n");
    let file = |name, media_type, text| ReportFile {
        name,
        media_type,
        text,
    };
    vec![
        file("report.html", "text/html; charset=utf-8", html(report)),
        file(
            "report.json",
            "application/json",
            json(&serde_json::json!(report)),
        ),
        file("findings.csv", "text/csv; charset=utf-8", csv(report)),
        file(
            "findings.sarif",
            "application/sarif+json",
            json(&sarif(report)),
        ),
        file(
            "findings.asff.json",
            "application/json",
            json(&asff(report, place).into()),
        ),
        file(
            "findings.ocsf.json",
            "application/json",
            json(&ocsf(report, place).into()),
        ),
    ]
}

/// A text of at most so many characters.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

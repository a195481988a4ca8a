//! Notices about money: AWS Budgets and AWS Cost Anomaly Detection.

use keyward_core::model::kill_order::{BudgetBasis, Notice};
use serde_json::Value;

use super::field::{field, text};
use super::shown;

/// A budget's notice is text for people, without a code to know it by:
/// <https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html>.
const BUDGET_SUBJECT: &str = "AWS Budgets:";
const BUDGET_TEXT: &str = "AWS Budget Notification";

/// A notice of AWS Budgets.
pub(super) fn budget(message: &str, subject: Option<&str>) -> Option<Notice> {
    let by_subject = subject.is_some_and(|subject| subject.starts_with(BUDGET_SUBJECT));
    if !by_subject && !message.trim_start().starts_with(BUDGET_TEXT) {
        return None;
    }
    let basis = match line(message, "Alert Type:") {
        Some("ACTUAL") => BudgetBasis::Actual,
        Some("FORECASTED") => BudgetBasis::Forecasted,
        _ => BudgetBasis::Unknown,
    };
    let name = shown(line(message, "Budget Name:").unwrap_or("(not named)"));
    Some(Notice::Budget { name, basis })
}

fn line<'a>(message: &'a str, label: &str) -> Option<&'a str> {
    let mut lines = message.lines();
    lines.find_map(|line| line.trim().strip_prefix(label).map(str::trim))
}

/// A notice of AWS Cost Anomaly Detection, from its topic or as the detail of its event:
/// <https://docs.aws.amazon.com/cost-management/latest/userguide/cad-user-notifications.html>.
pub(super) fn cost_anomaly(object: &Value) -> Option<Notice> {
    let is_one = ["monitorArn", "impact", "anomalyScore"];
    let is_one = is_one.iter().any(|name| field(object, name).is_some());
    let id = text(object, "anomalyId").filter(|_| is_one)?;
    Some(Notice::CostAnomaly(shown(id)))
}

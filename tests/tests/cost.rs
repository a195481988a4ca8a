//! What a deployment costs, as `infra/README.md` says: computed from `infra/cost.json`, and counted in the template.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

/// Keys that the page tells the cost of.
const KEYS: [u32; 3] = [10, 50, 1000];

#[derive(Deserialize)]
struct Costs {
    /// The day on which the prices were read.
    read: String,
    region: String,
    prices: BTreeMap<String, Price>,
    parts: Vec<Part>,
    /// What a slot takes beside that where two processes of its agent tell what it uses.
    told: Vec<Part>,
}

/// What AWS asks for so many of a thing.
#[derive(Deserialize)]
struct Price {
    dollars: f64,
    per: f64,
    unit: String,
    source: String,
}

/// How many of a thing a month takes, for the stack as a whole and for each slot.
#[derive(Deserialize)]
struct Part {
    what: String,
    price: String,
    stack: f64,
    slot: f64,
    why: String,
}

fn costs() -> Costs {
    serde_json::from_str(include_str!("../../infra/cost.json")).unwrap()
}

impl Costs {
    /// Dollars for a month with so many keys.
    fn of(&self, part: &Part, keys: u32) -> f64 {
        let price = &self.prices[&part.price];
        (part.stack + part.slot * f64::from(keys)) * price.dollars / price.per
    }

    /// What the parts are for, each once, in the order of the file.
    fn rows(&self) -> Vec<&str> {
        let mut rows: Vec<&str> = Vec::new();
        for part in &self.parts {
            if !rows.contains(&part.what.as_str()) {
                rows.push(&part.what);
            }
        }
        rows
    }

    /// The page's table.
    fn table(&self) -> String {
        let mut table = "| dollars a month for | 10 keys | 50 keys | 1,000 keys |\n| --- | ---: | ---: | ---: |\n".to_owned();
        let mut line = |what: &str, dollars: [f64; 3]| {
            let [few, some, many] = dollars;
            writeln!(table, "| {what} | {few:.2} | {some:.2} | {many:.2} |").unwrap();
        };
        for row in self.rows() {
            let parts = || self.parts.iter().filter(|part| part.what == row);
            line(
                row,
                KEYS.map(|keys| parts().map(|p| self.of(p, keys)).sum()),
            );
        }
        let sum = |keys| -> f64 { self.parts.iter().map(|part| self.of(part, keys)).sum() };
        line("**together**", KEYS.map(sum));
        line("for each key", KEYS.map(|keys| sum(keys) / f64::from(keys)));
        table
    }

    /// Dollars for a month of what agents tell of one slot.
    fn of_reports(&self) -> f64 {
        self.told.iter().map(|part| self.of(part, 1)).sum()
    }

    /// What each part is counted by, for the page.
    fn basis(&self, parts: &[Part]) -> String {
        let mut basis = "| part | in a month | at |\n| --- | --- | --- |\n".to_owned();
        for part in parts {
            let price = &self.prices[&part.price];
            let count = match (part.stack > 0.0, part.slot > 0.0) {
                (true, true) => format!("{} and {} for each key", part.stack, part.slot),
                (true, false) => part.stack.to_string(),
                (false, _) => format!("{} for each key", part.slot),
            };
            let per = match price.per > 1.0 {
                true => format!("{} {}", price.per, price.unit),
                false => price.unit.clone(),
            };
            let Price {
                dollars, source, ..
            } = price;
            let Part { what, why, .. } = part;
            writeln!(
                basis,
                "| {what}: {why} | {count} | [${dollars} for {per}]({source}) |"
            )
            .unwrap();
        }
        basis
    }
}

fn page() -> String {
    std::fs::read_to_string(root().join("infra/README.md")).unwrap()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_page_tells_what_the_parts_come_to() {
    let costs = costs();
    let page = page();
    let [parts, told] = [&costs.parts, &costs.told].map(|parts| costs.basis(parts));
    for table in [costs.table(), parts, told] {
        assert!(page.contains(&table), "infra/README.md must say:\n{table}");
    }
    let dated = format!("in {} on {}", costs.region, costs.read);
    assert!(page.contains(&dated), "infra/README.md must say: {dated}");
    let more = format!("comes to ${:.3} a month more", costs.of_reports());
    assert!(page.contains(&more), "infra/README.md must say: {more}");
}

/// The design's bound: $0.15 a month beside the slot's secret, its agent's own fetches aside, and what its agent's processes
/// tell, which grows with them.
#[test]
fn a_slot_costs_little_beside_its_secret() {
    let costs = costs();
    let own = costs
        .parts
        .iter()
        .filter(|part| part.price != "secret" && part.what != "agents that fetch their key");
    let of_a_slot = |part: &Part| costs.of(part, 1) - costs.of(part, 0);
    let dollars: f64 = own.map(of_a_slot).sum();
    assert!((0.10..=0.15).contains(&dollars), "{dollars}");
    let told = costs.of_reports();
    assert!((0.01..=0.03).contains(&told), "{told}");
}

#[test]
fn every_price_has_a_page_of_aws_and_is_used() {
    let costs = costs();
    for (name, price) in &costs.prices {
        assert!(
            price.source.starts_with("https://aws.amazon.com/"),
            "{name}"
        );
        assert!(price.dollars > 0.0 && price.per >= 1.0, "{name}");
        assert!(costs.parts.iter().any(|part| &part.price == name), "{name}");
    }
}

/// What the stack has once is what the template has.
#[test]
fn the_stacks_own_parts_are_those_of_the_template() {
    let template = std::fs::read_to_string(root().join("infra/template.yaml")).unwrap();
    let costs = costs();
    for (what, price, kind) in [
        ("the stack's own alarms", "alarm", "AWS::CloudWatch::Alarm"),
        ("the dashboard", "dashboard", "AWS::CloudWatch::Dashboard"),
        ("the KMS key", "key", "AWS::KMS::Key"),
    ] {
        let line = format!("Type: {kind}");
        let found = template.lines().filter(|text| text.trim() == line).count();
        let mut parts = costs.parts.iter();
        let part = parts
            .find(|part| part.what == what && part.price == price)
            .unwrap();
        assert_eq!(found as f64, part.stack, "{kind} in infra/template.yaml");
    }
}

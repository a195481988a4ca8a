//! What a day comes to in a month, at AWS's prices.

use keyward_core::model::usage_items::KEPT;

use super::day::Day;

/// Where and when the prices below were read.
pub(crate) const DATED: &str = "at AWS's prices on demand in us-east-1, November 2026";

/// A million read and write request units of DynamoDB, half of what they were before November 2024:
/// <https://aws.amazon.com/dynamodb/pricing/on-demand/>,
/// <https://aws.amazon.com/blogs/database/new-amazon-dynamodb-lowers-pricing-for-on-demand-throughput-and-global-tables/>.
const READS: f64 = 0.125;
const WRITES: f64 = 0.625;
const MILLION: f64 = 1e6;

/// A GB for a month, in the table and once more for recovery to a point in time:
/// <https://aws.amazon.com/dynamodb/pricing/on-demand/>.
const KEPT_GB: f64 = 0.25 + 0.20;
const GB: f64 = 1_073_741_824.0;

/// A metric and an alarm of standard resolution for a month, of the first ten thousand, and a thousand calls:
/// <https://aws.amazon.com/cloudwatch/pricing/>. A metric is billed for the hours in which it has values.
const METRIC: f64 = 0.30;
const ALARM: f64 = 0.10;
const CALL: f64 = 0.01 / 1000.0;

/// A GB of memory for a second, on Arm, and an invocation: <https://aws.amazon.com/lambda/pricing/>.
const GB_SECOND: f64 = 0.000_013_333_4;
const INVOCATION: f64 = 0.20 / MILLION;

/// Memory with which a function has one whole processor, in GB:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const PROCESSOR_GB: f64 = 1.769;

/// What taking a report has, in GB, and how long it takes, in seconds: two reads of the table and a write.
const REPORT_GB: f64 = 0.25;
const REPORT_S: f64 = 0.05;

const DAYS: f64 = 365.0 / 12.0;
const HOURS: f64 = DAYS * 24.0;

/// How long usage is kept, in days.
const KEPT_DAYS: f64 = KEPT.as_hours() as f64 / 24.0;

/// Bytes of an entry of the index of due work, which names all slots; a read that need not be consistent has 8 KB a unit.
const INDEX_ENTRY: f64 = 150.0;
const UNIT: f64 = 8192.0;

/// Dollars for one slot and a month, by what they are for, in a stack of `slots`, whose runs take `cpu_s` each.
pub(crate) fn of_a_month(day: &Day, slots: usize, cpu_s: f64) -> Vec<(&'static str, f64)> {
    let stack = slots as f64;
    let names = day.fleets * INDEX_ENTRY / UNIT;
    // Alarms are listed each hour, a hundred on a page; tags are read once a day.
    let alarm_calls = 24.0 / 100.0 + 1.0;
    let shared_calls = (day.puts + 24.0) / stack;
    vec![
        ("alarm", day.alarms / day.slots * ALARM),
        ("score, by the hours that have one", {
            day.metric_hours / day.slots * DAYS * METRIC / HOURS
        }),
        ("heartbeat", METRIC / stack),
        ("calls of CloudWatch", {
            (alarm_calls + shared_calls) * DAYS * CALL
        }),
        ("reading the table", {
            let own = day.reads / day.slots + names;
            (own + day.shared_reads / stack) * DAYS * READS / MILLION
        }),
        ("writing the table", {
            let own = day.writes / day.slots;
            (own + day.shared_writes / stack) * DAYS * WRITES / MILLION
        }),
        ("taking agents' reports", {
            let one = INVOCATION + REPORT_GB * REPORT_S * GB_SECOND;
            day.reports / day.slots * DAYS * one
        }),
        ("what is kept in the table", {
            day.bytes / day.slots * KEPT_DAYS * KEPT_GB / GB
        }),
        ("running", {
            let run = cpu_s * PROCESSOR_GB * GB_SECOND + INVOCATION;
            day.runs * run * DAYS / stack
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_with_an_alarm_and_nothing_else_costs_the_alarm() {
        let day = Day {
            slots: 2.0,
            alarms: 2.0,
            ..Day::default()
        };
        let dollars = of_a_month(&day, 1_000_000_000, 0.0);
        let sum: f64 = dollars.iter().map(|(_, dollars)| dollars).sum();
        assert!((sum - 0.1004).abs() < 0.0001, "{dollars:?}");
    }

    /// So a run can look for new slots, whatever it costs to read them.
    #[test]
    fn listing_the_names_of_all_slots_each_minute_costs_a_slot_next_to_nothing() {
        let listed = |fleets| Day {
            slots: 2.0,
            fleets,
            ..Day::default()
        };
        let dollars = |fleets| -> f64 {
            let of = of_a_month(&listed(fleets), 1000, 0.0);
            of.iter().map(|(_, dollars)| dollars).sum()
        };
        let more = dollars(24.0 * 60.0) - dollars(0.0);
        assert!((0.0..0.0002).contains(&more), "{more}");
    }
}

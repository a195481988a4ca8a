//! Charts, drawn as text: no script, no picture from elsewhere. Each says in words what it shows.

use keyward_core::model::audit::{AuditReport, Counts, SlotLine};
use keyward_core::model::finding::Gravity;
use keyward_core::model::money::MicroDollars;

use super::{of, put};

/// The width of a drawing.
const WIDTH: u64 = 640;

/// The height of the part with bars in it.
const HEIGHT: u64 = 140;

/// Slots in the chart of spend: those nearest to their limit.
const MOST_SLOTS: usize = 20;

/// Bars in the chart of ages: tenths of what the policy allows, and what is beyond.
const AGES: usize = 11;

/// All charts of a report.
pub(super) fn all(out: &mut String, report: &AuditReport) {
    out.push_str("<h2>Charts</h2>\n");
    over_time(out, report);
    ages(out, &report.slots);
    spend(out, &report.slots);
}

fn begin(out: &mut String, title: &str, about: &str, height: u64) {
    put(
        out,
        format_args!(
            "<h3>{title}</h3>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}: {about}\">\n"
        ),
    );
}

/// What was open after each audit, by gravity; the worst at the bottom.
fn over_time(out: &mut String, report: &AuditReport) {
    let now = (report.period.to_string(), report.open());
    let past = report
        .past
        .iter()
        .map(|audit| (audit.period.to_string(), audit.open));
    let audits: Vec<(String, Counts)> = past.chain([now]).collect();
    let most = audits
        .iter()
        .map(|(_, open)| open.total())
        .max()
        .unwrap_or(0)
        .max(1);
    let told = audits
        .iter()
        .map(|(period, open)| format!("{period} {}", open.total()));
    let about = format!("open after {}", told.collect::<Vec<_>>().join(", "));
    begin(out, "Open findings by gravity", &about, HEIGHT + 30);
    let step = WIDTH / audits.len() as u64;
    for (at, (period, open)) in audits.iter().enumerate() {
        let x = at as u64 * step;
        let width = (step * 3 / 4).clamp(1, 60);
        let mut y = HEIGHT;
        for gravity in Gravity::ALL {
            let height = u64::from(open.of(gravity)) * (HEIGHT - 15) / u64::from(most);
            y -= height;
            put(
                out,
                format_args!(
                    "<rect class=\"{gravity}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>\n"
                ),
            );
        }
        put(
            out,
            format_args!(
                "<text x=\"{x}\" y=\"{}\">{}</text><text x=\"{x}\" y=\"{}\">{period}</text>\n",
                y.saturating_sub(3).max(11),
                open.total(),
                HEIGHT + 18
            ),
        );
    }
    end(out);
}

fn end(out: &mut String) {
    put(
        out,
        format_args!("<path class=\"axis\" d=\"M0 {HEIGHT}H{WIDTH}\"/>\n</svg>\n"),
    );
}

/// How old keys are, in tenths of what their policies allow.
fn ages(out: &mut String, slots: &[SlotLine]) {
    let mut bars = [0_u64; AGES];
    for slot in slots {
        let Some(age) = slot.age_days else { continue };
        let tenth = age * 10 / slot.max_age_days.max(1);
        bars[(tenth as usize).min(AGES - 1)] += 1;
    }
    let over = bars[AGES - 1];
    let keys: u64 = bars.iter().sum();
    let about = format!("{over} of {keys} current keys are older than their policy allows");
    begin(out, "Age of keys against their policy", &about, HEIGHT + 30);
    let most = bars.iter().copied().max().unwrap_or(0).max(1);
    let step = WIDTH / AGES as u64;
    for (at, count) in bars.into_iter().enumerate() {
        let height = count * (HEIGHT - 15) / most;
        let (x, y) = (at as u64 * step, HEIGHT - height);
        let is_over = at == AGES - 1;
        let (class, label) = match is_over {
            true => ("over", "over".to_owned()),
            false => ("within", format!("{}%", (at + 1) * 10)),
        };
        put(
            out,
            format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{height}\"/>\
                 <text x=\"{x}\" y=\"{}\">{count}</text><text x=\"{x}\" y=\"{}\">{label}</text>\n",
                step * 3 / 4,
                y.saturating_sub(3).max(11),
                HEIGHT + 18
            ),
        );
    }
    end(out);
}

/// What slots spent this month against what they may, and what is normal as a mark.
fn spend(out: &mut String, slots: &[SlotLine]) {
    let share = |slot: &SlotLine| {
        let spent = slot.spent.unwrap_or_default();
        percent(spent, slot.cap)
    };
    let seen = slots.iter().filter(|slot| slot.spent.is_some());
    let mut nearest: Vec<&SlotLine> = seen.collect();
    nearest.sort_by_key(|slot| std::cmp::Reverse(share(slot)));
    let unseen = slots.len() - nearest.len();
    nearest.truncate(MOST_SLOTS);
    let rows = nearest.len() as u64;
    let about = format!(
        "the {rows} slots nearest to what they may spend in the month; of {unseen} slots nothing was seen"
    );
    begin(
        out,
        "Spend this month against limit and normal month",
        &about,
        rows * 22 + 22,
    );
    for (at, slot) in nearest.into_iter().enumerate() {
        let y = at as u64 * 22;
        let share = share(slot);
        let normal = percent(slot.expected, slot.cap).min(100);
        let class = if share >= 100 { "over" } else { "within" };
        put(
            out,
            format_args!(
                "<text x=\"0\" y=\"{}\">{}</text><rect class=\"{class}\" x=\"240\" y=\"{}\" width=\"{}\" height=\"14\"/>\
                 <path class=\"mark\" d=\"M{} {}v18\"/><text x=\"550\" y=\"{}\">{share}%</text>\n",
                y + 15,
                of(&short(slot.slot.as_str())),
                y + 4,
                share.min(100) * 3,
                240 + normal * 3,
                y + 2,
                y + 15
            ),
        );
    }
    put(
        out,
        format_args!(
            "<text x=\"240\" y=\"{}\">100% is the month's limit; the mark is a normal month</text></svg>\n",
            rows * 22 + 15
        ),
    );
}

fn percent(amount: MicroDollars, of: MicroDollars) -> u64 {
    let percent = u128::from(amount.0) * 100 / u128::from(of.0.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX).min(999)
}

/// A name that fits beside its bar.
fn short(name: &str) -> String {
    const MOST: usize = 30;
    match name.chars().count() > MOST {
        true => format!("{}…", name.chars().take(MOST - 1).collect::<String>()),
        false => name.to_owned(),
    }
}

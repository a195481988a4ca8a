//! Charts, drawn as text: no script, no picture from elsewhere. Each says in words what it shows, for who cannot see it and
//! for who wants the figures.

use keyward_core::model::audit::{AuditReport, Counts, Period, SlotLine};
use keyward_core::model::finding::Gravity;
use keyward_core::model::money::MicroDollars;

use super::{of, put};

/// The width of a drawing: small, so that its letters can be read on a phone.
const WIDTH: u64 = 400;

/// The height of the part with bars in it.
const HEIGHT: u64 = 150;

/// Room for bars below the figure that stands on the highest.
const TALLEST: u64 = HEIGHT - 28;

/// Audits in the chart over time: what there is room for.
const MOST_AUDITS: usize = 12;

/// Slots in a chart of slots: those nearest to their limit.
const MOST_SLOTS: usize = 10;

/// The height of a slot's line: its name, its bar under it.
const LINE: u64 = 34;

/// Bars in the chart of ages: tenths of what the policy allows, and what is beyond.
const AGES: usize = 11;

/// A share of what is normal that alerts, and one that kills: the rules on usage have them as 150 % and 200 %.
const UNUSUAL: u64 = 150;
const ABUSE: u64 = 200;

/// All charts of a report.
pub(super) fn all(out: &mut String, report: &AuditReport) {
    out.push_str("<h2>Charts</h2>\n<div class=\"charts\">\n");
    over_time(out, report);
    ages(out, &report.slots);
    against_caps(out, &report.slots);
    against_normal(out, report);
    out.push_str("</div>\n");
}

/// A drawing with its title, what it shows in words, and what its colours mean.
fn figure(
    out: &mut String,
    (id, title): (&str, &str),
    about: &str,
    legend: &[(&str, &str)],
    (height, shapes): (u64, &str),
) {
    put(
        out,
        format_args!(
            "<figure>\n<figcaption><h3>{title}</h3>\n<p class=\"soft\" id=\"c-{id}\">{about}</p>\n"
        ),
    );
    if !legend.is_empty() {
        out.push_str("<ul class=\"legend\">");
        for (class, words) in legend {
            put(
                out,
                format_args!(
                    "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"{class}\" width=\"10\" \
                     height=\"10\"/></svg>{words}</li>"
                ),
            );
        }
        out.push_str("</ul>\n");
    }
    put(
        out,
        format_args!(
            "</figcaption>\n<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\" \
             aria-describedby=\"c-{id}\">\n{shapes}</svg>\n</figure>\n"
        ),
    );
}

/// A bar; none where there is nothing.
fn bar(out: &mut String, class: &str, (x, y): (u64, u64), (width, height): (u64, u64)) {
    if width > 0 && height > 0 {
        put(
            out,
            format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>\n"
            ),
        );
    }
}

/// How tall a bar is: what there is, is seen.
fn tall(count: u64, most: u64) -> u64 {
    match count {
        0 => 0,
        count => (count * TALLEST / most.max(1)).max(2),
    }
}

fn axis(out: &mut String) {
    put(
        out,
        format_args!("<path class=\"axis\" d=\"M0 {HEIGHT}H{WIDTH}\"/>\n"),
    );
}

/// A figure on a bar, and what stands under it.
fn labels(out: &mut String, (x, top): (u64, u64), count: u64, under: &str) {
    put(
        out,
        format_args!(
            "<text class=\"mid\" x=\"{x}\" y=\"{}\">{count}</text><text class=\"mid under\" x=\"{x}\" y=\"{}\">{under}</text>\n",
            top - 4,
            HEIGHT + 15
        ),
    );
}

/// What was open after each audit, by gravity; the worst at the bottom.
fn over_time(out: &mut String, report: &AuditReport) {
    let now = (report.period, report.open());
    let past = report.past.iter().map(|audit| (audit.period, audit.open));
    let audits: Vec<(Period, Counts)> = past.chain([now]).collect();
    let last = &audits[audits.len().saturating_sub(MOST_AUDITS)..];
    let all = |(_, open): &(Period, Counts)| u64::from(open.total());
    let most = last.iter().map(all).max().unwrap_or(0);
    let step = WIDTH / MOST_AUDITS as u64;
    let mut shapes = String::new();
    for (at, audit) in last.iter().enumerate() {
        let (period, open) = audit;
        let x = at as u64 * step;
        let mut y = HEIGHT;
        for gravity in Gravity::ALL {
            let height = tall(open.of(gravity).into(), most);
            y -= height;
            bar(
                &mut shapes,
                gravity.as_str(),
                (x + 4, y),
                (step - 8, height),
            );
        }
        let period = period.to_string();
        let (year, month) = period.split_once('-').unwrap_or((&period, ""));
        labels(&mut shapes, (x + step / 2, y), all(audit), month);
        if at == 0 || month == "01" {
            put(
                &mut shapes,
                format_args!(
                    "<text class=\"mid under\" x=\"{}\" y=\"{}\">{year}</text>\n",
                    x + step / 2,
                    HEIGHT + 29
                ),
            );
        }
    }
    axis(&mut shapes);
    let told = last.iter().map(|(period, open)| {
        let by = Gravity::ALL.map(|gravity| format!("{} {gravity}", open.of(gravity)));
        format!("{period}: {} ({})", open.total(), by.join(", "))
    });
    let told: Vec<String> = told.collect();
    // Of many, the words are those of the last three: the bars show the others.
    let about = told[told.len().saturating_sub(3)..].join("; ");
    let legend = Gravity::ALL.map(|gravity| (gravity.as_str(), gravity.as_str()));
    let title = ("time", "Open findings over past audits");
    let drawn = (HEIGHT + 36, shapes.as_str());
    figure(out, title, &format!("Open after {about}."), &legend, drawn);
}

/// How old keys are, in tenths of what their policies allow.
fn ages(out: &mut String, slots: &[SlotLine]) {
    let mut bars = [0_u64; AGES];
    for slot in slots {
        let Some(age) = slot.age_days else { continue };
        let tenth = u64::from(age) * 10 / u64::from(slot.max_age_days.max(1));
        // A key is older than its policy allows from the day after it: on the day itself it is not.
        let at = match age > slot.max_age_days {
            true => AGES - 1,
            false => (tenth as usize).min(AGES - 2),
        };
        bars[at] += 1;
    }
    let (over, keys) = (bars[AGES - 1], bars.iter().sum::<u64>());
    let most = bars.iter().copied().max().unwrap_or(0);
    let step = WIDTH / AGES as u64;
    let mut shapes = String::new();
    for (at, count) in bars.into_iter().enumerate() {
        let height = tall(count, most);
        let (x, y) = (at as u64 * step, HEIGHT - height);
        let (class, label) = match at == AGES - 1 {
            true => ("over", "over".to_owned()),
            false => ("within", format!("{}%", (at + 1) * 10)),
        };
        bar(&mut shapes, class, (x + 3, y), (step - 6, height));
        labels(&mut shapes, (x + step / 2, y), count, &label);
    }
    axis(&mut shapes);
    let about = format!(
        "{over} of {keys} current keys are older than their policy allows; slots without a key: {}.",
        slots.len() as u64 - keys
    );
    let legend = [("within", "within the policy"), ("over", "older")];
    let title = ("ages", "Age of keys against their policy");
    figure(out, title, &about, &legend, (HEIGHT + 22, &shapes));
}

/// What slots spent this month against what they may.
fn against_caps(out: &mut String, slots: &[SlotLine]) {
    let shares = shares(slots, |slot| slot.cap);
    let over = shares.iter().filter(|(share, _)| *share >= 100).count();
    let about = format!(
        "{over} of {} slots are at their month's limit or over it; slots of which nothing was seen: {}. {}",
        shares.len(),
        slots.len() - shares.len(),
        shown(shares.len(), "nearest to it")
    );
    let legend = [("within", "within the limit"), ("over", "at it or over")];
    let title = ("caps", "Spend this month against the limit");
    let scale = Scale {
        full: 150,
        marks: &[100],
        over: 100,
    };
    let drawn = lines(&shares, &scale);
    figure(out, title, &about, &legend, (drawn.0, &drawn.1));
}

/// What slots spent this month against what is normal by this day of it.
fn against_normal(out: &mut String, report: &AuditReport) {
    let (day, days) = days(report);
    let shares = shares(&report.slots, |slot| normal(slot, day, days));
    let learned = shares
        .iter()
        .filter(|(_, slot)| slot.normal_day.is_some())
        .count();
    let over = shares.iter().filter(|(share, _)| *share >= UNUSUAL).count();
    let about = format!(
        "{over} of {} slots spent {UNUSUAL}% or more of what is normal by day {day} of {days}: of {learned} that is learned from their use, of \
         the others what people said; slots of which nothing was seen: {}. {}",
        shares.len(),
        report.slots.len() - shares.len(),
        shown(shares.len(), "furthest above it")
    );
    let legend = [("within", "usual"), ("over", "unusual")];
    let title = ("normal", "Usage against its baseline");
    let scale = Scale {
        full: 300,
        marks: &[100, UNUSUAL, ABUSE],
        over: UNUSUAL,
    };
    let drawn = lines(&shares, &scale);
    figure(out, title, &about, &legend, (drawn.0, &drawn.1));
}

/// What is normal for a slot by a day of a month of so many days: by its learned baseline, or else by what people said.
pub(super) fn normal(slot: &SlotLine, day: u64, days: u64) -> MicroDollars {
    let normal = match slot.normal_day {
        Some(normal_day) => u128::from(normal_day.0) * u128::from(day),
        None => u128::from(slot.expected.0) * u128::from(day) / u128::from(days),
    };
    MicroDollars(u64::try_from(normal).unwrap_or(u64::MAX))
}

/// The day of the month that the report was made on, and the days of the month: the last of them if the month is over.
pub(super) fn days(report: &AuditReport) -> (u64, u64) {
    let date = |at| jiff::tz::Offset::UTC.to_datetime(at).date();
    let day = |day: i8| u64::try_from(day).unwrap_or(1).max(1);
    let days = day(date(report.period.begins()).days_in_month());
    match Period::of(report.made) == report.period {
        true => (day(date(report.made).day()), days),
        false => (days, days),
    }
}

fn shown(of: usize, which: &str) -> String {
    match of > MOST_SLOTS {
        true => format!("Shown are the {MOST_SLOTS} {which}."),
        false => String::new(),
    }
}

/// Slots of which something was seen, with their share in percent, the greatest first.
fn shares(slots: &[SlotLine], of: impl Fn(&SlotLine) -> MicroDollars) -> Vec<(u64, &SlotLine)> {
    let seen = slots
        .iter()
        .filter_map(|slot| Some((percent(slot.spent?, of(slot)), slot)));
    let mut shares: Vec<(u64, &SlotLine)> = seen.collect();
    shares.sort_by_key(|(share, _)| std::cmp::Reverse(*share));
    shares
}

/// What a line of a chart is measured by.
struct Scale {
    /// The share of a line that is full, in percent.
    full: u64,
    /// Shares that are marked.
    marks: &'static [u64],
    /// The share from which a bar has the other colour.
    over: u64,
}

/// A line for each of the first slots: name and share, and a bar under them. Its height, and its shapes.
fn lines(shares: &[(u64, &SlotLine)], scale: &Scale) -> (u64, String) {
    let mut shapes = String::new();
    let first = &shares[..shares.len().min(MOST_SLOTS)];
    for (at, (share, slot)) in first.iter().enumerate() {
        let y = at as u64 * LINE;
        let class = if *share >= scale.over {
            "over"
        } else {
            "within"
        };
        let more = if *share >= MOST_PERCENT { "over " } else { "" };
        put(
            &mut shapes,
            format_args!(
                "<text x=\"0\" y=\"{0}\">{1}</text><text class=\"end\" x=\"{WIDTH}\" y=\"{0}\">{more}{share}%</text>\n",
                y + 13,
                of(&short(slot.slot.as_str())),
            ),
        );
        bar(&mut shapes, "track", (0, y + 18), (WIDTH, 9));
        let width = (*share).min(scale.full) * WIDTH / scale.full;
        bar(&mut shapes, class, (0, y + 18), (width, 9));
    }
    let bottom = first.len() as u64 * LINE;
    if first.is_empty() {
        shapes.push_str("<text x=\"0\" y=\"14\">No spend of any slot was seen.</text>\n");
        return (22, shapes);
    }
    for mark in scale.marks {
        let x = mark * WIDTH / scale.full;
        for at in 0..first.len() as u64 {
            let top = at * LINE + 16;
            put(
                &mut shapes,
                format_args!("<path class=\"mark\" d=\"M{x} {top}v13\"/>\n"),
            );
        }
        put(
            &mut shapes,
            format_args!(
                "<text class=\"mid under\" x=\"{x}\" y=\"{}\">{mark}%</text>\n",
                bottom + 12
            ),
        );
    }
    (bottom + 18, shapes)
}

/// A share beyond which only that it is beyond is told.
const MOST_PERCENT: u64 = 999;

fn percent(amount: MicroDollars, of: MicroDollars) -> u64 {
    let percent = u128::from(amount.0) * 100 / u128::from(of.0.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX).min(MOST_PERCENT)
}

/// A name that fits before its share.
fn short(name: &str) -> String {
    const MOST: usize = 36;
    match name.chars().count() > MOST {
        true => format!("{}…", name.chars().take(MOST - 1).collect::<String>()),
        false => name.to_owned(),
    }
}

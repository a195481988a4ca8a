//! One page that needs nothing else: no script, no network, and a policy that forbids both.

use std::fmt::Write;

use keyward_core::model::text::escaped_for_html as escaped;

use crate::chart::{Chart, Event, Mark, day};
use crate::targets::Target;

const STYLE: &str = include_str!("page.css");
/// Of [`STYLE`], so that nothing else is ever taken for a style.
const STYLE_HASH: &str = "sha256-1TtazJwzzFGvWdFrPIp0CF+2+ZeKCe9AFyNUO5ekhOk=";

/// What is on the page.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// Its heading.
    pub title: &'a str,
    /// One line under it.
    pub about: &'a str,
    /// Figures with what they are held to; none for slots.
    pub targets: &'a [Target],
    /// One section each.
    pub charts: &'a [Chart],
}

/// The page as HTML.
pub fn page(page: &Page<'_>) -> String {
    let mut out = String::new();
    let (title, about) = (escaped(page.title), escaped(page.about));
    put(
        &mut out,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{STYLE_HASH}'; \
             base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{about}</p>\n"
        ),
    );
    table(&mut out, page.targets);
    if !page.charts.is_empty() {
        out.push_str(
            "<p>Dollars in the last hour, at the end of each: <b class=\"spent\">spent</b>, <b class=\"normal\">normal</b>, \
             <b class=\"limit\">what kills by itself</b>; marked <b class=\"kill\">kills</b>, <b class=\"alert\">alerts</b> and \
             <b class=\"theft\">thefts put in</b>. Times are UTC.</p>\n",
        );
    }
    for chart in page.charts {
        section(&mut out, chart);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Writing to a string does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn table(out: &mut String, targets: &[Target]) {
    if targets.is_empty() {
        return;
    }
    out.push_str(
        "<div class=\"wide\" role=\"region\" aria-label=\"Figures\" tabindex=\"0\"><table>\n<tr><th scope=\"col\">Measure</th>\
         <th scope=\"col\">Figure</th><th scope=\"col\">Worst seed</th><th scope=\"col\">Must</th><th scope=\"col\">Aim</th>\
         <th scope=\"col\">Reached</th></tr>\n",
    );
    for target in targets {
        let (class, word) = match (target.must_reached(), target.aim_reached()) {
            (_, true) => ("yes", "aim"),
            (true, false) => ("yes", "must"),
            (false, false) => ("no", "no"),
        };
        put(
            out,
            format_args!(
                "<tr><td>{}</td><td class=\"n\">{:.1}</td><td class=\"n\">{:.1}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"{class}\">{word}</td></tr>\n",
                escaped(&target.name),
                target.value,
                target.worst,
                target.must,
                target.aim
            ),
        );
    }
    out.push_str("</table></div>\n");
}

fn section(out: &mut String, chart: &Chart) {
    put(
        out,
        format_args!(
            "<section>\n<h2>{}</h2>\n<p>{}</p>\n",
            escaped(&chart.name),
            escaped(&chart.about)
        ),
    );
    curve(out, chart);
    events(out, &chart.events);
    out.push_str("</section>\n");
}

/// The height of the drawing; an hour is one wide.
const HEIGHT: u64 = 200;

fn curve(out: &mut String, chart: &Chart) {
    let (Some((first, _)), Some((last, _))) = (chart.hours.first(), chart.hours.last()) else {
        return;
    };
    let spent = |hour: &keyward_core::rules::anomaly::Hour| Some(hour.spent.0);
    let normal = |hour: &keyward_core::rules::anomaly::Hour| hour.normal.map(|normal| normal.0);
    let limit = |hour: &keyward_core::rules::anomaly::Hour| hour.limit.map(|limit| limit.0);
    let most = chart.hours.iter().map(|(_, hour)| hour.spent.0).max();
    let limits = chart.hours.iter().filter_map(|(_, hour)| limit(hour));
    // A limit far above all spend would flatten the curve: it is cut at twice the most that was spent.
    let most = most.unwrap_or(0).max(10_000);
    let top = limits.max().unwrap_or(0).clamp(most, 2 * most);
    put(
        out,
        format_args!(
            "<svg viewBox=\"0 0 {} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Dollars in an hour, {}\">\n",
            chart.hours.len(),
            escaped(&chart.name)
        ),
    );
    let hours = || chart.hours.iter().map(|(_, hour)| hour);
    for (class, path) in [
        ("limit", path(hours().map(limit), top)),
        ("normal", path(hours().map(normal), top)),
        ("spent", path(hours().map(spent), top)),
    ] {
        put(
            out,
            format_args!("<path class=\"{class}\" d=\"{path}\"/>\n"),
        );
    }
    for event in &chart.events {
        let x = event.at.hour().saturating_sub(first.hour());
        let class = event.mark.word();
        put(
            out,
            format_args!("<path class=\"{class}\" d=\"M{x} 0V{HEIGHT}\"/>\n"),
        );
    }
    put(
        out,
        format_args!(
            "</svg>\n<div class=\"ends\"><span>{}</span><span>up to {} in an hour</span><span>{}</span></div>\n",
            day(*first),
            keyward_core::model::money::MicroDollars(top),
            day(*last)
        ),
    );
}

/// Lines through the points that there are; what is not known is left out.
fn path(points: impl Iterator<Item = Option<u64>>, top: u64) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (x, point) in points.enumerate() {
        if let Some(value) = point {
            let y = HEIGHT - value.min(top).saturating_mul(HEIGHT) / top;
            let to = if drawing { 'L' } else { 'M' };
            put(&mut path, format_args!("{to}{x} {y}"));
        }
        drawing = point.is_some();
    }
    path
}

fn events(out: &mut String, events: &[Event]) {
    if events.is_empty() {
        out.push_str("<p>Nothing was found.</p>\n");
        return;
    }
    let count = |mark| events.iter().filter(|event| event.mark == mark).count();
    put(
        out,
        format_args!(
            "<details><summary>kills: {}, alerts: {}, thefts put in: {}</summary>\n<ul>\n",
            count(Mark::Kill),
            count(Mark::Alert),
            count(Mark::Theft)
        ),
    );
    for event in events {
        put(
            out,
            format_args!(
                "<li><b class=\"{0}\">{0}</b> {1}: {2}</li>\n",
                event.mark.word(),
                event.at.ends().strftime("%Y-%m-%d %H:%M"),
                escaped(&event.text)
            ),
        );
    }
    out.push_str("</ul></details>\n");
}

#[cfg(test)]
mod tests;

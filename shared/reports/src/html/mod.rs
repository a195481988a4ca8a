//! One page that needs nothing else: no network, and a policy that lets run its own script and style and nothing more.

mod charts;

use std::fmt::Write;

use keyward_core::model::act::{Act, Subject};
use keyward_core::model::audit::{AuditReport, Entry, History, Standing};
use keyward_core::model::finding::{Gravity, Owasp};
use keyward_core::model::text::escaped_for_html as escaped;
use keyward_core::rules::audit::rule;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Of [`STYLE`] and [`SCRIPT`], so that nothing else is ever taken for one.
pub(crate) const STYLE_HASH: &str = "sha256-+I/auolI9Lqnl2KwGr5LkO9YRhP+oRHJBt71O28SPNg=";
pub(crate) const SCRIPT_HASH: &str = "sha256-FnSRvYeJyqExydZgroiI7ymAVOZPw7Dhucqmm1LKDI8=";

/// Rows of a table at most: a browser has to hold them. The rest is in the other files.
pub(crate) const MOST_ROWS: usize = 5_000;

/// The report as HTML.
pub fn page(report: &AuditReport) -> String {
    let mut out = String::new();
    head(&mut out, report);
    summary(&mut out, report);
    not_seen(&mut out, report);
    charts::all(&mut out, report);
    findings(&mut out, report);
    slots(&mut out, report);
    acts(&mut out, &report.acts);
    put(
        &mut out,
        format_args!("</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"),
    );
    out
}

/// Writing to a string does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn of(value: &impl ToString) -> String {
    escaped(&value.to_string())
}

fn maybe<T: ToString>(value: Option<&T>) -> String {
    value.map(of).unwrap_or_default()
}

fn head(out: &mut String, report: &AuditReport) {
    let title = format!("Audit of {}, {}", of(&report.stack), report.period);
    put(
        out,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{STYLE_HASH}'; \
             script-src '{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
             <p class=\"soft\">Made at {}: {} slots, {} keys of theirs that may be alive, {} keys in providers' lists.</p>\n",
            report.made, report.totals.slots, report.totals.keys, report.totals.listed
        ),
    );
}

fn summary(out: &mut String, report: &AuditReport) {
    let open = report.open();
    out.push_str("<ul class=\"cards\">\n");
    for gravity in Gravity::ALL {
        put(
            out,
            format_args!(
                "<li class=\"gravity {gravity}\"><b class=\"{gravity}\">{}</b>open, {gravity}</li>\n",
                open.of(gravity)
            ),
        );
    }
    for standing in Standing::ALL {
        let count = report.findings.iter().filter(|e| e.standing == standing);
        put(
            out,
            format_args!("<li><b>{}</b>{standing}</li>\n", count.count()),
        );
    }
    out.push_str("</ul>\n");
}

fn not_seen(out: &mut String, report: &AuditReport) {
    if report.history == History::Unknown {
        out.push_str(
            "<p class=\"soft\">The audits before were not read: what is new is not known, and every finding stands as new.</p>\n",
        );
    }
    if report.is_complete() {
        out.push_str("<p class=\"well\">Everything that is set up to be read was read.</p>\n");
        unlooked(out, report);
        return;
    }
    out.push_str(
        "<div class=\"bad\" role=\"alert\"><p><b>INCOMPLETE.</b> Not everything was read. What was found is so; of the \
         rest nothing is known, and nothing of it is called well.</p>\n<ul>\n",
    );
    for (source, seen) in report.coverage.iter() {
        if let Some(why) = seen.why() {
            put(out, format_args!("<li>{}: {}</li>\n", of(source), of(why)));
        }
    }
    out.push_str("</ul></div>\n");
}

/// What nobody has set up to be read: of it, too, nothing is known.
fn unlooked(out: &mut String, report: &AuditReport) {
    let mut absent = report.coverage.absent().peekable();
    if absent.peek().is_none() {
        return;
    }
    out.push_str("<p>Not seen, since it is not set up to be read, so nothing of it is called well:</p>\n<ul>\n");
    for (source, why) in absent {
        put(out, format_args!("<li>{}: {}</li>\n", of(source), of(why)));
    }
    out.push_str("</ul>\n");
}

fn findings(out: &mut String, report: &AuditReport) {
    out.push_str("<h2 id=\"h-findings\">Findings</h2>\n");
    if report.findings.is_empty() {
        out.push_str("<p>Nothing was found in what was read.</p>\n");
        return;
    }
    filters(out);
    more(out, report.findings.len());
    out.push_str(
        "<table class=\"stack\" id=\"findings\" aria-labelledby=\"h-findings\">\n<thead><tr><th scope=\"col\">Gravity</th>\
         <th scope=\"col\">Standing</th><th scope=\"col\">What is wrong</th><th scope=\"col\">About</th>\
         <th scope=\"col\">Owner</th><th scope=\"col\">Seen</th><th scope=\"col\">Since</th><th scope=\"col\">What mends it</th>\
         </tr></thead>\n<tbody>\n",
    );
    let shown = report.findings.iter().take(MOST_ROWS);
    shown.for_each(|entry| finding(out, entry));
    out.push_str("</tbody>\n</table>\n");
}

fn filters(out: &mut String) {
    out.push_str(
        "<div class=\"filters\" id=\"filters\" hidden>\n<label>Text <input id=\"text\" type=\"search\"></label>\n\
         <label>Gravity <select id=\"gravity\"><option value=\"\">all</option>",
    );
    for gravity in Gravity::ALL {
        put(out, format_args!("<option>{gravity}</option>"));
    }
    out.push_str(
        "</select></label>\n<label>Standing <select id=\"standing\"><option value=\"\">all</option>",
    );
    for standing in Standing::ALL {
        put(out, format_args!("<option>{standing}</option>"));
    }
    out.push_str("</select></label>\n<label>Order <select id=\"order\"><option value=\"\">most urgent first</option></select></label>\n\
         <p id=\"count\" role=\"status\"></p>\n</div>\n");
}

/// That a table does not hold all of it.
fn more(out: &mut String, all: usize) {
    if all > MOST_ROWS {
        put(
            out,
            format_args!(
                "<p>The first {MOST_ROWS} of {all} are shown. All of them are in the other files of this report.</p>\n"
            ),
        );
    }
}

fn finding(out: &mut String, entry: &Entry) {
    let finding = &entry.finding;
    let rule = rule(&finding.rule);
    let title = rule.map_or(finding.rule.as_str(), |rule| rule.title);
    let owasp = rule.map_or_else(String::new, |rule| {
        let names = rule.owasp.iter().copied();
        names.map(Owasp::as_str).collect::<Vec<_>>().join(", ")
    });
    let (gravity, standing) = (finding.gravity, entry.standing);
    put(
        out,
        format_args!(
            "<tr data-gravity=\"{gravity}\" data-standing=\"{standing}\">\
             <td data-label=\"Gravity\" data-key=\"{}\"><b class=\"{gravity}\">{gravity}</b></td>\
             <td data-label=\"Standing\">{standing}</td>\
             <td data-label=\"What is wrong\" class=\"name\">{}<br><span class=\"soft\">{}, {}</span></td>\
             <td data-label=\"About\" class=\"name\"><span class=\"soft\">{}</span><br>{}</td><td data-label=\"Owner\" class=\"name\">{}</td>\
             <td data-label=\"Seen\" class=\"wide\">{}</td><td data-label=\"Since\" class=\"day\">{}</td>",
            4 - gravity as u8,
            escaped(title),
            of(&finding.rule),
            escaped(&owasp),
            escaped(finding.about.kind()),
            of(&finding.about),
            maybe(finding.owner.as_ref()),
            of(&finding.evidence),
            finding
                .since
                .map(|at| at.strftime("%Y-%m-%d").to_string())
                .unwrap_or_default(),
        ),
    );
    out.push_str("<td data-label=\"What mends it\" class=\"wide\">");
    put(
        out,
        format_args!("{}", escaped(rule.map_or("", |rule| rule.mend))),
    );
    if let Some(command) = &finding.command {
        put(
            out,
            format_args!("<br><code>{}</code>", escaped(command.as_str())),
        );
    }
    if let Some(risk) = &entry.accepted {
        put(
            out,
            format_args!(
                "<br>{} answers for it until {}: {}",
                of(&risk.owner),
                risk.until,
                of(&risk.reason)
            ),
        );
    }
    out.push_str("</td></tr>\n");
}

fn slots(out: &mut String, report: &AuditReport) {
    let slots = &report.slots;
    if slots.is_empty() {
        return;
    }
    let (_, days) = charts::days(report);
    out.push_str("<h2 id=\"h-slots\">Slots</h2>\n");
    more(out, slots.len());
    out.push_str(
        "<table class=\"stack\" aria-labelledby=\"h-slots\">\n<thead><tr><th scope=\"col\">Slot</th><th scope=\"col\">Agent</th>\
         <th scope=\"col\">Owner</th><th scope=\"col\">Account</th><th scope=\"col\" class=\"n\">Key's age, days</th>\
         <th scope=\"col\" class=\"n\">At most</th><th scope=\"col\" class=\"n\">Spent in the month</th>\
         <th scope=\"col\" class=\"n\">Normal month</th><th scope=\"col\" class=\"n\">May spend</th></tr></thead>\n<tbody>\n",
    );
    for slot in slots.iter().take(MOST_ROWS) {
        let spent = slot
            .spent
            .map_or_else(|| "not seen".to_owned(), |spent| spent.to_string());
        let normal = charts::normal(slot, days, days);
        put(
            out,
            format_args!(
                "<tr><td data-label=\"Slot\" class=\"name\">{}</td><td data-label=\"Agent\">{}</td><td data-label=\"Owner\" class=\"name\">{}</td>\
                 <td data-label=\"Account\">{}</td><td data-label=\"Key's age, days\" class=\"n\" data-key=\"{}\">{}</td>\
                 <td data-label=\"At most\" class=\"n\">{}</td><td data-label=\"Spent in the month\" class=\"n\" data-key=\"{}\">{spent}</td>\
                 <td data-label=\"Normal month\" class=\"n\" data-key=\"{}\">{}</td><td data-label=\"May spend\" class=\"n\" data-key=\"{}\">{}</td></tr>\n",
                of(&slot.slot),
                of(&slot.agent),
                of(&slot.owner),
                of(&slot.account),
                slot.age_days.map_or(-1, i64::from),
                slot.age_days
                    .map_or_else(|| "no key".to_owned(), |days| days.to_string()),
                slot.max_age_days,
                slot.spent.map_or(-1, |spent| i128::from(spent.0)),
                normal.0,
                normal,
                slot.cap.0,
                slot.cap
            ),
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

fn acts(out: &mut String, acts: &[Act]) {
    out.push_str("<h2 id=\"h-acts\">What people did</h2>\n");
    if acts.is_empty() {
        out.push_str("<p>No act is recorded in this period.</p>\n");
        return;
    }
    more(out, acts.len());
    out.push_str(
        "<table class=\"stack\" aria-labelledby=\"h-acts\">\n<thead><tr><th scope=\"col\">When</th><th scope=\"col\">Who</th>\
         <th scope=\"col\">What</th><th scope=\"col\">About</th><th scope=\"col\">Why</th><th scope=\"col\">Entry</th></tr></thead>\n<tbody>\n",
    );
    for act in acts.iter().take(MOST_ROWS) {
        let subject = match &act.subject {
            Subject::Fleet => "the fleet".to_owned(),
            Subject::Slot(slot) => of(slot),
            Subject::Pool(account) => format!("the pool of {}", of(account)),
            Subject::Finding(id) => format!("finding {id}"),
        };
        put(
            out,
            format_args!(
                "<tr><td data-label=\"When\">{}</td><td data-label=\"Who\">{}</td><td data-label=\"What\">{}</td>\
                 <td data-label=\"About\">{subject}</td><td data-label=\"Why\">{}</td><td data-label=\"Entry\">{}</td></tr>\n",
                act.at,
                of(&act.caller),
                of(&act.operation),
                of(&act.reason),
                act.outcome.as_ref().map_or_else(|| "begun".to_owned(), of),
            ),
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

use keyward_core::model::money::MicroDollars;
use keyward_core::model::usage::Bucket;
use keyward_core::rules::anomaly::Hour;
use sha2::{Digest, Sha256};

use super::*;

fn chart(name: &str, text: &str) -> Chart {
    let hour = |spent, normal: Option<u64>| Hour {
        spent: MicroDollars(spent),
        normal: normal.map(MicroDollars),
        limit: Some(MicroDollars(40_000_000)),
    };
    let at = |hour: u32| Bucket(12 * hour + 11);
    Chart {
        name: name.to_owned(),
        about: "one".to_owned(),
        hours: vec![
            (at(100), hour(0, None)),
            (at(101), hour(20_000_000, Some(5_000_000))),
            (at(102), hour(10_000_000, None)),
        ],
        events: vec![Event {
            at: at(101),
            mark: Mark::Kill,
            text: text.to_owned(),
        }],
    }
}

fn of(charts: &[Chart]) -> String {
    page(&Page {
        title: "Title <1>",
        about: "about",
        targets: &[],
        charts,
    })
}

#[test]
fn the_policy_names_the_style_that_is_there_and_allows_nothing_else() {
    let digest = Sha256::digest(STYLE.as_bytes());
    assert_eq!(STYLE_HASH, format!("sha256-{}", base64(&digest)));
    let page = of(&[]);
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"));
    let page = of(&[chart("a", "b")]);
    for forbidden in [
        "<script", "http:", "https:", "url(", "@import", "style=", "<img", "<link", " on",
    ] {
        let found = page.matches(forbidden).count();
        let allowed = if forbidden == " on" {
            page.matches(" one").count()
        } else {
            0
        };
        assert_eq!(found, allowed, "{forbidden}");
    }
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("width=device-width"));
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| {
            bits << 8 | u32::from(*three.get(at).unwrap_or(&0))
        });
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() {
                letter.into()
            } else {
                '='
            });
        }
    }
    out
}

#[test]
fn text_from_outside_is_text() {
    let nasty = "</section><script>alert('1')</script>\u{1b}[31m\"&";
    let page = of(&[chart(nasty, nasty)]);
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
    let escaped = "&lt;/section&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; [31m&quot;&amp;";
    assert_eq!(
        page.matches(escaped).count(),
        3,
        "heading, label of the drawing, event"
    );
    assert!(page.contains("<title>Title &lt;1&gt;</title>"));
}

#[test]
fn curves_are_scaled_and_leave_out_what_is_not_known() {
    let page = of(&[chart("a", "b")]);
    // The limit of $40 is the top: twice the most that was spent.
    for expected in [
        "<svg viewBox=\"0 0 3 200\"",
        "class=\"spent\" d=\"M0 200L1 100L2 150\"",
        "class=\"normal\" d=\"M1 175\"",
        "class=\"limit\" d=\"M0 0L1 0L2 0\"",
        "class=\"kill\" d=\"M1 0V200\"",
        "up to $40.00 in an hour",
        "kills: 1, alerts: 0, thefts put in: 0",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
}

#[test]
fn nothing_known_is_no_curve() {
    let page = of(&[Chart {
        name: "empty".to_owned(),
        ..Chart::default()
    }]);
    assert!(!page.contains("<svg") && page.contains("Nothing was found."));
}

#[test]
fn targets_say_what_is_reached() {
    let target = |value, must, aim| Target {
        name: "a < b".to_owned(),
        value,
        worst: value,
        must,
        aim,
        more_is_better: false,
    };
    let targets = [
        target(1.0, 2.0, 1.0),
        target(2.0, 2.0, 1.0),
        target(3.0, 2.0, 1.0),
    ];
    let page = page(&Page {
        title: "",
        about: "",
        targets: &targets,
        charts: &[],
    });
    for expected in [
        ">aim</td>",
        ">must</td>",
        "class=\"no\">no</td>",
        "a &lt; b",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
}

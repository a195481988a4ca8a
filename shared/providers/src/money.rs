//! Dollars in JSON, without binary fractions on the way.

use keyward_core::model::money::MicroDollars;
use serde_json::Value;

/// Decimals of a dollar that are kept, and of a cent.
const DOLLAR: i64 = 6;
const CENT: i64 = 4;

/// No key spends a billion dollars: such a figure is unknown.
const ABSURD: u64 = 1_000_000_000 * 1_000_000;

/// The amount as an exact decimal number of dollars.
pub(crate) fn dollars(amount: MicroDollars) -> String {
    let text = format!("{}.{:06}", amount.0 / 1_000_000, amount.0 % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Dollars as a number, or as a string of one, to the nearest micro-dollar. Negative, absurd and unreadable amounts are
/// unknown, never zero.
pub(crate) fn micro_dollars(value: &Value) -> Option<MicroDollars> {
    read(value, DOLLAR)
}

/// The same of cents, with their fractions.
pub(crate) fn micro_dollars_of_cents(value: &Value) -> Option<MicroDollars> {
    read(value, CENT)
}

fn read(value: &Value, decimals: i64) -> Option<MicroDollars> {
    let micros = match value {
        // The shortest text that reads back as the same double: the decimal that was meant.
        Value::Number(number) => decimal_micros(&number.to_string(), decimals),
        Value::String(text) => decimal_micros(text, decimals),
        _ => None,
    }?;
    (micros <= ABSURD).then_some(MicroDollars(micros))
}

/// Reads `12.34`, `1e-7` and the like without binary fractions, `decimals` of them kept; halves round up.
fn decimal_micros(text: &str, decimals: i64) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty()
        || !fraction
            .bytes()
            .chain(whole.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let Ok(places) = i64::try_from(fraction.len()) else {
        return None;
    };
    // The value is `digits` x 10^shift micro-dollars.
    let shift = exponent.checked_sub(places)?.checked_add(decimals)?;
    let length = digits.len() as i64;
    if digits.is_empty() || length.checked_add(shift)? < 0 {
        return Some(0);
    }
    if length.checked_add(shift)? > 19 {
        return None;
    }
    if shift >= 0 {
        return digits
            .parse::<u64>()
            .ok()?
            .checked_mul(10_u64.checked_pow(shift as u32)?);
    }
    let (kept, cut) = digits.split_at((length + shift) as usize);
    let kept: u64 = if kept.is_empty() {
        0
    } else {
        kept.parse().ok()?
    };
    kept.checked_add(u64::from(cut.as_bytes()[0] >= b'5'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(value: Value) -> Option<u64> {
        micro_dollars(&value).map(|m| m.0)
    }

    #[test]
    fn money_is_read_to_the_nearest_micro_dollar() {
        for (text, expected) in [
            ("0", Some(0)),
            ("100", Some(100_000_000)),
            ("0.1", Some(100_000)),
            ("74.5", Some(74_500_000)),
            ("325.50", Some(325_500_000)),
            ("0.000001", Some(1)),
            ("0.0000005", Some(1)),
            ("0.00000049", Some(0)),
            ("1e-7", Some(0)),
            ("5E-7", Some(1)),
            ("1.5e2", Some(150_000_000)),
            ("1e9", Some(ABSURD)),
            ("1000000000.000001", None),
            ("1e300", None),
            ("1e-300", Some(0)),
            ("-0.1", None),
            ("-1", None),
            ("0.30000000000000004", Some(300_000)),
            ("\"12.34\"", Some(12_340_000)),
            ("\"1e99999999999999999999\"", None),
            ("\"1e9223372036854775807\"", None),
            ("\"1e-9223372036854775808\"", Some(0)),
            ("\"NaN\"", None),
            ("\"Infinity\"", None),
            ("\"+1\"", None),
            ("\"\"", None),
            ("\".5\"", None),
            ("\"1.2.3\"", None),
            ("null", None),
            ("true", None),
            ("{}", None),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(micros(value), expected, "{text}");
        }
    }

    #[test]
    fn cents_keep_their_fractions() {
        for (text, expected) in [
            ("\"12345.678912\"", Some(123_456_789)),
            ("\"0.4\"", Some(4_000)),
            ("0.00005", Some(1)),
            ("100", Some(1_000_000)),
            ("\"1e-05\"", Some(0)),
            ("\"-0.4\"", None),
            ("null", None),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let micros = micro_dollars_of_cents(&value).map(|m| m.0);
            assert_eq!(micros, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_cap_reads_back_as_it_was_sent(amount in 0..=ABSURD) {
            let sent = dollars(MicroDollars(amount));
            prop_assert_eq!(micros(Value::String(sent.clone())), Some(amount));
            // Up to nine million dollars a double holds every micro-dollar.
            if amount < 9_000_000_000_000 {
                prop_assert_eq!(micros(serde_json::from_str(&sent).unwrap()), Some(amount));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+.eE0-9]{0,40}") {
            let _ = decimal_micros(&text, DOLLAR);
            let _ = decimal_micros(&text, CENT);
        }
    }
}

use super::*;
use crate::model::text::OutsideText;
use crate::ports::ByKey;
use proptest::prelude::*;
use serde_json::Value;

fn shipped() -> PriceTable {
    PriceTable::read(SHIPPED).expect("the shipped table is good")
}

fn today() -> Date {
    jiff::civil::date(2026, 12, 1)
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut table: Value = serde_json::from_str(SHIPPED).unwrap();
    change(&mut table);
    table.to_string()
}

fn tokens(kinds: [u64; 4]) -> Tokens {
    let [input, output, read, write] = kinds.map(Some);
    Tokens {
        input,
        output,
        cache_read: read,
        cache_write: write,
    }
}

#[test]
fn the_shipped_table_is_dated_and_says_where_it_is_from() {
    let table = PriceTable::shipped();
    assert_eq!(table, shipped());
    assert!(table.as_of() >= jiff::civil::date(2026, 11, 26));
    assert!(table.sources().iter().any(|source| source.licence == "MIT"));
}

#[test]
fn a_row_costs_its_four_kinds_and_is_rounded_once() {
    let table = shipped();
    let row = |model: Option<&str>, kinds| Usage {
        key: ByKey::Unnamed,
        model: model.map(OutsideText::new),
        from: jiff::Timestamp::UNIX_EPOCH,
        requests: None,
        tokens: tokens(kinds),
    };
    // $5, $25, $0.50 and $6.25 for a million.
    let opus = |kinds| {
        table.cost(
            ProviderName::Anthropic,
            &row(Some("claude-opus-4-5"), kinds),
        )
    };
    for (kinds, micros) in [
        ([1_000_000, 0, 0, 0], 5_000_000),
        ([0, 1_000_000, 0, 0], 25_000_000),
        ([0, 0, 1_000_000, 0], 500_000),
        ([0, 0, 0, 1_000_000], 6_250_000),
        ([1, 1, 1, 1], 37),
        ([0, 0, 1, 0], 1),
        ([0, 0, 0, 0], 0),
        ([u64::MAX; 4], u64::MAX),
    ] {
        assert_eq!(
            opus(kinds),
            (MicroDollars(micros), Known::Listed),
            "{kinds:?}"
        );
    }
    let unknown = row(Some("claude-from-tomorrow"), [0, 1_000_000, 0, 0]);
    let (cost, known) = table.cost(ProviderName::Anthropic, &unknown);
    assert_eq!((cost.0, known), (50_000_000, Known::AtDearest));
}

#[test]
fn a_model_is_found_under_the_names_that_providers_give_it() {
    let table = shipped();
    for (provider, model, input) in [
        (ProviderName::OpenAi, "gpt-4o-mini-2024-07-18", 150_000),
        (ProviderName::OpenAi, "gpt-4o-2099-01-01", 2_500_000),
        (
            ProviderName::Anthropic,
            "claude-opus-4-5-20251101",
            5_000_000,
        ),
        (ProviderName::Anthropic, "claude-opus-5-20990101", 5_000_000),
        (
            ProviderName::OpenRouter,
            "anthropic/claude-sonnet-5",
            2_000_000,
        ),
        (ProviderName::OpenRouter, "openai/gpt-5.4:free", 2_500_000),
        (ProviderName::LiteLlm, "gemini/gemini-3.5-flash", 1_500_000),
        (ProviderName::Azure, "gpt-4.1", 2_000_000),
        (
            ProviderName::Bedrock,
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            1_000_000,
        ),
        (ProviderName::Bedrock, "amazon.nova-pro-v1:0", 800_000),
    ] {
        let (price, known) = table.price(provider, Some(model));
        assert_eq!((price.input, known), (input, Known::Listed), "{model}");
    }
}

#[test]
fn what_is_not_known_is_priced_at_the_dearest_of_its_provider() {
    let table = shipped();
    for (provider, model) in [
        (ProviderName::OpenAi, None),
        (ProviderName::OpenAi, Some("")),
        (ProviderName::OpenAi, Some("claude-opus-4-5")),
        (ProviderName::OpenAi, Some("gpt-9-ünbekannt")),
    ] {
        let (price, known) = table.price(provider, model);
        assert_eq!(known, Known::AtDearest, "{model:?}");
        assert_eq!((price.input, price.output), (30_000_000, 180_000_000));
    }
    let (anywhere, _) = table.price(ProviderName::OpenRouter, Some("new"));
    assert_eq!(anywhere.output, 180_000_000);
}

#[test]
fn a_refreshed_table_must_be_sane() {
    let table = shipped();
    let with_price =
        |micros: Value| changed(|t| t["vendors"]["openai"]["gpt-4o"]["output"] = micros);
    let refused = |json: &str| table.refreshed(json, today()).unwrap_err();
    let bounds = PriceRefusal::OutOfBounds("gpt-4o".to_owned());
    assert_eq!(refused(&with_price(0.into())), bounds);
    assert_eq!(refused(&with_price(10_000_000_001_u64.into())), bounds);
    let jump = PriceRefusal::Jump("gpt-4o".to_owned());
    assert_eq!(refused(&with_price(300_000_000.into())), jump);
    assert_eq!(refused(&with_price(100_000.into())), jump);
    for unreadable in ["", "{}", &with_price(Value::Null), &with_price((-1).into())] {
        assert!(matches!(refused(unreadable), PriceRefusal::Unreadable(_)));
    }
    let dated = |date: &str| changed(|t| t["as_of"] = date.into());
    assert!(matches!(
        refused(&dated("2026-11-25")),
        PriceRefusal::Older { .. }
    ));
    assert!(matches!(
        refused(&dated("2026-12-02")),
        PriceRefusal::Future(_)
    ));
    assert_eq!(
        refused(&changed(|t| t["schema"] = 2.into())),
        PriceRefusal::Schema(2)
    );
    assert_eq!(
        refused(&changed(|t| t["sources"] = Value::Array(Vec::new()))),
        PriceRefusal::NoSource
    );
    assert_eq!(
        refused(&changed(|t| t["vendors"]["meta"] = serde_json::json!({}))),
        PriceRefusal::NoModels(Vendor::Meta)
    );
    assert!(matches!(
        refused(&" ".repeat(LONGEST + 1)),
        PriceRefusal::Unreadable(_)
    ));
    let new = table
        .refreshed(&with_price(20_000_000.into()), today())
        .unwrap();
    let (price, _) = new.price(ProviderName::OpenAi, Some("gpt-4o"));
    assert_eq!(price.output, 20_000_000);
}

proptest! {
    /// Names come from outside.
    #[test]
    fn no_name_is_a_panic(model in "\\PC{0,40}") {
        let _ = shipped().price(ProviderName::Bedrock, Some(&model));
    }

    #[test]
    fn the_cost_is_exact(kinds in proptest::array::uniform4(0_u64..1 << 40)) {
        let (price, _) = shipped().price(ProviderName::OpenAi, Some("gpt-5-nano"));
        let sum: u128 = kinds.iter().zip(price.kinds())
            .map(|(count, price)| u128::from(*count) * u128::from(price)).sum();
        let cost = u128::from(price.of(tokens(kinds)).0) * PER;
        prop_assert!(cost.abs_diff(sum) <= PER / 2);
    }
}

//! DescribeAlarms in the protocol that the SDK speaks with CloudWatch: <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>.

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::{Decoder, Encoder};
use keyward_core::model::kill_alarm::AlarmSetup;

use crate::Result;

/// Where the page that is asked for begins.
pub(super) fn next_token(body: &[u8]) -> Result<Option<String>> {
    let mut decoder = Decoder::new(body);
    let length = decoder.map()?;
    let (mut read, mut token) = (0, None);
    while length.is_none_or(|length| read < length) {
        if decoder.datatype()? == Type::Break {
            break;
        }
        read += 1;
        match decoder.str()?.as_ref() {
            "NextToken" => token = Some(decoder.string()?),
            _ => decoder.skip()?,
        }
    }
    Ok(token)
}

/// A page of alarms.
pub(super) fn alarms(alarms: &[(String, AlarmSetup)], next: Option<usize>) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map();
    encoder.str("MetricAlarms").array(alarms.len());
    for (arn, setup) in alarms {
        alarm(&mut encoder, arn, setup);
    }
    if let Some(next) = next {
        encoder.str("NextToken").str(&next.to_string());
    }
    encoder.end();
    encoder.into_writer()
}

fn alarm(encoder: &mut Encoder, arn: &str, setup: &AlarmSetup) {
    encoder.begin_map();
    for (name, text) in [
        ("AlarmArn", arn),
        ("Namespace", setup.metric.namespace.as_str()),
        ("MetricName", setup.metric.name.as_str()),
        ("Statistic", setup.statistic.as_str()),
        ("ComparisonOperator", setup.comparison.as_str()),
        ("TreatMissingData", setup.missing.as_str()),
        ("StateValue", "OK"),
    ] {
        encoder.str(name).str(text);
    }
    for (name, number) in [
        ("Period", setup.period),
        ("EvaluationPeriods", setup.periods),
        ("DatapointsToAlarm", setup.to_alarm),
    ] {
        encoder.str(name).integer(number);
    }
    encoder.str("ActionsEnabled").boolean(setup.is_enabled);
    let line = setup.line_thousandths.unwrap_or_default() as f64 / 1000.0;
    encoder.str("Threshold").double(line);
    encoder.str("AlarmActions").array(setup.tells.len());
    for topic in &setup.tells {
        encoder.str(topic.as_str());
    }
    encoder
        .str("Dimensions")
        .array(setup.metric.dimensions.len());
    for (name, value) in &setup.metric.dimensions {
        encoder.map(2).str("Name").str(name.as_str());
        encoder.str("Value").str(value.as_str());
    }
    encoder.end();
}

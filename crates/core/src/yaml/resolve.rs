//! What a plain scalar means in YAML 1.1, as PyYAML's resolver reads it.
//!
//! `yes` is a boolean, `017` is fifteen, `012345678901` is text (8 and 9 are no octal digits), `12:30:45` counts
//! seconds, `1e3` is text (PyYAML wants a dot and a signed exponent), dates stay text.

use serde_json::{Number, Value};

use super::{Node, NodeValue};

/// The value of a node as plain data; tags are left to [`Node::apply_tags`]. Map keys are texts as written.
pub fn value(node: &Node) -> Value {
    match &node.value {
        NodeValue::Scalar { text, plain: true } => plain_scalar(text),
        NodeValue::Scalar { text, plain: false } => Value::String(text.clone()),
        NodeValue::Sequence(items) => Value::Array(items.iter().map(value).collect()),
        NodeValue::Mapping(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, item)| (key.as_text().unwrap_or_default().to_owned(), value(item)))
                .collect(),
        ),
    }
}

/// The value of a scalar that stood without quotes.
pub fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    if let Some(number) = integer(text) {
        return Value::Number(number);
    }
    // JSON has no such numbers; Python spells them like this.
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::String("inf".to_owned()),
        "-.inf" | "-.Inf" | "-.INF" => return Value::String("-inf".to_owned()),
        ".nan" | ".NaN" | ".NAN" => return Value::String("nan".to_owned()),
        _ => {}
    }
    float(text).and_then(Number::from_f64).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn integer(text: &str) -> Option<Number> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1_i128, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let clean: String = digits.chars().filter(|c| *c != '_').collect();
    let in_base = |digits: &str, base| {
        // Rust would also take a sign here.
        let well_formed = digits.chars().all(|c| c.is_digit(base));
        i128::from_str_radix(digits, base).ok().filter(|_| well_formed)
    };
    let magnitude = if let Some(binary) = clean.strip_prefix("0b") {
        in_base(binary, 2)?
    } else if let Some(hexadecimal) = clean.strip_prefix("0x") {
        in_base(hexadecimal, 16)?
    } else if clean == "0" {
        0
    } else if clean.contains(':') {
        sexagesimal(digits)?
    } else if clean.starts_with('0') {
        in_base(&clean, 8)?
    } else {
        in_base(&clean, 10)?
    };
    let value = sign * magnitude;
    i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok()
}

/// `12:30:45`: hours, minutes and seconds to seconds; every part after the first is below 60.
fn sexagesimal(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    if first.starts_with('0') {
        return None;
    }
    minutes_and_seconds(first, parts)
}

fn minutes_and_seconds<'t>(first: &str, mut parts: impl Iterator<Item = &'t str>) -> Option<i128> {
    let well_formed = first.starts_with(|c: char| c.is_ascii_digit())
        && first.chars().all(|c| c.is_ascii_digit() || c == '_');
    let first = first.replace('_', "").parse().ok().filter(|_| well_formed)?;
    parts.try_fold(first, |total: i128, part| {
        let well_formed = matches!(part.len(), 1 | 2) && part.chars().all(|c| c.is_ascii_digit());
        let value: i128 = part.parse().ok().filter(|value| well_formed && *value < 60)?;
        total.checked_mul(60)?.checked_add(value)
    })
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '_');
    if let Some((first, rest)) = whole.split_once(':').filter(|_| exponent.is_none() && digits(fraction)) {
        let negative = text.starts_with('-');
        let whole = minutes_and_seconds(first, rest.split(':'))?;
        let value: f64 = format!("{whole}.{}", fraction.replace('_', "")).parse().ok()?;
        return Some(if negative { -value } else { value });
    }
    // PyYAML takes a sign only where a digit stands before the point, and no `_` at the start of either part.
    let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let well_formed = if whole.is_empty() { begins(fraction) && unsigned == text } else { begins(whole) };
    if !digits(whole) || !digits(fraction) || !well_formed {
        return None;
    }
    if let Some(exponent) = exponent {
        let signed = exponent.strip_prefix(['-', '+'])?;
        if signed.is_empty() || !signed.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_mean_what_pyyaml_says() {
        let cases = [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!("y")),
            ("~", json!(null)),
            ("017", json!(15)),
            ("0o17", json!("0o17")),
            ("012345678901", json!("012345678901")),
            ("123456789012", json!(123456789012_u64)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("12:30:45", json!(45045)),
            ("1e3", json!("1e3")),
            ("1.5", json!(1.5)),
            ("1.", json!(1.0)),
            ("1.5e+3", json!(1500.0)),
            ("1.2.3", json!("1.2.3")),
            ("10.0.0.0/16", json!("10.0.0.0/16")),
            ("2010-09-09", json!("2010-09-09")),
            ("-3", json!(-3)),
            ("-", json!("-")),
            (".", json!(".")),
            (".5", json!(0.5)),
            ("+.5", json!("+.5")),
            ("-.5", json!("-.5")),
            ("._5", json!("._5")),
            ("-1._5", json!(-1.5)),
            ("0x+5", json!("0x+5")),
            ("0b-1", json!("0b-1")),
            ("1:30.5", json!(90.5)),
            ("0:30", json!("0:30")),
            ("1:70", json!("1:70")),
            (".inf", json!("inf")),
        ];
        for (text, expected) in cases {
            assert_eq!(plain_scalar(text), expected, "{text}");
        }
    }
}

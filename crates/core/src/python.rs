//! Values as Python writes them, where CFNgin lets Python's form show.

use serde_json::Value;

/// `json.dumps(value)` or, with `indent`, `json.dumps(value, indent=indent)`: a blank after commas and colons, and
/// nothing but ASCII. An indent of zero still breaks lines.
pub(crate) fn json(value: &Value, indent: Option<usize>) -> String {
    let mut text = String::new();
    write(value, indent, 1, &mut text);
    text
}

fn write(value: &Value, indent: Option<usize>, depth: usize, text: &mut String) {
    match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| (None, item));
            enclosed('[', items, ']', (indent, depth), text);
        }
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| (Some(key), value));
            enclosed('{', entries, '}', (indent, depth), text);
        }
        Value::String(string) => quoted(string, text),
        other => text.push_str(&other.to_string()),
    }
}

fn enclosed<'a>(
    open: char,
    items: impl ExactSizeIterator<Item = (Option<&'a String>, &'a Value)>,
    close: char,
    (indent, depth): (Option<usize>, usize),
    text: &mut String,
) {
    let empty = items.len() == 0;
    let line = |depth: usize, text: &mut String| {
        if let Some(indent) = indent.filter(|_| !empty) {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    text.push(open);
    for (index, (key, item)) in items.enumerate() {
        if index > 0 {
            text.push_str(if indent.is_some() { "," } else { ", " });
        }
        line(depth, text);
        if let Some(key) = key {
            quoted(key, text);
            text.push_str(": ");
        }
        write(item, indent, depth + 1, text);
    }
    line(depth - 1, text);
    text.push(close);
}

fn quoted(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_written_as_python_writes_it() {
        let value = json!({"a": [1, "é\n", null, true], "b": {}, "c": 1.5});
        assert_eq!(json(&value, None), r#"{"a": [1, "\u00e9\n", null, true], "b": {}, "c": 1.5}"#);
        assert_eq!(json(&json!({"a": [1], "b": []}), Some(0)), "{\n\"a\": [\n1\n],\n\"b\": []\n}");
        assert_eq!(json(&json!({"a": [1]}), Some(2)), "{\n  \"a\": [\n    1\n  ]\n}");
        assert_eq!(json(&json!("😀"), None), r#""\ud83d\ude00""#);
    }
}

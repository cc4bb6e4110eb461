//! Data as YAML that every parser reads in the same way, whatever version of the language it keeps to.

use serde_json::Value;

/// Words that some parser takes for something else than a text.
const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];

/// Documents, one after the other; ends with a line feed.
pub fn yaml(documents: &[Value]) -> String {
    let documents: Vec<String> = documents
        .iter()
        .map(|document| {
            let mut text = String::new();
            write(&mut text, document, 0);
            text.trim_start_matches('\n').to_owned()
        })
        .collect();
    documents.join("---\n")
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

/// Writes a value behind what it belongs to, and ends the line.
fn write(out: &mut String, value: &Value, level: usize) {
    let indent = "  ".repeat(level);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (at, (key, value)) in map.iter().enumerate() {
                // What is first in an item of a list stands behind its hyphen.
                let is_in_item = at == 0 && out.ends_with("- ");
                out.push_str(if is_in_item { "" } else { &indent });
                out.push_str(&text(key));
                out.push(':');
                entry(out, value, level);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (at, value) in list.iter().enumerate() {
                let is_in_item = at == 0 && out.ends_with("- ");
                out.push_str(if is_in_item { "" } else { &indent });
                out.push_str("- ");
                if is_block(value) {
                    write(out, value, level + 1);
                } else {
                    scalar(out, value);
                }
            }
        }
        value => scalar(out, value),
    }
}

fn entry(out: &mut String, value: &Value, level: usize) {
    if is_block(value) {
        out.push('\n');
        // Lists stand below the key they belong to.
        let level = if value.is_array() { level } else { level + 1 };
        write(out, value, level);
    } else {
        out.push(' ');
        scalar(out, value);
    }
}

fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::String(value) => out.push_str(&text(value)),
        value => out.push_str(&value.to_string()),
    }
    out.push('\n');
}

/// A text, in quotes unless it cannot be taken for anything else.
fn text(text: &str) -> String {
    let begins = text.trim_start_matches("--").starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '-' | ':' | '@' | '+');
    let is_word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    if begins && text.chars().all(fits) && !text.ends_with(':') && !is_word {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            c if u32::from(c) > 0xffff => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use runway_core::yaml::Node;
    use runway_core::yaml::resolve::value;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        let (node, errors) = Node::parse(text);
        assert!(errors.is_empty(), "{errors:?}\n{text}");
        value(&node.unwrap())
    }

    #[test]
    fn it_looks_as_a_person_writes_it() {
        let document = json!({
            "kind": "Job",
            "args": ["--app", "myapp", "1", "a b"],
            "none": {},
            "empty": [],
            "volumes": [{"name": "files", "emptyDir": {}}, {"a": [{"b": true}]}],
            "deep": {"list": [[1, 2], []], "text": "on"},
        });
        let text = yaml(std::slice::from_ref(&document));
        insta::assert_snapshot!(text);
        assert_eq!(read(&text), document);
    }

    #[test]
    fn nothing_is_taken_for_something_else() {
        let texts = [
            "yes",
            "No",
            "ON",
            "null",
            "~",
            "",
            " ",
            "0777",
            "1_000",
            "12:30",
            "1e3",
            ".inf",
            "- a",
            "a: b",
            "a #b",
            "#",
            "{}",
            "[",
            "*a",
            "&a",
            "!t",
            "%x",
            "@a",
            "`",
            "a:",
            "---",
            "--",
            "-",
            "\n",
            "\t",
            "\u{85}",
            "\u{2028}",
            "é",
            "\u{1f600}",
            "\"",
            "\\",
            "0x1f",
            "2001-01-01",
            "=",
            "<<",
            "? a",
            "| a",
            "> a",
            "'a'",
            "$(X)",
            "\u{feff}a",
        ];
        for text in texts {
            let document = json!({"a": text, "list": [text], text: 1});
            assert_eq!(read(&yaml(std::slice::from_ref(&document))), document, "{text:?}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z0-9:/#-]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z0-9:/# -]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in any_value()) {
            let document = json!({"a": value});
            prop_assert_eq!(read(&yaml(std::slice::from_ref(&document))), document);
        }
    }
}

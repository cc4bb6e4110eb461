use proptest::prelude::*;
use serde_json::json;

use super::*;

fn data(text: &str) -> serde_json::Value {
    resolve::value(&parsed(text))
}

fn parsed(text: &str) -> Node {
    let (node, errors) = Node::parse(text);
    assert!(errors.is_empty(), "{errors:?}");
    node.unwrap()
}

fn errors(text: &str) -> Vec<YamlError> {
    Node::parse(text).1
}

fn first_error(text: &str) -> String {
    errors(text)[0].to_string()
}

#[test]
fn anchors_aliases_and_merges_are_resolved() {
    let text = "base: &base {a: 1, b: 2}\nother: &other {b: 9, c: 3}\none: {<<: *base, b: 5}\ntwo:\n  <<: [*base, *other]\n  d: 4\nlist: [*base]\n";
    let data = data(text);
    assert_eq!(data["one"], json!({"b": 5, "a": 1}));
    assert_eq!(data["two"], json!({"d": 4, "a": 1, "b": 2, "c": 3}));
    assert_eq!(data["list"][0], json!({"a": 1, "b": 2}));
}

#[test]
fn every_duplicate_key_is_found_with_both_places() {
    let text = "a: 1\nb: {c: 1, c: 2}\na: 3\n";
    let errors = errors(text);
    let mut found: Vec<(String, usize, usize)> = errors
        .into_iter()
        .map(|error| match error {
            YamlError::DuplicateKey { key, first, second } => (key, first.offset(), second.offset()),
            other => panic!("{other}"),
        })
        .collect();
    found.sort();
    assert_eq!(found, [("a".into(), 0, 21), ("c".into(), 9, 15)]);
}

#[test]
fn places_are_bytes_after_text_that_is_not_ascii() {
    let text = "# grün\nname: wert\n";
    let node = parsed(text);
    let value = node.get("name").unwrap();
    assert_eq!(&text[value.span.start..value.span.start + value.span.length], "wert");
}

#[test]
fn tags_survive_and_windows_line_ends_do_not_matter() {
    let node = parsed("a: !Ref B\r\nb: !Sub [x, {y: !GetAtt q.r}]\r\n");
    assert_eq!(node.get("a").unwrap().tag_name(), Some("!Ref"));
    assert_eq!(node.get("a").unwrap().as_text(), Some("B"));
    let sub = node.get("b").unwrap();
    assert_eq!(sub.as_sequence().unwrap()[1].get("y").unwrap().tag_name(), Some("!GetAtt"));
}

#[test]
fn what_cannot_be_merged_or_be_a_key_is_an_error_and_the_rest_is_read() {
    assert_eq!(data("a: {<<: [], b: 1}\n"), json!({"a": {"b": 1}}));
    let (node, errors) = Node::parse("x: &x {a: 1}\ny: {<<: *x, <<: *x}\nz: {<<: 1, [a]: 2, b: 3}\n");
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "the key `<<` stands twice in the same map",
            "a key must be a single value",
            "`<<` can merge a map or a list of maps, nothing else",
        ]
    );
    assert_eq!(resolve::value(&node.unwrap())["z"], json!({"b": 3}));
}

#[test]
fn few_nodes_with_long_texts_are_refused_too() {
    let mut text = format!("a0: &a0 [{}]\n", "x".repeat(100_000));
    for level in 1..4 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(first_error(&text).contains("bytes"), "{}", first_error(&text));
}

#[test]
fn nothing_is_an_empty_document() {
    for text in ["", "\n\n", "# only a comment\n", "---\n"] {
        assert_eq!(Node::parse(text), (None, Vec::new()), "{text:?}");
    }
}

#[test]
fn exponential_aliases_and_deep_nesting_are_refused() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(first_error(&laughs).contains("nodes"), "{}", first_error(&laughs));
    let deep = "[".repeat(5_000);
    assert!(!errors(&deep).is_empty());
    assert!(first_error("a: &a [*a]\n").contains("alias"), "{}", first_error("a: &a [*a]\n"));
}

#[test]
fn tabs_and_second_documents_are_explained() {
    for text in ["a:\n\tb: 1\n", "stacks:\n  - name: a\n\ttemplate_path: t.yml\n", "a:\n  b: 1\n \tc: 2\n"] {
        let errors = errors(text);
        let YamlError::Syntax { help, span, .. } = &errors[0] else { panic!("{errors:?}") };
        assert!(help.contains("tabs"), "{text:?} {help}");
        assert_eq!(span.offset(), text.find('\t').unwrap());
    }
    assert!(first_error("a: 1\n---\nb: 2\n").contains("more than one"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[ \\-:\\[\\]{}&*!<'\"#a-z0-9\n\t|>,?%@é]{0,60}") {
        let _ = Node::parse(&text);
    }
}

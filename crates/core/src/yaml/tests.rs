use proptest::prelude::*;
use serde_json::json;

use super::*;

fn data(text: &str) -> serde_json::Value {
    resolve::value(&Node::parse(text).unwrap().unwrap())
}

fn first_error(text: &str) -> String {
    Node::parse(text).unwrap_err()[0].to_string()
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
    let errors = Node::parse(text).unwrap_err();
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
    let node = Node::parse(text).unwrap().unwrap();
    let value = node.get("name").unwrap();
    assert_eq!(&text[value.span.start..value.span.start + value.span.length], "wert");
}

#[test]
fn tags_survive_and_windows_line_ends_do_not_matter() {
    let node = Node::parse("a: !Ref B\r\nb: !Sub [x, {y: !GetAtt q.r}]\r\n").unwrap().unwrap();
    assert_eq!(node.get("a").unwrap().tag.as_deref(), Some("!Ref"));
    assert_eq!(node.get("a").unwrap().as_text(), Some("B"));
    let sub = node.get("b").unwrap();
    assert_eq!(sub.as_sequence().unwrap()[1].get("y").unwrap().tag.as_deref(), Some("!GetAtt"));
}

#[test]
fn nothing_is_an_empty_document() {
    for text in ["", "\n\n", "# only a comment\n", "---\n"] {
        assert_eq!(Node::parse(text).unwrap(), None, "{text:?}");
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
    assert!(Node::parse(&deep).is_err());
    assert!(first_error("a: &a [*a]\n").contains("alias"), "{}", first_error("a: &a [*a]\n"));
}

#[test]
fn tabs_and_second_documents_are_explained() {
    let YamlError::Syntax { help, .. } = &Node::parse("a:\n\tb: 1\n").unwrap_err()[0] else { panic!() };
    assert!(help.contains("tabs"));
    assert!(first_error("a: 1\n---\nb: 2\n").contains("more than one"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[ \\-:\\[\\]{}&*!<'\"#a-z0-9\n\t|>,?%@é]{0,60}") {
        let _ = Node::parse(&text);
    }
}

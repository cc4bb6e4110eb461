use serde_json::json;

use super::*;

#[test]
fn secrets_are_hidden_also_line_by_line_and_inside_one_another() {
    let secrets = Secrets::new(&[
        "pass".to_owned(),
        "password".to_owned(),
        String::new(),
        "-----\nMIIEow\n".to_owned(),
    ]);
    assert_eq!(secrets.hide("a password, a pass"), "a ****, a ****");
    assert_eq!(secrets.hide("key MIIEow"), "key ****");
    assert_eq!(secrets.hide("nothing"), "nothing");
}

#[test]
fn secrets_that_overlap_are_hidden_as_a_whole() {
    let secrets = Secrets::new(&["abcd", "cdefgh"]);
    assert_eq!(secrets.hide("xabcdefghx"), "x****x");
    assert_eq!(secrets.places("abcd cdefgh"), [0..4, 5..11]);
}

#[test]
fn what_stands_in_clear_is_no_secret() {
    let secrets = ["prod", "hunter22", "pro"].map(str::to_owned).to_vec();
    assert_eq!(without_open(secrets, "prod-database"), ["hunter22"]);
}

#[test]
fn a_vault_hides_what_is_added_later_and_shows_nothing_itself() {
    let vault = Vault::default();
    assert_eq!(vault.secrets().hide("hunter22"), "hunter22");
    vault.add(["hunter22".to_owned(), "it".to_owned()]);
    assert_eq!(vault.secrets().hide("it is hunter22"), "it is ****");
    assert!(!format!("{vault:?} {:?}", vault.secrets()).contains("hunter22"));
}

#[test]
fn documents_keep_their_form() {
    let secrets = Secrets::new(&["name", "true"]);
    let mut document = json!({"name": true, "list": ["is true", 1]});
    secrets.hide_in(&mut document);
    assert_eq!(document, json!({"name": true, "list": ["is ****", 1]}));
}

#[test]
fn texts_of_a_value_are_those_in_its_documents_too() {
    let mut found = Vec::new();
    texts(&json!([{"a": "{\"b\": \"secret\"}"}, 1234567, true, "abc"]), &mut found);
    assert_eq!(found, ["{\"b\": \"secret\"}", "secret", "1234567"]);
}

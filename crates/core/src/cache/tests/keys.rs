//! Keys tell apart what differs, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;

fn digest(value: Value) -> Digest {
    PlainJson::known(value).digest()
}

#[test]
fn values_of_different_types_are_never_the_same() {
    let nothing: Option<bool> = None;
    let digests = [
        digest(json!(null)),
        digest(json!(1)),
        digest(json!("1")),
        digest(json!(1.0)),
        digest(json!(true)),
        digest(json!([])),
        digest(json!({})),
        digest(json!("")),
        digest(json!([1])),
        digest(json!([[1]])),
        digest(json!({"1": null})),
        nothing.digest(),
        Some(1_u32).digest(),
        Some(Some(1_u32)).digest(),
        Raw(b"1").digest(),
        Raw(b"").digest(),
        Digest::of(b"1").digest(),
    ];
    let distinct: BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
}

#[test]
fn the_same_value_is_the_same_however_it_is_held() {
    assert_eq!(digest(json!({"a": 1, "b": [true, "x"]})), digest(json!({"b": [true, "x"], "a": 1})));
    assert_eq!(digest(json!(["a", "b"])), vec!["a", "b"].digest());
    assert_eq!(digest(json!({"a": 7})), BTreeMap::from([("a", 7_u64)]).digest());
    assert_eq!("text".digest(), "text".to_owned().digest());
    assert_eq!(7_u16.digest(), 7_i64.digest());
}

const KIND: Kind = Kind { name: "kind", revision: 1, class: Class::Pure };

fn scope() -> Scope {
    Scope { provider: "aws".into(), account: "1".into(), region: "eu-west-1".into(), role: None }
}

#[test]
fn every_part_of_the_ingredients_is_in_the_key() {
    let base =
        || Ingredients::new(KIND, &scope(), "subject").input("a", "1").dependency("d", Digest::of(b"1"));
    let variants = [
        base(),
        base().input("a", "2"),
        base().input("b", "1"),
        base().dependency("d", Digest::of(b"2")),
        base().variant("x"),
        Ingredients::new(KIND, &scope(), "s").input("a", "1").input("d", &Digest::of(b"1")),
        Ingredients::new(Kind { name: "other", ..KIND }, &scope(), "s")
            .input("a", "1")
            .dependency("d", Digest::of(b"1")),
        Ingredients::new(Kind { revision: 2, ..KIND }, &scope(), "s")
            .input("a", "1")
            .dependency("d", Digest::of(b"1")),
        Ingredients::new(KIND, &Scope { provider: "local:1".into(), ..scope() }, "s")
            .input("a", "1")
            .dependency("d", Digest::of(b"1")),
        Ingredients::new(KIND, &Scope { account: "2".into(), ..scope() }, "s")
            .input("a", "1")
            .dependency("d", Digest::of(b"1")),
        Ingredients::new(KIND, &Scope { region: "us-east-1".into(), ..scope() }, "s")
            .input("a", "1")
            .dependency("d", Digest::of(b"1")),
        Ingredients::new(KIND, &Scope { role: Some(String::new()), ..scope() }, "s")
            .input("a", "1")
            .dependency("d", Digest::of(b"1")),
    ];
    let keys: BTreeSet<_> = variants.iter().map(Ingredients::key).collect();
    assert_eq!(keys.len(), variants.len());
    // Whom it is shown to does not count.
    let same =
        Ingredients::new(KIND, &scope(), "other subject").dependency("d", Digest::of(b"1")).input("a", "1");
    assert_eq!(same.key(), base().key());
}

#[test]
fn keys_stay_what_they_are() {
    let ingredients = Ingredients::new(KIND, &scope(), "subject")
        .input("text", "value")
        .input("document", &PlainJson::known(json!({"b": [1, 2.5, null], "a": "x"})))
        .dependency("vpc", Digest::of(b"output"));
    let listed: Vec<String> =
        ingredients.listed().into_iter().map(|(name, digest)| format!("{digest} {name}")).collect();
    insta::assert_snapshot!(format!("{}\n{}", ingredients.key(), listed.join("\n")));
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[01a]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[ab]{0,1}", inner, 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn documents_have_one_digest_exactly_if_they_are_equal(left in json_values(), right in json_values()) {
        prop_assert_eq!(digest(left.clone()) == digest(right.clone()), left == right);
    }
}

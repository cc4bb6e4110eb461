use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::lookup::parse::expression;
use crate::text::Span;

struct Fixed(BTreeMap<StackFqn, StackState>);

impl Scope for Fixed {
    fn output(&self, stack: &str, output: &str) -> OutputValue {
        match (stack, output) {
            ("vpc", "Subnets") => OutputValue::Known("a,b".into()),
            ("vpc", "Json") => OutputValue::Known(r#"{"a": {"b": [1, 2]}}"#.into()),
            ("new", _) => OutputValue::Unknown(BTreeSet::from(["new".into()])),
            _ => OutputValue::Missing("the stack has no such output".into()),
        }
    }
    fn stack(&self, fqn: &StackFqn) -> Option<&StackState> {
        self.0.get(fqn)
    }
    fn fqn(&self, name: &str) -> StackFqn {
        StackFqn::build("ns", "-", name)
    }
    fn environment(&self, name: &str) -> Option<String> {
        (name == "HOME_REGION").then(|| "eu-west-1".to_owned())
    }
    fn parameter(&self, name: &str) -> Option<Value> {
        (name == "size").then(|| json!(3))
    }
}

fn evaluate(text: &str) -> Result<Resolved, LookupError> {
    let parsed = expression(text, &Span::new).unwrap();
    resolve(&VariableValue::Expression(parsed), &Fixed(BTreeMap::new()))
}

fn value(text: &str) -> Value {
    match evaluate(text) {
        Ok(Resolved::Known { value, .. }) => value,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn values_keep_their_type_alone_and_become_text_in_company() {
    assert_eq!(value("${split ,::${output vpc.Subnets}}"), json!(["a", "b"]));
    assert_eq!(value("x-${output vpc.Subnets}-${default size::1}"), json!("x-a,b-3"));
    assert_eq!(value("${default size::1}"), json!(3));
    assert_eq!(value("${default other::${env HOME_REGION}}"), json!("eu-west-1"));
    assert!(evaluate("x ${split ,::a,b}").unwrap_err().message.contains("a list"));
}

#[test]
fn shared_arguments_apply_in_order() {
    assert_eq!(value("${output vpc.Json::load=json,get=a.b}"), json!([1, 2]));
    assert_eq!(value("${env NOPE::default=yes,transform=bool}"), json!(true));
    assert_eq!(value("${output vpc.Nope::default=null}"), Value::Null);
    assert_eq!(value("${output vpc.Nope::default=null,transform=str}"), json!("null"));
}

#[test]
fn what_is_unknown_stays_unknown_even_with_a_default() {
    let unknown = Resolved::Unknown { after: BTreeSet::from(["new".into()]) };
    assert_eq!(evaluate("${output new.Id::default=x}").unwrap(), unknown);
    assert_eq!(evaluate("a${split ,::${output new.Id}}").unwrap(), unknown);
}

#[test]
fn a_failure_names_the_innermost_lookup() {
    let error = evaluate("${split ,::${output vpc.Nope}}").unwrap_err();
    assert_eq!(error.lookup, "${output vpc.Nope}");
    assert!(error.message.contains("vpc.Nope"), "{error}");
}

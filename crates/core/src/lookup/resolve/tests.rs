use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::lookup::parse::expression;
use crate::text::Span;

#[derive(Default)]
struct Fixed {
    stacks: BTreeMap<StackFqn, StackState>,
    /// Whether the hooks before the run have yet to run.
    before_hooks: bool,
}

impl Scope for Fixed {
    fn output(&self, stack: &str, output: &str) -> OutputValue {
        match (stack, output) {
            ("vpc", "Subnets") => OutputValue::Known("a,b".into()),
            ("vpc", "Json") => OutputValue::Known(r#"{"a": {"b": [1, 2]}}"#.into()),
            ("new", _) => OutputValue::Unknown(BTreeSet::from([Cause::Stack("new".into())])),
            _ => OutputValue::Missing("the stack has no such output".into()),
        }
    }
    fn stack(&self, fqn: &StackFqn) -> Option<&StackState> {
        self.stacks.get(fqn)
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
    fn region(&self) -> Option<String> {
        Some("us-east-1".to_owned())
    }
    fn fetched(&self, request: &LookupRequest) -> Option<Result<Fetched, LookupFailure>> {
        let found = |value: &str, secret| Some(Ok(Fetched { value: json!(value), secret }));
        match (request.name.as_str(), request.query.as_str()) {
            ("ssm", "/secret") => found(r#"{"user": "me"}"#, true),
            ("ssm", "/region") => found(request.arguments.get("region").map_or("", String::as_str), false),
            ("ssm", "/gone") => Some(Err(LookupFailure::missing("there is no parameter /gone"))),
            ("ssm", "/denied") => Some(Err(LookupFailure::wrong("no access", "ask for it"))),
            ("cfn", "prod.Id") => found("from-afar", false),
            ("file", "plain:file://name.txt") => found("/region\n", false),
            ("custom", "a::b=c") => found("own", false),
            _ => None,
        }
    }
    fn hook_data(&self) -> HookData {
        if self.before_hooks {
            return HookData::Expected { keys: BTreeSet::from(["build".to_owned()]), more: false };
        }
        let Value::Object(results) =
            json!({"build": {"hash": 0, "code": {"$python": "x", "properties": {"S3Key": "k"}}}})
        else {
            panic!()
        };
        HookData::Known { results, hidden: BTreeSet::from(["hidden".to_owned()]) }
    }
    fn awaits_hooks(&self) -> bool {
        self.before_hooks
    }
}

fn evaluate_in(scope: &Fixed, text: &str) -> Result<Resolved, LookupError> {
    let parsed = expression(text, &Span::new).unwrap();
    resolve(&VariableValue::Expression(parsed), scope)
}

fn evaluate(text: &str) -> Result<Resolved, LookupError> {
    evaluate_in(&Fixed::default(), text)
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
    let unknown = Resolved::Unknown { after: BTreeSet::from([Cause::Stack("new".into())]) };
    assert_eq!(evaluate("${output new.Id::default=x}").unwrap(), unknown);
    assert_eq!(evaluate("a${split ,::${output new.Id}}").unwrap(), unknown);
}

#[test]
fn a_failure_names_the_innermost_lookup() {
    let error = evaluate("${split ,::${output vpc.Nope}}").unwrap_err();
    assert_eq!(error.lookup, "${output vpc.Nope}");
    assert!(error.message.contains("vpc.Nope"), "{error}");
}

#[test]
fn what_is_asked_outside_has_the_common_arguments_too() {
    assert_eq!(value("${ssm /region::region=eu-west-1}"), json!("eu-west-1"));
    assert_eq!(value("${ssm /gone::default=x}"), json!("x"));
    assert_eq!(value("${ssm file://name.txt}"), json!(""));
    assert_eq!(value("${custom a::b=c}"), json!("own"));
    assert_eq!(value("${cfn prod.Id::region=eu-west-1}"), json!("from-afar"));
    assert!(evaluate("${cfn prod.Id::region=us-east-1}").unwrap_err().message.contains("does not exist"));
    let secret = evaluate("a ${ssm /secret::load=json,get=user}").unwrap();
    assert_eq!(secret, Resolved::Known { value: json!("a me"), secret: true });
    assert_eq!(evaluate("${ssm /denied::default=x}").unwrap_err().message, "no access");
    assert_eq!(
        evaluate("${ssm /not-asked::default=x}").unwrap(),
        Resolved::Unknown { after: BTreeSet::new() }
    );
    assert!(evaluate("${ssm /region::colour=red}").unwrap_err().help.unwrap().contains("region"));
}

#[test]
fn before_the_hooks_nothing_is_missing_for_good() {
    let before = Fixed { before_hooks: true, ..Fixed::default() };
    let after = |key: Option<&str>| Resolved::Unknown {
        after: BTreeSet::from([Cause::Hook(key.map(str::to_owned))]),
    };
    assert_eq!(evaluate_in(&before, "${ssm /gone::default=x}").unwrap(), after(None));
    assert_eq!(evaluate_in(&before, "${hook_data build.hash}").unwrap(), after(Some("build")));
    assert_eq!(evaluate_in(&before, "${awslambda.Code build}").unwrap(), after(Some("build")));
    assert!(evaluate("${hook_data test.x}").unwrap_err().message.contains("hooks give build"));
    assert_eq!(value("${hook_data build.hash}"), json!(0));
    assert_eq!(value("${hook_data build.code::get=S3Key}"), json!("k"));
    assert_eq!(value("${hook_data test::default=none,transform=str}"), json!("none"));
}

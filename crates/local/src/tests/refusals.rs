use runway_core::provider::{CloudFormation, ErrorKind};
use serde_json::{Value, json};

use super::{cloud, name, request, settled, two, with};

/// Asks for a stack and returns why it is refused.
async fn refusal(template: &Value, parameters: &[(&str, &str)]) -> String {
    let error = cloud().create_stack(&with(request("app", template), parameters, "t")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Validation, "{error}");
    error.message
}

#[tokio::test(start_paused = true)]
async fn templates_are_refused_in_cloudformations_words() {
    let topic = json!({"Type": "AWS::SNS::Topic"});
    let cases = [
        (json!({}), "ValidationError: Template format error: At least one Resources member must be defined."),
        (json!([]), "ValidationError: Template format error: unsupported structure."),
        (
            json!({"Resources": {"A": topic}, "Rsources": {}}),
            "ValidationError: Invalid template property or properties [Rsources]",
        ),
        (
            json!({"Resources": {"A": {"Properties": {}}}}),
            "ValidationError: Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ),
        (
            json!({"Resources": {"A": {"Type": "AWS::Oops"}}}),
            "ValidationError: Template format error: Unrecognized resource types: [AWS::Oops]",
        ),
        (
            json!({"Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {"X": {"Fn::Sub": "${B.Arn}"}}}}}),
            "ValidationError: Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
        ),
        (
            json!({"Resources": {"A": topic}, "Outputs": {"O": {"Value": {"Ref": "Nope"}}}}),
            "ValidationError: Template format error: Unresolved resource dependencies [Nope] in the Outputs block of the template",
        ),
        (
            json!({"Resources": {
                "A": {"Type": "AWS::SNS::Topic", "DependsOn": "B"},
                "B": {"Type": "AWS::SNS::Topic", "DependsOn": ["A"]}
            }}),
            "ValidationError: Circular dependency between resources: [A, B]",
        ),
        (
            json!({"Resources": {"A": {"Type": "AWS::SNS::Topic", "Condition": "C"}}}),
            "ValidationError: Template format error: Unresolved condition dependency C in the Resources block of the template",
        ),
        (
            json!({"Resources": {"A": {"Type": "AWS::IAM::Role"}}}),
            "InsufficientCapabilitiesException: Requires capabilities : [CAPABILITY_IAM]",
        ),
        (
            json!({"Resources": {"A": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r"}}}}),
            "InsufficientCapabilitiesException: Requires capabilities : [CAPABILITY_NAMED_IAM]",
        ),
        (
            json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": topic}}),
            "InsufficientCapabilitiesException: Requires capabilities : [CAPABILITY_AUTO_EXPAND]",
        ),
    ];
    for (template, words) in cases {
        assert_eq!(refusal(&template, &[]).await, words);
    }
}

/// A template with one topic, changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut template = json!({
        "Parameters": {"P": {"Type": "String", "Default": "p"}},
        "Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {}}},
        "Outputs": {"O": {"Value": "v"}}
    });
    change(&mut template);
    template
}

#[tokio::test(start_paused = true)]
async fn mistakes_that_aws_sees_are_seen() {
    const EXPORT: &str = "Template format error: Output O is malformed. The Name field of every Export member must be \
         specified and consist only of alphanumeric characters, colons, or hyphens.";
    const BOOLEAN: &str =
        "Template format error: Conditions can only be boolean operations on parameters and other conditions";
    let set = |path: &'static str, value: Value| {
        changed(|template| {
            let (parent, key) = path.rsplit_once('/').unwrap();
            template.pointer_mut(parent).unwrap()[key] = value;
        })
    };
    let cases = [
        (
            set("/Resources/A/Type", json!("AWS::S3::Buckt")),
            "Template format error: Unrecognized resource types: [AWS::S3::Buckt]",
        ),
        (set("/Resources/A/Propertees", json!({})), "Invalid template resource property 'Propertees'"),
        (
            set("/Parameters/P/Type", json!("Strng")),
            "Template format error: Unrecognized parameter type: Strng",
        ),
        (set("/Parameters/P/Typ", json!("String")), "Invalid template parameter property 'Typ'"),
        (
            set("/Resources/A/Properties/X", Value::Null),
            "Template format error: [/Resources/A/Properties/X] 'null' values are not allowed in templates",
        ),
        (
            set("/Conditions", Value::Null),
            "Template format error: [/Conditions] 'null' values are not allowed in templates",
        ),
        (set("/Outputs/O/Export", json!({})), EXPORT),
        (set("/Outputs/O/Export", json!("e")), EXPORT),
        (set("/Outputs/O/Export", json!({"Name": ""})), EXPORT),
        (set("/Outputs/O/Export", json!({"Name": {"Fn::Join": ["", ["", ""]]}})), EXPORT),
        (
            set("/Description", json!("x".repeat(1025))),
            "Template format error: 'Description' length is greater than 1024.",
        ),
        (set("/Conditions", json!({"C": {"Ref": "P"}})), BOOLEAN),
        (set("/Conditions", json!({"C": {"Fn::Not": [{"Fn::Join": ["", []]}]}})), BOOLEAN),
        (
            set("/Conditions", json!({"C": {"Fn::Equals": ["a"]}})),
            "Template error: Fn::Equals requires a list argument with two elements",
        ),
        (
            set("/Mappings", json!({"M": {"a": "b"}})),
            "Template format error: Every Mappings member a must be a map",
        ),
        (
            set("/Mappings", json!({"M": {"a": {"b": {"c": "d"}}}})),
            "Template format error: Every Mappings attribute must be a String or a List.",
        ),
        (
            set("/AWSTemplateFormatVersion", json!("2010-09-10")),
            "Template format error: unsupported value for AWSTemplateFormatVersion.",
        ),
        (
            set("/Resources/A/DependsOn", json!("P")),
            "Template format error: Unresolved resource dependencies [P] in the Resources block of the template",
        ),
        (
            set("/Resources/A/DependsOn", json!(1)),
            "Template format error: DependsOn must be a string or list of strings.",
        ),
        (
            set("/Resources/A/DependsOn", json!([{"Ref": "A"}])),
            "Template format error: Every DependsOn value must be a string.",
        ),
        (
            set("/Resources/P", json!({"Type": "AWS::SNS::Topic"})),
            "Template error: all resources and parameters must have unique names. Common name(s):[P]",
        ),
        (
            set("/Resources/A/DeletionPolicy", json!("Retian")),
            "Template format error: Unrecognized DeletionPolicy Retian for resource A",
        ),
        (
            set("/Resources/A/UpdateReplacePolicy", json!("RetainExceptOnCreate")),
            "Template format error: Unrecognized UpdateReplacePolicy RetainExceptOnCreate for resource A",
        ),
        (
            set("/Rules", json!({})),
            "Template error: the section Rules is not simulated by the local provider",
        ),
        (
            set("/Hooks", json!({})),
            "Template error: the section Hooks is not simulated by the local provider",
        ),
    ];
    for (template, words) in cases {
        assert_eq!(refusal(&template, &[]).await, format!("ValidationError: {words}"));
    }
    let long = "a".repeat(256);
    let words = refusal(&json!({"Resources": {long: {"Type": "AWS::SNS::Topic"}}}), &[]).await;
    assert!(words.ends_with("is longer than 255 characters."), "{words}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_simulated_is_refused_as_such() {
    let cases = [
        (
            changed(|template| {
                template["Transform"] = json!("MyMacro");
                template["Resources"]["A"]["Type"] = json!("AWS::Serverless::Function");
            }),
            "the transform MyMacro is not simulated by the local provider",
        ),
        (
            changed(|template| {
                template["Transform"] = json!(["AWS::LanguageExtensions"]);
                template["Resources"]["Fn::ForEach::Topics"] = json!(["N", ["a"], {}]);
            }),
            "the function Fn::ForEach is not simulated by the local provider",
        ),
    ];
    for (template, words) in cases {
        let mut wanted = request("app", &template);
        wanted.capabilities.push("CAPABILITY_AUTO_EXPAND".to_owned());
        let error = cloud().create_stack(&wanted).await.unwrap_err();
        assert_eq!(error.message, format!("ValidationError: Template error: {words}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_not_known_is_noted() {
    let cloud = cloud();
    let template = json!({"Resources": {"A": {"Type": "AWS::BrandNew::Thing"}}});
    cloud.create_stack(&request("app", &template)).await.unwrap();
    settled(&cloud, "app").await;
    let events = cloud.stack_events(&name("app"), None).await.unwrap().events;
    let noted = events
        .iter()
        .any(|event| event.reason.as_ref().is_some_and(|reason| reason.contains("does not know this type")));
    assert!(noted, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn parameters_are_refused_in_cloudformations_words() {
    let template = |definition: Value| json!({"Parameters": {"P": definition}, "Resources": {"A": {"Type": "AWS::SNS::Topic"}}});
    let string = || template(json!({"Type": "String"}));
    let cases = [
        (string(), vec![], "Parameters: [P] must have values"),
        (string(), vec![("P", "x"), ("Q", "y")], "Parameters: [Q] do not exist in the template"),
        (template(json!({"Type": "Number"})), vec![("P", "x")], "Parameter 'P' must be a number."),
        (
            template(json!({"Type": "Number", "MinValue": 3})),
            vec![("P", "2")],
            "Parameter 'P' must be a number not less than 3",
        ),
        (
            template(json!({"Type": "List<Number>", "MaxValue": 3})),
            vec![("P", "2, 4")],
            "Parameter 'P' must be a number not greater than 3",
        ),
        (
            template(json!({"Type": "String", "AllowedValues": ["a", "b"]})),
            vec![("P", "c")],
            "Parameter 'P' must be one of AllowedValues",
        ),
        (
            template(json!({"Type": "String", "AllowedPattern": "[a-z]+"})),
            vec![("P", "abC")],
            "Parameter 'P' must match pattern [a-z]+",
        ),
        (template(json!({"Type": "Number"})), vec![("P", "NaN")], "Parameter 'P' must be a number."),
        (
            template(json!({"Type": "String", "Default": "c", "AllowedValues": ["a", "b"]})),
            vec![],
            "Parameter 'P' must be one of AllowedValues",
        ),
        (
            template(json!({"Type": "String", "AllowedPattern": "[a-z"})),
            vec![("P", "a")],
            "Template format error: AllowedPattern [a-z of parameter P is not a regular expression.",
        ),
        (
            template(json!({"Type": "String", "MinLength": 3, "ConstraintDescription": "be longer"})),
            vec![("P", "ab")],
            "Parameter 'P' failed to satisfy constraint: be longer",
        ),
    ];
    for (template, parameters, words) in cases {
        assert_eq!(refusal(&template, &parameters).await, format!("ValidationError: {words}"));
    }
}

#[tokio::test(start_paused = true)]
async fn names_tokens_and_states_are_checked() {
    let cloud = cloud();
    let error = cloud.create_stack(&request("first_stack", &two())).await.unwrap_err();
    assert_eq!(
        error.message,
        "ValidationError: 1 validation error detected: Value 'first_stack' at 'stackName' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    );
    let id = cloud.create_stack(&request("app", &two())).await.unwrap();
    // The same request again is the same stack; the token of another request is refused.
    assert_eq!(cloud.create_stack(&request("app", &two())).await.unwrap(), id);
    let other = with(request("app", &two()), &[("Size", "4")], "token-1");
    let error = cloud.create_stack(&other).await.unwrap_err();
    assert!(error.message.starts_with("TokenAlreadyExistsException"), "{error}");
    let again = with(request("app", &two()), &[], "token-2");
    assert_eq!(cloud.create_stack(&again).await.unwrap_err().kind, ErrorKind::AlreadyExists);
    let error = cloud.update_stack(&again).await.unwrap_err();
    assert!(error.message.ends_with("is in CREATE_IN_PROGRESS state and can not be updated."), "{error}");
    settled(&cloud, "app").await;
    let error = cloud.update_stack(&request("nope", &two())).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::NotFound, "ValidationError: Stack [nope] does not exist")
    );
    cloud.delete_stack(&name("nope"), None, "t").await.unwrap();

    cloud.set_termination_protection(&name("app"), true).await.unwrap();
    let error = cloud.delete_stack(&name("app"), None, "token-3").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protected);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_of_java_is_taken_with_a_note() {
    let cloud = cloud();
    let template = json!({
        "Parameters": {"P": {"Type": "String", "AllowedPattern": "(?=.*[0-9]).+"}},
        "Resources": {"A": {"Type": "AWS::SNS::Topic"}}
    });
    cloud.create_stack(&with(request("app", &template), &[("P", "x")], "t")).await.unwrap();
    let state = cloud.describe_stack(&name("app")).await.unwrap().unwrap();
    assert_eq!(
        state.status_reason.as_deref(),
        Some("User Initiated. The local provider cannot check the AllowedPattern of P")
    );
}

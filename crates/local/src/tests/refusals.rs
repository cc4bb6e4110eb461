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

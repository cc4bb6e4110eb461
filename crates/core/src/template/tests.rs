use serde_json::json;

use super::*;

fn parse(body: &str) -> Template {
    Template::parse("t.yml", body).unwrap_or_else(|findings| panic!("{findings:?}"))
}

fn codes(body: &str) -> Vec<String> {
    Template::parse("t.yml", body).unwrap_err().iter().map(Finding::code).collect()
}

#[test]
fn short_forms_become_long_forms() {
    let template = parse(
        "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    Properties:\n      Name: !Sub ['${x}-y', {x: !Ref P}]\n      Arn: !GetAtt B.Outputs.Arn\n      Zone: !Select [0, !GetAZs '']\n      On: !If [C, yes, !Ref AWS::NoValue]\n",
    );
    assert_eq!(
        template.content["Resources"]["A"]["Properties"],
        json!({
            "Name": {"Fn::Sub": ["${x}-y", {"x": {"Ref": "P"}}]},
            "Arn": {"Fn::GetAtt": ["B", "Outputs.Arn"]},
            "Zone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
            "On": {"Fn::If": ["C", true, {"Ref": "AWS::NoValue"}]},
        })
    );
}

#[test]
fn formatting_key_order_and_number_spelling_are_no_change() {
    let yaml = "AWSTemplateFormatVersion: 2010-09-09\nDescription: old\nResources:\n  A: {Type: T, DependsOn: B, Properties: {Size: 1, Id: 012345678901, On: true}}\n  B: {Type: T}\n";
    let json = r#"{"AWSTemplateFormatVersion": "2010-09-09", "Description": "new", "Metadata": {"x": 1}, "Resources":
        {"B": {"Type": "T"}, "A": {"Properties": {"On": "true", "Id": "012345678901", "Size": "1"}, "DependsOn": ["B"], "Type": "T"}}}"#;
    assert_eq!(parse(yaml).normalized(), parse(json).normalized());
    assert_ne!(parse(yaml).normalized(), parse(&yaml.replace("Size: 1", "Size: 2")).normalized());
}

#[test]
fn parameters_are_read_with_their_rules() {
    let template = parse(
        "Parameters:\n  Size: {Type: Number, Default: 1, MinValue: 1, MaxValue: 10, AllowedValues: [1, 5]}\n  Secret: {Type: String, NoEcho: true, AllowedPattern: '[a-z]+'}\nResources: {A: {Type: T}}\n",
    );
    let size = &template.parameters["Size"];
    assert_eq!(
        (size.default.as_deref(), size.allowed_values.as_slice()),
        (Some("1"), ["1".into(), "5".into()].as_slice())
    );
    assert!(template.parameters["Secret"].no_echo);
}

#[test]
fn what_is_no_template_is_told_in_words() {
    assert_eq!(codes(""), ["template::empty"]);
    assert_eq!(codes("- a\n"), ["template::not_a_map"]);
    assert_eq!(codes("namespace: x\nstacks: []\n"), ["template::is_a_config"]);
    assert_eq!(codes("Parameters: {A: {Default: x}}\n"), ["template::no_resources", "template::no_type"]);
    assert_eq!(codes("Resources:\n"), ["template::no_resources"]);
    assert_eq!(codes("Resources: [a]\n"), ["template::section"]);
}

#[test]
fn the_version_is_the_md5_of_the_text() {
    let template = parse("Resources: {A: {Type: T}}\n");
    assert_eq!(template.md5_prefix().len(), 8);
    assert_ne!(template.md5_prefix(), parse("Resources: {A: {Type: U}}\n").md5_prefix());
}

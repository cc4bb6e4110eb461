//! NoEcho values in everything that the whole binary prints.

use crate::support::{HEAD, Project};

const SECRET: &str = "hunter\"22<&/x";
/// The same in Base64, as user data has it.
const ENCODED: &str = "aHVudGVyIjIyPCYve";

/// What is given goes into a property, into user data, into an output and into the next stack.
const TEMPLATE: &str = r#"Parameters: {P: {Type: String, NoEcho: true}}
Resources:
  R:
    Type: AWS::SSM::Parameter
    Metadata: {"runway-rs:local": {seconds: 0 FAIL}}
    Properties: {Type: String, Value: !Sub "a ${P} b", Description: {"Fn::Base64": !Ref P}}
Outputs: {Out: {Value: !Sub "${P}"}}
"#;
const NEXT: &str = r#"Parameters: {P: {Type: String}}
Resources:
  R:
    Type: AWS::SSM::Parameter
    Metadata: {"runway-rs:local": {seconds: 0}}
    Properties: {Type: String, Value: !Ref P}
Outputs: {Out: {Value: !Ref P}}
"#;

fn project(secret: &str, fail: &str) -> Project {
    let quoted = serde_json::Value::from(secret).to_string();
    let project = Project::new(&format!(
        "{HEAD}stacks:\n  - name: a\n    template_path: a.yml\n    variables:\n      P: {quoted}\n  - {{name: b, \
         template_path: b.yml, variables: {{P: '<${{output a.Out}}>'}}}}\n"
    ));
    project.file("a.yml", &TEMPLATE.replace(" FAIL", fail));
    project.file("b.yml", NEXT);
    project
}

fn assert_silent(line: &str, printed: &str) {
    let json = serde_json::Value::from(SECRET).to_string();
    let forms =
        [SECRET, json.trim_matches('"'), "hunter&quot;22&lt;&amp;/x", "hunter%2222%3C%26%2Fx", ENCODED];
    for form in forms {
        assert!(!printed.contains(form), "{line} prints {form}:\n{printed}");
    }
}

#[test]
fn nothing_that_is_printed_has_a_no_echo_value_in_it() {
    let project = project(SECRET, "");
    let lines = [
        "plan",
        "plan --full",
        "plan --format json",
        "plan --format markdown",
        "plan --format svg",
        "plan --format html",
        "--verbose --verbose deploy --yes",
        "outputs",
        "outputs --format json",
        "outputs --format env",
        "status --format json",
        "graph show --format json",
        "plan --destroy --full",
        "deploy --yes --format json",
    ];
    for line in lines {
        let ran = project.run(line).ended(0);
        assert_silent(line, &format!("{}{}", ran.stdout, ran.stderr));
    }
    let shown = project.run("outputs a --format json").ended(0).stdout;
    assert!(shown.contains("****"), "{shown}");
}

#[test]
fn a_failure_that_quotes_a_no_echo_value_is_told_without_it() {
    for line in ["--verbose --verbose deploy --yes", "deploy --yes --format json"] {
        let project = project(SECRET, ", fail: !Sub \"the value ${P} was refused\"");
        let ran = project.run(line).ended(30);
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        assert!(printed.contains("the value **** was refused"), "{printed}");
        assert_silent(line, &printed);
    }
}

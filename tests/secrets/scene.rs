//! Random projects with secrets in them.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;

use crate::support::{Project, World};

/// Whether what is secret is marked as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guards {
    /// Parameters are NoEcho, and lookups say what is a secret.
    Up,
    /// Nothing is marked.
    Down,
}

/// The way in which a secret comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    NoEcho,
    Ssm,
    Kms,
    Hook,
}

/// What the config does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrap {
    Alone,
    Concatenated,
    Split,
}

/// What a template does with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Ref,
    Sub,
    Join,
    Delimiter,
    Select,
    Base64,
    Attribute,
}

/// What a Jinja2 template does with a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    Plain,
    Upper,
    Url,
    Json,
    Sliced,
}

/// A stack.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) way: Way,
    pub(crate) wrap: Wrap,
    pub(crate) filter: Option<Filter>,
    pub(crate) property: Use,
    pub(crate) output: Use,
    pub(crate) export: bool,
    /// The next stack reads the output of this one, and so on.
    pub(crate) dependants: usize,
    pub(crate) secret: String,
    pub(crate) later: String,
}

/// A project.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) stacks: Vec<Stack>,
    /// Which stack fails when the secrets have changed.
    pub(crate) failing: usize,
}

/// A secret: letters of all kinds, and those that other forms write in another way.
fn secret() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[A-Za-z0-9][A-Za-z0-9\"\\\\<>&'/ %+=|ü?~:;-]{8,18}[A-Za-z0-9]").unwrap()
}

fn stack() -> impl Strategy<Value = Stack> {
    let ways = prop_oneof![Just(Way::NoEcho), Just(Way::Ssm), Just(Way::Kms), Just(Way::Hook)];
    let wraps = prop_oneof![Just(Wrap::Alone), Just(Wrap::Concatenated), Just(Wrap::Split)];
    let filters = prop_oneof![
        Just(Filter::Plain),
        Just(Filter::Upper),
        Just(Filter::Url),
        Just(Filter::Json),
        Just(Filter::Sliced)
    ];
    let uses = || {
        prop_oneof![
            Just(Use::Ref),
            Just(Use::Sub),
            Just(Use::Join),
            Just(Use::Delimiter),
            Just(Use::Select),
            Just(Use::Base64),
            Just(Use::Attribute)
        ]
    };
    let filter = proptest::option::weighted(0.3, filters);
    (ways, wraps, filter, uses(), uses(), any::<bool>(), 0..3_usize, secret(), secret()).prop_map(
        |(way, wrap, filter, property, output, export, dependants, secret, later)| Stack {
            // What stands in the config in clear and goes into no NoEcho parameter is no secret.
            filter: filter.filter(|_| way != Way::NoEcho),
            wrap: if way == Way::NoEcho { Wrap::Alone } else { wrap },
            property: if property == Use::Attribute { Use::Ref } else { property },
            way,
            output,
            export,
            dependants,
            secret,
            later,
        },
    )
}

pub(crate) fn scene() -> impl Strategy<Value = Scene> {
    (proptest::collection::vec(stack(), 1..4), 0..4_usize)
        .prop_map(|(stacks, failing)| Scene { failing: failing % stacks.len(), stacks })
}

impl Use {
    /// An expression of CloudFormation.
    fn of(self, name: &str) -> serde_json::Value {
        match self {
            Self::Ref => json!({"Ref": name}),
            Self::Sub => json!({"Fn::Sub": format!("user:${{{name}}}!")}),
            Self::Join => json!({"Fn::Join": ["-", ["a", {"Ref": name}]]}),
            Self::Delimiter => json!({"Fn::Join": [{"Ref": name}, ["a", "b"]]}),
            Self::Select => {
                json!({"Fn::Select": ["1", {"Fn::Split": ["@@", {"Fn::Sub": format!("a@@${{{name}}}")}]}]})
            }
            Self::Base64 => json!({"Fn::Base64": {"Fn::Sub": format!("#!/bin/sh\nexport P=${{{name}}}\n")}}),
            Self::Attribute => json!({"Fn::GetAtt": ["R", "Value"]}),
        }
    }
}

impl Scene {
    /// Everything that must not be shown.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut all = Vec::new();
        for stack in &self.stacks {
            for secret in [&stack.secret, &stack.later] {
                all.push(secret.clone());
                match stack.filter {
                    Some(Filter::Upper) => all.push(secret.to_uppercase()),
                    Some(Filter::Sliced) => all.push(secret.chars().skip(1).collect()),
                    _ => {}
                }
            }
        }
        all
    }

    /// Sets what the services have.
    pub(crate) fn services(&self, world: &World, later: bool, guards: Guards) {
        for (index, stack) in self.stacks.iter().enumerate() {
            let secret = if later { &stack.later } else { &stack.secret };
            let value = match guards {
                Guards::Up => json!({"secret": secret}),
                Guards::Down => json!(secret),
            };
            world.fakes.set(&format!("p{index}"), value);
        }
    }

    /// The project; with `failing` one of its stacks fails and quotes what it was given.
    pub(crate) fn project(&self, later: bool, failing: bool, guards: Guards) -> Project {
        let (mut stacks, mut hooks) = (String::new(), String::new());
        let mut files = Vec::new();
        for (index, stack) in self.stacks.iter().enumerate() {
            let secret = if later { &stack.later } else { &stack.secret };
            let source = match stack.way {
                Way::NoEcho => secret.clone(),
                Way::Ssm => format!("${{ssm p{index}}}"),
                Way::Kms => format!("${{kms p{index}}}"),
                Way::Hook => {
                    let _ = writeln!(
                        hooks,
                        "  - {{path: h.{index}, data_key: k{index}, args: {{give: {{value: '${{ssm p{index}}}'}}, print: 'has ${{ssm p{index}}}'}}}}"
                    );
                    format!("${{hook_data k{index}.value}}")
                }
            };
            let value = match stack.wrap {
                Wrap::Alone => source,
                Wrap::Concatenated => format!("a {source} b"),
                Wrap::Split => format!("${{split ##::a##{source}}}"),
            };
            let fails = failing && index == self.failing;
            let path =
                if stack.filter.is_some() { format!("t{index}.yml.j2") } else { format!("t{index}.yml") };
            let _ = writeln!(
                stacks,
                "  - {{name: s{index}, template_path: {path}, variables: {{P: {}}}}}",
                json!(value)
            );
            files.push((path, stack.template(fails, guards)));
            for dependant in 0..stack.dependants {
                let before =
                    if dependant == 0 { format!("s{index}") } else { format!("s{index}-{}", dependant - 1) };
                let _ = writeln!(
                    stacks,
                    "  - {{name: s{index}-{dependant}, template_path: d.yml, variables: {{P: 'x${{output {before}.Out}}'}}}}"
                );
            }
        }
        let project = Project::new(&stacks);
        let project = if hooks.is_empty() { project } else { project.with(&format!("pre_deploy:\n{hooks}")) };
        let project = project.file("d.yml", DEPENDANT);
        files.into_iter().fold(project, |project, (path, text)| project.file(&path, &text))
    }
}

/// A stack that shows what it is given.
const DEPENDANT: &str = r#"Parameters: {P: {Type: String}}
Resources:
  R: {Type: AWS::SSM::Parameter, Metadata: {"runway-rs:local": {seconds: 0}}, Properties: {Type: String, Value: !Sub "${P}."}}
Outputs: {Out: {Value: !Sub "<${P}>"}}
"#;

impl Stack {
    fn template(&self, fails: bool, guards: Guards) -> String {
        // A list parameter would make a list of a Ref; a text that has its items does for all uses.
        let no_echo = self.way == Way::NoEcho && guards == Guards::Up;
        let mut metadata = json!({"seconds": 0});
        if fails {
            metadata["fail"] = json!({"Fn::Sub": "value ${P} was refused"});
            metadata["fail_on"] = json!("update");
        }
        let mut output = json!({"Value": self.output.of("P")});
        if self.export {
            output["Export"] = json!({"Name": {"Fn::Sub": "${AWS::StackName}-out"}});
        }
        let mut template = json!({
            "Parameters": {"P": {"Type": "String", "NoEcho": no_echo}},
            "Resources": {"R": {
                "Type": "AWS::SSM::Parameter",
                "Metadata": {"runway-rs:local": metadata},
                "Properties": {"Type": "String", "Value": self.property.of("P")},
            }},
            "Outputs": {"Out": output},
        });
        let Some(filter) = self.filter else { return template.to_string() };
        template["Resources"]["R"]["Properties"]["Description"] = json!("@made@");
        let value = "(variables.P if variables.P is string else variables.P | join(','))";
        let made = match filter {
            Filter::Plain => format!("{{{{ ('x' ~ {value}) | tojson }}}}"),
            Filter::Upper => format!("{{{{ {value} | upper | tojson }}}}"),
            Filter::Url => format!("{{{{ {value} | urlencode | tojson }}}}"),
            Filter::Json => format!("{{{{ ({value} | tojson | string) | tojson }}}}"),
            Filter::Sliced => format!("{{{{ {value}[1:] | tojson }}}}"),
        };
        template.to_string().replace("\"@made@\"", &made)
    }
}

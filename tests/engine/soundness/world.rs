//! Random stacks: templates with conditions, mappings, references and outputs, and parameters that come from other stacks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use crate::support::Project;

/// Stacks of one version, in an order in which each may only look at those before it.
pub(crate) type Stacks = BTreeMap<usize, Stack>;

/// Most stacks, resources of a stack, and outputs of a stack.
pub(crate) const STACKS: usize = 5;
const RESOURCES: usize = 5;
const OUTPUTS: usize = 4;
const PARAMETERS: usize = 3;

/// One stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stack {
    parameters: [Source; PARAMETERS],
    resources: BTreeMap<usize, Resource>,
    outputs: BTreeMap<usize, Value>,
    tag: u8,
}

/// Where a parameter comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Literal(u8),
    /// An output of an earlier stack, if there is one.
    Output(usize, usize),
}

/// A resource: its type, three values for its properties, and attributes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    kind: usize,
    values: [Value; 3],
    condition: Option<u8>,
    policy: u8,
}

/// A value in a template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Literal(u8),
    Parameter(u8),
    Sub(u8, u8),
    Join(u8),
    If(u8, u8, u8),
    Map(u8),
    /// `Ref` of an earlier resource.
    Id(usize),
    /// `Fn::GetAtt` of one.
    Attribute(usize),
    SubId(usize),
}

/// Types with the properties that take the three values, and an attribute; the simulator replaces some for some of them.
const KINDS: [(&str, [&str; 3], &str); 12] = [
    ("AWS::SNS::Topic", ["TopicName", "DisplayName", "KmsMasterKeyId"], "TopicArn"),
    ("AWS::SQS::Queue", ["QueueName", "KmsMasterKeyId", "RedriveAllowPolicy"], "Arn"),
    ("AWS::EC2::VPC", ["CidrBlock", "InstanceTenancy", "EnableDnsSupport"], "DefaultSecurityGroup"),
    ("AWS::EC2::SecurityGroup", ["GroupDescription", "VpcId", "SecurityGroupIngress"], "GroupId"),
    ("AWS::SSM::Parameter", ["Name", "Value", "Description"], "Value"),
    ("AWS::IAM::Role", ["RoleName", "Description", "MaxSessionDuration"], "Arn"),
    ("AWS::RDS::DBInstance", ["DBInstanceIdentifier", "Port", "Engine"], "Endpoint.Port"),
    ("AWS::KMS::Key", ["Description", "KeySpec", "PendingWindowInDays"], "Arn"),
    ("AWS::Logs::LogGroup", ["LogGroupName", "RetentionInDays", "KmsKeyId"], "Arn"),
    ("AWS::DynamoDB::Table", ["TableName", "BillingMode", "TableClass"], "Arn"),
    ("AWS::StepFunctions::StateMachine", ["StateMachineName", "DefinitionString", "RoleArn"], "Arn"),
    ("Company::Own::Thing", ["Name", "Other", "Size"], "Whatever"),
];

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => (0_u8..3).prop_map(Value::Literal),
        3 => (0_u8..3).prop_map(Value::Parameter),
        1 => (0_u8..3, 0_u8..3).prop_map(|(text, parameter)| Value::Sub(text, parameter)),
        1 => (0_u8..3).prop_map(Value::Join),
        1 => (0_u8..2, 0_u8..3, 0_u8..3).prop_map(|(condition, yes, no)| Value::If(condition, yes, no)),
        1 => (0_u8..3).prop_map(Value::Map),
        2 => (0..RESOURCES).prop_map(Value::Id),
        2 => (0..RESOURCES).prop_map(Value::Attribute),
        1 => (0..RESOURCES).prop_map(Value::SubId),
    ]
}

/// Outputs are mostly what may change: parameters, ids and attributes.
fn output() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => (0_u8..3).prop_map(Value::Parameter),
        3 => (0..RESOURCES).prop_map(Value::Id),
        3 => (0..RESOURCES).prop_map(Value::Attribute),
        1 => value(),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        1 => (0_u8..3).prop_map(Source::Literal),
        3 => (0..STACKS, 0..OUTPUTS).prop_map(|(stack, output)| Source::Output(stack, output)),
    ]
}

fn resource() -> impl Strategy<Value = Resource> {
    let condition = prop_oneof![4 => Just(None), 1 => (0_u8..2).prop_map(Some)];
    (0..KINDS.len(), [value(), value(), value()], condition, 0_u8..4)
        .prop_map(|(kind, values, condition, policy)| Resource { kind, values, condition, policy })
}

fn stack() -> impl Strategy<Value = Stack> {
    let resources = proptest::collection::btree_map(0..RESOURCES, resource(), 1..=RESOURCES);
    let outputs = proptest::collection::btree_map(0..OUTPUTS, output(), 2..=OUTPUTS);
    ([source(), source(), source()], resources, outputs, 0_u8..2)
        .prop_map(|(parameters, resources, outputs, tag)| Stack { parameters, resources, outputs, tag })
}

/// One edit of a config or template.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Parameter(usize, usize, Source),
    Property(usize, usize, usize, Value),
    Output(usize, usize, Option<Value>),
    Resource(usize, usize, Option<Resource>),
    Condition(usize, usize, Option<u8>),
    Policy(usize, usize, u8),
    Tag(usize, u8),
    Stack(usize, Option<Stack>),
}

/// A random edit.
pub(crate) fn edits() -> impl Strategy<Value = Edit> {
    // What comes first has most to tell to others.
    let stacks = prop_oneof![2 => 0..2_usize, 1 => 0..STACKS];
    prop_oneof![
        4 => (stacks.clone(), 0..PARAMETERS, source()).prop_map(|(stack, at, to)| Edit::Parameter(stack, at, to)),
        4 => (stacks.clone(), 0..RESOURCES, 0_usize..3, value())
            .prop_map(|(stack, at, property, to)| Edit::Property(stack, at, property, to)),
        2 => (stacks.clone(), 0..OUTPUTS, proptest::option::of(output()))
            .prop_map(|(stack, at, to)| Edit::Output(stack, at, to)),
        2 => (stacks.clone(), 0..RESOURCES, proptest::option::of(resource()))
            .prop_map(|(stack, at, to)| Edit::Resource(stack, at, to)),
        1 => (stacks.clone(), 0..RESOURCES, proptest::option::of(0_u8..2))
            .prop_map(|(stack, at, to)| Edit::Condition(stack, at, to)),
        1 => (stacks.clone(), 0..RESOURCES, 0_u8..4).prop_map(|(stack, at, to)| Edit::Policy(stack, at, to)),
        1 => (stacks.clone(), 0_u8..2).prop_map(|(stack, to)| Edit::Tag(stack, to)),
        1 => (stacks, proptest::option::of(stack())).prop_map(|(stack, to)| Edit::Stack(stack, to)),
    ]
}

/// A first version.
pub(crate) fn stacks() -> impl Strategy<Value = Stacks> {
    proptest::collection::btree_map(0..STACKS, stack(), 2..=STACKS)
}

/// A first version, and the edits that lead to the second.
pub(crate) fn histories() -> impl Strategy<Value = (Stacks, Vec<Edit>)> {
    (stacks(), proptest::collection::vec(edits(), 1..8))
}

/// The version after some edits; those of what does not exist do nothing.
pub(crate) fn edited(mut stacks: Stacks, edits: &[Edit]) -> Stacks {
    for edit in edits {
        match edit.clone() {
            Edit::Stack(at, Some(stack)) => drop(stacks.insert(at, stack)),
            Edit::Stack(at, None) => drop(stacks.remove(&at)),
            Edit::Parameter(stack, at, to) => with(&mut stacks, stack, |stack| stack.parameters[at] = to),
            Edit::Tag(stack, to) => with(&mut stacks, stack, |stack| stack.tag = to),
            Edit::Output(stack, at, to) => with(&mut stacks, stack, |stack| match to {
                Some(to) => drop(stack.outputs.insert(at, to)),
                None => drop(stack.outputs.remove(&at)),
            }),
            Edit::Resource(stack, at, to) => with(&mut stacks, stack, |stack| match to {
                Some(to) => drop(stack.resources.insert(at, to)),
                None if stack.resources.len() > 1 => drop(stack.resources.remove(&at)),
                None => {}
            }),
            Edit::Property(stack, at, property, to) => {
                of(&mut stacks, stack, at, |one| one.values[property] = to)
            }
            Edit::Condition(stack, at, to) => of(&mut stacks, stack, at, |one| one.condition = to),
            Edit::Policy(stack, at, to) => of(&mut stacks, stack, at, |one| one.policy = to),
        }
    }
    stacks
}

fn with(stacks: &mut Stacks, at: usize, change: impl FnOnce(&mut Stack)) {
    if let Some(stack) = stacks.get_mut(&at) {
        change(stack);
    }
}

fn of(stacks: &mut Stacks, stack: usize, at: usize, change: impl FnOnce(&mut Resource)) {
    if let Some(resource) = stacks.get_mut(&stack).and_then(|stack| stack.resources.get_mut(&at)) {
        change(resource);
    }
}

/// The project of a version.
pub(crate) fn project(stacks: &Stacks) -> Project {
    let mut project = Project::default();
    for (index, stack) in stacks {
        let text = &mut project.stacks;
        let _ = writeln!(
            text,
            "  - name: s{index}\n    template_path: s{index}.yml\n    tags: {{kind: t{}}}",
            stack.tag
        );
        let _ = writeln!(text, "    variables:");
        for (at, source) in stack.parameters.iter().enumerate() {
            let value = match source {
                Source::Output(other, output)
                    if other < index
                        && stacks.get(other).is_some_and(|other| other.outputs.contains_key(output)) =>
                {
                    format!("${{output s{other}.O{output}}}")
                }
                Source::Literal(value) => format!("v{value}"),
                Source::Output(other, output) => format!("v{}", (other + output) % 3),
            };
            let _ = writeln!(text, "      P{at}: {value}");
        }
        project.files.insert(format!("s{index}.yml").into(), stack.template(*index));
    }
    project
}

impl Stack {
    fn template(&self, index: usize) -> String {
        let mut text = "Parameters:\n".to_owned();
        for at in 0..PARAMETERS {
            let _ = writeln!(text, "  P{at}: {{Type: String}}");
        }
        text.push_str("Mappings: {Map: {v0: {k: a}, v1: {k: b}, v2: {k: a}}}\n");
        text.push_str(
            "Conditions: {C0: !Equals [!Ref P0, v0], C1: !Not [!Equals [!Ref P1, v1]]}\nResources:\n",
        );
        // A resource without a condition, so that no stack is ever empty.
        text.push_str("  Anchor: {Type: AWS::CloudFormation::WaitConditionHandle}\n");
        for (at, resource) in &self.resources {
            let (kind, names, _) = KINDS[resource.kind];
            let _ = writeln!(text, "  R{at}:\n    Type: {kind}");
            if let Some(condition) = resource.condition {
                let _ = writeln!(text, "    Condition: C{condition}");
            }
            match resource.policy {
                1 => text.push_str("    DeletionPolicy: Retain\n"),
                2 => text.push_str("    UpdateReplacePolicy: Retain\n"),
                _ => {}
            }
            text.push_str("    Properties:\n");
            for (place, (name, value)) in names.iter().zip(&resource.values).enumerate() {
                // A name of its own for each, so that none is taken.
                let prefix = if place == 0 { format!("n{index}-{at}-") } else { String::new() };
                let _ = writeln!(text, "      {name}: {}", self.written(value, *at, &prefix));
            }
        }
        if !self.outputs.is_empty() {
            text.push_str("Outputs:\n");
            for (at, value) in &self.outputs {
                let _ = writeln!(text, "  O{at}: {{Value: {}}}", self.written(value, RESOURCES, ""));
            }
        }
        text
    }

    /// A value of the resource `at`, which may refer to those before it that have no condition.
    fn written(&self, value: &Value, at: usize, prefix: &str) -> String {
        let earlier = |other: &usize| {
            *other < at && self.resources.get(other).is_some_and(|resource| resource.condition.is_none())
        };
        let plain = |value: usize| format!("{prefix}v{}", value % 3);
        let in_text =
            |text: String| if prefix.is_empty() { text } else { format!("!Join ['', [{prefix}, {text}]]") };
        match value {
            Value::Literal(value) => plain(usize::from(*value)),
            Value::Parameter(parameter) => in_text(format!("!Ref P{parameter}")),
            Value::Sub(text, parameter) => format!("!Sub '{prefix}t{text}-${{P{parameter}}}'"),
            Value::Join(parameter) => format!("!Join ['-', [{prefix}x, !Ref P{parameter}]]"),
            Value::If(condition, yes, no) => format!("!If [C{condition}, {prefix}y{yes}, {prefix}y{no}]"),
            // The key is a parameter, so it may be none of the map's.
            Value::Map(parameter)
                if matches!(self.parameters[usize::from(*parameter)], Source::Literal(_)) =>
            {
                in_text(format!("!FindInMap [Map, !Ref P{parameter}, k]"))
            }
            Value::Map(parameter) => plain(usize::from(*parameter)),
            Value::Id(other) if earlier(other) => in_text(format!("!Ref R{other}")),
            Value::Attribute(other) if earlier(other) => {
                let (_, _, attribute) = KINDS[self.resources[other].kind];
                in_text(format!("!GetAtt R{other}.{attribute}"))
            }
            Value::SubId(other) if earlier(other) => format!("!Sub '{prefix}of-${{R{other}}}'"),
            Value::Id(other) | Value::Attribute(other) | Value::SubId(other) => plain(*other),
        }
    }
}

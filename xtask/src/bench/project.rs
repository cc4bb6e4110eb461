//! The projects that are deployed: graphs of small stacks, as a Runway module that both programs read.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use super::server::BUCKET;
use crate::chore::Failure;

/// How the stacks depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Not at all.
    Flat,
    /// Each on the one before.
    Chain,
    /// Layers of five; each stack on two of the layer before.
    Layered,
    /// One first, one last, all others between them.
    Diamond,
}

/// A kind and a number of stacks: `layered:50`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) stacks: usize,
}

/// Stacks in one layer.
const LAYER: usize = 5;

impl Shape {
    /// Every shape of the report.
    pub(crate) fn all() -> Vec<Self> {
        let of =
            |kind, sizes: &'static [usize]| sizes.iter().map(move |stacks| Self { kind, stacks: *stacks });
        of(Kind::Flat, &[1, 10, 50, 200])
            .chain(of(Kind::Chain, &[10, 20, 50]))
            .chain(of(Kind::Layered, &[10, 50, 200]))
            .chain(of(Kind::Diamond, &[10, 50, 200]))
            .collect()
    }

    /// Stacks that stack `index` depends on.
    fn needs(self, index: usize) -> Vec<usize> {
        match self.kind {
            Kind::Flat => Vec::new(),
            Kind::Chain => index.checked_sub(1).into_iter().collect(),
            Kind::Layered => {
                let layer = index / LAYER * LAYER;
                match layer.checked_sub(LAYER) {
                    Some(before) => vec![before + index % LAYER, before + (index + 1) % LAYER],
                    None => Vec::new(),
                }
            }
            Kind::Diamond if index == 0 => Vec::new(),
            Kind::Diamond if index + 1 == self.stacks => (1..index).collect(),
            Kind::Diamond => vec![0],
        }
    }

    /// Levels of the graph: how many stacks wait for each other at least.
    pub(crate) fn levels(self) -> usize {
        match self.kind {
            Kind::Flat => 1,
            Kind::Chain => self.stacks,
            Kind::Layered => self.stacks.div_ceil(LAYER),
            Kind::Diamond => self.stacks.min(3),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", format!("{:?}", self.kind).to_lowercase(), self.stacks)
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: a shape is flat:N, chain:N, layered:N or diamond:N");
        let (kind, stacks) = text.split_once(':').ok_or_else(wrong)?;
        let kind = match kind {
            "flat" => Kind::Flat,
            "chain" => Kind::Chain,
            "layered" => Kind::Layered,
            "diamond" => Kind::Diamond,
            _ => return Err(wrong()),
        };
        Ok(Self { kind, stacks: stacks.parse().map_err(|_error| wrong())? })
    }
}

/// Resources of the five templates that the stacks use in turn.
const RESOURCES: [&str; 5] = [
    "{Type: AWS::SSM::Parameter, Properties: {Name: !Sub \"/${AWS::StackName}/p\", Type: String, Value: !Sub \"${Note} ${Up}\"}}",
    "{Type: AWS::SNS::Topic, Properties: {TopicName: !Sub \"${AWS::StackName}-t\", DisplayName: !Ref Note}}",
    "{Type: AWS::SQS::Queue, Properties: {QueueName: !Sub \"${AWS::StackName}-q\"}}",
    "{Type: AWS::S3::Bucket, Properties: {BucketName: !Sub \"${AWS::StackName}-b\"}}",
    "{Type: AWS::SSM::Parameter, Properties: {Name: !Sub \"/${AWS::StackName}/r\", Type: String, Value: !Ref Note}}",
];

/// One version of the project.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Project {
    pub(crate) shape: Shape,
    /// Whether the last stack has another parameter value.
    pub(crate) changed: bool,
}

impl Project {
    /// Writes `runway.yml`, the module and its templates.
    pub(crate) fn write(self, place: &Path) -> Result<(), Failure> {
        let module = place.join("infra.cfn");
        fs_err::create_dir_all(module.join("templates"))?;
        fs_err::write(
            place.join("runway.yml"),
            "deployments:\n  - modules:\n      - path: infra.cfn\n        parameters: {namespace: example}\n    regions: [us-east-1]\n",
        )?;
        for (number, resource) in RESOURCES.iter().enumerate() {
            let text = format!(
                "Parameters: {{Note: {{Type: String}}, Up: {{Type: String}}}}\nResources:\n  R: {resource}\nOutputs: {{Name: {{Value: !Ref Note}}}}\n"
            );
            fs_err::write(module.join(format!("templates/t{number}.yml")), text)?;
        }
        fs_err::write(module.join("cfngin.yml"), self.config()?)?;
        Ok(())
    }

    fn config(self) -> Result<String, fmt::Error> {
        let mut text = format!(
            "namespace: ${{namespace}}\ncfngin_bucket: {BUCKET}\npersistent_graph_key: bench\nstacks:\n"
        );
        for index in 0..self.shape.stacks {
            let needs = self.shape.needs(index);
            let changed = self.changed && index + 1 == self.shape.stacks;
            let note = if changed { "changed" } else { "first" };
            let up = needs.first().map_or("none".to_owned(), |need| format!("${{output s{need}.Name}}"));
            let requires: Vec<String> = needs.iter().skip(1).map(|need| format!("s{need}")).collect();
            writeln!(text, "  - name: s{index}")?;
            writeln!(text, "    template_path: templates/t{}.yml", index % RESOURCES.len())?;
            writeln!(text, "    requires: [{}]", requires.join(", "))?;
            writeln!(text, "    variables: {{Note: {note}, Up: \"{up}\"}}")?;
        }
        Ok(text)
    }
}

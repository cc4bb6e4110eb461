//! The corpus of `fixtures/replacement`: single changes of resources, labelled with what AWS's documentation says
//! becomes of the resource and its data. Each goes through a whole plan of one stack.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use camino::Utf8Path;
use runway_core::config::load::load;
use runway_core::engine::desired::{Known, desired};
use runway_core::files::{FileError, Files};
use runway_core::plan::{self, Certainty, Plan, Purpose, ResourceAction, ResourceChange, Settings, World};
use runway_core::provider::{Place, StackState};
use runway_core::resources::{self, Fate, Replacement};
use runway_core::text::Document;
use runway_core::yaml::{Node, resolve};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const CONFIG: &str =
    "namespace: ns\npersistent_graph_key: main\nstacks:\n  - {name: it, template_path: it.json}\n";

/// One labelled change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labelled {
    change: String,
    #[serde(rename = "type")]
    kind: String,
    /// `DeletionPolicy` and `UpdateReplacePolicy`, in both templates.
    #[serde(default)]
    attributes: Map<String, Value>,
    before: Value,
    /// Null: the resource leaves the template.
    after: Value,
    expected: Verdict,
    /// What would become of the data, if the resource is replaced.
    data: Option<Fate>,
    /// The page that says so.
    source: String,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Verdict {
    #[serde(rename = "in place")]
    InPlace,
    #[serde(rename = "may replace")]
    MayReplace,
    /// Replaced, and it holds no data.
    #[serde(rename = "replace")]
    Replace,
    #[serde(rename = "data loss")]
    DataLoss,
    #[serde(rename = "snapshot")]
    Snapshot,
    #[serde(rename = "retained")]
    Retained,
}

impl Labelled {
    fn template(&self, properties: &Value) -> String {
        let mut resources = json!({"Other": {"Type": "AWS::SNS::Topic"}});
        if !properties.is_null() {
            let mut resource = json!({"Type": self.kind, "Properties": properties});
            resource.as_object_mut().unwrap().extend(self.attributes.clone());
            resources["It"] = resource;
        }
        json!({"Resources": resources}).to_string()
    }

    fn plan(&self) -> Plan {
        self.plan_of(&json!({"cfngin_namespace": "ns"}))
    }

    /// Its plan for a stack that has these tags.
    fn plan_of(&self, tags: &Value) -> Plan {
        let (config, _) = load(&Document::new("cfngin.yml", CONFIG), &Default::default());
        let settings = Settings::default();
        let files = One(self.template(&self.after));
        let (desired, findings) =
            desired(&Arc::new(config.unwrap()), &files, Purpose::Deploy, Known::Settings(&settings));
        assert!(!findings.has_errors(), "{}", self.change);
        let state: StackState = serde_json::from_value(json!({
            "fqn": "ns-it",
            "id": "arn:aws:cloudformation:us-east-1:123456789012:stack/ns-it/1",
            "status": "CREATE_COMPLETE",
            "tags": tags,
        }))
        .unwrap();
        let world = World {
            place: Place { account: "123456789012".into(), region: "us-east-1".into() },
            recorded: Some(Default::default()),
            state: Default::default(),
            stacks: [(state.fqn.clone(), state)].into(),
            templates: [("ns-it".into(), self.template(&self.before))].into_iter().collect(),
            policies: Default::default(),
            outputs: Default::default(),
            answers: Default::default(),
        };
        let Ok((plan, _)) = plan::deploy(&desired.unwrap(), &world, &settings) else {
            panic!("{}: no plan", self.change)
        };
        plan
    }
}

/// The one template.
struct One(String);

impl Files for One {
    fn read(&self, path: &Utf8Path) -> Result<String, FileError> {
        if path.ends_with("it.json") { Ok(self.0.clone()) } else { Err(FileError::Missing(path.to_owned())) }
    }
}

/// What the plan says of the resource, in the words of the corpus.
fn verdict(change: &ResourceChange) -> Verdict {
    let fate = change.data.as_ref().map(|data| data.fate);
    match (change.action, change.replacement, fate) {
        (ResourceAction::Modify, Replacement::Never, _) => Verdict::InPlace,
        (ResourceAction::Modify, Replacement::May, _) => Verdict::MayReplace,
        (_, _, None) => Verdict::Replace,
        (_, _, Some(Fate::Lost)) => Verdict::DataLoss,
        (_, _, Some(Fate::Snapshot)) => Verdict::Snapshot,
        (_, _, Some(Fate::Retained)) => Verdict::Retained,
    }
}

fn corpus() -> Vec<Labelled> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/replacement");
    let mut all = Vec::new();
    for file in std::fs::read_dir(root).unwrap() {
        let path = file.unwrap().path();
        let (node, errors) = Node::parse(&std::fs::read_to_string(&path).unwrap());
        assert!(errors.is_empty(), "{}", path.display());
        let changes: Vec<Labelled> = serde_json::from_value(resolve::value(&node.unwrap()))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        all.extend(changes);
    }
    all
}

#[test]
fn every_labelled_change_is_predicted() {
    let mut wrong = Vec::new();
    for labelled in corpus() {
        let plan = labelled.plan();
        let [step] = plan.steps.as_slice() else { panic!("{}: {:?}", labelled.change, plan.steps) };
        let changed: Vec<&String> = step.changes.resources.keys().collect();
        assert_eq!(changed, ["It"], "{}", labelled.change);
        let change = &step.changes.resources["It"];
        let found = verdict(change);
        let fate = change.data.as_ref().map(|data| data.fate);
        let expected_fate = match labelled.expected {
            Verdict::InPlace | Verdict::Replace => None,
            Verdict::MayReplace => labelled.data,
            Verdict::DataLoss => Some(Fate::Lost),
            Verdict::Snapshot => Some(Fate::Snapshot),
            Verdict::Retained => Some(Fate::Retained),
        };
        let losses: Vec<Certainty> = plan.losses.iter().map(|loss| loss.certainty).collect();
        let expected_losses: &[Certainty] = match (labelled.expected, expected_fate) {
            (Verdict::MayReplace, Some(Fate::Lost)) => &[Certainty::May],
            (Verdict::DataLoss, _) => &[Certainty::Will],
            _ => &[],
        };
        if (found, fate) != (labelled.expected, expected_fate) || losses != expected_losses {
            wrong.push(format!(
                "{} ({}): {found:?} {fate:?}, losses {losses:?}, but {} says {:?}",
                labelled.change, labelled.kind, labelled.source, labelled.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The tags of a stack are those of its resources: types that take them at creation only may be replaced.
#[test]
fn changed_tags_of_a_stack_may_replace_what_takes_tags_at_creation_only() {
    let unchanged = |kind: &str, properties: Value| Labelled {
        change: "nothing but the tags of the stack".to_owned(),
        kind: kind.to_owned(),
        attributes: Map::new(),
        before: properties.clone(),
        after: properties,
        expected: Verdict::MayReplace,
        data: None,
        source: String::new(),
    };
    let collection = unchanged("AWS::OpenSearchServerless::Collection", json!({"Name": "logs"}));
    assert!(collection.plan().steps[0].changes.resources.is_empty());
    let plan = collection.plan_of(&json!({"cfngin_namespace": "ns", "team": "one"}));
    let change = &plan.steps[0].changes.resources["It"];
    assert_eq!((verdict(change), change.certainty), (Verdict::MayReplace, Certainty::May));
    assert_eq!(plan.losses.len(), 1, "{:?}", plan.losses);
    let bucket = unchanged("AWS::S3::Bucket", json!({"BucketName": "logs"}));
    let plan = bucket.plan_of(&json!({"cfngin_namespace": "ns", "team": "one"}));
    assert!(plan.steps[0].changes.resources.is_empty());
}

#[test]
fn the_corpus_is_large_enough_and_names_its_sources() {
    let corpus = corpus();
    assert!(corpus.len() >= 170, "{} changes", corpus.len());
    let kinds: BTreeSet<&str> = corpus.iter().map(|labelled| labelled.kind.as_str()).collect();
    assert!(kinds.len() >= 75, "{} types", kinds.len());
    let titles: BTreeSet<&str> = corpus.iter().map(|labelled| labelled.change.as_str()).collect();
    assert_eq!(titles.len(), corpus.len(), "each change has its own title");
    let verdicts: BTreeSet<Verdict> = corpus.iter().map(|labelled| labelled.expected).collect();
    assert_eq!(verdicts.len(), 6, "every verdict occurs");
    for labelled in &corpus {
        let pages = "https://docs.aws.amazon.com/AWSCloudFormation/latest/";
        assert!(labelled.source.starts_with(pages), "{}", labelled.change);
        let known = resources::is_known(&labelled.kind) || labelled.kind.starts_with("Custom::");
        assert!(known, "{}", labelled.kind);
    }
}

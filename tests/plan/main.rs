//! Plans as data: every directory of `fixtures/plan` is a config, what is recorded and what exists; the plan in text,
//! Markdown and JSON, or every problem found, is a snapshot.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod replacement;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::config::OnRemove;
use runway_core::config::load::load;
use runway_core::engine::desired::{Known, desired};
use runway_core::error::Findings;
use runway_core::files::{FileError, Files};
use runway_core::graph::persistent::GraphObject;
use runway_core::graph::{GraphState, PersistentGraph};
use runway_core::plan::{self, Plan, Purpose, Settings, TaskKey, World};
use runway_core::provider::{Place, StackState};
use runway_core::render;
use runway_core::task::{TaskFailure, TaskPlace};
use runway_core::text::Document;
use runway_store::{BucketName, ObjectKey};
use serde::Deserialize;

/// What is seen in the cloud: `observed.json`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Observed {
    account: Option<String>,
    region: Option<String>,
    stacks: Vec<StackState>,
    /// Deployed templates by full stack name: files of the case.
    templates: BTreeMap<String, Utf8PathBuf>,
    policies: BTreeMap<String, Option<String>>,
    /// What tasks found: kind, arguments, and what their kind reads; `{"error": TEXT}` if it could not be read.
    tasks: Vec<SeenTask>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenTask {
    kind: String,
    #[serde(default)]
    place: TaskPlace,
    arguments: serde_json::Map<String, serde_json::Value>,
    found: serde_json::Value,
}

impl SeenTask {
    fn answer(self) -> (TaskKey, Result<serde_json::Value, TaskFailure>) {
        let key = TaskKey::new(&self.kind, &self.place, &self.arguments);
        let failure = |text: &str| TaskFailure { message: text.to_owned(), help: None, kind: None };
        (key, self.found["error"].as_str().map_or_else(|| Ok(self.found.clone()), |text| Err(failure(text))))
    }
}

/// How the plan is asked for: `options.json`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Options {
    destroy: bool,
    allow_empty: bool,
    parameters: BTreeMap<String, serde_json::Value>,
    environment: BTreeMap<String, String>,
    stacks: Option<BTreeSet<String>>,
    with_dependencies: bool,
    with_dependents: bool,
    /// What may be lost.
    allow: Vec<String>,
    /// The day of the run.
    today: Option<jiff::civil::Date>,
}

/// Where the recorded graph would be, for messages.
fn object() -> GraphObject {
    GraphObject::new(&BucketName::new("bucket"), &ObjectKey::new("persistent_graphs/ns/main.json"))
}

/// Cases whose pictures and pages are kept as they are; of the others it is checked that they are what they should be.
const DRAWN: [&str; 7] = [
    "create-chain-known-after",
    "may-change-behind-update",
    "removed-chain-in-reverse",
    "parameter-no-echo",
    "status-rollback-complete",
    "template-changed",
    "values-that-would-steer-a-terminal",
];

struct Case(Utf8PathBuf);

impl Case {
    fn read<T: for<'de> Deserialize<'de> + Default>(&self, name: &str) -> T {
        match std::fs::read_to_string(self.0.join(name)) {
            Ok(text) => {
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}/{name}: {error}", self.0))
            }
            Err(_) => T::default(),
        }
    }

    fn world(&self) -> World {
        let observed: Observed = self.read("observed.json");
        let recorded = std::fs::read(self.0.join("recorded.json")).ok();
        let recorded = recorded.map(|bytes| PersistentGraph::read(&bytes, &object()).unwrap().graph);
        let state: Option<GraphState> = std::fs::read(self.0.join("state.json"))
            .ok()
            .map(|bytes| GraphState::read(&bytes, &object()).unwrap());
        World {
            place: Place {
                account: observed.account.unwrap_or_else(|| "123456789012".into()),
                region: observed.region.unwrap_or_else(|| "us-east-1".into()),
            },
            recorded: Some(recorded.unwrap_or_default()),
            state: state.unwrap_or_default(),
            stacks: observed.stacks.into_iter().map(|stack| (stack.fqn.clone(), stack)).collect(),
            templates: observed
                .templates
                .into_iter()
                .map(|(fqn, path)| (fqn.as_str().into(), std::fs::read_to_string(self.0.join(path)).unwrap()))
                .collect(),
            policies: observed
                .policies
                .into_iter()
                .map(|(fqn, policy)| (fqn.as_str().into(), policy))
                .collect(),
            outputs: BTreeMap::new(),
            answers: plan::Answers {
                tasks: observed.tasks.into_iter().map(SeenTask::answer).collect(),
                ..plan::Answers::default()
            },
        }
    }

    fn plan(&self) -> Result<(Plan, Findings), Findings> {
        let options: Options = self.read("options.json");
        let text = std::fs::read_to_string(self.0.join("cfngin.yml")).unwrap();
        let (config, mut findings) = load(&Document::new("cfngin.yml", text), &options.parameters);
        let settings = Settings {
            allow_empty: options.allow_empty,
            allowed: options.allow.iter().filter_map(|text| plan::Allowed::parse(text)).collect(),
            today: options.today,
            environment: options.environment,
            parameters: options.parameters,
            hooks_done: false,
            selection: options.stacks.map(|stacks| plan::Selection {
                stacks,
                with_dependencies: options.with_dependencies,
                with_dependents: options.with_dependents,
            }),
            kinds: Default::default(),
        };

        let Some(config) = config else { return Err(findings) };
        let purpose = if options.destroy { Purpose::Destroy } else { Purpose::Deploy };
        let (desired, found) =
            desired(&Arc::new(config), &Directory(self.0.clone()), purpose, Known::Settings(&settings));
        findings.extend(found);
        let Some(desired) = desired.filter(|_| !findings.has_errors()) else { return Err(findings) };
        let world = self.world();
        match purpose {
            Purpose::Deploy => plan::deploy(&desired, &world, &settings),
            Purpose::Destroy => plan::destroy(&desired, &world, &settings),
        }
    }
}

struct Directory(Utf8PathBuf);

impl Files for Directory {
    fn read(&self, path: &Utf8Path) -> Result<String, FileError> {
        std::fs::read_to_string(self.0.join(path)).map_err(|_| FileError::Missing(path.to_owned()))
    }
}

fn problems(findings: Findings) -> String {
    let mut out = format!("exit {}\n", findings.exit_code().number());
    let (errors, warnings) = findings.split();
    for finding in errors.iter().chain(&warnings) {
        miette::NarratableReportHandler::new().render_report(&mut out, finding).unwrap();
        writeln!(out, "---").unwrap();
    }
    out
}

fn each_case(check: impl Fn(&Case)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/plan");
    let mut count = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        check(&Case(Utf8PathBuf::from_path_buf(entry.unwrap().path()).unwrap()));
        count += 1;
    }
    assert!(count >= 30, "only {count} cases");
}

#[test]
fn every_case_has_its_plan() {
    each_case(|case| {
        let name = case.0.file_name().unwrap().to_owned();
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_snapshot_path("snapshots");
        settings.bind(|| match case.plan() {
            Ok((plan, warnings)) => {
                let mut text = render::text::plan(&plan, &render::text::TextOptions::default());
                if warnings.iter().next().is_some() {
                    text.push_str(&problems(warnings));
                }
                insta::assert_snapshot!(format!("{name}.text"), text);
                let full =
                    render::text::TextOptions { depth: render::details::Depth::Full, ..Default::default() };
                insta::assert_snapshot!(format!("{name}.full"), render::text::plan(&plan, &full));
                insta::assert_snapshot!(format!("{name}.markdown"), render::markdown::plan(&plan));
                insta::assert_snapshot!(format!("{name}.json"), render::json::plan(&plan));
                if DRAWN.contains(&name.as_str()) {
                    insta::assert_snapshot!(format!("{name}.svg"), render::picture::plan(&plan));
                    insta::assert_snapshot!(format!("{name}.html"), without_style_and_script(&plan));
                    let document = render::json::PlanDocument::of(&plan);
                    let targets = [render::picture::Target { label: None, plan: &document }];
                    insta::assert_snapshot!(format!("{name}.mermaid"), render::mermaid::documents(&targets));
                    insta::assert_snapshot!(format!("{name}.dot"), render::mermaid::dot(&targets));
                }
            }
            Err(findings) => insta::assert_snapshot!(format!("{name}.problems"), problems(findings)),
        });
    });
}

/// The page of a plan without what is the same in all pages.
fn without_style_and_script(plan: &Plan) -> String {
    let mut page = render::page::plan(plan);
    for (start, end) in
        [("<style>", "</style>"), ("<script>", "</script>"), ("sha256-", "'"), ("sha256-", "'")]
    {
        let (before, rest) = page.split_once(start).unwrap();
        let (_, after) = rest.split_once(end).unwrap();
        page = format!("{before}(...){after}");
    }
    page
}

/// What holds for every picture and page: the markup is right, nothing is loaded, and each step is there once. The same
/// comes out of a plan that was written as JSON and read again.
#[test]
fn every_plan_can_be_drawn() {
    each_case(|case| {
        let Ok((plan, _)) = case.plan() else { return };
        let document = render::json::PlanDocument::of(&plan);
        let read: render::json::PlanDocument = serde_json::from_str(&render::json::plan(&plan)).unwrap();
        let target = [render::picture::Target { label: None, plan: &read }];
        let svg = render::picture::plan(&plan);
        assert_eq!(svg, render::picture::documents(&target), "{}", case.0);
        let boxes =
            elements(&svg).iter().filter(|(name, class)| name == "g" && class.starts_with("stack ")).count();
        assert_eq!(boxes, document.steps.len(), "{}: {svg}", case.0);
        let page = render::page::plan(&plan);
        assert_eq!(page, render::page::documents(&target), "{}", case.0);
        for step in 1..=document.steps.len() {
            assert_eq!(page.matches(&format!(" id=\"p1-s{step}\"")).count(), 1, "{}: {step}", case.0);
        }
        for outside in [" src=", "@import", "url(http", "<link", "<img", "<iframe", "href=\"http"] {
            assert!(!page.contains(outside) && !svg.contains(outside), "{}: {outside}", case.0);
        }
        let (_, drawing) =
            page.split_once("<svg ").map_or(("", ""), |(_, rest)| rest.split_once('>').unwrap());
        if let Some((drawing, _)) = drawing.split_once("</svg>") {
            elements(&format!("<svg>{drawing}</svg>"));
        }
    });
}

/// Names and classes of the elements of a document; panics if it is no XML.
fn elements(document: &str) -> Vec<(String, String)> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(document);
    let mut elements = Vec::new();
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {document}")) {
            Event::Eof => return elements,
            Event::Start(element) | Event::Empty(element) => {
                let attributes: BTreeMap<String, String> = element
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap_or_else(|error| panic!("{error}: {document}"));
                        (attribute.key.as_ref().to_owned(), attribute.value.into_owned())
                    })
                    .collect();
                let name = element.name().as_ref().to_owned();
                elements.push((name, attributes.get("class").cloned().unwrap_or_default()));
            }
            _ => {}
        }
    }
}

#[test]
fn equal_input_gives_equal_bytes_and_lines_fit() {
    each_case(|case| {
        let (Ok((first, _)), Ok((second, _))) = (case.plan(), case.plan()) else { return };
        assert_eq!(render::json::plan(&first), render::json::plan(&second));
        let text = render::text::plan(&first, &render::text::TextOptions::default());
        for line in text.lines() {
            let unbreakable =
                line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default() > 50;
            assert!(line.chars().count() <= 80 || unbreakable, "{}: {line}", case.0);
        }
    });
}

/// What holds for every plan, whatever the case.
#[test]
fn every_plan_is_safe() {
    each_case(|case| {
        let Ok((plan, _)) = case.plan() else { return };
        let world = case.world();
        let position = |name: &str| plan.steps.iter().position(|step| step.name.as_str() == name);
        for step in &plan.steps {
            assert!(!step.reasons.is_empty(), "{}", step.name);
            for need in &step.needs {
                assert!(
                    position(need.as_str()) < position(step.name.as_str()),
                    "{} before {need}",
                    step.name
                );
            }
            if let Some(task) = step.task.as_ref().filter(|_| step.action == plan::Action::Delete) {
                let recorded = world.state.tasks.get(&step.name);
                let goes = recorded.is_some_and(|facts| facts.on_remove == OnRemove::Delete);
                assert!(
                    if task.leaves { goes } else { step.reasons == [plan::Reason::Unwanted] },
                    "{}: nobody asked for what {} deletes",
                    case.0,
                    step.name
                );
            } else if step.action == plan::Action::Delete {
                assert!(
                    plan.purpose == Purpose::Destroy || world.is_recorded(&step.name),
                    "{}: {} is deleted without being recorded",
                    case.0,
                    step.name
                );
                // The old record of a stack that has another name now says nothing about the stack.
                let renamed = |other: &plan::Step| {
                    other.reasons.iter().any(|reason| matches!(reason, plan::Reason::Renamed { .. }))
                };
                let other = |other: &&plan::Step| other.name != step.name && !renamed(other);
                let clash = plan.steps.iter().filter(other).any(|other| other.fqn == step.fqn);
                assert!(!clash, "{}: {} is deleted and kept", case.0, step.fqn);
            }
        }
    });
}

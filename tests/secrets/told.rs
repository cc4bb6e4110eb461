//! Everything that is told of a project.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runway_core::cache::{Cache, KindSettings, MemoryTier, Pace, Settings, Setup, codec};
use runway_core::engine::{Approval, EngineError, Gate, Interrupt, Planned};
use runway_core::error::Finding;
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::plan::saved::{SavedOptions, SavedPlans, SavedTarget, seal};
use runway_core::render::details::Depth;
use runway_core::render::style::Style;
use runway_core::render::text::TextOptions;
use runway_core::render::{events, graph, json, markdown, page, picture, problems, tables, text};

use crate::scene::{Guards, Scene};
use crate::support::{Project, Run, World};

/// Texts with what they are.
#[derive(Default)]
struct Told(Vec<(String, String)>);

/// Approves all plans and keeps them.
#[derive(Default)]
struct Witness(Mutex<Vec<Planned>>);

#[async_trait]
impl Gate for Witness {
    async fn approve(&self, planned: &Planned, _again: u32) -> Approval {
        self.0.lock().unwrap().push(planned.clone());
        Approval::Person
    }
}

impl Told {
    fn tell(&mut self, what: impl Into<String>, text: impl Into<String>) {
        let text = text.into();
        // Most of what is told once more is told in the same words.
        if !self.0.iter().any(|(_, known)| *known == text) {
            self.0.push((what.into(), text));
        }
    }

    /// A plan in every format.
    fn plan(&mut self, what: &str, planned: &Planned) {
        for (depth, name) in [(Depth::Short, "in short"), (Depth::Full, "in full")] {
            let options = TextOptions { width: 100_000, style: Style::default(), depth };
            self.tell(format!("{what} {name}"), text::plan(&planned.plan, &options));
        }
        self.tell(format!("{what} in Markdown"), markdown::plan(&planned.plan));
        self.tell(format!("{what} as JSON"), json::plan(&planned.plan));
        self.tell(format!("{what} for developers"), format!("{:?}", planned.plan));
        self.tell(format!("{what} as a picture"), picture::plan(&planned.plan));
        self.tell(format!("{what} as a page"), page::plan(&planned.plan));
        self.findings(&format!("warnings of {what}"), &planned.warnings);
    }

    fn findings(&mut self, what: &str, findings: &[Finding]) {
        let mut shown = String::new();
        for finding in findings {
            let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
                .with_width(100_000)
                .with_context_lines(50);
            handler.render_report(&mut shown, finding).unwrap();
            shown.push_str(&format!("{finding} {finding:?}\n"));
        }
        self.tell(format!("{what} as text"), shown);
        self.tell(format!("{what} as JSON"), problems::json(findings, ExitCode::Ok));
    }

    fn events(&mut self, what: &str, happened: &[Event]) {
        let lines: Vec<String> = happened.iter().flat_map(events::lines).collect();
        self.tell(format!("{what} as text"), lines.join("\n"));
        let lines: Vec<String> = happened.iter().map(events::json_line).collect();
        self.tell(format!("{what} as JSON"), lines.join("\n"));
        self.tell(format!("{what} for developers"), format!("{happened:?}"));
    }

    fn run(&mut self, what: &str, run: &Run, witness: &Witness) {
        self.events(what, &run.events);
        for planned in witness.0.lock().unwrap().iter() {
            self.plan(&format!("plan of {what}"), planned);
        }
        match &run.result {
            Ok(outcome) => {
                self.findings(&format!("errors of {what}"), &outcome.errors);
                self.plan(&format!("plan after {what}"), &outcome.planned);
            }
            Err(EngineError { findings, .. }) => self.findings(&format!("errors of {what}"), findings),
        }
    }
}

async fn planned(world: &World, project: &Project, purpose: Purpose) -> Result<Planned, EngineError> {
    let engine = world.engine(project.files.clone(), |_| ());
    engine.plan(&project.config(), purpose).await
}

async fn ran(world: &World, project: &Project) -> (Run, Witness) {
    let witness = Witness::default();
    let run = world
        .run_gated(project, Purpose::Deploy, (&witness, &Interrupt::default()), |options| {
            options.follow_events = true;
        })
        .await;
    (run, witness)
}

/// Plans, deploys, changes the secrets, plans again with and without CloudFormation's word, fails, deploys, looks, and
/// plans to delete everything.
pub(crate) async fn everything(scene: &Scene, guards: Guards) -> Vec<(String, String)> {
    let mut told = Told::default();
    let mut world = World::new().answering("kms");
    let machine = Arc::default();
    world.cache = cache(&world, &machine);
    scene.services(&world, false, guards);
    let project = scene.project(false, false, guards);
    match planned(&world, &project, Purpose::Deploy).await {
        Ok(planned) => told.plan("plan", &planned),
        Err(error) => told.findings("errors of plan", &error.findings),
    }
    let (run, witness) = ran(&world, &project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{scene:?} {}", run.explain());
    told.run("events", &run, &witness);
    looked(&mut told, &world, &project).await;
    remembered(&mut told, &mut world, &machine).await;

    scene.services(&world, true, guards);
    let project = scene.project(true, false, guards);
    match planned(&world, &project, Purpose::Deploy).await {
        Ok(planned) => told.plan("changed plan", &planned),
        Err(error) => told.findings("errors of changed plan", &error.findings),
    }
    let engine = world.engine(project.files.clone(), |_| ());
    match engine.plan_with_change_sets(&project.config(), Purpose::Deploy, &Interrupt::default()).await {
        Ok(planned) => told.plan("asked plan", &planned),
        Err(error) => told.findings("errors of asked plan", &error.findings),
    }
    let engine = world.engine(project.files.clone(), |_| ());
    match engine.plan_to_save(&project.config(), Purpose::Deploy, SavedTarget::default(), &[]).await {
        Ok((planned, plan)) => {
            told.plan("plan to save", &planned);
            let plans = SavedPlans {
                version: 1,
                digest: String::new(),
                program: String::new(),
                created: String::new(),
                options: SavedOptions::default(),
                plans: vec![plan],
            };
            told.tell("saved plan", seal(&plans));
        }
        Err(error) => told.findings("errors of plan to save", &error.findings),
    }
    remembered(&mut told, &mut world, &machine).await;
    let failing = scene.project(true, true, guards);
    let (run, witness) = ran(&world, &failing).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{scene:?} {}", run.explain());
    told.run("failure", &run, &witness);

    let (run, witness) = ran(&world, &project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{scene:?} {}", run.explain());
    told.run("changed events", &run, &witness);
    looked(&mut told, &world, &project).await;
    remembered(&mut told, &mut world, &machine).await;

    broken(&mut told, &world, &project).await;
    match planned(&world, &project, Purpose::Destroy).await {
        Ok(planned) => told.plan("plan to destroy", &planned),
        Err(error) => told.findings("errors of plan to destroy", &error.findings),
    }
    told.0
}

/// What is kept of the runs so far; the next run is another one, some hours later.
async fn remembered(told: &mut Told, world: &mut World, machine: &Arc<MemoryTier>) {
    world.cache.publish(true).await;
    let mut shown = String::new();
    // The copy of the bucket's index is among them.
    for bytes in machine.files().values() {
        match codec::decode(bytes) {
            Ok(index) => index.records.values().for_each(|record| shown.push_str(&format!("{record:?}\n"))),
            Err(_) => shown.push_str(&String::from_utf8_lossy(bytes)),
        }
    }
    told.tell("records of the cache", shown);
    tokio::time::sleep(Duration::from_secs(3 * 60 * 60)).await;
    world.cache = cache(world, machine);
}

/// The cache of a run, which keeps for an hour what lookups found.
fn cache(world: &World, machine: &Arc<MemoryTier>) -> Arc<Cache> {
    let pace = Pace { clock: Arc::clone(&world.clock) as _, random: Arc::new(|| 7) };
    let local = Some(Arc::clone(machine) as _);
    let (namespace, writer, command) = ("ns".to_owned(), "tester".to_owned(), "deploy".to_owned());
    let ttl = KindSettings { ttl: Some(Duration::from_secs(60 * 60)), ..KindSettings::default() };
    let settings = Settings { kinds: [("lookup".to_owned(), ttl)].into(), ..Settings::default() };
    Arc::new(Cache::new(settings, Setup { namespace, local, pace, writer, command, key: None }))
}

/// What commands tell that only look.
async fn looked(told: &mut Told, world: &World, project: &Project) {
    let engine = world.engine(project.files.clone(), |_| ());
    let config = project.config();
    let outputs = engine.outputs(&config, None).await.unwrap_or_else(|error| panic!("{:?}", error.findings));
    told.tell("outputs as text", tables::outputs_text(&outputs));
    told.tell("outputs as JSON", tables::outputs_json(&outputs));
    told.tell("outputs for a shell", tables::outputs_env(&outputs));
    let rows = engine.status(&config).await.unwrap_or_else(|error| panic!("{:?}", error.findings));
    told.tell("status as text", tables::status_text(&rows));
    told.tell("status as JSON", tables::status_json(&rows));
    let view = engine.graph(&config).await.unwrap_or_else(|error| panic!("{:?}", error.findings));
    told.tell("graph as text", graph::text(&view));
    told.tell("graph as JSON", graph::json(&view));
}

/// Configs that cannot be planned, each for a reason that would like to quote a value.
async fn broken(told: &mut Told, world: &World, project: &Project) {
    let refusing: BTreeMap<_, _> = project
        .files
        .iter()
        .map(|(path, text)| {
            let text = text.replace(
                "\"Type\":\"String\",\"NoEcho\"",
                "\"Type\":\"String\",\"AllowedPattern\":\"[0-9]\",\"NoEcho\"",
            );
            (path.clone(), text)
        })
        .collect();
    let undefined: BTreeMap<_, _> = project
        .files
        .iter()
        .map(|(path, text)| (path.clone(), format!("{text}\nUnknown section: {{{{ variables.P }}}}: [")))
        .collect();
    let mut lookup = project.clone();
    lookup.stacks.push_str("  - {name: z, template_path: d.yml, variables: {P: '${ssm none-${ssm p0}}'}}\n");
    let mut hook = project.clone();
    hook.head.push_str("post_deploy:\n  - {path: h, args: {fail: 'wrong ${ssm p0}'}}\n");
    let files = |files| Project { files, ..project.clone() };
    for (name, project) in [("values", files(refusing)), ("templates", files(undefined)), ("lookups", lookup)]
    {
        match planned(world, &project, Purpose::Deploy).await {
            Ok(planned) => told.plan(&format!("plan with broken {name}"), &planned),
            Err(error) => told.findings(&format!("errors of {name}"), &error.findings),
        }
    }
    let (run, witness) = ran(world, &hook).await;
    told.run("broken hook", &run, &witness);
}

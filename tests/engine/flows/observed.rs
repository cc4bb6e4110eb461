//! Lookups whose values the config lets be used again for a while: by whom, for how long, and never without being said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use runway_core::cache::{Cache, KindSettings, MemoryTier, Mode, Pace, Settings, Setup, codec};
use runway_core::exit::ExitCode;
use runway_core::plan::Action;
use serde_json::json;

use super::hooks::noted;
use crate::support::World;

/// A machine whose config gives `ssm` a time to live.
struct Machine {
    files: Arc<MemoryTier>,
    ttl: Option<Duration>,
}

impl Machine {
    fn new(ttl: u64) -> Self {
        Self { files: Arc::default(), ttl: Some(Duration::from_secs(ttl)) }
    }

    /// The world in one run, with what the machine has in its cache by then.
    async fn run(&self, world: &World, mode: Mode) -> World {
        let pace = Pace { clock: Arc::clone(&world.clock) as _, random: Arc::new(|| 7) };
        let ssm = KindSettings { is_disabled: false, ttl: self.ttl };
        let kinds = BTreeMap::from([("lookup.ssm".to_owned(), ssm)]);
        let settings = Settings { local: mode, remote: Mode::Off, kinds, ..Settings::default() };
        let setup = Setup {
            namespace: "ns".to_owned(),
            local: Some(Arc::clone(&self.files) as _),
            pace,
            writer: "tester".to_owned(),
            command: "plan".to_owned(),
            key: None,
        };
        let cache = Arc::new(Cache::new(settings, setup));
        cache.load(None).await;
        let mut world = world.clone();
        world.cache = cache;
        world
    }

    /// What a plan says of the value, and of where it has it from.
    async fn plan(&self, world: &World, note: &str, mode: Mode) -> (Action, Vec<String>) {
        let world = self.run(world, mode).await;
        let planned = world.plan(&noted("", note)).await;
        world.cache.publish(false).await;
        let notes = planned.plan.notes.iter().filter(|note| note.code == "lookup::cached");
        (planned.plan.steps[0].action, notes.map(|note| note.text.clone()).collect())
    }

    fn has(&self, text: &str) -> bool {
        let files = self.files.files();
        files.values().any(|bytes| match codec::decode(bytes) {
            Ok(index) => format!("{:?}", index.records).contains(text),
            Err(_) => String::from_utf8_lossy(bytes).contains(text),
        })
    }
}

async fn pass(minutes: u64) {
    tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
}

#[tokio::test(start_paused = true)]
async fn a_value_is_used_again_as_long_as_the_config_says_and_the_plan_tells() {
    let (world, machine) = (World::new(), Machine::new(3_600));
    world.fakes.set("size", "small");
    let run = world.deploy(&noted("", "${ssm size}")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(machine.plan(&world, "${ssm size}", Mode::ReadWrite).await, (Action::None, Vec::new()));

    world.fakes.set("size", "large");
    pass(12).await;
    world.fakes.asked.lock().unwrap().clear();
    let (action, notes) = machine.plan(&world, "${ssm size}", Mode::ReadWrite).await;
    assert_eq!(action, Action::None, "the value of before");
    let text = "lookup `ssm`: cached 12 m, because `cache` of the config gives it a `ttl`; `--cache refresh` asks again";
    assert_eq!(notes, [text]);
    assert!(world.fakes.asked.lock().unwrap().is_empty());

    // Whoever wants the truth has it, and it is what is kept from then on.
    assert_eq!(machine.plan(&world, "${ssm size}", Mode::Refresh).await, (Action::Update, Vec::new()));
    pass(50).await;
    let (action, notes) = machine.plan(&world, "${ssm size}", Mode::ReadWrite).await;
    assert_eq!(action, Action::Update);
    assert!(notes[0].contains("cached 50 m"), "{notes:?}");
    pass(10).await;
    assert_eq!(machine.plan(&world, "${ssm size}", Mode::ReadWrite).await, (Action::Update, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn without_a_time_to_live_every_run_asks() {
    let (world, machine) = (World::new(), Machine { ttl: None, ..Machine::new(0) });
    world.fakes.set("size", "small");
    for count in 1..=3 {
        assert!(machine.plan(&world, "${ssm size}", Mode::ReadWrite).await.1.is_empty());
        assert_eq!(world.fakes.queries()["size"], count);
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_and_failures_are_not_kept() {
    let (world, machine) = (World::new(), Machine::new(3_600));
    world.fakes.set("secret", json!({"secret": "hunter2-and-more"}));
    world.fakes.set("plain", "an-open-value");
    world.fakes.set("of-hunter2-and-more", "found-by-a-secret");
    let note = "${ssm secret} ${ssm plain} ${ssm missing::default=nobody} ${ssm of-${ssm secret}}";
    for count in 1..=2 {
        machine.plan(&world, note, Mode::ReadWrite).await;
        let queries = world.fakes.queries();
        assert_eq!(
            (queries["secret"], queries["missing"], queries["of-hunter2-and-more"]),
            (count, count, count)
        );
        assert_eq!(queries["plain"], 1);
    }
    assert!(machine.has("an-open-value"), "this one is there");
    for secret in ["hunter2-and-more", "found-by-a-secret"] {
        assert!(!machine.has(secret), "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_hooks_the_service_is_asked() {
    let (world, machine) = (World::new(), Machine::new(3_600));
    world.fakes.set("size", "small");
    machine.plan(&world, "${ssm size}", Mode::ReadWrite).await;
    let run = machine.run(&world, Mode::ReadWrite).await;
    let hooks = "pre_deploy:\n  - {path: h, args: {set: {size: large}}}\n";
    let deployed = run.deploy(&noted(hooks, "${ssm size}")).await;
    assert_eq!(deployed.exit(), ExitCode::Ok, "{}", deployed.explain());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "large");
}

#[tokio::test(start_paused = true)]
async fn another_account_or_region_has_other_values() {
    let (world, machine) = (World::new(), Machine::new(3_600));
    world.fakes.set("size", "small");
    let elsewhere = |account: &str, region: &str| {
        let options =
            runway_local::Options { account: account.to_owned(), region: region.to_owned(), timing: None };
        let local = runway_local::Local::memory(Arc::clone(&world.clock) as _, options);
        world.behind(Arc::new(local))
    };
    let places =
        [world.clone(), elsewhere("210987654321", "us-east-1"), elsewhere("123456789012", "eu-west-1")];
    for (count, place) in (1..).zip(&places) {
        for _ in 0..2 {
            machine.plan(place, "${ssm size}", Mode::ReadWrite).await;
            assert_eq!(world.fakes.queries()["size"], count);
        }
    }
}

//! Blueprints that are not rendered again: what they depend on is as it was. Whatever is changed, the template is the one
//! that a rendering without a cache has.

mod interpreters;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::cache::{Cache, Check, Filter, Pace, Settings, Setup, codec};
use runway_core::clock::TokioClock;
use runway_core::registry::{Blueprint, BlueprintRenderer as _, BlueprintRequest, HookHandler as _};
use runway_host::cache::LocalCache;
use serde_json::{Value, json};

use crate::support::{Output, Project, Starts, call, python, request};

/// A project with files for the blueprints that read.
fn reading() -> Project {
    let mut project = Project::new();
    set(&mut project, "HOME", "/home/somebody");
    for (file, text) in [
        ("data.json", r#"{"value": "one"}"#),
        ("shared.txt", "shared"),
        ("parts/first.txt", ""),
        ("parts/readme.md", ""),
    ] {
        write(&project, &format!("blueprints/{file}"), text);
    }
    project
}

fn write(project: &Project, file: &str, text: &str) {
    let place = project.path().join(file);
    fs_err::create_dir_all(place.parent().unwrap()).unwrap();
    fs_err::write(place, text).unwrap();
}

fn reader() -> BlueprintRequest {
    request("blueprints.reading.Reader", json!({"Name": "someone"}))
}

fn changing(class: &str) -> BlueprintRequest {
    request(&format!("blueprints.changing.{class}"), json!({}))
}

/// Files of a machine, between runs.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The cache of one run; with `check`, what is found is made again and compared.
    async fn cache(&self, check: Option<Check>) -> Arc<Cache> {
        let clock = TokioClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let local = LocalCache::new(self.0.path(), "local:test", None, "ns", "000011112222");
        let setup = Setup {
            namespace: "ns".to_owned(),
            local: Some(Arc::new(local)),
            pace: Pace { clock: Arc::new(clock), random: Arc::new(|| 7) },
            writer: "tester".to_owned(),
            command: "plan".to_owned(),
            key: None,
        };
        let cache = Cache::new(Settings { check, ..Settings::default() }, setup);
        cache.load(None).await;
        Arc::new(cache)
    }

    /// How many renderings are kept.
    async fn blueprints(&self) -> usize {
        let records = self.cache(None).await.records(&Filter::default());
        records.iter().filter(|record| record.kind == "blueprint").count()
    }

    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut left) = (Vec::new(), vec![self.0.path().to_owned()]);
        while let Some(place) = left.pop() {
            for entry in fs_err::read_dir(place).unwrap().map(Result::unwrap) {
                let to = if entry.file_type().unwrap().is_dir() { &mut left } else { &mut files };
                to.push(entry.path());
            }
        }
        files
    }

    fn has(&self, text: &str) -> bool {
        self.files().iter().map(|file| fs_err::read(file).unwrap()).any(|bytes| match codec::decode(&bytes) {
            Ok(index) => format!("{:?}", index.records).contains(text),
            Err(_) => String::from_utf8_lossy(&bytes).contains(text),
        })
    }
}

/// Renders in a run of its own; and how often Python was started for it.
async fn run(
    project: &Project,
    cache: &Arc<Cache>,
    starts: &Starts,
    request: &BlueprintRequest,
) -> (Blueprint, usize) {
    let before = starts.count();
    let blueprint = project.remembering(cache).render(request).await.unwrap();
    (blueprint, starts.count() - before)
}

/// Renders with a cache, which must need this many starts; what comes out is what comes out without.
async fn expect(
    project: &Project,
    cache: &Arc<Cache>,
    starts: &Starts,
    request: &BlueprintRequest,
    needed: usize,
    what: &str,
) -> Blueprint {
    let (blueprint, started) = run(project, cache, starts, request).await;
    let without = project.bridge().render(request).await.unwrap();
    assert_eq!(blueprint, without, "{what}");
    assert_eq!(started, needed, "{what}");
    blueprint
}

/// What may become of a file.
type Damage = fn(&mut Vec<u8>);

type Edit = (&'static str, fn(&mut Project, &mut BlueprintRequest));

/// Changes that a rendering must show.
const SHOWN: &[Edit] = &[
    ("the blueprint", |project, _| {
        let place = project.path().join("blueprints/reading.py");
        let text = fs_err::read_to_string(&place).unwrap();
        fs_err::write(
            &place,
            text.replace(r#"self.add_output(name, value)"#, r#"self.add_output("X" + name, value)"#),
        )
        .unwrap();
    }),
    ("a module it imports", |project, _| write(project, "blueprints/sizes.py", "LARGE = 'm7g.2xlarge'\n")),
    ("a module becomes a package", |project, _| {
        write(project, "blueprints/sizes/__init__.py", "LARGE = 'of a package'\n");
    }),
    ("a module that was not there", |project, _| write(project, "overrides.py", "VALUE = 'here now'\n")),
    ("a module in place of one of the standard library", |project, _| {
        write(project, "counting/colorsys.py", "ONE_THIRD = 'a shadow'\n");
    }),
    ("a data file", |project, _| write(project, "blueprints/data.json", r#"{"value": "another"}"#)),
    ("a file that was not there", |project, _| write(project, "blueprints/optional.txt", "here now")),
    ("a file that was there", |project, _| {
        fs_err::remove_file(project.path().join("blueprints/optional.txt")).unwrap();
    }),
    ("a file in a directory", |project, _| write(project, "blueprints/parts/second.txt", "")),
    ("an environment variable that was not set", |project, _| set(project, "READ_HERE", "set")),
    ("an environment variable", |project, _| set(project, "READ_HERE", "set otherwise")),
    ("a variable read by the context", |project, _| set(project, "READ_FROM_CONTEXT", "set")),
    ("the home", |project, _| set(project, "HOME", "/nowhere/at/home")),
    ("a variable of the stack", |_, request| request.variables["Name"] = json!("other")),
    ("the description", |_, request| request.description = Some("Described".to_owned())),
    ("the name of the stack", |_, request| request.stack = runway_core::ident::NodeName::new("other")),
    ("the mappings", |project, _| {
        project.settings.config["mappings"] = json!({"Sizes": {"eu-west-1": {"Small": "t3.nano"}}});
    }),
    ("the namespace", |project, _| project.settings.config["namespace"] = json!("Other")),
    ("the indent", |project, _| project.settings.config["template_indent"] = json!(2)),
    ("the parameters", |project, _| {
        project.settings.parameters.insert("team".to_owned(), json!("red"));
    }),
    ("the region", |project, _| project.settings.region = "us-east-2".to_owned()),
    ("the deploy environment", |project, _| project.settings.deploy_environment = "prod".to_owned()),
];

/// Changes of what no blueprint here has read.
const HARMLESS: &[Edit] = &[
    ("a file beside the others", |project, _| write(project, "notes.txt", "nothing")),
    ("another module", |project, _| write(project, "blueprints/unrelated.py", "X = 1\n")),
    ("another variable", |project, _| set(project, "UNRELATED", "yes")),
    ("another file in a directory whose names are compared with a pattern", |project, _| {
        write(project, "blueprints/parts/first.txt", "its content is not read");
    }),
    ("the time of a file", |project, _| {
        let place = project.path().join("blueprints/data.json");
        let text = fs_err::read(&place).unwrap();
        fs_err::write(&place, text).unwrap();
    }),
    ("bytecode", |project, _| {
        let place = project.path().join("blueprints/__pycache__");
        if place.exists() {
            fs_err::remove_dir_all(place).unwrap();
        }
    }),
];

fn set(project: &mut Project, name: &str, value: &str) {
    project.settings.environment.insert(name.to_owned(), value.to_owned());
}

#[tokio::test]
async fn every_change_is_seen_and_nothing_else_starts_python() {
    let mut project = reading();
    let starts = project.count_in_python();
    let cache = Arc::new(Cache::default());
    let mut request = reader();
    let mut last = expect(&project, &cache, &starts, &request, 1, "the first time").await;
    for (what, edit) in SHOWN {
        edit(&mut project, &mut request);
        let now = expect(&project, &cache, &starts, &request, 1, what).await;
        assert_ne!(now.body, last.body, "the template shows {what}");
        for (harmless, edit) in HARMLESS {
            edit(&mut project, &mut request);
            let (again, started) = run(&project, &cache, &starts, &request).await;
            assert_eq!((&again, started), (&now, 0), "{harmless} after {what}");
        }
        last = now;
    }
}

#[tokio::test]
async fn many_blueprints_are_found_without_python() {
    let mut project = reading();
    let starts = project.count_in_python();
    let cache = Arc::new(Cache::default());
    let requests: Vec<BlueprintRequest> = (0..50)
        .map(|number| {
            let class = ["reading.Reader", "reading.Sharing", "changing.Plain"][number % 3];
            let mut request = request(&format!("blueprints.{class}"), json!({}));
            request.stack = runway_core::ident::NodeName::new(format!("stack-{number}"));
            request
        })
        .collect();
    let mut rendered = Vec::new();
    for started in [1, 0] {
        let before = starts.count();
        let bridge = Arc::new(project.remembering(&cache));
        let mut all = tokio::task::JoinSet::new();
        for request in requests.clone() {
            let bridge = Arc::clone(&bridge);
            all.spawn(async move { (request.stack.to_string(), bridge.render(&request).await.unwrap()) });
        }
        let mut all = all.join_all().await;
        all.sort_by(|(one, _), (two, _)| one.cmp(two));
        rendered.push(all);
        assert_eq!(starts.count() - before, started);
    }
    assert_eq!(rendered[0], rendered[1]);
}

#[tokio::test]
async fn what_has_changed_is_named_and_the_rendering_is_no_hit() {
    let mut project = reading();
    let (starts, machine) = (project.count_in_python(), Machine::new());
    let traced = |cache: &Cache| {
        let asked = cache.explain(reader().stack.as_str());
        let trace = asked.into_iter().find(|one| one.kind == "blueprint-trace").unwrap();
        (trace.is_hit, trace.refuted)
    };
    let first = machine.cache(None).await;
    run(&project, &first, &starts, &reader()).await;
    assert_eq!(traced(&first), (false, None));
    first.publish(false).await;
    let second = machine.cache(None).await;
    assert_eq!(run(&project, &second, &starts, &reader()).await.1, 0);
    assert_eq!(traced(&second), (true, None));
    let saved = second.counters().saved_ms;
    assert_eq!(second.counters().misses, 0);

    write(&project, "blueprints/data.json", r#"{"value": "two"}"#);
    let third = machine.cache(None).await;
    assert_eq!(run(&project, &third, &starts, &reader()).await.1, 1);
    let (is_hit, refuted) = traced(&third);
    let refuted = refuted.unwrap();
    assert!(!is_hit && refuted.ends_with("blueprints/data.json has changed"), "{refuted}");
    let counted = third.counters();
    assert_eq!((counted.misses, counted.saved_ms), (1, 0), "{saved} were saved before");
    let document =
        runway_core::render::cache::explained("stack", &third.explain(reader().stack.as_str()), &[]);
    let text = runway_core::render::cache::explained_text(&document);
    assert!(text.contains("  its record does not hold any more: "), "{text}");
    assert!(!text.contains("no record of this kind"), "{text}");
    assert!(!text.contains("hit:"), "{text}");
}

#[tokio::test]
async fn what_one_blueprint_read_may_be_used_by_the_next() {
    let mut project = reading();
    let starts = project.count_in_python();
    let cache = Arc::new(Cache::default());
    let one = request("blueprints.reading.Sharing", json!({}));
    let mut two = one.clone();
    two.stack = runway_core::ident::NodeName::new("two");
    for (text, needed) in [("shared", 1), ("shared", 0), ("another text", 1)] {
        write(&project, "blueprints/shared.txt", text);
        let before = starts.count();
        let bridge = project.remembering(&cache);
        // The file is read once, for the first of them; after a change both are rendered again.
        for request in [&two, &one] {
            let body = bridge.render(request).await.unwrap().body;
            assert!(body.contains(&format!("\"{text}\"")), "{body}");
        }
        assert_eq!(starts.count() - before, needed, "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_found_again_is_rendered_every_time() {
    let classes = [
        "Connects",
        "Resolves",
        "Starts",
        "RunsShell",
        "Forks",
        "ReadsClock",
        "ReadsDate",
        "ReadsDay",
        "FormatsDay",
        "Rolls",
        "RollsItsOwn",
        "MakesId",
        "ReadsRandom",
        "ReadsDevice",
        "ReadsProcess",
        "AsksForProcess",
        "Writes",
        "MakesDirectory",
        "StartsThread",
        "ReadsAllVariables",
        "ReadsAllOfContext",
        "ReadsSecret",
        "SetsVariable",
        "ChangesDirectory",
        "LeavesHookData",
        "Watches",
    ];
    let mut project = Project::new();
    let starts = project.count_in_python();
    for class in classes {
        let machine = Machine::new();
        let cache = machine.cache(None).await;
        run(&project, &cache, &starts, &changing(class)).await;
        cache.publish(false).await;
        assert_eq!(machine.blueprints().await, 0, "{class}");
    }
    let cache = Arc::new(Cache::default());
    // In one process with such a one, nothing that comes later is kept.
    let bridge = project.remembering(&cache);
    bridge.render(&changing("ReadsClock")).await.unwrap();
    bridge.render(&changing("Plain")).await.unwrap();
    assert_eq!(run(&project, &cache, &starts, &changing("Plain")).await.1, 1);
    assert_eq!(run(&project, &cache, &starts, &changing("Plain")).await.1, 0);
}

#[tokio::test]
async fn what_hooks_and_lookups_may_have_changed_is_not_taken_from_the_cache() {
    let mut project = reading();
    let starts = project.count_in_python();
    let cache = Arc::new(Cache::default());
    let plain = changing("Plain");
    run(&project, &cache, &starts, &plain).await;

    let bridge = project.remembering(&cache);
    bridge.run(&call("hooks.plain.data", json!({})), &Output::default()).await.unwrap();
    assert_eq!(starts.count(), 2);
    bridge.render(&plain).await.unwrap();
    bridge.render(&reader()).await.unwrap();
    assert_eq!(run(&project, &cache, &starts, &plain).await.1, 0, "what was kept before still holds");
    assert_eq!(run(&project, &cache, &starts, &reader()).await.1, 1, "after a hook nothing was kept");

    // A hook outside Python changes a file: what was verified has to be verified again.
    let bridge = project.remembering(&cache);
    let before = bridge.render(&reader()).await.unwrap();
    write(&project, "blueprints/data.json", r#"{"value": "of a hook"}"#);
    bridge.look_again();
    let after = bridge.render(&reader()).await.unwrap();
    assert_ne!(before, after);
    assert!(after.body.contains("of a hook"));
}

#[tokio::test]
async fn secrets_and_what_only_python_has_are_not_kept() {
    let mut project = reading();
    let starts = project.count_in_python();
    let machine = Machine::new();
    let cache = machine.cache(None).await;
    let mut secret = reader();
    secret.variables["Name"] = json!("correct horse");
    secret.secrets = vec!["correct horse".to_owned()];
    // A text in what hooks left is a secret that is told in the same way.
    let mut hidden = reader();
    hidden.hook_data.insert("login".to_owned(), json!({"password": "battery staple"}));
    hidden.secrets = vec!["battery staple".to_owned()];
    let mut python = reader();
    python.hook_data.insert("code".to_owned(), json!({"$python": "1"}));
    for request in [secret, hidden, python] {
        for _ in 0..2 {
            assert_eq!(run(&project, &cache, &starts, &request).await.1, 1);
        }
    }
    // What hooks outside Python have left in the open is an ingredient.
    let hooked = |commit: &str| {
        let mut request = request("blueprints.network.WithHookData", json!({}));
        request.hook_data.insert("commit".to_owned(), json!({"id": commit}));
        request
    };
    let one = expect(&project, &cache, &starts, &hooked("1"), 1, "hook data").await;
    let two = expect(&project, &cache, &starts, &hooked("2"), 1, "other hook data").await;
    assert_ne!(one.body, two.body);
    assert_eq!(run(&project, &cache, &starts, &hooked("1")).await, (one, 0));
    // Values of variables of the environment are not written down, be they secrets or not.
    set(&mut project, "READ_HERE", "value of the environment");
    let mut with_variable = reader();
    with_variable.class_path = "blueprints.reading.Quiet".to_owned();
    run(&project, &cache, &starts, &with_variable).await;
    cache.publish(false).await;
    assert_eq!(machine.blueprints().await, 3);
    assert!(machine.has("sqs") || machine.has("SQS"), "templates are there");
    for secret in ["correct horse", "battery staple", "value of the environment"] {
        assert!(!machine.has(secret), "{secret}");
    }
}

#[tokio::test]
async fn lost_and_damaged_files_cost_a_rendering_and_no_more() {
    let mut project = reading();
    let starts = project.count_in_python();
    let without = project.bridge().render(&reader()).await.unwrap();
    let damages: [(&str, Damage); 4] = [
        ("emptied", Vec::clear),
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("changed", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x20;
        }),
        ("other words", |bytes| *bytes = b"{\"before\":null,\"found\":{}}".to_vec()),
    ];
    let machine = Machine::new();
    let keep = async || {
        let cache = machine.cache(None).await;
        let (blueprint, started) = run(&project, &cache, &starts, &reader()).await;
        cache.publish(false).await;
        assert_eq!(blueprint, without);
        started
    };
    assert_eq!((keep().await, keep().await), (1, 0));
    // What was read is a file of its own beside the records; the account of the last run is nothing that a run needs.
    let is_record =
        |file: &PathBuf| fs_err::metadata(file).unwrap().len() > 0 && !file.ends_with("last-run.json");
    let files: Vec<PathBuf> = machine.files().into_iter().filter(is_record).collect();
    assert!(files.len() > 1, "{files:?}");
    for file in files {
        for (what, damage) in damages {
            let mut bytes = fs_err::read(&file).unwrap();
            damage(&mut bytes);
            fs_err::write(&file, bytes).unwrap();
            assert_eq!((keep().await, keep().await), (1, 0), "{file:?} {what}");
        }
        fs_err::remove_file(&file).unwrap();
        assert_eq!((keep().await, keep().await), (1, 0), "{file:?} is gone");
    }
}

#[tokio::test]
async fn a_run_that_checks_renders_again_and_tells_what_came_out_differently() {
    let mut project = reading();
    let starts = project.count_in_python();
    let unseen = changing("DependsOnHashes");
    for (request, expected) in [(reader(), 0), (unseen, 1)] {
        let machine = Machine::new();
        let mut told = Vec::new();
        for check in [None, Some(Check { percent: 100 })] {
            let cache = machine.cache(check).await;
            assert_eq!(run(&project, &cache, &starts, &request).await.1, 1);
            cache.publish(false).await;
            told = cache.mismatches();
        }
        assert_eq!(told.len(), expected, "{told:?}");
    }
}

#[tokio::test]
async fn a_program_that_starts_python_may_start_another_one_tomorrow() {
    let mut project = Project::new();
    let starts = project.count_starts();
    let cache = Arc::new(Cache::default());
    for count in 1..=2 {
        project.remembering(&cache).render(&changing("Plain")).await.unwrap();
        assert_eq!(fs_err::read_to_string(&starts).unwrap().lines().count(), count);
    }
}

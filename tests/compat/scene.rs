//! A run of a case: its project in a directory, its cloud, and what there is after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::case::{Call, Case, Step};
use crate::programs::{Bench, Ran, ours, root};

/// Stands for the directory of a run in files of a case.
const PLACE: &str = "@PLACE@";

/// Who does the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// Runway alone: what the others are compared with.
    Runway,
    /// runway-rs alone.
    Ours,
    /// The two in turn, Runway first.
    Turns,
    /// The two in turn, runway-rs first.
    TurnsReversed,
}

impl Run {
    /// Its name in case files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Runway => "runway",
            Self::Ours => "runway-rs",
            Self::Turns => "turns",
            Self::TurnsReversed => "turns-reversed",
        }
    }

    /// Whether the command with this number is ours.
    fn is_ours(self, number: usize) -> bool {
        match self {
            Self::Runway => false,
            Self::Ours => true,
            Self::Turns => number % 2 == 1,
            Self::TurnsReversed => number.is_multiple_of(2),
        }
    }
}

/// What there is after a step.
pub(crate) struct Seen {
    /// Name of the step.
    pub(crate) step: String,
    /// Everything that is compared.
    pub(crate) state: Value,
    /// Whether the command was ours.
    pub(crate) ours: bool,
    /// The exit code that a command of ours should have had.
    pub(crate) expected: i32,
    /// The command; `None` for a step without one.
    pub(crate) ran: Option<Ran>,
}

/// Does all steps of a case on an empty cloud, in `place`.
pub(crate) fn play(bench: &mut Bench, case: &Case, run: Run, place: &Path) -> Result<Vec<Seen>, String> {
    let scene = Scene { case, place: place.to_owned() };
    bench.reset();
    for bucket in &case.buckets {
        bench.make_bucket(bucket);
    }
    scene.make_project()?;
    let mut environment = bench.environment(&place.join("home"));
    extend(&mut environment, &case.environment);
    call(bench, &case.before, &mut environment)?;
    let mut seen = Vec::new();
    let mut commands = 0;
    for step in &case.steps {
        scene.write(&step.edit)?;
        for path in &step.remove {
            std::fs::remove_file(scene.project().join(path)).map_err(|error| format!("{path}: {error}"))?;
        }
        call(bench, &step.calls, &mut environment)?;
        step.statuses.iter().for_each(|(stack, status)| bench.set_status(stack, status));
        let is_ours = run.is_ours(commands);
        commands += usize::from(step.run.is_some());
        let ran = scene.run(bench, step, is_ours, &environment);
        let answers = bench.calls(&case.watch, true, &environment)?;
        let state = scene.state(&bench.world()?, ran.as_ref(), &case.watch, answers);
        seen.push(Seen { step: step.name.clone(), state, ours: is_ours, expected: step.exit, ran });
    }
    Ok(seen)
}

fn extend(environment: &mut BTreeMap<String, String>, more: &BTreeMap<String, Option<String>>) {
    for (name, value) in more {
        match value {
            Some(value) => drop(environment.insert(name.clone(), value.clone())),
            None => drop(environment.remove(name)),
        }
    }
}

/// Makes calls, and keeps what they are to save for the later ones.
fn call(bench: &mut Bench, calls: &[Call], environment: &mut BTreeMap<String, String>) -> Result<(), String> {
    for call in calls {
        let mut call = call.clone();
        call.arguments.values_mut().for_each(|argument| fill_in(argument, environment));
        let answers = bench.calls(std::slice::from_ref(&call), false, environment)?;
        if let (Some(name), Some(answer)) = (&call.save, answers.first()) {
            let text = answer.as_str().map_or_else(|| answer.to_string(), str::to_owned);
            environment.insert(name.clone(), text);
        }
    }
    Ok(())
}

/// Puts a saved answer where `$NAME` stands.
fn fill_in(argument: &mut Value, environment: &BTreeMap<String, String>) {
    let saved = argument.as_str().and_then(|text| environment.get(text.strip_prefix('$')?));
    if let Some(saved) = saved {
        *argument = Value::from(saved.as_str());
    }
}

struct Scene<'c> {
    case: &'c Case,
    place: PathBuf,
}

impl Scene<'_> {
    fn project(&self) -> PathBuf {
        self.place.join("project")
    }

    fn make_project(&self) -> Result<(), String> {
        if self.place.exists() {
            std::fs::remove_dir_all(&self.place).map_err(|error| error.to_string())?;
        }
        std::fs::create_dir_all(self.place.join("home")).map_err(|error| error.to_string())?;
        let shared = root().join("fixtures/compat/shared");
        for source in [shared, self.case.directory.join("project")] {
            if source.exists() {
                self.copy(&source, &self.project())
                    .map_err(|error| format!("{}: {error}", source.display()))?;
            }
        }
        self.write(&self.case.files)?;
        for (name, files) in &self.case.repositories {
            let repository = self.place.join("repositories").join(name);
            for (path, text) in files {
                self.write_file(&repository.join(path), text)?;
            }
            make_repository(&repository, "main")?;
        }
        self.case.branch.as_ref().map_or(Ok(()), |branch| make_repository(&self.project(), branch))
    }

    fn copy(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                self.copy(&from, &to)?;
            } else {
                match std::fs::read_to_string(&from) {
                    Ok(text) => std::fs::write(to, self.placed(&text))?,
                    Err(_) => drop(std::fs::copy(from, to)?),
                }
            }
        }
        Ok(())
    }

    fn write(&self, files: &BTreeMap<String, String>) -> Result<(), String> {
        files.iter().try_for_each(|(path, text)| self.write_file(&self.project().join(path), text))
    }

    fn write_file(&self, path: &Path, text: &str) -> Result<(), String> {
        let directory = path.parent().unwrap_or(path);
        std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(path, self.placed(text)))
            .and_then(|()| date(path))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    fn placed(&self, text: &str) -> String {
        text.replace(PLACE, &self.place.display().to_string())
    }

    fn run(
        &self,
        bench: &mut Bench,
        step: &Step,
        is_ours: bool,
        environment: &BTreeMap<String, String>,
    ) -> Option<Ran> {
        let line = step.run.as_ref()?;
        let mut environment = environment.clone();
        extend(&mut environment, &step.environment);
        let directory = self.project().join(&step.directory);
        Some(if is_ours {
            ours(&format!("{line} {}", step.ours), &directory, &environment)
        } else {
            bench.runway(line, &directory, &environment)
        })
    }

    /// Everything that is compared, as one tree.
    fn state(&self, world: &Value, ran: Option<&Ran>, watch: &[Call], answers: Vec<Value>) -> Value {
        let mut stacks = Map::new();
        for (name, stack) in world["stacks"].as_object().into_iter().flatten() {
            let mut stack = stack.clone();
            let template = stack["template"].take();
            steady(&mut stack);
            stack["template"] = template;
            stacks.insert(name.trim_start_matches("123456789012/").to_owned(), stack);
        }
        let (mut buckets, mut graphs, mut objects) = (Map::new(), Map::new(), Map::new());
        for (bucket, content) in world["buckets"].as_object().into_iter().flatten() {
            buckets
                .insert(bucket.clone(), json!({"account": content["account"], "region": content["region"]}));
            for (key, object) in content["objects"].as_object().into_iter().flatten() {
                let path = format!("{bucket}/{key}");
                if key.starts_with("persistent_graphs/") && key.ends_with(".json") {
                    graphs.insert(path, graph(object));
                } else if !key.ends_with(".json.state") && !key.starts_with("cache/") {
                    objects.insert(path, object.clone());
                }
            }
        }
        let mut watched = Map::new();
        for (number, (call, mut answer)) in watch.iter().zip(answers).enumerate() {
            steady(&mut answer);
            watched.insert(format!("{number} {}.{}", call.service, call.operation), answer);
        }
        let mut files = Map::new();
        self.collect(&self.project(), &mut files);
        let exit = ran.map_or("none", |ran| if ran.code == 0 { "success" } else { "failure" });
        json!({
            "exit": exit, "stacks": stacks, "graphs": graphs, "objects": objects, "buckets": buckets,
            "watch": watched, "files": files,
        })
    }

    /// Text files of the project; caches and what Python and git keep are left out.
    fn collect(&self, directory: &Path, files: &mut Map<String, Value>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if [".runway", ".runway_cache", "__pycache__", ".git"].iter().any(|hidden| name == *hidden) {
                continue;
            }
            if path.is_dir() {
                self.collect(&path, files);
            } else {
                let bytes = std::fs::read(&path).unwrap_or_default();
                let relative = path.strip_prefix(self.project()).unwrap_or(&path).display().to_string();
                files.insert(relative, String::from_utf8_lossy(&bytes).into_owned().into());
            }
        }
    }
}

/// A graph object: its value with sorted dependencies, its tags, and its bytes where Runway's are always the same.
fn graph(object: &Value) -> Value {
    let body = object["body"].as_str().unwrap_or_default();
    let Ok(Value::Object(mut nodes)) = serde_json::from_str(body) else {
        return json!({"text": body, "tags": object["tags"]});
    };
    for dependencies in nodes.values_mut().filter_map(Value::as_array_mut) {
        dependencies.sort_by_key(ToString::to_string);
    }
    let text = if is_chain(&nodes) { body } else { "in no order of Runway's" };
    json!({"nodes": nodes, "tags": object["tags"], "text": text})
}

/// Whether every node but the first needs exactly the one before, by name: only then Runway, which writes what was
/// recorded first first, always writes the bytes that we write.
fn is_chain(nodes: &Map<String, Value>) -> bool {
    let names: BTreeSet<&str> = nodes.keys().map(String::as_str).collect();
    let mut before = None;
    names.into_iter().all(|name| {
        let needed = nodes[name].as_array().map(Vec::as_slice).unwrap_or_default();
        match (before.replace(name), needed) {
            (None, []) => true,
            (Some(before), [needed]) => *needed == before,
            _ => false,
        }
    })
}

/// Replaces what is random by its nature: identifiers and times.
fn steady(value: &mut Value) {
    match value {
        Value::String(text) => {
            for (pattern, name) in [
                (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
                (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.:+Z-]*", "<time>"),
                (r"-[A-Z0-9]{12,13}\b", "-<random>"),
            ] {
                if let std::borrow::Cow::Owned(replaced) =
                    Regex::new(pattern).unwrap().replace_all(text, name)
                {
                    *text = replaced;
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(steady),
        Value::Object(entries) => entries.values_mut().for_each(steady),
        _ => {}
    }
}

/// Gives a file the same date in every run: archives carry it.
fn date(path: &Path) -> std::io::Result<()> {
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_225_600);
    std::fs::File::options().append(true).open(path)?.set_modified(date)
}

fn make_repository(directory: &Path, branch: &str) -> Result<(), String> {
    let init = format!("init --quiet --initial-branch={branch}");
    for line in [init.as_str(), "add --all", "commit --quiet --message=Content", "tag v1"] {
        let ended = Command::new("git")
            .args(line.split_whitespace())
            .current_dir(directory)
            .env_clear()
            .envs([
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_AUTHOR_NAME", "Somebody"),
                ("GIT_AUTHOR_EMAIL", "somebody@example.com"),
                ("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z"),
                ("GIT_COMMITTER_NAME", "Somebody"),
                ("GIT_COMMITTER_EMAIL", "somebody@example.com"),
                ("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z"),
            ])
            .output()
            .map_err(|error| format!("git: {error}"))?;
        if !ended.status.success() {
            return Err(format!("git {line}: {}", String::from_utf8_lossy(&ended.stderr)));
        }
    }
    Ok(())
}

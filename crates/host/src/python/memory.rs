//! Renderings that are found again without Python.
//!
//! A rendering is kept with everything that its Python process had read by then (`trace.py`, [`Facts`]). It is found by
//! what was asked for, and used if everything is still as it was: like a build system that verifies traces. What a
//! process reads is kept in pieces, each of which knows the one before, because later renderings may use what earlier
//! ones have left in its memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use runway_core::cache::{Cache, CacheOutput, Digest, Ingredients, Kind, Scope, kinds};
use runway_core::registry::{Blueprint, BlueprintRequest, PYTHON_VALUE};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::facts::{Facts, Told, World};
use super::process::{BRIDGE, START, TRACE};
use super::{PythonSettings, interpreter};

/// Variables that Python and what it is linked with read by themselves.
const READ_BY_PYTHON: [&str; 4] = ["LANG", "LANGUAGE", "TZ", "__PYVENV_LAUNCHER__"];
/// How names of more such variables begin.
const READ_BY_PYTHON_TOO: [&str; 4] = ["PYTHON", "LC_", "LD_", "DYLD_"];

/// What the cache has of the blueprints of one config.
pub(super) struct Memory {
    cache: Arc<Cache>,
    progress: Mutex<Progress>,
    /// Something may have changed since it was looked at.
    is_old: AtomicBool,
    /// A hook or a lookup ran in the Python of this config, and may have left something there for blueprints.
    is_shared: AtomicBool,
}

/// What is known in this run.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Pieces that were looked at: what is not as they say, `None` if everything is.
    verified: BTreeMap<Digest, Option<String>>,
    /// Pieces that hold as long as nobody changes files meanwhile, for they were made in this run.
    head: Option<Digest>,
    /// Nothing more is kept of this Python.
    is_spoiled: bool,
}

/// A rendering. Its body is the template as it would be uploaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Digest of the body, which is compared before it is used.
    digest: Digest,
    body: String,
    parameters: Vec<(String, Value)>,
}

impl CacheOutput for Kept {}

/// The last piece of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Read(Digest);

impl CacheOutput for Read {}

/// What is asked for: everything that is handed to Python.
pub(super) struct Question {
    subject: String,
    inputs: BTreeMap<&'static str, String>,
    /// The program of Python, symbolic links resolved.
    python: String,
}

/// What was found.
pub(super) struct Answer {
    /// The rendering.
    pub(super) blueprint: Option<Blueprint>,
    /// The last piece of what it read, which is as it was.
    read: Option<Digest>,
}

impl Question {
    /// `None` where the answer must not be kept: it may contain secrets, or what only Python has.
    pub(super) fn of(settings: &PythonSettings, request: &BlueprintRequest) -> Option<Self> {
        let given = request.variables.values().chain(request.hook_data.values());
        if !request.secrets.is_empty() || given.into_iter().any(is_of_python) {
            return None;
        }
        let interpreter = interpreter::find(settings).ok()?;
        let python = interpreter.canonicalize_utf8().ok()?.into_string();
        let is_read = |name: &str| {
            READ_BY_PYTHON.contains(&name) || READ_BY_PYTHON_TOO.iter().any(|begin| name.starts_with(begin))
        };
        let environment: BTreeMap<&String, &String> =
            settings.environment.iter().filter(|(name, _)| is_read(name)).collect();
        let inputs = BTreeMap::from([
            ("bridge", Digest::of([START, TRACE, BRIDGE].concat().as_bytes()).to_string()),
            ("class_path", request.class_path.clone()),
            ("config", settings.config.to_string()),
            ("config_path", settings.config_path.to_string()),
            ("deploy_environment", settings.deploy_environment.clone()),
            ("description", json!(request.description).to_string()),
            ("directory", settings.directory.to_string()),
            ("environment", json!(environment).to_string()),
            ("hook_data", json!(request.hook_data).to_string()),
            ("interpreter", json!([interpreter, python]).to_string()),
            ("parameters", json!(settings.parameters).to_string()),
            ("region", settings.region.clone()),
            ("root_directory", settings.root_directory.to_string()),
            ("stack", request.stack.as_str().to_owned()),
            ("sys_path", json!(settings.sys_path).to_string()),
            ("variables", json!(request.variables).to_string()),
            ("work_directory", settings.work_directory.to_string()),
        ]);
        Some(Self { subject: request.stack.as_str().to_owned(), inputs, python })
    }

    fn ingredients(&self, kind: Kind) -> Ingredients {
        let nothing = Ingredients::new(kind, &Scope::default(), self.subject.clone());
        self.inputs.iter().fold(nothing, |ingredients, (name, value)| ingredients.input(name, value.as_str()))
    }

    /// What leads to the rendering itself.
    fn body(&self, read: &Digest) -> Ingredients {
        self.ingredients(kinds::BLUEPRINT).input("read", read.to_string().as_str())
    }
}

/// What leads to a piece of what was read.
fn piece(digest: &Digest) -> Ingredients {
    Ingredients::new(kinds::PYTHON_TRACE, &Scope::default(), "python")
        .input("digest", digest.to_string().as_str())
}

/// Whether a value has an object in it that only one Python process has.
fn is_of_python(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_of_python),
        Value::Object(entries) => entries
            .iter()
            .any(|(name, value)| (name == PYTHON_VALUE && value.is_string()) || is_of_python(value)),
        _ => false,
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl Memory {
    /// `None` if blueprints are not to be cached.
    pub(super) fn new(cache: Arc<Cache>) -> Option<Self> {
        let kind = kinds::BLUEPRINT;
        if cache.is_off() || cache.settings().of_kind(&kind, kind.name).is_disabled {
            return None;
        }
        Some(Self {
            cache,
            progress: Mutex::default(),
            is_old: AtomicBool::new(false),
            is_shared: AtomicBool::new(false),
        })
    }

    /// Renderings are asked for one after the other, as they are made.
    pub(super) async fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().await
    }

    /// Everything has to be looked at again.
    pub(super) fn look_again(&self) {
        self.is_old.store(true, Ordering::Release);
    }

    /// Code that is no blueprint runs in the same Python.
    pub(super) fn share(&self) {
        self.is_shared.store(true, Ordering::Release);
    }

    /// Looks for an earlier answer.
    pub(super) async fn find(
        &self,
        question: &Question,
        settings: &PythonSettings,
        progress: &mut Progress,
    ) -> Answer {
        if self.is_old.swap(false, Ordering::AcqRel) {
            progress.verified.clear();
        }
        let nothing = Answer { blueprint: None, read: None };
        if self.is_shared.load(Ordering::Acquire) {
            return nothing;
        }
        let asked = question.ingredients(kinds::BLUEPRINT_TRACE);
        let Some(Read(read)) = self.cache.find::<Read>(&asked) else { return nothing };
        if let Some(why) = self.changed(read, settings, progress).await {
            tracing::debug!(target: "runway_rs::python", why, "a blueprint is rendered again");
            self.cache.refute(&asked, why);
            return nothing;
        }
        let kept = self.cache.find::<Kept>(&question.body(&read));
        let blueprint = kept
            .filter(|kept| Digest::of(kept.body.as_bytes()) == kept.digest)
            .map(|Kept { body, parameters, .. }| Blueprint { body, parameters });
        Answer { blueprint, read: Some(read) }
    }

    /// What is not as it was, of everything that was read up to a piece; `None` if everything is.
    async fn changed(
        &self,
        read: Digest,
        settings: &PythonSettings,
        progress: &mut Progress,
    ) -> Option<String> {
        let mut pieces = Vec::new();
        let mut seen = BTreeSet::new();
        let (mut next, mut why) = (Some(read), None);
        while let Some(digest) = next {
            if let Some(known) = progress.verified.get(&digest) {
                why.clone_from(known);
                break;
            }
            let facts = self.cache.find::<Facts>(&piece(&digest));
            let facts = facts.filter(|facts| facts.digest() == Some(digest) && seen.insert(digest));
            let Some(facts) = facts else {
                why = Some("a part of what it read is not recorded any more".to_owned());
                break;
            };
            next = facts.before;
            pieces.push((digest, facts));
        }
        if pieces.is_empty() || why.is_some() {
            progress.verified.extend(pieces.into_iter().map(|(digest, _)| (digest, why.clone())));
            progress.verified.insert(read, why.clone());
            return why;
        }
        let world = World::new(variables(settings));
        let looked = tokio::task::spawn_blocking(move || {
            let mut looked = Vec::new();
            let mut changed = None;
            // The first piece is what all others build on.
            for (digest, facts) in pieces.into_iter().rev() {
                changed = changed.or_else(|| Some(format!("{} has changed", facts.changed(&world)?)));
                looked.push((digest, changed.clone()));
            }
            (looked, changed)
        });
        let Ok((looked, changed)) = looked.await else {
            return Some("it could not be looked at whether everything is as it was".to_owned());
        };
        progress.verified.extend(looked);
        changed
    }

    /// Takes in what Python tells after a rendering, whoever's it is.
    pub(super) async fn learn(
        &self,
        told: Option<Told>,
        python: Option<&str>,
        settings: &PythonSettings,
        progress: &mut Progress,
    ) {
        let why = match told {
            _ if progress.is_spoiled => return,
            None => "it is not known what it read".to_owned(),
            Some(Told { spoiled: Some(reason), .. }) => reason,
            Some(told) if python.is_some_and(|python| python != told.python) => {
                "Python is started by another program".to_owned()
            }
            Some(told) => {
                let (before, world) = (progress.head, World::new(variables(settings)));
                let facts = tokio::task::spawn_blocking(move || Facts::observe(&told, before, &world)).await;
                match facts {
                    Ok(Ok(facts)) if facts.is_empty() && before.is_some() => return,
                    Ok(Ok(facts)) => match facts.digest() {
                        Some(digest) => {
                            self.cache.keep(&piece(&digest), &facts, Duration::ZERO);
                            progress.verified.insert(digest, None);
                            progress.head = Some(digest);
                            return;
                        }
                        None => "what it read cannot be written down".to_owned(),
                    },
                    Ok(Err(reason)) => reason,
                    Err(error) => error.to_string(),
                }
            }
        };
        tracing::debug!(target: "runway_rs::python", why, "blueprints of this Python are not kept");
        progress.is_spoiled = true;
    }

    /// Keeps a rendering.
    pub(super) fn keep(
        &self,
        question: &Question,
        blueprint: &Blueprint,
        found: &Answer,
        progress: &Progress,
        began: Instant,
    ) {
        let Blueprint { body, parameters } = blueprint;
        if parameters.iter().any(|(_, value)| is_of_python(value)) {
            return;
        }
        let kept =
            Kept { digest: Digest::of(body.as_bytes()), body: body.clone(), parameters: parameters.clone() };
        let cost = began.elapsed();
        // What was read is as it was: then the result has to be, too, and the cache can tell whether it is.
        if let Some(read) = found.read.filter(|read| Some(*read) != progress.head) {
            self.cache.keep(&question.body(&read), &kept, cost);
        }
        if let Some(head) = progress.head.filter(|_| !progress.is_spoiled) {
            self.cache.keep(&question.body(&head), &kept, cost);
            self.cache.keep(&question.ingredients(kinds::BLUEPRINT_TRACE), &Read(head), cost);
        }
    }
}

impl Question {
    /// The program of Python that answers it.
    pub(super) fn python(&self) -> &str {
        &self.python
    }
}

/// The environment variables that Python finds.
fn variables(settings: &PythonSettings) -> BTreeMap<String, String> {
    let mut variables = settings.environment.clone();
    for (name, value) in [
        ("AWS_REGION", &settings.region),
        ("AWS_DEFAULT_REGION", &settings.region),
        ("DEPLOY_ENVIRONMENT", &settings.deploy_environment),
    ] {
        variables.insert(name.to_owned(), value.clone());
    }
    variables
}

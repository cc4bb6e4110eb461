//! What plans are made from: what is wanted, and what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::Utf8PathBuf;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Allowed;
use super::select::Selection;
use super::tasks::TaskKey;
use crate::cache::{CacheOutput, Digest};
use crate::config::{Config, StackDefinition};
use crate::error::Findings;
use crate::graph::{DependencyGraph, GraphState, PersistentGraph};
use crate::ident::{NodeName, StackFqn};
use crate::provider::{Place, StackState};
use crate::registry::{Fetched, LookupFailure, LookupRequest};
use crate::secrets::texts;
use crate::task::{TaskFailure, TaskKinds};
use crate::template::Template;

/// A config with the files it names.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The config.
    pub config: Arc<Config>,
    /// Its graph.
    pub graph: DependencyGraph,
    /// Templates of its enabled stacks that are files as they are.
    pub templates: BTreeMap<NodeName, Arc<Template>>,
    /// Paths of the templates of enabled stacks that Jinja2 renders.
    pub jinja: BTreeMap<NodeName, Utf8PathBuf>,
    /// Enabled stacks whose template is not there yet: a hook may make it.
    pub unmade: BTreeSet<NodeName>,
    /// Texts of its stack policies.
    pub policies: BTreeMap<NodeName, String>,
    /// The kinds that its tasks may be of.
    pub kinds: TaskKinds,
}

impl Desired {
    /// The definition that a name means: a short name, or else a full stack name.
    pub fn definition(&self, name: &str) -> Option<&StackDefinition> {
        let stacks = &self.config.stacks;
        stacks.get(name).or_else(|| stacks.values().find(|definition| definition.fqn.as_str() == name))
    }
}

/// What was seen of graph and stacks.
#[derive(Debug, Clone)]
pub struct World {
    /// Account and region.
    pub place: Place,
    /// The persistent graph; `None` if the config has none.
    pub recorded: Option<PersistentGraph>,
    /// What the state object knows.
    pub state: GraphState,
    /// Every live stack of the account and region.
    pub stacks: BTreeMap<StackFqn, StackState>,
    /// Deployed templates of the config's existing stacks and of those that go.
    pub templates: Templates,
    /// Stack policies of existing stacks whose config names one; `None` where the stack has none.
    pub policies: BTreeMap<StackFqn, Option<String>>,
    /// Outputs of tasks as they are now, as far as they are known.
    pub outputs: BTreeMap<NodeName, BTreeMap<String, String>>,
    /// What was asked outside graph and stacks.
    pub answers: Answers,
}

/// Deployed templates by stack.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    /// Their texts as submitted; those of [`Self::assumed`] mean the same.
    pub texts: BTreeMap<StackFqn, String>,
    /// Stacks of which the text is the one that is wanted: what is deployed is known to mean the same, and is not known to
    /// be written in the same way.
    pub assumed: BTreeSet<StackFqn>,
    /// What is known of deployed templates whose text is not here: it may be the one that has yet to be rendered.
    pub open: BTreeMap<StackFqn, TemplateFact>,
}

/// What is known of the template of a stack that nobody has touched since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateFact {
    /// Digest of the text as submitted.
    pub text: Digest,
    /// Digest of what is compared of it; `None` if it is no template that can be read.
    pub meaning: Option<Digest>,
}

impl CacheOutput for TemplateFact {}

impl TemplateFact {
    /// What is known of a text.
    pub fn of(text: &str) -> Self {
        let meaning = Template::parse("deployed template", text).ok().map(|template| meaning(&template));
        Self { text: Digest::of(text.as_bytes()), meaning }
    }
}

/// The digest of what is compared of a template.
pub(crate) fn meaning(template: &Template) -> Digest {
    Digest::of(template.normalized().to_string().as_bytes())
}

impl Templates {
    /// The text of a stack's template.
    pub fn get(&self, fqn: &StackFqn) -> Option<&String> {
        self.texts.get(fqn)
    }

    /// Takes a text that was read.
    pub fn insert(&mut self, fqn: StackFqn, text: String) {
        self.assumed.remove(&fqn);
        self.open.remove(&fqn);
        self.texts.insert(fqn, text);
    }

    /// Takes the wanted text for a stack whose template means the same.
    pub fn assume(&mut self, fqn: StackFqn, text: String) {
        self.insert(fqn.clone(), text);
        self.assumed.insert(fqn);
    }

    /// Forgets what is known of a stack's template.
    pub fn remove(&mut self, fqn: &StackFqn) {
        self.texts.remove(fqn);
        self.assumed.remove(fqn);
        self.open.remove(fqn);
    }

    /// Takes over what is known of a stack that was not touched; returns whether that is anything.
    pub(crate) fn take_over(&mut self, fqn: &StackFqn, known: &Self) -> bool {
        let Some(text) = known.get(fqn) else { return false };
        if known.assumed.contains(fqn) {
            self.assume(fqn.clone(), text.clone());
        } else {
            self.insert(fqn.clone(), text.clone());
        }
        true
    }
}

/// Texts that were read.
impl FromIterator<(StackFqn, String)> for Templates {
    fn from_iter<T: IntoIterator<Item = (StackFqn, String)>>(texts: T) -> Self {
        Self { texts: texts.into_iter().collect(), ..Self::default() }
    }
}

/// What handlers outside core answered. Every question is asked once a run.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Lookups.
    pub lookups: BTreeMap<LookupRequest, Result<Fetched, LookupFailure>>,
    /// Templates that variables go into.
    pub rendered: BTreeMap<RenderKey, Result<Arc<Rendered>, Findings>>,
    /// What tasks keep.
    pub tasks: BTreeMap<TaskKey, Result<Value, TaskFailure>>,
    /// Tasks that are not looked at, because they were seen as specified lately and the config trusts that.
    pub trusted: BTreeSet<TaskKey>,
    /// Stacks that import an export, by its name, as CloudFormation tells; exports that were not asked for are missing.
    pub importers: BTreeMap<String, BTreeSet<StackFqn>>,
    /// Results of hooks; `None` as long as hooks have yet to run before the stacks.
    pub hooks: Option<HookResults>,
}

/// What hooks gave back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HookResults {
    /// By `data_key`.
    pub results: Map<String, Value>,
    /// Keys of results that must not be shown, because the hook was given a secret.
    pub hidden: BTreeSet<String>,
}

impl HookResults {
    /// The texts of the results that must not be shown.
    pub(crate) fn secret_texts(&self) -> Vec<String> {
        let mut found = Vec::new();
        let hidden = self.results.iter().filter(|(key, _)| self.hidden.contains(*key));
        hidden.for_each(|(_, value)| texts(value, &mut found));
        found
    }
}

impl Answers {
    /// The texts of every secret that was looked up: whoever has one of them may show a part of what it is in.
    pub(crate) fn secret_texts(&self) -> Vec<String> {
        let mut found = Vec::new();
        let answers = self.lookups.values().flatten();
        answers.filter(|fetched| fetched.secret).for_each(|fetched| texts(&fetched.value, &mut found));
        self.hooks.iter().for_each(|hooks| found.extend(hooks.secret_texts()));
        found
    }
}

/// A stack and the values its template is rendered with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RenderKey {
    /// The stack.
    pub stack: NodeName,
    /// Its variables as JSON.
    pub variables: String,
}

/// A rendered template.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The template.
    pub template: Arc<Template>,
    /// What a blueprint gives its parameters; `None` where they are the variables, as for every other template.
    pub parameters: Option<Vec<(String, Value)>>,
    /// Texts in it that are made of secrets, beside the secrets themselves.
    pub made: Vec<String>,
}

impl World {
    /// What is recorded; nothing if there is no persistent graph.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.recorded.iter().flat_map(|graph| graph.nodes.keys())
    }

    /// Whether a stack is in the persistent graph.
    pub fn is_recorded(&self, name: &NodeName) -> bool {
        self.recorded.as_ref().is_some_and(|graph| graph.nodes.contains_key(name))
    }
}

/// Switches and inputs of a plan.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// An empty stack list may delete every recorded stack.
    pub allow_empty: bool,
    /// Environment variables that lookups may read.
    pub environment: BTreeMap<String, String>,
    /// Parameters of the run.
    pub parameters: BTreeMap<String, Value>,
    /// The hooks before the stacks have run, so that what they make is there.
    pub hooks_done: bool,
    /// The stacks to work on; `None` means all.
    pub selection: Option<Selection>,
    /// Data that may be lost.
    pub allowed: BTreeSet<Allowed>,
    /// The kinds that tasks may be of.
    pub kinds: TaskKinds,
    /// The day of the run in UTC, for what the config allows up to a day; without it, nothing of that holds.
    pub today: Option<Date>,
}

/// Stacks that are recorded under one name and configured under another: the recorded name and the config's.
pub(super) fn renames(desired: &Desired, world: &World) -> BTreeMap<NodeName, NodeName> {
    let stacks = &desired.config.stacks;
    let by_fqn: BTreeMap<&StackFqn, &NodeName> =
        stacks.values().map(|definition| (&definition.fqn, &definition.name)).collect();
    world
        .nodes()
        .filter(|name| !stacks.contains_key(*name))
        .filter_map(|name| {
            let fqn = fqn_of_recorded(&desired.config, &world.state, name);
            Some((name.clone(), (*by_fqn.get(&fqn)?).clone()))
        })
        .collect()
}

/// Dependencies with the names that the config has for stacks now.
pub(super) fn in_names_of_config(
    edges: BTreeMap<NodeName, BTreeSet<NodeName>>,
    renames: &BTreeMap<NodeName, NodeName>,
) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let now = |name: NodeName| renames.get(&name).cloned().unwrap_or(name);
    let mut renamed: BTreeMap<NodeName, BTreeSet<NodeName>> = BTreeMap::new();
    for (name, needs) in edges {
        renamed.entry(now(name)).or_default().extend(needs.into_iter().map(now));
    }
    renamed
}

/// The name in CloudFormation of a stack that is recorded but not in the config: as the state object knows it, else as
/// CFNgin would build it.
pub fn fqn_of_recorded(config: &Config, state: &GraphState, name: &NodeName) -> StackFqn {
    let facts = state.nodes.get(name).and_then(|facts| facts.fqn.clone());
    facts.unwrap_or_else(|| config.fqn(name.as_str()))
}

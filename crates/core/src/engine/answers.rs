//! Asks handlers outside core what plans and steps need: each question once a run, whoever has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{StreamExt, iter};
use jiff::SignedDuration;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use crate::config::{StackDefinition, TemplateSource};
use crate::engine::Engine;
use crate::engine::importers::Importers;
use crate::engine::task;
use crate::error::{Finding, Findings};
use crate::ident::NodeName;
use crate::plan::outstanding::{self, Outstanding, Unrendered};
use crate::plan::{
    Answers, Desired, Hidden, HookResults, PlanProblem, Purpose, RenderKey, Rendered, TaskKey, World,
    selected, tasks,
};
use crate::provider::StackState;
use crate::registry::{BlueprintRequest, Fetched, HandlerFailure, LookupFailure, LookupRequest};
use crate::secrets::{Secrets, Vault, texts};
use crate::task::{Gives, ReadContext, TaskFailure};
use crate::template::Template;
use crate::template::jinja::{self, JinjaContext};
use crate::text::Span;

type Lookup = Result<Fetched, LookupFailure>;
type TaskRead = Result<Value, TaskFailure>;
type Render = Result<Arc<Rendered>, Findings>;

/// What was asked in this run, answered or under way.
#[derive(Debug, Default)]
pub struct Asked {
    lookups: Mutex<BTreeMap<LookupRequest, Arc<OnceCell<Lookup>>>>,
    renders: Mutex<BTreeMap<RenderKey, Arc<OnceCell<Render>>>>,
    tasks: Mutex<BTreeMap<TaskKey, Arc<OnceCell<TaskRead>>>>,
    hooks: Mutex<Option<HookResults>>,
    /// Outputs that must not be shown, by stack.
    outputs: Mutex<BTreeMap<NodeName, BTreeSet<String>>>,
    vault: Arc<Vault>,
    /// What a saved plan was made with, to be given again where that is still possible.
    pub(super) planned: BTreeMap<LookupRequest, Value>,
    /// Lookups that were asked at all.
    ever: Mutex<BTreeSet<LookupRequest>>,
    /// Lookups with values of an earlier run, and the age of the oldest one.
    cached: Mutex<BTreeMap<String, SignedDuration>>,
    pub(super) importers: Importers,
}

fn cell<K: Ord + Clone, V>(cells: &Mutex<BTreeMap<K, Arc<OnceCell<V>>>>, key: &K) -> Arc<OnceCell<V>> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(cells.entry(key.clone()).or_default())
}

impl Asked {
    /// Nothing was asked yet, in a run that is bound to a plan which was made with these answers.
    pub fn bound_to(planned: BTreeMap<LookupRequest, Value>) -> Self {
        Self { planned, ..Self::default() }
    }

    /// The same, where secrets that are learned go into this vault.
    #[must_use]
    pub fn keeping_secrets_in(self, vault: Arc<Vault>) -> Self {
        Self { vault, ..self }
    }

    /// The secrets that were learned.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Keeps what must not be shown of a run.
    pub(crate) fn learn(&self, hidden: Hidden) {
        let (outputs, texts) = hidden.into_parts();
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).extend(outputs);
        self.vault.add(texts);
    }

    /// Outputs that must not be shown, by stack.
    pub(crate) fn hidden_outputs(&self) -> BTreeMap<NodeName, BTreeSet<String>> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what must not be shown of the outputs of a stack that has changed.
    pub(crate) fn learn_outputs(&self, name: &NodeName, stack: &StackState) {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for output in outputs.get(name).into_iter().flatten() {
            let value = stack.outputs.get(output).map(|value| Value::from(value.as_str()));
            value.iter().for_each(|value| texts(value, &mut found));
        }
        self.vault.add(found);
    }

    /// Keeps what must not be shown of the outputs of a task that was carried out.
    pub(crate) fn learn_task_outputs(
        &self,
        name: &NodeName,
        gives: Gives,
        outputs: &BTreeMap<String, String>,
    ) {
        let hidden = self.hidden_outputs().remove(name).unwrap_or_default();
        let mut found = Vec::new();
        for (_, value) in outputs.iter().filter(|(output, _)| gives.is_among(output, &hidden)) {
            texts(&Value::from(value.as_str()), &mut found);
        }
        self.vault.add(found);
    }

    /// Results of the hooks that have run; `None` if those before the stacks have not.
    pub(crate) fn hooks(&self) -> Option<HookResults> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hooks have run: whatever they may have changed has to be asked again.
    pub(crate) fn after_hooks(&self, results: HookResults) {
        *self.hooks.lock().unwrap_or_else(PoisonError::into_inner) = Some(results);
        self.importers.forget();
        self.renders.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.forget_tasks();
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        lookups.retain(|request, _| request.place.is_some());
    }

    /// Forgets what was rendered, so that it is rendered again.
    pub(crate) fn forget_renderings(&self) {
        self.renders.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether this is the first time that this is asked.
    pub(super) fn is_first(&self, request: &LookupRequest) -> bool {
        self.ever.lock().unwrap_or_else(PoisonError::into_inner).insert(request.clone())
    }

    /// A value of a lookup is one of an earlier run.
    pub(super) fn took_from_cache(&self, name: &str, age: SignedDuration) {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = cached.entry(name.to_owned()).or_insert(age);
        *oldest = age.max(*oldest);
    }

    /// Lookups with values of an earlier run, and the age of the oldest one.
    pub(super) fn cached_lookups(&self) -> BTreeMap<String, SignedDuration> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what was read of what tasks keep.
    pub(crate) fn forget_tasks(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets what a service said, so that it is asked again.
    pub(crate) fn forget(&self, requests: &BTreeSet<LookupRequest>) {
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        lookups.retain(|request, _| !requests.contains(request));
    }
}

impl Engine {
    /// Answers everything that the values and templates of the config's stacks need as far as it can be asked now.
    pub(crate) async fn answer_all(&self, desired: &Desired, world: &mut World) {
        world.answers = Answers { hooks: self.asked.hooks(), ..Answers::default() };
        let settings = self.options.settings();
        loop {
            if !desired.config.tasks.is_empty() {
                world.outputs = tasks::outputs_now(desired, world, &settings);
                self.trust(desired, world);
            }
            let is_left_alone = |definition: &StackDefinition| {
                definition.locked && world.stacks.contains_key(&definition.fqn)
            };
            // A selection that means nothing is told when the plan is made.
            let selected = selected(settings.selection.as_ref(), desired, world).unwrap_or_default();
            let definitions = desired
                .config
                .stacks
                .values()
                .filter(|definition| definition.enabled && !is_left_alone(definition))
                .filter(|definition| selected.contains(&definition.name));
            let mut outstanding = outstanding::of_stacks(desired, world, &settings, definitions);
            let chosen = desired.config.tasks.values();
            let chosen = chosen.filter(|task| task.enabled && selected.contains(&task.node));
            outstanding.extend(outstanding::of_tasks(desired, world, &settings, chosen, true));
            outstanding.extend_tasks(tasks::questions(desired, world, &settings, Purpose::Deploy), world);
            if outstanding.is_empty() {
                return;
            }
            let answers = self.answer(desired, outstanding, &world.place.region).await;
            world.answers.extend(answers);
        }
    }

    /// Reads what the tasks keep that a destroy is to delete. Arguments are those that are recorded; only without a
    /// persistent graph they have to be found.
    pub(crate) async fn answer_removals(&self, desired: &Desired, world: &mut World) {
        let settings = self.options.settings();
        loop {
            let mut outstanding = Outstanding::default();
            if world.recorded.is_none() {
                let all = desired.config.tasks.values();
                outstanding = outstanding::of_tasks(desired, world, &settings, all, false);
            }
            outstanding.extend_tasks(tasks::questions(desired, world, &settings, Purpose::Destroy), world);
            if outstanding.is_empty() {
                return;
            }
            let answers = self.answer(desired, outstanding, &world.place.region).await;
            world.answers.extend(answers);
        }
    }

    /// Asks these questions, as many at once as requests may be on their way.
    pub(crate) async fn answer(&self, desired: &Desired, outstanding: Outstanding, region: &str) -> Answers {
        let width = self.options.requests_at_once();
        let lookups = iter(outstanding.lookups)
            .map(|request| async move { (request.clone(), self.look_up(desired, &request).await) })
            .buffer_unordered(width)
            .collect()
            .await;
        let rendered = iter(outstanding.renders)
            .map(|(key, wanted)| async move {
                let render = || self.render(desired, &key, wanted, region);
                let rendered = cell(&self.asked.renders, &key).get_or_init(render).await.clone();
                if let Ok(rendered) = &rendered {
                    self.asked.vault.add(rendered.made.iter().cloned());
                }
                (key, rendered)
            })
            .buffer_unordered(width)
            .collect()
            .await;
        let tasks = iter(outstanding.tasks)
            .map(|key| async move {
                let read = || self.read_task(desired, &key);
                let answer = cell(&self.asked.tasks, &key).get_or_init(read).await.clone();
                (key, answer)
            })
            .buffer_unordered(width)
            .collect()
            .await;
        Answers { lookups, rendered, tasks, ..Answers::default() }
    }

    /// Reads what a task keeps.
    async fn read_task(&self, desired: &Desired, key: &TaskKey) -> TaskRead {
        let (kind, services) = task::means(self, desired, &key.kind)?;
        kind.read(&ReadContext::new(&key.place, services.as_ref()), &key.arguments()).await
    }

    async fn look_up(&self, desired: &Desired, request: &LookupRequest) -> Lookup {
        let ask = || async {
            match self.registry.lookups.get(&request.name) {
                Some(handler) => {
                    let answer = self.observe_lookup(desired, handler.as_ref(), request).await;
                    if let Ok(Fetched { value, secret: true }) = &answer {
                        let mut found = Vec::new();
                        texts(value, &mut found);
                        self.asked.vault.add(found);
                    }
                    answer
                }
                None => Err(LookupFailure::wrong(
                    format!("the lookup `{}` is not available with this provider", request.name),
                    "use `--provider aws`, or give the value as a parameter (--param)",
                )),
            }
        };
        cell(&self.asked.lookups, request).get_or_init(ask).await.clone()
    }

    async fn render(&self, desired: &Desired, key: &RenderKey, wanted: Unrendered, region: &str) -> Render {
        let Some(definition) = desired.config.stacks.get(&key.stack) else {
            return Err(Findings::default());
        };
        match &definition.template {
            Some(TemplateSource::Blueprint { class_path, .. }) => {
                self.render_blueprint(desired, definition, class_path, wanted).await
            }
            _ => self.render_jinja(desired, definition, wanted, region),
        }
    }

    async fn render_blueprint(
        &self,
        desired: &Desired,
        definition: &StackDefinition,
        class_path: &str,
        Unrendered { variables, secrets }: Unrendered,
    ) -> Render {
        let hidden = Secrets::new(&secrets);
        let failed = |failure: HandlerFailure| not_rendered(desired, definition, failure.without(&hidden));
        let Some(renderer) = &self.registry.blueprints else {
            return Err(failed(HandlerFailure {
                message: "Python blueprints cannot be rendered here".to_owned(),
                ..HandlerFailure::default()
            }));
        };
        let hooks = self.asked.hooks().unwrap_or_default();
        let request = BlueprintRequest {
            stack: definition.name.clone(),
            class_path: class_path.to_owned(),
            description: definition.description.clone(),
            variables,
            secrets: secrets.iter().cloned().chain(hooks.secret_texts()).collect(),
            hook_data: hooks.results,
        };
        let blueprint = renderer.render(&request).await.map_err(failed)?;
        let template = Template::parse(class_path, &blueprint.body)
            .map_err(|findings| without(findings, &Arc::new(hidden)))?;
        Ok(Arc::new(Rendered {
            template: Arc::new(template),
            parameters: Some(blueprint.parameters),
            made: Vec::new(),
        }))
    }

    fn render_jinja(
        &self,
        desired: &Desired,
        definition: &StackDefinition,
        Unrendered { mut variables, secrets }: Unrendered,
        region: &str,
    ) -> Render {
        let config = &desired.config;
        let Some(path) = desired.jinja.get(&definition.name) else { return Err(Findings::default()) };
        // CFNgin: variables without a value are not there at all.
        variables.retain(|_, value| !value.is_null());
        let context = JinjaContext {
            name: definition.name.as_str().to_owned(),
            variables,
            mappings: config.mappings.clone(),
            parameters: self.options.parameters.clone().into_iter().collect(),
            environment: self.options.environment.get("DEPLOY_ENVIRONMENT").cloned().unwrap_or_default(),
            region: region.to_owned(),
            environment_variables: self.options.environment.clone(),
            namespace: config.namespace.clone(),
            namespace_delimiter: config.namespace_delimiter.clone(),
            bucket_name: config.bucket_name(region).map(|bucket| bucket.as_str().to_owned()),
            tags: config.tags.clone(),
            hook_data: self.asked.hooks().unwrap_or_default().results,
        };
        let hidden = Arc::new(Secrets::new(&secrets));
        let body = jinja::render(path, self.files.as_ref(), &context)
            .map_err(|findings| without(findings, &hidden))?;
        let parse = |body: &str| Template::parse(self.files.shown(path).as_str(), body);
        let disguised = || jinja::render(path, self.files.as_ref(), &disguised(context, &secrets)).ok();
        let template = match parse(&body) {
            Ok(template) => template,
            Err(findings) if secrets.is_empty() => return Err(findings),
            Err(findings) => {
                let findings = without(findings, &hidden);
                return Err(without_lines(findings, &disguised().unwrap_or_default()));
            }
        };
        let made = if secrets.is_empty() {
            Vec::new()
        } else {
            let other = disguised().and_then(|body| parse(&body).ok());
            made_of_secrets(&template.content, other.as_ref().map(|template| &template.content))
        };
        Ok(Arc::new(Rendered { template: Arc::new(template), parameters: None, made }))
    }
}

/// The same with other letters in place of those of secrets.
fn disguised(context: JinjaContext, secrets: &[String]) -> JinjaContext {
    let other = |letter: char| match letter {
        'z' => 'a',
        'Z' => 'A',
        '9' => '0',
        'a'..='y' | 'A'..='Y' | '0'..='8' => char::from_u32(u32::from(letter) + 1).unwrap_or('x'),
        letter => letter,
    };
    let mut longest: Vec<&String> = secrets.iter().collect();
    longest.sort_by(|one, more| more.len().cmp(&one.len()).then_with(|| one.cmp(more)));
    let disguise = |text: &str| {
        longest.iter().fold(text.to_owned(), |text, secret| {
            if !text.contains(secret.as_str()) {
                return text;
            }
            text.replace(secret.as_str(), &secret.chars().map(other).collect::<String>())
        })
    };
    let variables = disguised_map(context.variables, &disguise);
    let hook_data = disguised_map(context.hook_data, &disguise);
    JinjaContext { variables, hook_data, ..context }
}

fn disguised_map(entries: Map<String, Value>, disguise: &dyn Fn(&str) -> String) -> Map<String, Value> {
    entries.into_iter().map(|(name, value)| (name, disguised_value(value, disguise))).collect()
}

fn disguised_value(value: Value, disguise: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(disguise(&text)),
        Value::Array(items) => items.into_iter().map(|item| disguised_value(item, disguise)).collect(),
        Value::Object(entries) => Value::Object(disguised_map(entries, disguise)),
        other => other,
    }
}

/// Texts of a rendered template that are others where the secrets are others: whatever a template does with a secret,
/// the result is found. Where that cannot be rendered, nothing is known.
fn made_of_secrets(template: &Value, disguised: Option<&Value>) -> Vec<String> {
    fn walk(one: &Value, other: Option<&Value>, found: &mut Vec<String>) {
        match (one, other) {
            (one, Some(other)) if one == other => {}
            (Value::Object(one), Some(Value::Object(other))) => {
                one.iter().for_each(|(name, value)| walk(value, other.get(name), found));
            }
            (Value::Array(one), Some(Value::Array(other))) => {
                one.iter().enumerate().for_each(|(index, value)| walk(value, other.get(index), found));
            }
            (one, _) => texts(one, found),
        }
    }
    let mut found = Vec::new();
    if disguised.is_some() {
        walk(template, disguised, &mut found);
    }
    found
}

/// Findings in a rendered template that quote only lines which are the same with other secrets.
fn without_lines(findings: Findings, disguised: &str) -> Findings {
    let mut hidden = Findings::default();
    for mut finding in findings.into_list() {
        if let Some(document) = &finding.document {
            let mut others = disguised.split('\n');
            let (mut places, mut start) = (Vec::new(), 0);
            for line in document.text.split('\n') {
                // Secrets that were found are stars already, in the one text only.
                let is_same = others.next() == Some(line);
                places.extend((!is_same).then(|| Span::new(start, line.len())));
                start += line.len() + 1;
            }
            finding.document = Some(document.masked(&places));
        }
        hidden.push(finding);
    }
    hidden
}

/// Findings without these secrets.
fn without(findings: Findings, secrets: &Arc<Secrets>) -> Findings {
    let mut hidden = Findings::default();
    findings.into_list().into_iter().for_each(|finding| hidden.push(finding.without(secrets)));
    hidden
}

fn not_rendered(desired: &Desired, definition: &StackDefinition, failure: HandlerFailure) -> Findings {
    let span = match &definition.template {
        Some(TemplateSource::Blueprint { span, .. } | TemplateSource::File { span, .. }) => *span,
        None => definition.span,
    };
    let problem = PlanProblem::NotRendered {
        stack: definition.name.as_str().to_owned(),
        message: failure.message.clone(),
        help: with_detail(&failure),
        kind: failure.kind,
        span: span.into(),
    };
    Finding::at(&desired.config.document, problem).into()
}

/// What to do, behind what there is of details.
pub(super) fn with_detail(failure: &HandlerFailure) -> Option<String> {
    let parts: Vec<&str> =
        [&failure.detail, &failure.help].into_iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

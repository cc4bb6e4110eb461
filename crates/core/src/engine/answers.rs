//! Asks handlers outside core what plans and steps need: each question once a run, whoever has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{StreamExt, iter};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::config::{StackDefinition, TemplateSource};
use crate::engine::Engine;
use crate::engine::importers::Importers;
use crate::error::{Finding, Findings};
use crate::plan::outstanding::{self, Outstanding, Unrendered};
use crate::plan::{Answers, Desired, HookResults, PlanProblem, RenderKey, Rendered, World, selected};
use crate::registry::{BlueprintRequest, Fetched, HandlerFailure, LookupFailure, LookupRequest};
use crate::secrets::Secrets;
use crate::template::Template;
use crate::template::jinja::{self, JinjaContext};
use crate::text::Span;

type Lookup = Result<Fetched, LookupFailure>;
type Render = Result<Arc<Rendered>, Findings>;

/// What was asked in this run, answered or under way.
#[derive(Debug, Default)]
pub struct Asked {
    lookups: Mutex<BTreeMap<LookupRequest, Arc<OnceCell<Lookup>>>>,
    renders: Mutex<BTreeMap<RenderKey, Arc<OnceCell<Render>>>>,
    hooks: Mutex<Option<HookResults>>,
    /// What a saved plan was made with, to be given again where that is still possible.
    planned: BTreeMap<LookupRequest, Value>,
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

    /// Results of the hooks that have run; `None` if those before the stacks have not.
    pub(crate) fn hooks(&self) -> Option<HookResults> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hooks have run: whatever they may have changed has to be asked again.
    pub(crate) fn after_hooks(&self, results: HookResults) {
        *self.hooks.lock().unwrap_or_else(PoisonError::into_inner) = Some(results);
        self.importers.forget();
        self.renders.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        lookups.retain(|request, _| request.place.is_some());
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
            let outstanding = outstanding::of_stacks(desired, world, &settings, definitions);
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
            .map(|request| async move { (request.clone(), self.look_up(&request).await) })
            .buffer_unordered(width)
            .collect()
            .await;
        let rendered = iter(outstanding.renders)
            .map(|(key, wanted)| async move {
                let render = || self.render(desired, &key, wanted, region);
                let rendered = cell(&self.asked.renders, &key).get_or_init(render).await.clone();
                (key, rendered)
            })
            .buffer_unordered(width)
            .collect()
            .await;
        Answers { lookups, rendered, ..Answers::default() }
    }

    async fn look_up(&self, request: &LookupRequest) -> Lookup {
        let ask = || async {
            match self.registry.lookups.get(&request.name) {
                Some(handler) => match self.asked.planned.get(request) {
                    Some(planned) => handler.fetch_planned(request, planned).await,
                    None => handler.fetch(request).await,
                },
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
        let request = BlueprintRequest {
            stack: definition.name.clone(),
            class_path: class_path.to_owned(),
            description: definition.description.clone(),
            variables,
            hook_data: self.asked.hooks().unwrap_or_default().results,
            secrets: secrets.clone(),
        };
        let blueprint = renderer.render(&request).await.map_err(failed)?;
        let template = Template::parse(class_path, &blueprint.body)
            .map_err(|findings| without_texts(findings, &secrets))?;
        Ok(Arc::new(Rendered { template: Arc::new(template), parameters: Some(blueprint.parameters) }))
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
        let body = jinja::render(path, self.files.as_ref(), &context)?;
        let template = Template::parse(self.files.shown(path).as_str(), &body)
            .map_err(|findings| without_texts(findings, &secrets))?;
        Ok(Arc::new(Rendered { template: Arc::new(template), parameters: None }))
    }
}

/// Findings that quote a rendered template, without these texts.
fn without_texts(findings: Findings, hidden: &[String]) -> Findings {
    if hidden.is_empty() {
        return findings;
    }
    let mut masked = Findings::default();
    for mut finding in findings.into_list() {
        if let Some(document) = &finding.document {
            let found = |text: &String| {
                let length = text.len();
                let places = document.text.match_indices(text.as_str());
                places.map(|(start, _)| Span::new(start, length)).collect::<Vec<_>>()
            };
            let places: Vec<Span> = hidden.iter().flat_map(found).collect();
            finding.document = Some(document.masked(&places));
        }
        masked.push(finding);
    }
    masked
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

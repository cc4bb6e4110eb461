//! Templates of existing stacks. CloudFormation says when a stack was last updated; as long as that stays, so does its
//! template, and a digest that was once taken of it tells whether it is the one that is wanted. The text itself is not
//! kept: it may hold secrets, and where it is another one than the wanted one, it has to be shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::stream::{StreamExt, TryStreamExt, iter};

use crate::cache::kinds::STACK_TEMPLATE;
use crate::cache::{Digest, Ingredients, Scope};
use crate::engine::{Engine, EngineError};
use crate::ident::{NodeName, StackFqn};
use crate::plan::{Desired, Plan, TemplateFact, Templates, World, current_template, meaning};
use crate::provider::{Place, ProviderError, StackRef, StackState, StackStatus};
use crate::template::Template;

/// What is wanted, to be compared with what is known of what is deployed. Many stacks may share a template.
#[derive(Default)]
struct Wanted {
    digests: HashMap<usize, (Digest, Option<Digest>)>,
}

impl Wanted {
    /// How a wanted template stands to a deployed one: the same text, or a text that means the same.
    fn compare(&mut self, wanted: &Arc<Template>, fact: &TemplateFact) -> Option<Same> {
        let address = Arc::as_ptr(wanted).addr();
        let known = self.digests.entry(address);
        let (text, known_meaning) = known.or_insert_with(|| (Digest::of(wanted.body.as_bytes()), None));
        if *text == fact.text {
            return Some(Same::Text);
        }
        let wanted = *known_meaning.get_or_insert_with(|| meaning(wanted));
        (Some(wanted) == fact.meaning).then_some(Same::Meaning)
    }
}

enum Same {
    Text,
    Meaning,
}

impl Engine {
    /// Where this run learns what it learns.
    pub(crate) fn cache_scope(&self, place: &Place) -> Scope {
        Scope {
            provider: self.provider.identity(),
            account: place.account.clone(),
            region: place.region.clone(),
            role: None,
        }
    }

    /// Looks for templates of stacks in the cache, `names` being those of stacks of the config; returns the stacks whose
    /// templates have to be read.
    pub(super) fn remember_templates(
        &self,
        desired: &Desired,
        place: &Place,
        stacks: &BTreeMap<StackFqn, StackState>,
        names: Vec<(StackFqn, Option<&NodeName>)>,
        templates: &mut Templates,
    ) -> Vec<StackFqn> {
        let scope = self.cache_scope(place);
        let mut wanted = Wanted::default();
        let mut unread = Vec::new();
        for (fqn, name) in names {
            let known = stacks.get(&fqn).and_then(|stack| ingredients(&scope, stack));
            let Some(fact) = known.and_then(|known| self.cache.find::<TemplateFact>(&known)) else {
                unread.push(fqn);
                continue;
            };
            let raw = name.and_then(|name| desired.templates.get(name));
            match raw.and_then(|raw| Some((raw, wanted.compare(raw, &fact)?))) {
                Some((raw, Same::Text)) => templates.insert(fqn, raw.body.clone()),
                Some((raw, Same::Meaning)) => templates.assume(fqn, raw.body.clone()),
                None if name.is_some_and(|name| is_rendered(desired, name)) => {
                    templates.open.insert(fqn, fact);
                }
                None => unread.push(fqn),
            }
        }
        unread
    }

    /// Reads templates of stacks, and keeps what is known of them.
    pub(super) async fn read_templates(
        &self,
        place: &Place,
        stacks: &BTreeMap<StackFqn, StackState>,
        unread: Vec<StackFqn>,
        templates: &mut Templates,
    ) -> Result<(), EngineError> {
        let cloudformation = self.provider.cloudformation();
        let (cloudformation, clock) = (cloudformation.as_ref(), self.clock.as_ref());
        let read: Vec<_> = iter(unread)
            .map(|fqn| async move {
                let asked = clock.monotonic();
                let text = cloudformation.get_template(&StackRef::Name(fqn.clone())).await?;
                Ok::<_, ProviderError>((fqn, text, clock.monotonic().saturating_sub(asked)))
            })
            .buffer_unordered(self.options.requests_at_once())
            .try_collect()
            .await?;
        let scope = self.cache_scope(place);
        for (fqn, text, took) in read {
            let Some(text) = text else {
                templates.remove(&fqn);
                continue;
            };
            if let Some(known) = stacks.get(&fqn).and_then(|stack| ingredients(&scope, stack)) {
                self.cache.keep(&known, &TemplateFact::of(&text), took);
            }
            templates.insert(fqn, text);
        }
        Ok(())
    }

    /// Settles what was left open until templates were rendered: what is deployed is one of them, or has to be read.
    /// Returns whether anything was open.
    pub(super) async fn settle_templates(
        &self,
        desired: &Desired,
        world: &mut World,
    ) -> Result<bool, EngineError> {
        let open = std::mem::take(&mut world.templates.open);
        if open.is_empty() {
            return Ok(false);
        }
        let names: BTreeMap<&StackFqn, &NodeName> =
            desired.config.stacks.values().map(|definition| (&definition.fqn, &definition.name)).collect();
        let settings = self.options.settings();
        let mut unread = Vec::new();
        for (fqn, fact) in open {
            let name = names.get(&fqn);
            let rendered = name.and_then(|name| current_template(desired, world, &settings, name));
            let same = rendered.and_then(|rendered| {
                let same = Wanted::default().compare(&rendered, &fact)?;
                Some((rendered, same))
            });
            match same {
                Some((rendered, Same::Text)) => world.templates.insert(fqn, rendered.body.clone()),
                Some((rendered, Same::Meaning)) => world.templates.assume(fqn, rendered.body.clone()),
                None => unread.push(fqn),
            }
        }
        self.read_templates(&world.place, &world.stacks, unread, &mut world.templates).await?;
        Ok(true)
    }

    /// Reads the templates of stacks that are to be changed and of which only the meaning is known: a plan quotes what is
    /// deployed as it is written. Returns whether there were any.
    pub(super) async fn read_assumed(&self, plan: &Plan, world: &mut World) -> Result<bool, EngineError> {
        let changed: BTreeSet<StackFqn> = plan
            .steps
            .iter()
            .filter(|step| step.action.is_change() && world.templates.assumed.contains(&step.fqn))
            .map(|step| step.fqn.clone())
            .collect();
        if changed.is_empty() {
            return Ok(false);
        }
        let unread = changed.into_iter().collect();
        self.read_templates(&world.place, &world.stacks, unread, &mut world.templates).await?;
        Ok(true)
    }
}

/// Whether the template of a stack has to be rendered before it is known.
fn is_rendered(desired: &Desired, name: &NodeName) -> bool {
    !desired.templates.contains_key(name) && !desired.unmade.contains(name)
}

/// What the template of a stack is known by; `None` where nothing tells whether it was changed since: an operation is
/// under way or failed, or it was updated and CloudFormation does not say when (an emulator).
fn ingredients(scope: &Scope, stack: &StackState) -> Option<Ingredients> {
    let updated = match (stack.status, stack.updated) {
        (StackStatus::CreateComplete, updated) => updated,
        (StackStatus::UpdateComplete | StackStatus::ImportComplete, Some(updated)) => Some(updated),
        _ => return None,
    };
    let created = stack.created?.to_string();
    let updated = updated.map_or_else(|| "-".to_owned(), |updated| updated.to_string());
    let subject = format!("{}@{}", stack.fqn, scope.region);
    Some(
        Ingredients::new(STACK_TEMPLATE, scope, subject)
            .input("StackId", stack.id.as_str())
            .input("CreationTime", created.as_str())
            .input("LastUpdatedTime", updated.as_str())
            .input("StackStatus", stack.status.as_str()),
    )
}

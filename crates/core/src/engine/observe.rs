//! Looks at the world before a plan: reads only, as few as possible, at the same time where possible.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, try_join4};
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use crate::config::{Config, StackDefinition};
use crate::engine::backing::Backing;
use crate::engine::{Engine, EngineError, look};
use crate::ident::StackFqn;
use crate::lock::Premises;
use crate::plan::{Answers, Desired, Purpose, Templates, World, fqn_of_recorded};
use crate::provider::{Place, ProviderError, StackRef, StackState, StackStatus};

/// What was seen.
#[derive(Clone)]
pub(crate) struct Observed {
    /// The world as plans see it.
    pub(crate) world: World,
    /// Graph, state and lease with their entity tags; `None` if the config has no persistent graph.
    pub(crate) premises: Option<Premises>,
    /// Requests an unnamed DescribeStacks took.
    pub(crate) pages: usize,
    /// The config's bucket does not exist.
    pub(crate) bucket_missing: bool,
}

impl Engine {
    /// Looks at graph, stacks, templates and policies. `known` are templates and policies read earlier in this run,
    /// with the stacks as they were then: an untouched stack is not asked again.
    pub(crate) async fn observe(
        &self,
        desired: &Desired,
        purpose: Purpose,
        backing: &Backing,
        known: Option<&World>,
    ) -> Result<Observed, EngineError> {
        let cloudformation = self.provider.cloudformation();
        let looking = try_join4(
            async { self.provider.place().await.map_err(EngineError::from) },
            async { look::list(cloudformation.as_ref()).await.map_err(EngineError::from) },
            backing.premises(self),
            backing.bucket_missing(),
        );
        let (looked, ()) = join(looking, backing.load_cache(self)).await;
        let (place, (stacks, pages), premises, no_bucket) = looked?;
        let world = self.complete(desired, purpose, place, stacks, premises.as_ref(), known).await?;
        let bucket_missing = no_bucket || premises.as_ref().is_some_and(|premises| premises.bucket_missing);
        Ok(Observed { world, premises, pages, bucket_missing })
    }

    /// Looks at the stacks once more, for a session that has recorded its intents.
    pub(crate) async fn observe_again(
        &self,
        desired: &Desired,
        purpose: Purpose,
        premises: Option<&Premises>,
        known: &World,
    ) -> Result<(World, usize), EngineError> {
        let (stacks, pages) = look::list(self.provider.cloudformation().as_ref()).await?;
        let world =
            self.complete(desired, purpose, known.place.clone(), stacks, premises, Some(known)).await?;
        Ok((world, pages))
    }

    async fn complete(
        &self,
        desired: &Desired,
        purpose: Purpose,
        place: Place,
        stacks: Vec<StackState>,
        premises: Option<&Premises>,
        known: Option<&World>,
    ) -> Result<World, EngineError> {
        let config = &desired.config;
        let mut stacks: BTreeMap<StackFqn, StackState> =
            stacks.into_iter().map(|stack| (stack.fqn.clone(), stack)).collect();
        self.ask_for_protection(config, purpose, premises, &mut stacks).await?;
        let unchanged = |fqn: &StackFqn| known.filter(|known| known.stacks.get(fqn) == stacks.get(fqn));
        let wanted: Vec<&StackDefinition> = match purpose {
            Purpose::Deploy => config
                .stacks
                .values()
                .filter(|definition| {
                    definition.enabled && !definition.locked && definition.template.is_some()
                })
                .filter(|definition| {
                    stacks.get(&definition.fqn).is_some_and(|stack| is_comparable(stack.status))
                })
                .collect(),
            Purpose::Destroy => Vec::new(),
        };
        let mut templates = Templates::default();
        let mut policies = BTreeMap::new();
        let (mut unknown, mut policy_reads) = (Vec::new(), Vec::new());
        for definition in wanted {
            let fqn = &definition.fqn;
            if !unchanged(fqn).is_some_and(|known| templates.take_over(fqn, &known.templates)) {
                unknown.push((fqn.clone(), Some(&definition.name)));
            }
            if definition.stack_policy_path.is_some() {
                match unchanged(fqn).and_then(|known| known.policies.get(fqn)) {
                    Some(policy) => drop(policies.insert(fqn.clone(), policy.clone())),
                    None => policy_reads.push(fqn.clone()),
                }
            }
        }
        // What a stack that goes holds has to be in the plan.
        for fqn in removed(config, purpose, premises, &stacks) {
            if !unchanged(&fqn).is_some_and(|known| templates.take_over(&fqn, &known.templates)) {
                unknown.push((fqn, None));
            }
        }
        let cloudformation = self.provider.cloudformation();
        let cloudformation = cloudformation.as_ref();
        let unread = self.remember_templates(desired, &place, &stacks, unknown, &mut templates);
        let read_policies = iter(policy_reads)
            .map(|fqn| async move {
                let policy = cloudformation.get_stack_policy(&StackRef::Name(fqn.clone())).await?;
                Ok::<_, ProviderError>((fqn, policy))
            })
            .buffer_unordered(self.options.requests_at_once())
            .try_collect::<Vec<_>>();
        let (read, read_policies) =
            join(self.read_templates(&place, &stacks, unread, &mut templates), read_policies).await;
        read?;
        policies.extend(read_policies?);
        Ok(World {
            place,
            recorded: premises.map(Premises::recorded),
            state: premises.map(|premises| premises.state.clone()).unwrap_or_default(),
            stacks,
            templates,
            policies,
            outputs: BTreeMap::new(),
            answers: Answers::default(),
        })
    }
}

impl Engine {
    /// Asks for the stacks by name of which termination protection matters and the list did not tell it: the config
    /// wants it, or it was on when it was last known.
    async fn ask_for_protection(
        &self,
        config: &Config,
        purpose: Purpose,
        premises: Option<&Premises>,
        stacks: &mut BTreeMap<StackFqn, StackState>,
    ) -> Result<(), EngineError> {
        let wanted = config
            .stacks
            .values()
            .filter(|definition| purpose == Purpose::Deploy && definition.termination_protection)
            .map(|definition| definition.fqn.clone());
        let nodes = premises.into_iter().flat_map(|premises| &premises.state.nodes);
        let recorded = nodes
            .filter(|(_, facts)| facts.termination_protection)
            .filter_map(|(_, facts)| facts.fqn.clone());
        let unknown = |fqn: &StackFqn| stacks.get(fqn).is_some_and(|stack| stack.protection_unknown);
        let asked: BTreeSet<StackFqn> = wanted.chain(recorded).filter(unknown).collect();
        let cloudformation = self.provider.cloudformation();
        let cloudformation = cloudformation.as_ref();
        let answers: Vec<Option<StackState>> = iter(asked)
            .map(|fqn| async move { cloudformation.describe_stack(&StackRef::Name(fqn)).await })
            .buffer_unordered(self.options.requests_at_once())
            .try_collect()
            .await?;
        stacks.extend(answers.into_iter().flatten().map(|stack| (stack.fqn.clone(), stack)));
        Ok(())
    }
}

/// Existing stacks that are recorded and not in the config, by their names in CloudFormation.
fn removed(
    config: &Config,
    purpose: Purpose,
    premises: Option<&Premises>,
    stacks: &BTreeMap<StackFqn, StackState>,
) -> BTreeSet<StackFqn> {
    let Some(premises) = premises.filter(|_| purpose == Purpose::Deploy) else { return BTreeSet::new() };
    let configured: BTreeSet<&StackFqn> = config.stacks.values().map(|definition| &definition.fqn).collect();
    let recorded = premises.recorded();
    let left = recorded.nodes.keys().filter(|name| !config.stacks.contains_key(*name));
    left.map(|name| fqn_of_recorded(config, &premises.state, name))
        .filter(|fqn| !configured.contains(fqn))
        .filter(|fqn| stacks.get(fqn).is_some_and(|stack| is_comparable(stack.status)))
        .collect()
}

/// Whether a stack in this status has a template that a plan compares with.
fn is_comparable(status: StackStatus) -> bool {
    !matches!(
        status,
        StackStatus::ReviewInProgress | StackStatus::DeleteInProgress | StackStatus::DeleteComplete
    )
}

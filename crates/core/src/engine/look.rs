//! One look at all stacks under way, with as few requests as possible.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};

use crate::engine::failure;
use crate::ident::NodeName;
use crate::provider::{CloudFormation, ProviderError, StackEvent, StackRef, StackState};

/// How to look.
pub(crate) struct Look {
    pub(crate) cloudformation: Arc<dyn CloudFormation>,
    /// Requests an unnamed DescribeStacks takes, as last seen.
    pub(crate) pages: usize,
    /// Whether new events are read as well.
    pub(crate) follow_events: bool,
}

/// What was seen.
pub(crate) struct Looked {
    /// Each target with its stack (`None`: it does not exist) and its new events, oldest first.
    pub(crate) stacks: Vec<(NodeName, Option<StackState>, Vec<StackEvent>)>,
    /// Pages there were, if all stacks were listed.
    pub(crate) pages: Option<usize>,
}

impl Look {
    /// Looks at `targets`: name, stack, id of the last event known. Few stacks are asked for one by one, many are
    /// found in one listing of all stacks, whichever takes fewer requests.
    pub(crate) async fn at(
        &self,
        targets: &[(NodeName, StackRef, Option<String>)],
    ) -> Result<Looked, ProviderError> {
        let (states, pages) = if targets.len() <= self.pages.max(1) {
            let asked = targets.iter().map(|(_, stack, _)| self.cloudformation.describe_stack(stack));
            (try_join_all(asked).await?, None)
        } else {
            let (all, pages) = list(self.cloudformation.as_ref()).await?;
            let by_name: BTreeMap<&str, &StackState> =
                all.iter().map(|stack| (stack.fqn.as_str(), stack)).collect();
            let by_id: BTreeMap<&str, &StackState> =
                all.iter().map(|stack| (stack.id.as_str(), stack)).collect();
            let states = targets
                .iter()
                .map(|(_, stack, _)| match stack {
                    StackRef::Name(name) => by_name.get(name.as_str()).map(|stack| (*stack).clone()),
                    StackRef::Id(id) => by_id.get(id.as_str()).map(|stack| (*stack).clone()),
                })
                .collect();
            (states, Some(pages))
        };
        let events = if self.follow_events {
            // A look without events is still a look.
            join_all(targets.iter().map(|(_, stack, known)| async move {
                failure::latest_operation(self.cloudformation.as_ref(), stack, known.as_deref())
                    .await
                    .unwrap_or_default()
            }))
            .await
        } else {
            vec![Vec::new(); targets.len()]
        };
        let stacks = targets
            .iter()
            .zip(states)
            .zip(events)
            .map(|(((name, _, _), state), events)| (name.clone(), state, events))
            .collect();
        Ok(Looked { stacks, pages })
    }
}

/// Lists every stack that is not deleted; also returns how many pages there were.
///
/// # Errors
/// [`ProviderError`] as the provider gives it.
pub(crate) async fn list(
    cloudformation: &dyn CloudFormation,
) -> Result<(Vec<StackState>, usize), ProviderError> {
    let mut stacks = Vec::new();
    let mut token: Option<String> = None;
    let mut pages = 0;
    loop {
        let page = cloudformation.describe_stacks(token.as_deref()).await?;
        pages += 1;
        stacks.extend(page.stacks);
        token = page.next;
        if token.is_none() {
            return Ok((stacks, pages));
        }
    }
}

//! Which steps may run now: a pure frontier over the plan, without barriers between levels. Of steps that share a quota
//! only so many run at once, and one that has to wait for its quota keeps no other from starting.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::limits::{self, LimitKey, Limits};
use crate::ident::NodeName;
use crate::plan::{Plan, Step};

/// The frontier of a plan. Steps that change nothing count as done from the start.
#[derive(Debug, Clone)]
pub struct Schedule {
    waiting: BTreeMap<NodeName, Waiting>,
    dependants: BTreeMap<NodeName, BTreeSet<NodeName>>,
    running: BTreeMap<NodeName, BTreeSet<LimitKey>>,
    failed: BTreeSet<NodeName>,
    limits: Limits,
    /// Running steps by the keys they have.
    taken: BTreeMap<LimitKey, usize>,
}

#[derive(Debug, Clone)]
struct Waiting {
    needs: BTreeSet<NodeName>,
    /// Length of the longest chain of steps behind this one: long chains start first.
    priority: usize,
    /// What it must have before it starts, all or nothing.
    keys: BTreeSet<LimitKey>,
}

/// A step that will not run, and the failed or blocked steps it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The step.
    pub name: NodeName,
    /// What it needs and will not get.
    pub by: BTreeSet<NodeName>,
}

impl Schedule {
    /// The frontier at the start of a run.
    pub fn new(plan: &Plan, limits: Limits) -> Self {
        Self::with_keys(plan, limits, |step| limits::keys(plan, step))
    }

    /// The frontier where each step needs these keys.
    fn with_keys(plan: &Plan, limits: Limits, keys: impl Fn(&Step) -> BTreeSet<LimitKey>) -> Self {
        let changes: BTreeSet<&NodeName> =
            plan.steps.iter().filter(|step| step.action.is_change()).map(|step| &step.name).collect();
        let needs_through = needs_through_unchanged(plan, &changes);
        let mut dependants: BTreeMap<NodeName, BTreeSet<NodeName>> = BTreeMap::new();
        for (name, needs) in &needs_through {
            for need in needs {
                dependants.entry(need.clone()).or_default().insert(name.clone());
            }
        }
        let mut priorities: BTreeMap<&NodeName, usize> = BTreeMap::new();
        // Steps come in an order in which they could run one by one, so behind comes after.
        for step in plan.steps.iter().rev() {
            let behind = dependants
                .get(&step.name)
                .into_iter()
                .flatten()
                .filter_map(|name| priorities.get(name))
                .max()
                .map_or(0, |longest| longest + 1);
            priorities.insert(&step.name, behind);
        }
        let waiting = needs_through
            .into_iter()
            .map(|(name, needs)| {
                let priority = priorities.get(&name).copied().unwrap_or(0);
                let keys = plan.step(&name).map(&keys).unwrap_or_default();
                (name, Waiting { needs, priority, keys })
            })
            .collect();
        Self {
            waiting,
            dependants,
            running: BTreeMap::new(),
            failed: BTreeSet::new(),
            limits,
            taken: BTreeMap::new(),
        }
    }

    /// Whether any step could start now.
    pub fn has_ready(&self) -> bool {
        self.waiting.values().any(|waiting| waiting.needs.is_empty() && self.has_room(&waiting.keys))
    }

    /// Whether a step with these keys would exceed no limit.
    fn has_room(&self, keys: &BTreeSet<LimitKey>) -> bool {
        keys.iter().all(|key| self.taken.get(key).copied().unwrap_or(0) < self.limits.at_most(key))
    }

    /// Takes up to `limit` steps that may start now, those with the longest chain behind them first. A step gets all of
    /// its keys or none, so that no two wait for each other; one whose key is full is passed over.
    pub fn take_ready(&mut self, limit: usize) -> Vec<NodeName> {
        let mut ready: Vec<(usize, NodeName)> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.needs.is_empty())
            .map(|(name, waiting)| (waiting.priority, name.clone()))
            .collect();
        ready.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut names = Vec::new();
        for (_, name) in ready {
            if names.len() == limit {
                break;
            }
            if self.waiting.get(&name).is_some_and(|waiting| !self.has_room(&waiting.keys)) {
                continue;
            }
            let Some(waiting) = self.waiting.remove(&name) else { continue };
            for key in &waiting.keys {
                *self.taken.entry(key.clone()).or_default() += 1;
            }
            self.running.insert(name.clone(), waiting.keys);
            names.push(name);
        }
        names
    }

    /// Records the end of a running step. After a failure, returns every step that can now never run.
    pub fn finish(&mut self, name: &NodeName, succeeded: bool) -> Vec<Blocked> {
        for key in self.running.remove(name).unwrap_or_default() {
            if let Some(taken) = self.taken.get_mut(&key) {
                *taken = taken.saturating_sub(1);
            }
        }
        if succeeded {
            for dependant in self.dependants.get(name).into_iter().flatten() {
                if let Some(waiting) = self.waiting.get_mut(dependant) {
                    waiting.needs.remove(name);
                }
            }
            return Vec::new();
        }
        self.failed.insert(name.clone());
        self.block_behind(name)
    }

    fn block_behind(&mut self, name: &NodeName) -> Vec<Blocked> {
        let mut unreachable: BTreeSet<NodeName> = BTreeSet::new();
        let mut frontier = vec![name.clone()];
        while let Some(next) = frontier.pop() {
            for dependant in self.dependants.get(&next).into_iter().flatten() {
                if self.waiting.contains_key(dependant) && unreachable.insert(dependant.clone()) {
                    frontier.push(dependant.clone());
                }
            }
        }
        unreachable
            .iter()
            .filter_map(|blocked| {
                let waiting = self.waiting.remove(blocked)?;
                let by = waiting
                    .needs
                    .into_iter()
                    .filter(|need| self.failed.contains(need) || unreachable.contains(need))
                    .collect();
                Some(Blocked { name: blocked.clone(), by })
            })
            .collect::<Vec<_>>()
    }

    /// Steps under way.
    pub fn running(&self) -> impl Iterator<Item = &NodeName> {
        self.running.keys()
    }

    /// Steps that have not started.
    pub fn waiting(&self) -> BTreeSet<NodeName> {
        self.waiting.keys().cloned().collect()
    }

    /// Whether nothing runs and nothing can start any more.
    pub fn is_finished(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }
}

/// Needs among changing steps only: a need of an unchanged step is handed on to the steps that need it, because what
/// an unchanged stack stands on must still be settled before its dependants look at it.
fn needs_through_unchanged(
    plan: &Plan,
    changes: &BTreeSet<&NodeName>,
) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let mut effective: BTreeMap<&NodeName, BTreeSet<NodeName>> = BTreeMap::new();
    for step in &plan.steps {
        let mut needs = BTreeSet::new();
        for need in &step.needs {
            if changes.contains(need) {
                needs.insert(need.clone());
            } else if let Some(behind) = effective.get(need) {
                needs.extend(behind.iter().cloned());
            }
        }
        effective.insert(&step.name, needs);
    }
    effective
        .into_iter()
        .filter(|(name, _)| changes.contains(name))
        .map(|(name, needs)| (name.clone(), needs))
        .collect()
}

#[cfg(test)]
mod tests;

//! The graph of a config: stacks and tasks, and what each one needs. Acyclic and without dangling edges by construction.

mod build;
mod problem;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::build::read_by;
use self::build::{Builder, From, Way};
pub use self::problem::GraphProblem;
use crate::config::Config;
use crate::error::Findings;
use crate::ident::NodeName;

/// What each stack and each task of a config needs, directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependencyGraph {
    needs: BTreeMap<NodeName, BTreeSet<NodeName>>,
    /// Those that are tasks.
    tasks: BTreeSet<NodeName>,
}

impl DependencyGraph {
    /// Builds the graph of a config from `requires`, `required_by` and `output` lookups at any depth. Names may be
    /// short names or fqns. Returns the graph unless there are problems, and every problem.
    pub fn build(config: &Arc<Config>) -> (Option<Self>, Findings) {
        let mut builder = Builder::new(config);
        for stack in config.stacks.values() {
            let from = From { node: &stack.name, task: None };
            for (name, span) in &stack.requires {
                builder.edge(from, name.as_str(), *span, "requires", Way::Needs(None));
            }
            for (name, span) in &stack.required_by {
                builder.edge(from, name.as_str(), *span, "is required by", Way::NeededBy(None));
            }
            builder.lookups(from, stack.variables.values());
        }
        for task in config.tasks.values() {
            let from = From { node: &task.node, task: Some(task) };
            for need in &task.requires {
                builder.edge(from, &need.name, need.span, "requires", Way::Needs(need.affinity));
            }
            for need in &task.required_by {
                builder.edge(from, &need.name, need.span, "is required by", Way::NeededBy(need.affinity));
            }
            builder.lookups(from, task.args.values());
        }
        builder.finish()
    }

    /// What each stack and task needs, directly.
    pub fn needs(&self) -> &BTreeMap<NodeName, BTreeSet<NodeName>> {
        &self.needs
    }

    /// What one stack needs, directly.
    pub fn needs_of(&self, name: &NodeName) -> BTreeSet<NodeName> {
        self.needs.get(name).cloned().unwrap_or_default()
    }

    /// What one stack needs, at any distance.
    pub fn all_needs_of(&self, name: &NodeName) -> BTreeSet<NodeName> {
        let mut found = BTreeSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            for need in self.needs.get(name).into_iter().flatten() {
                if found.insert(need.clone()) {
                    open.push(need);
                }
            }
        }
        found
    }

    /// What a stack is recorded to need where only stacks are recorded: a way through tasks to another stack counts as a
    /// need of that stack.
    pub fn stacks_behind(&self, name: &NodeName) -> BTreeSet<NodeName> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open: Vec<&NodeName> = vec![name];
        while let Some(next) = open.pop() {
            for need in self.needs.get(next).into_iter().flatten() {
                if !self.tasks.contains(need) {
                    found.insert(need.clone());
                } else if seen.insert(need) {
                    open.push(need);
                }
            }
        }
        found
    }

    /// Whether a node is a task.
    pub fn is_task(&self, name: &NodeName) -> bool {
        self.tasks.contains(name)
    }

    /// The stacks and tasks in an order in which each comes after what it needs; ties by name.
    pub fn order(&self) -> Vec<NodeName> {
        order(&self.needs)
    }
}

/// Orders nodes so that each comes after what it needs, ties by name. Needs that are no nodes do not count; nodes on a
/// cycle are left out.
pub fn order(needs: &BTreeMap<NodeName, BTreeSet<NodeName>>) -> Vec<NodeName> {
    let mut dependants: BTreeMap<&NodeName, Vec<&NodeName>> = BTreeMap::new();
    let mut open: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for (name, wanted) in needs {
        let wanted: Vec<&NodeName> = wanted.iter().filter(|need| needs.contains_key(*need)).collect();
        open.insert(name, wanted.len());
        for need in wanted {
            dependants.entry(need).or_default().push(name);
        }
    }
    let mut ready: BTreeSet<&NodeName> =
        open.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut ordered = Vec::with_capacity(needs.len());
    while let Some(next) = ready.pop_first() {
        ordered.push(next.clone());
        for dependant in dependants.get(next).into_iter().flatten() {
            if let Some(count) = open.get_mut(*dependant) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(dependant);
                }
            }
        }
    }
    ordered
}

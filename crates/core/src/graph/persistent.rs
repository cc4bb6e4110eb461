//! The persistent graph: the bare JSON map that CFNgin reads and writes, and nothing else.

mod codec;
mod object;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use codec::{ReadGraph, RecordedEdge};
pub use object::{GraphError, GraphObject, GraphWarning, lease_key, object_key, state_key};

use crate::ident::NodeName;

/// Recorded stacks and what each one depends on, directly. Keys and values are sorted, so equal graphs are equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PersistentGraph {
    /// Dependencies by stack. Every dependency is a key of the same map.
    pub nodes: BTreeMap<NodeName, BTreeSet<NodeName>>,
}

impl PersistentGraph {
    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The wanted stacks that are not recorded.
    pub fn missing<'a>(&self, wanted: impl IntoIterator<Item = &'a NodeName>) -> BTreeSet<NodeName> {
        wanted.into_iter().filter(|name| !self.nodes.contains_key(*name)).cloned().collect()
    }

    /// Recorded stacks that directly depend on `name`.
    pub fn dependants(&self, name: &NodeName) -> BTreeSet<NodeName> {
        self.nodes.iter().filter(|(_, needs)| needs.contains(name)).map(|(node, _)| node.clone()).collect()
    }

    /// Whether `from` depends on `to`, directly or through others. A node reaches itself.
    pub fn reaches(&self, from: &NodeName, to: &NodeName) -> bool {
        let mut open = vec![from];
        let mut seen = BTreeSet::new();
        while let Some(node) = open.pop() {
            if node == to {
                return true;
            }
            if seen.insert(node) {
                open.extend(self.nodes.get(node).into_iter().flatten());
            }
        }
        false
    }

    /// Adds the dependency of `from` on `to` if both are recorded and no cycle arises; says whether it is there now.
    pub fn connect(&mut self, from: &NodeName, to: &NodeName) -> bool {
        if !self.nodes.contains_key(to) || self.reaches(to, from) {
            return false;
        }
        self.nodes.get_mut(from).is_some_and(|needs| {
            needs.insert(to.clone());
            true
        })
    }

    /// Takes out the edges that close cycles and returns them. Edges count in order of name, so the outcome is the
    /// same on every run.
    pub fn break_cycles(&mut self) -> Vec<RecordedEdge> {
        let empty = self.nodes.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
        let all = std::mem::replace(&mut self.nodes, empty);
        let mut closing = Vec::new();
        for (name, needs) in all {
            for need in needs {
                if !self.connect(&name, &need) {
                    closing.push((name.clone(), need));
                }
            }
        }
        closing
    }

    /// Forgets a stack and every dependency on it.
    pub fn remove(&mut self, name: &NodeName) {
        self.nodes.remove(name);
        for needs in self.nodes.values_mut() {
            needs.remove(name);
        }
    }

    /// Whether no stack depends on itself, directly or through others.
    pub fn is_acyclic(&self) -> bool {
        let all: BTreeSet<_> = self.nodes.keys().collect();
        self.dependants_first(&all).len() == all.len()
    }

    /// The order in which the stacks of `removed` may be deleted one after the other: dependants first, by name
    /// where nothing else decides. Stacks on a cycle, which a graph that was read does not have, come last.
    pub fn removal_order(&self, removed: &BTreeSet<NodeName>) -> Vec<NodeName> {
        let mut left: BTreeSet<_> = removed.iter().collect();
        let order = self.dependants_first(&left);
        for name in &order {
            left.remove(name);
        }
        order.into_iter().chain(left).cloned().collect()
    }

    /// The stacks of `among`, each after every other one that depends on it; without those that are on a cycle or
    /// that a cycle depends on.
    fn dependants_first<'a>(&'a self, among: &BTreeSet<&'a NodeName>) -> Vec<&'a NodeName> {
        let needs = |name: &NodeName| self.nodes.get(name).into_iter().flatten();
        let mut dependants: BTreeMap<_, usize> = among.iter().map(|name| (*name, 0)).collect();
        for need in among.iter().flat_map(|name| needs(name)) {
            if let Some(count) = dependants.get_mut(need) {
                *count += 1;
            }
        }
        let mut ready: BTreeSet<_> =
            dependants.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
        let mut order = Vec::with_capacity(among.len());
        while let Some(name) = ready.pop_first() {
            order.push(name);
            for need in needs(name) {
                if let Some(count) = dependants.get_mut(need) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(need);
                    }
                }
            }
        }
        order
    }
}

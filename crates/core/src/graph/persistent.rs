//! The persistent graph: the bare JSON map that CFNgin reads and writes, and nothing else.

mod codec;
mod object;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use codec::{ReadGraph, RecordedEdge};
pub use object::{GraphError, GraphObject, GraphWarning, lease_key, object_key, state_key};

use crate::ident::StackName;

/// Recorded stacks and what each one depends on, directly. Keys and values are sorted, so equal graphs are equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PersistentGraph {
    /// Dependencies by stack. Every dependency is a key of the same map.
    pub nodes: BTreeMap<StackName, BTreeSet<StackName>>,
}

impl PersistentGraph {
    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The wanted stacks that are not recorded.
    pub fn missing<'a>(&self, wanted: impl IntoIterator<Item = &'a StackName>) -> BTreeSet<StackName> {
        wanted.into_iter().filter(|name| !self.nodes.contains_key(*name)).cloned().collect()
    }

    /// Recorded stacks that directly depend on `name`.
    pub fn dependants(&self, name: &StackName) -> BTreeSet<StackName> {
        self.nodes.iter().filter(|(_, needs)| needs.contains(name)).map(|(node, _)| node.clone()).collect()
    }

    /// Whether `from` depends on `to`, directly or through others. A node reaches itself.
    pub fn reaches(&self, from: &StackName, to: &StackName) -> bool {
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
    pub fn connect(&mut self, from: &StackName, to: &StackName) -> bool {
        if !self.nodes.contains_key(to) || self.reaches(to, from) {
            return false;
        }
        self.nodes.get_mut(from).is_some_and(|needs| {
            needs.insert(to.clone());
            true
        })
    }

    /// Forgets a stack and every dependency on it.
    pub fn remove(&mut self, name: &StackName) {
        self.nodes.remove(name);
        for needs in self.nodes.values_mut() {
            needs.remove(name);
        }
    }

    /// The order in which the stacks of `removed` may be deleted one after the other: dependants first, by name
    /// where nothing else decides. Stacks that are not recorded come first.
    pub fn removal_order(&self, removed: &BTreeSet<StackName>) -> Vec<StackName> {
        let mut left = removed.clone();
        let mut order = Vec::with_capacity(left.len());
        while !left.is_empty() {
            // Without cycles (a graph that was read has none) some node is free of dependants in every round.
            let mut free: Vec<_> =
                left.iter().filter(|name| self.dependants(name).is_disjoint(&left)).cloned().collect();
            if free.is_empty() {
                free.extend(left.iter().cloned());
            }
            for name in free {
                left.remove(&name);
                order.push(name);
            }
        }
        order
    }
}

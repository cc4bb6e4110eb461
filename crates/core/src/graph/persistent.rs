//! The persistent graph: the bare JSON map that CFNgin reads and writes, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::ident::StackName;

/// Recorded stacks and what each one depends on, directly. Keys and values are sorted, so equal graphs are equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersistentGraph {
    /// Dependencies by stack. Every dependency is a key of the same map.
    pub nodes: BTreeMap<StackName, BTreeSet<StackName>>,
}

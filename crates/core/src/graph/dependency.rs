//! The graph of a config: stacks and what each one needs. Acyclic and without dangling edges by construction.

use std::collections::{BTreeMap, BTreeSet};

use crate::ident::StackName;

/// What each stack of a config needs, directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependencyGraph {
    needs: BTreeMap<StackName, BTreeSet<StackName>>,
}

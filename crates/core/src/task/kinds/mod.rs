//! The kinds of tasks that are built in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::AnyTaskKind;

/// Every kind that is built in.
fn built_in() -> Vec<Arc<dyn AnyTaskKind>> {
    Vec::new()
}

/// Kinds of tasks by name. The default ones are those that are built in.
#[derive(Clone)]
pub struct TaskKinds(Arc<BTreeMap<&'static str, Arc<dyn AnyTaskKind>>>);

impl TaskKinds {
    /// These kinds and no others.
    pub fn new(kinds: impl IntoIterator<Item = Arc<dyn AnyTaskKind>>) -> Self {
        Self(Arc::new(kinds.into_iter().map(|kind| (kind.name(), kind)).collect()))
    }

    /// The kind of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn AnyTaskKind>> {
        self.0.get(name)
    }

    /// Names of all kinds, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

impl Default for TaskKinds {
    fn default() -> Self {
        Self::new(built_in())
    }
}

impl fmt::Debug for TaskKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

//! Dependency graphs: the config's, checked; and the persistent graph as recorded.

pub mod dependency;
pub mod persistent;
pub mod state;

pub use dependency::DependencyGraph;
pub use persistent::PersistentGraph;
pub use state::GraphState;

//! What runs on the user's machine on behalf of a config: its Python (blueprints, hooks, lookups), commands, git, and
//! the archives of package sources.

pub mod branch;
pub mod cache;
mod group;
pub mod hooks;
mod prints;
mod program;
pub mod python;
pub mod random;
pub mod sources;
pub mod tasks;

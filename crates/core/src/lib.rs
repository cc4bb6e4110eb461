//! The meaning of runway-rs: configuration, lookups, graph, plan, lock, schedule and engine.
//!
//! Nothing here touches the environment, the file system, the clock or a network by itself; those arrive as values
//! or traits ([`files::Files`], [`clock::Clock`], [`provider::Provider`]).

pub mod cache;
pub mod clock;
pub mod config;
#[cfg(feature = "test-support")]
pub mod conformance;
pub mod engine;
pub mod error;
pub mod event;
pub mod exit;
pub mod files;
pub mod graph;
pub mod ident;
pub mod lock;
pub mod lookup;
pub mod outcome;
pub mod pattern;
pub mod plan;
pub mod project;
pub mod provider;
mod python;
pub mod registry;
pub mod render;
pub mod resources;
#[cfg(feature = "schema")]
pub mod schema;
pub mod secrets;
pub mod task;
pub mod template;
pub mod text;
pub mod yaml;

//! Plans, graphs, events and tables as text, JSON, Markdown, Mermaid and DOT: values in, strings out.

mod chain;
pub mod details;
pub mod events;
pub mod graph;
pub mod json;
pub mod markdown;
pub mod problems;
pub mod style;
pub mod tables;
pub mod text;
pub mod words;

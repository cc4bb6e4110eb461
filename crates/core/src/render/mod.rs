//! Plans, graphs, events and tables as text, JSON, Markdown, Mermaid, DOT, SVG and HTML: values in, strings out.

pub mod cache;
mod chain;
mod chart;
pub mod details;
pub mod events;
pub mod graph;
pub mod json;
pub mod junit;
mod layout;
pub mod markdown;
pub mod mermaid;
pub mod page;
pub mod picture;
pub mod problems;
pub mod report;
pub mod style;
pub mod tables;
mod templates;
pub mod text;
pub mod words;

//! The whole binary against moto, an AWS emulator, over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod assets;
mod assets_section;
mod budgets;
mod cache;
mod cache_trouble;
mod conformance;
mod errors;
mod graphs;
mod projects;
mod proxy;
mod refusing;
mod runway;
mod saved;
mod sessions;
mod support;
mod tasks;
mod walkthrough;

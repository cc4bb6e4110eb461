//! The whole binary on the embedded provider: bad input, formats, processes beside each other, signals.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[cfg(unix)]
mod assets;
#[cfg(unix)]
mod assets_job;
mod assets_section;
#[cfg(unix)]
mod assets_told;
mod browser;
mod cache;
mod cache_names;
#[cfg(unix)]
mod change_sets;
mod formats;
mod gate;
mod inputs;
mod processes;
mod projects;
mod python;
mod rendered;
mod reports;
mod saved;
mod secrets;
mod sources;
mod support;
mod tasks;

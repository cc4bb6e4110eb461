//! The bridge to Python, with the real Runway and troposphere, and the hooks that run local programs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod aws;
mod blueprints;
mod commands;
mod docker;
mod hooks;
mod memory;
mod processes;
mod support;

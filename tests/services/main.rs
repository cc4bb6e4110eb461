//! AWS lookups and hooks, and the calls below them, against moto over HTTP; against servers of the test's own where moto
//! cannot do what AWS does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod announced;
mod calls;
mod certificates;
mod connections;
mod fake;
mod hooking;
mod hooks;
mod lookups;
mod support;
mod tasks;

//! The engine on the embedded provider: whole runs in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod cached;
mod converge;
mod crash;
mod fakes;
mod flows;
mod outcomes;
mod soundness;
mod support;
mod tasks_end;
mod things;

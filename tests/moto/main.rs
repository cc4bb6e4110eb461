//! The whole binary against moto, an AWS emulator, over HTTP.

mod budgets;
mod errors;
mod graphs;
mod runway;
mod sessions;
mod support;
mod walkthrough;

//! The bridge to Python, with the real Runway and troposphere, and the hooks that run local programs.

mod blueprints;
mod hooks;
mod processes;
mod support;

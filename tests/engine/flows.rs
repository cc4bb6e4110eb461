//! Whole runs: order, failures, interruption, locks, removals, and what they cost.

mod failures;
mod interrupts;
mod locks;
mod removals;
mod requests;

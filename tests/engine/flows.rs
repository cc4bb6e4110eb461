//! Whole runs: order, failures, interruption, locks, removals, and what they cost.

mod answers;
mod blueprints;
mod buckets;
mod change_sets;
mod failures;
mod hooks;
mod hooks_locked;
mod importers;
mod inquiries;
mod interrupts;
mod locks;
mod observed;
mod recovery;
mod removals;
mod requests;
mod saved;
mod saved_values;
mod selection;
pub(crate) mod tasks;

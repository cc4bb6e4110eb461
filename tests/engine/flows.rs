//! Whole runs: order, failures, interruption, locks, removals, and what they cost.

mod buckets;
mod change_sets;
mod failures;
mod interrupts;
mod locks;
mod recovery;
mod removals;
mod requests;
mod selection;

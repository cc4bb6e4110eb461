//! Every interleaving of runs on one persistent graph: the protocol that production drives, explored exhaustively at
//! small bounds.
//!
//! A world holds graph, lease, state and two stacks, up to three sessions, and perhaps an operator or CFNgin. One
//! transition is one request taking effect or one local decision, so a pause of any length is a session that is not
//! scheduled. Sessions can be killed anywhere, answers can be lost, and a write can arrive a second time later on.
//! What a session sends, decides and records is computed by `runway_core::lock`; only the order in which the engine
//! calls it is written down here again, in `session`.

#![expect(clippy::print_stdout, reason = "the size of each exploration, and the shortest way to each fault")]

mod broken;
mod explore;
mod invariants;
mod others;
mod records;
mod scenarios;
mod session;
mod variant;
mod world;

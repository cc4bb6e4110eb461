//! Every interleaving of several sessions, with crashes at every step.

mod explore;
mod flips;
mod prunes;
mod rules;
mod step;
mod stopped;
mod times;
mod world;

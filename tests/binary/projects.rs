//! Projects: modules in their regions, in order, together or chosen, on the embedded provider.

mod cached;
mod choice;
mod environments;
mod graphs;
mod order;
mod pages;
mod scene;
mod starter;

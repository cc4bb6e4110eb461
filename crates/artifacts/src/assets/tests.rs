//! Commands about assets on stores in memory, with a clock that only moves when somebody waits.

mod alternating;
mod changed;
mod crashes;
mod histories;
mod hostile;
mod looks;
mod plans;
mod pruning;
mod pushing;
mod safety;
mod scene;
mod stubborn;

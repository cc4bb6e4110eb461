//! Commands about assets on stores in memory, with a clock that only moves when somebody waits.

mod crashes;
mod histories;
mod hostile;
mod pruning;
mod pushing;
mod safety;
mod scene;
mod stubborn;

//! The lock of a persistent graph: who may write it, and everything that is written to it.
//!
//! Three objects belong together: the graph, which CFNgin reads and writes too; the lease, which makes sessions
//! exclude each other; the state, which knows what the graph has no room for. [`protocol`] says which requests are
//! made and what their answers mean, without IO; [`Session`] carries them out against a store.

pub mod belief;
pub mod body;
pub mod code;
pub mod decide;
mod error;
pub mod lease;
mod premises;
pub mod protocol;
pub mod record;
pub mod rules;
mod session;
pub mod terms;
mod unlock;
mod wire;

pub use error::LockError;
pub use premises::{LeaseSeen, Objects, Premises, SeenObject, Stored, read_lock, read_premises};
pub use record::{Ending, Premise, Record, record_for};
pub use session::{DEFAULT_TTL, LockEvent, LockOptions, Session};
pub use unlock::{check_conditions, force_unlock};

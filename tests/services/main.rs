//! AWS lookups and hooks, and the calls below them, against moto over HTTP; against servers of the test's own where moto
//! cannot do what AWS does.

mod calls;
mod connections;
mod fake;
mod lookups;
mod support;

//! AWS lookups and hooks, and the calls below them, against moto over HTTP; against servers of the test's own where moto
//! cannot do what AWS does.

mod connections;
mod support;

//! The engine on the embedded provider: whole runs in virtual time.

mod converge;
mod crash;
mod flows;
mod support;

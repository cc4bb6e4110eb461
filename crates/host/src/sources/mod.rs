//! Packages and modules from elsewhere: directories, archives in S3 and git repositories.
//!
//! What is fetched is kept in a cache directory under names that tell what it is, as CFNgin keeps it, and is never
//! changed there: a commit, a tag or an archive that is in the cache needs no network.

mod failure;
pub mod git;
mod names;

pub use failure::SourceFailure;

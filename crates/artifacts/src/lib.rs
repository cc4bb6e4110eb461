//! Files of front-ends in object storage: what a build consists of, which build is live, and what nobody needs any more.
//!
//! | module | holds |
//! |---|---|
//! | [`names`] | names of apps, files and manifests, and where everything of an app is in a bucket |
//! | [`assets`] | the commands about assets: push, prune, verify and the rest |
//! | [`document`] | what the commands print, for programs and for people |
//! | [`format`] | the documents: manifests, intents, markers and heads |
//! | [`protocol`] | push, roll-back, resume and prune as state machines without IO |
//! | [`task`] | a push as a task of a config |
//! | [`job`] | manifests for Kubernetes: pure |
//! | [`gc`] | which files and manifests a prune deletes, and why: pure |

pub mod assets;
pub mod document;
pub mod format;
pub mod gc;
pub mod job;
pub mod names;
pub mod protocol;
#[cfg(feature = "schema")]
pub mod schema;
pub mod task;

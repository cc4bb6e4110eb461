//! Unlocking by hand: takes tag and lease away if they are still the ones that were shown.

use super::attempt::{Attempt, Settled};
use crate::lock::rules::Rules;
use crate::lock::terms::{Expect, Reply, Request, Target, Terms};

/// An unlocking under way, without IO. The state object is left alone, so the next run knows what was intended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unlock<T: Terms> {
    /// Graph as seen, its other tags and its entity tag, if its tag or body has to be cleaned.
    graph: Option<(T::Graph, T::Tags, T::ETag)>,
    /// Lease as seen, if there is one.
    lease: Option<T::ETag>,
    attempt: Option<Attempt<T>>,
}

impl<T: Terms> Unlock<T> {
    /// Unlocks what was seen: `graph` with its tags besides the lock's, if it is locked, and the lease.
    pub fn new(graph: Option<(T::Graph, T::Tags, T::ETag)>, lease: Option<T::ETag>) -> Self {
        Self { graph, lease, attempt: None }
    }

    /// The next request; `None` when all is done.
    pub fn request(&mut self) -> Option<Request<T>> {
        if self.attempt.is_none() {
            let request = match (&self.graph, &self.lease) {
                (Some((graph, tags, etag)), _) => Request::PutGraph {
                    graph: graph.clone(),
                    nonce: None,
                    locked: false,
                    tags: tags.clone(),
                    expect: Expect::Matching(etag.clone()),
                },
                (None, Some(etag)) => {
                    Request::Delete { target: Target::Lease, expect: Expect::Matching(etag.clone()) }
                }
                (None, None) => return None,
            };
            // Nothing here carries a nonce, so no session is compared with.
            self.attempt = Some(Attempt::new(request, 0));
        }
        self.attempt.as_ref().map(Attempt::request)
    }

    /// Takes the answer.
    ///
    /// # Errors
    /// [`Changed`] if graph or lease are not as they were seen: look again, ask again.
    pub fn answer(&mut self, reply: Reply<T>) -> Result<(), Changed> {
        let Some(attempt) = self.attempt.take() else {
            return Ok(());
        };
        match attempt.settle(reply, Rules::ALL) {
            Ok(Settled::Written(_)) => self.graph = None,
            Ok(Settled::Deleted) => self.lease = None,
            Ok(Settled::Refused | Settled::Seen(_)) => return Err(Changed),
            Err(unsettled) => self.attempt = Some(unsettled),
        }
        Ok(())
    }
}

/// The lock is not the one that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed;

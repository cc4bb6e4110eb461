//! One request until it is known what became of it.

use crate::lock::rules::{Rule, Rules};
use crate::lock::terms::{Found, Nonce, Reply, Request, Tags, Target, Terms};

/// A request under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Attempt<T: Terms> {
    request: Request<T>,
    /// Fragment of the own code.
    own: u64,
    doubt: Doubt,
}

/// How much is known about a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Doubt {
    /// Every earlier answer came.
    None,
    /// An answer was lost; the same request is sent again.
    Repeat,
    /// The repetition was refused, perhaps because the first one took effect: the object tells.
    Compare,
}

/// What became of a request.
pub(super) enum Settled<T: Terms> {
    Written(T::ETag),
    Deleted,
    Refused,
    Seen(Option<Tags<T>>),
}

impl<T: Terms> Attempt<T> {
    pub(super) fn new(request: Request<T>, own: u64) -> Self {
        Self { request, own, doubt: Doubt::None }
    }

    /// What has to be sent.
    pub(super) fn request(&self) -> Request<T> {
        match (self.doubt, self.target()) {
            (Doubt::Compare, Some(target)) => Request::Get(target),
            _ => self.request.clone(),
        }
    }

    /// Takes an answer. A write without an answer is repeated unchanged, and if the repetition is refused, the object
    /// is compared.
    ///
    /// # Errors
    /// The attempt itself, while something has to be sent again.
    pub(super) fn settle(mut self, reply: Reply<T>, rules: Rules) -> Result<Settled<T>, Self> {
        match reply {
            Reply::Tags(tags) => Ok(Settled::Seen(tags)),
            Reply::Written(etag) => Ok(Settled::Written(etag)),
            Reply::Deleted => Ok(Settled::Deleted),
            Reply::Found(found) => Ok(self.compare(found, rules)),
            Reply::Refused if self.doubt == Doubt::None => Ok(Settled::Refused),
            Reply::Refused => {
                self.doubt = Doubt::Compare;
                Err(self)
            }
            Reply::Lost => {
                if self.doubt == Doubt::None {
                    self.doubt = Doubt::Repeat;
                }
                Err(self)
            }
        }
    }

    fn compare(&self, found: Option<Found<T>>, rules: Rules) -> Settled<T> {
        let nonce = |n: u64| Some(Nonce { session: self.own, n: (n & 0xffff) as u16 });
        match (&self.request, found) {
            (Request::Delete { .. }, None) => Settled::Deleted,
            (Request::Delete { .. }, Some(_)) | (_, None) => Settled::Refused,
            (request, Some(found)) => {
                let own = match request {
                    Request::PutLease { n, .. } | Request::PutState { n, .. } => found.nonce == nonce(*n),
                    // A bare body has no nonce; equal content is all that was wanted.
                    Request::PutGraph { graph, nonce, .. } => {
                        found.nonce == *nonce && found.graph.as_ref() == Some(graph)
                    }
                    _ => false,
                };
                if own || !rules.follow(Rule::CompareAfterLostAnswer) {
                    Settled::Written(found.etag)
                } else {
                    Settled::Refused
                }
            }
        }
    }

    fn target(&self) -> Option<Target> {
        match &self.request {
            Request::PutLease { .. } => Some(Target::Lease),
            Request::PutState { .. } => Some(Target::State),
            Request::PutGraph { .. } => Some(Target::Graph),
            Request::Delete { target, .. } | Request::Get(target) => Some(*target),
            Request::GetTags => None,
        }
    }
}

//! What a record is found by.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::value::{CacheValue, Digest};

/// How far a record may be trusted. What has no class is not cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A function of its ingredients.
    Pure,
    /// An immutable statement about something remote whose version was seen in this run and is an ingredient.
    Fact,
    /// A read of something that may change at any time: of use in later runs only if the user gives it a time to live.
    Observed,
    /// Something was made to be as specified: it still has to be looked at, unless the user trusts it for a while.
    Receipt,
}

/// A kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name, for example `stack-template`.
    pub name: &'static str,
    /// Raised whenever the code that makes the result changes its meaning.
    pub revision: u32,
    /// How far its records may be trusted.
    pub class: Class,
}

/// Where a result holds: nothing that was learned in one place is used in another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scope {
    /// `aws`, with the endpoint if it is not AWS's own, or `local:<id of the directory>`.
    pub provider: String,
    /// Account id.
    pub account: String,
    /// Region.
    pub region: String,
    /// The role that was assumed, if the result depends on whose eyes it was seen with.
    pub role: Option<String>,
}

/// Everything a result depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingredients {
    kind: Kind,
    scope: Scope,
    subject: String,
    inputs: BTreeMap<String, Digest>,
}

/// The digest of all ingredients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Digest);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Ingredients {
    /// No inputs yet. `subject` says for people what it is about, for example `prod-vpc`, and is no ingredient.
    pub fn new(kind: Kind, scope: &Scope, subject: impl Into<String>) -> Self {
        Self { kind, scope: scope.clone(), subject: subject.into(), inputs: BTreeMap::new() }
    }

    /// The same with one more input.
    #[must_use]
    pub fn input<T: CacheValue + ?Sized>(mut self, name: &str, value: &T) -> Self {
        self.inputs.insert(name.to_owned(), value.digest());
        self
    }

    /// What it is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The digest of everything.
    pub fn key(&self) -> Key {
        let mut hash = Sha256::new();
        let mut field = |text: &[u8]| {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text);
        };
        field(b"rwc1");
        field(self.kind.name.as_bytes());
        field(&self.kind.revision.to_be_bytes());
        let Scope { provider, account, region, role } = &self.scope;
        for text in [provider, account, region] {
            field(text.as_bytes());
        }
        field(role.as_deref().unwrap_or_default().as_bytes());
        for (name, digest) in &self.inputs {
            field(name.as_bytes());
            field(&digest.0);
        }
        Key(Digest(hash.finalize().into()))
    }
}

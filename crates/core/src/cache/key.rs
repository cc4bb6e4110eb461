//! What a record is found by.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::value::{CacheValue, Digest, Encoder, Tag};

/// How far a record may be trusted. What has no class is not cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

impl Class {
    /// Its name in records and listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Fact => "fact",
            Self::Observed => "observed",
            Self::Receipt => "receipt",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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
    variant: Option<String>,
    scope: Scope,
    subject: String,
    inputs: BTreeMap<String, Digest>,
    dependencies: BTreeMap<String, Digest>,
}

/// The digest of all ingredients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub(super) Digest);

impl Key {
    /// A key as it is shown.
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(Self)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Ingredients {
    /// No inputs yet. `subject` says for people what it is about, for example `prod-vpc`, and is no ingredient.
    pub fn new(kind: Kind, scope: &Scope, subject: impl Into<String>) -> Self {
        Self {
            kind,
            variant: None,
            scope: scope.clone(),
            subject: subject.into(),
            inputs: BTreeMap::new(),
            dependencies: BTreeMap::new(),
        }
    }

    /// One of several in a kind whose members the config may treat differently: `ami` of the kind `lookup` is
    /// `lookup.ami`.
    #[must_use]
    pub fn variant(self, name: impl Into<String>) -> Self {
        Self { variant: Some(name.into()), ..self }
    }

    /// The same with one more input.
    #[must_use]
    pub fn input<T: CacheValue + ?Sized>(mut self, name: &str, value: &T) -> Self {
        self.inputs.insert(name.to_owned(), value.digest());
        self
    }

    /// The same with the digest of the *output* of something it depends on: made anew to the same output, it changes
    /// nothing here.
    #[must_use]
    pub fn dependency(mut self, name: &str, output: Digest) -> Self {
        self.dependencies.insert(name.to_owned(), output);
        self
    }

    /// What it is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Name of the kind, with the variant if it has one.
    pub fn kind_name(&self) -> Cow<'static, str> {
        match &self.variant {
            None => Cow::Borrowed(self.kind.name),
            Some(variant) => Cow::Owned(format!("{}.{variant}", self.kind.name)),
        }
    }

    /// All ingredients by name with the digests that tell them apart, in order.
    pub fn listed(&self) -> Vec<(String, String)> {
        let Scope { provider, account, region, role } = &self.scope;
        let scope = [("provider", provider), ("account", account), ("region", region)]
            .map(|(name, value)| (format!("scope.{name}"), value.digest().short()));
        let role = role.iter().map(|role| ("scope.role".to_owned(), role.digest().short()));
        let inputs = self.inputs.iter().map(|(name, digest)| (name.clone(), digest.short()));
        let outputs =
            self.dependencies.iter().map(|(name, digest)| (format!("output of {name}"), digest.short()));
        scope.into_iter().chain(role).chain(inputs).chain(outputs).collect()
    }

    /// Whether all inputs are listed for the kind.
    fn is_as_listed(&self) -> bool {
        let listed = super::kinds::INGREDIENTS.iter().find(|(kind, _)| *kind == self.kind);
        listed.is_none_or(|(_, names)| self.inputs.keys().all(|name| names.contains(&name.as_str())))
    }

    /// The digest of everything.
    pub fn key(&self) -> Key {
        debug_assert!(
            self.is_as_listed(),
            "`kinds::INGREDIENTS` does not have all of {}: {:?}",
            self.kind.name,
            self.inputs.keys()
        );
        let mut encoder = Encoder::new();
        encoder.field(Tag::Part, b"rwc1");
        encoder.field(Tag::Part, self.kind_name().as_bytes());
        encoder.field(Tag::Part, &self.kind.revision.to_be_bytes());
        let Scope { provider, account, region, role } = &self.scope;
        for text in [provider, account, region] {
            text.encode(&mut encoder);
        }
        role.encode(&mut encoder);
        for digests in [&self.inputs, &self.dependencies] {
            digests.encode(&mut encoder);
        }
        Key(encoder.finish())
    }
}

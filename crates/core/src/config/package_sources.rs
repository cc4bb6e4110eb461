//! `package_sources`: directories, archives and repositories whose configs are merged into a config, and whose Python
//! modules its blueprints, hooks and lookups can import.

use super::error::ConfigProblem;
use super::reader::{Fields, Reader};
use crate::text::Span;
use crate::yaml::Node;

/// Where packages come from, by kind. CFNgin processes the kinds in this order, each in file order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageSources {
    /// Directories.
    pub local: Vec<LocalSource>,
    /// Archives in S3.
    pub s3: Vec<S3Source>,
    /// Git repositories.
    pub git: Vec<GitSource>,
}

impl PackageSources {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.local.is_empty() && self.s3.is_empty() && self.git.is_empty()
    }
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSource {
    /// The directory, relative to that of the config, as written.
    pub source: String,
    /// What is taken from it.
    pub contents: Contents,
    /// Place of `source` in the config.
    pub span: Span,
}

/// An archive in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Source {
    /// The bucket.
    pub bucket: String,
    /// The key, which ends with the suffix of `archive`.
    pub key: String,
    /// The kind of archive.
    pub archive: ArchiveKind,
    /// Whether the caller agrees to pay for the requests.
    pub requester_pays: bool,
    /// Whether a newer object under the same key is fetched anew.
    pub use_latest: bool,
    /// What is taken from it.
    pub contents: Contents,
    /// Place of `key` in the config.
    pub span: Span,
}

/// Kinds of archives, known by the end of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// `.tar.gz`
    TarGzip,
    /// `.tar`
    Tar,
    /// `.zip`
    Zip,
}

impl ArchiveKind {
    /// All kinds; a suffix that ends with another comes first.
    pub const ALL: [Self; 3] = [Self::TarGzip, Self::Tar, Self::Zip];

    /// The end of the key.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::TarGzip => ".tar.gz",
            Self::Tar => ".tar",
            Self::Zip => ".zip",
        }
    }

    /// The kind of an archive with this key.
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| key.ends_with(kind.suffix()))
    }
}

/// A git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSource {
    /// Its address, in any form that git takes.
    pub uri: String,
    /// What is checked out.
    pub reference: GitReference,
    /// What is taken from it.
    pub contents: Contents,
    /// Place of `uri` in the config.
    pub span: Span,
}

/// What of a repository is checked out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GitReference {
    /// What the repository's `HEAD` names.
    Head,
    /// The newest commit of a branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A commit.
    Commit(String),
}

/// What is taken from a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Directories for Python's module path, relative to the source; none means the source itself.
    pub paths: Vec<(String, Span)>,
    /// Configs to merge, relative to the source.
    pub configs: Vec<(String, Span)>,
}

pub(super) const LOCAL: [&str; 3] = ["source", "paths", "configs"];
pub(super) const S3: [&str; 6] = ["bucket", "key", "requester_pays", "use_latest", "paths", "configs"];
pub(super) const GIT: [&str; 6] = ["uri", "branch", "commit", "tag", "paths", "configs"];
/// The three ways to name what is checked out, of which one can be used.
const REFERENCES: [&str; 3] = ["branch", "commit", "tag"];

impl Reader<'_> {
    /// The value of `package_sources`.
    pub(super) fn package_sources(&mut self, node: &Node) -> PackageSources {
        let known = ["git", "local", "s3"];
        let Some(fields) = self.strict_fields("`package_sources`", node, &known, &[]) else {
            return PackageSources::default();
        };
        self.refuse_nulls(&fields, &known, &[]);
        PackageSources {
            local: self.sources(&fields, "local", Self::local_source),
            s3: self.sources(&fields, "s3", Self::s3_source),
            git: self.sources(&fields, "git", Self::git_source),
        }
    }

    fn sources<T>(
        &mut self,
        fields: &Fields<'_>,
        kind: &str,
        read: fn(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = fields.get(kind) else { return Vec::new() };
        let Some(items) = node.as_sequence() else {
            self.wrong_type(kind, "a list", node, "write a list, also for a single source");
            return Vec::new();
        };
        items.iter().filter_map(|item| read(self, item)).collect()
    }

    fn local_source(&mut self, node: &Node) -> Option<LocalSource> {
        let fields = self.source_fields("a local source", node, &LOCAL)?;
        let contents = self.contents(&fields);
        let (source, span) = self.needed(&fields, "source", node)?;
        Some(LocalSource { source, contents, span })
    }

    fn s3_source(&mut self, node: &Node) -> Option<S3Source> {
        let fields = self.source_fields("an s3 source", node, &S3)?;
        let contents = self.contents(&fields);
        let mut flag = |field: &str, default: bool| match fields.get(field) {
            Some(node) => self.boolean(field, node).unwrap_or(default),
            None => default,
        };
        let (requester_pays, use_latest) = (flag("requester_pays", false), flag("use_latest", true));
        let bucket = self.needed(&fields, "bucket", node);
        let (key, span) = self.needed(&fields, "key", node)?;
        let Some(archive) = ArchiveKind::of(&key) else {
            self.report(ConfigProblem::ArchiveKind { key, span: span.into() });
            return None;
        };
        let (bucket, _) = bucket?;
        Some(S3Source { bucket, key, archive, requester_pays, use_latest, contents, span })
    }

    fn git_source(&mut self, node: &Node) -> Option<GitSource> {
        let fields = self.source_fields("a git source", node, &GIT)?;
        let contents = self.contents(&fields);
        let mut given = Vec::new();
        for field in REFERENCES {
            if let Some(value) = fields.get(field)
                && let Some(text) = self.literal(field, value)
                && let Some((key, _)) = fields.raw(field)
                && !text.is_empty()
            {
                given.push((field, text, key.span));
            }
        }
        if let [(first, _, first_span), (second, _, second_span), ..] = given.as_slice() {
            self.report(ConfigProblem::TwoReferences {
                first_field: first,
                second_field: second,
                first: (*first_span).into(),
                second: (*second_span).into(),
            });
        }
        let reference = match given.into_iter().next() {
            None => GitReference::Head,
            Some(("branch", name, _)) => GitReference::Branch(name),
            Some(("tag", name, _)) => GitReference::Tag(name),
            Some((_, commit, _)) => GitReference::Commit(commit),
        };
        let (uri, span) = self.needed(&fields, "uri", node)?;
        Some(GitSource { uri, reference, contents, span })
    }

    fn source_fields<'n>(
        &mut self,
        owner: &'static str,
        node: &'n Node,
        known: &[&'static str],
    ) -> Option<Fields<'n>> {
        let fields = self.strict_fields(owner, node, known, &[])?;
        self.refuse_nulls(&fields, known, &REFERENCES);
        Some(fields)
    }

    /// A text that must be there and not empty.
    fn needed(&mut self, fields: &Fields<'_>, field: &'static str, node: &Node) -> Option<(String, Span)> {
        let Some(value) = fields.get(field) else {
            if fields.raw(field).is_none() {
                let (owner, span) = (fields.owner.to_owned(), node.span.into());
                self.report(ConfigProblem::MissingField { owner, field, span });
            }
            return None;
        };
        let text = self.literal(field, value)?;
        if text.is_empty() {
            self.wrong_type(field, "text that is not empty", value, "write a value");
            return None;
        }
        Some((text, value.span))
    }

    fn contents(&mut self, fields: &Fields<'_>) -> Contents {
        let mut list =
            |field: &str| fields.get(field).map(|node| self.texts(field, node)).unwrap_or_default();
        Contents { paths: list("paths"), configs: list("configs") }
    }
}

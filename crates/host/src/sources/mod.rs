//! Packages and modules from elsewhere: directories, archives in S3 and git repositories.
//!
//! What is fetched is kept in a cache directory under names that tell what it is, as CFNgin keeps it, and is never
//! changed there: a commit, a tag or an archive that is in the cache needs no network.

mod archive;
mod failure;
pub mod git;
mod names;
mod problem;
mod s3;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::config::load::Wanted;
use runway_core::config::package_sources::{Contents, GitReference, GitSource, LocalSource, S3Source};
use runway_core::error::{Finding, Findings};
use runway_core::provider::Provider;
use runway_core::text::{Document, Span};
use runway_store::BucketName;

pub use failure::SourceFailure;
use problem::SourceProblem;

/// What a run has resolved so far. A branch or an object is asked for once a run, so that all its configs get the same.
#[derive(Debug, Default)]
pub struct Known {
    sources: Mutex<BTreeMap<String, Resolved>>,
}

/// Fetches the package sources of one config.
pub struct Fetcher<'f> {
    /// What the run has resolved so far.
    pub known: &'f Known,
    /// The config, for messages.
    pub document: &'f Arc<Document>,
    /// Directory of the config: local sources, relative addresses and the cache are relative to it.
    pub directory: &'f Utf8Path,
    /// Cache directory if the config names none.
    pub default_cache: &'f Utf8Path,
    /// What may be asked.
    pub access: Access<'f>,
    /// Names a file for people.
    pub shown: &'f (dyn Fn(&Utf8Path) -> Utf8PathBuf + Sync),
    /// Is told of every source once a run: before it is asked for, which may take a while, and what it was resolved to.
    pub progress: &'f (dyn Fn(Progress<'_>) + Sync),
}

/// What may be asked for sources.
#[derive(Clone, Copy)]
pub enum Access<'f> {
    /// Nothing: what is on this machine has to do.
    Cache,
    /// The network, and this provider for archives in S3.
    Network(Option<&'f dyn Provider>),
}

/// What a run can tell of a source.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'p> {
    /// It is asked for.
    Asking(&'p str),
    /// It is there.
    Resolved(&'p Resolved),
}

/// What the sources of a config give.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Directories for Python's module path, in CFNgin's order.
    pub paths: Vec<Utf8PathBuf>,
    /// Configs to merge, in CFNgin's order.
    pub configs: Vec<Arc<Document>>,
    /// What every source was resolved to.
    pub sources: Vec<Resolved>,
}

/// A source and what it was resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Address of the source, without credentials.
    pub name: String,
    /// What exactly was taken: a commit, or time and entity tag of an object; `None` for a directory.
    pub version: Option<String>,
    /// Where it is.
    pub directory: Utf8PathBuf,
    /// Whether it was fetched just now.
    pub fetched: bool,
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "package source {}", self.name)?;
        match &self.version {
            Some(version) => write!(f, " at {version}"),
            None => Ok(()),
        }
    }
}

impl Fetcher<'_> {
    /// Fetches everything that is wanted: directories, then archives, then repositories, each kind in file order
    /// (CFNgin).
    ///
    /// # Errors
    /// Every source that cannot be had, with its place in the config.
    pub async fn fetch(&self, wanted: &Wanted) -> Result<Fetched, Findings> {
        let cache = match &wanted.cache_directory {
            Some(directory) => self.directory.join(directory),
            None => self.default_cache.to_owned(),
        };
        let packages = cache.join("packages");
        let (mut fetched, mut findings) = (Fetched::default(), Findings::default());
        let sources = &wanted.sources;
        for source in &sources.local {
            let found = self.local(source);
            self.take(found, &source.contents, source.span, &mut fetched, &mut findings);
        }
        for source in &sources.s3 {
            let identity = format!("{packages} {} {} {:?}", source.bucket, source.key, source.use_latest);
            let found = self.once(identity, self.s3(source, &packages)).await;
            self.take(found, &source.contents, source.span, &mut fetched, &mut findings);
        }
        for source in &sources.git {
            let identity = format!("{packages} {} {} {:?}", self.directory, source.uri, source.reference);
            let found = self.once(identity, self.git(source, &packages)).await;
            self.take(found, &source.contents, source.span, &mut fetched, &mut findings);
        }
        if findings.has_errors() { Err(findings) } else { Ok(fetched) }
    }

    /// Resolves a source, unless the run has done so already.
    async fn once(
        &self,
        identity: String,
        resolve: impl Future<Output = Result<Resolved, SourceFailure>>,
    ) -> Result<Resolved, SourceFailure> {
        let known = self.known.sources.lock().unwrap_or_else(PoisonError::into_inner).get(&identity).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let resolved = resolve.await?;
        (self.progress)(Progress::Resolved(&resolved));
        let mut sources = self.known.sources.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(sources.entry(identity).or_insert(resolved).clone())
    }

    fn local(&self, source: &LocalSource) -> Result<Resolved, SourceFailure> {
        let directory = self.directory.join(&source.source);
        if !directory.is_dir() {
            return Err(SourceFailure::NoDirectory { path: (self.shown)(&directory) });
        }
        Ok(Resolved { name: source.source.clone(), version: None, directory, fetched: false })
    }

    async fn s3(&self, source: &S3Source, packages: &Utf8Path) -> Result<Resolved, SourceFailure> {
        let name = format!("s3://{}/{}", source.bucket, source.key);
        let unpacked = match self.access {
            Access::Network(Some(provider)) => {
                let bucket = BucketName::new(&source.bucket);
                let store = if source.requester_pays {
                    provider.paid_object_store(&bucket, None)
                } else {
                    provider.object_store(&bucket, None)
                };
                (self.progress)(Progress::Asking(&name));
                s3::package(source, &store, packages).await?
            }
            _ => s3::in_cache(source, packages)
                .ok_or_else(|| SourceFailure::NotFetched { what: name.clone() })?,
        };
        let version = unpacked.object.map(|object| match object.last_modified {
            Some(time) => format!("{time} (ETag {})", object.etag),
            None => format!("ETag {}", object.etag),
        });
        Ok(Resolved { name, version, directory: unpacked.directory, fetched: unpacked.fetched })
    }

    async fn git(&self, source: &GitSource, packages: &Utf8Path) -> Result<Resolved, SourceFailure> {
        let network = matches!(self.access, Access::Network(_));
        if network {
            (self.progress)(Progress::Asking(&git::shown(&source.uri)));
        }
        let checkout =
            git::package(&source.uri, &source.reference, packages, self.directory, network).await?;
        let commit = match &source.reference {
            GitReference::Head => format!("commit {}", checkout.commit),
            GitReference::Branch(branch) => format!("commit {} of branch {branch}", checkout.commit),
            GitReference::Tag(tag) => format!("commit {} of tag {tag}", checkout.commit),
            GitReference::Commit(_) => format!("commit {}", checkout.commit),
        };
        let (name, directory) = (checkout.uri, checkout.directory);
        Ok(Resolved { name, version: Some(commit), directory, fetched: checkout.fetched })
    }

    /// Takes from a source what the config names of it.
    fn take(
        &self,
        found: Result<Resolved, SourceFailure>,
        contents: &Contents,
        span: Span,
        fetched: &mut Fetched,
        findings: &mut Findings,
    ) {
        let mut report = |failure: SourceFailure, span: Span| {
            findings.push(Finding::at(self.document, SourceProblem::new(failure, span)));
        };
        let source = match found {
            Ok(source) => source,
            Err(failure) => return report(failure, span),
        };
        let root = &source.directory;
        // CFNgin: without `paths`, the source itself.
        if contents.paths.is_empty() {
            fetched.paths.push(canonical(root));
        }
        for (path, span) in &contents.paths {
            let directory = root.join(path);
            if directory.is_dir() {
                fetched.paths.push(canonical(&directory));
            } else {
                report(missing("directory", path, root), *span);
            }
        }
        for (path, span) in &contents.configs {
            let file = root.join(path);
            if !file.is_file() {
                report(missing("file", path, root), *span);
                continue;
            }
            let name = (self.shown)(&file);
            match fs_err::read(&file).map(String::from_utf8) {
                Ok(Ok(text)) => fetched.configs.push(Document::new(name.as_str(), text)),
                Ok(Err(_)) => {
                    let message = "it is not UTF-8".to_owned();
                    report(SourceFailure::Config { path: name, message }, *span);
                }
                Err(error) => {
                    let message = error.kind().to_string();
                    report(SourceFailure::Config { path: name, message }, *span);
                }
            }
        }
        fetched.sources.push(source);
    }
}

/// A path without links, as Python's module path has it (CFNgin).
fn canonical(path: &Utf8Path) -> Utf8PathBuf {
    path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned())
}

/// What is not in a package, with what is in its root.
fn missing(what: &'static str, path: &str, root: &Utf8Path) -> SourceFailure {
    let mut names: Vec<String> = root
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    let hint = match names.as_slice() {
        [] => "the package is empty".to_owned(),
        _ => format!("in it are {}", names.iter().take(10).cloned().collect::<Vec<_>>().join(", ")),
    };
    SourceFailure::NotInPackage { what, path: path.to_owned(), hint }
}

#[cfg(test)]
mod tests;

//! Repositories, by the `git` command of the machine, so that its credentials and settings hold.
//!
//! No hook runs, nobody is asked for credentials, and neither address nor reference can be taken for an option. Which
//! protocols are allowed is git's own rule (`protocol.allow`).

use std::process::Stdio;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
pub use runway_core::config::package_sources::GitReference;
use runway_core::secrets::Secrets;
use tokio::process::Command;

use super::failure::SourceFailure;
use super::names::{fingerprint, sanitized, without_credentials};

/// How long one command of git may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Variables that point git to a repository of its caller, for example while a hook of git runs us (`git rev-parse
/// --local-env-vars`, without those that carry settings).
const OTHER_REPOSITORY: [&str; 11] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// A commit of a repository in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its working tree.
    pub directory: Utf8PathBuf,
    /// The commit that is checked out there.
    pub commit: String,
    /// Address of the repository, without credentials.
    pub uri: String,
    /// Whether it was fetched just now; otherwise it was in the cache.
    pub fetched: bool,
}

/// Fetches a repository for a module of `runway.yml`, unless it is in `cache` (`.runway/cache`). A relative address is
/// relative to `base`. `location` inside the repository is the caller's to add and to check: see
/// [`Checkout::location`]. Without `network` it has to be in the cache.
///
/// # Errors
/// [`SourceFailure`]: no git, no such repository or reference, a cache that cannot be written.
pub async fn module(
    uri: &str,
    reference: &GitReference,
    cache: &Utf8Path,
    base: &Utf8Path,
    network: bool,
) -> Result<Checkout, SourceFailure> {
    // Runway: what stands behind the scheme, if the address ends with `.git`.
    let name = |uri: &str| match uri.strip_suffix(".git") {
        Some(address) => address.split("//").last().unwrap_or_default().to_owned(),
        None => uri.to_owned(),
    };
    checkout(uri, reference, cache, base, &|uri, reference| format!("{}_{reference}", name(uri)), network)
        .await
}

/// Fetches a repository for `package_sources`, unless it is in `packages`. Without `network` it has to be there.
pub(super) async fn package(
    uri: &str,
    reference: &GitReference,
    packages: &Utf8Path,
    base: &Utf8Path,
    network: bool,
) -> Result<Checkout, SourceFailure> {
    let name =
        |uri: &str, reference: &str| format!("{}-{reference}", uri.strip_suffix(".git").unwrap_or(uri));
    checkout(uri, reference, packages, base, &name, network).await
}

/// An address as messages show it: without credentials.
pub(super) fn shown(uri: &str) -> String {
    without_credentials(uri).0
}

impl Checkout {
    /// A directory of the working tree; `None` if there is no such directory, or if it leads out of the tree.
    pub fn location(&self, location: &str) -> Option<Utf8PathBuf> {
        let root = self.directory.canonicalize_utf8().ok()?;
        let directory = root.join(location.trim_start_matches('/')).canonicalize_utf8().ok()?;
        (directory.starts_with(&root) && directory.is_dir()).then_some(directory)
    }
}

/// One repository as git and as messages name it.
struct Repository<'r> {
    uri: &'r str,
    public: String,
    /// What its clones in the cache say they are of: the public address, absolute if it is a path.
    identity: String,
    secrets: Vec<String>,
    base: &'r Utf8Path,
}

async fn checkout(
    uri: &str,
    reference: &GitReference,
    cache: &Utf8Path,
    base: &Utf8Path,
    name: &(dyn Fn(&str, &str) -> String + Sync),
    network: bool,
) -> Result<Checkout, SourceFailure> {
    let (public, secrets) = without_credentials(uri);
    let identity = if is_relative_path(uri) {
        base.join(uri).components().collect::<Utf8PathBuf>().into_string()
    } else {
        public.clone()
    };
    let repository = Repository { uri, public, identity, secrets, base };
    repository.check_address()?;
    check_reference(reference)?;
    let pinned = matches!(reference, GitReference::Commit(_) | GitReference::Tag(_));
    if !network && !pinned {
        return Err(repository.not_fetched());
    }
    let resolved = match reference {
        GitReference::Commit(commit) => commit.to_ascii_lowercase(),
        GitReference::Tag(tag) => tag.clone(),
        GitReference::Branch(branch) => {
            repository.remote(&format!("refs/heads/{branch}"), &format!("branch `{branch}`")).await?
        }
        GitReference::Head => repository.remote("HEAD", "HEAD").await?,
    };
    let wanted = match reference {
        GitReference::Tag(tag) => format!("refs/tags/{tag}"),
        _ => resolved.clone(),
    };
    let first = sanitized(&name(&repository.public, &resolved));
    // Different addresses can give one name; the second one gets a name of its own.
    let second = format!("{first}-{}", fingerprint(&format!("{}\n{reference:?}", repository.identity)));
    for directory in [cache.join(&first), cache.join(&second)] {
        if directory.is_dir() {
            if let Some(commit) = repository.commit_in(&directory, &wanted).await? {
                return Ok(repository.checked_out(directory, commit, false));
            }
            continue;
        }
        if !network {
            return Err(repository.not_fetched());
        }
        let commit = repository.fetch_into(&directory, cache, reference, &wanted).await?;
        return Ok(repository.checked_out(directory, commit, true));
    }
    let path = cache.join(second);
    let message = "it holds something else; remove it".to_owned();
    Err(SourceFailure::Cache { path: path.into_string(), message })
}

impl Repository<'_> {
    fn checked_out(&self, directory: Utf8PathBuf, commit: String, fetched: bool) -> Checkout {
        Checkout { directory, commit, uri: self.public.clone(), fetched }
    }

    fn check_address(&self) -> Result<(), SourceFailure> {
        let reason = if self.uri.is_empty() {
            "it is empty"
        } else if self.uri.starts_with('-') {
            "git would take it for an option"
        } else if self.uri.chars().any(char::is_control) {
            "it has control characters in it"
        } else {
            return Ok(());
        };
        Err(SourceFailure::Address { uri: self.public.clone(), reason })
    }

    /// The commit that a reference of the remote repository names.
    async fn remote(&self, reference: &str, what: &str) -> Result<String, SourceFailure> {
        let listed = self.git(self.base, &["ls-remote", "--quiet", "--", self.uri, reference]).await?;
        let commit = listed.lines().find_map(|line| {
            let (commit, name) = line.split_once('\t')?;
            (name == reference && is_hexadecimal(commit)).then(|| commit.to_owned())
        });
        commit.ok_or_else(|| self.no_such(what))
    }

    fn not_fetched(&self) -> SourceFailure {
        SourceFailure::NotFetched { what: self.public.clone() }
    }

    fn no_such(&self, what: &str) -> SourceFailure {
        SourceFailure::NoSuchReference { uri: self.public.clone(), what: what.to_owned() }
    }

    /// The commit in a directory of the cache, if it is of this repository and the revision that is wanted.
    async fn commit_in(&self, directory: &Utf8Path, wanted: &str) -> Result<Option<String>, SourceFailure> {
        if !directory.join(".git").exists() {
            return Ok(None);
        }
        let ask = async |arguments: &[&str]| match self.git(directory, arguments).await {
            Ok(answer) => Ok(Some(answer.trim().to_owned())),
            Err(SourceFailure::Git { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        let origin = ask(&["config", "--get", "remote.origin.url"]).await?;
        let commit = ask(&["rev-parse", "--verify", "--quiet", "HEAD"]).await?;
        let meant =
            ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit_of(wanted)]).await?;
        // Runway keeps the credentials.
        let same = origin.is_some_and(|origin| without_credentials(&origin).0 == self.identity);
        let right = same && commit == meant;
        Ok(commit.filter(|_| right))
    }

    /// Clones beside the place and moves the clone there when it is complete.
    async fn fetch_into(
        &self,
        directory: &Utf8Path,
        cache: &Utf8Path,
        reference: &GitReference,
        wanted: &str,
    ) -> Result<String, SourceFailure> {
        let failed = |error: std::io::Error| SourceFailure::cache(cache, &error);
        fs_err::create_dir_all(cache).map_err(failed)?;
        let cache = cache.canonicalize_utf8().map_err(failed)?;
        let temporary = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&cache).map_err(failed)?;
        let clone = Utf8Path::from_path(temporary.path()).unwrap_or(&cache).join("clone");
        let arguments = ["clone", "--quiet", "--no-checkout", "--template=", "--", self.uri, clone.as_str()];
        self.git(self.base, &arguments).await?;
        let what = match reference {
            GitReference::Tag(tag) => format!("tag `{tag}`"),
            _ => format!("commit `{wanted}`"),
        };
        let verify = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit_of(wanted)];
        let commit = match self.git(&clone, &verify).await {
            Ok(commit) => commit.trim().to_owned(),
            Err(SourceFailure::Git { .. }) => return Err(self.no_such(&what)),
            Err(error) => return Err(error),
        };
        self.git(&clone, &["checkout", "--quiet", "--detach", "--no-recurse-submodules", &commit]).await?;
        self.git(&clone, &["remote", "set-url", "origin", &self.identity]).await?;
        match fs_err::rename(&clone, directory) {
            Ok(()) => Ok(commit),
            // Another run was faster.
            Err(error) => self.commit_in(directory, &commit).await?.ok_or_else(|| failed(error)),
        }
    }

    /// What a command of git prints.
    async fn git(&self, directory: &Utf8Path, arguments: &[&str]) -> Result<String, SourceFailure> {
        let mut command = Command::new("git");
        command
            // Hooks can come from the user's settings too.
            .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
            .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
            .args(arguments)
            .current_dir(directory)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for variable in OTHER_REPOSITORY {
            command.env_remove(variable);
        }
        let failed = |message: String| SourceFailure::Git { uri: self.public.clone(), message };
        let output = match tokio::time::timeout(LIMIT, command.output()).await {
            Err(_) => {
                let minutes = LIMIT.as_secs() / 60;
                return Err(SourceFailure::TooSlow { uri: self.public.clone(), minutes });
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound && directory.is_dir() => {
                return Err(SourceFailure::NoGit { uri: self.public.clone() });
            }
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = Secrets::new(&self.secrets).hide(&String::from_utf8_lossy(&output.stderr));
        Err(failed(gist(&words)))
    }
}

/// The commit that a revision names, as git spells the question.
fn commit_of(revision: &str) -> String {
    format!("{revision}^{{commit}}")
}

/// What git says, in one line.
fn gist(words: &str) -> String {
    let idle = ["warning:", "Cloning into", "Please make sure you have", "and the repository exists"];
    let said: Vec<&str> = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !idle.iter().any(|idle| line.starts_with(idle)))
        .collect();
    if said.is_empty() {
        "git failed without a word".to_owned()
    } else {
        said.join("; ").chars().take(300).collect()
    }
}

/// Whether git takes an address for a path relative to the current directory: no scheme, and no host in front.
fn is_relative_path(uri: &str) -> bool {
    let host_end = uri.find(':').unwrap_or(usize::MAX);
    !uri.starts_with('/') && uri.find('/').unwrap_or(uri.len()) < host_end
}

fn is_hexadecimal(text: &str) -> bool {
    (4..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Refuses what git would not take for a name, or would take for something else (git check-ref-format).
fn check_reference(reference: &GitReference) -> Result<(), SourceFailure> {
    let (what, name) = match reference {
        GitReference::Head => return Ok(()),
        GitReference::Commit(commit) if is_hexadecimal(commit) => return Ok(()),
        GitReference::Commit(commit) => ("commit", commit),
        GitReference::Branch(branch) => ("branch", branch),
        GitReference::Tag(tag) => ("tag", tag),
    };
    let bad = |c: char| c.is_control() || c == ' ' || "~^:?*[\\".contains(c);
    let well_formed = !name.is_empty()
        && !name.starts_with(['-', '/'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(bad);
    if well_formed && what != "commit" {
        return Ok(());
    }
    Err(SourceFailure::Reference { what, reference: name.clone() })
}

#[cfg(test)]
mod tests;

//! `path` of a module: a directory, or `git::<uri>//<location>?branch|commit|tag=<name>`.

use crate::config::package_sources::GitReference;

/// Where a module is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleSource {
    /// A directory, relative to the project file.
    Directory(String),
    /// In a git repository.
    Git(GitSource),
}

/// A place in a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSource {
    /// Address of the repository.
    pub uri: String,
    /// Directory in it; empty for its root.
    pub location: String,
    /// What to check out.
    pub reference: GitReference,
}

impl ModuleSource {
    /// Reads a path.
    ///
    /// # Errors
    /// One sentence, if it is of no known form.
    pub fn parse(path: &str) -> Result<Self, String> {
        let Some((kind, rest)) = path.split_once("::").filter(|_| !path.starts_with(['/', '.'])) else {
            // Runway: arguments behind a local path are allowed, and mean nothing.
            return Ok(Self::Directory(path.split('?').next().unwrap_or_default().to_owned()));
        };
        if kind != "git" {
            return Err(format!("`{kind}::` is no source of modules: `git::` is"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let scheme_end = place.find("://").map_or(0, |at| at + 3);
        let (uri, location) = match place[scheme_end..].find("//") {
            Some(at) => (&place[..scheme_end + at], &place[scheme_end + at + 2..]),
            None => (place, ""),
        };
        if uri.len() <= scheme_end {
            return Err("there is no address behind `git::`".to_owned());
        }
        let outside = |part: &str| part == "..";
        if location.starts_with('/') || location.split('/').any(outside) {
            return Err(format!("`{location}` is no directory inside the repository"));
        }
        let mut reference = GitReference::Head;
        for argument in query.split('&').filter(|argument| !argument.is_empty()) {
            let given = match argument.split_once('=') {
                Some(("branch", name)) if !name.is_empty() => GitReference::Branch(name.to_owned()),
                Some(("commit", name)) if !name.is_empty() => GitReference::Commit(name.to_owned()),
                Some(("tag", name)) if !name.is_empty() => GitReference::Tag(name.to_owned()),
                _ => return Err(format!("`{argument}` is none of `branch=`, `commit=` and `tag=`")),
            };
            if reference != GitReference::Head {
                return Err("only one of branch, commit and tag can be given".to_owned());
            }
            reference = given;
        }
        let location = location.trim_matches('/').trim_start_matches("./").to_owned();
        Ok(Self::Git(GitSource { uri: uri.to_owned(), location, reference }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_lose_their_arguments() {
        assert_eq!(ModuleSource::parse("./a.cfn?x=1"), Ok(ModuleSource::Directory("./a.cfn".into())));
        assert_eq!(ModuleSource::parse("a.cfn"), Ok(ModuleSource::Directory("a.cfn".into())));
    }

    #[test]
    fn git_sources_have_a_location_and_a_revision() {
        let git = |uri: &str, location: &str, reference| {
            Ok(ModuleSource::Git(GitSource { uri: uri.into(), location: location.into(), reference }))
        };
        assert_eq!(
            ModuleSource::parse("git::https://host/a/b.git//infra/app.cfn?branch=dev"),
            git("https://host/a/b.git", "infra/app.cfn", GitReference::Branch("dev".into()))
        );
        assert_eq!(
            ModuleSource::parse("git::ssh://git@host/b.git?tag=v1"),
            git("ssh://git@host/b.git", "", GitReference::Tag("v1".into()))
        );
        assert_eq!(ModuleSource::parse("git::file:///srv/b"), git("file:///srv/b", "", GitReference::Head));
    }

    #[test]
    fn other_forms_are_refused() {
        for path in [
            "s3::bucket/key",
            "git::https://",
            "git::https://h/b//../x",
            "git::https://h/b?ref=main",
            "git::https://h/b?branch=a&tag=b",
        ] {
            assert!(ModuleSource::parse(path).is_err(), "{path}");
        }
    }
}

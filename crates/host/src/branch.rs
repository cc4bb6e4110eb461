//! The branch of a git working tree, read from its files: no git has to be installed, and a directory that git takes
//! for somebody else's is not taken for no repository.

use camino::{Utf8Path, Utf8PathBuf};

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A branch.
    Branch(String),
    /// A commit, as CI systems check out.
    Detached,
    /// The directory is in no working tree.
    None,
}

/// What is checked out in the working tree that a directory is in.
///
/// # Errors
/// If there is a working tree, and its files cannot be read.
pub fn head(directory: &Utf8Path) -> std::io::Result<Head> {
    let Some(git) = directory.ancestors().map(|ancestor| ancestor.join(".git")).find(|path| path.exists())
    else {
        return Ok(Head::None);
    };
    let git = if git.is_file() { linked(&git)? } else { git };
    let head = fs_err::read_to_string(git.join("HEAD"))?;
    match head.trim().strip_prefix("ref:").map(str::trim) {
        // What git writes there if its branches are in another form of storage.
        Some("refs/heads/.invalid") => {
            Err(std::io::Error::other(format!("{git} keeps its branches in a form that is not read")))
        }
        Some(reference) => {
            Ok(Head::Branch(reference.strip_prefix("refs/heads/").unwrap_or(reference).to_owned()))
        }
        None => Ok(Head::Detached),
    }
}

/// The directory that the file `.git` of a worktree or submodule names.
fn linked(file: &Utf8Path) -> std::io::Result<Utf8PathBuf> {
    let text = fs_err::read_to_string(file)?;
    let named = text.trim().strip_prefix("gitdir:").unwrap_or_default().trim();
    let beside = file.parent().unwrap_or(file);
    Ok(beside.join(named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn git(directory: &Utf8Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(arguments);
        assert!(command.current_dir(directory).status().unwrap().success(), "{arguments:?}");
    }

    #[test]
    fn branches_worktrees_and_detached_heads_of_real_git() {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        assert_eq!(head(root).unwrap(), Head::None);
        git(root, &["init", "-q", "-b", "ENV-dev"]);
        fs_err::create_dir_all(root.join("a/b")).unwrap();
        assert_eq!(head(&root.join("a/b")).unwrap(), Head::Branch("ENV-dev".into()));
        git(root, &["commit", "-q", "--allow-empty", "-m", "first"]);
        git(root, &["worktree", "add", "-q", "-b", "feature/x", "tree"]);
        assert_eq!(head(&root.join("tree")).unwrap(), Head::Branch("feature/x".into()));
        git(root, &["checkout", "-q", "--detach"]);
        assert_eq!(head(root).unwrap(), Head::Detached);
    }
}

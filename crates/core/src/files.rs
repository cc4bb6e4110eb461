//! The file system as core sees it.

use camino::{Utf8Path, Utf8PathBuf};

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Nothing is there.
    #[error("no such file: {0}")]
    Missing(Utf8PathBuf),
    /// It is there but cannot be read.
    #[error("cannot read {path}: {message}")]
    Unreadable {
        /// The path.
        path: Utf8PathBuf,
        /// The operating system's words.
        message: String,
    },
    /// It is not UTF-8 text.
    #[error("{0} is not UTF-8 text")]
    NotText(Utf8PathBuf),
}

/// Reads files on behalf of core.
pub trait Files: Send + Sync {
    /// Reads a text file. Relative paths are relative to the config's directory.
    ///
    /// # Errors
    /// [`FileError`] as it describes itself.
    fn read(&self, path: &Utf8Path) -> Result<String, FileError>;

    /// A path as messages name it: relative to where the user is, not to the config.
    fn shown(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.to_owned()
    }
}

/// Files held in memory, for tests and generated configs.
impl Files for std::collections::BTreeMap<Utf8PathBuf, String> {
    fn read(&self, path: &Utf8Path) -> Result<String, FileError> {
        self.get(path).cloned().ok_or_else(|| FileError::Missing(path.to_owned()))
    }
}

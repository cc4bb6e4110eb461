use std::io;
use std::path::{Path, PathBuf};

use runway_core::provider::{ErrorKind, ProviderError};

/// Why the local provider cannot work with its directory.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LocalError {
    /// The path names something else.
    #[error("the local provider's directory {} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The system does not let us read or write there.
    #[error("the local provider may not use {}: {message}; make it readable and writable, or name another directory with --provider local:DIR", path.display())]
    Denied {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// Reading or writing failed otherwise.
    #[error("the local provider cannot use {}: {message}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// The state is not what this program writes. It is never overwritten.
    #[error("the local provider's state {} cannot be read ({message}); restore it, or move it away to begin anew", path.display())]
    Corrupt {
        /// The state document.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The state was written by a newer version.
    #[error("the local provider's state {} has version {version}, newer than this program understands; use a newer runway-rs", path.display())]
    Newer {
        /// The state document.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The script file is not what it should be.
    #[error("the local provider's script {} is malformed: {message}", path.display())]
    Script {
        /// The script file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl From<LocalError> for ProviderError {
    fn from(error: LocalError) -> Self {
        error.during("connection", "local")
    }
}

impl LocalError {
    pub(crate) fn access(path: &Path, error: &io::Error) -> Self {
        // fs-err repeats the path in its words; the system's own are enough.
        let message = error.raw_os_error().map_or_else(
            || error.get_ref().map_or_else(|| error.to_string(), ToString::to_string),
            |code| io::Error::from_raw_os_error(code).to_string(),
        );
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { path, message }
            }
            _ => Self::Io { path, message },
        }
    }

    /// The error as a failed call of the provider.
    pub(crate) fn during(&self, operation: &'static str, target: &str) -> ProviderError {
        let kind = match self {
            Self::Denied { .. } | Self::NotADirectory { .. } => ErrorKind::Denied,
            Self::Io { .. } | Self::Corrupt { .. } | Self::Newer { .. } => ErrorKind::Unavailable,
            Self::Script { .. } => ErrorKind::Validation,
        };
        ProviderError::new(kind, operation, target, self.to_string())
    }
}

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
    #[error("the local provider's state {} cannot be read ({message}); {}", path.display(), remedy(backup.as_deref()))]
    Corrupt {
        /// The state document.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// The document before its last change, if it is there.
        backup: Option<PathBuf>,
    },
    /// The state was written by a newer version.
    #[error("the local provider's state {} has version {version}, newer than this program understands; use a newer runway-rs", path.display())]
    Newer {
        /// The state document.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The state was written by a version whose format is no longer read.
    #[error("the local provider's state {} has version {version}, which this program no longer reads; move it away to begin anew, or use the runway-rs that wrote it", path.display())]
    Older {
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
    /// The work was given up because the program ends.
    #[error("the local provider was interrupted: {message}")]
    Interrupted {
        /// The runtime's words.
        message: String,
    },
}

/// What to do about a state that cannot be read.
fn remedy(backup: Option<&Path>) -> String {
    match backup {
        Some(backup) => format!(
            "{} holds what it was before its last change: put that in its place, or move both away to begin anew",
            backup.display()
        ),
        None => "restore it, or move it away to begin anew".to_owned(),
    }
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
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory => Self::Denied { path, message },
            _ => Self::Io { path, message },
        }
    }

    /// The error as a failed call of the provider.
    pub(crate) fn during(&self, operation: &'static str, target: &str) -> ProviderError {
        let kind = match self {
            Self::Denied { .. } | Self::NotADirectory { .. } | Self::Io { .. } => ErrorKind::LocalAccess,
            Self::Corrupt { .. } | Self::Newer { .. } | Self::Older { .. } | Self::Script { .. } => {
                ErrorKind::LocalState
            }
            Self::Interrupted { .. } => ErrorKind::Unavailable,
        };
        ProviderError::new(kind, operation, target, self.to_string())
    }
}

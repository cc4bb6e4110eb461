//! Files beside a config.

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::files::{FileError, Files};

use crate::settings;

/// Reads files relative to the directory of a config.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    /// Directory of the config.
    pub(crate) directory: Utf8PathBuf,
    /// The current directory, for messages.
    pub(crate) current: Utf8PathBuf,
}

impl Files for Beside {
    fn read(&self, path: &Utf8Path) -> Result<String, FileError> {
        let bytes = fs_err::read(self.directory.join(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::Missing(self.shown(path)),
            kind => FileError::Unreadable { path: self.shown(path), message: kind.to_string() },
        })?;
        String::from_utf8(bytes).map_err(|_| FileError::NotText(self.shown(path)))
    }

    fn shown(&self, path: &Utf8Path) -> Utf8PathBuf {
        settings::shown(&self.directory.join(path), &self.current)
    }
}

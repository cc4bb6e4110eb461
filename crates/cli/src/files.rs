//! Files beside a config.

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::files::{FileError, Files};

/// Reads files relative to the directory of a config.
#[derive(Debug, Clone)]
pub(crate) struct Beside(pub(crate) Utf8PathBuf);

impl Files for Beside {
    fn read(&self, path: &Utf8Path) -> Result<String, FileError> {
        let path = self.0.join(path);
        let bytes = fs_err::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::Missing(path.clone()),
            _ => FileError::Unreadable { path: path.clone(), message: error.to_string() },
        })?;
        String::from_utf8(bytes).map_err(|_| FileError::NotText(path))
    }
}

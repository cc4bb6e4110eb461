//! Files beside a config.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::files::{FileError, Files};

use crate::settings;

/// Bytes of the largest file that is read.
const LONGEST: u64 = 64 * 1024 * 1024;

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
        let place = self.directory.join(path);
        let unreadable = |message: String| FileError::Unreadable { path: self.shown(path), message };
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::Missing(self.shown(path)),
            kind => unreadable(kind.to_string()),
        };
        // Before it is opened: a named pipe would keep this program waiting for ever.
        let about = fs_err::metadata(&place).map_err(failed)?;
        if !about.is_file() && !about.is_dir() {
            return Err(unreadable("it is no regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        let file = fs_err::File::open(&place).map_err(failed)?;
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > LONGEST {
            return Err(unreadable(format!("it is larger than {} MiB", LONGEST / 1024 / 1024)));
        }
        String::from_utf8(bytes).map_err(|_| FileError::NotText(self.shown(path)))
    }

    fn shown(&self, path: &Utf8Path) -> Utf8PathBuf {
        settings::shown(&self.directory.join(path), &self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_files_of_a_sensible_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(directory.path()).unwrap();
        let files = Beside { directory: directory.to_owned(), current: directory.to_owned() };
        let told = |path: &str| files.read(Utf8Path::new(path)).unwrap_err().to_string();
        fs_err::write(directory.join("text"), "text").unwrap();
        assert_eq!(files.read(Utf8Path::new("text")).unwrap(), "text");
        assert_eq!(told("nothing"), "no such file: nothing");
        assert_eq!(told("."), format!("cannot read {}: is a directory", files.shown(Utf8Path::new("."))));
        fs_err::File::create(directory.join("large")).unwrap().set_len(LONGEST + 1).unwrap();
        assert_eq!(told("large"), "cannot read large: it is larger than 64 MiB");
        #[cfg(unix)]
        {
            assert_eq!(told("/dev/zero"), "cannot read /dev/zero: it is no regular file");
            let made = std::process::Command::new("mkfifo").arg(directory.join("pipe")).status().unwrap();
            assert!(made.success());
            assert_eq!(told("pipe"), "cannot read pipe: it is no regular file");
        }
    }
}

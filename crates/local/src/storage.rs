//! Where the state is kept: in memory, or as one document in a directory that several processes may share.

use std::fs::{File, Metadata};
use std::io::{BufWriter, ErrorKind as IoErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::error::LocalError;
use crate::script::Script;
use crate::state::{State, VERSION};

/// Name of the state document.
const STATE: &str = "state.json";
/// Name of the state document before its last change.
const BACKUP: &str = "state.json.previous";
/// Name of the file whose lock serialises writers.
const LOCK: &str = "state.lock";
/// Name of the script file.
const SCRIPT: &str = "script.json";

/// A place for the state.
#[derive(Debug)]
pub(crate) enum Storage {
    /// Gone when the process ends.
    Memory(Mutex<State>),
    /// A directory.
    Directory(Directory),
}

/// A directory, and what this process last saw in it.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Spares reading the document again as long as nobody replaced it. Held for moments only, never while waiting
    /// for the lock file.
    seen: Mutex<Seen>,
}

/// A document that was read or written.
#[derive(Debug, Default)]
struct Seen {
    /// `None` if there was no document.
    identity: Option<Identity>,
    /// Its content, perhaps brought up to date meanwhile: that only adds what follows from it anyway.
    state: State,
}

/// Tells one document from the next: each is a new file.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    number: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let number = 0;
        Self { number, length: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Storage {
    /// The state in a directory, which is created by the first change.
    pub(crate) fn directory(path: PathBuf) -> Self {
        Self::Directory(Directory { path, seen: Mutex::default() })
    }

    /// Lets `look` see the state, brought up to date by `advance`. Writes nothing: what advancing changes follows
    /// from what is stored.
    pub(crate) fn read<T>(
        &self,
        advance: impl FnOnce(&mut State),
        look: impl FnOnce(&State) -> T,
    ) -> Result<T, LocalError> {
        match self {
            Self::Memory(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                advance(&mut state);
                Ok(look(&state))
            }
            Self::Directory(directory) => {
                let mut seen = directory.load()?;
                advance(&mut seen.state);
                Ok(look(&seen.state))
            }
        }
    }

    /// Lets `change` work on the state, brought up to date by `advance`, and keeps the result unless it fails. A
    /// failing `change` must leave the state as it was.
    pub(crate) fn write<T, E: From<LocalError>>(
        &self,
        advance: impl FnOnce(&mut State),
        change: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Self::Memory(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                advance(&mut state);
                let answer = change(&mut state)?;
                state.forget();
                Ok(answer)
            }
            Self::Directory(directory) => {
                // Held until the end of this block; the system releases it if the process dies.
                let _lock = directory.lock()?;
                let mut seen = directory.load()?;
                advance(&mut seen.state);
                let answer = change(&mut seen.state)?;
                seen.state.forget();
                // What is not on the disk did not happen: should this fail, the document is read again.
                seen.identity = None;
                seen.identity = Some(directory.save(&seen.state)?);
                Ok(answer)
            }
        }
    }

    /// The script file, if there is one.
    pub(crate) fn script(&self) -> Result<Script, LocalError> {
        let Self::Directory(directory) = self else { return Ok(Script::default()) };
        let path = directory.path.join(SCRIPT);
        match fs_err::read_to_string(&path) {
            Ok(text) => Script::parse(&text).map_err(|message| LocalError::Script { path, message }),
            Err(error) if error.kind() == IoErrorKind::NotFound => Ok(Script::default()),
            Err(error) => Err(LocalError::access(&path, &error)),
        }
    }

    /// Checks what is there without changing it.
    pub(crate) fn check(&self) -> Result<(), LocalError> {
        if let Self::Directory(directory) = self {
            let path = &directory.path;
            if path.exists() && !path.is_dir() {
                return Err(LocalError::NotADirectory { path: path.clone() });
            }
            drop(directory.load()?);
            self.script()?;
        }
        Ok(())
    }

    /// What it is, for a debugger.
    pub(crate) fn name(&self) -> &dyn std::fmt::Debug {
        match self {
            Self::Memory(_) => &"memory",
            Self::Directory(directory) => &directory.path,
        }
    }
}

impl Directory {
    /// Waits until no other process and no other thread writes.
    fn lock(&self) -> Result<File, LocalError> {
        fs_err::create_dir_all(&self.path).map_err(|error| LocalError::access(&self.path, &error))?;
        let path = self.path.join(LOCK);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| LocalError::access(&path, &error))?;
        // A signal may interrupt the wait.
        while let Err(error) = file.lock() {
            if error.kind() != IoErrorKind::Interrupted {
                return Err(LocalError::access(&path, &error));
            }
        }
        Ok(file)
    }

    /// The document as it is now.
    fn load(&self) -> Result<MutexGuard<'_, Seen>, LocalError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.join(STATE);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == IoErrorKind::NotFound => {
                *seen = Seen::default();
                return Ok(seen);
            }
            Err(error) => return Err(LocalError::access(&path, &error)),
        };
        let identity = file.metadata().map_err(|error| LocalError::access(&path, &error))?;
        let identity = Some(Identity::of(&identity));
        if seen.identity != identity {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|error| LocalError::access(&path, &error))?;
            seen.identity = None;
            seen.state = self.parse(&path, &bytes)?;
            seen.identity = identity;
        }
        Ok(seen)
    }

    fn parse(&self, path: &Path, bytes: &[u8]) -> Result<State, LocalError> {
        // The version first: another format may be unreadable but for it.
        #[derive(serde::Deserialize)]
        struct Versioned {
            version: u64,
        }
        let corrupt = |error: serde_json::Error| {
            let backup = Some(self.path.join(BACKUP)).filter(|backup| backup.is_file());
            LocalError::Corrupt { path: path.to_owned(), message: error.to_string(), backup }
        };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(corrupt)?;
        match version.cmp(&u64::from(VERSION)) {
            std::cmp::Ordering::Less => Err(LocalError::Older { path: path.to_owned(), version }),
            std::cmp::Ordering::Equal => serde_json::from_slice(bytes).map_err(corrupt),
            std::cmp::Ordering::Greater => Err(LocalError::Newer { path: path.to_owned(), version }),
        }
    }

    /// Replaces the document in one step: a reader, or a process or machine that stops here, sees the old one or the
    /// new one. The old one is kept.
    fn save(&self, state: &State) -> Result<Identity, LocalError> {
        let path = self.path.join(STATE);
        let failed = |error: &std::io::Error| LocalError::access(&path, error);
        // Readable by its owner only: parameters may be secrets.
        let mut file = tempfile::NamedTempFile::new_in(&self.path).map_err(|error| failed(&error))?;
        let mut writer = BufWriter::new(&mut file);
        serde_json::to_writer(&mut writer, state).map_err(|error| failed(&error.into()))?;
        writer.flush().map_err(|error| failed(&error))?;
        drop(writer);
        // Without this, a power failure could leave the new name with no content behind it.
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        self.back_up(&path);
        let file = file.persist(&path).map_err(|error| failed(&error.error))?;
        Ok(Identity::of(&file.metadata().map_err(|error| failed(&error))?))
    }

    /// Keeps the present document under another name. A link, so that it is never absent under its own; where links
    /// do not exist there is no backup, which is no reason to fail.
    fn back_up(&self, path: &Path) {
        let backup = self.path.join(BACKUP);
        drop(std::fs::remove_file(&backup));
        drop(std::fs::hard_link(path, &backup));
    }
}

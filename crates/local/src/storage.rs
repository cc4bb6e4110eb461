//! Where the state is kept: in memory, or as one document in a directory that several processes may share.

use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::LocalError;
use crate::script::Script;
use crate::state::{State, VERSION};

/// Name of the state document.
const STATE: &str = "state.json";
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
    Directory(PathBuf),
}

impl Storage {
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
            Self::Directory(path) => {
                let mut state = load(path)?;
                advance(&mut state);
                Ok(look(&state))
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
                change(&mut state)
            }
            Self::Directory(path) => {
                // Held until the end of this block; the system releases it if the process dies.
                let _lock = lock(path)?;
                let mut state = load(path)?;
                advance(&mut state);
                let answer = change(&mut state)?;
                save(path, &state)?;
                Ok(answer)
            }
        }
    }

    /// The script file, if there is one.
    pub(crate) fn script(&self) -> Result<Script, LocalError> {
        let Self::Directory(directory) = self else { return Ok(Script::default()) };
        let path = directory.join(SCRIPT);
        match fs_err::read_to_string(&path) {
            Ok(text) => Script::parse(&text).map_err(|message| LocalError::Script { path, message }),
            Err(error) if is_absent(&error) => Ok(Script::default()),
            Err(error) => Err(LocalError::access(&path, &error)),
        }
    }

    /// Checks what is there without changing it.
    pub(crate) fn check(&self) -> Result<(), LocalError> {
        if let Self::Directory(path) = self {
            if path.exists() && !path.is_dir() {
                return Err(LocalError::NotADirectory { path: path.clone() });
            }
            load(path)?;
            self.script()?;
        }
        Ok(())
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    error.kind() == IoErrorKind::NotFound
}

fn lock(directory: &Path) -> Result<File, LocalError> {
    fs_err::create_dir_all(directory).map_err(|error| LocalError::access(directory, &error))?;
    let path = directory.join(LOCK);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| LocalError::access(&path, &error))?;
    // Another process or thread may be writing: that takes milliseconds.
    file.lock().map_err(|error| LocalError::access(&path, &error))?;
    Ok(file)
}

fn load(directory: &Path) -> Result<State, LocalError> {
    let path = directory.join(STATE);
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if is_absent(&error) => return Ok(State::default()),
        Err(error) if error.kind() == IoErrorKind::InvalidData => {
            return Err(LocalError::Corrupt { path, message: "it is not UTF-8 text".to_owned() });
        }
        Err(error) => return Err(LocalError::access(&path, &error)),
    };
    let corrupt =
        |error: serde_json::Error| LocalError::Corrupt { path: path.clone(), message: error.to_string() };
    let error = match serde_json::from_str::<State>(&text) {
        Ok(state) if state.version <= VERSION => return Ok(state),
        Ok(state) => return Err(LocalError::Newer { path, version: state.version.into() }),
        Err(error) => error,
    };
    // A newer format may be unreadable but for its version.
    let document: serde_json::Value = serde_json::from_str(&text).map_err(corrupt)?;
    match document.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version > u64::from(VERSION) => Err(LocalError::Newer { path, version }),
        _ => Err(corrupt(error)),
    }
}

/// Replaces the document in one step: a reader, or a process that dies here, sees the old one or the new one.
fn save(directory: &Path, state: &State) -> Result<(), LocalError> {
    let path = directory.join(STATE);
    let failed = |error: &std::io::Error| LocalError::access(&path, error);
    let bytes = serde_json::to_vec(state)
        .map_err(|error| LocalError::Corrupt { path: path.clone(), message: error.to_string() })?;
    // Readable by its owner only: parameters may be secrets.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(&error))?;
    file.write_all(&bytes).map_err(|error| failed(&error))?;
    file.persist(&path).map_err(|error| failed(&error.error))?;
    Ok(())
}

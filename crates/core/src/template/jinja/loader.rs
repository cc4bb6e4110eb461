//! The templates that one rendering has read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use super::JinjaProblem;
use crate::error::Findings;
use crate::files::{FileError, Files};

/// Texts by the names that templates use for them. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// `None` for names of which it is known that nothing is there.
    texts: BTreeMap<String, Option<String>>,
    /// Names that were asked for and are not known.
    wanted: BTreeSet<String>,
}

impl Sources {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of a template; notes the name if it has not been read.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let mut state = self.state();
        match state.texts.get(name) {
            Some(text) => text.clone(),
            None => {
                state.wanted.insert(name.to_owned());
                None
            }
        }
    }

    /// Whether a template was read and is there.
    pub(super) fn has(&self, name: &str) -> bool {
        matches!(self.state().texts.get(name), Some(Some(_)))
    }

    /// The names that were asked for and had not been read.
    pub(super) fn take_wanted(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.state().wanted)
    }

    /// Reads a template, or learns that there is none.
    ///
    /// # Errors
    /// If something is there that is no readable text.
    pub(super) fn read(&self, name: &str, directory: &Utf8Path, files: &dyn Files) -> Result<(), Findings> {
        let text = match path(directory, name).map(|path| files.read(&path)) {
            // Python reads files with universal line ends.
            Some(Ok(text)) => Some(text.replace("\r\n", "\n").replace('\r', "\n")),
            None | Some(Err(FileError::Missing(_))) => None,
            Some(Err(error)) => return Err(JinjaProblem::Unreadable { error }.into_findings()),
        };
        self.state().texts.insert(name.to_owned(), text);
        Ok(())
    }
}

/// Where a template is: below the directory, or nowhere. (Jinja2 `split_template_path`.)
pub(super) fn path(directory: &Utf8Path, name: &str) -> Option<Utf8PathBuf> {
    let mut path = directory.to_owned();
    for part in name.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." || part.contains('\\') || part.contains('\0') {
            return None;
        }
        path.push(part);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_stay_below_their_directory() {
        let at = |name: &str| path(Utf8Path::new("templates"), name).map(Utf8PathBuf::into_string);
        assert_eq!(at("a.j2").as_deref(), Some("templates/a.j2"));
        assert_eq!(at("/etc/./a.j2").as_deref(), Some("templates/etc/a.j2"));
        assert_eq!(at("../a.j2"), None);
        assert_eq!(at("a/../../b"), None);
        assert_eq!(at("a\\..\\b"), None);
    }
}

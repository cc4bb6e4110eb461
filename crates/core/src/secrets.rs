//! Keeps secrets out of what is shown.

mod forms;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use serde_json::Value;

/// What is shown in place of a secret.
pub const HIDDEN: &str = "****";
/// Lines of a secret that are shorter than this are no secrets of their own: `{` and `}` of a JSON document, say.
const SHORTEST_LINE: usize = 6;
/// Of texts in a secret value that are shorter than this nothing could be read any more.
pub(crate) const SHORTEST_TEXT: usize = 4;

/// Adds the texts in a secret value that are worth hiding, those of a JSON document in it too.
pub fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST_TEXT => {
            found.push(text.clone());
            if let Some(document) = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()) {
                document.iter().for_each(|document| texts(document, found));
            }
        }
        Value::Number(number) => {
            found.extend(Some(number.to_string()).filter(|text| text.len() >= SHORTEST_TEXT));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|item| texts(item, found)),
        _ => {}
    }
}

/// Texts that must not be shown, in every form in which they are found: as they are, line by line, and written in
/// Base64, in a URL, in JSON and in HTML.
#[derive(Clone, Default)]
pub struct Secrets {
    finder: Finder,
}

/// What finds secrets.
#[derive(Clone, Default)]
enum Finder {
    /// There are none.
    #[default]
    Nothing,
    /// Any form of any of them.
    Any(AhoCorasick),
    /// There are more than can be looked for.
    Everything,
}

impl Secrets {
    /// `secrets`, and their lines, since output is shown line by line.
    pub fn new<T: AsRef<str>>(secrets: &[T]) -> Self {
        let mut found = BTreeSet::new();
        for secret in secrets.iter().map(AsRef::as_ref).filter(|secret| !secret.trim().is_empty()) {
            let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
            for text in std::iter::once(secret).chain(lines) {
                forms::add(text, &mut found);
            }
        }
        if found.is_empty() {
            return Self::default();
        }
        let finder = finder(&found).map_or(Finder::Everything, Finder::Any);
        Self { finder }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self.finder, Finder::Nothing)
    }

    /// Whether there is any of them in `text`.
    pub fn are_in(&self, text: &str) -> bool {
        match &self.finder {
            Finder::Nothing => false,
            Finder::Any(finder) => finder.is_match(text),
            Finder::Everything => true,
        }
    }

    /// Where they are in `text`, in order; what overlaps is one place.
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let finder = match &self.finder {
            Finder::Nothing => return Vec::new(),
            Finder::Any(finder) => finder,
            Finder::Everything => return std::iter::once(0..text.len()).collect(),
        };
        let mut found: Vec<Range<usize>> =
            finder.find_overlapping_iter(text).map(|found| found.range()).collect();
        found.sort_by_key(|place| (place.start, place.end));
        let mut places: Vec<Range<usize>> = Vec::new();
        for place in found {
            match places.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => places.push(place),
            }
        }
        places
    }

    /// `text` with the secrets hidden.
    pub fn hide(&self, text: &str) -> String {
        self.hidden(text).into_owned()
    }

    /// The same, without a copy where there is nothing to hide.
    pub fn hidden<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let places = self.places(text);
        if places.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
        for place in places {
            shown.push_str(text.get(at..place.start).unwrap_or_default());
            shown.push_str(HIDDEN);
            at = place.end;
        }
        shown.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(shown)
    }

    /// Hides them in all texts of a JSON document. Names of entries, numbers and truths are its form.
    pub fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(shown) = self.hidden(text) {
                    *text = shown;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in(item)),
            Value::Object(entries) => entries.values_mut().for_each(|value| self.hide_in(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}

/// What finds any of these texts. It is made again whenever a run learns another secret: the kind that is made fastest.
fn finder(texts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<AhoCorasick, BuildError> {
    AhoCorasick::builder().kind(Some(AhoCorasickKind::NoncontiguousNFA)).prefilter(false).build(texts)
}

/// Those that are not part of `open`: what stands there in clear is no secret, and hiding it everywhere else would only
/// make a riddle of names.
pub(crate) fn without_open(secrets: Vec<String>, open: &str) -> Vec<String> {
    let Ok(finder) = finder(&secrets) else { return secrets };
    let open: BTreeSet<usize> =
        finder.find_overlapping_iter(open).map(|found| found.pattern().as_usize()).collect();
    secrets.into_iter().enumerate().filter(|(index, _)| !open.contains(index)).map(|(_, text)| text).collect()
}

/// Every secret that a run has learned, for all that speak during the run.
#[derive(Default)]
pub struct Vault {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    texts: BTreeSet<String>,
    /// Made of the texts when it is asked for.
    secrets: Option<Arc<Secrets>>,
}

impl Vault {
    /// From now on these are not shown. Texts of fewer than four letters are everywhere: hiding them would tell more than
    /// it hides.
    pub fn add(&self, texts: impl IntoIterator<Item = String>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for text in texts.into_iter().filter(|text| text.len() >= SHORTEST_TEXT) {
            if kept.texts.insert(text) {
                kept.secrets = None;
            }
        }
    }

    /// All of them.
    pub fn secrets(&self) -> Arc<Secrets> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(secrets) = &kept.secrets {
            return Arc::clone(secrets);
        }
        let texts: Vec<&String> = kept.texts.iter().collect();
        let secrets = Arc::new(Secrets::new(&texts));
        kept.secrets = Some(Arc::clone(&secrets));
        secrets
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Names of apps, files and manifests, and where everything of an app is in its bucket.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use runway_store::ObjectKey;
use serde::{Deserialize, Serialize};

/// Longest key that S3 takes, in bytes.
pub const LONGEST_KEY: usize = 1024;

/// Name of an app: the namespace of one front-end's files. Letters, digits, `.`, `_` and `-`, beginning with a letter or
/// a digit, at most 128 of them; there is no slash in it, so that nothing of one app is below another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AppName(Arc<str>);

impl AppName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no name or no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum NameError {
    #[error("`{0}` is no name of an app: letters, digits, `.`, `_` and `-`, at most 128 of them, are one")]
    App(String),
    #[error("the path is empty")]
    Empty,
    #[error("the path `{0}` begins with a slash")]
    Absolute(String),
    #[error("the path `{0}` has an empty part, `.` or `..` in it")]
    Part(String),
    #[error("the path `{0}` has a control character in it")]
    Control(String),
    #[error("the key `{0}...` is longer than {LONGEST_KEY} bytes")]
    TooLong(String),
    #[error("`{0}` is no name of a manifest: seconds since 1970 are one")]
    Manifest(String),
}

fn quoted(text: &str) -> String {
    text.escape_debug().to_string()
}

impl FromStr for AppName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts && text.len() <= 128 && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::App(quoted(text)))
        }
    }
}

impl TryFrom<String> for AppName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Path of a file below the app, with slashes: relative, no part of it empty, `.` or `..`, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AssetPath(Arc<str>);

impl AssetPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AssetPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.starts_with('/') {
            return Err(NameError::Absolute(quoted(text)));
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Control(quoted(text)));
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(NameError::Part(quoted(text)));
        }
        if text.len() > LONGEST_KEY {
            return Err(NameError::TooLong(quoted(text).chars().take(80).collect()));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for AssetPath {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<AssetPath> for String {
    fn from(path: AssetPath) -> Self {
        path.0.as_ref().to_owned()
    }
}

impl Borrow<str> for AssetPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a manifest: seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManifestId(pub u64);

impl FromStr for ManifestId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError::Manifest(quoted(text));
        let id = Self(text.parse().map_err(|_| refuse())?);
        // One manifest has one name: no sign, no zeros before.
        if id.to_string() == text { Ok(id) } else { Err(refuse()) }
    }
}

impl fmt::Display for ManifestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A random text that tells the writes of one session from those of others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Nonce(Arc<str>);

impl From<String> for Nonce {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        nonce.0.as_ref().to_owned()
    }
}

impl Nonce {
    /// Takes a text that is random enough: letters and digits.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where everything of one app is in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    prefix: Arc<str>,
    app: AppName,
}

impl Layout {
    /// The app in a bucket. The prefix is empty, or a path below which everything is.
    ///
    /// # Errors
    /// [`NameError`] if the prefix is no path.
    pub fn new(prefix: &str, app: AppName) -> Result<Self, NameError> {
        let prefix = prefix.trim_end_matches('/');
        if prefix.is_empty() {
            return Ok(Self { prefix: "".into(), app });
        }
        let prefix = AssetPath::from_str(prefix)?;
        Ok(Self { prefix: format!("{prefix}/").into(), app })
    }

    /// The app.
    pub fn app(&self) -> &AppName {
        &self.app
    }

    fn below(&self, kind: &str) -> String {
        format!("{}{kind}/{}/", self.prefix, self.app)
    }

    /// Begins the keys of all files.
    pub fn data(&self) -> String {
        self.below("data")
    }

    /// A file as it is served.
    pub fn file(&self, path: &AssetPath) -> ObjectKey {
        ObjectKey::new(format!("{}{path}", self.data()))
    }

    /// The path of a file, from its key.
    pub fn path_of(&self, key: &ObjectKey) -> Option<AssetPath> {
        key.as_str().strip_prefix(&self.data())?.parse().ok()
    }

    /// A path whose key is not too long.
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn check(&self, path: &AssetPath) -> Result<(), NameError> {
        // The longest key of a file is that of the copy of an entry point.
        let longest = self.copy(ManifestId(u64::MAX), path);
        if longest.as_str().len() > LONGEST_KEY {
            return Err(NameError::TooLong(quoted(path.as_str()).chars().take(80).collect()));
        }
        Ok(())
    }

    /// Begins the keys of all copies of entry points.
    pub fn all_copies(&self) -> String {
        self.below("entries")
    }

    /// Begins the keys of the copies of the entry points of a build.
    pub fn copies(&self, manifest: ManifestId) -> String {
        format!("{}{manifest}/", self.all_copies())
    }

    /// Of which build a copy is.
    pub fn copied_build(&self, key: &ObjectKey) -> Option<ManifestId> {
        key.as_str().strip_prefix(&self.all_copies())?.split_once('/')?.0.parse().ok()
    }

    /// The copy of an entry point: what it was in that build.
    pub fn copy(&self, manifest: ManifestId, path: &AssetPath) -> ObjectKey {
        ObjectKey::new(format!("{}{path}", self.copies(manifest)))
    }

    /// Begins the keys of all manifests.
    pub fn manifests(&self) -> String {
        self.below("manifests")
    }

    /// A manifest.
    pub fn manifest(&self, id: ManifestId) -> ObjectKey {
        ObjectKey::new(format!("{}{id}", self.manifests()))
    }

    /// Which manifest a key names; `None` if it is another object.
    pub fn manifest_of(&self, key: &ObjectKey) -> Option<ManifestId> {
        key.as_str().strip_prefix(&self.manifests())?.parse().ok()
    }

    /// Begins the keys of all intents.
    pub fn intents(&self) -> String {
        self.below("intents")
    }

    /// An intent.
    pub fn intent(&self, created: u64, nonce: &Nonce) -> ObjectKey {
        ObjectKey::new(format!("{}{created}-{nonce}.json", self.intents()))
    }

    /// Begins the keys of all pins.
    pub fn pins(&self) -> String {
        self.below("pins")
    }

    /// A pin: its manifest is never pruned.
    pub fn pin(&self, id: ManifestId) -> ObjectKey {
        ObjectKey::new(format!("{}{id}", self.pins()))
    }

    /// Which manifest a pin holds.
    pub fn pin_of(&self, key: &ObjectKey) -> Option<ManifestId> {
        key.as_str().strip_prefix(&self.pins())?.parse().ok()
    }

    /// What says which build is live.
    pub fn head(&self) -> ObjectKey {
        ObjectKey::new(format!("{}heads/{}.json", self.prefix, self.app))
    }

    /// What says that somebody prunes.
    pub fn marker(&self) -> ObjectKey {
        ObjectKey::new(format!("{}gc.json", self.below("locks")))
    }

    /// Where stores are tried out.
    pub fn probe(&self, name: &str) -> ObjectKey {
        ObjectKey::new(format!("{}probe-{name}", self.below("locks")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_checked() {
        for good in ["a", "my-app", "9.x_Y"] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "-a", "a/b", "a b", "_cas", "größe", &"a".repeat(129)] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
        for good in ["index.html", "a b/c+%20d", "größe/日本.js", "a..b", ".well-known/x", "a\\b"] {
            assert!(good.parse::<AssetPath>().is_ok(), "{good}");
        }
        for bad in
            ["", "/a", "a//b", "a/", "..", "a/../b", "./a", "a\nb", "a\u{7f}", "a\u{85}b", &"a".repeat(1025)]
        {
            assert!(bad.parse::<AssetPath>().is_err(), "{bad:?}");
        }
        for bad in ["", "+1", "01", "-1", "1.5", "1763652000.json", "99999999999999999999"] {
            assert!(bad.parse::<ManifestId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_those_of_the_ticket() {
        let layout = Layout::new("", "myapp".parse().unwrap()).unwrap();
        let path: AssetPath = "css/a.css".parse().unwrap();
        assert_eq!(layout.file(&path).as_str(), "data/myapp/css/a.css");
        assert_eq!(layout.manifest(ManifestId(1_763_652_000)).as_str(), "manifests/myapp/1763652000");
        assert_eq!(layout.head().as_str(), "heads/myapp.json");
        assert_eq!(layout.marker().as_str(), "locks/myapp/gc.json");
        assert_eq!(layout.path_of(&layout.file(&path)), Some(path.clone()));
        assert_eq!(layout.manifest_of(&layout.manifest(ManifestId(7))), Some(ManifestId(7)));
        assert_eq!(layout.manifest_of(&ObjectKey::new("manifests/myapp/1/2")), None);
        assert_eq!(layout.copied_build(&layout.copy(ManifestId(7), &path)), Some(ManifestId(7)));
        assert_eq!(layout.copied_build(&ObjectKey::new("entries/myapp/7")), None);

        let below = Layout::new("team/x/", "a".parse().unwrap()).unwrap();
        assert_eq!(below.copy(ManifestId(7), &path).as_str(), "team/x/entries/a/7/css/a.css");
        assert!(Layout::new("../x", "a".parse().unwrap()).is_err());
        let long = "x".repeat(1010).parse().unwrap();
        assert!(layout.check(&path).is_ok() && layout.check(&long).is_err());
    }
}

//! When a file is sent, and with which headers: pure.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};
use regex::Regex;

use super::error::AssetsError;
use crate::names::AssetPath;
use crate::protocol::Class;

/// Entry points of a front-end, unless others are named: those that exist, in this order.
pub const USUAL_ENTRIES: [&str; 4] = ["index.html", "app-info.json", "app-info.deps.json", "fed-mods.json"];

/// What is replaced last of all, wherever it exists.
pub const LAST_ENTRY: &str = "fed-mods.json";

/// Names that have a hash of the bytes in them.
pub const HASHED: &str = r"[.-][0-9a-f]{8,}\.";

/// How files are sent.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Entry points, in the order in which they are replaced: whole paths, or globs. `None` for the usual ones.
    pub entry: Option<Vec<String>>,
    /// What is sent after everything else, but before the entry points.
    pub late: GlobSet,
    /// What is not sent.
    pub exclude: GlobSet,
    /// Names of files whose bytes never change.
    pub immutable: Regex,
    /// `Cache-Control` of entry points.
    pub cache_entry: String,
    /// `Cache-Control` of files whose bytes never change.
    pub cache_immutable: String,
    /// `Cache-Control` of everything else.
    pub cache_default: String,
    /// `Content-Type` by ending, with its dot, in lower case.
    pub content_types: BTreeMap<String, String>,
}

/// Reads globs; `*` stays within a directory.
///
/// # Errors
/// The glob that is none, and why.
pub fn globs<'g>(texts: impl IntoIterator<Item = &'g str>) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for text in texts {
        set.add(glob(text)?);
    }
    set.build().map_err(|error| error.to_string())
}

/// A rule that files with an ending have a type.
///
/// # Errors
/// What a rule looks like, if this is none.
pub fn content_type(ending: &str, kind: &str) -> Result<(String, String), String> {
    let is_ending = ending.starts_with('.') && ending.len() > 1;
    let is_kind = kind.contains('/') && kind.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_ending && is_kind {
        Ok((ending.to_ascii_lowercase(), kind.to_owned()))
    } else {
        Err("expected .ENDING=TYPE/SUBTYPE in printable ASCII".to_owned())
    }
}

/// Whether a text may name a build or a commit: it is printed, and must not steer a terminal.
///
/// # Errors
/// What is wrong with it.
pub fn build_name(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("it must not have control characters in it".to_owned());
    }
    Ok(())
}

fn glob(text: &str) -> Result<Glob, String> {
    globset::GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map_err(|error| format!("`{text}` is no pattern: {}", error.kind()))
}

impl Rules {
    /// The rules if nothing else is said.
    ///
    /// # Errors
    /// A defect: the built-in pattern is a pattern.
    pub fn usual() -> Result<Self, String> {
        Ok(Self {
            entry: None,
            late: GlobSet::empty(),
            exclude: GlobSet::empty(),
            immutable: Regex::new(HASHED).map_err(|error| error.to_string())?,
            cache_entry: "public, max-age=60, stale-while-revalidate=300".to_owned(),
            cache_immutable: "public, max-age=31536000, immutable".to_owned(),
            cache_default: "public, max-age=86400".to_owned(),
            content_types: BTreeMap::new(),
        })
    }

    /// The entry points among some paths, in the order in which they are replaced.
    ///
    /// # Errors
    /// [`AssetsError::EntryMissing`] if one that is named is not there, [`AssetsError::NoEntry`] if there is none.
    pub fn entries(&self, paths: &[AssetPath]) -> Result<Vec<AssetPath>, AssetsError> {
        let mut found: Vec<AssetPath> = Vec::new();
        let mut add = |path: &AssetPath| {
            if !found.contains(path) {
                found.push(path.clone());
            }
        };
        let usual = USUAL_ENTRIES.map(str::to_owned);
        let named = self.entry.as_deref().unwrap_or(&usual);
        for name in named {
            if let Ok(at) = paths.binary_search_by(|path| path.as_str().cmp(name)) {
                add(&paths[at]);
                continue;
            }
            if self.entry.is_none() {
                continue;
            }
            // What matches nothing would be an ordinary file, fresh for a day, once it is built under another name.
            let missing = || AssetsError::EntryMissing { path: name.clone() };
            if !name.contains(['*', '?', '[', '{']) {
                return Err(missing());
            }
            let glob = glob(name).map_err(|pattern| AssetsError::EntryPattern { pattern })?;
            let matcher = glob.compile_matcher();
            let mut matching = paths.iter().filter(|path| matcher.is_match(path.as_str())).peekable();
            matching.peek().ok_or_else(missing)?;
            matching.for_each(&mut add);
        }
        // It names the others, whoever lists it where.
        if let Ok(at) = paths.binary_search_by(|path| path.as_str().cmp(LAST_ENTRY)) {
            found.retain(|path| path.as_str() != LAST_ENTRY);
            found.push(paths[at].clone());
        }
        if found.is_empty() { Err(AssetsError::NoEntry) } else { Ok(found) }
    }

    /// When a file that is no entry point is sent.
    pub fn class(&self, path: &AssetPath) -> Class {
        if self.late.is_match(path.as_str()) { Class::Late } else { Class::Bulk }
    }

    /// `Cache-Control` of a file.
    pub fn cache_control(&self, path: &AssetPath, class: Class) -> &str {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        match class {
            Class::Entry => &self.cache_entry,
            _ if self.immutable.is_match(name) => &self.cache_immutable,
            _ => &self.cache_default,
        }
    }

    /// `Content-Type` of a file, by its ending.
    pub fn content_type(&self, path: &AssetPath) -> &str {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        let ending = name.rfind('.').map(|at| name[at..].to_ascii_lowercase()).unwrap_or_default();
        self.content_types.get(&ending).map_or_else(|| usual_type(&ending), String::as_str)
    }
}

fn usual_type(ending: &str) -> &'static str {
    match ending {
        ".html" | ".htm" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" | ".mjs" | ".cjs" => "text/javascript; charset=utf-8",
        ".json" | ".map" => "application/json",
        ".txt" => "text/plain; charset=utf-8",
        ".md" => "text/markdown; charset=utf-8",
        ".csv" => "text/csv; charset=utf-8",
        ".xml" => "application/xml",
        ".svg" => "image/svg+xml",
        ".png" => "image/png",
        ".jpg" | ".jpeg" => "image/jpeg",
        ".gif" => "image/gif",
        ".webp" => "image/webp",
        ".avif" => "image/avif",
        ".ico" => "image/x-icon",
        ".woff" => "font/woff",
        ".woff2" => "font/woff2",
        ".ttf" => "font/ttf",
        ".otf" => "font/otf",
        ".wasm" => "application/wasm",
        ".webmanifest" => "application/manifest+json",
        ".pdf" => "application/pdf",
        ".mp4" => "video/mp4",
        ".webm" => "video/webm",
        ".mp3" => "audio/mpeg",
        ".zip" => "application/zip",
        ".gz" => "application/gzip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<AssetPath> {
        let mut paths: Vec<AssetPath> = names.iter().map(|name| name.parse().unwrap()).collect();
        paths.sort();
        paths
    }

    fn entries(rules: &Rules, names: &[&str]) -> Vec<String> {
        rules.entries(&paths(names)).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_file_that_names_the_others_is_the_last() {
        let usual = Rules::usual().unwrap();
        let all = ["fed-mods.json", "a.js", "index.html", "x/fed-mods.json", "app-info.json", "myindex.html"];
        assert_eq!(entries(&usual, &all), ["index.html", "app-info.json", "fed-mods.json"]);
        let named = |entry: &[&str]| Rules {
            entry: Some(entry.iter().map(|name| (*name).to_owned()).collect()),
            ..usual.clone()
        };
        assert_eq!(entries(&named(&["fed-mods.json", "index.html"]), &all), ["index.html", "fed-mods.json"]);
        assert_eq!(entries(&named(&["index.html"]), &all), ["index.html", "fed-mods.json"]);
        assert_eq!(
            entries(&named(&["*.html", "**/fed-mods.json"]), &all),
            ["index.html", "myindex.html", "x/fed-mods.json", "fed-mods.json"]
        );
        for nowhere in ["main.html", "*.nope"] {
            let missing = named(&["index.html", nowhere]).entries(&paths(&all)).unwrap_err();
            assert!(matches!(missing, AssetsError::EntryMissing { path } if path == nowhere));
        }
        let none = named(&["["]).entries(&paths(&all)).unwrap_err().to_string();
        assert!(none.contains("`[` is no pattern"), "{none}");
        assert_eq!(entries(&named(&["a[1].html"]), &["a[1].html"]), ["a[1].html"], "a path comes first");
        assert!(matches!(usual.entries(&paths(&["a.js"])), Err(AssetsError::NoEntry)));
    }

    #[test]
    fn headers_depend_on_names() {
        let rules = Rules::usual().unwrap();
        let path = |name: &str| -> AssetPath { name.parse().unwrap() };
        let cache = |name: &str, class| rules.cache_control(&path(name), class).to_owned();
        assert!(cache("js/app.0a1b2c3d.js", Class::Bulk).contains("immutable"));
        assert!(cache("js/app-0a1b2c3d4e.js.map", Class::Bulk).contains("immutable"));
        assert_eq!(cache("js/runtime.js", Class::Bulk), "public, max-age=86400");
        assert_eq!(cache("0a1b2c3d.d/x.js", Class::Bulk), "public, max-age=86400");
        assert!(cache("index.html", Class::Entry).contains("max-age=60"));
        for (name, expected) in [
            ("a/B.HTML", "text/html; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.tar.gz", "application/gzip"),
            ("LICENSE", "application/octet-stream"),
            ("a.css/x", "application/octet-stream"),
        ] {
            assert_eq!(rules.content_type(&path(name)), expected, "{name}");
        }
        let own = [(".html".to_owned(), "application/xhtml+xml".to_owned())].into();
        assert_eq!(
            Rules { content_types: own, ..rules.clone() }.content_type(&path("a.html")),
            "application/xhtml+xml"
        );
        assert!(globs(["a["]).is_err());
        assert!(globs(["**/.DS_Store"]).unwrap().is_match("a/.DS_Store"));
    }
}

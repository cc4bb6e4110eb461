//! What a rendering read, so that it can be seen without Python whether it would read the same today.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use runway_core::cache::{CacheOutput, Digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Says that there is no such file, variable or link. Nothing that is there is written like this.
const NOTHING: &str = "-";
/// Hexadecimal digits of a digest that are kept of it: 128 bits.
const DIGITS: usize = 32;
/// How many files are read at once.
const READERS: usize = 4;

/// What `trace.py` tells after a rendering.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    /// Why nothing of this Python can be found again.
    pub(super) spoiled: Option<String>,
    /// What was read since it was told the last time.
    facts: Vec<(FactKind, String, Value)>,
    /// The program of Python, symbolic links resolved.
    pub(super) python: String,
}

/// What can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FactKind {
    /// The content of a file.
    File,
    /// What there is at a path.
    Kind,
    /// Size and time of a file.
    Exact,
    /// Where a symbolic link leads.
    Link,
    /// The names in a directory.
    Listing,
    /// The names in a directory that a module of this name can have; after a star, those with this ending.
    Module,
    /// An environment variable.
    Variable,
}

/// By kind, by directory, by name: what was found.
type ByPlace = BTreeMap<FactKind, BTreeMap<String, BTreeMap<String, String>>>;

/// What was read between two points of the life of one Python process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Digest of what the same process had read before.
    pub(super) before: Option<Digest>,
    found: ByPlace,
}

impl CacheOutput for Facts {}

impl Facts {
    /// What was told, as it is now; an error says what is no longer as Python found it.
    pub(super) fn observe(told: &Told, before: Option<Digest>, world: &World) -> Result<Self, String> {
        let now = world.look_all(told.facts.iter().map(|(kind, name, _)| (*kind, name.as_str())).collect());
        let mut found = ByPlace::new();
        for ((kind, name, value), now) in told.facts.iter().zip(now) {
            let is_same = match (kind, value) {
                (FactKind::Module | FactKind::Variable, _) => true,
                (FactKind::File | FactKind::Exact, Value::Array(numbers)) => {
                    let told: Vec<String> = numbers.iter().map(Value::to_string).collect();
                    world.look(FactKind::Exact, name) == told.join(" ")
                }
                (_, Value::String(text)) => now == *text,
                _ => now == NOTHING,
            };
            if !is_same {
                return Err(format!("{name} has changed meanwhile"));
            }
            let (directory, name) = apart(name);
            let place = found.entry(*kind).or_default().entry(directory.to_owned()).or_default();
            place.insert(name.to_owned(), now);
        }
        Ok(Self { before, found })
    }

    /// Whether nothing was read.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Their digest.
    pub(super) fn digest(&self) -> Option<Digest> {
        serde_json::to_vec(self).ok().map(|text| Digest::of(&text))
    }

    /// The first thing that is not as it was.
    pub(super) fn changed(&self, world: &World) -> Option<String> {
        let entries = |kind: &FactKind, places: &BTreeMap<String, BTreeMap<String, String>>| {
            let kind = *kind;
            let places = places.iter().flat_map(|(directory, names)| {
                names.iter().map(move |(name, value)| (together(directory, name), value.clone()))
            });
            places.map(move |(name, value)| (kind, name, value)).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.found.iter().flat_map(|(kind, places)| entries(kind, places)).collect();
        let now = world.look_all(all.iter().map(|(kind, name, _)| (*kind, name.as_str())).collect());
        all.into_iter().zip(now).find(|((_, _, value), now)| value != now).map(|((_, name, _), _)| name)
    }
}

fn apart(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or((NOTHING, name))
}

fn together(directory: &str, name: &str) -> String {
    if directory == NOTHING { name.to_owned() } else { format!("{directory}/{name}") }
}

/// The files and variables that Python would find.
pub(super) struct World {
    variables: BTreeMap<String, String>,
    directories: Mutex<HashMap<String, Vec<String>>>,
}

impl World {
    /// With these environment variables.
    pub(super) fn new(variables: BTreeMap<String, String>) -> Self {
        Self { variables, directories: Mutex::default() }
    }

    /// Looks at many things, several at once.
    fn look_all(&self, wanted: Vec<(FactKind, &str)>) -> Vec<String> {
        let readers = std::thread::available_parallelism().map_or(1, usize::from).min(READERS);
        if readers < 2 || wanted.len() < 64 {
            return wanted.into_iter().map(|(kind, name)| self.look(kind, name)).collect();
        }
        let mut found = vec![String::new(); wanted.len()];
        let next = std::sync::atomic::AtomicUsize::new(0);
        let take = || {
            let mut own = Vec::new();
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some((kind, name)) = wanted.get(index) else { return own };
                own.push((index, self.look(*kind, name)));
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..readers).map(|_| scope.spawn(take)).collect();
            let results =
                std::iter::once(take()).chain(others.into_iter().filter_map(|other| other.join().ok()));
            for (index, value) in results.flatten() {
                found[index] = value;
            }
        });
        found
    }

    fn look(&self, kind: FactKind, name: &str) -> String {
        let found = match kind {
            FactKind::File => std::fs::read(name).ok().map(|content| short(&Digest::of(&content))),
            FactKind::Kind => Some(kind_of(name).to_owned()),
            FactKind::Exact => {
                let data = std::fs::metadata(name).ok();
                data.map(|data| {
                    let nanoseconds =
                        i128::from(data.mtime()) * 1_000_000_000 + i128::from(data.mtime_nsec());
                    format!("{} {nanoseconds}", data.size())
                })
            }
            FactKind::Link => {
                let target = std::fs::read_link(name).ok();
                target.map(|target| target.to_string_lossy().into_owned())
            }
            FactKind::Listing => listing(name),
            FactKind::Module => {
                let (directory, name) = apart(name);
                Some(self.names(directory, name))
            }
            FactKind::Variable => {
                let value = self.variables.get(name);
                value.map(|value| short(&Digest::of(format!("{name}={value}").as_bytes())))
            }
        };
        found.unwrap_or_else(|| NOTHING.to_owned())
    }

    /// The names in a directory that begin with `module` and a dot or are it; for `*ending` those that end so.
    fn names(&self, directory: &str, module: &str) -> String {
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        let names = directories.entry(directory.to_owned()).or_insert_with(|| {
            let entries = std::fs::read_dir(if directory.is_empty() { "/" } else { directory });
            let entries = entries.into_iter().flatten().flatten();
            let mut names: Vec<String> =
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort_unstable();
            names
        });
        let found: Vec<&str> = match module.strip_prefix('*') {
            Some(ending) => names.iter().map(String::as_str).filter(|name| name.ends_with(ending)).collect(),
            None => {
                let start = names.partition_point(|name| name.as_str() < module);
                let begun = names.iter().skip(start).take_while(|name| name.starts_with(module));
                let rest = |name: &str| name.get(module.len()..).map(str::to_owned).unwrap_or_default();
                let is_it = |name: &&String| rest(name).is_empty() || rest(name).starts_with('.');
                begun.filter(is_it).map(String::as_str).collect()
            }
        };
        found.join("/")
    }
}

/// As `kind_of` in `trace.py`.
fn kind_of(path: &str) -> &'static str {
    match std::fs::metadata(path) {
        Ok(data) if data.is_dir() => "directory",
        Ok(data) if data.is_file() => "file",
        Ok(_) => "other",
        Err(_) if std::fs::symlink_metadata(path).is_ok() => "link",
        Err(_) => "nothing",
    }
}

/// As `listing` in `trace.py`: what the bytecode of modules is written to is no name.
fn listing(path: &str) -> Option<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).ok()? {
        let entry = entry.ok()?;
        let mut name = entry.file_name().as_bytes().to_vec();
        if name == b"__pycache__" {
            continue;
        }
        if std::fs::metadata(Utf8Path::new(path).as_std_path().join(entry.file_name()))
            .is_ok_and(|data| data.is_dir())
        {
            name.push(b'/');
        }
        names.push(name);
    }
    names.sort_unstable();
    Some(Digest::of(&names.join(&0)).to_string())
}

fn short(digest: &Digest) -> String {
    let mut text = digest.to_string();
    text.truncate(DIGITS);
    text
}

//! What the user wants of the cache.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::index::Limits;
use super::key::{Class, Kind};

/// What one tier is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    /// For nothing.
    Off,
    /// Records are used, none is written.
    Read,
    /// Records are used and written.
    #[default]
    ReadWrite,
    /// No record is used, all are written anew.
    Refresh,
}

impl Mode {
    /// All of them, by name.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("off", Self::Off),
        ("read", Self::Read),
        ("read-write", Self::ReadWrite),
        ("refresh", Self::Refresh),
    ];

    /// Whether records are used.
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether records are written.
    pub fn writes(self) -> bool {
        matches!(self, Self::ReadWrite | Self::Refresh)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, mode)| *mode == self).map_or("off", |(name, _)| name)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, mode)| *mode).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name).join(", ");
            format!("`{text}` is none of {names}")
        })
    }
}

/// What a command does with the remote tier unless it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RemoteMode {
    /// Commands that change stacks read and write, all others read.
    #[default]
    Auto,
    /// As said.
    Always(Mode),
}

impl RemoteMode {
    /// The mode of a command. One that changes nothing never writes to the remote tier by itself.
    pub fn of(self, changes_stacks: bool) -> Mode {
        match (self, changes_stacks) {
            (Self::Always(mode), _) => mode,
            (Self::Auto, true) => Mode::ReadWrite,
            (Self::Auto, false) => Mode::Read,
        }
    }
}

impl FromStr for RemoteMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse()
            .map(Self::Always)
            .map_err(|error: String| error.replace("none of off", "none of auto, off"))
    }
}

/// What the config says about one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindSettings {
    /// It is not cached.
    pub is_disabled: bool,
    /// How long an observation is of use.
    pub ttl: Option<Duration>,
}

/// The section `cache` of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// `enabled`.
    pub is_enabled: bool,
    /// `local`.
    pub local: Mode,
    /// `remote`.
    pub remote: RemoteMode,
    /// `max_age` and `max_entries`.
    pub limits: Limits,
    /// `kinds`.
    pub kinds: BTreeMap<String, KindSettings>,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            is_enabled: true,
            local: Mode::default(),
            remote: RemoteMode::default(),
            limits: Limits::default(),
            kinds: BTreeMap::new(),
        }
    }
}

impl CacheConfig {
    /// The settings of a run of a command.
    pub fn settings(&self, changes_stacks: bool) -> Settings {
        let on = |mode| if self.is_enabled { mode } else { Mode::Off };
        Settings {
            local: on(self.local),
            remote: on(self.remote.of(changes_stacks)),
            limits: self.limits,
            kinds: self.kinds.clone(),
            check: None,
        }
    }
}

/// Which records are checked: a hit is computed again and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// How many of a hundred.
    pub percent: u8,
}

/// How one run uses the cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Of this machine.
    pub local: Mode,
    /// Of the bucket.
    pub remote: Mode,
    /// How much is kept.
    pub limits: Limits,
    /// What the config says about kinds.
    pub kinds: BTreeMap<String, KindSettings>,
    /// Hits are computed again and compared.
    pub check: Option<Check>,
}

impl Settings {
    /// A cache for nothing.
    pub fn off() -> Self {
        Self { local: Mode::Off, remote: Mode::Off, ..Self::default() }
    }

    /// What the config says about a kind: about `lookup.ami`, or else about `lookup`.
    pub fn of_kind(&self, kind: &Kind, name: &str) -> KindSettings {
        let found = self.kinds.get(name).or_else(|| self.kinds.get(kind.name));
        found.copied().unwrap_or_default()
    }

    /// Whether records of a kind are kept for later runs.
    pub(super) fn lasts(&self, kind: &Kind, name: &str) -> bool {
        kind.class != Class::Observed || self.of_kind(kind, name).ttl.is_some()
    }
}

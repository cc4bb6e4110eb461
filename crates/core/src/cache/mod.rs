//! The task cache: results of work that need not be done again.
//!
//! A hit may skip a read or a computation, never the decision whether something has to be changed: with an empty, a
//! stale or a damaged cache a run costs more and does the same. Every record is found by a digest of everything its
//! result depends on ([`Ingredients`]), so that any of them may be deleted at any time.

mod key;
pub mod kinds;
mod value;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use key::{Class, Ingredients, Key, Kind, Scope};
pub use value::{CacheOutput, CacheValue, Digest};

/// The records of one run.
#[derive(Debug, Default)]
pub struct Cache {
    records: Mutex<BTreeMap<Key, Value>>,
    is_off: bool,
}

impl Cache {
    /// A cache that has nothing and keeps nothing.
    pub fn off() -> Self {
        Self { is_off: true, ..Self::default() }
    }

    /// What was kept under exactly these ingredients. A record that cannot be read is none.
    pub fn find<T: CacheOutput + DeserializeOwned>(&self, ingredients: &Ingredients) -> Option<T> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let value = records.get(&ingredients.key()).filter(|_| !self.is_off)?;
        serde_json::from_value(value.clone()).ok()
    }

    /// Keeps a result.
    pub fn keep<T: CacheOutput + serde::Serialize>(
        &self,
        ingredients: &Ingredients,
        output: &T,
        _cost: std::time::Duration,
    ) {
        if let (false, Ok(value)) = (self.is_off, serde_json::to_value(output)) {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.insert(ingredients.key(), value);
        }
    }

    /// Forgets a record: the world is not as it says.
    pub fn forget(&self, ingredients: &Ingredients) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).remove(&ingredients.key());
    }
}

//! What the bucket does with the cache by itself, and whether it keeps the conditions of writes.

use bytes::Bytes;
use runway_store::{Condition, ETag, ObjectKey, Put, Rules, StoreError, StoreErrorKind};

use super::maintain::{CacheError, LIMIT, Tiers, late, store_error};
use super::tier::Remote;
use super::warning::CacheWarning;

/// What the bucket does with the objects of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketStatus {
    /// Where the index is, for messages.
    pub place: String,
    /// What it does by itself, or why that is not known.
    pub keeping: Result<Keeping, String>,
    /// Whether it refuses a write whose condition does not hold; `None` if that was not tried.
    pub keeps_conditions: Option<bool>,
}

/// What a bucket does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// Whether it keeps earlier versions.
    pub versions: bool,
    /// Days after which it removes earlier versions.
    pub days_of_earlier_versions: Option<u32>,
    /// Days after which it removes an object that nobody has written since.
    pub days: Option<u32>,
}

impl BucketStatus {
    /// What should be changed about the bucket.
    pub fn warnings(&self) -> Vec<CacheWarning> {
        let mut warnings = Vec::new();
        let place = || self.place.clone();
        if let Ok(Keeping { versions: true, days_of_earlier_versions: None, .. }) = self.keeping {
            warnings.push(CacheWarning::NoLifecycle { place: place() });
        }
        if self.keeps_conditions == Some(false) {
            warnings.push(CacheWarning::NoConditionalWrites { place: place() });
        }
        warnings
    }
}

impl Tiers {
    /// What the bucket does with the cache; `probes` writes an object beside it and removes it again. `None` if there is
    /// no bucket.
    ///
    /// # Errors
    /// [`CacheError::Store`] if the object cannot be written. That the rules of the bucket cannot be read is no error:
    /// few roles may.
    pub async fn bucket_status(&self, probes: bool) -> Result<Option<BucketStatus>, CacheError> {
        let Some(remote) = &self.remote else { return Ok(None) };
        let asked = self.pace.within(LIMIT, remote.store().rules()).await;
        let keeping = match asked {
            Some(Ok(rules)) => Ok(keeping(&rules, remote)),
            Some(Err(error)) if error.kind == StoreErrorKind::NoBucket => return Ok(None),
            Some(Err(error)) => Err(error.message),
            None => Err("no answer in time".to_owned()),
        };
        let keeps_conditions = match probes {
            true => {
                let tried = self.pace.within(LIMIT, keeps_conditions(remote)).await;
                Some(tried.ok_or_else(|| late(remote))?.map_err(|error| store_error(remote, error))?)
            }
            false => None,
        };
        Ok(Some(BucketStatus { place: remote.place(), keeping, keeps_conditions }))
    }
}

fn keeping(rules: &Rules, remote: &Remote) -> Keeping {
    Keeping {
        versions: rules.keeps_versions,
        days_of_earlier_versions: rules.days_of_earlier_versions(remote.prefix()),
        days: rules.days(remote.prefix()),
    }
}

/// Whether both conditions are kept on which the index depends: that there is no object, and that it is a certain one.
async fn keeps_conditions(remote: &Remote) -> Result<bool, StoreError> {
    let (store, key) = (remote.store(), ObjectKey::new(format!("{}probe", remote.prefix())));
    let write = async |condition| {
        let how = Put { condition, ..Put::default() };
        remote.count();
        match store.put(&key, Bytes::from_static(b"{}"), &how).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StoreErrorKind::Precondition => Ok(false),
            Err(error) => Err(error),
        }
    };
    // Another probe may have left it.
    write(Condition::None).await?;
    let over_another = write(Condition::IfAbsent).await?;
    let over_unknown = write(Condition::IfMatch(ETag::new("00000000000000000000000000000000"))).await?;
    remote.count();
    store.delete(&key, &Condition::None).await?;
    Ok(!over_another && !over_unknown)
}

//! Looking at files one by one, for whoever must not list them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};
use runway_store::{Condition, ETag, Metadata, ObjectKey, Page, StoreError, StoreErrorKind};

use super::session::Session;
use crate::names::Layout;
use crate::protocol::Item;

/// How a push finds out which files are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// All files of the app are listed.
    #[default]
    List,
    /// Each file of the build is looked at: a request each, and none that lists files.
    Head,
}

/// The files of a build, as what a listing of all files is asked for: a push looks at no others.
#[derive(Debug)]
pub(crate) struct Looks {
    keys: Vec<ObjectKey>,
    /// Files that must not be looked at. To who must not list files, S3 says so of those that are missing.
    forbidden: Mutex<BTreeSet<ObjectKey>>,
}

impl Looks {
    /// The files of a build.
    pub(crate) fn of(layout: &Layout, items: &[Item]) -> Self {
        let mut keys: Vec<ObjectKey> = items.iter().map(|item| layout.file(&item.path)).collect();
        keys.sort_unstable();
        Self { keys, forbidden: Mutex::default() }
    }

    fn forbidden(&self) -> std::sync::MutexGuard<'_, BTreeSet<ObjectKey>> {
        self.forbidden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn page(&self, session: &Session) -> Result<Page, StoreError> {
        let look = |key: &ObjectKey| {
            let key = key.clone();
            async move { (session.again(|| session.store.head(&key)).await, key) }
        };
        let looks: Vec<_> = self.keys.iter().map(look).collect();
        let mut looks = stream::iter(looks).buffered(session.concurrency.max(1));
        let mut page = Page { objects: Vec::new(), more: false, date: None };
        while let Some((seen, key)) = looks.next().await {
            match seen {
                Ok(None) => {}
                Ok(Some(metadata)) => {
                    page.date = page.date.max(metadata.date);
                    page.objects.push((key, metadata));
                }
                Err(error) if error.kind == StoreErrorKind::Denied => {
                    self.forbidden().insert(key);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}

impl Session {
    /// The same, with another way to find out which files of a build are there.
    #[must_use]
    pub(crate) fn checking(&self, check: Check, items: &[Item]) -> Self {
        let looks = match check {
            Check::List => None,
            Check::Head => Some(Arc::new(Looks::of(&self.layout, items))),
        };
        Self { looks, ..self.clone() }
    }

    /// A page of what is below a prefix.
    pub(crate) async fn page(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        match &self.looks {
            Some(looks) if prefix == self.layout.data() => looks.page(self).await,
            _ => self.again(|| self.store.list(prefix, after)).await,
        }
    }

    /// On what condition a file is written: what must not be looked at must not be there, or it would be replaced without
    /// being seen.
    pub(crate) fn condition(&self, key: &ObjectKey) -> Condition {
        let is_forbidden = |looks: &Arc<Looks>| looks.forbidden().contains(key);
        if self.looks.as_ref().is_some_and(is_forbidden) { Condition::IfAbsent } else { Condition::None }
    }

    /// What became of a file that was to be the first of its name and was not: it may be this push's own, if an answer was
    /// lost.
    pub(crate) async fn unless_own(
        &self,
        error: StoreError,
        key: &ObjectKey,
        is_own: impl Fn(&Metadata) -> bool,
    ) -> Result<ETag, StoreError> {
        if error.kind != StoreErrorKind::Precondition {
            return Err(error);
        }
        let seen = self.again(|| self.store.head(key)).await?;
        let message = "it is there, and cannot be looked at".to_owned();
        let hidden = StoreError { kind: StoreErrorKind::Denied, message, ..error };
        seen.filter(is_own).map(|metadata| metadata.etag).ok_or(hidden)
    }
}

//! Listings of any length.

use jiff::Timestamp;

use super::{Ask, Listed, ProtocolError, Reply};

/// A listing, page by page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pages {
    prefix: String,
    found: Vec<Listed>,
}

/// A listing that is complete.
pub(super) struct AllPages {
    pub(super) found: Vec<Listed>,
    /// By the store's clock, with the last page.
    pub(super) date: Option<Timestamp>,
}

impl Pages {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, found: Vec::new() }
    }

    pub(super) fn ask<End>(&self) -> Ask<End> {
        Ask::List { prefix: self.prefix.clone(), after: self.found.last().map(|listed| listed.key.clone()) }
    }

    /// The next page to ask for, or all of them.
    pub(super) fn step<End>(&mut self, reply: Reply) -> Result<Result<AllPages, Ask<End>>, ProtocolError> {
        let Reply::Listed { objects, more, date } = reply else { return Err(ProtocolError::Defect) };
        let is_empty = objects.is_empty();
        self.found.extend(objects);
        if more && !is_empty {
            return Ok(Err(self.ask()));
        }
        Ok(Ok(AllPages { found: std::mem::take(&mut self.found), date }))
    }
}

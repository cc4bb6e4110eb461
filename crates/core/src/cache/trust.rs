//! Signatures, for caches in buckets that others may write to.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::record::Record;

/// What records are signed with: `RUNWAY_RS_CACHE_KEY`.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustKey(Vec<u8>);

impl fmt::Debug for TrustKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustKey(****)")
    }
}

impl TrustKey {
    /// The key, unless the text is empty.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.as_bytes().to_vec()))
    }

    /// The signature of a record.
    pub(super) fn sign(&self, record: &Record) -> Option<String> {
        let code = self.code(record)?.finalize().into_bytes();
        Some(code.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether a record was signed with this key and is what it was.
    pub(super) fn accepts(&self, record: &Record) -> bool {
        let signature = record.signature.as_deref().and_then(super::Digest::parse);
        signature
            .zip(self.code(record))
            .is_some_and(|(signature, code)| code.verify_slice(&signature.0).is_ok())
    }

    /// Everything that a hit relies on. The output is compared with its digest when it is used.
    fn code(&self, record: &Record) -> Option<Hmac<Sha256>> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        code.update(b"rwc1");
        code.update(&record.key.0.0);
        code.update(&record.output.0);
        code.update(&record.epoch.to_be_bytes());
        code.update(&record.at.to_be_bytes());
        code.update(&[u8::from(record.expires.is_some())]);
        code.update(&record.expires.unwrap_or_default().to_be_bytes());
        Some(code)
    }
}

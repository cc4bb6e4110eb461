//! The files of the task cache on this machine.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use runway_core::cache::{Digest, LocalBlob, LocalFile, LocalTier};

/// Directory of the task cache beside other things in `cfngin_cache_dir` or `.runway/cache`.
const DIRECTORY: &str = "runway-rs/v1";

/// The task cache of one bucket, namespace and account in a directory.
#[derive(Debug, Clone)]
pub struct LocalCache {
    directory: PathBuf,
}

impl LocalCache {
    /// The cache below `base`, which is `cfngin_cache_dir` or `.runway/cache`. Nothing is created before something is
    /// written. What differs in any of the parts shares nothing; `provider` tells clouds apart.
    pub fn new(base: &Path, provider: &str, bucket: Option<&str>, namespace: &str, account: &str) -> Self {
        let parts = [provider, bucket.unwrap_or_default(), namespace, account];
        let parts: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
        let name = Digest::of(parts.join(",").as_bytes()).to_string();
        Self { directory: base.join(DIRECTORY).join(name) }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, file: &LocalFile) -> PathBuf {
        self.directory.join(file.path())
    }
}

impl LocalTier for LocalCache {
    fn place(&self) -> String {
        self.directory.display().to_string()
    }

    fn read(&self, file: &LocalFile) -> Result<Option<Vec<u8>>, String> {
        match fs_err::read(self.path(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn write(&self, file: &LocalFile, bytes: &[u8]) -> Result<(), String> {
        let path = self.path(file);
        let parent = path.parent().unwrap_or(&self.directory);
        let write = || {
            fs_err::create_dir_all(parent)?;
            // Others see the file as a whole or not at all; what a killed run leaves is nobody's.
            let mut temporary = tempfile::Builder::new().prefix(".write-").tempfile_in(parent)?;
            temporary.write_all(bytes)?;
            temporary.persist(&path).map_err(|error| error.error)?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(|error| error.to_string())
    }

    fn remove(&self, file: &LocalFile) -> Result<(), String> {
        match fs_err::remove_file(self.path(file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    fn blobs(&self) -> Vec<LocalBlob> {
        let Ok(entries) = fs_err::read_dir(self.directory.join("blob")) else { return Vec::new() };
        let blobs = entries.flatten().filter_map(|entry| {
            let digest = Digest::parse(entry.file_name().to_str()?)?;
            let metadata = entry.metadata().ok()?;
            let modified = Timestamp::try_from(metadata.modified().ok()?).ok()?;
            Some(LocalBlob { digest, bytes: metadata.len(), modified })
        });
        blobs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(base: &Path) -> LocalCache {
        LocalCache::new(base, "aws", Some("bucket"), "prod", "123456789012")
    }

    #[test]
    fn files_are_written_whole_and_read_back() {
        let base = tempfile::tempdir().unwrap();
        let cache = cache(base.path());
        let blob = LocalFile::Blob(Digest::of(b"text"));
        assert_eq!(cache.read(&LocalFile::Own), Ok(None));
        assert_eq!((cache.blobs(), cache.remove(&blob)), (vec![], Ok(())));
        assert!(!cache.directory().exists(), "reading creates nothing");

        cache.write(&LocalFile::Own, b"first").unwrap();
        cache.write(&LocalFile::Own, b"second").unwrap();
        cache.write(&blob, b"text").unwrap();
        assert_eq!(cache.read(&LocalFile::Own), Ok(Some(b"second".to_vec())));
        let blobs: Vec<_> = cache.blobs().iter().map(|blob| (blob.digest, blob.bytes)).collect();
        assert_eq!(blobs, [(Digest::of(b"text"), 4)]);
        let mut left: Vec<_> =
            fs_err::read_dir(cache.directory()).unwrap().flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, ["blob", "own.jsonl.gz"], "no temporary file stays");

        cache.remove(&blob).unwrap();
        assert_eq!(cache.blobs(), []);
    }

    #[test]
    fn nothing_is_shared_between_places() {
        let base = Path::new("base");
        let places = [
            LocalCache::new(base, "aws", Some("bucket"), "prod", "1"),
            LocalCache::new(base, "aws", Some("bucket"), "prod", "2"),
            LocalCache::new(base, "aws", Some("bucket"), "dev", "1"),
            LocalCache::new(base, "aws", None, "prod", "1"),
            LocalCache::new(base, "local:x", Some("bucket"), "prod", "1"),
            LocalCache::new(base, "aws", Some("bucketprod"), "", "1"),
        ];
        let distinct: std::collections::BTreeSet<_> = places.iter().map(|place| &place.directory).collect();
        assert_eq!(distinct.len(), places.len());
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_an_answer() {
        let base = tempfile::tempdir().unwrap();
        let cache = cache(base.path());
        // A file where the directory should be, which not even root can write into.
        fs_err::create_dir_all(base.path().join(DIRECTORY)).unwrap();
        fs_err::write(cache.directory(), b"in the way").unwrap();
        assert!(cache.write(&LocalFile::Own, b"x").is_err());
        assert!(cache.read(&LocalFile::Own).is_err());
        assert_eq!(cache.blobs(), []);
    }
}

//! The files of one bucket: blocking, and without any knowledge of conditions or tags.

use std::io::{BufReader, Error, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fs_err as fs;

use super::layout::{self, Entry, Version};
use super::parts::Uploads;
use crate::error::StoreErrorKind;
use crate::key::ObjectKey;
use crate::record::{Record, Refusal};

/// Versions kept of one key.
const KEPT_VERSIONS: usize = 20;

/// How often a read may find its file pruned: each time means that many newer versions since the look before.
const ATTEMPTS: usize = 10;

/// The directory of a bucket: a lock file, and one folder per key in `objects`.
pub(super) struct Files {
    root: PathBuf,
}

/// The right to write, until dropped; the operating system gives it back for a process that dies.
pub(super) struct WriteLock(#[expect(dead_code, reason = "held for its lock")] fs::File);

impl Files {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Creates the directory unless it exists.
    pub(super) fn create(&self) -> Result<(), Refusal> {
        fs::create_dir_all(&self.root).map_err(refusal)
    }

    /// Removes the directory with everything in it.
    pub(super) fn remove(&self) -> Result<(), Refusal> {
        fs::remove_dir_all(&self.root).map_err(refusal)
    }

    /// Fails if the bucket does not exist.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match fs::metadata(&self.root) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err((StoreErrorKind::Denied, format!("{} is not a directory", self.root.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Err((
                StoreErrorKind::NoBucket,
                format!("the directory {} does not exist", self.root.display()),
            )),
            Err(error) => Err(refusal(error)),
        }
    }

    /// Waits until no other process and no other thread writes to the bucket.
    pub(super) fn lock(&self) -> Result<WriteLock, Refusal> {
        self.check()?;
        let open = || {
            let path = self.root.join("lock");
            let file =
                fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            // A signal may interrupt the wait.
            while let Err(error) = file.lock() {
                if error.kind() != ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            Ok(WriteLock(file))
        };
        open().map_err(refusal)
    }

    /// The folders of all keys below a prefix that come after another key, as far as their names tell: those of long
    /// keys are all among them.
    pub(super) fn folders_of(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Vec<Keyed>, Refusal> {
        let wanted = |path: PathBuf| {
            let key = layout::key_of(path.file_name()?.to_str()?);
            let is_wanted =
                |key: &ObjectKey| key.as_str().starts_with(prefix) && after.is_none_or(|after| key > after);
            key.as_ref().is_none_or(is_wanted).then_some((key, Folder { path }))
        };
        Ok(children(&self.objects()).map_err(refusal)?.into_iter().filter_map(wanted).collect())
    }

    pub(super) fn uploads(&self) -> Uploads {
        Uploads::new(self.root.join("uploads"))
    }

    pub(super) fn folder(&self, key: &ObjectKey) -> Folder {
        Folder { path: self.objects().join(layout::folder_name(key)) }
    }

    /// The folders of all keys that were ever written, in no particular order.
    pub(super) fn folders(&self) -> Result<Vec<Folder>, Refusal> {
        let paths = children(&self.objects()).map_err(refusal)?;
        Ok(paths.into_iter().filter(|path| path.is_dir()).map(|path| Folder { path }).collect())
    }

    fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }
}

/// A folder, and its key where the name of the folder tells it.
pub(super) type Keyed = (Option<ObjectKey>, Folder);

/// The folder of one key: one file per kept version, and one per deletion between them.
///
/// Reading takes no lock, so that neither a slow writer nor a directory that is read-only to this user stops a
/// reader. That is safe because files appear whole, by renaming, and only ever under a higher number than any
/// before. A listing of the folder may miss files that appear meanwhile, and then shows the key as it was when the
/// listing began; for the same reason a deletion mark stays as long as any version before it.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// All entries, oldest first; none if the key was never written.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Refusal> {
        let paths = match children(&self.path) {
            // A stray file beside the folders.
            Err(error) if error.kind() == ErrorKind::NotADirectory => Vec::new(),
            paths => paths.map_err(refusal)?,
        };
        let names = paths.iter().filter_map(|path| path.file_name()?.to_str());
        let mut entries: Vec<Entry> = names.filter_map(Entry::parse).collect();
        entries.sort_unstable();
        Ok(entries)
    }

    /// What the key holds now, without the body.
    pub(super) fn current_record(&self) -> Result<Option<(Entry, Record)>, Refusal> {
        self.current(|entry| self.record(entry))
    }

    /// What the key holds now.
    pub(super) fn current_object(&self) -> Result<Option<(Entry, Version)>, Refusal> {
        self.current(|entry| self.object(entry))
    }

    fn current<T>(
        &self,
        read: impl Fn(Entry) -> Result<Option<T>, Refusal>,
    ) -> Result<Option<(Entry, T)>, Refusal> {
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.entries()?.pop().filter(|entry| !entry.deleted) else {
                return Ok(None);
            };
            if let Some(found) = read(entry)? {
                return Ok(Some((entry, found)));
            }
        }
        Err((StoreErrorKind::Unavailable, format!("{} keeps changing while it is read", self.path.display())))
    }

    /// The metadata of one version, or `None` if it is not kept.
    pub(super) fn record(&self, entry: Entry) -> Result<Option<Record>, Refusal> {
        self.read(entry, |path| layout::decode_record(&mut BufReader::new(fs::File::open(path)?)))
    }

    /// One version, or `None` if it is not kept.
    pub(super) fn object(&self, entry: Entry) -> Result<Option<Version>, Refusal> {
        self.read(entry, |path| layout::decode(fs::read(path)?.into()))
    }

    fn read<T>(
        &self,
        entry: Entry,
        read: impl Fn(&Path) -> std::io::Result<T>,
    ) -> Result<Option<T>, Refusal> {
        let path = self.path.join(entry.file_name());
        match read(&path) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                Err((StoreErrorKind::Unavailable, format!("{} is damaged: {error}", path.display())))
            }
            Err(error) => Err(refusal(error)),
        }
    }

    /// Some bytes of one version, or `None` if it is not kept.
    pub(super) fn range(&self, entry: Entry, first: u64, length: u64) -> Result<Option<Bytes>, Refusal> {
        self.read(entry, |path| {
            let mut file = BufReader::new(fs::File::open(path)?);
            layout::decode_record(&mut file)?;
            file.seek_relative(i64::try_from(first).unwrap_or(i64::MAX))?;
            let mut bytes = Vec::new();
            file.take(length).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        })
    }

    /// Stores one version in one step; replaces the file of the same entry, if there is one.
    pub(super) fn write(
        &self,
        lock: &WriteLock,
        entry: Entry,
        record: &Record,
        mut body: impl Read,
    ) -> Result<(), Refusal> {
        let _ = lock;
        let head = layout::encode(record).map_err(|error| refusal(error.into()))?;
        // Only the holder of the lock writes, so one name is enough; the next write clears what a crash left.
        let unfinished = self.path.join("unfinished");
        // Flushed first: after a power failure, a file under its final name must be whole.
        let mut write = || {
            let mut unfinished = fs::File::create(&unfinished)?;
            unfinished.write_all(&head)?;
            std::io::copy(&mut body, &mut unfinished)?;
            unfinished.sync_all()
        };
        fs::create_dir_all(&self.path)
            .and_then(|()| write())
            .and_then(|()| fs::rename(&unfinished, self.path.join(entry.file_name())))
            .map_err(refusal)
    }

    /// Marks the key as deleted.
    pub(super) fn write_deletion(&self, _lock: &WriteLock, number: u64) -> Result<(), Refusal> {
        let entry = Entry { number, deleted: true };
        fs::write(self.path.join(entry.file_name()), []).map_err(refusal)
    }

    /// Removes what is older than the versions to keep.
    pub(super) fn prune(&self, _lock: &WriteLock) -> Result<(), Refusal> {
        let entries = self.entries()?;
        let oldest_kept = entries.iter().rev().filter(|entry| !entry.deleted).nth(KEPT_VERSIONS - 1);
        let Some(oldest_kept) = oldest_kept else { return Ok(()) };
        for entry in entries.iter().take_while(|entry| *entry < oldest_kept) {
            fs::remove_file(self.path.join(entry.file_name())).map_err(refusal)?;
        }
        Ok(())
    }
}

/// What is in a directory; nothing if it does not exist.
pub(super) fn children(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(children) => children.map(|child| Ok(child?.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What a failed file operation means to a caller. The message names the path: `fs_err` sees to that.
pub(super) fn refusal(error: Error) -> Refusal {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
            StoreErrorKind::Denied
        }
        _ => StoreErrorKind::Unavailable,
    };
    (kind, error.to_string())
}

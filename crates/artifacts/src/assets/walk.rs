//! The files of a build, as they are on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use fs_err as fs;
use globset::GlobSet;
use md5::{Digest as _, Md5};
use runway_store::{ContentDigest, ETag};
use sha2::Sha256;

use super::error::AssetsError;
use crate::names::{AssetPath, Layout};

/// Files from this size on are sent in parts.
pub const PARTS_FROM: u64 = 16 << 20;

/// Bytes of a part. Files so large that they would have more than 10,000 parts have larger ones.
const PART: u64 = 8 << 20;

/// Parts that an object may have (AWS: "Amazon S3 multipart upload limits").
const MOST_PARTS: u64 = 10_000;

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// Directories that links may lead to: such links on the way to others multiply what there is to walk.
const MOST_LINKS: usize = 10_000;

/// Threads that read files.
const READERS: usize = 4;

/// A file of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path in the build.
    pub path: AssetPath,
    /// Where it is.
    pub file: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// Digest of its bytes.
    pub sha256: ContentDigest,
    /// The entity tag that S3 gives an object of these bytes where it makes it of them.
    pub likely: ETag,
}

/// Everything found in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walked {
    /// Files by path.
    pub files: Vec<SourceFile>,
    /// Groups of paths that differ in case only: some file systems and servers take them for one.
    pub same_but_for_case: Vec<Vec<AssetPath>>,
}

/// Bytes of each part of a file of this size but the last.
pub fn part_size(size: u64) -> u64 {
    let least = size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20);
    least.max(PART)
}

/// Finds all files below a directory and digests them. Blocks.
///
/// # Errors
/// [`AssetsError`] for a source that is missing or empty, a link that leads out of it, a name that cannot be a key, and
/// whatever is no file.
pub fn walk(root: &Path, exclude: &GlobSet, layout: &Layout) -> Result<Walked, AssetsError> {
    let shown = root.display().to_string();
    let real = match fs::canonicalize(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(AssetsError::SourceMissing { path: shown });
        }
        real => real.map_err(|error| unreadable(root, &error))?,
    };
    if !real.is_dir() {
        return Err(AssetsError::SourceMissing { path: shown });
    }
    let mut found = BTreeMap::new();
    let mut walk =
        Walk { root: &real, exclude, layout, above: vec![real.clone()], links: 0, found: &mut found };
    walk.directory(&real, "")?;
    if found.is_empty() {
        return Err(AssetsError::SourceEmpty { path: shown });
    }
    let files = digests(found.into_iter().collect())?;
    let same_but_for_case = same_but_for_case(&files);
    Ok(Walked { files, same_but_for_case })
}

fn unreadable(path: &Path, error: &std::io::Error) -> AssetsError {
    AssetsError::SourceUnreadable { path: path.display().to_string(), message: error.kind().to_string() }
}

struct Walk<'a> {
    root: &'a Path,
    exclude: &'a GlobSet,
    layout: &'a Layout,
    /// Real paths of the directories above: a link to one of them would never end.
    above: Vec<PathBuf>,
    /// Links to directories that were followed.
    links: usize,
    found: &'a mut BTreeMap<AssetPath, PathBuf>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str) -> Result<(), AssetsError> {
        let entries = fs::read_dir(directory).map_err(|error| unreadable(directory, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(directory, &error))?;
            let path = entry.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                return Err(AssetsError::NotText { file: path.display().to_string() });
            };
            let text = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if self.exclude.is_match(&text) {
                continue;
            }
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            if kind.is_symlink() {
                self.link(&path, &text)?;
            } else {
                self.thing(path, &text, kind.is_dir(), kind.is_file())?;
            }
        }
        Ok(())
    }

    fn thing(&mut self, path: PathBuf, text: &str, is_dir: bool, is_file: bool) -> Result<(), AssetsError> {
        if is_dir {
            self.above.push(path.clone());
            self.directory(&path, text)?;
            self.above.pop();
            return Ok(());
        }
        if !is_file {
            return Err(AssetsError::SpecialFile { file: text.escape_debug().to_string() });
        }
        let invalid = |reason| AssetsError::InvalidPath { file: text.escape_debug().to_string(), reason };
        let asset: AssetPath = text.parse().map_err(invalid)?;
        self.layout.check(&asset).map_err(invalid)?;
        self.found.insert(asset, path);
        Ok(())
    }

    /// A link within the source is what it points to.
    fn link(&mut self, path: &Path, text: &str) -> Result<(), AssetsError> {
        let target = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
        if !target.starts_with(self.root) || self.above.contains(&target) {
            return Err(AssetsError::SymlinkEscape {
                file: text.escape_debug().to_string(),
                target: target.display().to_string(),
            });
        }
        let metadata = fs::metadata(&target).map_err(|error| unreadable(path, &error))?;
        self.links += usize::from(metadata.is_dir());
        if self.links > MOST_LINKS {
            let file = text.escape_debug().to_string();
            return Err(AssetsError::TooManyLinks { most: MOST_LINKS, file });
        }
        self.thing(target, text, metadata.is_dir(), metadata.is_file())
    }
}

/// Digests of all files, in their order, by several threads.
fn digests(found: Vec<(AssetPath, PathBuf)>) -> Result<Vec<SourceFile>, AssetsError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut buffer = vec![0; BUFFER];
        let mut done = Vec::new();
        while let Some((path, file)) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(digest(path, file, &mut buffer)?);
        }
        Ok::<_, AssetsError>(done)
    };
    let mut files = Vec::with_capacity(found.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..READERS.min(found.len())).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(done) => files.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, AssetsError>(())
    })?;
    files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

fn digest(path: &AssetPath, file: &Path, buffer: &mut [u8]) -> Result<SourceFile, AssetsError> {
    let failed = |error: std::io::Error| unreadable(file, &error);
    let mut open = fs::File::open(file).map_err(failed)?;
    let expected = open.metadata().map_err(failed)?.len();
    let part = if expected >= PARTS_FROM { part_size(expected) } else { u64::MAX };
    let (mut sha256, mut size) = (Sha256::new(), 0_u64);
    let (mut of_part, mut left) = (Md5::new(), part);
    let mut of_parts: Vec<u8> = Vec::new();
    let mut parts = 0_usize;
    loop {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = open.read(&mut buffer[..most]).map_err(failed)?;
        if read == 0 {
            break;
        }
        sha256.update(&buffer[..read]);
        of_part.update(&buffer[..read]);
        size += read as u64;
        left -= read as u64;
        if left == 0 {
            of_parts.extend(std::mem::take(&mut of_part).finalize());
            (parts, left) = (parts + 1, part);
        }
    }
    let likely = if part == u64::MAX {
        hex(&of_part.finalize())
    } else {
        if left < part {
            of_parts.extend(of_part.finalize());
            parts += 1;
        }
        format!("{}-{parts}", hex(&Md5::digest(&of_parts)))
    };
    let sha256 = ContentDigest::new(sha256.finalize().into());
    Ok(SourceFile { path: path.clone(), file: file.to_owned(), size, sha256, likely: ETag::new(likely) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn same_but_for_case(files: &[SourceFile]) -> Vec<Vec<AssetPath>> {
    let mut groups: BTreeMap<String, BTreeSet<&AssetPath>> = BTreeMap::new();
    for file in files {
        groups.entry(file.path.as_str().to_lowercase()).or_default().insert(&file.path);
    }
    let several = groups.into_values().filter(|group| group.len() > 1);
    several.map(|group| group.into_iter().cloned().collect()).collect()
}

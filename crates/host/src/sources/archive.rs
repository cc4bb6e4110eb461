//! Unpacking archives that nobody vouches for.
//!
//! An archive is unpacked completely or refused: a member that would be written outside the target, a device, a link
//! that leads out, and more than [`BYTE_LIMIT`] or [`MEMBER_LIMIT`] each end it. Files are created first and links
//! last, and only after all of them were looked at, so that nothing is ever written through a link.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use bytes::Bytes;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use flate2::read::MultiGzDecoder;
use runway_core::config::package_sources::ArchiveKind;
use tar::EntryType;

/// Bytes that an archive may have once it is unpacked.
pub(super) const BYTE_LIMIT: u64 = 1024 * 1024 * 1024;
/// Members that an archive may have.
pub(super) const MEMBER_LIMIT: usize = 100_000;
/// Bytes of a tar archive besides the contents of its members: a header, padding and a long name each, at most.
const TAR_OVERHEAD: u64 = 64 * 1024 * 1024;

/// Why an archive is refused.
pub(super) type Refusal = String;

/// Unpacks an archive into a directory that exists and is empty.
pub(super) fn unpack(kind: ArchiveKind, archive: &Bytes, into: &Utf8Path) -> Result<(), Refusal> {
    let mut target = Target { root: into, bytes: 0, members: 0, links: Vec::new() };
    match kind {
        ArchiveKind::Zip => zip(archive, &mut target)?,
        ArchiveKind::Tar => tar(Cursor::new(archive), &mut target)?,
        ArchiveKind::TarGzip => tar(MultiGzDecoder::new(Cursor::new(archive)), &mut target)?,
    }
    target.link()
}

fn broken(error: impl std::fmt::Display) -> Refusal {
    format!("it is damaged or of another kind: {error}")
}

struct Target<'t> {
    root: &'t Utf8Path,
    bytes: u64,
    members: usize,
    /// Symbolic links: where they are and what they say.
    links: Vec<(Utf8PathBuf, String)>,
}

impl Target<'_> {
    /// Counts a member and finds its place; `None` for the root itself.
    fn member(&mut self, name: &str) -> Result<Option<Utf8PathBuf>, Refusal> {
        self.members += 1;
        if self.members > MEMBER_LIMIT {
            return Err(format!("it has more than {MEMBER_LIMIT} members"));
        }
        if name.contains(['\0', '\\']) {
            return Err(format!("the name of its member {name:?} is not portable"));
        }
        let mut place = self.root.to_owned();
        for component in Utf8Path::new(name).components() {
            match component {
                Utf8Component::Normal(part) => place.push(part),
                Utf8Component::CurDir => {}
                _ => return Err(format!("its member {name:?} would be written outside the package")),
            }
        }
        Ok(Some(place).filter(|place| place != self.root))
    }

    fn directory(&self, place: &Utf8Path) -> Result<(), Refusal> {
        std::fs::create_dir_all(place).map_err(|error| self.unwritten(place, &error))
    }

    /// Writes a file and says how many bytes it has.
    fn file(&mut self, place: &Utf8Path, content: &mut dyn Read, executable: bool) -> Result<u64, Refusal> {
        if let Some(parent) = place.parent() {
            self.directory(parent)?;
        }
        let left = BYTE_LIMIT.saturating_sub(self.bytes);
        let mut file = std::fs::File::create(place).map_err(|error| self.unwritten(place, &error))?;
        let bytes = std::io::copy(&mut content.take(left + 1), &mut file).map_err(broken)?;
        self.bytes += bytes;
        if self.bytes > BYTE_LIMIT {
            return Err(format!("it has more than {} MiB when unpacked", BYTE_LIMIT / 1024 / 1024));
        }
        if executable {
            make_executable(&file).map_err(|error| self.unwritten(place, &error))?;
        }
        Ok(bytes)
    }

    fn unwritten(&self, place: &Utf8Path, error: &std::io::Error) -> Refusal {
        let member = place.strip_prefix(self.root).unwrap_or(place);
        format!("its member {:?} cannot be written: {error}", member.as_str())
    }

    /// Refuses links that would lead out, and those that something would be written through. No link is there yet.
    fn check_links(&self) -> Result<(), Refusal> {
        let places: BTreeSet<&Utf8Path> = self.links.iter().map(|(place, _)| place.as_path()).collect();
        for (place, target) in &self.links {
            let member = place.strip_prefix(self.root).unwrap_or(place);
            let mut ancestors = place.ancestors().skip(1);
            // What is there already was written as a file, or as the directory of another member.
            if ancestors.any(|above| places.contains(above)) || place.symlink_metadata().is_ok() {
                return Err(format!("its member {:?} is written through a link in it", member.as_str()));
            }
            let mut depth = member.components().count().saturating_sub(1);
            for component in Utf8Path::new(target).components() {
                let next = match component {
                    Utf8Component::Normal(_) => Some(depth + 1),
                    Utf8Component::CurDir => Some(depth),
                    Utf8Component::ParentDir => depth.checked_sub(1),
                    Utf8Component::RootDir | Utf8Component::Prefix(_) => None,
                };
                depth =
                    next.ok_or_else(|| format!("a link in it leads out of the package, to {target:?}"))?;
            }
        }
        Ok(())
    }

    /// Makes the links, and removes those that lead nowhere.
    fn link(&self) -> Result<(), Refusal> {
        self.check_links()?;
        for (place, target) in &self.links {
            if let Some(parent) = place.parent() {
                self.directory(parent)?;
            }
            symlink(target, place).map_err(|error| self.unwritten(place, &error))?;
        }
        let root = self.root.canonicalize_utf8().map_err(broken)?;
        for (place, target) in &self.links {
            match place.canonicalize() {
                Ok(meant) if meant.starts_with(&root) => {}
                Ok(_) => return Err(format!("a link in it leads out of the package, to {target:?}")),
                Err(_) => std::fs::remove_file(place).map_err(broken)?,
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn symlink(target: &str, place: &Utf8Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, place)
}

#[cfg(not(unix))]
fn symlink(_target: &str, _place: &Utf8Path) -> std::io::Result<()> {
    Err(std::io::Error::other("links are not supported on this system"))
}

#[cfg(unix)]
fn make_executable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

fn tar(archive: impl Read, target: &mut Target<'_>) -> Result<(), Refusal> {
    // Long names are read into memory by the parser, so the whole is limited as well.
    let mut archive = tar::Archive::new(archive.take(BYTE_LIMIT + TAR_OVERHEAD));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(broken)?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            continue;
        }
        let Some(place) = target.member(&name)? else { continue };
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // An old form: a directory is a file whose name ends with a slash.
                if name.ends_with('/') {
                    target.directory(&place)?;
                    continue;
                }
                let executable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
                let size = entry.size();
                if target.file(&place, &mut entry, executable)? < size {
                    return Err(broken("it is cut off"));
                }
            }
            EntryType::Directory => target.directory(&place)?,
            EntryType::Symlink => {
                let meant = link_target(&entry)?;
                target.links.push((place, meant));
            }
            EntryType::Link => {
                let meant = link_target(&entry)?;
                let source = target.member(&meant)?.unwrap_or_default();
                let missing = |_| format!("its link {name:?} names {meant:?}, which is not in front of it");
                let mut source = std::fs::File::open(source).map_err(missing)?;
                let executable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
                target.file(&place, &mut source, executable)?;
            }
            _ => return Err(format!("its member {name:?} is neither a file, a directory nor a link")),
        }
    }
    Ok(())
}

fn link_target(entry: &tar::Entry<'_, impl Read>) -> Result<String, Refusal> {
    let bytes = entry.link_name_bytes().unwrap_or_default().into_owned();
    String::from_utf8(bytes).map_err(broken)
}

/// As Python's `zipfile`: links are files with the link's text, and no member is executable.
fn zip(archive: &Bytes, target: &mut Target<'_>) -> Result<(), Refusal> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).map_err(broken)?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(broken)?;
        let name = member.name().map_err(broken)?.into_owned();
        let Some(place) = target.member(&name)? else { continue };
        if name.ends_with('/') {
            target.directory(&place)?;
        } else {
            target.file(&place, &mut member, false)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// Unpacks into a new directory beside which a file can be looked for.
fn unpacked(kind: ArchiveKind, archive: Vec<u8>) -> (tempfile::TempDir, Result<(), Refusal>) {
    let directory = tempfile::tempdir().unwrap();
    let inner = Utf8Path::from_path(directory.path()).unwrap().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let result = unpack(kind, &archive.into(), &inner);
    (directory, result)
}

fn content(directory: &tempfile::TempDir, path: &str) -> Option<String> {
    std::fs::read_to_string(directory.path().join("inner").join(path)).ok()
}

/// A tar archive of (type, name, content or target). Names go in as they are, which the builder would refuse.
fn tarred(members: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        if is_link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        let body = if is_link { "" } else { content };
        header.set_size(body.len() as u64);
        header.set_cksum();
        builder.append(&header, body.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip archive with names as they are.
fn zipped(members: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const FILE: EntryType = EntryType::Regular;

#[test]
fn files_directories_and_links_come_out() {
    let members = [
        (EntryType::Directory, "a/", ""),
        (FILE, "./a/b.txt", "content"),
        (FILE, "deep/er/c.sh", "script"),
        (EntryType::Symlink, "a/link", "../deep/er/c.sh"),
        (EntryType::Symlink, "nowhere", "gone"),
        (EntryType::Link, "hard", "a/b.txt"),
    ];
    for (kind, archive) in
        [(ArchiveKind::Tar, tarred(&members)), (ArchiveKind::TarGzip, gzipped(&tarred(&members)))]
    {
        let (directory, result) = unpacked(kind, archive);
        result.unwrap();
        assert_eq!(content(&directory, "a/b.txt").as_deref(), Some("content"));
        assert_eq!(content(&directory, "a/link").as_deref(), Some("script"));
        assert_eq!(content(&directory, "hard").as_deref(), Some("content"));
        assert!(directory.path().join("inner/nowhere").symlink_metadata().is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = directory.path().join("inner/deep/er/c.sh").metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o755);
        }
    }
    let (directory, result) = unpacked(ArchiveKind::Zip, zipped(&[("a/b.txt", "content"), ("c", "")]));
    result.unwrap();
    assert_eq!(content(&directory, "a/b.txt").as_deref(), Some("content"));
}

#[test]
fn nothing_is_written_outside() {
    let outside: [&[(EntryType, &str, &str)]; 13] = [
        &[(EntryType::Symlink, "d", "../../.."), (EntryType::Symlink, "d/evil", "x")],
        &[
            (EntryType::Directory, "a", ""),
            (EntryType::Symlink, "d", "a"),
            (EntryType::Symlink, "d/evil", "x"),
        ],
        &[(FILE, "a/b", "x"), (EntryType::Symlink, "d", "a"), (FILE, "d/evil", "x")],
        &[(EntryType::Symlink, "a/up", "../../gone")],
        &[(FILE, "../evil", "x")],
        &[(FILE, "a/../../evil", "x")],
        &[(FILE, "/tmp/runway-rs-evil", "x")],
        &[(EntryType::Directory, "../evil", "")],
        &[(EntryType::Symlink, "up", ".."), (FILE, "up/evil", "x")],
        &[(EntryType::Symlink, "up", "/etc")],
        &[(EntryType::Symlink, "here", "."), (EntryType::Symlink, "up", "here/..")],
        &[(EntryType::Link, "hard", "../inner2")],
        &[(EntryType::Link, "hard", "/etc/passwd")],
    ];
    for members in outside {
        let (directory, result) = unpacked(ArchiveKind::Tar, tarred(members));
        assert!(result.is_err(), "{members:?}");
        let beside: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(beside.len(), 1, "{members:?}");
        assert!(!std::path::Path::new("/tmp/runway-rs-evil").exists());
    }
    for name in ["../evil", "a/../../evil", "/tmp/runway-rs-evil", "..\\evil", "C:\\evil"] {
        let (directory, result) = unpacked(ArchiveKind::Zip, zipped(&[(name, "x")]));
        assert!(result.is_err(), "{name}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn a_link_in_a_zip_is_a_file_with_its_text() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    let archive = writer.finish().unwrap().into_inner();
    let (directory, result) = unpacked(ArchiveKind::Zip, archive);
    result.unwrap();
    assert_eq!(content(&directory, "link").as_deref(), Some("/etc/passwd"));
}

#[test]
fn devices_and_pipes_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let (_, result) = unpacked(ArchiveKind::Tar, tarred(&[(kind, "device", "")]));
        assert!(result.unwrap_err().contains("neither a file"), "{kind:?}");
    }
}

#[test]
fn what_is_no_archive_or_cut_off_is_refused() {
    let whole = gzipped(&tarred(&[(FILE, "a", &"x".repeat(10_000))]));
    for kind in ArchiveKind::ALL {
        assert!(unpacked(kind, b"no archive at all".to_vec()).1.is_err(), "{kind:?}");
    }
    assert!(unpacked(ArchiveKind::TarGzip, whole[..whole.len() / 2].to_vec()).1.is_err());
    let whole = tarred(&[(FILE, "a", &"x".repeat(10_000))]);
    assert!(unpacked(ArchiveKind::Tar, whole[..5_000].to_vec()).1.is_err());
    assert!(unpacked(ArchiveKind::Tar, tarred(&[(FILE, "a", "x"), (FILE, "a/b", "x")])).1.is_err());
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    /// A member whose content is zeros without end.
    struct Zeros(u64);
    impl Read for Zeros {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = usize::try_from(self.0).unwrap_or(usize::MAX).min(buffer.len());
            buffer[..length].fill(0);
            self.0 -= length as u64;
            Ok(length)
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(directory.path()).unwrap();
    let mut target = Target { root, bytes: BYTE_LIMIT - 1000, members: 0, links: Vec::new() };
    let refused = target.file(&root.join("a"), &mut Zeros(u64::MAX), false).unwrap_err();
    assert!(refused.contains("1024 MiB"), "{refused}");
    assert_eq!(std::fs::metadata(root.join("a")).unwrap().len(), 1001);
    let mut target = Target { root, bytes: 0, members: MEMBER_LIMIT, links: Vec::new() };
    assert!(target.member("b").is_err());
}

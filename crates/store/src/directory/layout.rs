//! How keys and versions become file names, and how one version becomes one file.

use std::io::BufRead;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::key::ObjectKey;
use crate::record::{Record, hex};

/// Longest escaped key that is used as a folder name as it is; file systems allow 255 bytes.
const LONGEST: usize = 200;

/// How much of a longer key is kept for people who look at the directory.
const KEPT: usize = 100;

/// Name of the folder that holds the versions of a key: never empty, never special to the file system, and different
/// for different keys also where the file system ignores case.
pub(super) fn folder_name(key: &ObjectKey) -> String {
    let escaped = escape(key.as_str());
    if (1..=LONGEST).contains(&escaped.len()) {
        return escaped;
    }
    // `~` is always escaped, so no short name looks like this one. The digest alone keeps long keys apart.
    let digest = hex(&Sha256::digest(key.as_str()));
    format!("{}~{digest}", escaped.get(..KEPT).unwrap_or_default())
}

/// The key whose versions are in a folder, unless its name is only part of a longer key.
pub(super) fn key_of(folder_name: &str) -> Option<ObjectKey> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(folder_name.len());
    let mut rest = folder_name.as_bytes();
    while let [first, others @ ..] = rest {
        match (first, others) {
            (b'%', [high, low, others @ ..]) => {
                bytes.push(digit(high)? * 16 + digit(low)?);
                rest = others;
            }
            (b'%' | b'~', _) => return None,
            (byte, others) => {
                bytes.push(*byte);
                rest = others;
            }
        }
    }
    Some(ObjectKey::new(String::from_utf8(bytes).ok()?))
}

/// Everything but lower-case letters, digits, `-`, `_` and inner dots as `%` and two hexadecimal digits a byte.
fn escape(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    text.bytes().enumerate().fold(String::new(), |mut escaped, (index, byte)| {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(char::from(byte)),
            // At either end a dot means a hidden file, `.` or `..`.
            b'.' if index != 0 && index != last => escaped.push('.'),
            _ => escaped.push_str(&format!("%{byte:02x}")),
        }
        escaped
    })
}

/// One file in the folder of a key: a version of the object, or the mark that it was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Counts up from 1; the highest number is what the key holds now.
    pub(super) number: u64,
    pub(super) deleted: bool,
}

impl Entry {
    pub(super) fn file_name(self) -> String {
        format!("{}.{}", self.number, if self.deleted { "deleted" } else { "object" })
    }

    pub(super) fn parse(file_name: &str) -> Option<Self> {
        let (number, kind) = file_name.split_once('.')?;
        let entry = Self { number: number.parse().ok()?, deleted: kind == "deleted" };
        (entry.file_name() == file_name).then_some(entry)
    }
}

/// Metadata and body of one version.
pub(super) type Version = (Record, Bytes);

/// One version as one file, so that body and metadata change together: a line of JSON, then the body.
/// The line is this.
pub(super) fn encode(record: &Record) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

/// The metadata of a version, from the start of its file.
pub(super) fn decode_record(file: &mut impl BufRead) -> std::io::Result<Record> {
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Metadata and body of a version, from its whole file.
pub(super) fn decode(mut file: Bytes) -> std::io::Result<Version> {
    let mut rest: &[u8] = &file;
    let record = decode_record(&mut rest)?;
    let body = file.split_off(file.len() - rest.len());
    if body.len() as u64 == record.length {
        return Ok((record, body));
    }
    let message = format!("the body has {} bytes instead of {}", body.len(), record.length);
    Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message))
}

//! How an index is written: one compressed file, a line for its head and one for every record.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::index::Index;
use super::key::Key;
use super::record::Record;
use super::value::Digest;

/// The form that is read and written.
const FORM: u32 = 1;
/// The most that is unpacked, in bytes: an index of 100,000 records is smaller.
const MOST: u64 = 128 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    fmt: u32,
    #[serde(default)]
    epoch: u64,
    #[serde(rename = "gen", default)]
    generation: u64,
    #[serde(default)]
    writer: String,
    entries: usize,
    /// Digest of all lines after the first.
    sha256: Digest,
    /// Outputs that follow the records: texts of objects of their own, in a bundle.
    #[serde(default, skip_serializing_if = "is_zero")]
    texts: usize,
    /// Where a bundle comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    place: String,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Why bytes are no index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// They are not compressed, or were cut off.
    #[error("it cannot be unpacked")]
    Packing,
    /// They are more than any index.
    #[error("it unpacks to more than {} MiB", MOST / 1024 / 1024)]
    Size,
    /// The first line is none of an index, or of one in another form.
    #[error("its first line is not the head of an index that this version reads")]
    Head,
    /// The rest is not what was written.
    #[error("its digest is wrong")]
    Digest,
}

/// An index with texts of outputs that are objects of their own elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bundle {
    /// The records.
    pub index: Index,
    /// Texts by digest.
    pub texts: BTreeMap<Digest, String>,
    /// Where the index was, `s3://bucket/key`: epochs of two places have nothing to do with each other. Empty if it was
    /// that of a machine.
    pub place: String,
}

/// Writes an index.
pub fn encode(index: &Index) -> Vec<u8> {
    encode_lines(index, &BTreeMap::new(), "")
}

/// Writes a bundle.
pub fn encode_bundle(bundle: &Bundle) -> Vec<u8> {
    encode_lines(&bundle.index, &bundle.texts, &bundle.place)
}

fn encode_lines(index: &Index, texts: &BTreeMap<Digest, String>, place: &str) -> Vec<u8> {
    let records = index.records.values().filter_map(|record| serde_json::to_string(record).ok());
    let texts: Vec<String> = texts.values().filter_map(|text| serde_json::to_string(text).ok()).collect();
    let (mut body, mut entries) = (String::new(), 0);
    for line in records {
        entries += 1;
        body.push_str(&line);
        body.push('\n');
    }
    for line in &texts {
        body.push_str(line);
        body.push('\n');
    }
    let head = Head {
        fmt: FORM,
        epoch: index.epoch,
        generation: index.generation,
        writer: index.writer.clone(),
        entries,
        sha256: Digest::of(body.as_bytes()),
        texts: texts.len(),
        place: place.to_owned(),
    };
    let head = serde_json::to_string(&head).unwrap_or_default();
    // Neither name nor time: equal records, equal bytes. Writing to memory does not fail.
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let _ = packed.write_all(head.as_bytes());
    let _ = packed.write_all(b"\n");
    let _ = packed.write_all(body.as_bytes());
    packed.finish().unwrap_or_default()
}

/// Reads an index.
///
/// # Errors
/// [`Unreadable`] if it was not written by [`encode`], or is damaged.
pub fn decode(bytes: &[u8]) -> Result<Index, Unreadable> {
    decode_bundle(bytes).map(|bundle| bundle.index)
}

/// Reads a bundle.
///
/// # Errors
/// As [`decode`].
pub fn decode_bundle(bytes: &[u8]) -> Result<Bundle, Unreadable> {
    let mut unpacked = Vec::new();
    // A few bytes may unpack to any number: no more are taken than an index can have.
    let mut reader = GzDecoder::new(bytes).take(MOST + 1);
    reader.read_to_end(&mut unpacked).map_err(|_| Unreadable::Packing)?;
    if unpacked.len() as u64 > MOST {
        return Err(Unreadable::Size);
    }
    let end = unpacked.iter().position(|byte| *byte == b'\n').ok_or(Unreadable::Head)?;
    let (head, body) = (unpacked.get(..end).unwrap_or_default(), unpacked.get(end + 1..).unwrap_or_default());
    let head: Head = serde_json::from_slice(head).map_err(|_| Unreadable::Head)?;
    if head.fmt != FORM {
        return Err(Unreadable::Head);
    }
    if Digest::of(body) != head.sha256 {
        return Err(Unreadable::Digest);
    }
    let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    // A record of a form that is not known is none.
    let records = lines.by_ref().take(head.entries);
    let records = records.filter_map(|line| serde_json::from_slice::<Record>(line).ok());
    let records: BTreeMap<Key, Record> = records.map(|record| (record.key, record)).collect();
    let texts = lines.take(head.texts).filter_map(|line| serde_json::from_slice::<String>(line).ok());
    let texts = texts.map(|text| (Digest::of(text.as_bytes()), text)).collect();
    let Head { epoch, generation, writer, .. } = head;
    Ok(Bundle { index: Index { epoch, generation, writer, records }, texts, place: head.place })
}

//! What is written is read, and nothing else is.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::codec::{self, Bundle, Unreadable};
use super::super::*;
use super::laws::record;

fn index() -> Index {
    let records = (0..40).map(|key| record(key, key, 7, 8, 3));
    Index {
        epoch: 3,
        generation: 9,
        writer: "somebody".to_owned(),
        records: records.map(|record| (record.key, record)).collect(),
    }
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

#[test]
fn an_index_comes_back_and_equal_records_are_equal_bytes() {
    let bytes = codec::encode(&index());
    assert_eq!(codec::decode(&bytes), Ok(index()));
    assert_eq!(codec::encode(&codec::decode(&bytes).unwrap()), bytes);
    assert_eq!(codec::decode(&codec::encode(&Index::default())), Ok(Index::default()));
}

#[test]
fn a_bundle_comes_back() {
    let text = "{\"a\": \"line\\n\"}".to_owned();
    let texts = [(Digest::of(text.as_bytes()), text)].into();
    let bundle = Bundle { index: index(), texts, place: "s3://bucket/key".to_owned() };
    assert_eq!(codec::decode_bundle(&codec::encode_bundle(&bundle)), Ok(bundle));
}

#[test]
fn no_part_of_an_index_is_an_index() {
    let bytes = codec::encode(&index());
    for length in 0..bytes.len() {
        assert!(codec::decode(&bytes[..length]).is_err(), "the first {length} bytes");
    }
}

#[test]
fn what_was_not_written_by_us_is_refused() {
    assert_eq!(codec::decode(b"garbage"), Err(Unreadable::Packing));
    assert_eq!(codec::decode(&packed(b"")), Err(Unreadable::Head));
    assert_eq!(codec::decode(&packed(b"{\"Resources\": {}}\n")), Err(Unreadable::Head));
    let head = format!("{{\"fmt\":2,\"entries\":0,\"sha256\":\"{}\"}}\n", Digest::of(b""));
    assert_eq!(codec::decode(&packed(head.as_bytes())), Err(Unreadable::Head));
    let head = format!("{{\"fmt\":1,\"entries\":0,\"sha256\":\"{}\"}}\n", Digest::of(b""));
    assert_eq!(codec::decode(&packed(head.as_bytes())), Ok(Index::default()));
    assert_eq!(codec::decode(&packed(format!("{head}x").as_bytes())), Err(Unreadable::Digest));
}

#[test]
fn a_few_bytes_that_unpack_to_very_many_are_refused() {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1024 * 1024];
    for _ in 0..160 {
        packer.write_all(&zeros).unwrap();
    }
    let bytes = packer.finish().unwrap();
    assert!(bytes.len() < 2 * 1024 * 1024);
    assert_eq!(codec::decode(&bytes), Err(Unreadable::Size));
}

#[test]
fn records_of_other_versions_are_kept_as_they_are() {
    let mut index = index();
    for record in index.records.values_mut() {
        record.kind = "a-kind-of-the-future".to_owned();
        record.revision = 99;
    }
    let read = codec::decode(&codec::encode(&index)).unwrap();
    assert_eq!(read.after(&Delta { epoch: 3, ..Delta::default() }), index);
}

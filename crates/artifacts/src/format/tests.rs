use std::time::Duration;

use proptest::prelude::*;
use runway_store::{ContentDigest, ETag};

use super::*;
use crate::names::{AssetPath, ManifestId, Nonce};

fn path(text: &str) -> AssetPath {
    text.parse().unwrap()
}

fn manifest() -> Manifest {
    let facts = FileFacts {
        sha256: ContentDigest::of(b"body"),
        size: 4,
        etag: Some(ETag::new("9a")),
        content_type: "text/css; charset=utf-8".to_owned(),
        cache_control: "public".to_owned(),
    };
    Manifest {
        files: vec![path("css/a.css"), path("fed-mods.json")],
        image: Some("quay.io/x/myapp:720317c".to_owned()),
        timestamp: Some(1_763_652_000),
        nonce: Some(Nonce::new("7f3a")),
        build: Build { commit: Some("720317c".to_owned()), timestamp: Some(1_763_651_000) },
        entry: vec![path("fed-mods.json")],
        objects: [
            (path("css/a.css"), facts.clone()),
            (path("fed-mods.json"), FileFacts { etag: None, ..facts }),
        ]
        .into(),
    }
}

#[test]
fn manifests_are_written_in_three_forms() {
    let app = "myapp".parse().unwrap();
    let text = |format| String::from_utf8(manifest().encode(&app, format).to_vec()).unwrap();
    assert_eq!(text(ManifestFormat::List), r#"["css/a.css","fed-mods.json"]"#);
    assert_eq!(
        text(ManifestFormat::Valpop),
        concat!(
            r#"{"files":["css/a.css","fed-mods.json"],"image":"quay.io/x/myapp:720317c","timestamp":1763652000,"#,
            r#""valpopImage":"runway-rs/"#,
            env!("CARGO_PKG_VERSION"),
            r#""}"#
        )
    );
    insta::assert_snapshot!(text(ManifestFormat::V2).replace(env!("CARGO_PKG_VERSION"), "<version>"));
    assert_eq!(Manifest::decode(text(ManifestFormat::V2).as_bytes()), Ok(manifest()));
    let simple = Manifest::decode(text(ManifestFormat::Valpop).as_bytes()).unwrap();
    assert_eq!((simple.files, simple.image), (manifest().files, manifest().image));
    let list = Manifest::decode(text(ManifestFormat::List).as_bytes()).unwrap();
    assert_eq!(list, Manifest { files: manifest().files, ..Manifest::default() });
}

#[test]
fn documents_are_canonical() {
    fn sorted(value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.keys().is_sorted() && fields.values().all(sorted),
            Value::Array(values) => values.iter().all(sorted),
            _ => true,
        }
    }
    let app: crate::names::AppName = "myapp".parse().unwrap();
    let nonce = Nonce::new("n");
    let change = Change {
        manifest: ManifestId(5),
        build_ts: 5,
        nonce: &nonce,
        deadline: Duration::from_secs(120),
        probed: Some(7),
        others: &[],
        unheaded: &[],
    };
    let first = Head::flipping(None, &Change { manifest: ManifestId(4), ..change });
    let head = Head::flipping(Some(&first), &change);
    for body in [
        manifest().encode(&app, ManifestFormat::V2),
        manifest().encode(&app, ManifestFormat::Valpop),
        Intent::new(app.clone(), nonce.clone(), 5, 86400, vec![path("a")], "w").encode(),
        Marker::new(nonce.clone(), MarkerState::Held, Duration::from_secs(1), "w").encode(),
        head.encode(),
        Head::flipping(Some(&head.published()), &change).encode(),
    ] {
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert!(sorted(&value), "{value}");
        assert_eq!(value.to_string(), String::from_utf8(body.to_vec()).unwrap(), "no white space");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for body in [
        "",
        "1",
        "\"text\"",
        "{}",
        r#"["a", 1]"#,
        r#"["../a"]"#,
        r#"["/etc/passwd"]"#,
        r#"{"files":["a\u0000b"]}"#,
        r#"{"schema":"runway-rs/manifest@3","files":[]}"#,
        r#"{"schema":7,"files":[]}"#,
        r#"{"files":["a"],"objects":{"a":{"sha256":"short","size":1,"ct":"","cc":""}}}"#,
    ] {
        assert!(Manifest::decode(body.as_bytes()).is_err(), "{body}");
    }
    // Members that are not known, and those that are left out, are no mistake.
    let found = Manifest::decode(br#"{"files":["a"],"image":"","valpopImage":"x","more":{}}"#).unwrap();
    assert_eq!(found, Manifest { files: vec![path("a")], ..Manifest::default() });
    assert!(Head::decode(b"[]").is_err());
    assert!(Marker::decode(br#"{"schema":"runway-rs/marker@2"}"#).is_err());
    assert!(Intent::decode(br#"{"schema":"runway-rs/marker@1"}"#).is_err());
}

#[test]
fn heads_remember_what_was_live_and_what_was_broken_off() {
    let nonce = Nonce::new("n");
    let change = |manifest| Change {
        manifest: ManifestId(manifest),
        build_ts: manifest,
        nonce: &nonce,
        deadline: Duration::from_secs(120),
        probed: None,
        others: &[],
        unheaded: &[],
    };
    let first = Head::flipping(None, &change(1)).published();
    assert_eq!((first.prev, first.history.clone()), (None, vec![ManifestId(1)]));
    let second = Head::flipping(Some(&first), &change(2));
    assert_eq!((second.prev, second.seq), (Some(ManifestId(1)), 3));
    assert_eq!(second.history, first.history, "not live yet");
    // Broken off: what was live before stays the predecessor, and both are still of use.
    let third = Head::flipping(Some(&second), &change(3));
    assert_eq!((third.prev, third.interrupted.clone()), (Some(ManifestId(1)), vec![ManifestId(2)]));
    let fourth = Head::flipping(Some(&third), &change(4));
    assert_eq!(fourth.interrupted, [ManifestId(2), ManifestId(3)]);
    let live = fourth.renewed().published();
    assert_eq!((live.prev, live.interrupted.len(), live.seq), (Some(ManifestId(1)), 0, 7));
    assert_eq!(live.history, [ManifestId(4), ManifestId(1)]);
    assert_eq!(Head::decode(&live.encode()), Ok(live));
    let mut long = first;
    for manifest in 2..100 {
        long = Head::flipping(Some(&long), &change(manifest)).published();
    }
    assert_eq!((long.history.len(), long.history[0]), (99, ManifestId(99)));
    let many: Vec<ManifestId> = (100..700).map(ManifestId).collect();
    long = Head::flipping(Some(&long), &Change { unheaded: &many, ..change(700) }).published();
    assert_eq!((long.history.len(), long.history[1]), (MOST_REMEMBERED, ManifestId(699)));
}

/// valpop pushed builds 5 and 6 after the head was written, and whoever pushes next takes them over.
#[test]
fn what_was_pushed_past_the_head_becomes_what_was_live_before() {
    const LATER: &[ManifestId] = &[ManifestId(1), ManifestId(5), ManifestId(6)];
    let nonce = Nonce::new("n");
    let change = |manifest: u64, unheaded: &'static [ManifestId]| Change {
        manifest: ManifestId(manifest),
        build_ts: manifest,
        nonce: &nonce,
        deadline: Duration::from_secs(120),
        probed: None,
        others: &[],
        unheaded,
    };
    let first = Head::flipping(None, &change(2, &[])).published();
    let live = Head::flipping(Some(&first), &change(3, &[])).published();
    let next = Head::flipping(Some(&live), &change(7, LATER));
    assert_eq!((next.prev, next.interrupted.len()), (Some(ManifestId(6)), 0));
    assert_eq!(next.published().history, [7, 6, 5, 3, 2].map(ManifestId));
    // What was broken off leaves its predecessor's entry points behind, too.
    let broken = Head::flipping(Some(&live), &change(4, &[]));
    let next = Head::flipping(Some(&broken), &change(7, LATER));
    assert_eq!((next.prev, next.interrupted), (Some(ManifestId(6)), [3, 4].map(ManifestId).to_vec()));
    assert_eq!(next.history, [6, 5, 3, 2].map(ManifestId));
}

#[test]
fn the_first_head_takes_the_builds_of_before_over() {
    let nonce = Nonce::new("n");
    let others: Vec<ManifestId> = (1..=510).chain([990]).map(ManifestId).collect();
    let change = Change {
        manifest: ManifestId(990),
        build_ts: 990,
        nonce: &nonce,
        deadline: Duration::from_secs(120),
        probed: None,
        others: &others,
        unheaded: &[],
    };
    let first = Head::flipping(None, &change);
    let newest: Vec<ManifestId> = (11..=510).rev().map(ManifestId).collect();
    assert_eq!((first.prev, &first.history, &first.interrupted), (Some(ManifestId(510)), &newest, &newest));
    let live = first.published();
    assert_eq!((live.prev, live.interrupted.len()), (Some(ManifestId(510)), 0));
    assert_eq!((live.history.len(), &live.history[..2]), (MOST_REMEMBERED, &[990, 510].map(ManifestId)[..]));
    // Only the first: later ones go by what the head says.
    let next = Head::flipping(Some(&live), &Change { manifest: ManifestId(1000), ..change });
    assert_eq!((next.prev, next.history), (Some(ManifestId(990)), live.history));
}

#[test]
fn other_documents_are_read_as_written() {
    let marker = Marker::new(Nonce::new("n"), MarkerState::Held, Duration::from_secs(120), "host/1");
    assert_eq!(
        marker.encode(),
        r#"{"deadline_s":120,"nonce":"n","schema":"runway-rs/marker@1","seq":1,"state":"held","writer":"host/1"}"#
    );
    assert_ne!(marker.renewed().encode(), marker.encode(), "an entity tag tells bytes apart");
    assert_eq!(Marker::decode(&marker.encode()), Ok(marker));
    let older = br#"{"deadline_s":9,"nonce":"n","schema":"runway-rs/marker@1","state":"held","writer":"w"}"#;
    assert_eq!(Marker::decode(older).unwrap().deadline(), Duration::from_secs(9));
    let intent = Intent::new(
        "myapp".parse().unwrap(),
        Nonce::new("n"),
        5,
        86400,
        vec![path("a"), path("b")],
        "host/1",
    );
    assert_eq!(
        intent.encode(),
        concat!(
            r#"{"created":5,"files":["a","b"],"nonce":"n","schema":"runway-rs/intent@1","scope":"myapp","#,
            r#""ttl_s":86400,"writer":"host/1"}"#
        )
    );
    assert_eq!(Intent::decode(&intent.encode()), Ok(intent));
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(body in proptest::collection::vec(any::<u8>(), 0..64), text in "\\PC{0,64}") {
        for body in [body.as_slice(), text.as_bytes()] {
            let _ = (Manifest::decode(body), Head::decode(body), Marker::decode(body), Intent::decode(body));
        }
    }
}

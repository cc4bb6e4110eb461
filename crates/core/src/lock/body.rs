//! The body of the graph object while the lock is held: the JSON, and the nonce of the write as white space.
//!
//! Readers of JSON skip the white space, CFNgin included. It makes every locked body unique, so a conditional write
//! of an older session can never match it by accident; at rest the object is the bare JSON.

use super::terms::Nonce;
use crate::graph::PersistentGraph;

/// Number of characters that carry the nonce, one a bit: space for 0, tab for 1.
const BITS: u32 = 64;

/// The graph's JSON, a newline, the nonce as 64 spaces and tabs, a newline.
pub fn encode_locked(graph: &PersistentGraph, nonce: Nonce) -> String {
    let bits = nonce.session << 16 | u64::from(nonce.n);
    let marks: String = (0..BITS).rev().map(|bit| if bits >> bit & 1 == 1 { '\t' } else { ' ' }).collect();
    format!("{}\n{marks}\n", graph.to_json())
}

/// The nonce that a body carries, if it is a locked one.
pub fn carried_nonce(body: &[u8]) -> Option<Nonce> {
    let (rest, marks) = body.strip_suffix(b"\n")?.split_last_chunk::<{ BITS as usize }>()?;
    if rest.last() != Some(&b'\n') {
        return None;
    }
    let bits = marks.iter().try_fold(0_u64, |bits, mark| match mark {
        b' ' => Some(bits << 1),
        b'\t' => Some(bits << 1 | 1),
        _ => None,
    })?;
    Some(Nonce { session: bits >> 16, n: (bits & 0xffff) as u16 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::code::LockCode;
    use crate::lock::terms::Code as _;

    #[test]
    fn a_locked_body_carries_its_nonce_and_is_still_the_graph() {
        let nonce = Nonce {
            session: LockCode::of_session("5f0c8a1b-22ff-4000-8000-000000000000").fragment(),
            n: 0xa5,
        };
        assert_eq!(nonce.session, 0x5f0c_8a1b_22ff);
        let body = encode_locked(&PersistentGraph::default(), nonce);
        assert_eq!(body.len(), 2 + 1 + 64 + 1);
        assert_eq!(carried_nonce(body.as_bytes()), Some(nonce));
        assert_eq!(body.trim_end(), "{}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), serde_json::json!({}));
    }

    #[test]
    fn other_bodies_carry_nothing() {
        let spaces = " ".repeat(64);
        for body in [
            "",
            "{}",
            "{}\n",
            &format!("{{}}{spaces}\n"),
            &format!("{{}}\n{spaces}"),
            &format!("{{}}\nx{}\n", &spaces[1..]),
        ] {
            assert_eq!(carried_nonce(body.as_bytes()), None, "{body:?}");
        }
    }
}

//! The form of the file: a JSON document whose first fields stand at fixed places, so that its digest can be checked
//! before anything in it is believed.

use sha2::{Digest, Sha256};

use super::{SavedPlans, SavedProblem};
use crate::render::json::pretty;

/// What every such file begins with.
const HEAD: &str = "{\n  \"version\": 1,\n  \"digest\": \"sha256:";
/// Digits of a digest.
pub const DIGEST_LENGTH: usize = 64;
/// What stands for the digits of the digest while it is taken.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The text of a file with these plans; the digest is filled in.
pub fn seal(plans: &SavedPlans) -> String {
    let digest = format!("sha256:{ZEROS}");
    let mut text = pretty(&SavedPlans { version: 1, digest, ..plans.clone() });
    let place = HEAD.len()..HEAD.len() + DIGEST_LENGTH;
    let digits = hexadecimal(text.as_bytes());
    text.replace_range(place, &digits);
    text
}

/// Reads a file, and believes nothing in it unless its digest is right.
///
/// # Errors
/// [`SavedProblem::NotAPlan`] for any other file, [`SavedProblem::FileChanged`] if a byte of it is another.
pub fn open(path: &str, bytes: &[u8]) -> Result<SavedPlans, SavedProblem> {
    let not_a_plan = || SavedProblem::NotAPlan { path: path.to_owned() };
    let changed = || SavedProblem::FileChanged { path: path.to_owned() };
    let place = HEAD.len()..HEAD.len() + DIGEST_LENGTH;
    let (true, Some(digits)) = (bytes.starts_with(HEAD.as_bytes()), bytes.get(place.clone())) else {
        // What is left of the digest tells a damaged file from another one.
        let text = String::from_utf8_lossy(bytes);
        let is_damaged = ["\"digest\"", "\"sha256:"].iter().any(|part| text.contains(part));
        return Err(if is_damaged { changed() } else { not_a_plan() });
    };
    let mut blank = bytes.to_vec();
    blank.splice(place, ZEROS.bytes());
    if hexadecimal(&blank).as_bytes() != digits {
        return Err(changed());
    }
    // The digest is right, so this is what some version of this program wrote, or somebody who knows its form.
    serde_json::from_slice(bytes).map_err(|_| not_a_plan())
}

/// The SHA-256 digest of some bytes as lower-case digits.
fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a text as it is written in documents.
pub(super) fn digest(text: &str) -> String {
    format!("sha256:{}", hexadecimal(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::SavedOptions;
    use super::*;

    fn sealed() -> String {
        seal(&SavedPlans {
            version: 1,
            digest: String::new(),
            program: "runway-rs".to_owned(),
            created: "2030-01-01T00:00:00Z".to_owned(),
            options: SavedOptions { stacks: vec!["ä".to_owned()], ..SavedOptions::default() },
            plans: Vec::new(),
        })
    }

    #[test]
    fn a_sealed_file_is_read_back() {
        let plans = open("x", sealed().as_bytes()).unwrap();
        assert_eq!(plans.options.stacks, ["ä"]);
        assert_eq!(plans.digest.len(), "sha256:".len() + DIGEST_LENGTH);
    }

    #[test]
    fn other_files_are_no_plans() {
        for text in ["", "{}", "namespace: x", "{\n  \"version\": 1,\n"] {
            assert!(matches!(open("x", text.as_bytes()), Err(SavedProblem::NotAPlan { .. })), "{text}");
        }
    }

    #[test]
    fn every_changed_cut_or_added_byte_is_found() {
        let sealed = sealed().into_bytes();
        let is_changed = |bytes: &[u8]| matches!(open("x", bytes), Err(SavedProblem::FileChanged { .. }));
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone();
            bytes[at] ^= 1;
            assert!(is_changed(&bytes), "byte {at}");
        }
        let longer = [sealed.clone(), b"\n".to_vec()].concat();
        assert!(is_changed(&longer) && is_changed(&sealed[..sealed.len() - 1]));
    }

    proptest! {
        #[test]
        fn whatever_a_byte_becomes_is_found(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = sealed().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let changed = matches!(open("x", &bytes), Err(SavedProblem::FileChanged { .. }));
            prop_assert!(changed);
        }

        #[test]
        fn any_bytes_are_read_without_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open("x", &bytes).is_err());
        }
    }
}

//! The one comment of a pull request that is created once and then edited.

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::api::{Answer, Api, Trouble};

/// Pages of a hundred comments that are looked through.
const MOST_PAGES: usize = 100;

/// What a comment is about: two runs with equal values share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    /// Where the program ran, as given.
    pub(crate) directory: &'a str,
    /// The config; empty for all of the directory.
    pub(crate) config: &'a str,
    /// The deploy environment.
    pub(crate) environment: &'a str,
    /// The region.
    pub(crate) region: &'a str,
}

impl Subject<'_> {
    /// The first line of the comment, by which it is found again. It holds a digest and nothing of the values, so none of
    /// them can close it or look like another.
    pub(crate) fn marker(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.directory, self.config, self.environment, self.region] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{MARK}{digest} -->")
    }
}

/// How every marker begins.
pub(crate) const MARK: &str = "<!-- runway-rs comment ";

/// A comment as the API lists it.
#[derive(Debug, Clone, Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    author_association: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    #[serde(default, rename = "type")]
    kind: String,
}

impl Comment {
    /// Whether it is ours: the marker is its first line, and no stranger wrote it. A stranger's comment with our marker
    /// would stay the stranger's to edit.
    fn is_of(&self, marker: &str) -> bool {
        let is_marked = self.body.as_ref().is_some_and(|body| {
            body.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(['\n', '\r']))
        });
        let is_person = self.user.as_ref().is_some_and(|user| user.kind == "User");
        let association = self.author_association.as_deref();
        let is_known = matches!(association, None | Some("OWNER" | "MEMBER" | "COLLABORATOR"));
        is_marked && (!is_person || is_known)
    }
}

/// Writes the comment: edits the oldest one with the marker, or creates one. Returns its address.
pub(crate) fn leave(
    api: &mut Api<'_>,
    (repository, pull_request): (&str, u64),
    marker: &str,
    body: &str,
) -> Result<String, Trouble> {
    let list = format!("/repos/{repository}/issues/{pull_request}/comments");
    let content = json!({ "body": body });
    loop {
        let found = oldest(api, &list, marker)?;
        let mut written: Result<Answer<Comment>, Trouble> = match &found {
            Some(comment) => {
                let path = format!("/repos/{repository}/issues/comments/{}", comment.id);
                api.send("PATCH", &path, &content)
            }
            None => api.send("POST", &list, &content),
        };
        // Somebody deleted it after it was listed.
        if found.is_some() && matches!(written, Err(Trouble::Missing(_))) {
            written = api.send("POST", &list, &content);
        }
        match written {
            Ok(answer) => return Ok(answer.value.html_url.unwrap_or_default()),
            // It may have been created: looking again tells, and a second one is never made.
            Err(Trouble::Unsure(_)) if api.may_try_again() => {}
            Err(trouble) => return Err(trouble),
        }
    }
}

/// The oldest comment with the marker. Comments are listed by their ids, the oldest first, so the first page that has
/// one is the last that is read.
fn oldest(api: &mut Api<'_>, list: &str, marker: &str) -> Result<Option<Comment>, Trouble> {
    let mut page = Some(format!("{list}?per_page=100"));
    for _ in 0..MOST_PAGES {
        let Some(path) = page else { return Ok(None) };
        let answer: Answer<Vec<Comment>> = api.get(&path)?;
        let ours = answer.value.into_iter().filter(|comment| comment.is_of(marker));
        if let Some(oldest) = ours.min_by_key(|comment| comment.id) {
            return Ok(Some(oldest));
        }
        page = answer.next;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> =
        Subject { directory: "infra", config: "cfngin.yml", environment: "prod", region: "eu-west-1" };

    #[test]
    fn subjects_that_differ_have_markers_that_differ() {
        let same = SUBJECT.marker();
        assert!(same.starts_with(MARK) && same.ends_with(" -->") && same.is_ascii(), "{same}");
        assert_eq!(same, Subject { ..SUBJECT }.marker());
        let moved = Subject { directory: "infrac", config: "fngin.yml", ..SUBJECT };
        let closing = Subject { region: "eu-west-1 --><!--", ..SUBJECT };
        let others =
            [moved, closing, Subject { environment: "", ..SUBJECT }, Subject { config: "", ..SUBJECT }];
        for other in others {
            assert_ne!(other.marker(), same);
            assert_eq!(other.marker().len(), same.len());
        }
    }

    #[test]
    fn a_comment_is_ours_if_it_begins_with_the_marker_and_no_stranger_wrote_it() {
        let marker = SUBJECT.marker();
        let comment = |body: String, kind: &str, association: &str| -> Comment {
            let value =
                json!({"id": 1, "body": body, "user": {"type": kind}, "author_association": association});
            serde_json::from_value(value).unwrap()
        };
        assert!(comment(format!("{marker}\ntext"), "Bot", "NONE").is_of(&marker));
        assert!(comment(format!("{marker}\r\ntext"), "User", "MEMBER").is_of(&marker));
        assert!(!comment(format!("{marker}\ntext"), "User", "CONTRIBUTOR").is_of(&marker));
        assert!(!comment(format!("> {marker}\ntext"), "Bot", "NONE").is_of(&marker));
        assert!(!comment(format!("text {marker}"), "Bot", "NONE").is_of(&marker));
        assert!(!comment(format!("{marker}x"), "Bot", "NONE").is_of(&marker));
        let bare: Comment = serde_json::from_value(json!({"id": 1, "body": null})).unwrap();
        assert!(!bare.is_of(&marker));
    }
}

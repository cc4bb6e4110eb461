//! What a run in a pull request may do with the part of the task cache that is in the bucket: read it.

use crate::inputs::Environment;

/// Variable about both parts of the cache.
const BOTH: &str = "RUNWAY_RS_CACHE";
/// Variable about the part in the bucket.
pub(crate) const REMOTE: &str = "RUNWAY_RS_CACHE_REMOTE";

/// The mode of the bucket's part to run with; `None` leaves it as it is. What somebody proposes in a pull request must not
/// leave anything behind that a deploy relies on.
pub(crate) fn remote_mode(environment: &Environment) -> Option<&'static str> {
    let value = |name: &str| environment.get(name).map_or("", |value| value.trim());
    if !value("GITHUB_EVENT_NAME").starts_with("pull_request") {
        return None;
    }
    let wanted = match value(REMOTE) {
        "" => value(BOTH),
        remote => remote,
    };
    match wanted {
        "" | "auto" | "read-write" => Some("read"),
        // It would read nothing and write everything.
        "refresh" => Some("off"),
        // `off`, `read`, and words that are refused.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_requests_only_read() {
        let mode = |event: &str, both: &str, remote: &str| {
            let pairs = [("GITHUB_EVENT_NAME", event), (BOTH, both), (REMOTE, remote)];
            remote_mode(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        for event in ["pull_request", "pull_request_target", "pull_request_review"] {
            assert_eq!(mode(event, "", ""), Some("read"));
            assert_eq!(mode(event, "read-write", ""), Some("read"));
            assert_eq!(mode(event, "", "auto"), Some("read"));
            assert_eq!(mode(event, "off", "read-write"), Some("read"));
            assert_eq!(mode(event, "refresh", ""), Some("off"));
            assert_eq!(mode(event, "off", ""), None);
            assert_eq!(mode(event, "", "off"), None);
            assert_eq!(mode(event, "read", ""), None);
            assert_eq!(mode(event, "wrong", ""), None, "the program says what is wrong");
        }
        for event in ["push", "workflow_dispatch", ""] {
            assert_eq!(mode(event, "", ""), None);
        }
    }
}

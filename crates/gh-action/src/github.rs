//! Where in GitHub a step runs: pull request, repository, API, page of the run. Pure.

use serde_json::Value;

use crate::inputs::Environment;

/// What GitHub says about a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the pull request; `None` outside of one.
    pub(crate) pull_request: Option<u64>,
    /// Commit the step looks at: the head of the pull request, not its merge with the base.
    pub(crate) commit: Option<String>,
    /// `owner/name`.
    pub(crate) repository: Option<String>,
    /// Base of the API, without a slash at its end.
    pub(crate) api: String,
    /// Page of the run.
    pub(crate) run: Option<String>,
}

impl Place {
    /// Reads the variables, and the event, which is the text of the file in `GITHUB_EVENT_PATH`.
    pub(crate) fn read(environment: &Environment, event: Option<&str>) -> Self {
        let event: Value = event.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let text = |name: &str| environment.get(name).map_or("", |value| value.trim());
        let repository =
            Some(text("GITHUB_REPOSITORY")).filter(|name| is_repository(name)).map(str::to_owned);
        let server = text("GITHUB_SERVER_URL").trim_end_matches('/');
        let run = text("GITHUB_RUN_ID");
        let is_run = is_address(server) && !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_digit());
        let run = repository
            .as_ref()
            .filter(|_| is_run)
            .map(|repository| format!("{server}/{repository}/actions/runs/{run}"));
        let api = match text("GITHUB_API_URL") {
            "" => "https://api.github.com",
            api => api,
        };
        let commit = event.pointer("/pull_request/head/sha").and_then(Value::as_str);
        let commit = commit.unwrap_or_else(|| text("GITHUB_SHA"));
        let is_commit = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self {
            pull_request: pull_request(&event, text("GITHUB_REF")),
            commit: Some(commit.to_owned()).filter(|_| is_commit),
            repository,
            api: api.trim_end_matches('/').to_owned(),
            run,
        }
    }
}

/// The number by the event (`pull_request`, or a comment in a pull request), else by the reference that is checked out.
fn pull_request(event: &Value, reference: &str) -> Option<u64> {
    let of_event = event.pointer("/pull_request/number").and_then(Value::as_u64);
    let of_issue = event
        .pointer("/issue/pull_request")
        .filter(|pull_request| !pull_request.is_null())
        .and_then(|_| event.pointer("/issue/number"))
        .and_then(Value::as_u64);
    let of_reference = || reference.strip_prefix("refs/pull/")?.split('/').next()?.parse().ok();
    of_event.or(of_issue).or_else(of_reference)
}

/// Whether a text is `owner/name` and nothing that changes an address.
fn is_repository(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !name.is_empty() && name != "." && name != ".." && name.bytes().all(is_plain)
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// Whether a text is the address of a server and can stand in a link.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        !rest.is_empty() && rest.bytes().all(is_plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &[(&str, &str)], event: &str) -> Place {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Place::read(&environment.collect(), Some(event))
    }

    #[test]
    fn the_pull_request_is_that_of_the_event_or_of_the_reference() {
        let number = |reference: &str, event: &str| place(&[("GITHUB_REF", reference)], event).pull_request;
        assert_eq!(number("refs/heads/main", r#"{"pull_request": {"number": 7}}"#), Some(7));
        assert_eq!(number("refs/pull/8/merge", r#"{"pull_request": {"number": 7}}"#), Some(7));
        assert_eq!(number("", r#"{"issue": {"number": 9, "pull_request": {"url": "x"}}}"#), Some(9));
        assert_eq!(number("", r#"{"issue": {"number": 9}}"#), None);
        assert_eq!(number("refs/pull/12/merge", "no JSON"), Some(12));
        assert_eq!(number("refs/pull/x/merge", "{}"), None);
        assert_eq!(number("refs/heads/main", "{}"), None);
    }

    #[test]
    fn addresses_are_put_together_from_plain_parts_only() {
        let variables = [
            ("GITHUB_REPOSITORY", "owner/repo.name"),
            ("GITHUB_SERVER_URL", "https://github.example.com/"),
            ("GITHUB_RUN_ID", "123"),
            ("GITHUB_API_URL", "https://github.example.com/api/v3/"),
            ("GITHUB_SHA", "0123456789abcdef"),
        ];
        let found =
            place(&variables, r#"{"pull_request": {"number": 1, "head": {"sha": "fedcba9876543210"}}}"#);
        assert_eq!(found.run.as_deref(), Some("https://github.example.com/owner/repo.name/actions/runs/123"));
        assert_eq!(found.api, "https://github.example.com/api/v3");
        assert_eq!(found.commit.as_deref(), Some("fedcba9876543210"));
        assert_eq!(place(&variables, "{}").commit.as_deref(), Some("0123456789abcdef"));
        assert_eq!(place(&[], "{}").api, "https://api.github.com");
        for (name, value) in [
            ("GITHUB_REPOSITORY", "owner/../other"),
            ("GITHUB_REPOSITORY", "owner/name?x"),
            ("GITHUB_SERVER_URL", "https://x)[y]("),
            ("GITHUB_RUN_ID", "1/../2"),
        ] {
            let mut variables = variables.to_vec();
            variables.push((name, value));
            assert_eq!(place(&variables, "{}").run, None, "{name}={value}");
        }
    }
}

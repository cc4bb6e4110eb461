//! GitHub's API: a request, its answer, and waiting where GitHub asks for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{AsSendBody, Body};

use crate::inputs::Token;
use crate::retry::{Headers, Verdict, backoff, verdict};

/// Requests that are made again because the first one failed, over the whole step.
const MOST_TRIES: u32 = 5;

/// Redirections that are followed.
const MOST_REDIRECTIONS: usize = 4;

/// Largest answer that is read, in bytes: a page of comments of the largest size.
const LARGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The token may not do this.
    Denied(String),
    /// It is not there (any more), or the token may not see it.
    Missing(String),
    /// It may have been done or not.
    Unsure(String),
    /// Anything else.
    Failed(String),
}

impl Trouble {
    /// What happened, in words.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Denied(text) | Self::Missing(text) | Self::Unsure(text) | Self::Failed(text) => text,
        }
    }
}

/// The API as a token sees it.
pub(crate) struct Api<'a> {
    agent: Agent,
    base: &'a str,
    token: &'a Token,
    /// What a second of waiting takes; tests make it nothing.
    second: Duration,
    tries: u32,
}

/// An answer.
pub(crate) struct Answer<T> {
    /// What came.
    pub(crate) value: T,
    /// Where the list goes on.
    pub(crate) next: Option<String>,
}

impl<'a> Api<'a> {
    /// The API at an address without a slash at its end.
    pub(crate) fn new(base: &'a str, token: &'a Token, second: Duration) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(60)))
            // They are followed here, to the same server only.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("runway-rs/", env!("CARGO_PKG_VERSION")));
        if base.starts_with("https:") {
            config = config.tls_config(tls());
        }
        Self { agent: config.build().new_agent(), base, token, second, tries: 0 }
    }

    /// Reads. What fails for now is asked for again.
    pub(crate) fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<Answer<T>, Trouble> {
        loop {
            match self.once("GET", path, None) {
                Err(Trouble::Unsure(_)) if self.tries < MOST_TRIES => {}
                other => return other,
            }
        }
    }

    /// Writes once: [`Trouble::Unsure`] leaves it to the caller to find out whether it was done.
    pub(crate) fn send<T: DeserializeOwned>(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answer<T>, Trouble> {
        self.once(method, path, Some(body))
    }

    /// Whether one may try again after something that was not sure.
    pub(crate) fn may_try_again(&self) -> bool {
        self.tries < MOST_TRIES
    }

    /// One request. Where GitHub asks for a pause it is made here, and the request is made again: it was not done.
    fn once<T: DeserializeOwned>(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer<T>, Trouble> {
        loop {
            let failed = |text: String| format!("{method} {}: {text}", shown(path));
            let response = match self.request(method, path, body) {
                Ok(response) => response,
                Err(error) => {
                    self.pause(backoff(self.tries));
                    return Err(Trouble::Unsure(failed(self.token.hidden_in(&error))));
                }
            };
            let status = response.status().as_u16();
            let headers = headers(response.headers());
            let next = response.headers().get("link").and_then(|link| next(link.to_str().ok()?));
            let mut body = response.into_body();
            let text = body.with_config().limit(LARGEST_ANSWER).read_to_string();
            let message = match &text {
                Ok(text) => self.token.hidden_in(&message(text)),
                Err(error) => error.to_string(),
            };
            let told = failed(format!("{status} {message}"));
            match verdict(status, &headers, &message, self.tries, now()) {
                Verdict::Done => {
                    let text = match text {
                        Ok(text) => text,
                        // It counts as a try, so that an answer that is always cut short ends.
                        Err(error) => {
                            self.pause(backoff(self.tries));
                            return Err(Trouble::Unsure(failed(error.to_string())));
                        }
                    };
                    let value = serde_json::from_str(&text).map_err(|error| {
                        Trouble::Failed(failed(format!("an answer that is none: {error}")))
                    })?;
                    return Ok(Answer { value, next });
                }
                Verdict::Wait(seconds) if self.tries < MOST_TRIES => self.pause(seconds),
                Verdict::Unsure(seconds) => {
                    self.pause(seconds);
                    return Err(Trouble::Unsure(told));
                }
                Verdict::Denied => return Err(Trouble::Denied(told)),
                Verdict::Missing => return Err(Trouble::Missing(told)),
                Verdict::Limited(seconds) => {
                    return Err(Trouble::Failed(format!("{told} (the limit lasts {seconds} seconds more)")));
                }
                Verdict::Wait(_) | Verdict::Refused => return Err(Trouble::Failed(told)),
            }
        }
    }

    fn pause(&mut self, seconds: u64) {
        self.tries += 1;
        if self.tries < MOST_TRIES {
            std::thread::sleep(self.second.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
    }

    /// One request, sent again to where a repository went that was renamed.
    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response<Body>, String> {
        let mut address = self.address(path)?;
        for _ in 0..MOST_REDIRECTIONS {
            let response = self.request_at(method, &address, body)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get("location").and_then(|location| location.to_str().ok());
            address = self.address(location.unwrap_or_default())?;
        }
        Err("it is redirected again and again".to_owned())
    }

    fn request_at(
        &self,
        method: &str,
        address: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>, String> {
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header("accept", "application/vnd.github+json")
            .header("authorization", format!("Bearer {}", self.token.secret()))
            .header("x-github-api-version", "2022-11-28");
        match body {
            None => self.run(request.body(())),
            Some(body) => self.run(request.header("content-type", "application/json").body(body.to_string())),
        }
    }

    fn run(
        &self,
        request: Result<Request<impl AsSendBody>, ureq::http::Error>,
    ) -> Result<Response<Body>, String> {
        let request = request.map_err(|error| error.to_string())?;
        self.agent.run(request).map_err(|error| error.to_string())
    }

    /// The address of a path, or of what an answer names, which must be on the same server: the token goes nowhere else.
    fn address(&self, path: &str) -> Result<String, String> {
        if path.starts_with('/') {
            return Ok(format!("{}{path}", self.base));
        }
        let server = server(self.base);
        if server.is_some() && server == self::server(path) {
            Ok(path.to_owned())
        } else {
            Err("it goes on at another server, which gets no token".to_owned())
        }
    }
}

/// Scheme, host and port of an address.
fn server(address: &str) -> Option<&str> {
    let scheme = address.find("://")? + 3;
    let rest = address.get(scheme..)?;
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // Whoever names a user in front of the host means another server than it looks like.
    address.get(..scheme + host).filter(|server| !server.contains(['@', '\\']))
}

/// The certificates the machine trusts, for servers of a company's own; without any, those that browsers trust.
fn tls() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<Certificate<'static>> =
        found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    let roots =
        if certificates.is_empty() { RootCerts::WebPki } else { RootCerts::Specific(Arc::new(certificates)) };
    TlsConfig::builder().provider(TlsProvider::Rustls).root_certs(roots).build()
}

fn headers(headers: &HeaderMap) -> Headers {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    Headers {
        retry_after: number("retry-after"),
        remaining: number("x-ratelimit-remaining"),
        reset: number("x-ratelimit-reset"),
    }
}

/// The page after this one by a `link` header: `<https://...?page=2>; rel="next", <...>; rel="last"`.
fn next(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (address, relation) = part.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = relation.split(';').any(|word| matches!(word.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then(|| address.to_owned())
    })
}

/// What an answer says, short enough for a sentence.
fn message(text: &str) -> String {
    let answer: Option<Value> = serde_json::from_str(text).ok();
    let message = answer.as_ref().and_then(|answer| answer.get("message")).and_then(Value::as_str);
    message.unwrap_or_default().chars().take(300).collect()
}

/// A path without its query.
fn shown(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "GitHub says when a limit ends by the clock on the wall")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_one_that_is_called_so() {
        let link = r#"<https://api.x/r?page=1>; rel="prev", <https://api.x/r?a=b&page=3>; rel="next", <https://api.x/r?page=9>; rel="last""#;
        assert_eq!(next(link).as_deref(), Some("https://api.x/r?a=b&page=3"));
        assert_eq!(next(r#"<https://api.x/r?page=1>; rel="first""#), None);
        assert_eq!(next("nonsense"), None);
    }

    #[test]
    fn the_token_goes_to_no_other_server() {
        let inputs = crate::inputs::Inputs::read(&[("INPUT_TOKEN".to_owned(), "t".to_owned())].into());
        let token = inputs.unwrap().token.unwrap();
        let api = Api::new("http://127.0.0.1:9/api/v3", &token, Duration::ZERO);
        assert_eq!(api.address("/repos").unwrap(), "http://127.0.0.1:9/api/v3/repos");
        assert_eq!(api.address("http://127.0.0.1:9/x?page=2").unwrap(), "http://127.0.0.1:9/x?page=2");
        for other in [
            "http://127.0.0.1:91/x",
            "https://127.0.0.1:9/x",
            "http://127.0.0.1:9@evil/x",
            "evil",
            "//evil/x",
        ] {
            assert!(
                !api.address(other).is_ok_and(|address| !address.starts_with("http://127.0.0.1:9/")),
                "{other}"
            );
        }
    }

    #[test]
    fn messages_are_those_of_the_answer_and_short() {
        assert_eq!(message(r#"{"message": "Not Found", "status": "404"}"#), "Not Found");
        assert_eq!(message("<html>"), "");
        assert_eq!(message(&format!(r#"{{"message": "{}"}}"#, "x".repeat(1000))).len(), 300);
    }
}

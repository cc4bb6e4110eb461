//! GitHub's API for comments of pull requests, as far as the action uses it, on a port of this machine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

/// The token that is taken.
pub(crate) const TOKEN: &str = "ghs_0123456789abcdef";

/// The page of the run that comments link to.
pub(crate) const RUN: &str = "https://github.example.com/owner/stacks/actions/runs/4711";

/// A comment that is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) body: String,
    /// Kind of its author, `Bot` or `User`.
    pub(crate) kind: &'static str,
    pub(crate) association: &'static str,
}

/// A request: `GET /path`, without the query.
pub(crate) type Request = String;

/// What is answered in place of the usual.
pub(crate) enum Reply {
    /// Status, headers, body.
    Instead(u16, Vec<(&'static str, String)>, String),
    /// The same, but what was asked for is done before.
    Afterwards(u16),
    /// The connection ends without a word.
    HangUp,
}

type Script = Box<dyn FnMut(&str, usize) -> Option<Reply> + Send>;

struct State {
    comments: Vec<Comment>,
    requests: Vec<Request>,
    script: Script,
    page: usize,
    /// In place of this server's address in links to further pages.
    next: Option<String>,
}

/// The running server.
pub(crate) struct GitHub {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl GitHub {
    /// A server with these comments.
    pub(crate) fn with(comments: Vec<Comment>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let script: Script = Box::new(|_, _| None);
        let state = State { comments, requests: Vec::new(), script, page: 2, next: None };
        let state = Arc::new(Mutex::new(state));
        let (shared, base) = (Arc::clone(&state), address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&mut stream.unwrap(), &shared, &base);
            }
        });
        Self { address, state }
    }

    /// A server without comments.
    pub(crate) fn empty() -> Self {
        Self::with(Vec::new())
    }

    /// From now on requests, numbered from 0, may be answered otherwise.
    pub(crate) fn answer(&self, script: impl FnMut(&str, usize) -> Option<Reply> + Send + 'static) {
        let mut state = self.state();
        state.requests.clear();
        state.script = Box::new(script);
    }

    /// Further pages are said to be on this server.
    pub(crate) fn next_pages_at(&self, address: &str) {
        self.state().next = Some(address.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn comments(&self) -> Vec<Comment> {
        self.state().comments.clone()
    }

    pub(crate) fn delete(&self, id: u64) {
        self.state().comments.retain(|comment| comment.id != id);
    }

    /// The requests since the last look.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }

    /// Gives a step the variables of a run for pull request 7, and a token.
    pub(crate) fn join(&self, command: &mut Command, event: &std::path::Path) {
        join(command, &self.address, event);
    }
}

/// The variables of a run for pull request 7 with the API at an address.
pub(crate) fn join(command: &mut Command, address: &str, event: &std::path::Path) {
    let text = json!({"number": 7, "pull_request": {"number": 7, "head": {"sha": "fedcba9876543210"}}});
    std::fs::write(event, text.to_string()).unwrap();
    for (name, value) in [
        ("GITHUB_API_URL", address),
        ("GITHUB_SERVER_URL", "https://github.example.com"),
        ("GITHUB_REPOSITORY", "owner/stacks"),
        ("GITHUB_RUN_ID", "4711"),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("GITHUB_SHA", "0123456789abcdef"),
        ("INPUT_TOKEN", TOKEN),
        ("RUNWAY_GH_ACTION_WAITS", "false"),
    ] {
        command.env(name, value);
    }
    command.env("GITHUB_EVENT_PATH", event);
}

fn serve(stream: &mut TcpStream, state: &Mutex<State>, base: &str) {
    let mut reader = BufReader::new(&mut *stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let Some((method, uri)) = line.split_once(' ') else { return };
    let uri = uri.split(' ').next().unwrap();
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        headers.push_str(&line.to_lowercase());
        headers.push('\n');
        if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();

    let mut state = state.lock().unwrap();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let request = format!("{method} {path}");
    let number = state.requests.len();
    state.requests.push(request.clone());
    let (status, more, text) = match (state.script)(&request, number) {
        Some(Reply::HangUp) => return,
        Some(Reply::Instead(status, headers, body)) => (status, headers, body),
        Some(Reply::Afterwards(status)) => {
            usual(&mut state, (method, path, query), &headers, &body, base);
            (status, Vec::new(), String::new())
        }
        None => usual(&mut state, (method, path, query), &headers, &body, base),
    };
    drop(state);
    let more: String = more.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("HTTP/1.1 {status} x\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n", text.len());
    // Whoever lost patience is gone.
    let _ = stream.write_all(format!("{head}{text}").as_bytes());
}

type Answer = (u16, Vec<(&'static str, String)>, String);

/// What GitHub does.
fn usual(
    state: &mut State,
    (method, path, query): (&str, &str, &str),
    headers: &str,
    body: &Value,
    base: &str,
) -> Answer {
    let failure = |status: u16, message: &str| (status, Vec::new(), json!({"message": message}).to_string());
    if !headers.contains(&format!("authorization: bearer {TOKEN}\n")) {
        return failure(401, "Bad credentials");
    }
    for header in
        ["user-agent: runway-rs/", "accept: application/vnd.github+json\n", "x-github-api-version: "]
    {
        assert!(headers.contains(header), "no {header:?} in\n{headers}");
    }
    let text = body["body"].as_str().unwrap_or_default().to_owned();
    if text.chars().count() > 65_536 {
        return failure(422, "Validation Failed: Body is too long (maximum is 65536 characters)");
    }
    const LIST: &str = "/repos/owner/stacks/issues/7/comments";
    if path == LIST && method == "GET" {
        let number = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name));
            value.and_then(|value| value.parse::<usize>().ok())
        };
        let (page, size) = (number("page=").unwrap_or(1), state.page.min(number("per_page=").unwrap_or(30)));
        let shown: Vec<Value> =
            state.comments.iter().skip((page - 1) * size).take(size).map(document).collect();
        let mut headers = Vec::new();
        if state.comments.len() > page * size {
            let base = state.next.as_deref().unwrap_or(base);
            let link = |page: usize, relation: &str| {
                format!("<{base}{LIST}?per_page={size}&page={page}>; rel=\"{relation}\"")
            };
            let last = state.comments.len().div_ceil(size);
            headers.push(("link", format!("{}, {}", link(page + 1, "next"), link(last, "last"))));
        }
        return (200, headers, Value::from(shown).to_string());
    }
    if path == LIST && method == "POST" {
        let id = state.comments.iter().map(|comment| comment.id).max().unwrap_or(100) + 1;
        let comment = Comment { id, body: text, kind: "Bot", association: "NONE" };
        let answer = document(&comment).to_string();
        state.comments.push(comment);
        return (201, Vec::new(), answer);
    }
    let id = path.strip_prefix("/repos/owner/stacks/issues/comments/").and_then(|id| id.parse::<u64>().ok());
    let found = state.comments.iter_mut().find(|comment| Some(comment.id) == id);
    match found.filter(|_| method == "PATCH") {
        Some(comment) => {
            comment.body = text;
            (200, Vec::new(), document(comment).to_string())
        }
        None => failure(404, "Not Found"),
    }
}

fn document(comment: &Comment) -> Value {
    json!({
        "id": comment.id, "body": comment.body, "author_association": comment.association,
        "user": {"login": "somebody", "type": comment.kind},
        "html_url": format!("https://github.example.com/owner/stacks/pull/7#issuecomment-{}", comment.id),
    })
}

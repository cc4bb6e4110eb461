//! A server of the test's own, for what moto does not do: it refuses, throttles, breaks down, and checks signatures.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

/// A request that was received, its signature checked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) uri: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    /// The operation of a JSON or Query service; the method and the path of others.
    pub(crate) fn operation(&self) -> String {
        if let Some(target) = self.headers.get("x-amz-target") {
            return target.rsplit('.').next().unwrap().to_owned();
        }
        match self.body.strip_prefix("Action=") {
            Some(rest) => rest.split('&').next().unwrap().to_owned(),
            None => format!("{} {}", self.method, self.uri),
        }
    }

    /// The scope of the signature: region and service.
    pub(crate) fn scope(&self) -> String {
        let (_, scope, _, _) = authorization(&self.headers["authorization"]);
        let parts: Vec<&str> = scope.split('/').collect();
        format!("{} {}", parts[1], parts[2])
    }
}

/// What is answered: status, body. `None` ends the connection without a word.
pub(crate) type Answer = Option<(u16, String)>;

/// The same with headers.
pub(crate) type FullAnswer = Option<(u16, Vec<(&'static str, String)>, String)>;

/// The running server.
pub(crate) struct Fake {
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Listens on a port. `answer` gets each request and its number, counted from 0.
    pub(crate) fn listen(
        port: u16,
        mut answer: impl FnMut(&Request, usize) -> Answer + Send + 'static,
    ) -> Self {
        Self::listen_in_full(port, move |request, number| {
            answer(request, number).map(|(status, body)| (status, Vec::new(), body))
        })
    }

    /// The same with headers in the answers.
    pub(crate) fn listen_in_full(
        port: u16,
        mut answer: impl FnMut(&Request, usize) -> FullAnswer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = receive(&mut stream) else { continue };
                check_signature(&request, "testing");
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    seen.len() - 1
                };
                let Some((status, headers, body)) = answer(&request, number) else { continue };
                let headers: String =
                    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let head = format!(
                    "HTTP/1.1 {status} x\r\nx-amzn-requestid: fake-{number}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n",
                    body.len()
                );
                // Whoever lost patience is gone.
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { requests }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The operations so far.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.requests().iter().map(Request::operation).collect()
    }
}

fn receive(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, uri) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, uri, headers, body: String::from_utf8(body).unwrap() })
}

/// Access key, scope, signed headers and signature.
fn authorization(header: &str) -> (&str, &str, &str, &str) {
    let part = |name: &str| {
        let (_, rest) = header.split_once(name).unwrap();
        rest.split(',').next().unwrap().trim()
    };
    let (key, scope) = part("Credential=").split_once('/').unwrap();
    (key, scope, part("SignedHeaders="), part("Signature="))
}

/// Checks a signature (AWS Signature Version 4) by computing it again.
#[track_caller]
pub(crate) fn check_signature(request: &Request, secret: &str) {
    let (_, scope, signed, signature) = authorization(&request.headers["authorization"]);
    let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
    let mut query: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    let headers: String =
        signed.split(';').map(|name| format!("{name}:{}\n", request.headers[name])).collect();
    let body = hex(&Sha256::digest(&request.body));
    let canonical = format!("{}\n{path}\n{}\n{headers}\n{signed}\n{body}", request.method, query.join("&"));
    let date = &request.headers["x-amz-date"];
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let key =
        scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
    assert_eq!(signature, hex(&hmac(&key, text.as_bytes())), "{request:?}");
    for name in ["host", "x-amz-date"] {
        assert!(signed.split(';').any(|header| header == name), "`{name}` is not signed: {signed}");
    }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new_with_prefix(pad(0x36)).chain_update(message).finalize();
    Sha256::new_with_prefix(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The example in AWS's documentation of the signature, so that the check above is known to be right.
#[test]
fn the_check_agrees_with_the_published_example() {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("host", "iam.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ];
    let request = Request {
        method: "GET".to_owned(),
        uri: "/?Action=ListUsers&Version=2010-05-08".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: String::new(),
    };
    check_signature(&request, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
}

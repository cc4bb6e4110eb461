//! A server before moto that passes requests on, or answers them itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;

use crate::support::{Ran, Scene, finished};

/// A request as it came.
pub(crate) struct Request {
    /// First line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// For example `GET`.
    pub(crate) fn method(&self) -> &str {
        self.head.split_whitespace().next().unwrap()
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.head.split_whitespace().nth(1).unwrap()
    }

    /// Leaves the first half of the body.
    fn cut(&mut self) {
        self.body.truncate(self.body.len() / 2);
        let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
        let line = self.head.lines().find(is_length).unwrap().to_owned();
        self.head = self.head.replace(&line, &format!("content-length: {}", self.body.len()));
    }
}

/// What becomes of a request.
pub(crate) enum Answer {
    /// moto answers.
    Pass,
    /// moto gets the first half of the body.
    Cut,
    /// Nobody answers: the connection is closed.
    Closed,
    /// A status line without the protocol, and a body of XML.
    Text(&'static str, String),
}

/// The server; it ends with the process.
pub(crate) struct Proxy {
    port: u16,
}

impl Proxy {
    pub(crate) fn before(scene: &Scene, decide: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let endpoint = scene.environment()["AWS_ENDPOINT_URL"].clone();
        let upstream: u16 = endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let decide = Arc::new(decide);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, decide) = (stream.unwrap(), Arc::clone(&decide));
                std::thread::spawn(move || serve(stream, upstream, decide.as_ref()));
            }
        });
        Self { port }
    }

    /// Runs the program with this server as its cloud.
    pub(crate) fn run(&self, scene: &Scene, line: &str) -> Ran {
        let mut command = scene.command(line);
        command.env("AWS_ENDPOINT_URL", format!("http://localhost:{}", self.port));
        finished(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

/// One request.
fn serve(mut client: TcpStream, upstream: u16, decide: &dyn Fn(&Request) -> Answer) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        let is_end = line.trim_end().is_empty();
        head.push_str(&line);
        if is_end {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut request = Request { head, body };
    let answer = decide(&request);
    if matches!(answer, Answer::Cut) {
        request.cut();
    }
    match answer {
        Answer::Closed => {}
        Answer::Text(status, text) => {
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
            );
            let _ = client.write_all(answer.as_bytes());
        }
        Answer::Pass | Answer::Cut => {
            let mut server = TcpStream::connect(("127.0.0.1", upstream)).unwrap();
            let sent =
                server.write_all(request.head.as_bytes()).and_then(|()| server.write_all(&request.body));
            sent.unwrap();
            let _ = std::io::copy(&mut server, &mut client);
        }
    }
}

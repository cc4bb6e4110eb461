//! A network that takes its time: a relay on the loopback interface that holds back the beginning of every request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::chore::Failure;

/// An answer that only asks for the rest of the request.
const CONTINUE: &[u8] = b"HTTP/1.1 100";

/// Relays to a port of this machine, and returns the port of its own. It works until the process ends.
///
/// Clients of HTTP/1.1 send a request on a connection only after the answer to the one before, so a request begins with
/// the first bytes that a client sends after an answer.
///
/// # Errors
/// If no port is free.
pub(super) fn relay(to: u16, delay: Duration) -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A connection that cannot be made is closed, which the client sees.
            let _ = connect(client, to, delay);
        }
    });
    Ok(port)
}

fn connect(client: TcpStream, to: u16, delay: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", to))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let is_answered = Arc::new(AtomicBool::new(true));
    let (requests, answers) =
        ((client.try_clone()?, server.try_clone()?), (server, client, Arc::clone(&is_answered)));
    thread::spawn(move || {
        let (client, server) = requests;
        copy(client, server, |_| {
            if is_answered.swap(false, Ordering::AcqRel) {
                thread::sleep(delay);
            }
        });
    });
    thread::spawn(move || {
        let (server, client, is_answered) = answers;
        copy(server, client, |bytes| {
            if !bytes.starts_with(CONTINUE) {
                is_answered.store(true, Ordering::Release);
            }
        });
    });
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, before: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..read).unwrap_or_default();
        before(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

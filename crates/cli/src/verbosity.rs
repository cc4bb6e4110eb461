//! `-v`: what is asked of the provider, line by line.

use std::io::Write;
use std::sync::Arc;

use runway_core::secrets::Vault;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::Uptime;

/// Starts printing log lines on standard error: with `level` 1 the answer to every request with its id, with 2 also every
/// attempt as it is sent. Only this program's own lines: the SDK's contain requests, and those contain secrets. What is
/// in the vault is hidden here, too: programs that print of their own, such as Python, are quoted.
pub(crate) fn start(level: u8, colour: bool, vault: &Arc<Vault>) {
    let filter = match level {
        0 => return,
        1 => "off,runway_rs=info",
        _ => "off,runway_rs=debug",
    };
    let vault = Arc::clone(vault);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(move || Lines { vault: Arc::clone(&vault) })
        .with_ansi(colour)
        .with_target(false)
        .with_timer(Uptime::default());
    // A second one in a process would be a mistake of the caller, and no reason to end.
    let _ = subscriber.try_init();
}

/// Standard error without secrets. Every line comes in one piece.
struct Lines {
    vault: Arc<Vault>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        std::io::stderr().lock().write_all(self.vault.secrets().hidden(&line).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}

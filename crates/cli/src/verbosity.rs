//! `-v`: what is asked of the provider, line by line.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::Uptime;

/// Starts printing log lines on standard error: with `level` 1 the answer to every request with its id, with 2 also every
/// attempt as it is sent. Only this program's own lines: the SDK's contain requests, and those contain secrets.
pub(crate) fn start(level: u8, colour: bool) {
    let filter = match level {
        0 => return,
        1 => "off,runway_rs=info",
        _ => "off,runway_rs=debug",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .with_timer(Uptime::default());
    // A second one in a process would be a mistake of the caller, and no reason to end.
    let _ = subscriber.try_init();
}

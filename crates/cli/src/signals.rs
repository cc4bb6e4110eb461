//! Ctrl-C and SIGTERM: the first stops gently, the second leaves what runs, the third ends the process.

use std::time::Duration;

use runway_core::engine::Interrupt;

/// How long after a SIGTERM the second level follows by itself.
const AFTER_TERMINATE: Duration = Duration::from_secs(5);

/// Connects the signals of this process with an interrupt. Must be called in the runtime.
pub(crate) fn connect(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    tokio::spawn(async move { listen(&interrupt).await });
}

#[cfg(unix)]
async fn listen(interrupt: &Interrupt) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupted)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    for level in 0.. {
        let by_terminate = tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupted.recv() => false,
        };
        raise(interrupt, level, by_terminate);
    }
}

#[cfg(not(unix))]
async fn listen(interrupt: &Interrupt) {
    for level in 0.. {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        raise(interrupt, level, false);
    }
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the third signal means: now, whatever is left behind"
)]
fn raise(interrupt: &Interrupt, level: u32, by_terminate: bool) {
    match level {
        0 => {
            interrupt.stop.cancel();
            if by_terminate {
                let abandon = interrupt.abandon.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(AFTER_TERMINATE).await;
                    abandon.cancel();
                });
            }
        }
        1 => interrupt.abandon.cancel(),
        _ => std::process::exit(130),
    }
}

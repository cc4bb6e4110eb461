//! Progress of a push as lines of a step.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runway_core::task::WriteContext;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::assets::{AssetEvent, AssetReporter, Session};
use crate::document::bytes;

/// Parts of what is to be sent after which a line is due.
const PARTS: u64 = 4;

/// Lines that are to be told.
pub(super) struct Lines(UnboundedReceiver<String>);

/// Lets a session tell of itself by lines.
pub(super) fn telling(session: &mut Session) -> Lines {
    let (to, lines) = unbounded_channel();
    session.reporter = Arc::new(Reporter { to, announced: AtomicU64::new(0), sent: AtomicU64::new(0) });
    Lines(lines)
}

impl Lines {
    /// Tells lines as they come, until something ends.
    pub(super) async fn tell_while<T>(
        &mut self,
        context: &WriteContext<'_>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        let ended = loop {
            tokio::select! {
                biased;
                Some(line) = self.0.recv() => context.tell(&line),
                ended = &mut work => break ended,
            }
        };
        while let Ok(line) = self.0.try_recv() {
            context.tell(&line);
        }
        ended
    }
}

struct Reporter {
    to: UnboundedSender<String>,
    /// Bytes that are to be sent.
    announced: AtomicU64,
    /// Those of them that were sent.
    sent: AtomicU64,
}

impl Reporter {
    fn line(&self, text: String) {
        // Nobody listens any more once the push is over.
        let _ = self.to.send(text);
    }
}

impl AssetReporter for Reporter {
    fn event(&self, event: &AssetEvent) {
        match event {
            AssetEvent::Sending { files, bytes: count } => {
                self.announced.fetch_add(*count, Ordering::Relaxed);
                let files = super::counted(*files);
                self.line(format!("sending {files}, {}", bytes(*count)));
            }
            AssetEvent::Sent { bytes: count } => {
                let announced = self.announced.load(Ordering::Relaxed).max(1);
                let before = self.sent.fetch_add(*count, Ordering::Relaxed);
                let part = |sent: u64| u128::from(sent) * u128::from(PARTS) / u128::from(announced);
                let now = before + count;
                if part(now) > part(before) && now < announced {
                    self.line(format!("{} of {} sent", bytes(now), bytes(announced)));
                }
            }
            AssetEvent::FileSent { .. } => {}
            AssetEvent::GoingLive { path } => self.line(format!("replacing {path}")),
            AssetEvent::Waiting { object, most } => {
                self.line(format!("waiting up to {} s for {object}", most.as_secs()));
            }
            AssetEvent::Retry { message } => self.line(format!("again: {message}")),
            AssetEvent::Deleting { objects } => self.line(format!("deleting {objects} objects")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_for_every_quarter() {
        let (to, mut lines) = unbounded_channel();
        let reporter = Reporter { to, announced: AtomicU64::new(0), sent: AtomicU64::new(0) };
        reporter.event(&AssetEvent::Sending { files: 1, bytes: 1000 });
        for _ in 0..100 {
            reporter.event(&AssetEvent::Sent { bytes: 10 });
        }
        let mut told = Vec::new();
        while let Ok(line) = lines.try_recv() {
            told.push(line);
        }
        assert_eq!(
            told,
            [
                "sending 1 file, 1000 B",
                "250 B of 1000 B sent",
                "500 B of 1000 B sent",
                "750 B of 1000 B sent"
            ]
        );
    }
}

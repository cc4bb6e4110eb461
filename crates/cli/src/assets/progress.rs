//! Progress of files and bytes: a bar on a terminal, a few lines elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runway_artifacts::assets::{AssetEvent, AssetReporter};
use runway_artifacts::document::bytes;

use crate::args::AssetsFormat;
use crate::output::{Output, is_live};

/// The reporter that fits the output.
pub(super) fn reporter(output: &Output, ci: bool, format: AssetsFormat) -> Arc<dyn AssetReporter> {
    let live = output.quiet == 0 && is_live() && !ci && !output.verbose && format == AssetsFormat::Text;
    let bar = live.then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        let form = "  {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar
    });
    Arc::new(Lines { output: output.clone(), bar, files: AtomicU64::new(0), sent: AtomicU64::new(0) })
}

struct Lines {
    output: Output,
    bar: Option<ProgressBar>,
    files: AtomicU64,
    sent: AtomicU64,
}

impl Lines {
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.output.progress(text)),
            None => self.output.progress(text),
        }
    }
}

impl AssetReporter for Lines {
    fn event(&self, event: &AssetEvent) {
        match event {
            AssetEvent::Sending { files, bytes: count } => {
                self.files.fetch_add(*files as u64, Ordering::Relaxed);
                match &self.bar {
                    Some(bar) => bar.set_length(bar.length().unwrap_or_default() + count),
                    None => self.line(&format!(
                        "sending {files} {}, {}",
                        if *files == 1 { "file" } else { "files" },
                        bytes(*count)
                    )),
                }
            }
            AssetEvent::Sent { bytes } => {
                if let Some(bar) = &self.bar {
                    bar.inc(*bytes);
                }
            }
            AssetEvent::FileSent { .. } => {
                let sent = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{sent}/{} files", self.files.load(Ordering::Relaxed)));
                }
            }
            AssetEvent::GoingLive { path } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                self.line(&format!("replacing {path}"));
            }
            AssetEvent::Waiting { object, most } => {
                self.line(&format!("waiting up to {} s for {object}", most.as_secs()));
            }
            AssetEvent::Retry { message } => self.line(&format!("again: {message}")),
            AssetEvent::Deleting { objects } => self.line(&format!("deleting {objects} objects")),
        }
    }
}

//! Changed and generated inputs for everything that reads text: nothing may panic, take long or grow.
//!
//! Inputs depend on the seed and their number only, so that a find can be repeated with `--seed` and `--from`. What is
//! being read is kept in `target/fuzz/input`: it is there also after the process was ended from outside.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::chore::{Failure, root, say};
use inputs::Corpus;
use targets::Kind;

mod inputs;
mod targets;

/// What a run is allowed and where it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many inputs.
    pub(crate) count: u64,
    /// Chooses the inputs.
    pub(crate) seed: u64,
    /// Number of the first input.
    pub(crate) from: u64,
    /// Longest time for one input.
    pub(crate) time: Duration,
    /// Most memory that the process may ever have had, in MiB.
    pub(crate) memory: u64,
}

impl Limits {
    /// The limits of a run over so many inputs.
    pub(crate) fn new(count: u64, seed: u64, from: u64) -> Self {
        Self { count, seed, from, time: Duration::from_secs(20), memory: 512 }
    }
}

/// How long one kind took.
#[derive(Debug, Default, Clone, Copy)]
struct Times {
    inputs: u64,
    all: Duration,
    longest: Duration,
    longest_number: u64,
}

/// What came of one input.
enum Outcome {
    Read(Kind, Duration),
    Panicked(Kind, String),
    /// It was not read, because it could not be kept.
    NotKept(std::io::Error),
}

/// Reads that many inputs and tells how long it took.
///
/// # Errors
/// At the first input that panics, takes too long, or lets the process grow.
pub(crate) fn run(limits: Limits) -> Result<(), Failure> {
    let corpus = Corpus::read()?;
    let place = root().join("target/fuzz/input");
    fs_err::create_dir_all(place.parent().unwrap_or(&place))?;
    let (outcomes, read) = mpsc::channel();
    let began = Instant::now();
    let current = std::sync::Arc::new(AtomicU64::new(limits.from));
    let (worker_place, worker_current) = (place.clone(), std::sync::Arc::clone(&current));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    // With the stack of an ordinary thread, as in the program.
    let worker = std::thread::spawn(move || {
        for number in limits.from..limits.from.saturating_add(limits.count) {
            let (kind, input) = corpus.input(limits.seed, number);
            worker_current.store(number, Ordering::Relaxed);
            if let Err(error) = fs_err::write(&worker_place, &input) {
                let _ = outcomes.send((number, Outcome::NotKept(error)));
                return;
            }
            let began = Instant::now();
            let done = catch_unwind(AssertUnwindSafe(|| targets::read(kind, &input)));
            let outcome = match done {
                Ok(()) => Outcome::Read(kind, began.elapsed()),
                Err(panic) => Outcome::Panicked(kind, message(panic.as_ref())),
            };
            if outcomes.send((number, outcome)).is_err() {
                return;
            }
        }
    });
    let result = watch(&read, limits, &current, &place);
    std::panic::set_hook(hook);
    let times = result?;
    if worker.join().is_err() {
        return Err("the worker ended early".into());
    }
    report(&times, began.elapsed());
    Ok(())
}

fn watch(
    outcomes: &mpsc::Receiver<(u64, Outcome)>,
    limits: Limits,
    current: &AtomicU64,
    place: &std::path::Path,
) -> Result<BTreeMap<Kind, Times>, Failure> {
    let mut times: BTreeMap<Kind, Times> = BTreeMap::new();
    let found = |what: String, number: u64| -> Failure {
        let kept = PathBuf::from(format!("{}-{}-{number}", place.display(), limits.seed));
        let _ = fs_err::copy(place, &kept);
        let again = format!("cargo xtask fuzz --seed {} --from {number} --count 1", limits.seed);
        format!("{what}; the input is {}; again: {again}", kept.display()).into()
    };
    loop {
        match outcomes.recv_timeout(limits.time) {
            Ok((number, Outcome::Panicked(kind, message))) => {
                return Err(found(format!("{kind:?}: a panic: {message}"), number));
            }
            Ok((_, Outcome::NotKept(error))) => return Err(error.into()),
            Ok((number, Outcome::Read(kind, time))) => {
                let entry = times.entry(kind).or_default();
                entry.inputs += 1;
                entry.all += time;
                if time > entry.longest {
                    (entry.longest, entry.longest_number) = (time, number);
                }
                if let Some(memory) = peak_memory().filter(|memory| *memory > limits.memory) {
                    return Err(found(format!("{kind:?}: {memory} MiB of memory"), number));
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let number = current.load(Ordering::Relaxed);
                return Err(found(format!("more than {} s", limits.time.as_secs()), number));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(times),
        }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message").to_owned()
}

/// The most memory this process ever had, in MiB, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}

fn report(times: &BTreeMap<Kind, Times>, all: Duration) {
    for (kind, times) in times {
        say(&format!(
            "{:12} {:>7} inputs {:>8.1} s, longest {:>7.1} ms (input {})",
            format!("{kind:?}"),
            times.inputs,
            times.all.as_secs_f64(),
            times.longest.as_secs_f64() * 1000.0,
            times.longest_number,
        ));
    }
    let memory = peak_memory().map(|memory| format!(", {memory} MiB at most")).unwrap_or_default();
    say(&format!("no panic, no hang in {:.1} s{memory}", all.as_secs_f64()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_thousand_inputs_are_read() {
        run(Limits::new(4_000, 1, 0)).unwrap();
    }
}

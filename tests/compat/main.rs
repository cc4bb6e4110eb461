//! Runway 2.8.4 itself and runway-rs side by side: `cargo xtask compat`, and part of the test command.
//!
//! Every directory of `fixtures/compat` is a case. Each program does the case's steps on an empty cloud; after every
//! step everything is compared. A difference has to be listed in the case, and what is listed has to occur.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod cached;
mod case;
mod compare;
mod programs;
mod report;
mod scene;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use case::Case;
use programs::{Bench, root};
use report::Verdict;
use scene::{Run, play};

/// Workers, each with an emulator and a warm Runway.
const WORKERS: usize = 2;

/// Where every difference is explained to users.
const EXPLAINED: &str = "docs/coming-from-runway.md";

fn main() -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let cases = match read_all() {
        Ok(cases) => cases,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if flag("--list") {
        cases.iter().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<Case> = cases
        .into_iter()
        .filter(|case| {
            let named = names.iter().any(|name| case.name.contains(name.as_str()));
            named || (names.is_empty() && !case.pending)
        })
        .collect();
    if chosen.is_empty() {
        return ExitCode::SUCCESS;
    }
    let begun = Instant::now();
    let verdicts = run_all(&chosen, flag("--verbose"));
    print!("{}", report::text(&verdicts, begun.elapsed()));
    if flag("--write") {
        std::fs::write(root().join("docs/compat.md"), report::markdown(&verdicts)).unwrap();
    }
    let unexplained =
        report::unexplained(&verdicts, &std::fs::read_to_string(root().join(EXPLAINED)).unwrap());
    for id in &unexplained {
        println!("{EXPLAINED} does not explain {id}");
    }
    // All cases together leave records, in which a secret would be seen.
    let records: usize = verdicts.iter().map(|verdict| verdict.records).sum();
    let has_looked = cached::finds_what_is_there() && (records > 0 || !names.is_empty());
    if !has_looked {
        println!("no record of the task cache was looked at");
    }
    if has_looked && unexplained.is_empty() && verdicts.iter().all(|verdict| verdict.wrong.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn read_all() -> Result<Vec<Case>, String> {
    let mut directories: Vec<_> = std::fs::read_dir(root().join("fixtures/compat"))
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && path.file_name().is_some_and(|name| name != "shared"))
        .collect();
    directories.sort();
    directories.iter().map(|directory| Case::read(directory)).collect()
}

/// Runs the cases, in their order, on as many workers as there are.
fn run_all(cases: &[Case], verbose: bool) -> Vec<Verdict> {
    let place = tempfile::tempdir().unwrap();
    let queue = Mutex::new(cases.iter().enumerate());
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..WORKERS.min(cases.len()) {
            let place = place.path().join(worker.to_string());
            let (queue, verdicts) = (&queue, &verdicts);
            scope.spawn(move || {
                let mut bench = Bench::start();
                loop {
                    let Some((number, case)) = queue.lock().unwrap().next() else { break };
                    let verdict = judge(&mut bench, case, &place.join(&case.name), verbose);
                    verdicts.lock().unwrap().push((number, verdict));
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap();
    verdicts.sort_by_key(|(number, _)| *number);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

/// Runs one case with Runway, then otherwise, and compares.
fn judge(bench: &mut Bench, case: &Case, place: &Path, verbose: bool) -> Verdict {
    let begun = Instant::now();
    let mut verdict = Verdict::of(case);
    match play(bench, case, Run::Runway, place) {
        Ok(theirs) => {
            if verbose {
                report::show(case, Run::Runway, &theirs);
            }
            let runs: &[Run] =
                if case.turns { &[Run::Ours, Run::Turns, Run::TurnsReversed] } else { &[Run::Ours] };
            for run in runs {
                match play(bench, case, *run, place) {
                    Ok(other) => {
                        if verbose {
                            report::show(case, *run, &other);
                        }
                        let findings = compare::compare(case, *run, &theirs, &other);
                        verdict.wrong.extend(findings.wrong);
                        verdict.met.extend(findings.met);
                        let looked = cached::look(case, place);
                        verdict.records += looked.records;
                        verdict.wrong.extend(looked.wrong);
                    }
                    Err(error) => verdict.wrong.push(format!("[{}] {error}", run.name())),
                }
            }
        }
        Err(error) => verdict.wrong.push(format!("[runway] {error}")),
    }
    let _ = std::fs::remove_dir_all(place);
    verdict.took = begun.elapsed();
    verdict
}

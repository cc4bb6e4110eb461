//! Asset push beside valpop's way of working, which sends every file in each push, one after the other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::delay;
use super::report::Measured;
use super::server::{BUCKET, Server};
use super::{REGION, read_measured};
use crate::chore::{Failure, root, say};
use crate::{dist, python};

/// Files of the build, beside two entry points.
const FILES: usize = 1_998;

/// So many of them change before the second push.
const CHANGED: usize = 20;

/// Time that is added to every request.
const DELAY: Duration = Duration::from_millis(20);

/// How many times faster the first push over the slow network is than one that sends file after file, at least.
const AT_LEAST: f64 = 4.0;

/// Who pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// valpop's steps, in Python.
    Valpop,
    /// runway-rs, one request after the other.
    OneByOne,
    /// runway-rs as it is.
    RunwayRs,
}

const WAYS: [Way; 3] = [Way::Valpop, Way::OneByOne, Way::RunwayRs];

/// Which push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Push {
    First,
    SomeChanged,
    NothingChanged,
}

const PUSHES: [Push; 3] = [Push::First, Push::SomeChanged, Push::NothingChanged];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Valpop => "valpop's way",
            Self::OneByOne => "runway-rs, one by one",
            Self::RunwayRs => "runway-rs",
        }
    }
}

impl Push {
    fn name(self) -> String {
        match self {
            Self::First => format!("first push of {} files", FILES + 2),
            Self::SomeChanged => format!("{CHANGED} files and the entry points changed"),
            Self::NothingChanged => "the same build again".to_owned(),
        }
    }

    fn image(self) -> &'static str {
        match self {
            Self::First => "example/app:1",
            Self::SomeChanged | Self::NothingChanged => "example/app:2",
        }
    }
}

/// Pushes over a slow network and over a fast one, prints a Markdown report, and keeps it under `docs/` if `write` is set.
///
/// # Errors
/// If something cannot be built, installed or started, if a push fails, or if ours is not as fast as it has to be.
pub(crate) fn run(write: bool) -> Result<(), Failure> {
    python::install("moto")?;
    let ours = dist::build()?;
    let place = root().join("target/bench-assets");
    if place.exists() {
        fs_err::remove_dir_all(&place)?;
    }
    let server = Server::start()?;
    let slow = delay::relay(server.port(), DELAY)?;
    let networks = [
        (format!("with {} ms for every request", DELAY.as_millis()), slow),
        ("without".to_owned(), server.port()),
    ];
    let mut text = String::from(HEAD);
    let mut ratios = Vec::new();
    for (name, port) in networks {
        say(&format!("{name}:"));
        let mut rows = Rows::new();
        for way in WAYS {
            let place = place.join(format!("{port}-{way:?}"));
            rows.extend(Pusher { server: &server, ours: &ours, place, port, way }.all()?);
        }
        table(&mut text, &name, &rows);
        if port == slow {
            let first =
                |way| rows.get(&(Push::First, way)).map_or(0.0, |measured: &Measured| measured.wall_s);
            ratios = [Way::Valpop, Way::OneByOne]
                .map(|way| (way, first(way) / first(Way::RunwayRs).max(0.001)))
                .to_vec();
        }
    }
    if write {
        fs_err::write(root().join("docs/benchmark-assets.md"), &text)?;
    }
    crate::chore::print(&text);
    for (way, ratio) in &ratios {
        say(&format!("first push: {} takes {ratio:.1} times as long, {AT_LEAST:.0} wanted", way.name()));
    }
    match ratios.iter().find(|(_, ratio)| *ratio < AT_LEAST) {
        Some((way, ratio)) => Err(format!("{}: {ratio:.1} times, not {AT_LEAST}", way.name()).into()),
        None => Ok(()),
    }
}

/// What each push cost.
type Rows = BTreeMap<(Push, Way), Measured>;

struct Pusher<'a> {
    server: &'a Server,
    ours: &'a Path,
    place: PathBuf,
    port: u16,
    way: Way,
}

impl Pusher<'_> {
    fn all(&self) -> Result<Rows, Failure> {
        self.server.reset()?;
        self.server.make_bucket(REGION)?;
        self.write(0..FILES, "first")?;
        self.entries("first")?;
        let mut rows = Rows::new();
        for push in PUSHES {
            if push == Push::SomeChanged {
                self.write(0..CHANGED, "second")?;
                self.entries("second")?;
            }
            let measured = self.push(push)?;
            say(&format!("  {}, {}: {:.2} s", self.way.name(), push.name(), measured.wall_s));
            rows.insert((push, self.way), measured);
        }
        Ok(rows)
    }

    fn write(&self, numbers: std::ops::Range<usize>, word: &str) -> Result<(), Failure> {
        let directory = self.place.join("dist/js");
        fs_err::create_dir_all(&directory)?;
        for number in numbers {
            let body = format!("export const number = {number}; // {word}\n").repeat(number % 200 + 1);
            fs_err::write(directory.join(format!("{number:04}.js")), body)?;
        }
        Ok(())
    }

    fn entries(&self, word: &str) -> Result<(), Failure> {
        for name in ["index.html", "fed-mods.json"] {
            fs_err::write(self.place.join("dist").join(name), format!("{{\"build\": \"{word}\"}}"))?;
        }
        Ok(())
    }

    fn push(&self, push: Push) -> Result<Measured, Failure> {
        self.server.forget_requests()?;
        let result = self.place.join("measured.json");
        let log = fs_err::File::create(self.place.join(format!("{push:?}.log")))?;
        let mut command = Command::new(python::interpreter("moto"));
        command.arg(root().join("tests/python/measure.py")).arg(&result).args(self.line(push));
        command.env_clear().envs(self.server.client_environment(&self.place, REGION));
        command.env("AWS_ENDPOINT_URL", self.endpoint()).current_dir(&self.place);
        let error_log = log.file().try_clone()?;
        let status = command.stdin(Stdio::null()).stdout(log.into_parts().0).stderr(error_log).status()?;
        if !status.success() {
            return Err(format!("measure.py ended with {status}").into());
        }
        let measured = read_measured(&result, self.server)?;
        match measured.code {
            0 => Ok(measured),
            code => {
                Err(format!("{} ended with {code}: see {}", self.way.name(), self.place.display()).into())
            }
        }
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn line(&self, push: Push) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        if self.way == Way::Valpop {
            let interpreter = python::interpreter("moto").display().to_string();
            let script = root().join("tests/python/serial_push.py").display().to_string();
            return words(&[&interpreter, &script, BUCKET, "myapp", "dist", push.image()]);
        }
        let ours = self.ours.display().to_string();
        let endpoint = self.endpoint();
        let mut line =
            words(&[&ours, "assets", "push", "--app", "myapp", "--bucket", BUCKET, "--source", "dist"]);
        line.extend(words(&["--endpoint", &endpoint, "--image", push.image()]));
        if self.way == Way::OneByOne {
            line.extend(words(&["--concurrency", "1"]));
        }
        line
    }
}

fn table(text: &mut String, network: &str, rows: &Rows) {
    let _ = writeln!(
        text,
        "## {}{}\n\n| push | who | wall s | CPU s | peak MB | requests |\n|---|---|---|---|---|---|",
        network[..1].to_uppercase(),
        &network[1..]
    );
    for ((push, way), measured) in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.0} | {} |",
            push.name(),
            way.name(),
            measured.wall_s,
            measured.cpu_s,
            measured.peak_mb,
            measured.requests.values().sum::<usize>()
        );
    }
    text.push('\n');
}

const HEAD: &str = "# Asset push beside valpop's way

Written by `cargo xtask bench-assets --write`, on one machine with two cores that client and server share. The same files go to the same
moto server, over a relay that holds back every request for 20 ms as a network would, and without it. valpop's way is the
order of its steps, as `tests/python/serial_push.py` takes them: every file in each push of another image, one after the other. \"One by
one\" is the same client as ours, with `--concurrency 1`. One run a cell; compare ratios, not seconds: without the relay moto itself is what
takes the time.

";

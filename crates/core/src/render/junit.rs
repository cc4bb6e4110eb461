//! A report as JUnit XML, which CI systems show beside the results of tests: a suite for each config, a case for each node.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event as Xml};

use super::events::failure_lines;
use super::report::{ConfigDocument, ReportDocument, ReportedError, RunDocument, meaning};
use super::words;
use crate::outcome::{NodeEnd, NodeOutcome};

/// Name of the case that stands for a run as a whole.
const RUN: &str = "(run)";

/// A test case.
struct Case {
    name: String,
    seconds: f64,
    result: Verdict,
}

/// How a test case ended, in the words that CI systems know.
enum Verdict {
    /// It passed; what was done goes to its output.
    Passed(&'static str),
    Skipped(String),
    /// Something did not do what it should.
    Failure {
        message: String,
        text: String,
    },
    /// It could not be carried out to its end.
    Error {
        message: String,
        kind: String,
        text: String,
    },
}

/// A suite of test cases.
struct Suite {
    name: String,
    class: String,
    started: String,
    seconds: f64,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
}

/// The report as JUnit XML.
pub fn xml(report: &ReportDocument) -> String {
    let mut suites: Vec<Suite> = report.runs.iter().map(Suite::of_run).collect();
    suites.extend(report.not_reached.iter().map(|config| Suite::not_reached(config, &report.started)));
    let told = report.runs.iter().any(|run| run.exit != 0);
    if !report.errors.is_empty() || report.exit != 0 && !told {
        suites.push(Suite {
            name: format!("runway-rs {}", report.command),
            class: report.command.clone(),
            started: report.started.clone(),
            seconds: report.elapsed,
            properties: Vec::new(),
            cases: vec![error_of_run(report.exit, &report.errors, report.elapsed)],
        });
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let written = document(&mut writer, report, &suites);
    // Writing to memory does not fail.
    written.ok().and_then(|()| String::from_utf8(writer.into_inner()).ok()).unwrap_or_default() + "\n"
}

impl Suite {
    fn of_run(run: &RunDocument) -> Self {
        let mut cases: Vec<Case> = run.nodes.iter().map(case).collect();
        let is_told = |case: &Case| matches!(case.result, Verdict::Failure { .. } | Verdict::Error { .. });
        // A run that did not succeed must not look like one that did.
        if !run.errors.is_empty() || run.exit != 0 && !cases.iter().any(is_told) {
            cases.push(error_of_run(run.exit, &run.errors, run.elapsed));
        }
        let mut properties = properties(&run.config);
        properties.extend(run.account.iter().map(|account| ("account", account.clone())));
        Self {
            name: name(&run.config),
            class: class(&run.config),
            started: run.started.clone(),
            seconds: run.elapsed,
            properties,
            cases,
        }
    }

    fn not_reached(config: &ConfigDocument, started: &str) -> Self {
        let why = "its turn did not come, because the command ended before".to_owned();
        Self {
            name: name(config),
            class: class(config),
            started: started.to_owned(),
            seconds: 0.0,
            properties: properties(config),
            cases: vec![Case { name: RUN.to_owned(), seconds: 0.0, result: Verdict::Skipped(why) }],
        }
    }

    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.cases.iter().filter(|case| is(&case.result)).count()
    }

    /// Cases, failures, errors and skipped ones.
    fn counts(&self) -> [(&'static str, usize); 4] {
        [
            ("tests", self.cases.len()),
            ("failures", self.count(|result| matches!(result, Verdict::Failure { .. }))),
            ("errors", self.count(|result| matches!(result, Verdict::Error { .. }))),
            ("skipped", self.count(|result| matches!(result, Verdict::Skipped(_)))),
        ]
    }
}

fn name(config: &ConfigDocument) -> String {
    config
        .target
        .as_ref()
        .map_or_else(|| config.config.clone(), |target| format!("{target} {}", config.config))
}

/// What tells cases of the same name apart: some CI systems keep a history for each class and name.
fn class(config: &ConfigDocument) -> String {
    format!("{}.{}", config.namespace, config.region)
}

fn properties(config: &ConfigDocument) -> Vec<(&'static str, String)> {
    vec![
        ("namespace", config.namespace.clone()),
        ("region", config.region.clone()),
        ("environment", config.environment.clone()),
    ]
}

fn case(node: &NodeOutcome) -> Case {
    let result = match &node.end {
        NodeEnd::Skipped { reason } => Verdict::Skipped(reason.clone()),
        NodeEnd::Blocked { by } => Verdict::Skipped(format!("not started, because of {}", words::list(by))),
        NodeEnd::Cancelled { cause, began: false } => {
            Verdict::Skipped(format!("not started: {}", cause.as_words()))
        }
        NodeEnd::Cancelled { cause, began: true } => Verdict::Error {
            message: format!("left unfinished: {}", cause.as_words()),
            kind: "cancelled".to_owned(),
            text: String::new(),
        },
        NodeEnd::Failed { failure } => {
            let lines = failure_lines(failure);
            Verdict::Failure { message: lines.first().cloned().unwrap_or_default(), text: lines.join("\n") }
        }
        done => Verdict::Passed(done.as_str()),
    };
    let seconds = node.elapsed.map(crate::outcome::in_seconds).unwrap_or_default();
    Case { name: node.name.to_string(), seconds, result }
}

fn error_of_run(exit: u8, errors: &[ReportedError], seconds: f64) -> Case {
    let first = errors.first();
    let told = |error: &ReportedError| {
        let place = match (&error.file, error.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            _ => String::new(),
        };
        let help = error.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        format!("{place}{} [{}]{help}", error.message, error.code)
    };
    let result = Verdict::Error {
        message: first.map_or_else(|| meaning(exit), |error| error.message.clone()),
        kind: first.map_or_else(|| "exit".to_owned(), |error| error.code.clone()),
        text: errors.iter().map(told).collect::<Vec<_>>().join("\n"),
    };
    Case { name: RUN.to_owned(), seconds, result }
}

type Written = io::Result<()>;

fn document(writer: &mut Writer<Vec<u8>>, report: &ReportDocument, suites: &[Suite]) -> Written {
    writer.write_event(Xml::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut totals = [("tests", 0), ("failures", 0), ("errors", 0), ("skipped", 0)];
    for suite in suites {
        for (total, (_, count)) in totals.iter_mut().zip(suite.counts()) {
            total.1 += count;
        }
    }
    let mut element = writer
        .create_element("testsuites")
        .with_attribute(("name", clean(&format!("runway-rs {}", report.command)).as_str()))
        .with_attribute(("time", seconds(report.elapsed).as_str()));
    for (name, count) in totals {
        element = element.with_attribute((name, count.to_string().as_str()));
    }
    element.write_inner_content(|writer| suites.iter().try_for_each(|one| suite(writer, one)))?;
    Ok(())
}

fn suite(writer: &mut Writer<Vec<u8>>, suite: &Suite) -> Written {
    let mut element = writer
        .create_element("testsuite")
        .with_attribute(("name", clean(&suite.name).as_str()))
        // Without a zone, as the schemas in use want it; it is UTC.
        .with_attribute(("timestamp", suite.started.split(['.', 'Z']).next().unwrap_or_default()))
        .with_attribute(("time", seconds(suite.seconds).as_str()));
    for (name, count) in suite.counts() {
        element = element.with_attribute((name, count.to_string().as_str()));
    }
    element.write_inner_content(|writer| {
        if !suite.properties.is_empty() {
            writer.create_element("properties").write_inner_content(|writer| {
                for (name, value) in &suite.properties {
                    let property = writer.create_element("property").with_attribute(("name", *name));
                    property.with_attribute(("value", clean(value).as_str())).write_empty()?;
                }
                Ok(())
            })?;
        }
        suite.cases.iter().try_for_each(|case| test_case(writer, case, &suite.class))
    })?;
    Ok(())
}

fn test_case(writer: &mut Writer<Vec<u8>>, case: &Case, class: &str) -> Written {
    let element = writer
        .create_element("testcase")
        .with_attribute(("name", clean(&case.name).as_str()))
        .with_attribute(("classname", clean(class).as_str()))
        .with_attribute(("time", seconds(case.seconds).as_str()));
    element.write_inner_content(|writer| {
        match &case.result {
            Verdict::Passed(what) => {
                writer.create_element("system-out").write_text_content(BytesText::new(what))?;
            }
            Verdict::Skipped(message) => {
                writer
                    .create_element("skipped")
                    .with_attribute(("message", line(message).as_str()))
                    .write_empty()?;
            }
            Verdict::Failure { message, text } => {
                let element =
                    writer.create_element("failure").with_attribute(("message", line(message).as_str()));
                let text = clean(text);
                element.with_attribute(("type", "failed")).write_text_content(BytesText::new(&text))?;
            }
            Verdict::Error { message, kind, text } => {
                let element =
                    writer.create_element("error").with_attribute(("message", line(message).as_str()));
                let text = clean(text);
                let element = element.with_attribute(("type", clean(kind).as_str()));
                element.write_text_content(BytesText::new(&text))?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// A text on one line, as an attribute has it.
fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}")
}

/// A text with nothing in it that XML 1.0 has no way to write.
fn clean(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests;

//! Steps of a workflow: the real front end runs the real program on the embedded provider.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod cache;
mod comments;
mod github;
mod hostile;
mod losses;
mod saved;
mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use support::{CONFIG, PLAN, Repository, TEMPLATE, front_end, runway_rs};

/// The inputs of a plan with other ones in place of, or after, its own.
fn with<'a>(others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = PLAN.iter().filter(|(name, _)| !others.iter().any(|(other, _)| other == name));
    kept.chain(others).copied().collect()
}

#[test]
fn a_plan_a_deploy_and_nothing_left_to_do() {
    let repository = Repository::new(CONFIG);
    let plan = repository.run(&PLAN, 0);
    assert_eq!((plan.output("exit-code"), plan.output("changes")), ("0", "true"));
    assert_eq!(plan.counts(), ["2", "0", "0", "0", "0", "0"]);
    assert!(plan.summary.contains("### Plan to deploy `ns`\n\n**2 to create**"), "{}", plan.summary);
    assert!(plan.summary.contains("**Next:** review this plan"), "{}", plan.summary);
    assert!(plan.commands().is_empty(), "{}", plan.log);
    assert!(plan.log.contains("### Plan to deploy `ns`"), "{}", plan.log);

    let deploy = repository.run(&with(&[("COMMAND", "deploy")]), 0);
    assert_eq!((deploy.output("exit-code"), deploy.output("changes")), ("0", "true"));
    assert_eq!(deploy.counts(), ["2", "0", "0", "0", "0", "0"]);
    assert!(deploy.summary.contains("### Deploy: done"), "{}", deploy.summary);
    assert!(deploy.summary.contains(": 2 created\n"), "{}", deploy.summary);
    for line in ["a (ns-a): creating\n", "b: created in "] {
        assert!(deploy.log.contains(line), "no {line:?} in\n{}", deploy.log);
    }

    let plan = repository.run(&with(&[("DETAILED-EXITCODE", "true")]), 0);
    assert_eq!(plan.output("changes"), "false");
    assert_eq!(plan.counts(), ["0", "0", "0", "0", "2", "0"]);
    assert!(plan.summary.contains("**No changes**"), "{}", plan.summary);
    let again = repository.run(&with(&[("COMMAND", "deploy")]), 0);
    assert_eq!(again.output("changes"), "false");

    let destroy = repository.run(&with(&[("COMMAND", "destroy")]), 0);
    assert_eq!(destroy.counts(), ["0", "0", "2", "0", "0", "0"]);
    assert!(destroy.summary.contains("### Destroy: done"), "{}", destroy.summary);
}

#[test]
fn cloudformation_itself_is_asked_if_the_input_says_so() {
    let repository = Repository::new(CONFIG);
    repository.run(&with(&[("COMMAND", "deploy")]), 0);
    let changed = [("PARAMS", "note=y"), ("CHANGE-SETS", "true")];
    let asked = repository.run(&with(&changed), 0);
    assert!(asked.summary.contains("CloudFormation announces what was predicted"), "{}", asked.summary);
    let plan = repository.run(&with(&changed[..1]), 0);
    assert!(!plan.summary.contains("CloudFormation"), "{}", plan.summary);
}

#[test]
fn pending_changes_fail_the_step_only_if_the_input_says_so() {
    let repository = Repository::new(CONFIG);
    let failing = repository.run(&with(&[("DETAILED-EXITCODE", "true")]), 2);
    let told = repository.run(&with(&[("DETAILED-EXITCODE", "output")]), 0);
    for step in [failing, told] {
        assert_eq!((step.output("exit-code"), step.output("changes")), ("2", "true"));
        assert!(step.commands().is_empty(), "changes are no error:\n{}", step.log);
    }
}

#[test]
fn every_problem_of_a_config_stands_beside_its_line() {
    let config = CONFIG.replace("persistent_graph_key", "persistent_graph_keys");
    let config = config
        .replace("name: a,", "name: a, enabled: maybe,")
        .replace("b, template_path: t", "b, template_path: nope");
    let repository = Repository::new(&config);
    for command in ["plan", "deploy", "validate"] {
        let step = repository.run(&with(&[("COMMAND", command)]), 10);
        let commands = step.commands();
        assert_eq!(commands.len(), 3, "{}", step.log);
        let starts = [
            "::error file=infra/cfngin.yml,line=5,col=24,title=config%3A%3Awrong_type::`enabled` must be true or false%0Ahelp: ",
            "::error file=infra/cfngin.yml,line=6,col=30,title=template%3A%3Amissing::stack `b`: its template nope.yml does not exist%0Ahelp: ",
            "::warning file=infra/cfngin.yml,line=3,col=1,title=config%3A%3Anear_miss::",
        ];
        for (annotation, start) in commands.iter().zip(starts) {
            assert!(annotation.starts_with(start), "{annotation}");
        }
        assert!(step.summary.contains("(exit code 10)"), "{}", step.summary);
        assert!(step.summary.contains("`config::wrong_type`, cfngin.yml line 5)"), "{}", step.summary);
        assert_eq!((step.output("exit-code"), step.output("changes"), step.output("none")), ("10", "", ""));
        // The program's own words, with the lines of the config, are in the log.
        assert!(step.log.contains("error: 2 problems"), "{}", step.log);
    }
}

#[test]
fn warnings_stand_beside_their_lines_also_where_a_plan_was_made() {
    let repository = Repository::new(&CONFIG.replace("persistent_graph_key", "persistent_graph_keys"));
    for command in ["validate", "plan", "deploy"] {
        let step = repository.run(&with(&[("COMMAND", command)]), 0);
        let start = "::warning file=infra/cfngin.yml,line=3,col=1,title=config%3A%3Anear_miss::";
        let commands = step.commands();
        assert_eq!(
            commands.iter().filter(|line| line.starts_with(start)).count(),
            1,
            "{command}: {commands:?}"
        );
        assert!(step.summary.contains("- warning: "), "{}", step.summary);
    }
    let left: Vec<_> =
        std::fs::read_dir(repository.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!left.iter().any(|path| path.display().to_string().contains("runway-")), "{left:?}");
}

#[test]
fn a_failed_stack_is_an_annotation_with_its_cause() {
    let repository = Repository::new(CONFIG);
    repository.file("t.yml", &TEMPLATE.replace("seconds: 0", "seconds: 0, fail: \"no room, 100%\""));
    let step = repository.run(&with(&[("COMMAND", "deploy")]), 30);
    let commands = step.commands();
    assert_eq!(commands.len(), 1, "{}", step.log);
    let start =
        "::error title=stack a (ns-a) failed::first failed: P (AWS::SSM::Parameter): no room, 100%25%0A";
    assert!(commands[0].starts_with(start), "{}", commands[0]);
    for words in [
        "### Deploy failed: one or more steps failed (exit code 30)",
        "1 FAILED, 1 not done",
        "- `a` (`ns-a`) **failed**\n  - first failed: P (AWS::SSM::Parameter): no room, 100%\n",
        "- `b` was not started, because of `a`",
        "**Next:** correct the cause and run this again",
        "### Plan to deploy `ns`",
    ] {
        assert!(step.summary.contains(words), "no {words:?} in\n{}", step.summary);
    }
    assert_eq!((step.output("exit-code"), step.output("create")), ("30", "2"));
}

#[test]
fn wrong_inputs_are_refused_before_anything_runs() {
    let repository = Repository::new(CONFIG);
    for (name, value, words) in [
        ("COMMAND", "apply", "`command` must be plan, deploy, destroy or validate, not `apply`"),
        ("PARAMS", "note=x\nhunter2", "`params` must have one NAME=VALUE a line, and its line 2 is none"),
        ("DETAILED-EXITCODE", "2", "`detailed-exitcode` must be false, true or output"),
        ("WORKING-DIRECTORY", "nowhere", "`working-directory` names no directory"),
    ] {
        let step = repository.run(&with(&[(name, value)]), 64);
        let commands = step.commands();
        assert!(commands.len() == 1 && commands[0].starts_with("::error::"), "{}", step.log);
        assert!(commands[0].contains(words) && !commands[0].contains("hunter2"), "{}", step.log);
        assert_eq!(step.output("exit-code"), "64");
    }
    let help = repository.run(&with(&[("ARGUMENTS", "--help")]), 0);
    assert!(help.log.contains("\nShow what a deploy would do"), "{}", help.log);
    let step = repository.run(&with(&[("ARGUMENTS", "--nonsense")]), 64);
    assert!(step.log.contains("unexpected argument '--nonsense'"), "{}", step.log);
    let expected = "::error title=runway-rs plan::the command line is wrong (exit code 64)";
    assert!(step.commands()[0].starts_with(expected), "{}", step.log);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let repository = Repository::new(CONFIG);
    let step = repository.run(&with(&[("BINARY", "bin/none")]), 1);
    assert!(step.commands()[0].contains("bin/none cannot be run"), "{}", step.log);
}

#[test]
fn summaries_and_outputs_of_the_same_step_are_kept() {
    let repository = Repository::new(CONFIG);
    let mut command = repository.command(&PLAN);
    std::fs::write(repository.path().join("summary"), "# Mine\n").unwrap();
    std::fs::write(repository.path().join("outputs"), "mine=1\n").unwrap();
    let step = repository.ended(command.spawn().unwrap(), 0);
    assert!(step.summary.starts_with("# Mine\n") && step.summary.contains("### Plan"), "{}", step.summary);
    assert!(std::fs::read_to_string(repository.path().join("outputs")).unwrap().starts_with("mine=1\n"));
}

#[test]
fn a_summary_stays_below_what_github_takes() {
    let repository = Repository::new(CONFIG);
    let mut command = repository.command(&PLAN);
    let there = "x".repeat(1024 * 1024 - 300);
    std::fs::write(repository.path().join("summary"), &there).unwrap();
    let step = repository.ended(command.spawn().unwrap(), 0);
    assert!(step.summary.len() <= 1024 * 1024, "{}", step.summary.len());
    assert!(step.summary.trim_end().ends_with("The log of the step has all of it.**"));
}

#[test]
fn the_script_of_the_action_hands_over_every_input() {
    let repository = Repository::new(CONFIG);
    let mut script = Command::new("bash");
    script.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/run.sh"));
    let program = runway_rs().to_str().unwrap();
    let inputs = with(&[("ACTION-BINARY", front_end()), ("BINARY", program), ("DETAILED-EXITCODE", "true")]);
    let step = repository.ended(repository.prepared(script, &inputs).spawn().unwrap(), 2);
    assert_eq!(step.output("create"), "2");
}

#[test]
fn a_cancelled_job_ends_in_order() {
    let repository = Repository::new(CONFIG);
    repository.file("t.yml", &TEMPLATE.replace("seconds: 0", "seconds: 3"));
    let child = repository.command(&with(&[("COMMAND", "deploy")])).spawn().unwrap();
    let status = || {
        let mut status = Command::new(runway_rs());
        status.args(["status", "--provider", "local", "-c", "cfngin.yml", "--param", "note=x"]);
        let output = status.current_dir(repository.path().join("infra")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !status().contains("CREATE_IN_PROGRESS") {
        assert!(Instant::now() < deadline, "the first stack is never being created");
        std::thread::sleep(Duration::from_millis(50));
    }
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::INT).unwrap();
    let step = repository.ended(child, 130);
    assert!(step.log.contains("interrupted: nothing new starts"), "{}", step.log);
    assert!(step.summary.contains("### Deploy failed: interrupted (exit code 130)"), "{}", step.summary);
    let now = status();
    assert!(now.contains("CREATE_COMPLETE") && now.contains("ABSENT"), "{now}");
}

//! The comment in the pull request: created once, then edited, and nothing that GitHub does about it hides how a run ended.

use std::net::TcpListener;

use crate::github::{Comment, GitHub, RUN, Reply, TOKEN, join};
use crate::support::{CONFIG, Repository, Step};
use crate::with;

const LIST: &str = "/repos/owner/stacks/issues/7/comments";

fn run(repository: &Repository, github: &GitHub, inputs: &[(&str, &str)], code: i32) -> Step {
    let mut command = repository.command(&with(inputs));
    github.join(&mut command, &repository.path().join("event.json"));
    let step = repository.ended(command.spawn().unwrap(), code);
    for text in [&step.log, &step.summary, &step.all_outputs] {
        assert!(!text.contains(TOKEN), "the token is shown:\n{text}");
    }
    step
}

fn of_somebody(id: u64, body: &str) -> Comment {
    Comment { id, body: body.to_owned(), kind: "User", association: "MEMBER" }
}

/// The requests that wrote.
fn writes(github: &GitHub) -> Vec<String> {
    github.requests().into_iter().filter(|request| !request.starts_with("GET")).collect()
}

#[test]
fn a_comment_is_created_once_and_then_edited() {
    let repository = Repository::new(CONFIG);
    let github = GitHub::with(vec![of_somebody(5, "looks good")]);
    let first = run(&repository, &github, &[], 0);
    assert_eq!(github.requests(), [format!("GET {LIST}"), format!("POST {LIST}")]);
    let comments = github.comments();
    assert_eq!(comments.len(), 2);
    let body = &comments[1].body;
    for words in [
        "### runway-rs plan: `infra/cfngin.yml`\n",
        "**2 to create** in `ns`, account ",
        "| `+` | `a` | create | does not exist |\n",
        "review this plan",
        "commit fedcba9876543210",
        RUN,
    ] {
        assert!(body.contains(words), "no {words:?} in\n{body}");
    }
    assert!(body.starts_with("<!-- runway-rs comment "), "{body}");
    let url = "https://github.example.com/owner/stacks/pull/7#issuecomment-6";
    assert_eq!(first.output("comment-url"), url);
    assert_eq!(first.output("summary"), "2 to create");
    assert!(first.commands().is_empty(), "{}", first.log);

    // What was planned was deployed in the meantime: a deploy leaves no comment by itself.
    run(&repository, &github, &[("COMMAND", "deploy")], 0);
    assert!(github.requests().is_empty());
    let second = run(&repository, &github, &[], 0);
    assert_eq!(
        github.requests(),
        [format!("GET {LIST}"), "PATCH /repos/owner/stacks/issues/comments/6".to_owned()]
    );
    let comments = github.comments();
    assert_eq!(comments.len(), 2);
    assert_eq!(comments[0], of_somebody(5, "looks good"));
    assert!(comments[1].body.contains("**No changes** in `ns`"), "{}", comments[1].body);
    assert_eq!((second.output("comment-url"), second.output("summary")), (url, "no changes"));
}

#[test]
fn each_environment_has_its_own_comment_and_a_failed_plan_replaces_the_one_before() {
    let repository = Repository::new(CONFIG);
    let github = GitHub::empty();
    run(&repository, &github, &[], 0);
    run(&repository, &github, &[("DEPLOY-ENVIRONMENT", "prod")], 0);
    run(&repository, &github, &[("REGION", "eu-west-1")], 0);
    assert_eq!(github.comments().len(), 3);
    // The same place, written otherwise.
    run(&repository, &github, &[("WORKING-DIRECTORY", "./infra/"), ("CONFIG", "./cfngin.yml")], 0);
    assert_eq!(github.comments().len(), 3);
    assert!(github.comments()[1].body.contains("environment `prod`"));

    repository.file("cfngin.yml", &CONFIG.replace("name: a,", "name: a, enabled: maybe,"));
    let failed = run(&repository, &github, &[], 10);
    assert!(failed.output("summary").starts_with("failed: the config, or a file it names"), "{}", failed.log);
    let comments = github.comments();
    assert_eq!(comments.len(), 3);
    assert!(comments[0].body.contains("### Plan failed: "), "{}", comments[0].body);
    assert!(comments[0].body.contains("`config::wrong_type`, cfngin.yml line 5)"), "{}", comments[0].body);
}

#[test]
fn the_oldest_of_our_comments_is_found_on_any_page_and_no_other_is_touched() {
    let repository = Repository::new(CONFIG);
    let github = GitHub::empty();
    run(&repository, &github, &[], 0);
    let ours = github.comments().remove(0);
    let like_ours = |id: u64, kind: &'static str, association: &'static str| Comment {
        id,
        body: format!("{}\nold", ours.body.lines().next().unwrap()),
        kind,
        association,
    };
    let others = vec![
        of_somebody(1, "first"),
        of_somebody(2, &format!("> {}", ours.body)),
        like_ours(3, "User", "NONE"),
        of_somebody(4, "second"),
        like_ours(5, "Bot", "NONE"),
        of_somebody(6, "third"),
        like_ours(7, "Bot", "NONE"),
    ];
    let github = GitHub::with(others.clone());
    let step = run(&repository, &github, &[], 0);
    let list = format!("GET {LIST}");
    let edit = "PATCH /repos/owner/stacks/issues/comments/5".to_owned();
    assert_eq!(github.requests(), [list.clone(), list.clone(), list, edit]);
    assert!(step.output("comment-url").ends_with("-5"));
    let now = github.comments();
    for (before, after) in others.iter().zip(&now) {
        assert_eq!(before == after, before.id != 5, "{after:?}");
    }
    assert_eq!(now.len(), others.len());
}

#[test]
fn a_comment_that_was_deleted_is_created_anew() {
    let repository = Repository::new(CONFIG);
    let github = GitHub::empty();
    run(&repository, &github, &[], 0);
    github.delete(101);
    run(&repository, &github, &[], 0);
    assert_eq!(github.comments().len(), 1);

    // Deleted between the list and the change.
    github.answer(|request, _| {
        let gone = || Reply::Instead(404, Vec::new(), r#"{"message": "Not Found"}"#.to_owned());
        request.starts_with("PATCH").then(gone)
    });
    let step = run(&repository, &github, &[], 0);
    assert_eq!(writes(&github).len(), 2);
    assert_eq!(github.comments().len(), 2);
    assert!(step.output("comment-url").ends_with("-102"), "{}", step.all_outputs);
}

#[test]
fn without_permission_the_summary_stands_in_and_the_step_does_not_fail() {
    for (status, message) in
        [(403, "Resource not accessible by integration"), (401, "Bad credentials"), (404, "Not Found")]
    {
        let repository = Repository::new(CONFIG);
        let github = GitHub::empty();
        github.answer(move |request, _| {
            // A server that repeats the token must not make us do so.
            let body = format!(r#"{{"message": "{message} {TOKEN}"}}"#);
            request.starts_with("POST").then(|| Reply::Instead(status, Vec::new(), body))
        });
        let step = run(&repository, &github, &[("DETAILED-EXITCODE", "true")], 2);
        assert_eq!(writes(&github).len(), 1, "asked once");
        let commands = step.commands();
        let start = format!(
            "::notice::the comment in the pull request was not written: POST {LIST}: {status} {message} ***;"
        );
        assert!(commands.len() == 1 && commands[0].starts_with(&start), "{commands:?}");
        assert!(commands[0].contains("`pull-requests: write`"), "{commands:?}");
        assert!(
            step.summary.starts_with("> the comment in the pull request was not written"),
            "{}",
            step.summary
        );
        assert!(step.summary.contains("### Plan to deploy `ns`"), "{}", step.summary);
        assert_eq!((step.output("comment-url"), step.output("changes")), ("", "true"));
    }
}

#[test]
fn limits_are_waited_for_unless_they_last() {
    let repository = Repository::new(CONFIG);
    let github = GitHub::empty();
    github.answer(|_, number| {
        let limit = |status, headers| {
            let body = r#"{"message": "You have exceeded a secondary rate limit"}"#.to_owned();
            Some(Reply::Instead(status, headers, body))
        };
        match number {
            0 => limit(429, vec![("retry-after", "3".to_owned())]),
            2 => limit(403, Vec::new()),
            3 => limit(
                403,
                vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", "1".to_owned())],
            ),
            _ => None,
        }
    });
    let step = run(&repository, &github, &[], 0);
    assert!(step.commands().is_empty(), "{}", step.log);
    let (get, post) = (format!("GET {LIST}"), format!("POST {LIST}"));
    assert_eq!(github.requests(), [get.clone(), get, post.clone(), post.clone(), post]);
    assert_eq!(github.comments().len(), 1);

    github.answer(|_, _| Some(Reply::Instead(403, vec![("retry-after", "3600".to_owned())], String::new())));
    let step = run(&repository, &github, &[], 0);
    assert_eq!(github.requests().len(), 1);
    let commands = step.commands();
    assert!(commands.len() == 1 && commands[0].starts_with("::warning::"), "{commands:?}");
    assert!(commands[0].contains("the limit lasts 3600 seconds more"), "{commands:?}");

    github.answer(|_, _| Some(Reply::Instead(429, vec![("retry-after", "1".to_owned())], String::new())));
    run(&repository, &github, &[], 0);
    assert_eq!(github.requests().len(), 6, "once and five times more");
}

#[test]
fn failures_of_the_server_are_survived_without_a_second_comment() {
    let repository = Repository::new(CONFIG);
    let github = GitHub::empty();
    // It fails before the list; then it creates the comment, but does not say so.
    github.answer(|_, number| match number {
        0 => Some(Reply::Instead(500, Vec::new(), "<html>".to_owned())),
        1 => Some(Reply::HangUp),
        3 => Some(Reply::Afterwards(502)),
        _ => None,
    });
    let step = run(&repository, &github, &[], 0);
    assert!(step.commands().is_empty(), "{}", step.log);
    let (get, post) = (format!("GET {LIST}"), format!("POST {LIST}"));
    let edit = "PATCH /repos/owner/stacks/issues/comments/101".to_owned();
    assert_eq!(github.requests(), [get.clone(), get.clone(), get.clone(), post, get, edit]);
    assert_eq!(github.comments().len(), 1);

    github.answer(|_, _| Some(Reply::Instead(503, Vec::new(), String::new())));
    let step = run(&repository, &github, &[("DETAILED-EXITCODE", "true")], 2);
    let commands = step.commands();
    assert!(commands.len() == 1 && commands[0].starts_with("::warning::the comment in the"), "{commands:?}");
    assert!(github.requests().len() <= 6);
    github.answer(|request, _| {
        let body = r#"{"message": "Validation Failed"}"#.to_owned();
        request.starts_with("PATCH").then(|| Reply::Instead(422, Vec::new(), body))
    });
    let step = run(&repository, &github, &[], 0);
    assert!(step.commands()[0].contains("422 Validation Failed"), "{}", step.log);
}

#[test]
fn a_dead_server_does_not_hide_how_the_run_ended() {
    // A port that was free a moment ago, and on which nobody listens.
    let address = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let repository = Repository::new(CONFIG);
    for (config, code) in [(CONFIG.to_owned(), 2), (CONFIG.replace("stacks:", "stacks: 1"), 10)] {
        repository.file("cfngin.yml", &config);
        let mut command = repository.command(&with(&[("DETAILED-EXITCODE", "true")]));
        join(&mut command, &address, &repository.path().join("event.json"));
        let step = repository.ended(command.spawn().unwrap(), code);
        let warnings = step.commands().into_iter().filter(|line| line.starts_with("::warning::the comment"));
        assert_eq!(warnings.count(), 1, "{}", step.log);
        assert!(
            step.summary.contains("> the comment in the pull request was not written"),
            "{}",
            step.summary
        );
        assert!(!step.log.contains(TOKEN), "{}", step.log);
    }
}

#[test]
fn the_token_is_sent_to_no_other_server() {
    let repository = Repository::new(CONFIG);
    let github = GitHub::with((1..=5).map(|id| of_somebody(id, "x")).collect());
    let other = GitHub::empty();
    github.next_pages_at(&other.address);
    let step = run(&repository, &github, &[], 0);
    assert!(step.commands()[0].contains("it goes on at another server"), "{}", step.log);
    assert!(other.requests().is_empty());
    assert!(writes(&github).is_empty());
    // A redirection there is not followed either; one to another place of the same server is.
    let redirected = |target: String| {
        move |request: &str, _| {
            let header = ("location", format!("{target}{LIST}"));
            let is_old = request.contains("/old/");
            is_old.then(|| Reply::Instead(307, vec![header], String::new()))
        }
    };
    let github = GitHub::empty();
    for (target, warnings) in [(other.address.clone(), 1), (github.address.clone(), 0)] {
        github.answer(redirected(target));
        let mut command = repository.command(&with(&[]));
        github.join(&mut command, &repository.path().join("event.json"));
        command.env("GITHUB_REPOSITORY", "old/stacks");
        let step = repository.ended(command.spawn().unwrap(), 0);
        assert_eq!(step.commands().len(), warnings, "{}", step.log);
    }
    assert!(other.requests().is_empty());
    assert_eq!(github.comments().len(), 1);
}

#[test]
fn there_is_a_comment_where_one_is_wanted() {
    let repository = Repository::new(CONFIG);
    let github = GitHub::empty();
    run(&repository, &github, &[("COMMENT", "false")], 0);
    assert!(github.requests().is_empty());
    run(&repository, &github, &[("COMMENT", "true"), ("COMMAND", "deploy")], 0);
    assert!(github.comments()[0].body.contains("### Deploy: done"), "{}", github.comments()[0].body);
    github.requests();

    // A push belongs to no pull request.
    let push = |inputs: &[(&str, &str)]| {
        let mut command = repository.command(&with(inputs));
        github.join(&mut command, &repository.path().join("event.json"));
        std::fs::write(repository.path().join("event.json"), r#"{"ref": "refs/heads/main"}"#).unwrap();
        command.env("GITHUB_REF", "refs/heads/main");
        repository.ended(command.spawn().unwrap(), 0)
    };
    assert!(push(&[]).commands().is_empty());
    let told = push(&[("COMMENT", "true")]);
    assert!(told.commands()[0].contains("this run belongs to no pull request"), "{}", told.log);
    assert!(github.requests().is_empty());

    // Without a token there is none, and that is said only if one was asked for.
    let mut command = repository.command(&with(&[]));
    github.join(&mut command, &repository.path().join("event.json"));
    command.env("INPUT_TOKEN", "");
    assert!(repository.ended(command.spawn().unwrap(), 0).commands().is_empty());
    assert!(github.requests().is_empty());
}

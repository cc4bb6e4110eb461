//! Problems of tasks in a config, each with its place and what to do.

use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;

/// What is wrong with a task.
#[derive(Debug, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub(crate) enum TaskProblem {
    #[error("the task `{name}` is there twice")]
    #[diagnostic(code(tasks::duplicate), help("rename one of them, or remove it"))]
    Duplicate {
        name: String,
        #[label("first here")]
        first: SourceSpan,
        #[label("and again here")]
        second: SourceSpan,
    },

    #[error("the task has two names: its key is `{key}`")]
    #[diagnostic(code(tasks::two_names), help("leave `name` out, or make it `{key}`"))]
    TwoNames {
        key: String,
        #[label("another name")]
        span: SourceSpan,
    },

    #[error("`{name}` cannot be the name of a task")]
    #[diagnostic(
        code(tasks::name),
        help("use letters, digits, dashes and underscores, and start with a letter or a digit")
    )]
    Name {
        name: String,
        #[label("this name")]
        span: SourceSpan,
    },

    #[error("`{field}` is {words}")]
    #[diagnostic(code(tasks::word), help("write one of these"))]
    Word {
        field: String,
        words: String,
        #[label("something else")]
        span: SourceSpan,
    },

    #[error("a task has either `{one}` or `{many}`")]
    #[diagnostic(code(tasks::two_places), help("remove one of them; `{many}` makes a node of each"))]
    TwoPlaces {
        one: &'static str,
        many: &'static str,
        #[label("`{one}` here")]
        first: SourceSpan,
        #[label("and `{many}` here")]
        second: SourceSpan,
    },

    #[error("`{field}` has nothing in it, so that the task would do nothing")]
    #[diagnostic(code(tasks::no_places), help("name one, or write `enabled: false`"))]
    NoPlaces {
        field: &'static str,
        #[label("empty")]
        span: SourceSpan,
    },

    #[error("the task is to work in {place} twice")]
    #[diagnostic(code(tasks::same_place), help("remove one of them"))]
    SamePlace {
        place: String,
        #[label("again here")]
        span: SourceSpan,
    },

    #[error("`{account}` is no account id")]
    #[diagnostic(code(tasks::account), help("an account id has twelve digits; put it in quotes"))]
    Account {
        account: String,
        #[label("this account")]
        span: SourceSpan,
    },

    #[error("`{region}` is no region")]
    #[diagnostic(code(tasks::region), help("write it as AWS does, for example `eu-west-1`"))]
    Region {
        region: String,
        #[label("this region")]
        span: SourceSpan,
    },

    #[error("`{role}` is not the ARN of a role")]
    #[diagnostic(
        code(tasks::role),
        help(
            "write for example `arn:aws:iam::${{place account}}:role/deployer`; only `place account` and `place region` are known here"
        )
    )]
    Role {
        role: String,
        #[label("this role")]
        span: SourceSpan,
    },

    #[error("there is no kind of tasks `{kind}`")]
    #[diagnostic(code(tasks::unknown_kind), help("{help}"))]
    UnknownKind {
        kind: String,
        help: String,
        #[label("unknown kind")]
        span: SourceSpan,
    },

    #[error("task `{task}`: `{kind}` has no argument `{argument}`")]
    #[diagnostic(code(tasks::unknown_argument), help("{help}"))]
    UnknownArgument {
        task: String,
        kind: String,
        argument: String,
        help: String,
        #[label("unknown argument")]
        span: SourceSpan,
    },

    #[error("task `{task}`: {what}")]
    #[diagnostic(code(tasks::arguments), help("`{kind}` takes {known}"))]
    Arguments {
        task: String,
        kind: String,
        what: String,
        known: String,
        #[label("in the arguments of this task")]
        span: SourceSpan,
    },

    #[error("task `{task}`: {what} no effect for the kind `{kind}`")]
    #[diagnostic(severity(Warning), code(tasks::without_effect), help("{help}"))]
    WithoutEffect {
        task: String,
        kind: String,
        /// Fields and verb.
        what: String,
        help: String,
        #[label("this task")]
        span: SourceSpan,
    },
}

impl Problem for TaskProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Config
    }
}

//! What keeps a plan from being made, or a stack from being planned.

use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;
use crate::provider::ErrorKind;

/// Problems of plans.
#[derive(Debug, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum PlanProblem {
    #[error("{message}")]
    #[diagnostic(code(lookup::failed))]
    Lookup {
        message: String,
        #[help]
        help: Option<String>,
        kind: Option<ErrorKind>,
        #[label("in this value")]
        span: SourceSpan,
    },

    #[error("stack `{stack}`: {message}")]
    #[diagnostic(code(template::not_rendered))]
    NotRendered {
        stack: String,
        message: String,
        #[help]
        help: Option<String>,
        kind: Option<ErrorKind>,
        #[label("rendered from this")]
        span: SourceSpan,
    },

    #[error("stack `{stack}` does not give these parameters of its template: {parameters}")]
    #[diagnostic(
        code(parameters::missing),
        help("add them to `variables`, or give them a `Default` in {template}")
    )]
    MissingParameters {
        stack: String,
        parameters: String,
        template: String,
        #[label("parameters are missing")]
        span: SourceSpan,
    },

    #[error(
        "stack `{stack}` cannot be created: these parameters of its template have no value: {parameters}"
    )]
    #[diagnostic(
        severity(Warning),
        code(parameters::missing),
        help(
            "add them to `variables`, or give them a `Default` in {template}; a stack that exists keeps the values it has"
        )
    )]
    OpenParameters {
        stack: String,
        parameters: String,
        template: String,
        #[label("parameters are missing")]
        span: SourceSpan,
    },

    #[error("stack `{stack}`: its template has no parameter `{variable}`, so this variable is not used")]
    #[diagnostic(severity(Warning), code(parameters::unknown_variable), help("{help}"))]
    UnknownVariable {
        stack: String,
        variable: String,
        help: String,
        #[label("no such parameter")]
        span: SourceSpan,
    },

    #[error("stack `{stack}`: the variable `{variable}` cannot be a parameter: it is {found}")]
    #[diagnostic(
        code(parameters::shape),
        help("parameters are single values or lists of single values; lists are joined with commas")
    )]
    ParameterShape {
        stack: String,
        variable: String,
        found: &'static str,
        #[label("{found}")]
        span: SourceSpan,
    },

    #[error("stack `{stack}`: the template does not allow this value of parameter `{parameter}`: {rule}")]
    #[diagnostic(code(parameters::not_allowed), help("{help}"))]
    ParameterNotAllowed {
        stack: String,
        parameter: String,
        rule: String,
        help: String,
        #[label("this value")]
        span: SourceSpan,
    },

    #[error("task `{task}`: {what}")]
    #[diagnostic(
        code(tasks::arguments),
        help("this shows only now that the values of its lookups are known")
    )]
    TaskArguments {
        task: String,
        what: String,
        #[label("this task")]
        span: SourceSpan,
    },

    #[error("task `{task}` cannot be planned: {message}")]
    #[diagnostic(code(tasks::not_read))]
    TaskNotRead {
        task: String,
        message: String,
        #[help]
        help: Option<String>,
        kind: Option<ErrorKind>,
        #[label("this task")]
        span: SourceSpan,
    },

    #[error("what the task `{task}` keeps, which is to be deleted, cannot be looked at: {message}")]
    #[diagnostic(code(tasks::not_read), help("{help}"))]
    RemovedTaskNotRead { task: String, message: String, help: String, kind: Option<ErrorKind> },

    #[error("task `{task}` would delete what cannot be deleted: {message}")]
    #[diagnostic(code(tasks::undeletable))]
    Undeletable {
        task: String,
        message: String,
        #[help]
        help: Option<String>,
        #[label("this task")]
        span: SourceSpan,
    },

    #[error("task `{task}` kept {left}, and is to keep {now} now")]
    #[diagnostic(code(tasks::left_behind), help("{help}"))]
    LeftBehind {
        task: String,
        left: String,
        now: String,
        help: String,
        #[label("this task")]
        span: SourceSpan,
    },

    #[error("task `{task}` works on {keeper}: `{stack}`")]
    #[diagnostic(
        code(tasks::stack_of_others),
        help(
            "a stack has one owner, or it would be deleted while it is wanted: let the config's stack go first (`runway-rs graph forget` keeps the stack itself), or name another one"
        )
    )]
    StackOfOthers {
        task: String,
        stack: String,
        keeper: String,
        #[label("this task")]
        span: SourceSpan,
    },

    #[error("the tasks `{one}` and `{other}` keep the same: {subject}")]
    #[diagnostic(
        code(tasks::same_subject),
        help("they would undo each other's work: remove one of them, or make them differ")
    )]
    SameSubject {
        subject: String,
        one: String,
        other: String,
        #[label("this one")]
        first: SourceSpan,
        #[label("and this one")]
        second: SourceSpan,
    },

    #[error("stack `{stack}` does not exist, and without a template it cannot be created")]
    #[diagnostic(
        code(plan::no_template),
        help("add `template_path:`; a locked stack is created if it is missing")
    )]
    NoTemplate {
        stack: String,
        #[label("no template")]
        span: SourceSpan,
    },

    #[error("the template of stack `{stack}` has {size} bytes, and without a bucket it can have 51,200")]
    #[diagnostic(
        code(plan::needs_bucket),
        help("remove `cfngin_bucket: \"\"` or name a bucket: templates are then uploaded, up to 1 MB")
    )]
    NeedsBucket {
        stack: String,
        size: usize,
        #[label("too long to be sent in a request")]
        span: SourceSpan,
    },

    #[error("the template of stack `{stack}` has {size} bytes, and CloudFormation takes 1,048,576 at most")]
    #[diagnostic(
        code(plan::template_too_long),
        help("split the stack, or move repeated parts into nested stacks or modules")
    )]
    TemplateTooLong {
        stack: String,
        size: usize,
        #[label("too long")]
        span: SourceSpan,
    },

    #[error(
        "the config has {what}, and {count} {} recorded: a deploy would delete {}",
        if *count == 1 { "is" } else { "are" },
        if *count == 1 { "it" } else { "all of them" }
    )]
    #[diagnostic(
        code(plan::empty_config),
        help("if that is meant, add --allow-empty; otherwise check the config: {recorded}")
    )]
    EmptyConfig {
        what: &'static str,
        count: usize,
        recorded: String,
        #[label("no stack here")]
        span: SourceSpan,
    },

    #[error("the persistent graph belongs to {theirs}, this run works in {ours}")]
    #[diagnostic(
        code(plan::other_place),
        help(
            "{what} `{name}` is recorded there; use one `persistent_graph_key` per account and region, or the right credentials and region"
        )
    )]
    OtherPlace { what: &'static str, name: String, theirs: String, ours: String },

    #[error("stack `{stack}` was deployed as `{before}`, and the config now calls it `{now}`")]
    #[diagnostic(
        code(plan::renamed),
        help(
            "`{before}` would be left behind without a record; either keep its `stack_name`, or remove the stack from the config and deploy (which deletes it), or `runway-rs graph forget {stack}` to leave it unmanaged"
        )
    )]
    Renamed {
        stack: String,
        before: String,
        now: String,
        #[label("becomes `{now}`")]
        span: SourceSpan,
    },

    #[error(
        "stack `{stack}` ({fqn}) is in status {status} and has other tags than the config gives it: it was probably not made by this config"
    )]
    #[diagnostic(
        code(plan::not_ours),
        help(
            "CloudFormation allows nothing but its deletion, which is not done to a stack of somebody else; delete it by hand or change `stack_name`"
        )
    )]
    NotOurs {
        stack: String,
        fqn: String,
        status: &'static str,
        #[label("would be deleted and created anew")]
        span: SourceSpan,
    },

    #[error("no stack and no task is called `{name}`: neither in the config nor in the persistent graph")]
    #[diagnostic(code(plan::unknown_selection), help("{help}"))]
    UnknownSelection { name: String, help: String },

    #[error("`{stack}` needs {missing}, which neither exists nor is selected")]
    #[diagnostic(
        code(plan::needs_unselected),
        help("add --with-dependencies, or select it with --stack too")
    )]
    NeedsUnselected {
        stack: String,
        missing: String,
        #[label("selected")]
        span: SourceSpan,
    },

    #[error("`{node}` needs the task `{task}`, which is not selected and {why}")]
    #[diagnostic(
        code(plan::needs_unselected),
        help("deploy it first (`--stack {task}`), or add --with-dependencies")
    )]
    NeedsTask {
        node: String,
        task: String,
        why: &'static str,
        #[label("selected")]
        span: SourceSpan,
    },

    #[error(
        "{} would be deleted, although what is not selected may still need it: {users}",
        if stack == fqn { format!("what the task `{stack}` keeps") } else { format!("stack `{stack}` ({fqn})") }
    )]
    #[diagnostic(
        code(plan::still_needed),
        help("add --with-dependents, select them with --stack too, or run without a selection")
    )]
    StillNeeded { stack: String, fqn: String, users: String },

    #[error("the deployed template of stack `{stack}` cannot be read: {reason}")]
    #[diagnostic(severity(Warning), code(plan::deployed_template), help("it counts as changed"))]
    DeployedTemplate { stack: String, reason: String },
}

impl Problem for PlanProblem {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Lookup { kind, .. } => kind.map_or(ExitCode::Lookup, ErrorKind::exit_code_of_lookup),
            Self::TaskNotRead { kind, .. } | Self::RemovedTaskNotRead { kind, .. } => {
                kind.map_or(ExitCode::Config, ErrorKind::exit_code)
            }
            Self::NotRendered { kind, .. } => kind.map_or(ExitCode::Config, ErrorKind::exit_code),
            Self::TaskArguments { .. }
            | Self::SameSubject { .. }
            | Self::MissingParameters { .. }
            | Self::ParameterShape { .. }
            | Self::ParameterNotAllowed { .. }
            | Self::OpenParameters { .. }
            | Self::UnknownVariable { .. }
            | Self::NoTemplate { .. }
            | Self::NeedsBucket { .. }
            | Self::TemplateTooLong { .. }
            | Self::UnknownSelection { .. }
            | Self::NeedsUnselected { .. }
            | Self::NeedsTask { .. }
            | Self::DeployedTemplate { .. } => ExitCode::Config,
            Self::EmptyConfig { .. }
            | Self::OtherPlace { .. }
            | Self::Renamed { .. }
            | Self::LeftBehind { .. }
            | Self::Undeletable { .. }
            | Self::StackOfOthers { .. }
            | Self::StillNeeded { .. }
            | Self::NotOurs { .. } => ExitCode::Refused,
        }
    }
}

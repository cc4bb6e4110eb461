//! Problems of a project, each with its place and what to do.

use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;

/// Problems of a `runway.yml` and of what it names.
#[derive(Debug, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ProjectProblem {
    #[error("the project file is empty")]
    #[diagnostic(
        code(project::empty),
        help(
            "it needs `deployments:`, a list of modules and the regions they go to; `runway-rs new` writes one"
        )
    )]
    Empty {
        #[label("nothing here")]
        span: SourceSpan,
    },

    #[error("{what} is a map of fields")]
    #[diagnostic(code(project::not_a_map), help("{help}"))]
    NotAMap {
        what: &'static str,
        help: &'static str,
        found: &'static str,
        #[label("this is {found}")]
        span: SourceSpan,
    },

    #[error("deployment `{deployment}` has no regions")]
    #[diagnostic(
        code(project::no_regions),
        help(
            "add `regions: [us-east-1]`, or `parallel_regions:` for regions that may be worked on at the same time"
        )
    )]
    NoRegions {
        deployment: String,
        #[label("where to?")]
        span: SourceSpan,
    },

    #[error("deployment `{deployment}` has both `regions` and `parallel_regions`")]
    #[diagnostic(code(project::two_regions), help("leave one of them out"))]
    TwoRegions {
        deployment: String,
        #[label("these")]
        first: SourceSpan,
        #[label("and these")]
        second: SourceSpan,
    },

    #[error("`{field}` can be a text only if it is a lookup")]
    #[diagnostic(code(project::only_lookup), help("{help}"))]
    OnlyLookup {
        field: &'static str,
        help: &'static str,
        #[label("no lookup")]
        span: SourceSpan,
    },

    #[error("a module has both `path` and `parallel`")]
    #[diagnostic(
        code(project::path_and_parallel),
        help("the modules in `parallel` have paths of their own; leave one of the two out")
    )]
    PathAndParallel {
        #[label("a path")]
        path: SourceSpan,
        #[label("and other modules")]
        parallel: SourceSpan,
    },

    #[error("modules in `parallel` cannot have `parallel` themselves")]
    #[diagnostic(code(project::nested_parallel), help("write them all into one list"))]
    NestedParallel {
        #[label("one level too deep")]
        span: SourceSpan,
    },

    #[error("there is no module type `{name}`")]
    #[diagnostic(
        code(project::module_type),
        help("known are cdk, cloudformation, kubernetes, serverless, static and terraform")
    )]
    ModuleType {
        name: String,
        #[label("no type")]
        span: SourceSpan,
    },

    #[error("`runway_version` has no version in `{text}`")]
    #[diagnostic(
        code(project::version_form),
        help("write versions as Python does, for example `\">=2.0,<3\"`")
    )]
    VersionForm {
        text: String,
        #[label("not a version")]
        span: SourceSpan,
    },

    #[error("the project is made for Runway {wanted}")]
    #[diagnostic(
        code(project::version),
        help("this program reads projects of Runway {ours}; if yours is one, widen `runway_version`")
    )]
    Version {
        wanted: String,
        ours: &'static str,
        #[label("excludes {ours}")]
        span: SourceSpan,
    },

    #[error("`tests` has no effect: there is no command `test`")]
    #[diagnostic(severity(Warning), code(project::tests), help("run them in CI by themselves"))]
    Tests {
        #[label("not run")]
        span: SourceSpan,
    },

    #[error("`{field}` does not take {found}")]
    #[diagnostic(code(project::wrong_value), help("{help}"))]
    WrongValue {
        field: String,
        found: String,
        help: &'static str,
        #[label("gives {found}")]
        span: SourceSpan,
    },

    #[error("{message}")]
    #[diagnostic(code(project::lookup), help("{help}"))]
    Lookup {
        message: String,
        help: String,
        exit: ExitCode,
        #[label("in `{field}`")]
        span: SourceSpan,
        field: &'static str,
    },

    #[error("there is no variables file {path}")]
    #[diagnostic(
        code(project::no_variables_file),
        help("`file_path` is relative to the project file; leave it out if there is no such file")
    )]
    NoVariablesFile {
        path: String,
        #[label("named here")]
        span: SourceSpan,
    },

    #[error("the path of module `{module}` cannot be used: {reason}")]
    #[diagnostic(
        code(project::path),
        help("write a directory relative to the project file, or `git::<uri>//<directory>?branch=<name>`")
    )]
    Path {
        module: String,
        reason: String,
        #[label("this path")]
        span: SourceSpan,
    },

    #[error("module `{module}`: {message}")]
    #[diagnostic(code(project::not_fetched), help("{help}"))]
    NotFetched {
        module: String,
        message: String,
        help: String,
        #[label("this source")]
        span: SourceSpan,
    },

    #[error("module `{module}` is of type {kind}, which this program does not carry out")]
    #[diagnostic(
        code(project::other_type),
        help(
            "use {instead} for it; --module NAME or --tag TAG selects the CloudFormation modules, and `environments: false` takes this one out"
        )
    )]
    OtherType {
        module: String,
        kind: &'static str,
        instead: &'static str,
        #[label("not a CloudFormation module")]
        span: SourceSpan,
    },

    #[error(
        "module `{module}` is carried out by the Python class `{class}`, which this program does not run"
    )]
    #[diagnostic(
        code(project::own_class),
        help("use Runway for it; --module NAME or --tag TAG selects the other modules")
    )]
    OwnClass {
        module: String,
        class: String,
        #[label("not a CloudFormation module")]
        span: SourceSpan,
    },

    #[error("nothing says of what type module `{module}` is")]
    #[diagnostic(
        code(project::unknown_type),
        help("put a CFNgin config (*.yml) into it, end its name in `.cfn`, or write `type: cloudformation`")
    )]
    UnknownType {
        module: String,
        #[label("this module")]
        span: SourceSpan,
    },

    #[error("there is no module with {wanted}")]
    #[diagnostic(code(project::nothing_selected), help("{help}"))]
    NothingSelected { wanted: String, help: String },

    #[error("{first} and {second} would share the persistent graph {graph}")]
    #[diagnostic(
        code(project::shared_graph),
        help(
            "each would delete the stacks of the other: make `persistent_graph_key`, `namespace` or `cfngin_bucket` differ, for example with `${{region}}`"
        )
    )]
    SharedGraph { graph: String, first: String, second: String },

    #[error("{first} and {second} have the same persistent graph {graph}")]
    #[diagnostic(
        severity(Warning),
        code(project::same_graph),
        help(
            "each deploy of one deletes the stacks that only the other has; give them different `persistent_graph_key`s"
        )
    )]
    SameGraph { graph: String, first: String, second: String },

    #[error("{first} has the persistent graph {graph}, and so has {second}, which is not selected")]
    #[diagnostic(
        code(project::graph_of_others),
        help(
            "this run would delete the stacks that only the other lists: select both, select stacks by --stack, or give them different `persistent_graph_key`s"
        )
    )]
    GraphOfOthers { graph: String, first: String, second: String },

    #[error("no deployment goes to the region {region}")]
    #[diagnostic(code(project::region), help("regions are {known}"))]
    NoSuchRegion { region: String, known: String },

    #[error(
        "`{variable}` in the `env_vars` of module `{module}` chooses other credentials than those of the role"
    )]
    #[diagnostic(
        code(project::role_and_credentials),
        help("put the module into a deployment of its own, whose `env_vars` say who assumes the role")
    )]
    RoleAndCredentials {
        module: String,
        variable: &'static str,
        #[label("its deployment has `assume_role`")]
        span: SourceSpan,
    },

    #[error("the `env_vars` of module `{module}` have only a part of an access key")]
    #[diagnostic(
        code(project::incomplete_keys),
        help("give both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
    )]
    IncompleteKeys {
        module: String,
        #[label("set here, or in the module's `runway.module.yml`")]
        span: SourceSpan,
    },

    #[error("`{variable}` in `env_vars` would have no effect on this program's own requests")]
    #[diagnostic(
        code(project::unread_variable),
        help("set it in the environment that this program is started in")
    )]
    UnreadVariable {
        variable: &'static str,
        #[label("set here, or in the module's `runway.module.yml`")]
        span: Option<SourceSpan>,
    },

    #[error(
        "deployment `{deployment}` is meant for the account {wanted}, and these credentials are of {found}"
    )]
    #[diagnostic(code(project::other_account), help("use credentials of the account, or correct `{field}`"))]
    OtherAccount {
        deployment: String,
        wanted: String,
        found: String,
        field: &'static str,
        #[label("required here")]
        span: SourceSpan,
    },
}

impl Problem for ProjectProblem {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Lookup { exit, .. } => *exit,
            Self::SharedGraph { .. }
            | Self::GraphOfOthers { .. }
            | Self::RoleAndCredentials { .. }
            | Self::OtherAccount { .. } => ExitCode::Refused,
            _ => ExitCode::Config,
        }
    }
}

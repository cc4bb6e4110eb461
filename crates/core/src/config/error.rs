//! Problems of a config, each with its place and what to do.

use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;

/// Problems of a config file.
#[derive(Debug, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ConfigProblem {
    #[error("the config is empty")]
    #[diagnostic(
        code(config::empty),
        help("a config needs at least `namespace`; `stacks: []` says that there are no stacks")
    )]
    Empty {
        #[label("nothing here")]
        span: SourceSpan,
    },

    #[error("a config is a map of fields such as `namespace` and `stacks`")]
    #[diagnostic(code(config::not_a_map), help("start with `namespace: <name>`"))]
    NotAMap {
        #[label("this is {found}")]
        span: SourceSpan,
        found: &'static str,
    },

    #[error("this is a CloudFormation template, not a config")]
    #[diagnostic(
        code(config::is_a_template),
        help(
            "name a CFNgin config here, and this file in the `template_path` of one of its stacks; keep templates out of the directory of the configs"
        )
    )]
    IsATemplate {
        #[label("a template's section")]
        span: SourceSpan,
    },

    #[error("{owner} has no field `{key}`")]
    #[diagnostic(code(config::unknown_key), help("{help}"))]
    UnknownKey {
        owner: &'static str,
        key: String,
        help: String,
        #[label("unknown field")]
        span: SourceSpan,
    },

    #[error("the field `{key}` is unknown and has no effect")]
    #[diagnostic(
        severity(Warning),
        code(config::near_miss),
        help("did you mean `{meant}`? Unknown fields at the top level are allowed as homes for anchors")
    )]
    NearMiss {
        key: String,
        meant: &'static str,
        #[label("did you mean `{meant}`?")]
        span: SourceSpan,
    },

    #[error("{field} must be {expected}")]
    #[diagnostic(code(config::wrong_type), help("{help}"))]
    WrongType {
        field: String,
        expected: &'static str,
        found: &'static str,
        help: String,
        #[label("this is {found}")]
        span: SourceSpan,
    },

    #[error("{owner} has no `{field}`")]
    #[diagnostic(code(config::missing_field), help("add `{field}:` here"))]
    MissingField {
        owner: String,
        field: &'static str,
        #[label("`{field}` is missing")]
        span: SourceSpan,
    },

    #[error("there are two stacks named `{name}`")]
    #[diagnostic(
        code(config::duplicate_stack),
        help("names are the identity of stacks; rename or remove one")
    )]
    DuplicateStack {
        name: String,
        #[label("first here")]
        first: SourceSpan,
        #[label("and again here")]
        second: SourceSpan,
    },

    #[error("two stacks would have the same name in CloudFormation: `{fqn}`")]
    #[diagnostic(code(config::same_stack_name), help("change `name` or `stack_name` of one of them"))]
    SameFqn {
        fqn: String,
        #[label("this one")]
        first: SourceSpan,
        #[label("and this one")]
        second: SourceSpan,
    },

    #[error("CloudFormation does not allow the stack name `{fqn}`: {reason}")]
    #[diagnostic(
        code(config::stack_name),
        help(
            "set `stack_name` to a valid name: it replaces `name` in CloudFormation only; or change the namespace"
        )
    )]
    NodeName {
        fqn: String,
        reason: &'static str,
        #[label("becomes `{fqn}`")]
        span: SourceSpan,
    },

    #[error("stack `{stack}` has both `class_path` and `template_path`")]
    #[diagnostic(code(config::two_templates), help("remove one of them"))]
    TwoTemplates {
        stack: String,
        #[label("a blueprint")]
        class_path: SourceSpan,
        #[label("and a template")]
        template_path: SourceSpan,
    },

    #[error("stack `{stack}` has neither `template_path` nor `class_path`")]
    #[diagnostic(
        code(config::no_template),
        help("add `template_path:`; only disabled or locked stacks can do without")
    )]
    NoTemplate {
        stack: String,
        #[label("what is it made of?")]
        span: SourceSpan,
    },

    #[error("the package sources of a merged config are not fetched")]
    #[diagnostic(
        severity(Warning),
        code(config::nested_sources),
        help("name them in the `package_sources` of the config that everything is merged into")
    )]
    NestedSources {
        #[label("no effect here")]
        span: SourceSpan,
    },

    #[error("the kind of the archive `{key}` is not known")]
    #[diagnostic(code(config::archive_kind), help("the key must end with .zip, .tar or .tar.gz"))]
    ArchiveKind {
        key: String,
        #[label("ends differently")]
        span: SourceSpan,
    },

    #[error("a git source can have one of `branch`, `commit` and `tag`")]
    #[diagnostic(code(config::two_references), help("remove all but one; without any, HEAD is checked out"))]
    TwoReferences {
        first_field: &'static str,
        second_field: &'static str,
        #[label("`{first_field}` here")]
        first: SourceSpan,
        #[label("and `{second_field}` here")]
        second: SourceSpan,
    },

    #[error("`{field}` cannot be computed by a lookup")]
    #[diagnostic(
        code(config::lookup_in_field),
        help(
            "lookups work in stack variables and hook arguments; use a parameter `${{name}}` from an environment file"
        )
    )]
    LookupInField {
        field: String,
        #[label("a lookup")]
        span: SourceSpan,
    },

    #[error("the lookup in `{field}` stays as it is")]
    #[diagnostic(
        severity(Warning),
        code(config::literal_lookup),
        help("lookups are resolved in stack variables and hook arguments only")
    )]
    LiteralLookup {
        field: String,
        #[label("not resolved")]
        span: SourceSpan,
    },

    #[error("the parameter `{name}` is not defined")]
    #[diagnostic(
        code(config::missing_parameter),
        help(
            "define it in the environment file (`{name}: value` in {file}) or with --param {name}=VALUE{meant}"
        )
    )]
    MissingParameter {
        name: String,
        file: String,
        meant: String,
        #[label("not defined")]
        span: SourceSpan,
    },

    #[error("`${name}` stays as it is: there is no such parameter")]
    #[diagnostic(
        severity(Warning),
        code(config::bare_parameter),
        help("write `$$` for a dollar sign that is meant as such")
    )]
    BareParameter {
        name: String,
        #[label("looks like a parameter")]
        span: SourceSpan,
    },

    #[error("S3 does not allow the bucket name `{bucket}`: {reason}")]
    #[diagnostic(
        code(config::bucket_name),
        help(
            "set `cfngin_bucket` to a valid name, or to `\"\"` for no bucket; by default it is made of the namespace"
        )
    )]
    BucketName {
        bucket: String,
        reason: &'static str,
        #[label("gives the bucket `{bucket}`")]
        span: SourceSpan,
    },

    #[error("the tag `{key}` is not possible: {reason}")]
    #[diagnostic(
        code(config::tag),
        help(
            "CloudFormation allows 50 tags, keys of 128 and values of 256 characters, and no `aws:` in front"
        )
    )]
    Tag {
        key: String,
        reason: &'static str,
        #[label("this tag")]
        span: SourceSpan,
    },

    #[error("`timeout` of stack `{stack}` must be at least one minute")]
    #[diagnostic(code(config::timeout), help("leave it out for no limit"))]
    Timeout {
        stack: String,
        #[label("too short")]
        span: SourceSpan,
    },

    #[error("the description of stack `{stack}` has no effect")]
    #[diagnostic(
        severity(Warning),
        code(config::description),
        help("`description` applies to blueprints; a template's own Description is sent as it is")
    )]
    DescriptionIgnored {
        stack: String,
        #[label("ignored")]
        span: SourceSpan,
    },

    #[error("`{kind}` is never cached: {reason}")]
    #[diagnostic(code(cache::kind_not_cacheable), help("remove the entry"))]
    KindNotCacheable {
        kind: String,
        reason: &'static str,
        #[label("cannot be cached")]
        span: SourceSpan,
    },

    #[error("there is no lookup `{name}`")]
    #[diagnostic(code(lookup::unknown), help("{help}"))]
    UnknownLookup {
        name: String,
        help: String,
        #[label("unknown lookup")]
        span: SourceSpan,
    },

    #[error("more than {limit} lookups are nested in one another")]
    #[diagnostic(code(lookup::too_deep), help("use fewer of them"))]
    LookupTooDeep {
        limit: usize,
        #[label("one too many")]
        span: SourceSpan,
    },
}

impl Problem for ConfigProblem {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::UnknownLookup { .. } | Self::LookupTooDeep { .. } => ExitCode::Lookup,
            _ => ExitCode::Config,
        }
    }
}

//! Why a text is not usable YAML.

use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;
use crate::text::Span;

/// Why a text is not usable YAML.
#[derive(Debug, Clone, PartialEq, Error, Diagnostic)]
pub enum YamlError {
    /// The text breaks the rules of YAML.
    #[error("not YAML: {message}")]
    #[diagnostic(code(yaml::syntax), help("{help}"))]
    Syntax {
        /// The parser's words.
        message: String,
        /// What to do.
        help: String,
        /// Where the parser stopped.
        #[label("here")]
        span: SourceSpan,
    },
    /// A key stands twice in one map.
    #[error("the key `{key}` stands twice in the same map")]
    #[diagnostic(
        code(yaml::duplicate_key),
        help("remove one of the two; with other tools the last one silently wins")
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// The first one.
        #[label("first here")]
        first: SourceSpan,
        /// The second one.
        #[label("and again here")]
        second: SourceSpan,
    },
    /// The document is too large or too deep once its aliases are resolved.
    #[error("the document has more than {limit} {what}")]
    #[diagnostic(code(yaml::too_large), help("aliases that contain aliases multiply; use fewer of them"))]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
        /// Where the limit was passed.
        #[label("the limit is passed here")]
        span: SourceSpan,
    },
    /// More than one document.
    #[error("the file has more than one YAML document")]
    #[diagnostic(code(yaml::several_documents), help("keep one document per file; remove the second `---`"))]
    SeveralDocuments {
        /// Start of the second one.
        #[label("the second one starts here")]
        span: SourceSpan,
    },
    /// A key that is a list or a map.
    #[error("a key must be a single value")]
    #[diagnostic(code(yaml::key), help("write a text in front of the colon"))]
    Key {
        /// The key.
        #[label("a list or a map as key")]
        span: SourceSpan,
    },
    /// A tag that means nothing in a config.
    #[error("the tag `{tag}` has no meaning here")]
    #[diagnostic(code(yaml::unknown_tag), help("{help}"))]
    UnknownTag {
        /// As written.
        tag: String,
        /// What to do.
        help: &'static str,
        /// The tag.
        #[label("unknown tag")]
        span: SourceSpan,
    },
    /// A core tag in front of something else.
    #[error("this is not what the tag `{tag}` says: {expected}")]
    #[diagnostic(code(yaml::tag_mismatch), help("correct the value or remove the tag"))]
    TagMismatch {
        /// As written.
        tag: String,
        /// What it says.
        expected: &'static str,
        /// The value.
        #[label("not {expected}")]
        span: SourceSpan,
    },
    /// A merge key whose value cannot be merged.
    #[error("`<<` can merge a map or a list of maps, nothing else")]
    #[diagnostic(code(yaml::merge), help("use an alias of a map, for example `<<: *defaults`"))]
    Merge {
        /// The value.
        #[label("neither a map nor a list of maps")]
        span: SourceSpan,
    },
}

impl Problem for YamlError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Config
    }
}

impl YamlError {
    /// Moves the error's places, for texts that were derived from another.
    #[must_use]
    pub fn map_spans(self, map: &dyn Fn(Span) -> Span) -> Self {
        let moved = |span: SourceSpan| SourceSpan::from(map(Span::new(span.offset(), span.len())));
        match self {
            Self::Syntax { message, help, span } => Self::Syntax { message, help, span: moved(span) },
            Self::DuplicateKey { key, first, second } => {
                Self::DuplicateKey { key, first: moved(first), second: moved(second) }
            }
            Self::TooLarge { what, limit, span } => Self::TooLarge { what, limit, span: moved(span) },
            Self::SeveralDocuments { span } => Self::SeveralDocuments { span: moved(span) },
            Self::Key { span } => Self::Key { span: moved(span) },
            Self::UnknownTag { tag, help, span } => Self::UnknownTag { tag, help, span: moved(span) },
            Self::TagMismatch { tag, expected, span } => {
                Self::TagMismatch { tag, expected, span: moved(span) }
            }
            Self::Merge { span } => Self::Merge { span: moved(span) },
        }
    }
}

//! Names that must not be mixed up: a node's name, a stack's fully qualified name, its id.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

identity! {
    /// A node of the graph: the name of a stack in the config, which is its identity in the graph, in lookups and in the
    /// persistent graph; or `kind/name` of a task. No stack name contains a slash.
    NodeName
}
identity! {
    /// A stack's name in CloudFormation (CFNgin: "fqn"), built by [`StackFqn::build`].
    StackFqn
}
identity! {
    /// A stack's id (ARN): names one incarnation of a stack, also after its deletion.
    StackId
}

impl StackFqn {
    /// Builds the name CloudFormation sees. The namespace is lower-cased and its dots become dashes; a name that
    /// already starts with namespace and delimiter is kept as it is; empty parts are dropped. (CFNgin `get_fqn`.)
    pub fn build(namespace: &str, delimiter: &str, name: &str) -> Self {
        let base = base_fqn(namespace);
        if base.is_empty() {
            return Self::new(name);
        }
        let prefix = format!("{base}{delimiter}");
        if name.is_empty() {
            Self(base)
        } else if name.starts_with(&prefix) {
            Self::new(name)
        } else {
            Self(format!("{prefix}{name}"))
        }
    }
}

/// The namespace as it appears in stack and bucket names: lower case, dots replaced by dashes (CFNgin `base_fqn`).
pub fn base_fqn(namespace: &str) -> String {
    namespace.replace('.', "-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fqn_follows_cfngin() {
        let fqn = |namespace: &str, delimiter: &str, name: &str| {
            StackFqn::build(namespace, delimiter, name).as_str().to_owned()
        };
        assert_eq!(fqn("Ns.X", "-", "Vpc"), "ns-x-Vpc");
        assert_eq!(fqn("dev", "-", "dev-foo"), "dev-foo");
        assert_eq!(fqn("dev", "-", "dev"), "dev-dev");
        assert_eq!(fqn("app", "", "application"), "application");
        assert_eq!(fqn("", "-", "vpc"), "vpc");
        assert_eq!(fqn("test", "-", ""), "test");
    }
}

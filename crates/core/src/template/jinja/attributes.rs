//! The names a template can use, and what `context` has of CFNgin's context object.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, from_args};
use minijinja::{Error, ErrorKind, State, Value, context};
use serde_json::Map;

use super::JinjaContext;
use crate::ident::{StackFqn, base_fqn};
use crate::registry::PYTHON_VALUE;

/// What CFNgin's context has and only Python can give: asking for it is an error, not an undefined value.
const PYTHON_ONLY: [&str; 37] = [
    "boto3_credentials",
    "bucket_region",
    "config",
    "config_path",
    "copy",
    "current_aws_creds",
    "force_stacks",
    "get_session",
    "get_stack",
    "is_interactive",
    "is_noninteractive",
    "lock_persistent_graph",
    "logger",
    "persistent_graph",
    "persistent_graph_location",
    "persistent_graph_lock_code",
    "persistent_graph_locked",
    "persistent_graph_tags",
    "put_persistent_graph",
    "s3_bucket_verified",
    "s3_client",
    "set_hook_data",
    "stack_names",
    "stacks",
    "stacks_dict",
    "sys_info",
    "template_indent",
    "unlock_persistent_graph",
    "upload_to_s3",
    "work_dir",
    // Of `context.env`:
    "aws_credentials",
    "aws_profile",
    "branch_name",
    "debug",
    "root_dir",
    "max_concurrent_cfngin_stacks",
    "verbose",
];

/// The top-level names.
pub(super) fn root(values: &JinjaContext) -> Value {
    let environment = Attributes {
        of: "context.env",
        values: vec![
            ("name", Value::from(values.environment.as_str())),
            ("aws_region", Value::from(values.region.as_str())),
            ("vars", texts(&values.environment_variables)),
            ("ci", Value::from(values.environment_variables.contains_key("CI"))),
        ],
        fqn: None,
    };
    let parameters = map(&values.parameters);
    let mappings = map(&values.mappings);
    let attributes = Attributes {
        of: "context",
        values: vec![
            ("parameters", parameters.clone()),
            ("environment", parameters),
            ("env", Value::from_object(environment)),
            ("namespace", Value::from(values.namespace.as_str())),
            ("namespace_delimiter", Value::from(values.namespace_delimiter.as_str())),
            ("base_fqn", Value::from(base_fqn(&values.namespace))),
            ("bucket_name", values.bucket_name.as_deref().map_or(Value::from(()), Value::from)),
            ("tags", texts(&values.tags)),
            ("mappings", mappings.clone()),
            ("hook_data", map(&values.hook_data)),
        ],
        fqn: Some((values.namespace.clone(), values.namespace_delimiter.clone())),
    };
    context! {
        context => Value::from_object(attributes),
        mappings,
        name => values.name.as_str(),
        variables => map(&values.variables),
    }
}

fn texts(entries: &BTreeMap<String, String>) -> Value {
    Value::from_pairs(entries.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn map(entries: &Map<String, serde_json::Value>) -> Value {
    Value::from_pairs(entries.iter().map(|(name, value)| (name.as_str(), plain(value))))
}

/// A JSON value as one of the engine. What only Python has cannot be used.
fn plain(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::from(()),
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(entries) if entries.contains_key(PYTHON_VALUE) => {
            let message = "this value is an object of Python, which only Python blueprints and hooks can use";
            Value::from(Error::new(ErrorKind::InvalidOperation, message))
        }
        Json::Object(entries) => map(entries),
        Json::Bool(value) => Value::from(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or_default()),
        },
    }
}

/// An object of Python as templates see it: attributes, and perhaps `get_fqn()`.
struct Attributes {
    of: &'static str,
    values: Vec<(&'static str, Value)>,
    /// Namespace and delimiter, if it can build names of stacks.
    fqn: Option<(String, String)>,
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.of)
    }
}

impl Object for Attributes {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if let Some((_, value)) = self.values.iter().find(|(name, _)| *name == key) {
            return Some(value.clone());
        }
        let error = || {
            let message = format!("`{}.{key}` exists in Python only", self.of);
            Value::from(Error::new(ErrorKind::InvalidOperation, message))
        };
        PYTHON_ONLY.contains(&key).then(error)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        match (&self.fqn, method) {
            (Some((namespace, delimiter)), "get_fqn") => {
                let (name,): (Option<&str>,) = from_args(arguments)?;
                let fqn = StackFqn::build(namespace, delimiter, name.unwrap_or_default());
                Ok(Value::from(fqn.as_str()))
            }
            _ if PYTHON_ONLY.contains(&method) => {
                let message = format!("`{}.{method}` exists in Python only", self.of);
                Err(Error::new(ErrorKind::InvalidOperation, message))
            }
            _ => Err(Error::new(ErrorKind::UnknownMethod, format!("`{}` has no method `{method}`", self.of))),
        }
    }
}

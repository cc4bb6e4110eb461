//! Differences, as plans show them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{TaskAction, TaskChange, TaskDetail};

/// What a secret is shown as.
pub(super) const HIDDEN: &str = "****";

/// Collects what differs.
#[derive(Debug, Default)]
pub(super) struct Details(Vec<TaskDetail>);

impl Details {
    /// A thing that is as it is, and is to be otherwise; nothing if both are the same.
    pub(super) fn compare(
        &mut self,
        path: impl Into<String>,
        before: Option<Value>,
        after: Option<Value>,
    ) -> &mut Self {
        if before != after {
            self.0.push(TaskDetail { path: path.into(), before, after });
        }
        self
    }

    /// A text.
    pub(super) fn text(
        &mut self,
        path: impl Into<String>,
        before: Option<&str>,
        after: Option<&str>,
    ) -> &mut Self {
        self.compare(path, before.map(Value::from), after.map(Value::from))
    }

    /// Texts by name, for example tags: exactly those are to be there.
    pub(super) fn texts(
        &mut self,
        path: &str,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> &mut Self {
        let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            self.text(
                format!("{path}.{name}"),
                before.get(name).map(String::as_str),
                after.get(name).map(String::as_str),
            );
        }
        self
    }

    /// A secret that is another one than is wanted.
    pub(super) fn secret(&mut self, path: impl Into<String>) -> &mut Self {
        let hidden = Some(Value::from(HIDDEN));
        self.0.push(TaskDetail { path: path.into(), before: hidden.clone(), after: hidden });
        self
    }

    /// Whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The change that an existing thing needs: none if nothing differs.
    pub(super) fn update(self, outputs: Outputs) -> TaskChange {
        let action = if self.is_empty() { TaskAction::None } else { TaskAction::Update };
        self.of(action, outputs)
    }

    /// This change, whatever differs.
    pub(super) fn of(self, action: TaskAction, outputs: Outputs) -> TaskChange {
        TaskChange { action, details: self.0, outputs: outputs.0 }
    }
}

/// Nothing to do.
pub(super) fn nothing() -> TaskChange {
    Details::default().of(TaskAction::None, Outputs::default())
}

/// Collects outputs.
#[derive(Debug, Default)]
pub(super) struct Outputs(pub(super) BTreeMap<String, String>);

impl Outputs {
    /// The same with one more.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Outputs> for super::super::TaskDone {
    fn from(outputs: Outputs) -> Self {
        Self { outputs: outputs.0 }
    }
}

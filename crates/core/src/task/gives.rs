//! What a kind of tasks gives to others: the names of its outputs, which of them a change leaves as they are, and which may
//! hold what an argument holds.

use std::collections::BTreeSet;

use super::{TaskAction, TaskChange};
use crate::error::nearest;

/// In a set of outputs: all that are not named by the kind.
const FURTHER: &str = "*";

/// One output of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    name: &'static str,
    stays: bool,
    /// Arguments whose text may be in it; `None`: that of any.
    made_of: Option<&'static [&'static str]>,
    /// A flag among the arguments without which there is no such output.
    with: Option<&'static str>,
}

impl Given {
    /// An output that an update leaves as it is. `made_of` are the arguments whose texts may be in it.
    pub const fn staying(name: &'static str, made_of: &'static [&'static str]) -> Self {
        Self { name, stays: true, made_of: Some(made_of), with: None }
    }

    /// An output that an update may change.
    pub const fn changing(name: &'static str, made_of: &'static [&'static str]) -> Self {
        Self { name, stays: false, made_of: Some(made_of), with: None }
    }

    /// An output that others write: a change may change it, and whatever they are given may be in it.
    pub const fn free(name: &'static str) -> Self {
        Self { name, stays: false, made_of: None, with: None }
    }

    /// The same, if it is there only where this flag is among the arguments.
    #[must_use]
    pub const fn with(self, argument: &'static str) -> Self {
        Self { with: Some(argument), ..self }
    }
}

/// Outputs beside those that have a name of their own; whatever they are, they are as [`Given::free`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Further {
    Nothing,
    /// Names that begin like this.
    Beginning(&'static str),
    /// Any name.
    Anything,
}

/// The outputs of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gives {
    named: &'static [Given],
    further: Further,
}

impl Gives {
    /// No output.
    pub const NOTHING: Self = Self::only(&[]);

    /// These outputs and no others.
    pub const fn only(named: &'static [Given]) -> Self {
        Self { named, further: Further::Nothing }
    }

    /// These, and others whose names begin like this.
    pub const fn and_beginning(beginning: &'static str, named: &'static [Given]) -> Self {
        Self { named, further: Further::Beginning(beginning) }
    }

    /// These, and any others.
    pub const fn and_others(named: &'static [Given]) -> Self {
        Self { named, further: Further::Anything }
    }

    /// Names of the outputs that have one of their own.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.named.iter().map(|given| given.name)
    }

    /// Names of the arguments that its outputs are said to be made of, or to need.
    #[cfg(test)]
    pub(crate) fn sources(&self) -> impl Iterator<Item = &'static str> {
        let made_of = self.named.iter().flat_map(|given| given.made_of.into_iter().flatten().copied());
        made_of.chain(self.named.iter().filter_map(|given| given.with))
    }

    fn find(&self, output: &str) -> Option<&'static Given> {
        self.named.iter().find(|given| given.name == output)
    }

    /// Whether there may be an output of this name.
    pub fn has(&self, output: &str) -> bool {
        let further = match self.further {
            Further::Nothing => false,
            Further::Beginning(beginning) => output.len() > beginning.len() && output.starts_with(beginning),
            Further::Anything => true,
        };
        further || self.find(output).is_some()
    }

    /// Why there is no output of this name, whatever the task does; `None` if there may be one. `is_off` tells whether a
    /// flag among the arguments is not set.
    pub fn lacks(&self, kind: &str, output: &str, is_off: impl Fn(&str) -> bool) -> Option<String> {
        if !self.has(output) {
            let mut names: Vec<String> = self.names().map(|name| format!("`{name}`")).collect();
            if let Further::Beginning(beginning) = self.further {
                names.push(format!("`{beginning}NAME`"));
            }
            return Some(match (names.is_empty(), nearest(output, self.names())) {
                (true, _) => format!("`{kind}` has no outputs"),
                (false, Some(meant)) => {
                    format!("`{kind}` has {}; did you mean `{meant}`?", names.join(", "))
                }
                (false, None) => format!("`{kind}` has {}", names.join(", ")),
            });
        }
        let flag = self.find(output)?.with.filter(|flag| is_off(flag))?;
        Some(format!("`{kind}` has it only with `{flag}: true`"))
    }

    /// Whether an update leaves this output as it is.
    pub fn stays(&self, output: &str) -> bool {
        self.find(output).is_some_and(|given| given.stays)
    }

    /// Whether this output may hold a secret, if these arguments are secrets.
    pub fn hides(&self, output: &str, secrets: &BTreeSet<String>) -> bool {
        match self.find(output).map(|given| given.made_of) {
            Some(Some(made_of)) => made_of.iter().any(|argument| secrets.contains(*argument)),
            Some(None) | None => !secrets.is_empty(),
        }
    }

    /// The outputs that may hold a secret, if these arguments are secrets; to be asked by [`Gives::is_among`].
    pub(crate) fn hidden(&self, secrets: &BTreeSet<String>) -> BTreeSet<String> {
        let further = (self.further != Further::Nothing).then_some(FURTHER);
        let all = self.names().chain(further);
        all.filter(|output| self.hides(output, secrets)).map(str::to_owned).collect()
    }

    /// Whether an output is one of those.
    pub(crate) fn is_among(&self, output: &str, hidden: &BTreeSet<String>) -> bool {
        hidden.contains(if self.find(output).is_some() { output } else { FURTHER })
    }

    /// The outputs that are known before a change is made, and hold after it.
    pub(crate) fn lasting(&self, change: &TaskChange) -> std::collections::BTreeMap<String, String> {
        // Who makes something anew tells only what it will have.
        let all = !matches!(change.action, TaskAction::Update | TaskAction::Run);
        let outputs = change.outputs.iter().filter(|(name, _)| all || self.stays(name));
        outputs.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// A part of an argument that is a secret by its kind, wherever its value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretPart {
    /// Name of the argument.
    pub argument: &'static str,
    /// The entry of the map that it is; `None` is all of it.
    pub entry: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVES: Gives = Gives::and_beginning(
        "exported.",
        &[
            Given::staying("arn", &["name"]),
            Given::changing("version", &[]),
            Given::free("output").with("capture"),
        ],
    );

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_that_a_kind_does_not_have_are_told_with_those_it_has() {
        let lacks = |gives: Gives, output, off: bool| gives.lacks("kind", output, |_| off);
        assert_eq!(lacks(GIVES, "arn", true), None);
        assert_eq!(lacks(GIVES, "exported.A", true), None);
        assert_eq!(lacks(GIVES, "output", false), None);
        let only = "`kind` has it only with `capture: true`".to_owned();
        assert_eq!(lacks(GIVES, "output", true), Some(only));
        let others = "`kind` has `arn`, `version`, `output`, `exported.NAME`";
        assert_eq!(lacks(GIVES, "exported.", false).as_deref(), Some(others));
        let meant = format!("{others}; did you mean `version`?");
        assert_eq!(lacks(GIVES, "verson", false), Some(meant));
        assert_eq!(lacks(Gives::NOTHING, "arn", false).as_deref(), Some("`kind` has no outputs"));
        assert_eq!(lacks(Gives::and_others(&[]), "Anything", false), None);
    }

    #[test]
    fn an_output_hides_what_it_can_be_made_of() {
        assert_eq!(GIVES.hidden(&names(&[])), names(&[]));
        assert_eq!(GIVES.hidden(&names(&["value"])), names(&["output", "*"]));
        let hidden = GIVES.hidden(&names(&["name"]));
        assert_eq!(hidden, names(&["arn", "output", "*"]));
        assert!(GIVES.is_among("exported.A", &hidden) && !GIVES.is_among("version", &hidden));
        assert!(!GIVES.hides("exported.A", &names(&[])) && GIVES.hides("exported.A", &names(&["value"])));
    }

    #[test]
    fn an_update_leaves_only_what_stays() {
        let outputs = ["arn", "version", "other"].map(|name| (name.to_owned(), name.to_owned()));
        let change = |action| TaskChange { action, details: Vec::new(), outputs: outputs.clone().into() };
        assert_eq!(GIVES.lasting(&change(TaskAction::None)).len(), 3);
        assert_eq!(GIVES.lasting(&change(TaskAction::Create)).len(), 3);
        for action in [TaskAction::Update, TaskAction::Run] {
            assert_eq!(GIVES.lasting(&change(action)).into_keys().collect::<Vec<_>>(), ["arn"]);
        }
    }
}

//! From a template's JSON to terms.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Argument, Doubt, Term};
use crate::template::Template;

/// Where a stack is: what pseudo parameters give.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Account id.
    pub account: &'a str,
    /// Region.
    pub region: &'a str,
    /// Name of the stack.
    pub stack_name: &'a str,
    /// Id of the stack, if it exists.
    pub stack_id: Option<&'a str>,
}

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// Only a deploy can tell.
    Unknown(BTreeSet<Doubt>),
}

/// A template with its parameters.
pub struct Symbols<'a> {
    template: &'a Template,
    arguments: &'a BTreeMap<String, Argument>,
    surroundings: Surroundings<'a>,
    /// Conditions that were evaluated, and those that are being evaluated.
    conditions: RefCell<BTreeMap<String, Option<Truth>>>,
}

/// A value that is left out (`AWS::NoValue`) is `None`.
type Evaluated = Option<Term>;

impl<'a> Symbols<'a> {
    /// `template` with `arguments` for its parameters; a parameter without one takes its default.
    pub fn new(
        template: &'a Template,
        arguments: &'a BTreeMap<String, Argument>,
        surroundings: Surroundings<'a>,
    ) -> Self {
        Self { template, arguments, surroundings, conditions: RefCell::default() }
    }

    /// The value of a part of the template; `None` for `AWS::NoValue`.
    pub fn value(&self, value: &Value) -> Option<Term> {
        match value {
            Value::Array(items) => {
                Some(Term::List(items.iter().filter_map(|item| self.value(item)).collect()))
            }
            Value::Object(entries) => match single(entries) {
                Some((function, argument)) if function == "Ref" || function.starts_with("Fn::") => {
                    self.call(function, argument)
                }
                _ => {
                    let entry = |(key, value): (&String, &Value)| Some((key.clone(), self.value(value)?));
                    Some(Term::Map(entries.iter().filter_map(entry).collect()))
                }
            },
            scalar => Some(scalar_of(scalar_text(scalar), false)),
        }
    }

    /// Whether an entry of the template with an optional `Condition` is there.
    pub fn is_wanted(&self, entry: &Value) -> Truth {
        match entry.get("Condition").and_then(Value::as_str) {
            Some(name) => self.condition(name),
            None => Truth::True,
        }
    }

    /// Whether the condition of this name holds.
    pub fn condition(&self, name: &str) -> Truth {
        if let Some(known) = self.conditions.borrow().get(name) {
            // A condition that needs itself is refused by CloudFormation.
            return known.clone().unwrap_or(Truth::False);
        }
        self.conditions.borrow_mut().insert(name.to_owned(), None);
        let found = self.template.content.get("Conditions").and_then(|section| section.get(name));
        let truth = found.map_or(Truth::False, |condition| self.truth(condition));
        self.conditions.borrow_mut().insert(name.to_owned(), Some(truth.clone()));
        truth
    }

    fn truth(&self, condition: &Value) -> Truth {
        let Some((function, argument)) = condition.as_object().and_then(single) else {
            return match scalar_text(condition).as_str() {
                "true" => Truth::True,
                _ => Truth::False,
            };
        };
        let items = || argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match function {
            "Condition" => self.condition(argument.as_str().unwrap_or_default()),
            "Fn::Not" => match items().first().map(|item| self.truth(item)) {
                Some(Truth::False) => Truth::True,
                Some(Truth::Unknown(doubts)) => Truth::Unknown(doubts),
                Some(Truth::True) | None => Truth::False,
            },
            "Fn::And" => self.all(items(), &Truth::False, Truth::True),
            "Fn::Or" => self.all(items(), &Truth::True, Truth::False),
            "Fn::Equals" => match items() {
                [one, other] => equal(self.value(one).as_ref(), self.value(other).as_ref()),
                _ => Truth::False,
            },
            _ => match self.value(condition) {
                Some(Term::Unknown { doubts, .. }) => Truth::Unknown(doubts),
                Some(term) if term.as_text() == Some("true") => Truth::True,
                _ => Truth::False,
            },
        }
    }

    /// And, or: the first item that `decides` does so, and doubts matter only where none does.
    fn all(&self, items: &[Value], decides: &Truth, otherwise: Truth) -> Truth {
        let mut doubts = BTreeSet::new();
        for item in items {
            match self.truth(item) {
                truth if truth == *decides => return truth,
                Truth::Unknown(more) => doubts.extend(more),
                Truth::True | Truth::False => {}
            }
        }
        if doubts.is_empty() { otherwise } else { Truth::Unknown(doubts) }
    }

    fn call(&self, function: &str, argument: &Value) -> Evaluated {
        match function {
            "Ref" => return self.reference(argument.as_str().unwrap_or_default()),
            "Fn::If" => return self.choice(argument),
            _ => {}
        }
        Some(match function {
            "Fn::GetAtt" => self.attribute(argument),
            "Fn::Sub" => self.substitution(argument),
            "Fn::Join" => self.join(argument),
            "Fn::Split" => self.split(argument),
            "Fn::Select" => self.select(argument),
            "Fn::FindInMap" => self.find_in_map(argument),
            "Fn::ImportValue" => {
                Term::Import(Box::new(self.value(argument).unwrap_or_else(|| Term::plain(""))))
            }
            "Fn::Transform" => Term::doubt(Doubt::Read("a macro".to_owned())),
            other => self.kept(other, argument),
        })
    }

    /// A function that only CloudFormation evaluates.
    fn kept(&self, function: &str, argument: &Value) -> Term {
        let argument = self.value(argument).unwrap_or_else(|| Term::List(Vec::new()));
        Term::Call(function.to_owned(), Box::new(argument))
    }

    fn reference(&self, name: &str) -> Evaluated {
        let Surroundings { account, region, stack_name, stack_id } = self.surroundings;
        Some(match name {
            "AWS::NoValue" => return None,
            "AWS::AccountId" => Term::plain(account),
            "AWS::Region" => Term::plain(region),
            "AWS::StackName" => Term::plain(stack_name),
            "AWS::StackId" => match stack_id {
                Some(id) => Term::plain(id),
                None => Term::Call("AWS::StackId".to_owned(), Box::new(Term::plain(""))),
            },
            "AWS::Partition" => Term::plain(partition(region)),
            "AWS::URLSuffix" => Term::plain(url_suffix(region)),
            pseudo if pseudo.starts_with("AWS::") => Term::Call(pseudo.to_owned(), Box::new(Term::plain(""))),
            name => match self.template.parameters.get(name) {
                None => Term::Id(name.to_owned()),
                Some(declared) => match self.arguments.get(name) {
                    Some(Argument::Text { text, secret }) => parameter(&declared.kind, text, *secret),
                    Some(Argument::Unknown { doubts, secret }) => {
                        Term::Unknown { doubts: doubts.clone(), secret: *secret }
                    }
                    None => {
                        let default = declared.default.as_deref().unwrap_or_default();
                        parameter(&declared.kind, default, declared.no_echo)
                    }
                },
            },
        })
    }

    fn choice(&self, argument: &Value) -> Evaluated {
        let Some([condition, yes, no]) = argument.as_array().map(Vec::as_slice) else {
            return Some(self.kept("Fn::If", argument));
        };
        match self.condition(condition.as_str().unwrap_or_default()) {
            Truth::True => self.value(yes),
            Truth::False => self.value(no),
            Truth::Unknown(doubts) => {
                let (yes, no) = (self.value(yes), self.value(no));
                if yes == no {
                    return yes;
                }
                let secret = yes.iter().chain(&no).any(Term::is_secret);
                let more = yes.iter().chain(&no).flat_map(Term::doubts);
                Some(Term::Unknown { doubts: doubts.into_iter().chain(more).collect(), secret })
            }
        }
    }

    fn attribute(&self, argument: &Value) -> Term {
        match argument {
            Value::String(text) => match text.split_once('.') {
                Some((id, attribute)) => Term::Attribute(id.to_owned(), attribute.to_owned()),
                None => self.kept("Fn::GetAtt", argument),
            },
            Value::Array(items) => match items.as_slice() {
                [Value::String(id), attribute] => match self.value(attribute) {
                    Some(Term::Scalar { text, secret: false }) => Term::Attribute(id.clone(), text),
                    Some(Term::Unknown { doubts, secret }) => Term::Unknown { doubts, secret },
                    _ => Term::doubt(Doubt::Read(format!("an attribute of {id}"))),
                },
                [Value::String(id), attributes @ ..] => {
                    let names: Vec<String> = attributes.iter().map(scalar_text).collect();
                    Term::Attribute(id.clone(), names.join("."))
                }
                _ => self.kept("Fn::GetAtt", argument),
            },
            _ => self.kept("Fn::GetAtt", argument),
        }
    }

    fn substitution(&self, argument: &Value) -> Term {
        let (text, own) = match argument {
            Value::String(text) => (text.as_str(), None),
            Value::Array(items) => match items.as_slice() {
                [Value::String(text), Value::Object(own)] => (text.as_str(), Some(own)),
                [Value::String(text)] => (text.as_str(), None),
                _ => return self.kept("Fn::Sub", argument),
            },
            _ => return self.kept("Fn::Sub", argument),
        };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            parts.push(Term::plain(before));
            let Some((name, after)) = after.split_once('}') else {
                rest = "";
                parts.push(Term::plain(format!("${{{after}")));
                break;
            };
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                parts.push(Term::plain(format!("${{{literal}}}")));
                continue;
            }
            let name = name.trim();
            let value = match own.and_then(|own| own.get(name)) {
                Some(value) => self.value(value),
                None if name.contains('.') => Some(self.attribute(&Value::from(name))),
                None => self.reference(name),
            };
            parts.push(match value {
                // A list parameter stands for its text.
                Some(Term::List(items)) => concatenated(separated(items, &Term::plain(","))),
                Some(term) => term,
                None => Term::plain(""),
            });
        }
        parts.push(Term::plain(rest));
        concatenated(parts)
    }

    fn join(&self, argument: &Value) -> Term {
        let Some([delimiter, list]) = argument.as_array().map(Vec::as_slice) else {
            return self.kept("Fn::Join", argument);
        };
        let delimiter = self.value(delimiter).filter(|delimiter| delimiter.as_text().is_some());
        match (&delimiter, self.value(list)) {
            (Some(delimiter), Some(Term::List(items))) => {
                // A list that is not known has as many items as it will have.
                let unclear = |item: &Term| matches!(item, Term::List(_) | Term::Map(_));
                if items.iter().any(unclear) {
                    return self.kept("Fn::Join", argument);
                }
                concatenated(separated(items, delimiter))
            }
            (_, Some(Term::Unknown { doubts, secret })) => Term::Unknown { doubts, secret },
            _ => self.kept("Fn::Join", argument),
        }
    }

    fn split(&self, argument: &Value) -> Term {
        let Some([delimiter, text]) = argument.as_array().map(Vec::as_slice) else {
            return self.kept("Fn::Split", argument);
        };
        match (self.value(delimiter), self.value(text)) {
            (Some(Term::Scalar { text: delimiter, .. }), Some(Term::Scalar { text, secret }))
                if !delimiter.is_empty() =>
            {
                Term::List(text.split(&delimiter).map(|part| scalar_of(part.to_owned(), secret)).collect())
            }
            _ => self.kept("Fn::Split", argument),
        }
    }

    fn select(&self, argument: &Value) -> Term {
        let Some([index, list]) = argument.as_array().map(Vec::as_slice) else {
            return self.kept("Fn::Select", argument);
        };
        let index =
            self.value(index).as_ref().and_then(Term::as_text).and_then(|text| text.parse::<usize>().ok());
        match (index, self.value(list)) {
            (Some(index), Some(Term::List(items))) => match items.get(index) {
                Some(item) => item.clone(),
                None => self.kept("Fn::Select", argument),
            },
            _ => self.kept("Fn::Select", argument),
        }
    }

    fn find_in_map(&self, argument: &Value) -> Term {
        let Some(items) = argument.as_array().filter(|items| items.len() >= 3) else {
            return self.kept("Fn::FindInMap", argument);
        };
        let keys: Vec<Term> = items.iter().take(3).filter_map(|item| self.value(item)).collect();
        let doubts: BTreeSet<Doubt> = keys.iter().flat_map(Term::doubts).collect();
        if !doubts.is_empty() {
            return Term::Unknown { doubts, secret: false };
        }
        let texts: Vec<&str> = keys.iter().filter_map(Term::as_text).collect();
        let [map, first, second] = texts.as_slice() else { return self.kept("Fn::FindInMap", argument) };
        let mappings = self.template.content.get("Mappings");
        let found = mappings.and_then(|maps| maps.get(map)?.get(first)?.get(second));
        match found.and_then(|value| self.value(value)) {
            Some(term) => term,
            None => match items.get(3).and_then(|more| more.get("DefaultValue")) {
                Some(default) => self.value(default).unwrap_or_else(|| Term::plain("")),
                None => self.kept("Fn::FindInMap", argument),
            },
        }
    }
}

/// The only entry of a map.
fn single(entries: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = entries.iter();
    let first = entries.next()?;
    entries.next().is_none().then_some((first.0.as_str(), first.1))
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A text; one with a dynamic reference that has no version stands for what it is at the time.
fn scalar_of(text: String, secret: bool) -> Term {
    // The text around a reference may hold what must not be shown, so only the reference is told.
    let unversioned: BTreeSet<Doubt> = text
        .split("{{resolve:ssm")
        .skip(1)
        .filter_map(|rest| rest.strip_prefix("-secure:").or_else(|| rest.strip_prefix(':')))
        .map(|rest| rest.split("}}").next().unwrap_or_default())
        .filter(|name| !name.contains(':'))
        .map(|name| {
            Doubt::Read(if secret { "a parameter".to_owned() } else { format!("SSM parameter {name}") })
        })
        .collect();
    if !unversioned.is_empty() {
        return Term::Unknown { doubts: unversioned, secret };
    }
    Term::Scalar { text, secret }
}

fn parameter(kind: &str, text: &str, secret: bool) -> Term {
    if kind.starts_with("AWS::SSM::Parameter::Value") {
        let name = if secret { "whose name is not shown" } else { text };
        let doubts = BTreeSet::from([Doubt::Read(format!("SSM parameter {name}"))]);
        return Term::Unknown { doubts, secret };
    }
    if kind == "CommaDelimitedList" || kind.starts_with("List<") {
        let items = text.split(',').map(|item| scalar_of(item.trim().to_owned(), secret));
        return Term::List(items.collect());
    }
    scalar_of(text.to_owned(), secret)
}

/// Pieces of a text as one term: neighbours that are known become one.
fn concatenated(parts: Vec<Term>) -> Term {
    let mut merged: Vec<Term> = Vec::new();
    let flat = parts.into_iter().flat_map(|part| match part {
        Term::Text(parts) => parts,
        part => vec![part],
    });
    for part in flat {
        match (merged.last_mut(), part) {
            (_, Term::Scalar { text, .. }) if text.is_empty() => {}
            (Some(Term::Scalar { text, secret }), Term::Scalar { text: more, secret: more_secret }) => {
                text.push_str(&more);
                *secret |= more_secret;
            }
            (_, part) => merged.push(part),
        }
    }
    match merged.len() {
        0 => Term::plain(""),
        1 => match merged.swap_remove(0) {
            Term::Scalar { text, secret } => scalar_of(text, secret),
            term => term,
        },
        _ => Term::Text(merged.into_iter().map(reference_in).collect()),
    }
}

/// A piece of a text; a dynamic reference in it stands for what it is at the time.
fn reference_in(part: Term) -> Term {
    match part {
        Term::Scalar { text, secret } => scalar_of(text, secret),
        part => part,
    }
}

/// Items with a delimiter between them.
fn separated(items: Vec<Term>, delimiter: &Term) -> Vec<Term> {
    let mut parts = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            parts.push(delimiter.clone());
        }
        parts.push(item);
    }
    parts
}

fn equal(one: Option<&Term>, other: Option<&Term>) -> Truth {
    let doubts: BTreeSet<Doubt> = one.into_iter().chain(other).flat_map(Term::doubts).collect();
    if doubts.is_empty() {
        let text = |term: Option<&Term>| term.map(Term::written);
        return if text(one) == text(other) { Truth::True } else { Truth::False };
    }
    Truth::Unknown(doubts)
}

/// The partition a region is in (AWS General Reference, ARNs).
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("us-iso-") => "aws-iso",
        region if region.starts_with("us-isob-") => "aws-iso-b",
        region if region.starts_with("eu-isoe-") => "aws-iso-e",
        region if region.starts_with("us-isof-") => "aws-iso-f",
        region if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

/// The suffix of service addresses in a region.
fn url_suffix(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

//! The state object's JSON. What this version does not know is kept, at its place, when the object is rewritten.

use serde_json::{Map, Value};

use super::{GraphState, VERSION};
use crate::graph::persistent::{GraphError, GraphObject};

impl GraphState {
    /// Reads the body of a state object.
    ///
    /// # Errors
    /// [`GraphError::UnreadableState`] if it is not what the format says, [`GraphError::NewerState`] if a later
    /// runway-rs wrote it.
    pub fn read(body: &[u8], object: &GraphObject) -> Result<Self, GraphError> {
        let unreadable = |problem| GraphError::UnreadableState { object: Box::new(object.clone()), problem };
        let raw: Value = serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
        let Some(found) = raw.get("version").and_then(Value::as_u64) else {
            return Err(unreadable("it has no version number".to_owned()));
        };
        if found > u64::from(VERSION) {
            return Err(GraphError::NewerState { object: Box::new(object.clone()), found, known: VERSION });
        }
        // From the text once more, for errors with line and column.
        let mut state: Self = serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
        if let Some(Value::Object(unknown)) = remainder(&raw, &state.known()) {
            state.unknown = unknown;
        }
        Ok(state)
    }

    /// The body of the state object: indented JSON, sorted, with a final newline. Equal states are equal bytes.
    pub fn to_json(&self) -> String {
        let mut value = self.known();
        restore(&mut value, &self.unknown, &STATE);
        // `{:#}` of a JSON value is its indented form and cannot fail.
        format!("{value:#}\n")
    }

    fn known(&self) -> Value {
        // Plain maps, strings and numbers: there is no value of this type that has no JSON.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value["version"] = VERSION.into();
        value
    }
}

/// What `raw` has and `known` has not; objects are compared member by member.
fn remainder(raw: &Value, known: &Value) -> Option<Value> {
    let (Value::Object(raw), Value::Object(known)) = (raw, known) else {
        return None;
    };
    let rest: Map<_, _> = raw
        .iter()
        .filter_map(|(key, value)| {
            let rest = match known.get(key) {
                Some(known) => remainder(value, known),
                None => Some(value.clone()),
            };
            rest.map(|rest| (key.clone(), rest))
        })
        .collect();
    (!rest.is_empty()).then_some(Value::Object(rest))
}

/// What the members of an object mean: an entry of a map that is gone was removed on purpose and must stay gone,
/// an unknown member of a record has to come back.
enum Shape {
    Record(&'static [(&'static str, Self)]),
    Entries(&'static Self),
}

const PLAIN: Shape = Shape::Record(&[]);
// What is in arguments and outputs is not ours to bring back.
const TASK: Shape =
    Shape::Record(&[("arguments", Shape::Entries(&PLAIN)), ("outputs", Shape::Entries(&PLAIN))]);
const SESSION: Shape = Shape::Record(&[("steps", Shape::Entries(&PLAIN)), ("tasks", Shape::Entries(&PLAIN))]);
const STATE: Shape = Shape::Record(&[
    ("nodes", Shape::Entries(&PLAIN)),
    ("tasks", Shape::Entries(&TASK)),
    ("intents", Shape::Entries(&SESSION)),
]);

fn restore(value: &mut Value, rest: &Map<String, Value>, shape: &Shape) {
    let Value::Object(members) = value else {
        return;
    };
    for (key, rest) in rest {
        let inner = match shape {
            Shape::Entries(inner) => Some(*inner),
            Shape::Record(known) => known.iter().find(|(name, _)| name == key).map(|(_, inner)| inner),
        };
        match (members.get_mut(key), inner, rest) {
            (Some(member), Some(inner), Value::Object(rest)) => restore(member, rest, inner),
            (None, None, _) => {
                members.insert(key.clone(), rest.clone());
            }
            _ => {}
        }
    }
}

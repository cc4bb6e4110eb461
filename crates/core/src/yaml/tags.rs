//! Tags of configs: the core ones are applied, all others refused, as PyYAML's safe loader does.

use serde_json::Value;

use super::{Node, NodeValue, YamlError, resolve};

const REFERENCE: &str = "values of other stacks come in with lookups such as `${output stack.Name}`; short forms such as `!Ref` work in templates only";
const NOT_CORE: &str = "remove it; known are !!str, !!int, !!float, !!bool, !!null, !!seq and !!map";

impl Node {
    /// Applies the core tags to the whole tree, so that afterwards no node has a tag: `!!str 12` becomes the text 12.
    /// Returns an error for every other tag and for every value that is not what its tag says.
    pub fn apply_tags(&mut self) -> Vec<YamlError> {
        let mut errors = Vec::new();
        self.apply(&mut errors);
        errors
    }

    fn apply(&mut self, errors: &mut Vec<YamlError>) {
        if let Some(tag) = self.tag.take() {
            let name = tag.name.as_str();
            // `!` alone asks for no type in particular.
            let core = if name == "!" { Some("") } else { name.strip_prefix("!!") };
            match core.map(|core| self.become_core(core)) {
                Some(Ok(())) => {}
                Some(Err(Some(expected))) => {
                    errors.push(YamlError::TagMismatch { tag: tag.name, expected, span: self.span.into() })
                }
                Some(Err(None)) => {
                    errors.push(YamlError::UnknownTag {
                        tag: tag.name,
                        help: NOT_CORE,
                        span: tag.span.into(),
                    });
                }
                None => {
                    errors.push(YamlError::UnknownTag {
                        tag: tag.name,
                        help: REFERENCE,
                        span: tag.span.into(),
                    });
                }
            }
        }
        match &mut self.value {
            NodeValue::Scalar { .. } => {}
            NodeValue::Sequence(items) => items.iter_mut().for_each(|item| item.apply(errors)),
            NodeValue::Mapping(entries) => {
                for (key, value) in entries {
                    key.apply(errors);
                    value.apply(errors);
                }
            }
        }
    }

    /// Makes the node what a core tag says. The error is what it should be; `None` for a tag that is not known.
    fn become_core(&mut self, core: &str) -> Result<(), Option<&'static str>> {
        let expected = match core {
            "" => return Ok(()),
            "seq" => return self.as_sequence().map(|_| ()).ok_or(Some("a list")),
            "map" => return self.as_mapping().map(|_| ()).ok_or(Some("a map")),
            "str" => "text",
            "int" => "a whole number",
            "float" => "a number",
            "bool" => "a boolean",
            "null" => "empty",
            _ => return Err(None),
        };
        let NodeValue::Scalar { text, plain } = &mut self.value else { return Err(Some(expected)) };
        let meant = resolve::plain_scalar(text);
        let fits = match (core, &meant) {
            ("str", _) | ("bool", Value::Bool(_)) | ("null", Value::Null) => true,
            ("int", Value::Number(number)) => !number.is_f64(),
            ("float", Value::Number(number)) => {
                // PyYAML: `!!float 3` is 3.0.
                if !number.is_f64() {
                    *text = format!("{number}.0");
                }
                true
            }
            _ => false,
        };
        *plain = core != "str";
        if fits { Ok(()) } else { Err(Some(expected)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(text: &str) -> (Value, Vec<String>) {
        let mut node = Node::parse(text).0.unwrap();
        let errors = node.apply_tags();
        (resolve::value(&node), errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn core_tags_give_values_their_types() {
        let text = "[!!str 12, !!str yes, !!int \"3\", !!bool 'yes', !!float 3, !!null '', !!seq [1], !!map {a: !!str 1}, ! x]";
        let expected = json!(["12", "yes", 3, true, 3.0, null, [1], {"a": "1"}, "x"]);
        assert_eq!(applied(text), (expected, Vec::new()));
    }

    #[test]
    fn other_tags_and_wrong_values_are_errors() {
        let errors = applied("{a: !Ref Vpc, b: !foo [!!binary aGk=], c: !!int x, d: !!bool {}}").1;
        assert_eq!(
            errors,
            [
                "the tag `!Ref` has no meaning here",
                "the tag `!foo` has no meaning here",
                "the tag `!!binary` has no meaning here",
                "this is not what the tag `!!int` says: a whole number",
                "this is not what the tag `!!bool` says: a boolean",
            ]
        );
    }
}

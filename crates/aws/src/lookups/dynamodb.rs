//! `dynamodb`: an attribute of a record of a table.

use regex::Regex;
use runway_core::registry::{Fetched, LookupFailure};
use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

use super::{malformed, open};
use crate::service::{Call, Connection, DYNAMODB};

/// What a query looks like (CFNgin).
const FORM: &str = "[region:]table@key:value[TYPE].attribute[TYPE]...";
/// CFNgin's pattern. The value of the key cannot hold a `.`.
const PATTERN: &str = r"^(?P<table>[a-zA-Z0-9\-_.]{3,255})@(?P<key>\S*):(?P<value>[^.]*)\.(?P<attribute>.*)$";
const EXAMPLE: &str = "${dynamodb us-west-2:settings@name:web.limits[M].size[N]}";

/// Types a value may be declared to have; text if nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Map,
    List,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "S",
            Self::Number => "N",
            Self::Map => "M",
            Self::List => "L",
        }
    }
}

/// A parsed query.
#[derive(Debug, PartialEq)]
struct Query {
    region: Option<String>,
    table: String,
    /// Name, type and value of the partition key.
    key: (String, char, String),
    /// Names and types from the record inwards; never empty.
    path: Vec<(String, Kind)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    item: Option<Map<String, Value>>,
}

pub(super) async fn fetch(
    connection: &Connection,
    text: &str,
    region: Option<&str>,
) -> Result<Fetched, LookupFailure> {
    let query = parse(text)?;
    let client = connection.client(&DYNAMODB, query.region.as_deref().or(region));
    let (key, kind, value) = &query.key;
    // The name of an attribute may be one of DynamoDB's own words, hence the stand-in.
    let body = json!({
        "TableName": query.table,
        "Key": {key: {kind.to_string(): value}},
        "ProjectionExpression": "#wanted",
        "ExpressionAttributeNames": {"#wanted": query.path[0].0},
    });
    let answer: Result<Answer, _> = client.json(Call::read("GetItem"), &query.table, &body).await;
    let record = match answer {
        Ok(Answer { item: Some(record) }) => record,
        Ok(Answer { item: None }) => {
            let message = format!("DynamoDB table `{}` has no record with `{key}` = `{value}`", query.table);
            return Err(LookupFailure::missing(message));
        }
        Err(refused) if refused.is(&["ResourceNotFoundException"]) => {
            return Err(LookupFailure {
                kind: Some(refused.error.kind),
                ..LookupFailure::wrong(
                    format!("there is no DynamoDB table `{}`", query.table),
                    "check its name and the region: `region:table@...` names another",
                )
            });
        }
        Err(refused) => return Err(refused.into()),
    };
    find(&record, &query).map(open)
}

fn parse(text: &str) -> Result<Query, LookupFailure> {
    let bad = || malformed(text, FORM, EXAMPLE);
    let (table, keys) = text.split_once('@').ok_or_else(bad)?;
    let (region, table) = match table.split_once(':') {
        Some((region, table)) => (Some(region.to_owned()), table),
        None => (None, table),
    };
    let pattern = Regex::new(PATTERN).map_err(|_| bad())?;
    let whole = format!("{table}@{keys}");
    let found = pattern.captures(&whole).ok_or_else(bad)?;
    let (key, value, attribute) = (&found["key"], &found["value"], &found["attribute"]);
    let (value, kind) = typed(value, bad)?;
    let kind = match kind {
        None | Some("S") => 'S',
        Some("N") => 'N',
        Some("B") => 'B',
        Some(other) => return Err(unknown_type(other, "a key has the types S, N and B")),
    };
    if value.is_empty() || key.is_empty() {
        return Err(bad());
    }
    let path = attribute.split('.').map(|part| step(part, bad)).collect::<Result<Vec<_>, _>>()?;
    let key = (key.to_owned(), kind, value.to_owned());
    Ok(Query { region, table: found["table"].to_owned(), key, path })
}

/// `name[TYPE]`: name and type.
fn typed(part: &str, bad: impl Fn() -> LookupFailure) -> Result<(&str, Option<&str>), LookupFailure> {
    match part.split_once('[') {
        None => Ok((part, None)),
        Some((name, rest)) => {
            let kind = rest.strip_suffix(']').ok_or_else(bad)?;
            Ok((name, Some(kind)))
        }
    }
}

fn step(part: &str, bad: impl Fn() -> LookupFailure) -> Result<(String, Kind), LookupFailure> {
    let (name, kind) = typed(part, &bad)?;
    if name.is_empty() {
        return Err(bad());
    }
    let kind = match kind {
        None | Some("S") => Kind::Text,
        Some("N") => Kind::Number,
        Some("M") => Kind::Map,
        Some("L") => Kind::List,
        Some(other) => return Err(unknown_type(other, "an attribute has the types S, N, M and L")),
    };
    Ok((name.to_owned(), kind))
}

fn unknown_type(name: &str, help: &str) -> LookupFailure {
    LookupFailure::wrong(format!("`dynamodb` cannot look up the type `{name}`"), help)
}

/// Walks down a record.
fn find(record: &Map<String, Value>, query: &Query) -> Result<Value, LookupFailure> {
    let mut level = record;
    let mut found = &Value::Null;
    let mut walked = String::new();
    for (place, (name, kind)) in query.path.iter().enumerate() {
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(name);
        let (key, _, value) = &query.key;
        let typed = level.get(name).and_then(Value::as_object).ok_or_else(|| {
            LookupFailure::missing(format!(
                "the record `{key}` = `{value}` of DynamoDB table `{}` has no attribute `{walked}`",
                query.table
            ))
        })?;
        found = typed.get(kind.as_str()).ok_or_else(|| {
            let actual: Vec<&str> = typed.keys().map(String::as_str).collect();
            LookupFailure::wrong(
                format!("attribute `{walked}` is not of the type `{}`", kind.as_str()),
                format!("it is of the type `{}`: write `{name}[{0}]`", actual.join(", ")),
            )
        })?;
        if place + 1 < query.path.len() {
            level = found.as_object().filter(|_| *kind == Kind::Map).ok_or_else(|| {
                LookupFailure::wrong(
                    format!("nothing can be looked up inside `{walked}`, which is no map"),
                    format!("write `{name}[M]` if it is one"),
                )
            })?;
        }
    }
    let last = query.path.last().map_or(Kind::Text, |(_, kind)| *kind);
    Ok(match (last, found) {
        (Kind::Number, Value::String(digits)) => number(digits),
        (Kind::List, Value::Array(items)) => items.iter().map(bare).collect(),
        (Kind::Map, Value::Object(entries)) => {
            Value::Object(entries.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        (_, other) => other.clone(),
    })
}

fn number(digits: &str) -> Value {
    digits.parse::<i64>().map(Value::from).unwrap_or_else(|_| {
        digits.parse::<Number>().map_or_else(|_| Value::String(digits.to_owned()), Value::Number)
    })
}

/// An element of a list without its type, otherwise as it is (CFNgin: numbers stay text).
fn bare(value: &Value) -> Value {
    let inner = value.as_object().and_then(|typed| typed.values().next());
    inner.unwrap_or(value).clone()
}

/// A value without the types of DynamoDB, to any depth.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|typed| typed.iter().next()) else {
        return value.clone();
    };
    match (kind.as_str(), inner) {
        ("N", Value::String(digits)) => number(digits),
        ("NULL", _) => Value::Null,
        ("L", Value::Array(items)) => items.iter().map(plain).collect(),
        ("M", Value::Object(entries)) => {
            Value::Object(entries.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        _ => inner.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_taken_apart() {
        let query = parse("us-east-1:my.table@key:value[N].a[M].b[L]").unwrap();
        assert_eq!(query.region.as_deref(), Some("us-east-1"));
        assert_eq!(query.table, "my.table");
        assert_eq!(query.key, ("key".to_owned(), 'N', "value".to_owned()));
        assert_eq!(query.path, [("a".to_owned(), Kind::Map), ("b".to_owned(), Kind::List)]);
        // The last colon before a value without dots ends the key's name (CFNgin).
        assert_eq!(parse("tab@a:b:c.d").unwrap().key, ("a:b".to_owned(), 'S', "c".to_owned()));
    }

    #[test]
    fn bad_queries_are_refused() {
        for text in [
            "",
            "table",
            "ab@k:v.a",
            "table@k.v",
            "table@k:v",
            "table@k:v.",
            "table@k:.a",
            "table@k:v[S.a",
            "table@k:v.a..b",
        ] {
            let failure = parse(text).unwrap_err();
            assert!(
                failure.message.contains("is not of the form") && !failure.missing,
                "{text}: {failure:?}"
            );
        }
        for text in ["table@k:v[M].a", "table@k:v.a[BOOL]"] {
            assert!(parse(text).unwrap_err().message.contains("cannot look up the type"), "{text}");
        }
    }

    #[test]
    fn values_have_their_types() {
        let record = json!({
            "text": {"S": "t"}, "whole": {"N": "12"}, "part": {"N": "1.5"},
            "list": {"L": [{"S": "a"}, {"N": "1"}]},
            "map": {"M": {"in": {"M": {"deep": {"S": "d"}}}, "n": {"N": "3"}, "no": {"NULL": true}}},
        });
        let record = record.as_object().unwrap();
        let find = |attribute: &str| find(record, &parse(&format!("table@k:v.{attribute}")).unwrap());
        assert_eq!(find("text").unwrap(), json!("t"));
        assert_eq!(find("whole[N]").unwrap(), json!(12));
        assert_eq!(find("part[N]").unwrap().to_string(), "1.5");
        assert_eq!(find("list[L]").unwrap(), json!(["a", "1"]));
        assert_eq!(find("map[M].in[M].deep").unwrap(), json!("d"));
        assert_eq!(find("map[M]").unwrap(), json!({"in": {"deep": "d"}, "n": 3, "no": null}));
        let failure = find("map[M].other").unwrap_err();
        assert!(failure.missing && failure.message.contains("`map.other`"));
        let failure = find("whole").unwrap_err();
        assert!(!failure.missing && failure.help.unwrap().contains("whole[N]"));
        assert!(find("text.more").unwrap_err().message.contains("which is no map"));
    }
}

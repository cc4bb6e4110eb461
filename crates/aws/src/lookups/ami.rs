//! `ami`: the newest machine image that fits.

use regex::bytes::{Regex, RegexBuilder};
use runway_core::registry::{Fetched, LookupFailure};
use serde::Deserialize;
use serde_json::Value;

use super::{malformed, open};
use crate::service::{Call, Connection, EC2};

/// What a query may look like.
const FORM: &str = "[region@]owners:a,b name_regex:REGEX [executable_users:a,b] [filter:value,value]";

/// A parsed query.
#[derive(Debug)]
struct Query<'a> {
    region: Option<&'a str>,
    name: Regex,
    owners: Vec<&'a str>,
    executable_users: Vec<&'a str>,
    /// Names and values of filters, as EC2 knows them.
    filters: Vec<(String, Vec<&'a str>)>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    images_set: Images,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Images {
    item: Vec<Image>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Image {
    image_id: String,
    name: String,
    creation_date: String,
}

/// The newest image that fits; `planned`, if that fits as well.
pub(super) async fn fetch(
    connection: &Connection,
    text: &str,
    region: Option<&str>,
    planned: Option<&Value>,
) -> Result<Fetched, LookupFailure> {
    let query = parse(text)?;
    let client = connection.client(&EC2, query.region.or(region));
    let answer: Answer = client.query(Call::read("DescribeImages"), "the images", &form(&query)).await?;
    let mut images = answer.images_set.item;
    images.sort_by(|one, other| other.creation_date.cmp(&one.creation_date));
    let mut fitting = images.iter().filter(|image| query.name.is_match(image.name.as_bytes()));
    let is_planned = |image: &&Image| planned.and_then(Value::as_str) == Some(&*image.image_id);
    match fitting.clone().find(is_planned).or_else(|| fitting.next()) {
        Some(image) => Ok(open(Value::String(image.image_id.clone()))),
        None => Err(LookupFailure {
            help: Some(
                "`aws ec2 describe-images` with the same owners and filters shows what there is".into(),
            ),
            ..LookupFailure::missing(format!("no machine image fits `{text}`"))
        }),
    }
}

fn parse(text: &str) -> Result<Query<'_>, LookupFailure> {
    let bad =
        || malformed(text, FORM, "${ami owners:self,amazon name_regex:server-[0-9]+ architecture:x86_64}");
    // A regular expression may hold an `@` of its own.
    let (region, rest) = match text.split_once('@') {
        Some((region, rest)) if !region.contains([':', ' ']) => (Some(region), rest),
        _ => (None, text),
    };
    let (mut name, mut owners, mut executable_users, mut filters) =
        (None, Vec::new(), Vec::new(), Vec::new());
    for part in rest.split_whitespace() {
        let (key, value) = part.split_once(':').ok_or_else(bad)?;
        // The names of these filters hold a colon themselves: `tag:Name:web`.
        let (filter, value) = match value.split_once(':') {
            Some((tag, value)) if key == "tag" => (format!("tag:{tag}"), value),
            _ => (key.to_owned(), value),
        };
        let values = || value.split(',').filter(|value| !value.is_empty()).collect::<Vec<_>>();
        match key {
            "name_regex" => name = Some(value),
            "owners" => owners = values(),
            "executable_users" => executable_users = values(),
            _ => {
                filters.retain(|(known, _)| *known != filter);
                filters.push((filter, values()));
            }
        }
    }
    let (Some(name), false) = (name, owners.is_empty()) else { return Err(bad()) };
    // Names of images are ASCII. The whole name has to fit.
    let name = RegexBuilder::new(&format!("^(?:{name})$")).unicode(false).build().map_err(|_| {
        LookupFailure::wrong(
            format!("`{name}` is not a regular expression that can be used"),
            "the syntax is that of Python without look-around and back-references",
        )
    })?;
    Ok(Query { region, name, owners, executable_users, filters })
}

fn form(query: &Query<'_>) -> Vec<(String, String)> {
    let list = |name: String, values: &[&str]| {
        let numbered = values.iter().enumerate();
        numbered
            .map(|(number, value)| (format!("{name}.{}", number + 1), (*value).to_owned()))
            .collect::<Vec<_>>()
    };
    let mut form = list("Owner".to_owned(), &query.owners);
    form.extend(list("ExecutableBy".to_owned(), &query.executable_users));
    for (number, (name, values)) in query.filters.iter().enumerate() {
        let filter = format!("Filter.{}", number + 1);
        form.push((format!("{filter}.Name"), name.clone()));
        form.extend(list(format!("{filter}.Value"), values));
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_become_forms() {
        let query = parse("us-west-2@owners:self,111122223333 name_regex:web-[0-9]+$ architecture:x86_64,arm64 executable_users:all").unwrap();
        assert_eq!(query.region, Some("us-west-2"));
        let form: Vec<String> =
            form(&query).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            form,
            [
                "Owner.1=self",
                "Owner.2=111122223333",
                "ExecutableBy.1=all",
                "Filter.1.Name=architecture",
                "Filter.1.Value.1=x86_64",
                "Filter.1.Value.2=arm64",
            ]
        );
        let fits = |name: &str| query.name.is_match(name.as_bytes());
        assert!(fits("web-12") && !fits("web-12-old") && !fits("my-web-12"));
    }

    #[test]
    fn the_whole_name_has_to_fit_whatever_the_expression_holds() {
        let fits = |expression: &str, name: &str| {
            let text = format!("owners:self name_regex:{expression}");
            parse(&text).unwrap().name.is_match(name.as_bytes())
        };
        assert!(fits("a|b", "a") && fits("a|b", "b") && !fits("a|b", "ab"));
        assert!(fits("(?i)Web.*", "WEB@1") && fits("x@[0-9]", "x@1"));
    }

    #[test]
    fn a_query_without_owners_or_name_is_refused() {
        for text in
            ["", "owners:self", "name_regex:a", "owners: name_regex:a", "owners:self name_regex:a junk"]
        {
            assert!(parse(text).unwrap_err().message.contains("is not of the form"), "{text}");
        }
        let failure = parse("owners:self name_regex:(").unwrap_err();
        assert!(failure.message.contains("regular expression"), "{}", failure.message);
    }
}

//! Which resource types exist, and the attributes of those in the catalogue.
//!
//! The lists follow CloudFormation's resource provider schemas. Types are added to AWS all the time, so a type of AWS
//! that is not listed is refused only if it looks like a slip of the pen for one that is.

use runway_core::error::nearest;

/// One service a line: its name, then the names of its types.
const TYPES: &str = include_str!("types.txt");

/// One type a line, then what `Fn::GetAtt` may ask for.
const ATTRIBUTES: &str = include_str!("attributes.txt");

/// What is known of a resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It exists, or is a third party's and none of our business.
    Known,
    /// It is called a type of AWS but is not listed.
    Unlisted,
    /// It does not exist.
    Wrong,
}

/// What is known of a type: `AWS::Service::Type`, a third party's `Company::Service::Type`, `Custom::Anything`.
pub(crate) fn standing(kind: &str) -> Standing {
    let parts: Vec<_> = kind.split("::").collect();
    match parts.as_slice() {
        ["Custom", name] if !name.is_empty() => Standing::Known,
        // What only the SAM transform knows.
        ["AWS", "Serverless", _] => Standing::Wrong,
        ["AWS", service, rest @ ..] if rest.last() != Some(&"MODULE") => of_aws(service, &rest.join("::")),
        [a, b, c] | [a, b, c, "MODULE"] if [a, b, c].iter().all(|part| !part.is_empty()) => Standing::Known,
        _ => Standing::Wrong,
    }
}

fn of_aws(service: &str, name: &str) -> Standing {
    if name.is_empty() {
        return Standing::Wrong;
    }
    let is_meant = |wanted: &str, found: Option<&str>| {
        found.is_some_and(|found| found.len().abs_diff(wanted.len()) <= 1)
    };
    let wrong_if = |wrong: bool| if wrong { Standing::Wrong } else { Standing::Unlisted };
    match types_of(service) {
        Some(names) if names.split(' ').any(|listed| listed == name) => Standing::Known,
        Some(names) => wrong_if(is_meant(name, nearest(name, names.split(' ')))),
        None => {
            let services = || services().map(|(service, _)| service);
            let meant = services()
                .find(|listed| listed.eq_ignore_ascii_case(service))
                .or_else(|| nearest(service, services()).filter(|_| service.len() >= 5));
            let has_type =
                meant.and_then(types_of).is_some_and(|names| names.split(' ').any(|listed| listed == name));
            wrong_if(is_meant(service, meant) && has_type)
        }
    }
}

fn services() -> impl Iterator<Item = (&'static str, &'static str)> {
    TYPES.lines().filter_map(|line| line.split_once(' '))
}

fn types_of(service: &str) -> Option<&'static str> {
    services().find(|(listed, _)| *listed == service).map(|(_, names)| names)
}

/// Whether `Fn::GetAtt` of a type may ask for `attribute`; a type whose attributes are not known has all.
pub(crate) fn has_attribute(kind: &str, attribute: &str) -> bool {
    let Some(known) = ATTRIBUTES.lines().find_map(|line| {
        let (listed, attributes) = line.split_once(' ').unwrap_or((line, ""));
        (listed == kind).then_some(attributes)
    }) else {
        return true;
    };
    known.split(' ').any(|known| {
        // Attributes have attributes: `Endpoint.Address`.
        known == attribute || attribute.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slips_are_refused() {
        for kind in [
            "AWS::S3::Bucket",
            "AWS::CloudFormation::WaitConditionHandle",
            "AWS::OpenSearchService::Domain",
            "Custom::Thing",
            "Company::Own::Thing",
            "Company::Own::Thing::MODULE",
        ] {
            assert_eq!(standing(kind), Standing::Known, "{kind}");
        }
        for kind in ["AWS::S3::FutureThing", "AWS::BrandNew::Cluster", "AWS::DAY::Cluster"] {
            assert_eq!(standing(kind), Standing::Unlisted, "{kind}");
        }
        for kind in [
            "AWS::S3::Buckt",
            "AWS::s3::Bucket",
            "AWS::S3::bucket",
            "AWS::Lamda::Function",
            "AWS::Serverless::Function",
            "AWS::S3",
            "Bucket",
            "Custom::",
        ] {
            assert_eq!(standing(kind), Standing::Wrong, "{kind}");
        }
    }

    #[test]
    fn attributes_of_known_types_are_known() {
        assert!(has_attribute("AWS::S3::Bucket", "Arn"));
        assert!(has_attribute("AWS::RDS::DBInstance", "Endpoint.Address"));
        assert!(has_attribute("AWS::Unlisted::Thing", "Whatever"));
        assert!(!has_attribute("AWS::S3::Bucket", "Nope"));
        assert!(!has_attribute("AWS::SNS::Topic", "Arn"));
    }

    #[test]
    fn the_lists_are_in_order() {
        for list in [TYPES, ATTRIBUTES] {
            assert!(list.lines().is_sorted());
        }
    }
}

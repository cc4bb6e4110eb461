/// What a bucket does with its objects by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether objects that are overwritten or deleted stay as earlier versions.
    pub keeps_versions: bool,
    /// What it removes after some days.
    pub expirations: Vec<Expiration>,
}

/// A rule by which a bucket removes objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expiration {
    /// Starts the keys of the objects; every key starts with the empty one.
    pub prefix: String,
    /// Days after which an object goes.
    pub days: Option<u32>,
    /// Days after which an earlier version goes.
    pub earlier_versions: Option<u32>,
}

impl Rules {
    /// Days after which the first of the objects below a prefix go.
    pub fn days(&self, prefix: &str) -> Option<u32> {
        // A rule for some of them counts.
        let about = |rule: &&Expiration| prefix.starts_with(&rule.prefix) || rule.prefix.starts_with(prefix);
        self.expirations.iter().filter(about).filter_map(|rule| rule.days).min()
    }

    /// Days after which all earlier versions of objects below a prefix go.
    pub fn days_of_earlier_versions(&self, prefix: &str) -> Option<u32> {
        let about_all = |rule: &&Expiration| prefix.starts_with(&rule.prefix);
        self.expirations.iter().filter(about_all).filter_map(|rule| rule.earlier_versions).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_rule_about_a_prefix_counts() {
        let rule = |prefix: &str, days, earlier_versions| Expiration {
            prefix: prefix.to_owned(),
            days,
            earlier_versions,
        };
        let rules = Rules {
            keeps_versions: true,
            expirations: vec![
                rule("", Some(365), Some(90)),
                rule("cache/", None, Some(3)),
                rule("cache/prod/v1/blob/", Some(7), Some(1)),
                rule("logs/", Some(1), Some(2)),
            ],
        };
        let found = |prefix: &str| (rules.days(prefix), rules.days_of_earlier_versions(prefix));
        assert_eq!(found("cache/prod/v1/"), (Some(7), Some(3)));
        assert_eq!(found("cache/test/v1/"), (Some(365), Some(3)));
        assert_eq!(found("persistent_graphs/"), (Some(365), Some(90)));
        let none = Rules::default();
        assert_eq!((none.days("cache/"), none.days_of_earlier_versions("cache/")), (None, None));
    }
}

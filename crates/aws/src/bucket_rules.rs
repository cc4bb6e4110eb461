//! Lifecycle rules of buckets.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule};
use runway_store::Expiration;

/// What a rule removes after some days; `None` if it is off, removes nothing, or is about objects with certain tags: what
/// this program writes has none.
pub(crate) fn expiration(rule: &LifecycleRule) -> Option<Expiration> {
    if *rule.status() != ExpirationStatus::Enabled {
        return None;
    }
    let filter = rule.filter();
    let both = filter.and_then(|filter| filter.and());
    if filter.is_some_and(|filter| filter.tag().is_some()) || both.is_some_and(|both| !both.tags().is_empty())
    {
        return None;
    }
    let days = |days: Option<i32>| days.and_then(|days| u32::try_from(days).ok());
    let found = Expiration {
        prefix: prefix(rule).unwrap_or_default().to_owned(),
        days: days(rule.expiration().and_then(|expiration| expiration.days())),
        earlier_versions: days(rule.noncurrent_version_expiration().and_then(|gone| gone.noncurrent_days())),
    };
    (found.days.is_some() || found.earlier_versions.is_some()).then_some(found)
}

/// S3 has three places for it.
fn prefix(rule: &LifecycleRule) -> Option<&str> {
    let filter = rule.filter();
    let both = filter.and_then(|filter| filter.and()).and_then(|both| both.prefix());
    let alone = filter.and_then(|filter| filter.prefix());
    #[expect(deprecated, reason = "buckets still have it from earlier times")]
    let earlier = rule.prefix();
    both.or(alone).or(earlier)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration, Tag,
    };

    use super::*;

    fn rule(filter: LifecycleRuleFilter, status: ExpirationStatus) -> LifecycleRule {
        LifecycleRule::builder()
            .status(status)
            .filter(filter)
            .expiration(LifecycleExpiration::builder().days(30).build())
            .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(3).build())
            .build()
            .unwrap()
    }

    fn tag() -> Tag {
        Tag::builder().key("a").value("b").build().unwrap()
    }

    #[test]
    fn rules_that_are_on_and_about_objects_without_tags_count() {
        let below = |prefix: &str| LifecycleRuleFilter::builder().prefix(prefix).build();
        let found = expiration(&rule(below("cache/"), ExpirationStatus::Enabled)).unwrap();
        let wanted = Expiration { prefix: "cache/".to_owned(), days: Some(30), earlier_versions: Some(3) };
        assert_eq!(found, wanted);
        assert_eq!(expiration(&rule(below("cache/"), ExpirationStatus::Disabled)), None);
        let tagged = LifecycleRuleFilter::builder().tag(tag()).build();
        assert_eq!(expiration(&rule(tagged, ExpirationStatus::Enabled)), None);
        let both = LifecycleRuleAndOperator::builder().prefix("cache/").object_size_less_than(10);
        let large = LifecycleRuleFilter::builder().and(both.clone().build()).build();
        assert_eq!(expiration(&rule(large, ExpirationStatus::Enabled)), Some(wanted));
        let both = LifecycleRuleFilter::builder().and(both.tags(tag()).build()).build();
        assert_eq!(expiration(&rule(both, ExpirationStatus::Enabled)), None);
        let nothing = LifecycleRule::builder().status(ExpirationStatus::Enabled).build().unwrap();
        assert_eq!(expiration(&nothing), None);
    }
}

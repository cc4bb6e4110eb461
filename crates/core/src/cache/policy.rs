//! What roles must be allowed to use the cache in the bucket.

use runway_store::BucketName;
use serde_json::{Value, json};

use super::tier::prefix;

/// The IAM policy of a role that uses the cache of a namespace: of plans and pull requests, or if `writes` of
/// deployments. `partition` is that of the account, for example `aws`.
pub fn iam_policy(partition: &str, bucket: &BucketName, namespace: &str, writes: bool) -> Value {
    let prefix = prefix(namespace);
    let arn = format!("arn:{partition}:s3:::{bucket}");
    let mut actions = vec!["s3:GetObject"];
    if writes {
        actions.extend(["s3:PutObject", "s3:DeleteObject"]);
    }
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TaskCache",
                "Effect": "Allow",
                "Action": actions,
                "Resource": format!("{arn}/{prefix}*")
            },
            {
                // Without it, S3 answers that an object which is not there must not be read.
                "Sid": "TaskCacheList",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": arn,
                "Condition": {"StringLike": {"s3:prefix": format!("{prefix}*")}}
            }
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_may_only_read_and_nobody_gets_more_than_the_cache() {
        let bucket = BucketName::new("b");
        let reading = iam_policy("aws-cn", &bucket, "prod", false);
        assert_eq!(reading["Statement"][0]["Action"], json!(["s3:GetObject"]));
        let writing = iam_policy("aws-cn", &bucket, "prod", true);
        assert_eq!(
            writing["Statement"][0],
            json!({
                "Sid": "TaskCache",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": "arn:aws-cn:s3:::b/cache/prod/v1/*"
            })
        );
        assert_eq!(reading["Statement"][1], writing["Statement"][1]);
    }
}

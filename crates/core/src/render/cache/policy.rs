//! What a role must be allowed to use the bucket's part of the cache.

use serde_json::json;

use super::super::json::pretty;
use crate::cache::Remote;

/// The partition of AWS that a region is in, as ARNs name it.
pub fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// An IAM policy for the cache of one namespace: to read it, or also to write it.
pub fn policy(remote: &Remote, region: &str, writes: bool) -> String {
    let partition = partition(region);
    let bucket = format!("arn:{partition}:s3:::{}", remote.store().bucket());
    let objects = format!("{bucket}/{}*", remote.prefix());
    let actions: &[&str] =
        if writes { &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] } else { &["s3:GetObject"] };
    pretty(&json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Cache", "Effect": "Allow", "Action": actions, "Resource": objects},
            // Without it S3 does not say that an object is not there, but that it may not be read.
            {"Sid": "CacheMissing", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket},
        ],
    }))
}

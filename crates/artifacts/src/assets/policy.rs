//! The permissions that commands about assets need.

use serde_json::{Value, json};

use crate::names::Layout;

/// What is to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Files are written, too; whoever only prunes needs not.
    pub push: bool,
    /// Files are restored from older versions of objects.
    pub heal: bool,
}

/// The permissions that pushing and pruning an app need, as an IAM policy.
pub fn iam_policy(partition: &str, bucket: &str, layout: &Layout, allowed: Allowed) -> Value {
    let head = layout.head();
    let marker = layout.marker();
    let locks = marker.as_str().trim_end_matches("gc.json");
    let copies = layout.all_copies();
    let prefixes = [layout.data(), layout.manifests(), layout.intents(), layout.pins(), locks.to_owned()];
    let prefixes = prefixes.into_iter().chain([copies]);
    let patterns: Vec<String> =
        prefixes.map(|prefix| format!("{prefix}*")).chain([head.as_str().to_owned()]).collect();
    let bucket = format!("arn:{partition}:s3:::{bucket}");
    let object = |pattern: &String| format!("{bucket}/{pattern}");
    let everything: Vec<String> = patterns.iter().map(object).collect();
    let written = if allowed.push { everything.clone() } else { vec![object(&format!("{locks}*"))] };
    let files = format!("{}*", layout.data());
    let mut statements = vec![
        // Without the permission to list a key, S3 calls an object that is missing forbidden. That is why the head is here,
        // too.
        json!({
            "Sid": "List",
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [bucket],
            "Condition": {"StringLike": {"s3:prefix": patterns}},
        }),
        // Uploads that were broken off. No condition: the prefix is not known to this permission.
        json!({
            "Sid": "Unfinished",
            "Effect": "Allow",
            "Action": ["s3:ListBucketMultipartUploads"],
            "Resource": [bucket],
        }),
        json!({
            "Sid": "ReadAndDelete",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": everything,
        }),
        json!({
            "Sid": "Write",
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:ListMultipartUploadParts"],
            "Resource": written,
        }),
    ];
    if allowed.heal {
        statements.push(json!({
            "Sid": "VerifyHealListVersions",
            "Effect": "Allow",
            "Action": ["s3:ListBucketVersions"],
            "Resource": [bucket],
            "Condition": {"StringLike": {"s3:prefix": [files]}},
        }));
        statements.push(json!({
            "Sid": "VerifyHealReadVersions",
            "Effect": "Allow",
            "Action": ["s3:GetObjectVersion"],
            "Resource": [object(&files)],
        }));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(allowed: Allowed) -> Vec<(String, Vec<String>)> {
        let layout = Layout::new("team", "myapp".parse().unwrap()).unwrap();
        let policy = iam_policy("aws-cn", "b", &layout, allowed);
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let statements = policy["Statement"].as_array().unwrap().clone();
        let of = |statement: &Value, action: String| (action, texts(&statement["Resource"]));
        statements.iter().flat_map(|one| texts(&one["Action"]).into_iter().map(|a| of(one, a))).collect()
    }

    #[test]
    fn a_policy_allows_what_is_asked_for_and_no_more() {
        let has = |allowed, wanted: &str| actions(allowed).iter().any(|(action, _)| action == wanted);
        let push = Allowed { push: true, heal: false };
        assert!(!has(push, "s3:ListBucketVersions") && !has(push, "s3:GetObjectVersion"));
        let heal = Allowed { push: true, heal: true };
        assert!(has(heal, "s3:ListBucketVersions") && has(heal, "s3:GetObjectVersion"));
        let prune = actions(Allowed { push: false, heal: false });
        let written: Vec<_> = prune.iter().filter(|(action, _)| action == "s3:PutObject").collect();
        assert_eq!(written[0].1, ["arn:aws-cn:s3:::b/team/locks/myapp/*"]);
    }

    #[test]
    fn the_head_may_be_listed_so_that_a_missing_one_is_not_forbidden() {
        let layout = Layout::new("", "myapp".parse().unwrap()).unwrap();
        let policy = iam_policy("aws", "b", &layout, Allowed { push: true, heal: false });
        let listed = &policy["Statement"][0]["Condition"]["StringLike"]["s3:prefix"];
        assert!(listed.as_array().unwrap().contains(&json!("heads/myapp.json")), "{listed}");
    }
}

//! What resources do by themselves: how long they take and why they fail.

use std::time::Duration;

use serde_json::Value;

use crate::buckets;
use crate::state::{BUCKET_TYPE, Behaviour};

/// The longest a wait condition may wait, in seconds (AWS: `AWS::CloudFormation::WaitCondition`).
const MAX_WAIT_SECONDS: f64 = 43_200.0;

/// How a resource behaves without any script.
pub(crate) fn natural(kind: &str, properties: &Value, per_resource: Duration) -> Behaviour {
    let millis = per_resource.as_millis().try_into().unwrap_or(u64::MAX);
    let mut behaviour = Behaviour { millis, ..Behaviour::default() };
    match kind {
        "AWS::CloudFormation::WaitCondition" => {
            let number = |name: &str| {
                let value = properties.get(name)?;
                value.as_f64().or_else(|| value.as_str()?.parse().ok())
            };
            let (count, timeout) = (number("Count").unwrap_or(1.0), number("Timeout").unwrap_or(0.0));
            if !(0.0..=MAX_WAIT_SECONDS).contains(&timeout) {
                behaviour.fail_create = Some(format!(
                    "Invalid Timeout value {timeout}: it must be between 0 and {MAX_WAIT_SECONDS} seconds"
                ));
            } else if count > 0.0 {
                // Nothing in a simulation ever sends the signals.
                behaviour.millis =
                    Duration::from_secs_f64(timeout).as_millis().try_into().unwrap_or(u64::MAX);
                behaviour.fail_create =
                    Some(format!("WaitCondition timed out. Received 0 conditions when expecting {count}"));
            }
        }
        BUCKET_TYPE => {
            let name = properties.get("BucketName").and_then(Value::as_str);
            if name.is_some_and(|name| !buckets::is_valid_name(name)) {
                behaviour.fail_create = Some(
                    "The specified bucket is not valid. (Service: S3, Status Code: 400, Error Code: InvalidBucketName)"
                        .to_owned(),
                );
            }
        }
        "AWS::CloudFormation::Stack" => {
            behaviour.fail_create = Some("Nested stacks are not simulated by the local provider".to_owned());
        }
        _ => {}
    }
    behaviour
}

//! What headers of requests and answers say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::Timestamp;
use runway_store::{ContentDigest, Tags, UserMetadata};

/// Remembers the `Date` of an answer: the SDK does not hand it on.
#[derive(Debug, Clone, Default)]
pub(super) struct DateOfAnswer(Arc<Mutex<Option<Timestamp>>>);

impl DateOfAnswer {
    pub(super) fn get(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for DateOfAnswer {
    fn name(&self) -> &'static str {
        "DateOfAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context
            .response()
            .headers()
            .get("date")
            .and_then(|text| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

/// The form of the header.
pub(super) fn checksum(digest: &ContentDigest) -> String {
    aws_smithy_types::base64::encode(digest.as_bytes())
}

pub(super) fn user(metadata: Option<&HashMap<String, String>>) -> UserMetadata {
    metadata.into_iter().flatten().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

pub(super) fn metadata(user: &UserMetadata) -> Option<HashMap<String, String>> {
    let pairs: HashMap<String, String> =
        user.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    (!pairs.is_empty()).then_some(pairs)
}

/// Tags as a query string, the form of the `x-amz-tagging` header.
pub(super) fn tagging(tags: &Tags) -> Option<String> {
    let encoded = |text: &str| {
        let mut out = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    };
    let pairs: Vec<String> =
        tags.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_encoded_for_the_header() {
        let tags = Tags::from([("a b".to_owned(), "c&d=é".to_owned()), ("x".to_owned(), String::new())]);
        assert_eq!(tagging(&tags).as_deref(), Some("a%20b=c%26d%3D%C3%A9&x="));
        assert_eq!(tagging(&Tags::new()), None);
    }
}

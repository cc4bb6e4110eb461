//! Headers of the objects that are written: CFNgin's own, unless a bucket wants others.

use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types as sdk;
use runway_core::provider::{ErrorKind, ProviderError};

/// What every object is written with. The default is what CFNgin sends: `AES256` and `bucket-owner-full-control`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHeaders {
    encryption: Option<Encryption>,
    acl: Option<sdk::ObjectCannedAcl>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Encryption {
    Aes256,
    /// With the key that is named, or else the account's own.
    Kms(Option<String>),
}

impl Default for ObjectHeaders {
    fn default() -> Self {
        Self { encryption: Some(Encryption::Aes256), acl: Some(sdk::ObjectCannedAcl::BucketOwnerFullControl) }
    }
}

impl ObjectHeaders {
    /// The headers that two texts describe: `AES256`, `aws:kms`, `aws:kms:KEY` or `none`; and the name of a canned ACL
    /// or `none`. What is not given stays as CFNgin has it.
    ///
    /// # Errors
    /// [`ProviderError`] if a text is none of these.
    pub fn parse(encryption: Option<&str>, acl: Option<&str>) -> Result<Self, ProviderError> {
        let wrong = |variable: &str, value: &str, known: &str| {
            let message = format!("{variable} is `{value}`, and must be {known}");
            ProviderError::new(ErrorKind::Misconfigured, "connection", "S3", message)
        };
        let default = Self::default();
        let encryption = match encryption {
            None => default.encryption,
            Some("none") => None,
            Some("AES256") => Some(Encryption::Aes256),
            Some("aws:kms") => Some(Encryption::Kms(None)),
            Some(other) => match other.strip_prefix("aws:kms:").filter(|key| !key.is_empty()) {
                Some(key) => Some(Encryption::Kms(Some(key.to_owned()))),
                None => {
                    let known = "AES256, aws:kms, aws:kms:KEY or none";
                    return Err(wrong("RUNWAY_RS_OBJECT_ENCRYPTION", other, known));
                }
            },
        };
        let acl = match acl {
            None => default.acl,
            Some("none") => None,
            Some(name) => match sdk::ObjectCannedAcl::try_parse(name) {
                Ok(acl) => Some(acl),
                Err(_) => {
                    let known = "a canned ACL such as bucket-owner-full-control, or none";
                    return Err(wrong("RUNWAY_RS_OBJECT_ACL", name, known));
                }
            },
        };
        Ok(Self { encryption, acl })
    }

    /// The same for a body that comes in parts.
    pub(crate) fn apply_to_parts(
        &self,
        request: CreateMultipartUploadFluentBuilder,
    ) -> CreateMultipartUploadFluentBuilder {
        let request = request.set_acl(self.acl.clone());
        match &self.encryption {
            None => request,
            Some(Encryption::Aes256) => request.server_side_encryption(sdk::ServerSideEncryption::Aes256),
            Some(Encryption::Kms(key)) => request
                .server_side_encryption(sdk::ServerSideEncryption::AwsKms)
                .set_ssekms_key_id(key.clone()),
        }
    }

    pub(crate) fn apply(&self, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        let request = request.set_acl(self.acl.clone());
        match &self.encryption {
            None => request,
            Some(Encryption::Aes256) => request.server_side_encryption(sdk::ServerSideEncryption::Aes256),
            Some(Encryption::Kms(key)) => request
                .server_side_encryption(sdk::ServerSideEncryption::AwsKms)
                .set_ssekms_key_id(key.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_as_cfngin_has_it() {
        assert_eq!(ObjectHeaders::parse(None, None).unwrap(), ObjectHeaders::default());
        let own = ObjectHeaders::parse(Some("aws:kms:alias/own"), Some("none")).unwrap();
        assert_eq!(
            own,
            ObjectHeaders { encryption: Some(Encryption::Kms(Some("alias/own".into()))), acl: None }
        );
        assert!(ObjectHeaders::parse(Some("kms"), None).is_err());
        assert!(ObjectHeaders::parse(None, Some("everybody")).is_err());
    }
}

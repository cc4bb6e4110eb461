//! `iam.create_ecs_service_role` and `iam.ensure_server_cert_exists`.

use runway_core::registry::HandlerFailure;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{Arguments, Run, failed};
use crate::service::{Call, IAM};

/// Creates the role that ECS needs, if it is missing, and puts its policy.
pub(super) async fn create_ecs_service_role(
    run: &Run<'_>,
    mut arguments: Arguments<'_>,
) -> Result<Value, HandlerFailure> {
    let role = arguments.text("role_name")?.unwrap_or_else(|| "ecsServiceRole".to_owned());
    arguments.finish()?;
    let trust = json!({
        "Statement": [{
            "Action": ["sts:AssumeRole"],
            "Effect": "Allow",
            "Principal": {"Service": ["ecs.amazonaws.com"]},
        }],
        "Version": "2012-10-17",
    });
    let policy = json!({
        "Statement": [{
            "Action": [
                "ecs:CreateCluster",
                "ecs:DeregisterContainerInstance",
                "ecs:DiscoverPollEndpoint",
                "ecs:Poll",
                "ecs:Submit*",
            ],
            "Effect": "Allow",
            "Resource": ["*"],
        }],
        "Version": "2012-10-17",
    });
    let client = run.connection().client(&IAM, None);
    let form = form(&[("RoleName", &role), ("AssumeRolePolicyDocument", &trust.to_string())]);
    match client.query::<IgnoredAny>(Call::change("CreateRole"), &role, &form).await {
        Ok(_) => run.say(format!("created role `{role}`")),
        Err(refused) if refused.is(&["EntityAlreadyExists"]) => run.say(format!("role `{role}` exists")),
        Err(refused) => return Err(refused.into()),
    }
    let form = self::form(&[
        ("RoleName", &role),
        ("PolicyName", "AmazonEC2ContainerServiceRolePolicy"),
        ("PolicyDocument", &policy.to_string()),
    ]);
    client.query::<IgnoredAny>(Call::change("PutRolePolicy"), &role, &form).await?;
    Ok(Value::Bool(true))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    arn: String,
}

/// Uploads a server certificate if there is none of that name.
pub(super) async fn ensure_server_certificate(
    run: &Run<'_>,
    mut arguments: Arguments<'_>,
) -> Result<Value, HandlerFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Found {
        get_server_certificate_result: FoundResult,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct FoundResult {
        server_certificate: Certificate,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Certificate {
        server_certificate_metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Uploaded {
        upload_server_certificate_result: Certificate,
    }
    let name = arguments.required("cert_name")?;
    let certificate = arguments.text("path_to_certificate")?;
    let chain = arguments.text("path_to_chain")?;
    let private_key = arguments.text("path_to_private_key")?;
    let prompt = arguments.value("prompt");
    let prompt = arguments.flag("prompt", prompt, true)?;
    arguments.finish()?;
    let client = run.connection().client(&IAM, None);
    let result = |status: &str, arn: &str| json!({"status": status, "cert_name": name, "cert_arn": arn});

    let wanted = form(&[("ServerCertificateName", &name)]);
    match client.query::<Found>(Call::read("GetServerCertificate"), &name, &wanted).await {
        Ok(found) => {
            let arn = found.get_server_certificate_result.server_certificate.server_certificate_metadata.arn;
            run.say(format!("server certificate `{name}` exists"));
            return Ok(result("exists", &arn));
        }
        Err(refused) if refused.is(&["NoSuchEntity"]) => {}
        Err(refused) => return Err(refused.into()),
    }
    let (Some(certificate), Some(private_key), false) = (certificate, private_key, prompt) else {
        return Err(failed(
            format!("there is no server certificate `{name}`, and the hook may not upload it"),
            "give `path_to_certificate`, `path_to_private_key`, perhaps `path_to_chain`, and `prompt: false`: hooks ask no questions",
        ));
    };
    let body = run.read("path_to_certificate", &certificate)?;
    let key = run.read("path_to_private_key", &private_key)?;
    let chain = chain.map(|path| run.read("path_to_chain", &path)).transpose()?;
    let mut upload =
        form(&[("ServerCertificateName", &name), ("CertificateBody", &body), ("PrivateKey", &key)]);
    if let Some(chain) = &chain {
        upload.extend(form(&[("CertificateChain", chain)]));
    }
    let call = Call::change("UploadServerCertificate");
    let uploaded: Uploaded = client.query(call, &name, &upload).await?;
    run.say(format!("uploaded server certificate `{name}`"));
    let arn = uploaded.upload_server_certificate_result.server_certificate_metadata.arn;
    Ok(result("uploaded", &arn))
}

fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

//! The records in Route 53 by which ACM sees that a domain is the user's.

use runway_core::registry::HandlerFailure;
use serde::Deserialize;
use serde_json::json;

use super::super::Run;
use super::super::route53::{ChangeFailure, RecordSet, change};
use super::template::GENERATED;
use super::{INTERVAL, Wanted};
use crate::service::{ACM, Call, ServiceError};

/// Keeps what was written, so that it is written once and can be taken back.
pub(super) struct Validation<'a> {
    run: &'a Run<'a>,
    wanted: &'a Wanted,
    /// Certificates that have their records, the newest last.
    done: Vec<String>,
    written: Vec<RecordSet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    certificate: Described,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    domain_validation_options: Option<Vec<Choice>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Choice {
    resource_record: Option<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    name: String,
    r#type: String,
    value: String,
}

impl<'a> Validation<'a> {
    pub(super) fn new(run: &'a Run<'a>, wanted: &'a Wanted) -> Self {
        Self { run, wanted, done: Vec::new(), written: Vec::new() }
    }

    /// The certificate that got its records last.
    pub(super) fn newest(&self) -> Option<&str> {
        self.done.last().map(String::as_str)
    }

    /// Writes the records of a certificate, once; waits until ACM tells them.
    pub(super) async fn write(&mut self, arn: &str) -> Result<(), HandlerFailure> {
        if self.done.iter().any(|done| done == arn) {
            return Ok(());
        }
        let records = loop {
            let described = self.describe(arn).await?;
            let choices = described.domain_validation_options.unwrap_or_default();
            if !choices.is_empty() && choices.iter().all(|choice| choice.resource_record.is_some()) {
                break self.records(choices, self.wanted.ttl);
            }
            self.run.clock.sleep(INTERVAL).await;
        };
        self.run.say(format!(
            "writing {} validation record(s) to hosted zone `{}`",
            records.len(),
            self.wanted.hosted_zone_id
        ));
        self.change("UPSERT", records.clone()).await?;
        self.written.extend(records);
        self.done.push(arn.to_owned());
        Ok(())
    }

    /// Takes back what was written. What cannot be taken back is told, no more: the failure that led here matters.
    pub(super) async fn remove_written(&mut self) {
        let written = std::mem::take(&mut self.written);
        if !written.is_empty()
            && let Err(failure) = self.change("DELETE", written).await
        {
            self.run
                .say(format!("the validation records are left: {}", HandlerFailure::from(failure).message));
        }
    }

    /// Removes the records of a certificate. Records, zones and certificates that are gone already are fine.
    pub(super) async fn remove(&self, arn: &str, ttl: u64) -> Result<(), HandlerFailure> {
        let described = match self.describe(arn).await {
            Ok(described) => described,
            Err(refused) if refused.is(&["ResourceNotFoundException"]) => {
                self.run.say(format!("certificate `{arn}` does not exist any more"));
                return Ok(());
            }
            Err(refused) => return Err(refused.into()),
        };
        let records = self.records(described.domain_validation_options.unwrap_or_default(), ttl);
        if records.is_empty() {
            return Ok(());
        }
        match self.change("DELETE", records).await {
            Ok(()) => self.run.say("removed the validation records"),
            Err(ChangeFailure::Refused(refused))
                if refused.is(&["InvalidChangeBatch", "NoSuchHostedZone"]) =>
            {
                self.run.say(format!("the validation records are left: {}", refused.error.message));
            }
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }

    async fn describe(&self, arn: &str) -> Result<Described, ServiceError> {
        let client = self.run.connection().client(&ACM, None);
        let body = json!({"CertificateArn": arn});
        let answer: Answer = client.json(Call::read("DescribeCertificate"), arn, &body).await?;
        Ok(answer.certificate)
    }

    /// Each record once: a domain and its wildcard share theirs.
    fn records(&self, choices: Vec<Choice>, ttl: u64) -> Vec<RecordSet> {
        let mut records: Vec<RecordSet> = Vec::new();
        for record in choices.into_iter().filter_map(|choice| choice.resource_record) {
            let record = RecordSet::new(record.name, record.r#type, ttl, record.value);
            if !records.contains(&record) {
                records.push(record);
            }
        }
        records
    }

    async fn change(&self, action: &'static str, records: Vec<RecordSet>) -> Result<(), ChangeFailure> {
        change(self.run.connection(), &self.wanted.hosted_zone_id, GENERATED, action, records).await
    }
}

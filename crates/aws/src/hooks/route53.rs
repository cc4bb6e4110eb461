//! `route53.create_domain`, and changes of records.

use quick_xml::se::to_string_with_root;
use runway_core::registry::HandlerFailure;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Arguments, Run};
use crate::service::{Call, Connection, ROUTE53, ServiceError, encoded};

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// Seconds for which the world may remember that a name does not exist.
const NEGATIVE_TTL: &str = "300";

/// A record, or several of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecordSet {
    pub(super) name: String,
    pub(super) r#type: String,
    #[serde(rename = "TTL", default)]
    pub(super) ttl: u64,
    #[serde(default)]
    pub(super) resource_records: Records,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Records {
    #[serde(default)]
    pub(super) resource_record: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    pub(super) value: String,
}

impl RecordSet {
    /// One record.
    pub(super) fn new(name: String, kind: String, ttl: u64, value: String) -> Self {
        let resource_records = Records { resource_record: vec![Record { value }] };
        Self { name, r#type: kind, ttl, resource_records }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Zone {
    id: String,
    name: String,
}

/// `route53.create_domain`: a hosted zone, if there is none of that name, with a short negative TTL.
pub(super) async fn create_domain(
    run: &Run<'_>,
    mut arguments: Arguments<'_>,
) -> Result<Value, HandlerFailure> {
    let domain = arguments.required("domain")?;
    arguments.finish()?;
    let name = if domain.ends_with('.') { domain.clone() } else { format!("{domain}.") };
    let id = match find_zone(run.connection(), &name).await? {
        Some(id) => id,
        None => {
            let id = create_zone(run.connection(), &name).await?;
            run.say(format!("created hosted zone `{name}` ({id})"));
            id
        }
    };
    shorten_negative_ttl(run, &id, &name).await?;
    Ok(json!({"domain": domain, "zone_id": id}))
}

async fn find_zone(connection: &Connection, name: &str) -> Result<Option<String>, HandlerFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default)]
        hosted_zones: Zones,
        next_marker: Option<String>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase")]
    struct Zones {
        #[serde(default)]
        hosted_zone: Vec<Zone>,
    }
    let client = connection.client(&ROUTE53, None);
    let mut marker: Option<String> = None;
    loop {
        let query: Vec<(&str, &str)> = marker.iter().map(|marker| ("marker", marker.as_str())).collect();
        let answer: Answer = client.get(Call::read("ListHostedZones"), name, "hostedzone", &query).await?;
        if let Some(zone) = answer.hosted_zones.hosted_zone.iter().find(|zone| zone.name == name) {
            return Ok(Some(zone_id(&zone.id)));
        }
        marker = answer.next_marker;
        if marker.is_none() {
            return Ok(None);
        }
    }
}

/// `/hostedzone/Z1` is `Z1`.
fn zone_id(id: &str) -> String {
    id.rsplit('/').next().unwrap_or_default().to_owned()
}

async fn create_zone(connection: &Connection, name: &str) -> Result<String, HandlerFailure> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Request<'a> {
        #[serde(rename = "@xmlns")]
        namespace: &'static str,
        name: &'a str,
        caller_reference: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        hosted_zone: Zone,
    }
    let caller_reference = Uuid::new_v4().simple().to_string();
    let request = Request { namespace: NAMESPACE, name, caller_reference };
    let body = document("CreateHostedZoneRequest", &request)?;
    let client = connection.client(&ROUTE53, None);
    let answer: Answer = client.post(Call::change("CreateHostedZone"), name, "hostedzone", body).await?;
    Ok(zone_id(&answer.hosted_zone.id))
}

async fn shorten_negative_ttl(run: &Run<'_>, id: &str, name: &str) -> Result<(), HandlerFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default)]
        resource_record_sets: Sets,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase")]
    struct Sets {
        #[serde(default)]
        resource_record_set: Vec<RecordSet>,
    }
    let client = run.connection().client(&ROUTE53, None);
    let path = format!("hostedzone/{}/rrset", encoded(id));
    let query = [("name", name), ("type", "SOA"), ("maxitems", "1")];
    let answer: Answer = client.get(Call::read("ListResourceRecordSets"), name, &path, &query).await?;
    let found = answer.resource_record_sets.resource_record_set.into_iter().find(|set| set.r#type == "SOA");
    // The zone is there, and of use without this.
    let left_alone = || {
        run.say(format!(
            "hosted zone `{name}` has no SOA record of the usual form: how long negative answers are good for is left as it is"
        ));
    };
    let Some(mut soa) = found else {
        left_alone();
        return Ok(());
    };
    let Some(record) = soa.resource_records.resource_record.first_mut() else {
        left_alone();
        return Ok(());
    };
    // nameserver contact serial refresh retry expire minimum
    let mut fields: Vec<&str> = record.value.split_whitespace().collect();
    let [_, _, _, _, _, _, minimum] = fields.as_mut_slice() else {
        left_alone();
        return Ok(());
    };
    if *minimum == NEGATIVE_TTL {
        return Ok(());
    }
    *minimum = NEGATIVE_TTL;
    record.value = fields.join(" ");
    soa.name = name.to_owned();
    let comment = "Update SOA min_ttl to 300.";
    change(run.connection(), id, comment, "UPSERT", vec![soa]).await?;
    run.say(format!("hosted zone `{name}`: negative answers are good for {NEGATIVE_TTL} s"));
    Ok(())
}

/// A document with its root element.
fn document(root: &str, content: &impl Serialize) -> Result<String, HandlerFailure> {
    to_string_with_root(root, content).map_err(|error| HandlerFailure {
        message: format!("a request to Route 53 cannot be written: {error}"),
        ..HandlerFailure::default()
    })
}

/// Why records were not changed.
pub(super) enum ChangeFailure {
    /// Route 53 said this.
    Refused(ServiceError),
    /// Something else.
    Other(HandlerFailure),
}

impl From<ChangeFailure> for HandlerFailure {
    fn from(failure: ChangeFailure) -> Self {
        match failure {
            ChangeFailure::Refused(refused) => refused.into(),
            ChangeFailure::Other(failure) => failure,
        }
    }
}

/// Changes records of a zone: `CREATE`, `UPSERT` or `DELETE`, all or none.
pub(super) async fn change(
    connection: &Connection,
    zone: &str,
    comment: &str,
    action: &'static str,
    sets: Vec<RecordSet>,
) -> Result<(), ChangeFailure> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Request<'a> {
        #[serde(rename = "@xmlns")]
        namespace: &'static str,
        change_batch: Batch<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Batch<'a> {
        comment: &'a str,
        changes: Changes,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Changes {
        change: Vec<Change>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Change {
        action: &'static str,
        resource_record_set: RecordSet,
    }
    let change = sets.into_iter().map(|resource_record_set| Change { action, resource_record_set }).collect();
    let change_batch = Batch { comment, changes: Changes { change } };
    let request = Request { namespace: NAMESPACE, change_batch };
    let body = document("ChangeResourceRecordSetsRequest", &request).map_err(ChangeFailure::Other)?;
    let path = format!("hostedzone/{}/rrset", encoded(&zone_id(zone)));
    let client = connection.client(&ROUTE53, None);
    let call = Call::change("ChangeResourceRecordSets");
    client.post::<IgnoredAny>(call, zone, &path, body).await.map(drop).map_err(ChangeFailure::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_form_in_xml() {
        let text = "<ResourceRecordSet><Name>a.</Name><Type>SOA</Type><TTL>900</TTL><ResourceRecords><ResourceRecord><Value>a &amp; b</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>";
        let set: RecordSet = quick_xml::de::from_str(text).unwrap();
        assert_eq!(set, RecordSet::new("a.".to_owned(), "SOA".to_owned(), 900, "a & b".to_owned()));
        assert_eq!(to_string_with_root("ResourceRecordSet", &set).unwrap(), text);
    }
}

//! Where a service is: AWS's own endpoints by partition, or the ones that variables and profiles name.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// How a service is reached and spoken to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// Its SDK name: in statistics, and in `AWS_ENDPOINT_URL_<NAME>`.
    pub(crate) id: &'static str,
    /// Its name in signatures.
    pub(crate) signing_name: &'static str,
    /// The labels of its host before the region.
    pub(crate) host: &'static str,
    /// Version of its API.
    pub(crate) version: &'static str,
    /// How requests look.
    pub(crate) protocol: Protocol,
    /// Whether there is one endpoint for all regions of a partition.
    pub(crate) global: bool,
    /// Whether the ordinary endpoints of GovCloud are the FIPS ones, so that there are no others.
    pub(crate) govcloud_is_fips: bool,
}

/// The protocols, as AWS names them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS JSON: the operation in `X-Amz-Target`.
    Json {
        /// `1.0` or `1.1`.
        version: &'static str,
        /// What stands before the operation in `X-Amz-Target`.
        target: &'static str,
    },
    /// AWS Query (and EC2's kind of it): a form, answered in XML.
    Query,
    /// REST-XML.
    RestXml,
    /// REST-JSON: what is asked for is in the path.
    RestJson,
}

/// A service of AWS JSON.
const fn json(
    id: &'static str,
    name: &'static str,
    version: &'static str,
    protocol: &'static str,
    target: &'static str,
) -> Service {
    let protocol = Protocol::Json { version: protocol, target };
    Service { id, signing_name: name, host: name, version, protocol, global: false, govcloud_is_fips: false }
}

pub(crate) const SSM: Service =
    Service { govcloud_is_fips: true, ..json("SSM", "ssm", "2014-11-06", "1.1", "AmazonSSM") };
pub(crate) const KMS: Service = json("KMS", "kms", "2014-11-01", "1.1", "TrentService");
pub(crate) const ECR: Service = Service {
    host: "api.ecr",
    ..json("ECR", "ecr", "2015-09-21", "1.1", "AmazonEC2ContainerRegistry_V20150921")
};
pub(crate) const DYNAMODB: Service = Service {
    govcloud_is_fips: true,
    ..json("DynamoDB", "dynamodb", "2012-08-10", "1.0", "DynamoDB_20120810")
};
pub(crate) const ECS: Service = json("ECS", "ecs", "2014-11-13", "1.1", "AmazonEC2ContainerServiceV20141113");
pub(crate) const ACM: Service =
    Service { govcloud_is_fips: true, ..json("ACM", "acm", "2015-12-08", "1.1", "CertificateManager") };
pub(crate) const EVENTS: Service =
    Service { govcloud_is_fips: true, ..json("EventBridge", "events", "2015-10-07", "1.1", "AWSEvents") };
pub(crate) const SERVICE_CATALOG: Service =
    json("Service Catalog", "servicecatalog", "2015-12-10", "1.1", "AWS242ServiceCatalogService");
pub(crate) const CODEBUILD: Service =
    json("CodeBuild", "codebuild", "2016-10-06", "1.1", "CodeBuild_20161006");
pub(crate) const ORGANIZATIONS: Service = Service {
    global: true,
    govcloud_is_fips: true,
    ..json("Organizations", "organizations", "2016-11-28", "1.1", "AWSOrganizationsV20161128")
};
pub(crate) const LAMBDA: Service = Service {
    id: "Lambda",
    signing_name: "lambda",
    host: "lambda",
    version: "2015-03-31",
    protocol: Protocol::RestJson,
    global: false,
    govcloud_is_fips: false,
};
pub(crate) const EC2: Service = Service {
    id: "EC2",
    signing_name: "ec2",
    host: "ec2",
    version: "2016-11-15",
    protocol: Protocol::Query,
    global: false,
    govcloud_is_fips: true,
};
pub(crate) const IAM: Service = Service {
    id: "IAM",
    signing_name: "iam",
    host: "iam",
    version: "2010-05-08",
    protocol: Protocol::Query,
    global: true,
    govcloud_is_fips: true,
};
pub(crate) const ROUTE53: Service = Service {
    id: "Route 53",
    signing_name: "route53",
    host: "route53",
    version: "2013-04-01",
    protocol: Protocol::RestXml,
    global: true,
    govcloud_is_fips: true,
};

/// Whether a text can be the name of a region: it becomes part of a host.
pub(crate) fn is_region(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Where requests go, and the region they are signed for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Without a slash at the end.
    pub(crate) url: String,
    pub(crate) signing_region: String,
}

/// The endpoint of a service: the one that variables or the profile name, else AWS's.
pub(crate) fn endpoint(config: &SdkConfig, service: &Service, region: &str) -> Endpoint {
    let standard = standard(service, region, config.use_fips().unwrap_or_default());
    match configured(config, service.id) {
        Some(url) => Endpoint { url, ..standard },
        None => standard,
    }
}

/// The endpoint that AWS_ENDPOINT_URL, its like for one service, or the profile and its services name.
pub(crate) fn configured(config: &SdkConfig, id: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let own = key.build().ok().and_then(|key| config.service_config()?.load_config(key));
    let endpoint = own.or_else(|| config.endpoint_url().map(str::to_owned))?;
    Some(endpoint.trim_end_matches('/').to_owned())
}

/// A part of AWS with domain and accounts of its own.
struct Partition {
    /// What its regions begin with.
    prefix: &'static str,
    domain: &'static str,
    /// Region of IAM's signatures, and of Route 53's.
    global: [&'static str; 2],
}

/// Every partition but the standard one.
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html> and the `partitions.json` of AWS's SDKs.
const PARTITIONS: [Partition; 7] = [
    Partition { prefix: "cn-", domain: "amazonaws.com.cn", global: ["cn-north-1", "cn-northwest-1"] },
    Partition { prefix: "us-gov-", domain: "amazonaws.com", global: ["us-gov-west-1", "us-gov-west-1"] },
    Partition { prefix: "us-iso-", domain: "c2s.ic.gov", global: ["us-iso-east-1", "us-iso-east-1"] },
    Partition { prefix: "us-isob-", domain: "sc2s.sgov.gov", global: ["us-isob-east-1", "us-isob-east-1"] },
    Partition {
        prefix: "us-isof-",
        domain: "csp.hci.ic.gov",
        global: ["us-isof-south-1", "us-isof-south-1"],
    },
    Partition { prefix: "eu-isoe-", domain: "cloud.adc-e.uk", global: ["eu-isoe-west-1", "eu-isoe-west-1"] },
    Partition { prefix: "eusc-", domain: "amazonaws.eu", global: ["eusc-de-east-1", "eusc-de-east-1"] },
];

const STANDARD: Partition =
    Partition { prefix: "", domain: "amazonaws.com", global: ["us-east-1", "us-east-1"] };

/// AWS's own endpoint.
fn standard(service: &Service, region: &str, fips: bool) -> Endpoint {
    let partition =
        PARTITIONS.iter().find(|partition| region.starts_with(partition.prefix)).unwrap_or(&STANDARD);
    let domain = partition.domain;
    let fips = fips && !(partition.prefix == "us-gov-" && service.govcloud_is_fips);
    let host = match (service.host, fips) {
        ("api.ecr", true) => "ecr-fips".to_owned(),
        (host, true) => format!("{host}-fips"),
        (host, false) => host.to_owned(),
    };
    if !service.global {
        return Endpoint {
            url: format!("https://{host}.{region}.{domain}"),
            signing_region: region.to_owned(),
        };
    }
    // That of Organizations is Route 53's.
    let [iam, route53] = partition.global;
    let signing_region = if *service == IAM { iam } else { route53 };
    // The oldest two partitions have no region in these names; IAM has one in all others, Route 53 in GovCloud's way.
    let url = match partition.prefix {
        _ if *service == ORGANIZATIONS => format!("https://{host}.{route53}.{domain}"),
        "" => format!("https://{host}.{domain}"),
        "us-gov-" => format!("https://{host}.us-gov.{domain}"),
        _ if *service == IAM => format!("https://{host}.{iam}.{domain}"),
        _ => format!("https://{host}.{domain}"),
    };
    Endpoint { url, signing_region: signing_region.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_names() {
        let of = |service: &Service, region: &str, fips: bool| {
            let endpoint = standard(service, region, fips);
            format!("{} {}", endpoint.url, endpoint.signing_region)
        };
        assert_eq!(of(&SSM, "eu-west-1", false), "https://ssm.eu-west-1.amazonaws.com eu-west-1");
        assert_eq!(of(&SSM, "eu-west-1", true), "https://ssm-fips.eu-west-1.amazonaws.com eu-west-1");
        assert_eq!(of(&SSM, "us-gov-west-1", true), "https://ssm.us-gov-west-1.amazonaws.com us-gov-west-1");
        assert_eq!(
            of(&KMS, "us-gov-west-1", true),
            "https://kms-fips.us-gov-west-1.amazonaws.com us-gov-west-1"
        );
        assert_eq!(of(&ECR, "cn-north-1", false), "https://api.ecr.cn-north-1.amazonaws.com.cn cn-north-1");
        assert_eq!(of(&ECR, "us-east-1", true), "https://ecr-fips.us-east-1.amazonaws.com us-east-1");
        assert_eq!(of(&EC2, "us-iso-east-1", false), "https://ec2.us-iso-east-1.c2s.ic.gov us-iso-east-1");
        assert_eq!(of(&IAM, "eu-west-1", false), "https://iam.amazonaws.com us-east-1");
        assert_eq!(of(&IAM, "cn-northwest-1", false), "https://iam.cn-north-1.amazonaws.com.cn cn-north-1");
        assert_eq!(of(&IAM, "us-gov-east-1", false), "https://iam.us-gov.amazonaws.com us-gov-west-1");
        assert_eq!(of(&ROUTE53, "eu-west-1", false), "https://route53.amazonaws.com us-east-1");
        assert_eq!(of(&ROUTE53, "cn-north-1", false), "https://route53.amazonaws.com.cn cn-northwest-1");
        assert_eq!(of(&LAMBDA, "eu-west-1", false), "https://lambda.eu-west-1.amazonaws.com eu-west-1");
        assert_eq!(
            of(&ORGANIZATIONS, "eu-west-1", false),
            "https://organizations.us-east-1.amazonaws.com us-east-1"
        );
        assert_eq!(
            of(&ORGANIZATIONS, "us-gov-east-1", true),
            "https://organizations.us-gov-west-1.amazonaws.com us-gov-west-1"
        );
        assert_eq!(
            of(&ORGANIZATIONS, "cn-north-1", false),
            "https://organizations.cn-northwest-1.amazonaws.com.cn cn-northwest-1"
        );
        assert_eq!(
            of(&ROUTE53, "us-gov-east-1", false),
            "https://route53.us-gov.amazonaws.com us-gov-west-1"
        );
    }
}

//! What an assertion can ask of services: operations that change nothing and whose answers hold no secrets.

use super::super::{Read, Service};

/// The read of this name, if there is one.
pub(super) fn find(service: &str, operation: &str) -> Option<Read> {
    let (_, reads) = READS.iter().find(|(name, _)| *name == service)?;
    reads.iter().find(|read| read.operation == operation).copied()
}

/// Reads by service, as configs spell it.
const READS: [(&str, &[Read]); 5] = [
    ("events", &EVENTS),
    ("servicecatalog", &SERVICECATALOG),
    ("organizations", &ORGANIZATIONS),
    ("codebuild", &CODEBUILD),
    ("ssm", &SSM),
];

const fn reads<const N: usize>(service: Service, operations: [&'static str; N]) -> [Read; N] {
    let mut reads = [Read::new(service, "Describe"); N];
    let mut at = 0;
    while at < N {
        reads[at] = Read::new(service, operations[at]);
        at += 1;
    }
    reads
}

const EVENTS: [Read; 22] = reads(
    Service::Events,
    [
        "DescribeApiDestination",
        "DescribeArchive",
        "DescribeConnection",
        "DescribeEndpoint",
        "DescribeEventBus",
        "DescribeEventSource",
        "DescribePartnerEventSource",
        "DescribeReplay",
        "DescribeRule",
        "ListApiDestinations",
        "ListArchives",
        "ListConnections",
        "ListEndpoints",
        "ListEventBuses",
        "ListEventSources",
        "ListPartnerEventSourceAccounts",
        "ListPartnerEventSources",
        "ListReplays",
        "ListRuleNamesByTarget",
        "ListRules",
        "ListTagsForResource",
        "ListTargetsByRule",
    ],
);

const SERVICECATALOG: [Read; 40] = reads(
    Service::ServiceCatalog,
    [
        "DescribeConstraint",
        "DescribeCopyProductStatus",
        "DescribePortfolio",
        "DescribePortfolioShareStatus",
        "DescribePortfolioShares",
        "DescribeProduct",
        "DescribeProductAsAdmin",
        "DescribeProductView",
        "DescribeProvisionedProduct",
        "DescribeProvisionedProductPlan",
        "DescribeProvisioningArtifact",
        "DescribeProvisioningParameters",
        "DescribeRecord",
        "DescribeServiceAction",
        "DescribeServiceActionExecutionParameters",
        "DescribeTagOption",
        "GetAWSOrganizationsAccessStatus",
        "GetProvisionedProductOutputs",
        "ListAcceptedPortfolioShares",
        "ListBudgetsForResource",
        "ListConstraintsForPortfolio",
        "ListLaunchPaths",
        "ListOrganizationPortfolioAccess",
        "ListPortfolioAccess",
        "ListPortfolios",
        "ListPortfoliosForProduct",
        "ListPrincipalsForPortfolio",
        "ListProvisionedProductPlans",
        "ListProvisioningArtifacts",
        "ListProvisioningArtifactsForServiceAction",
        "ListRecordHistory",
        "ListResourcesForTagOption",
        "ListServiceActions",
        "ListServiceActionsForProvisioningArtifact",
        "ListStackInstancesForProvisionedProduct",
        "ListTagOptions",
        "ScanProvisionedProducts",
        "SearchProducts",
        "SearchProductsAsAdmin",
        "SearchProvisionedProducts",
    ],
);

const ORGANIZATIONS: [Read; 29] = reads(
    Service::Organizations,
    [
        "DescribeAccount",
        "DescribeCreateAccountStatus",
        "DescribeEffectivePolicy",
        "DescribeHandshake",
        "DescribeOrganization",
        "DescribeOrganizationalUnit",
        "DescribePolicy",
        "DescribeResourcePolicy",
        "DescribeResponsibilityTransfer",
        "ListAWSServiceAccessForOrganization",
        "ListAccounts",
        "ListAccountsForParent",
        "ListAccountsWithInvalidEffectivePolicy",
        "ListChildren",
        "ListCreateAccountStatus",
        "ListDelegatedAdministrators",
        "ListDelegatedServicesForAccount",
        "ListEffectivePolicyValidationErrors",
        "ListHandshakesForAccount",
        "ListHandshakesForOrganization",
        "ListInboundResponsibilityTransfers",
        "ListOrganizationalUnitsForParent",
        "ListOutboundResponsibilityTransfers",
        "ListParents",
        "ListPolicies",
        "ListPoliciesForTarget",
        "ListRoots",
        "ListTagsForResource",
        "ListTargetsForPolicy",
    ],
);

const CODEBUILD: [Read; 28] = reads(
    Service::CodeBuild,
    [
        "BatchGetBuildBatches",
        "BatchGetBuilds",
        "BatchGetCommandExecutions",
        "BatchGetFleets",
        "BatchGetProjects",
        "BatchGetReportGroups",
        "BatchGetReports",
        "BatchGetSandboxes",
        "DescribeCodeCoverages",
        "DescribeTestCases",
        "GetReportGroupTrend",
        "GetResourcePolicy",
        "ListBuildBatches",
        "ListBuildBatchesForProject",
        "ListBuilds",
        "ListBuildsForProject",
        "ListCommandExecutionsForSandbox",
        "ListCuratedEnvironmentImages",
        "ListFleets",
        "ListProjects",
        "ListReportGroups",
        "ListReports",
        "ListReportsForReportGroup",
        "ListSandboxes",
        "ListSandboxesForProject",
        "ListSharedProjects",
        "ListSharedReportGroups",
        "ListSourceCredentials",
    ],
);

const SSM: [Read; 28] = reads(
    Service::Ssm,
    [
        "DescribeAssociation",
        "DescribeAutomationExecutions",
        "DescribeDocument",
        "DescribeInstanceInformation",
        "DescribeInstancePatchStates",
        "DescribeMaintenanceWindows",
        "DescribeParameters",
        "DescribePatchBaselines",
        "DescribePatchGroups",
        "GetAutomationExecution",
        "GetCalendarState",
        "GetCommandInvocation",
        "GetConnectionStatus",
        "GetDocument",
        "GetInventory",
        "GetMaintenanceWindow",
        "GetParameter",
        "GetParameters",
        "GetParametersByPath",
        "GetPatchBaseline",
        "GetServiceSetting",
        "ListAssociations",
        "ListCommandInvocations",
        "ListCommands",
        "ListComplianceItems",
        "ListComplianceSummaries",
        "ListDocuments",
        "ListTagsForResource",
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_found_by_the_names_of_the_services() {
        let read = find("ssm", "GetParameter").unwrap();
        assert_eq!((read.service, read.operation), (Service::Ssm, "GetParameter"));
        assert!(find("ssm", "PutParameter").is_none());
        assert!(find("s3", "GetObject").is_none());
    }
}

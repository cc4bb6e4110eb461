//! Answers in pages: what change sets announce, which sets there are, who imports a value. moto never pages.

use runway_core::provider::{
    AnnouncedAction, AnnouncedReplacement, ChangeSetRef, ErrorKind, Provider as _, StackRef,
};

use crate::fake::{Answer, Fake, Request};
use crate::support::{alone_with_cloudformation, provider, server_port};

/// An answer of CloudFormation's query protocol.
fn said(operation: &str, body: &str) -> Answer {
    let space = "http://cloudformation.amazonaws.com/doc/2010-05-15/";
    let body = format!(
        "<{operation}Response xmlns=\"{space}\"><{operation}Result>{body}</{operation}Result></{operation}Response>"
    );
    Some((200, body))
}

/// The page a request asks for.
fn page(request: &Request) -> Option<&str> {
    request.body.split('&').find_map(|pair| pair.strip_prefix("NextToken="))
}

const FIRST: &str = r"
<Status>CREATE_COMPLETE</Status><NextToken>two</NextToken>
<Changes>
<member><Type>Resource</Type><ResourceChange>
  <PolicyAction>ReplaceAndSnapshot</PolicyAction><Action>Modify</Action><LogicalResourceId>Database</LogicalResourceId>
  <PhysicalResourceId>db-1</PhysicalResourceId><ResourceType>AWS::RDS::DBInstance</ResourceType>
  <Replacement>True</Replacement><Scope><member>Properties</member></Scope>
  <Details><member>
    <Target><Attribute>Properties</Attribute><Name>Engine</Name><RequiresRecreation>Always</RequiresRecreation>
      <Path>/Properties/Engine</Path><BeforeValue>mysql</BeforeValue><AfterValue>postgres</AfterValue></Target>
    <Evaluation>Static</Evaluation><ChangeSource>DirectModification</ChangeSource>
  </member></Details>
</ResourceChange></member>
<member><Type>Resource</Type><ResourceChange>
  <Action>Modify</Action><LogicalResourceId>Alarm</LogicalResourceId><ResourceType>AWS::CloudWatch::Alarm</ResourceType>
  <Replacement>Conditional</Replacement>
  <Details><member>
    <Target><Attribute>Properties</Attribute><Name>Dimensions</Name><RequiresRecreation>Conditionally</RequiresRecreation></Target>
    <Evaluation>Dynamic</Evaluation><CausingEntity>Database.Endpoint</CausingEntity>
  </member></Details>
</ResourceChange></member>
</Changes>";
const SECOND: &str = r"
<Status>CREATE_COMPLETE</Status>
<Changes>
<member><Type>Resource</Type><ResourceChange>
  <PolicyAction>Delete</PolicyAction><Action>Remove</Action><LogicalResourceId>Queue</LogicalResourceId>
  <PhysicalResourceId>q</PhysicalResourceId><ResourceType>AWS::SQS::Queue</ResourceType>
</ResourceChange></member>
<member><Type>Hook</Type><HookInvocationCount>1</HookInvocationCount></member>
<member><Type>Resource</Type><ResourceChange>
  <Action>FromTheFuture</Action><LogicalResourceId>Odd</LogicalResourceId><ResourceType>AWS::SQS::Queue</ResourceType>
</ResourceChange></member>
</Changes>";

#[test]
fn changes_are_read_page_by_page_with_their_values() {
    alone_with_cloudformation("announced::changes_are_read_page_by_page_with_their_values", async || {
        let server = Fake::listen(server_port(), |request, _| match page(request) {
            None => said("DescribeChangeSet", FIRST),
            Some("two") => said("DescribeChangeSet", SECOND),
            Some(_) => None,
        });
        let cloud = provider().await.cloudformation();
        let set = ChangeSetRef::Id("arn:aws:cloudformation:eu-west-1:1:changeSet/look/1".to_owned());
        let first = cloud.change_set_changes(&set, None).await.unwrap();
        assert_eq!(first.next.as_deref(), Some("two"));
        let [database, alarm] = first.changes.as_slice() else { panic!("{first:?}") };
        assert_eq!(
            (database.action, database.replacement, database.policy_action.as_deref()),
            (AnnouncedAction::Modify, Some(AnnouncedReplacement::Always), Some("ReplaceAndSnapshot"))
        );
        assert_eq!(database.physical_id.as_deref(), Some("db-1"));
        assert_eq!(database.scope, ["Properties"]);
        let detail = &database.details[0];
        assert_eq!(
            (detail.path.as_deref(), detail.before.as_deref(), detail.after.as_deref()),
            (Some("/Properties/Engine"), Some("mysql"), Some("postgres"))
        );
        assert_eq!((detail.requires_recreation.as_deref(), detail.dynamic), (Some("Always"), false));
        assert!(!database.is_uncertain() && alarm.is_uncertain());
        assert_eq!(alarm.replacement, Some(AnnouncedReplacement::Conditional));
        assert_eq!(alarm.details[0].causing_entity.as_deref(), Some("Database.Endpoint"));

        let second = cloud.change_set_changes(&set, first.next.as_deref()).await.unwrap();
        assert_eq!(second.next, None);
        let [queue, odd] = second.changes.as_slice() else { panic!("{second:?}") };
        assert_eq!((queue.action, queue.replacement), (AnnouncedAction::Remove, None));
        assert_eq!(odd.action, AnnouncedAction::Dynamic);
        assert!(server.requests().iter().all(|request| request.body.contains("IncludePropertyValues=true")));
    });
}

#[test]
fn sets_and_imports_are_read_page_by_page() {
    alone_with_cloudformation("announced::sets_and_imports_are_read_page_by_page", async || {
        let set = |id: &str, stack: &str| {
            format!(
                "<member><ChangeSetId>{id}</ChangeSetId><ChangeSetName>look</ChangeSetName><StackId>{stack}</StackId>\
                 <CreationTime>2026-01-02T03:04:05Z</CreationTime></member>"
            )
        };
        let _server = Fake::listen(server_port(), move |request, _| {
            match (request.operation().as_str(), page(request)) {
                ("ListImports", _) if request.body.contains("ExportName=unused") => {
                    let error = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Export \
                                 'unused' is not imported by any stack.</Message></Error></ErrorResponse>";
                    Some((400, error.to_owned()))
                }
                ("ListImports", _) if request.body.contains("ExportName=unknown") => {
                    Some((500, "<html>not implemented</html>".to_owned()))
                }
                ("ListImports", None) => said(
                    "ListImports",
                    "<Imports><member>a</member><member>b</member></Imports><NextToken>more</NextToken>",
                ),
                ("ListImports", Some("more")) => said("ListImports", "<Imports><member>c</member></Imports>"),
                ("ListChangeSets", None) => {
                    let sets = format!("{}{}", set("one", "stack-a"), set("foreign", "stack-b"));
                    said(
                        "ListChangeSets",
                        &format!("<Summaries>{sets}</Summaries><NextToken>more</NextToken>"),
                    )
                }
                ("ListChangeSets", Some("more")) => {
                    said("ListChangeSets", &format!("<Summaries>{}</Summaries>", set("two", "stack-a")))
                }
                _ => None,
            }
        });
        let cloud = provider().await.cloudformation();
        let first = cloud.list_imports("shared", None).await.unwrap();
        let second = cloud.list_imports("shared", first.next.as_deref()).await.unwrap();
        assert_eq!(
            (first.stacks, second.stacks, second.next),
            (vec!["a".into(), "b".into()], vec!["c".into()], None)
        );
        assert_eq!(cloud.list_imports("unused", None).await.unwrap().stacks, [""; 0]);
        let error = cloud.list_imports("unknown", None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");

        let stack = StackRef::Id("stack-a".into());
        let first = cloud.list_change_sets(&stack, None).await.unwrap();
        let second = cloud.list_change_sets(&stack, first.next.as_deref()).await.unwrap();
        let ids: Vec<&str> = first.sets.iter().chain(&second.sets).map(|set| set.id.as_str()).collect();
        assert_eq!(ids, ["one", "two"]);
        assert_eq!(first.sets[0].created.unwrap().to_string(), "2026-01-02T03:04:05Z");
    });
}

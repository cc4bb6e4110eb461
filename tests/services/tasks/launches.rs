//! Launches of products: they take time, may fail, and have a stack at moto.

use serde_json::{Value, json};

use super::catalog::{Catalog, Product, Provisioned, REGION, Record, view};
use super::served::{Call, Outcome, Refusal, missing, page};
use crate::support::boto;

impl Catalog {
    pub(super) fn launch(&mut self, call: &Call<'_>) -> Outcome {
        match call.operation {
            "DescribeProduct" => {
                let is_it = |(id, product): &(&String, &Product)| {
                    call.input["Id"].as_str() == Some(id)
                        || call.input["Name"].as_str() == Some(&product.name)
                };
                let found = self.products.iter().find(is_it);
                let (id, product) = found.ok_or_else(|| missing(&call.input.to_string()))?;
                let versions: Vec<Value> =
                    product.versions.iter().map(|(id, name)| json!({"Id": id, "Name": name})).collect();
                Ok(json!({
                    "ProductViewSummary": view((id, product))["ProductViewSummary"],
                    "ProvisioningArtifacts": versions,
                }))
            }
            "ListLaunchPaths" => {
                let product = self.products.get(call.text("ProductId")).ok_or_else(|| missing("product"))?;
                let paths = product.paths.iter().map(|(id, name)| json!({"Id": id, "Name": name})).collect();
                Ok(page(call.input, "LaunchPathSummaries", paths))
            }
            "DescribeProvisioningParameters" => {
                let product = self.products.get(call.text("ProductId")).ok_or_else(|| missing("product"))?;
                let version = call.text("ProvisioningArtifactId");
                assert!(product.versions.iter().any(|(id, _)| id == version), "{version}");
                Ok(json!({"ProvisioningArtifactParameters": product.parameters}))
            }
            "DescribeProvisionedProduct" => {
                let (name, _) = self.of_name_or_id(call.text("Name"), call.text("Id"))?;
                // Time goes on for whoever asks.
                let last = self.records.iter().rfind(|(_, record)| record.name == name);
                if let Some(record) = last.map(|(id, _)| json!({"Id": id})) {
                    self.record(&Call { input: &record, ..*call })?;
                }
                let (name, found) = self.of_name_or_id(&name, "")?;
                let mut detail = json!({
                    "Name": name, "Id": found.id, "Arn": format!("arn:aws:servicecatalog:{REGION}:1:stack/{name}/{}", found.id),
                    "Status": found.status, "ProductId": found.product, "ProvisioningArtifactId": found.version,
                });
                if let Some(record) = &found.good {
                    detail["LastSuccessfulProvisioningRecordId"] = json!(record);
                }
                Ok(json!({"ProvisionedProductDetail": detail}))
            }
            "DescribeRecord" => self.record(call),
            "ProvisionProduct" => self.provision(call),
            "UpdateProvisionedProduct" => self.update(call),
            "TerminateProvisionedProduct" => {
                let (name, found) = self.of_name_or_id("", call.text("ProvisionedProductId"))?;
                if let Some(stack) = &found.stack {
                    boto(REGION, "cloudformation", "delete_stack", &json!({"StackName": stack}));
                }
                let record = self.begin(&name, None, None, json!([]));
                self.provisioned.remove(&name);
                Ok(json!({"RecordDetail": {"RecordId": record, "Status": "CREATED"}}))
            }
            other => panic!("{other} is not served"),
        }
    }

    fn of_name_or_id(&self, name: &str, id: &str) -> Result<(String, Provisioned), Refusal> {
        let is_it = |(known, product): &(&String, &Provisioned)| *known == name || product.id == id;
        let found = self.provisioned.iter().find(is_it).ok_or_else(|| missing(name))?;
        Ok((found.0.clone(), found.1.clone()))
    }

    fn record(&mut self, call: &Call<'_>) -> Outcome {
        let id = call.text("Id");
        let record = self.records.get_mut(id).ok_or_else(|| missing(id))?;
        record.left = record.left.saturating_sub(1);
        let record = record.clone();
        let status = match (record.left, &record.failed) {
            (1.., _) => "IN_PROGRESS",
            (0, Some(_)) => "FAILED",
            (0, None) => "SUCCEEDED",
        };
        if let Some(product) = self.provisioned.get_mut(&record.name).filter(|_| record.left == 0)
            && product.status == "UNDER_CHANGE"
        {
            product.status = match (&record.failed, &product.good) {
                (None, _) => "AVAILABLE",
                (Some(_), None) => "ERROR",
                (Some(_), Some(_)) => "TAINTED",
            }
            .to_owned();
            if record.failed.is_none() {
                product.good = Some(id.to_owned());
                product.tags = record.tags.clone();
            }
        }
        let mut detail = json!({"RecordId": id, "Status": status, "RecordTags": record.tags});
        if let Some(words) = record.failed.filter(|_| record.left == 0) {
            detail["RecordErrors"] = json!([{"Code": "CFN", "Description": words}]);
        }
        let outputs = record.stack.into_iter().flat_map(|stack| {
            [("CloudformationStackARN", stack), ("Endpoint", "db.example".to_owned())]
                .map(|(key, value)| json!({"OutputKey": key, "OutputValue": value}))
        });
        let mut answer = page(call.input, "RecordOutputs", outputs.collect());
        answer["RecordDetail"] = detail;
        Ok(answer)
    }

    fn begin(&mut self, name: &str, failed: Option<String>, stack: Option<String>, tags: Value) -> String {
        let record = self.next("rec");
        let name = name.to_owned();
        self.records.insert(record.clone(), Record { name, left: 3, failed, stack, tags });
        record
    }

    fn provision(&mut self, call: &Call<'_>) -> Outcome {
        let name = call.text("ProvisionedProductName").to_owned();
        if let Some(record) = self.tokens.get(call.text("ProvisionToken")) {
            return Ok(json!({"RecordDetail": {"RecordId": record, "Status": "IN_PROGRESS"}}));
        }
        if self.provisioned.contains_key(&name) {
            return Err(Refusal("DuplicateResourceException", format!("{name} exists")));
        }
        let failed = self.fails.take();
        let stack = failed.is_none().then(|| {
            let create = json!({
                "StackName": format!("SC-{name}"), "TemplateBody": TEMPLATE, "Parameters": parameters(call, None),
            });
            let answer = boto(REGION, "cloudformation", "create_stack", &create);
            answer["StackId"].as_str().unwrap().to_owned()
        });
        let tags = call.input.get("Tags").cloned().unwrap_or_else(|| json!([]));
        let record = self.begin(&name, failed, stack.clone(), tags.clone());
        let id = self.next("pp");
        let (product, version) =
            (call.text("ProductId").to_owned(), call.text("ProvisioningArtifactId").to_owned());
        let status = "UNDER_CHANGE".to_owned();
        self.provisioned.insert(name, Provisioned { id, status, product, version, stack, good: None, tags });
        self.tokens.insert(call.text("ProvisionToken").to_owned(), record.clone());
        Ok(json!({"RecordDetail": {"RecordId": record, "Status": "CREATED"}}))
    }

    fn update(&mut self, call: &Call<'_>) -> Outcome {
        let (name, found) = self.of_name_or_id("", call.text("ProvisionedProductId"))?;
        assert_ne!(found.status, "UNDER_CHANGE", "{name}");
        let failed = self.fails.take();
        if let Some(stack) = found.stack.as_ref().filter(|_| failed.is_none()) {
            let update = json!({
                "StackName": stack, "TemplateBody": TEMPLATE, "Parameters": parameters(call, Some(stack)),
            });
            boto(REGION, "cloudformation", "update_stack", &update);
        }
        let tags = call.input.get("Tags").cloned().unwrap_or_else(|| found.tags.clone());
        let record = self.begin(&name, failed.clone(), found.stack.clone(), tags);
        let live = self.provisioned.get_mut(&name).unwrap();
        live.status = "UNDER_CHANGE".to_owned();
        if failed.is_none() {
            call.text("ProvisioningArtifactId").clone_into(&mut live.version);
        }
        Ok(json!({"RecordDetail": {"RecordId": record, "Status": "CREATED"}}))
    }
}

/// The stack behind a provisioned product.
const TEMPLATE: &str = r#"{
    "Parameters": {"Size": {"Type": "String", "Default": "small"}, "Name": {"Type": "String"}, "Password": {"Type": "String", "Default": "x", "NoEcho": true}},
    "Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::Sub": "${Size}${Name}"}}}}
}"#;

fn parameters(call: &Call<'_>, stack: Option<&String>) -> Vec<Value> {
    let given = call.input["ProvisioningParameters"].as_array().cloned().unwrap_or_default();
    let live =
        stack.map(|stack| boto(REGION, "cloudformation", "describe_stacks", &json!({"StackName": stack})));
    let before = |key: &Value| {
        let all = live.as_ref().and_then(|live| live["Stacks"][0]["Parameters"].as_array());
        let found = all.into_iter().flatten().find(|one| one["ParameterKey"] == *key);
        found.map_or_else(|| json!("x"), |one| one["ParameterValue"].clone())
    };
    let of = |one: &Value| match one.get("Value") {
        Some(value) => json!({"ParameterKey": one["Key"], "ParameterValue": value}),
        None => json!({"ParameterKey": one["Key"], "ParameterValue": before(&one["Key"])}),
    };
    given.iter().map(of).collect()
}

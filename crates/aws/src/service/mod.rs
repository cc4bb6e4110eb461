//! Services of which only a few calls are made, spoken to without their SDKs: those would cost minutes of compiling.
//! Requests take the way of every SDK call (credentials, signature, time-outs, repetitions, proxies, counting); only
//! their bodies are made here.

mod answer;
mod client;
mod endpoint;

pub(crate) use answer::ServiceError;
pub(crate) use client::{Call, Client, Connection, encoded};
pub(crate) use endpoint::{
    ACM, CODEBUILD, DYNAMODB, EC2, ECR, ECS, EVENTS, IAM, KMS, LAMBDA, ORGANIZATIONS, ROUTE53,
    SERVICE_CATALOG, SSM, Service, configured as configured_endpoint, is_region,
};

//! Fields of deployments and modules, their lookups asked.

use futures_util::future::join_all;
use runway_core::engine::EngineError;
use runway_core::error::Finding;
use runway_core::ident::StackFqn;
use runway_core::project::resolve::{Answered, DeploymentValues, Resolver, environment_variables};
use runway_core::project::{Deployment, ProjectProblem};
use runway_core::provider::StackRef;
use runway_core::registry::{Fetched, LookupFailure, LookupRequest};
use runway_core::text::Span;

use super::{Depth, Place, Targets};
use crate::connect::Connected;
use crate::settings::{Environment, Settings};

/// Variables that name the region.
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// Region in which lookups are asked before the region of a target is known, if nothing says one (Runway).
const FIRST_REGION: &str = "us-east-1";

impl Targets<'_> {
    /// Resolves fields; lookups that ask a service are asked at a place. `None` if they cannot be asked.
    pub(super) async fn resolved<T>(
        &mut self,
        place: Place<'_>,
        answers: &mut Answered,
        resolve: impl Fn(&mut Resolver<'_>) -> T,
    ) -> Result<Option<T>, EngineError> {
        let open = self.open;
        loop {
            let mut resolver =
                Resolver::new(&open.project.document, &open.variables, place.environment, answers);
            let values = resolve(&mut resolver);
            let (requests, findings, secrets) = (resolver.requests, resolver.findings, resolver.secrets);
            if requests.is_empty() {
                self.output.hide(secrets);
                self.findings.extend(findings);
                return Ok(Some(values));
            }
            let Depth::Connected(connector) = self.depth else { return Ok(None) };
            let connected = connector.connect(place.settings, place.environment).await?;
            let asked = requests.iter().map(|request| fetch(&connected, request));
            let told = join_all(asked).await;
            answers.extend(requests.into_iter().zip(told));
        }
    }

    /// Says that something is left out because a service would have to be asked.
    pub(super) fn not_checked(&mut self, what: &str) {
        self.unseen.push(what.to_owned());
        self.output.message(&format!("{what}: not checked, its lookups would have to be asked"));
    }

    /// The regions of a deployment. Its own environment variables are there already, as far as they can be.
    pub(super) async fn regions(&mut self, deployment: &Deployment) -> Result<Vec<String>, EngineError> {
        let mut answers = Answered::new();
        let mut settings = self.settings.clone();
        let environment = self.with_variables(deployment, &settings, &mut answers).await?;
        settings.region.get_or_insert_with(|| FIRST_REGION.to_owned());
        let place = Place { environment: &environment, settings: &settings };
        let regions = self.resolved(place, &mut answers, |resolver| resolver.regions(deployment)).await?;
        if regions.is_none() {
            self.not_checked(&deployment.name);
        }
        Ok(regions.unwrap_or_default())
    }

    /// The environment with the variables of the run and of a deployment on top. Those of the deployment may depend on
    /// the region; what is wrong with them before it is known is no mistake.
    pub(super) async fn with_variables(
        &mut self,
        deployment: &Deployment,
        settings: &Settings,
        answers: &mut Answered,
    ) -> Result<Environment, EngineError> {
        let environment = self.of_the_run(settings);
        let before = std::mem::take(&mut self.findings);
        let own = self.variables(deployment, settings, answers).await?;
        let found = std::mem::replace(&mut self.findings, before);
        if settings.region.is_some() {
            self.findings.extend(found);
        }
        let (regions, mut all) = (environment.clone(), environment);
        all.extend(own);
        for variable in REGION_VARIABLES.iter().filter(|_| settings.region.is_some()) {
            all.extend(regions.get(*variable).map(|region| ((*variable).to_owned(), region.clone())));
        }
        Ok(all)
    }

    /// The environment variables of a deployment, in the order of the file.
    pub(crate) async fn variables(
        &mut self,
        deployment: &Deployment,
        settings: &Settings,
        answers: &mut Answered,
    ) -> Result<Vec<(String, String)>, EngineError> {
        let environment = self.of_the_run(settings);
        let mut first = settings.clone();
        first.region.get_or_insert_with(|| FIRST_REGION.to_owned());
        let place = Place { environment: &environment, settings: &first };
        let variables = |resolver: &mut Resolver<'_>| resolver.optional_map(deployment.env_vars.as_ref());
        let values = self.resolved(place, answers, variables).await?.flatten();
        Ok(environment_variables(values.as_ref(), &self.open.root))
    }

    /// The environment of the program, with what the run is about.
    fn of_the_run(&self, settings: &Settings) -> Environment {
        let mut environment = self.environment.clone();
        environment.insert("DEPLOY_ENVIRONMENT".to_owned(), settings.deploy_environment.clone());
        for variable in REGION_VARIABLES {
            environment.extend(settings.region.clone().map(|region| (variable.to_owned(), region)));
        }
        environment
    }

    /// The credentials must be of the account that the deployment is meant for.
    pub(super) async fn verify(
        &mut self,
        deployment: &Deployment,
        values: &DeploymentValues,
        connected: &Connected,
    ) -> Result<(), EngineError> {
        let mut refuse = |wanted: &str, found: String, field, span: Span| {
            let (deployment, wanted, span) = (deployment.name.clone(), wanted.to_owned(), span.into());
            let problem = ProjectProblem::OtherAccount { deployment, wanted, found, field, span };
            self.findings.push(Finding::at(&self.open.project.document, problem));
        };
        if let Some((wanted, span)) = &values.account_id {
            let found = connected.provider.place().await?.account;
            if found != *wanted {
                refuse(wanted, found, "account_id", *span);
            }
        }
        if let Some((wanted, span)) = &values.account_alias
            && let Some(aliases) = connected.account_aliases().await?
            && !aliases.contains(wanted)
        {
            let found =
                if aliases.is_empty() { "one without an alias".to_owned() } else { aliases.join(", ") };
            refuse(wanted, found, "account_alias", *span);
        }
        Ok(())
    }
}

/// Asks one lookup.
async fn fetch(connected: &Connected, request: &LookupRequest) -> Result<Fetched, LookupFailure> {
    match connected.lookups().get(&request.name) {
        Some(handler) => handler.fetch(request).await,
        None if request.name == "cfn" => output_of(connected, request).await,
        None => Err(LookupFailure::wrong(
            format!("the lookup `{}` is not available with this provider", request.name),
            "use `--provider aws`, or give the value in another way, for example by `var` or `env`",
        )),
    }
}

/// An output of a stack of the embedded provider.
async fn output_of(connected: &Connected, request: &LookupRequest) -> Result<Fetched, LookupFailure> {
    let provider = &connected.provider;
    let region = request.arguments.get("region").map_or(provider.region(), String::as_str);
    if region != provider.region() {
        return Err(LookupFailure::wrong(
            format!("the lookup `cfn` asks no other region than {} with this provider", provider.region()),
            "use `--provider aws`, or give the value in another way, for example by `var` or `env`",
        ));
    }
    let (name, output) = request.query.split_once('.').unwrap_or((&request.query, ""));
    let stack = provider.cloudformation().describe_stack(&StackRef::Name(StackFqn::new(name))).await?;
    match stack.as_ref().map(|stack| stack.outputs.get(output)) {
        Some(Some(value)) => Ok(Fetched { value: value.clone().into(), secret: false }),
        Some(None) => Err(LookupFailure::missing(format!("stack `{name}` has no output `{output}`"))),
        None => Err(LookupFailure::missing(format!("stack `{name}` does not exist in {region}"))),
    }
}

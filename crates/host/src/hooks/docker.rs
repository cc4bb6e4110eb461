//! `docker.login`, `docker.image.build`, `docker.image.push` and `docker.image.remove`, by docker's command line.

use std::sync::Arc;

use async_trait::async_trait;
use camino::Utf8Path;
use runway_core::provider::Provider;
use runway_core::registry::{HandlerFailure, HookCall, HookHandler, HookOutput};
use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::image::{self, HOOK_DATA, Image};
use super::{in_directory, wrong};
use crate::program::{Ended, Input, Program, Wanted};
use runway_core::secrets::Secrets;

/// What a docker hook does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// Logs into a registry.
    Login,
    /// Builds an image.
    Build,
    /// Pushes an image.
    Push,
    /// Removes an image from this machine.
    Remove,
}

/// A docker hook.
pub(super) struct Docker {
    pub(super) action: Action,
    pub(super) provider: Arc<dyn Provider>,
}

#[async_trait]
impl HookHandler for Docker {
    async fn run(&self, call: &HookCall, output: &dyn HookOutput) -> Result<Value, HandlerFailure> {
        let mut run = Run {
            call,
            output,
            secrets: Secrets::new(&call.secrets),
            provider: self.provider.as_ref(),
            data: call.hook_data.get(HOOK_DATA).and_then(Value::as_object).cloned().unwrap_or_default(),
        };
        let arguments = Arguments::new(&call.args);
        match self.action {
            Action::Login => run.login(arguments).await,
            Action::Build => run.build(arguments).await,
            Action::Push => run.push(arguments).await,
            Action::Remove => run.remove(arguments).await,
        }?;
        // Runway shares this key among the docker hooks whatever their `data_key` is.
        output.keep(HOOK_DATA, Value::Object(run.data.clone()));
        Ok(if run.data.is_empty() { Value::Bool(true) } else { Value::Object(run.data) })
    }
}

/// One run of a docker hook.
struct Run<'a> {
    call: &'a HookCall,
    output: &'a dyn HookOutput,
    secrets: Secrets,
    provider: &'a dyn Provider,
    /// What the docker hooks share.
    data: Map<String, Value>,
}

impl Run<'_> {
    async fn login(&mut self, mut arguments: Arguments) -> Result<(), HandlerFailure> {
        let password = arguments.required_text("password")?;
        let username = arguments.text("username")?.unwrap_or_else(|| "AWS".to_owned());
        let configuration = arguments.text("dockercfg_path")?;
        let elastic = arguments.map("ecr")?;
        let registry = match (arguments.text("registry")?.filter(|registry| !registry.is_empty()), elastic) {
            (Some(registry), _) => Some(registry),
            (None, Some(elastic)) => Some(image::registry(elastic, "alias", self.call, self.provider).await?),
            (None, None) => None,
        };
        arguments.ignore(&["email"]); // docker has given it up
        arguments.end()?;

        let mut words = Vec::new();
        if let Some(path) = configuration {
            // Runway's argument is the file; docker wants its directory.
            let path = Utf8Path::new(&path);
            let directory =
                if path.extension() == Some("json") { path.parent().unwrap_or(path) } else { path };
            words.extend(["--config".to_owned(), self.call.directory.join(directory).to_string()]);
        }
        words.extend(["login", "--username", &username, "--password-stdin"].map(str::to_owned));
        words.extend(registry.clone());
        let hidden = [self.call.secrets.clone(), vec![password.clone()]].concat();
        self.secrets = Secrets::new(&hidden);
        self.docker(words, Input::Text(password), Wanted::Lines).await?;
        self.say(&format!("logged into {}", registry.as_deref().unwrap_or("Docker Hub")));
        Ok(())
    }

    async fn build(&mut self, mut arguments: Arguments) -> Result<(), HandlerFailure> {
        let path = in_directory(self.call, arguments.text("path")?.as_deref());
        let file = path.join(arguments.text("dockerfile")?.unwrap_or_else(|| "Dockerfile".to_owned()));
        let repository = image::repository(&mut arguments, None, self.call, self.provider).await?;
        let tags = arguments.texts("tags")?.unwrap_or_else(|| vec!["latest".to_owned()]);
        let options = arguments.map("docker")?;
        arguments.end()?;
        if !path.is_dir() {
            return Err(wrong(
                format!("the directory {path} does not exist"),
                "correct `path` in the hook's `args`",
            ));
        }
        if !file.is_file() {
            let help = "correct `dockerfile` in the hook's `args`; it is relative to `path`";
            return Err(wrong(format!("the Dockerfile {file} does not exist"), help));
        }
        if repository.is_none() && !tags.is_empty() {
            return Err(image::no_repository());
        }
        let scratch = tempfile::tempdir().map_err(|error| {
            wrong(format!("no temporary directory can be made: {error}"), "make room, or set TMPDIR")
        })?;
        let id_file = scratch.path().join("image").to_string_lossy().into_owned();
        let mut words = vec!["image".to_owned(), "build".to_owned(), "--file".to_owned(), file.to_string()];
        words.extend(["--iidfile".to_owned(), id_file.clone()]);
        words.extend(build_options(options, repository.as_deref())?);
        words.push(path.to_string());
        self.docker(words, Input::Nothing, Wanted::Lines).await?;

        let id = fs_err::read_to_string(&id_file).map_err(|error| {
            wrong(
                format!("docker does not tell which image it has built: {error}"),
                "update docker's command line",
            )
        })?;
        let id = id.trim().to_owned();
        for tag in &tags {
            let name = format!("{}:{tag}", repository.as_deref().unwrap_or_default());
            self.docker(words_of(["image", "tag", &id, &name]), Input::Nothing, Wanted::Lines).await?;
        }
        let words = words_of(["image", "inspect", "--format", "{{json .RepoTags}}", &id]);
        let names = self.docker(words, Input::Nothing, Wanted::Captured).await?.stdout.unwrap_or_default();
        let names: Option<Vec<String>> = serde_json::from_str(names.trim()).map_err(|error| {
            wrong(
                format!("docker's answer about {id} cannot be understood: {error}"),
                "update docker's command line",
            )
        })?;
        let built = Image { id, names: names.unwrap_or_default() };
        self.say(&format!("created image {} with tags {}", built.short_id(), built.names.join(", ")));
        self.data.insert("image".to_owned(), built.to_value());
        Ok(())
    }

    async fn push(&mut self, mut arguments: Arguments) -> Result<(), HandlerFailure> {
        let (repository, tags, _) = self.subject(&mut arguments).await?;
        arguments.end()?;
        self.say(&format!("pushing image {repository}..."));
        for tag in tags {
            let name = format!("{repository}:{tag}");
            self.docker(words_of(["image", "push", &name]), Input::Nothing, Wanted::Lines).await?;
            self.say(&format!("successfully pushed image {name}"));
        }
        Ok(())
    }

    async fn remove(&mut self, mut arguments: Arguments) -> Result<(), HandlerFailure> {
        let (repository, tags, image) = self.subject(&mut arguments).await?;
        let force = arguments.flag("force", false)?;
        let keep_parents = arguments.flag("noprune", false)?;
        arguments.end()?;
        self.say(&format!("removing local image {repository}..."));
        for tag in tags {
            let name = format!("{repository}:{tag}");
            let mut words = words_of(["image", "rm"]);
            words.extend(force.then(|| "--force".to_owned()));
            words.extend(keep_parents.then(|| "--no-prune".to_owned()));
            words.push(name.clone());
            match self.docker(words, Input::Nothing, Wanted::Captured).await {
                Ok(_) => self.say(&format!("successfully removed local image {name}")),
                Err(failure)
                    if failure.detail.as_ref().is_some_and(|detail| detail.contains("No such image")) =>
                {
                    self.say(&format!("local image {name} does not exist"));
                }
                Err(failure) => return Err(failure),
            }
        }
        if image.is_some_and(|image| self.data.get("image").is_some_and(|kept| kept["id"] == image.id)) {
            self.data.insert("image".to_owned(), Value::Null);
        }
        Ok(())
    }

    /// Repository and tags that a hook is about, and the image if that names them.
    async fn subject(
        &self,
        arguments: &mut Arguments,
    ) -> Result<(String, Vec<String>, Option<Image>), HandlerFailure> {
        let image = Image::read(arguments)?;
        let repository = image::repository(arguments, image.as_ref(), self.call, self.provider).await?;
        let tags = match (arguments.texts("tags")?.filter(|tags| !tags.is_empty()), &image) {
            (Some(tags), _) => tags,
            (None, Some(image)) => image.tags().into_iter().map(str::to_owned).collect(),
            (None, None) => vec!["latest".to_owned()],
        };
        Ok((repository.ok_or_else(image::no_repository)?, tags, image))
    }

    /// Runs docker; a status other than 0 is an error.
    async fn docker(
        &self,
        arguments: Vec<String>,
        input: Input,
        wanted: Wanted,
    ) -> Result<Ended, HandlerFailure> {
        let shown = arguments.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" ");
        let program = Program {
            program: "docker".to_owned(),
            name: None,
            arguments,
            directory: self.call.directory.clone(),
            environment: self.call.environment.clone(),
            input,
            wanted,
            interactive: false,
        };
        let ended = program.run(self.output, &self.secrets).await?;
        if ended.status.success() {
            return Ok(ended);
        }
        Err(HandlerFailure {
            message: format!("`docker {shown}` failed ({})", ended.status),
            help: Some("see what docker says; is its daemon running and are you logged in?".to_owned()),
            detail: (!ended.last.is_empty()).then_some(ended.last),
            kind: None,
        })
    }

    fn say(&self, text: &str) {
        self.output.line(&self.secrets.hide(text));
    }
}

fn words_of<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// The options of `args.docker` in the words of the command line.
fn build_options(
    options: Option<Arguments>,
    repository: Option<&str>,
) -> Result<Vec<String>, HandlerFailure> {
    let mut words = Vec::new();
    let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
    let mut tag = repository.map(str::to_owned);
    if let Some(mut options) = options {
        tag = options.text("tag")?.or(tag);
        for (name, value) in options.text_map("buildargs")? {
            add("--build-arg", format!("{name}={value}"));
        }
        for (name, address) in options.text_map("extra_hosts")? {
            add("--add-host", format!("{name}:{address}"));
        }
        for (name, option) in [
            ("isolation", "--isolation"),
            ("network_mode", "--network"),
            ("platform", "--platform"),
            ("target", "--target"),
        ] {
            if let Some(value) = options.text(name)? {
                add(option, value);
            }
        }
        for (name, option) in
            [("forcerm", "--force-rm"), ("nocache", "--no-cache"), ("pull", "--pull"), ("squash", "--squash")]
        {
            if options.flag(name, false)? {
                words.push(option.to_owned());
            }
        }
        if !options.flag("rm", true)? {
            words.push("--rm=false".to_owned());
        }
        // Of the docker API, not of the command line, which uses the client's proxy settings always.
        options.ignore(&["timeout", "use_config_proxy"]);
        if options.flag("custom_context", false)? {
            let help = "remove it: the build context is the directory `path`";
            return Err(wrong("`args.docker.custom_context` is not supported", help));
        }
        options.end()?;
    }
    if let Some(tag) = tag {
        words.extend(["--tag".to_owned(), tag]);
    }
    Ok(words)
}

//! Programs that tasks run.

use std::collections::BTreeMap;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use runway_core::registry::{HandlerFailure, HookOutput};
use runway_core::secrets::Secrets;
use runway_core::task::{Ended, Program, Programs, TaskFailure};

use crate::program::{Input, Program as Started, Wanted};

/// Variables by which programs find credentials; where others are given, none of them may stay.
const OF_CREDENTIALS: [&str; 8] = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
];

/// Runs the programs of a config's tasks.
#[derive(Debug, Clone)]
pub struct TaskPrograms {
    /// Directory of the config, absolute.
    pub directory: Utf8PathBuf,
    /// Environment variables of the run.
    pub environment: BTreeMap<String, String>,
}

#[async_trait]
impl Programs for TaskPrograms {
    async fn run(&self, program: &Program, output: &dyn HookOutput) -> Result<Ended, TaskFailure> {
        let mut environment = self.environment.clone();
        if !program.credentials.is_empty() {
            environment.retain(|name, _| !OF_CREDENTIALS.contains(&name.as_str()));
        }
        environment.extend(program.credentials.clone());
        environment.extend(program.environment.clone());
        if let Some(directory) = program.directory.as_ref().filter(|path| !self.directory.join(path).is_dir())
        {
            return Err(TaskFailure {
                message: format!("there is no directory `{directory}` to run the command in"),
                help: Some("correct `directory`; it is relative to the directory of the config".to_owned()),
                kind: None,
            });
        }
        let mut words = program.words.iter().cloned();
        let started = Started {
            program: words.next().unwrap_or_default(),
            name: None,
            arguments: words.collect(),
            directory: match &program.directory {
                Some(directory) => self.directory.join(directory),
                None => self.directory.clone(),
            },
            environment,
            input: program.input.clone().map_or(Input::Nothing, Input::Text),
            wanted: if program.capture { Wanted::Captured } else { Wanted::Lines },
            interactive: false,
        };
        // Who takes the lines knows the secrets.
        let ended = started.run(output, &Secrets::default()).await.map_err(failure)?;
        Ok(Ended { status: ended.code(), output: ended.stdout, last: ended.last })
    }
}

fn failure(failed: HandlerFailure) -> TaskFailure {
    TaskFailure { message: failed.message, help: failed.help, kind: failed.kind }
}

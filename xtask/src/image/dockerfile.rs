//! As much of a Dockerfile as this repository's own has.

use std::path::Path;

use crate::chore::Failure;

/// Instructions by stages.
pub(super) struct Dockerfile {
    pub(super) stages: Vec<Stage>,
}

/// What follows a `FROM`.
pub(super) struct Stage {
    /// What it begins with.
    pub(super) base: String,
    /// Names and what follows them, on one line.
    pub(super) instructions: Vec<(String, String)>,
}

impl Dockerfile {
    /// Reads the one of a directory.
    ///
    /// # Errors
    /// If it cannot be read, or something comes before the first `FROM`.
    pub(super) fn read(directory: &Path) -> Result<Self, Failure> {
        Self::parse(&fs_err::read_to_string(directory.join("Dockerfile"))?)
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let mut stages: Vec<Stage> = Vec::new();
        let mut begun = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(part) = line.strip_suffix('\\') {
                begun.push_str(part);
                continue;
            }
            begun.push_str(line);
            let line = std::mem::take(&mut begun);
            let (name, rest) = line.split_once(' ').ok_or_else(|| format!("what is `{line}`?"))?;
            let (name, rest) = (name.to_uppercase(), rest.trim().to_owned());
            if name == "FROM" {
                let base = rest.split_whitespace().next().unwrap_or_default().to_owned();
                stages.push(Stage { base, instructions: Vec::new() });
            } else {
                let stage = stages.last_mut().ok_or_else(|| format!("{name} stands before FROM"))?;
                stage.instructions.push((name, rest));
            }
        }
        Ok(Self { stages })
    }

    /// The stage that becomes the image.
    pub(super) fn last(&self) -> Result<&Stage, Failure> {
        self.stages.last().ok_or_else(|| "there is no FROM".into())
    }
}

impl Stage {
    /// What follows every instruction of a name.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let all = self.instructions.iter().filter(|(own, _)| own == name).map(|(_, rest)| rest.as_str());
        all.collect::<Vec<_>>().into_iter()
    }

    fn one(&self, name: &str) -> Result<&str, Failure> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(format!("one {name} is expected").into()),
        }
    }

    /// What is copied out of another stage, and where to.
    ///
    /// # Errors
    /// If something comes from elsewhere.
    pub(super) fn copies(&self) -> Result<Vec<(String, String)>, Failure> {
        let copy = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [option, from, to] if option.starts_with("--from=") => {
                    Ok(((*from).to_owned(), (*to).to_owned()))
                }
                _ => Err(Failure::from(format!("`COPY {line}` does not copy one file out of a stage"))),
            }
        };
        self.all("COPY").map(copy).collect()
    }

    /// The numbers of user and group: names need a file that is not there.
    pub(super) fn user(&self) -> Result<(u32, u32), Failure> {
        let said = self.one("USER")?;
        let (user, group) = said.split_once(':').unwrap_or((said, said));
        Ok((user.parse()?, group.parse()?))
    }

    /// Program and first arguments.
    pub(super) fn entrypoint(&self) -> Result<Vec<String>, Failure> {
        Ok(serde_json::from_str(self.one("ENTRYPOINT")?)?)
    }
}

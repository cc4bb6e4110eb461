//! The container's image: its files, put together as the Dockerfile says, and the program run from them.

mod dockerfile;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use self::dockerfile::{Dockerfile, Stage};
use crate::bench::server::{BUCKET, Server};
use crate::chore::{Failure, root, say};
use crate::{dist, python};

/// Where the files are put together.
const PLACE: &str = "target/image";

/// Where a pod has the files of a build.
const ASSETS: &str = "assets";

/// Builds the binary as the Dockerfile does, puts the files of the image together, and pushes a build with nothing else
/// around it, as the user of the image.
///
/// # Errors
/// If something cannot be built, or the program does not do its work there.
pub(crate) fn run() -> Result<(), Failure> {
    let dockerfile = Dockerfile::read(&root())?;
    let image = dockerfile.last()?;
    let binary = dist::build_for_image()?;
    let place = assemble(image, &binary)?;
    let files = |path: &Path| -> Result<u64, Failure> { Ok(fs_err::metadata(path)?.len()) };
    say(&format!("{}: {} MiB", place.display(), files(&binary)? >> 20));

    let dist = place.join(ASSETS);
    fs_err::create_dir_all(dist.join("js"))?;
    fs_err::write(dist.join("js/app.0a1b2c3d.js"), "script")?;
    fs_err::write(dist.join("index.html"), "<script src=js/app.0a1b2c3d.js>")?;
    python::install("moto")?;
    let server = Server::start()?;
    let inside = Inside { image, place: &place, server: &server };
    inside.run(&["--version"])?;
    let to = ["--app", "image", "--bucket", BUCKET];
    let push = ["assets", "push", "--source", "/assets", "--build-timestamp", "1", "--format", "json"];
    let pushed: Value = serde_json::from_str(&inside.run(&[push.as_slice(), &to].concat())?)?;
    if pushed["status"] != "live" || pushed["sent"]["files"] != 2 {
        return Err(format!("the push from the image ended with {pushed}").into());
    }
    inside.run(&[["assets", "verify", "--deep"].as_slice(), &to].concat())?;
    inside.run(&[["assets", "prune"].as_slice(), &to].concat())?;
    // What speaks TLS finds the certificates: without them the connection is not even tried.
    inside.finds_certificates()?;
    say("the program runs from the image's files alone, as its user, and pushes");
    Ok(())
}

/// Puts the files of the last stage together: what it copies out of the stage before is the binary, or a file that this
/// machine has at the same place.
fn assemble(image: &Stage, binary: &Path) -> Result<PathBuf, Failure> {
    if image.base != "scratch" {
        return Err(format!("the image begins with {}, and this begins with nothing", image.base).into());
    }
    let place = root().join(PLACE);
    if place.exists() {
        fs_err::remove_dir_all(&place)?;
    }
    fs_err::create_dir_all(&place)?;
    for (from, to) in image.copies()? {
        let from = if from.ends_with("/runway-rs") { binary.to_owned() } else { PathBuf::from(&from) };
        let to = place.join(to.trim_start_matches('/'));
        if let Some(parent) = to.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::copy(from, to)?;
    }
    Ok(place)
}

/// The image's files as the root directory.
struct Inside<'a> {
    image: &'a Stage,
    place: &'a Path,
    server: &'a Server,
}

impl Inside<'_> {
    /// The program with arguments, as the image's user.
    fn command(&self, arguments: &[&str]) -> Result<Command, Failure> {
        let (user, group) = self.image.user()?;
        let is_root = {
            let said = Command::new("id").arg("-u").output()?;
            String::from_utf8_lossy(&said.stdout).trim() == "0"
        };
        let mut command = if is_root {
            let mut command = Command::new("chroot");
            command.arg(format!("--userspec={user}:{group}"));
            command
        } else {
            // A user name space of its own lets anybody change the root.
            let mut command = Command::new("unshare");
            command.arg(format!("--map-user={user}")).arg(format!("--map-group={group}"));
            command.args(["--user", "--keep-caps", "chroot"]);
            command
        };
        command.arg(self.place).args(self.image.entrypoint()?).args(arguments).env_clear();
        let environment = self.server.client_environment(Path::new("/"), "us-east-1");
        command.envs(environment.into_iter().filter(|(name, _)| *name != "PATH"));
        // To be found by whoever starts the program; the image has none.
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        Ok(command)
    }

    /// Runs it, and returns what it printed.
    fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        say(&format!("$ {} {}", self.image.entrypoint()?.join(" "), arguments.join(" ")));
        let ended = self.command(arguments)?.output()?;
        if !ended.status.success() {
            let words = String::from_utf8_lossy(&ended.stderr);
            return Err(format!("it ended with {}\n{words}", ended.status).into());
        }
        Ok(String::from_utf8(ended.stdout)?)
    }

    /// Nobody speaks TLS at the server's port, which is found out only after the certificates were read.
    fn finds_certificates(&self) -> Result<(), Failure> {
        let endpoint = self.server.address("").replace("http://", "https://");
        let line = ["assets", "ls", "--app", "image", "--bucket", BUCKET, "--endpoint", &endpoint];
        let ended = self.command(&line)?.env("AWS_MAX_ATTEMPTS", "1").output()?;
        let words = String::from_utf8_lossy(&ended.stderr);
        if ended.status.code() == Some(23) && !words.contains("certificate") && !words.contains("trust") {
            return Ok(());
        }
        Err(format!("over TLS it ended with {}\n{words}", ended.status).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    fn dockerfile() -> Dockerfile {
        Dockerfile::read(&root()).unwrap()
    }

    #[test]
    fn the_image_has_nothing_but_the_program_and_certificates() {
        let dockerfile = dockerfile();
        let image = dockerfile.last().unwrap();
        assert_eq!(image.base, "scratch");
        let to: Vec<String> = image.copies().unwrap().into_iter().map(|(_, to)| to).collect();
        assert_eq!(to, ["/etc/ssl/certs/ca-certificates.crt", "/runway-rs"]);
        assert_eq!(image.entrypoint().unwrap(), ["/runway-rs"], "a shell is not there to start it");
        let names: Vec<&str> = image.instructions.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["COPY", "COPY", "USER", "ENTRYPOINT"]);
    }

    #[test]
    fn the_image_does_not_run_as_root() {
        let (user, group) = dockerfile().last().unwrap().user().unwrap();
        assert!(user > 0 && group > 0);
    }

    #[test]
    fn the_binary_is_built_with_the_locked_dependencies_and_this_toolchain() {
        let dockerfile = dockerfile();
        let build = dockerfile.stages.first().unwrap();
        let manifest = fs_err::read_to_string(root().join("Cargo.toml")).unwrap();
        let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
        assert_eq!(build.base, format!("rust:{}-slim", version.trim_matches('"')));
        let runs: Vec<&str> = build.all("RUN").collect();
        let cargo = runs.iter().find(|line| line.contains("cargo build")).unwrap();
        for needed in ["--locked", "--release", "--package runway-cli", "-unknown-linux-musl"] {
            assert!(cargo.contains(needed), "{cargo}");
        }
        let is_made = |from: &str| {
            from.starts_with("/etc/ssl/") || runs.iter().any(|line| line.ends_with(&format!(" {from}")))
        };
        for (from, _) in dockerfile.last().unwrap().copies().unwrap() {
            assert!(is_made(&from), "{from}");
        }
    }

    #[test]
    fn what_the_build_does_not_read_stays_out_and_nothing_else() {
        let ignored = fs_err::read_to_string(root().join(".dockerignore")).unwrap();
        let lines: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
        // Patterns could take away what is built into the program: its starter project has an environment file.
        assert_eq!(lines, [".ci", ".git", ".github", ".runway", "target"]);
    }
}

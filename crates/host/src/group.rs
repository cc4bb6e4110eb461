//! A program together with everything it has started.

use tokio::process::{Child, Command};

/// The process group of a program. It leads one of its own, so that an interrupt from the terminal is not its end, and
/// so that it can be killed with all it has started.
#[derive(Debug, Default)]
pub(crate) struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    /// Lets a program that is started afterwards lead a group.
    pub(crate) fn lead(command: &mut Command) {
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(not(unix))]
        let _ = command;
    }

    /// The group of a program that was just started.
    pub(crate) fn of(child: &Child) -> Self {
        #[cfg(not(unix))]
        let _ = child;
        Self {
            // Kept: a program that has ended tells it no more, and its children may still run.
            #[cfg(unix)]
            leader: child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw),
        }
    }

    /// Kills what runs of it, the first time.
    pub(crate) fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader.take() {
            // It may have ended in between.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }

    /// Leaves it alone from now on.
    pub(crate) fn release(&mut self) {
        *self = Self::default();
    }
}

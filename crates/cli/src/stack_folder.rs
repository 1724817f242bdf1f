//! Which local stack a command is about.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use devstack::stack::{StackDir, StackState};

/// The folder of a local stack.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The folder of the stack.
    #[arg(long, default_value = ".local", value_name = "FOLDER")]
    pub dir: PathBuf,
}

impl Place {
    /// The stack that runs there.
    ///
    /// # Errors
    /// When none does, or it is still starting.
    pub fn running(&self) -> anyhow::Result<StackState> {
        let state = StackDir::find(&self.dir)?.map(|dir| dir.state()).transpose()?.flatten();
        let running = state.filter(|state| state.ready);
        running.with_context(|| format!("no stack runs in {}; `nines up` starts one", self.dir.display()))
    }
}

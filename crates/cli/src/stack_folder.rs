//! The local stack that a command works on.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use devstack::stack::{StackDir, StackState};

/// The folder of a local stack.
#[derive(Debug, Clone, Args)]
pub struct StackFolder {
    /// The folder of the stack.
    #[arg(long, default_value = ".local", value_name = "FOLDER")]
    pub dir: PathBuf,
}

impl StackFolder {
    /// The stack that runs there.
    ///
    /// # Errors
    /// When no stack runs there, or it is still starting.
    pub fn running(&self) -> anyhow::Result<StackState> {
        let state = StackDir::find(&self.dir)?.map(|dir| dir.state()).transpose()?.flatten();
        let running = state.filter(|state| state.ready);
        running.with_context(|| format!("no stack runs in {}; `nines up` starts one", self.dir.display()))
    }
}

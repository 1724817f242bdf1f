//! What the command-line tools share: what they print, the signals that end them, the folder of a local stack, and
//! calls to a service at a given address.

pub mod dial;
mod program;
mod progress;
mod signals;
mod stack_folder;
pub mod terminal;

pub use program::run;
pub use progress::progress;
pub use signals::Signals;
pub use stack_folder::StackFolder;

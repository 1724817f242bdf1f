//! What the commands print: results to stdout, progress to stderr.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How often a progress bar is drawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// Prints a result for a person, or as one JSON object for a script.
///
/// # Errors
/// When stdout can't be written to.
pub(crate) fn print(result: &(impl Display + Serialize), json: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut stdout, result)?;
        writeln!(stdout)
    } else {
        writeln!(stdout, "{result}")
    }
}

/// A bar over `total` things of the given name, on stderr; invisible when stderr is no terminal.
pub(crate) fn bar(total: usize, things: &'static str) -> ProgressBar {
    let template = format!("{{bar:32}} {{human_pos}} of {{human_len}} {things}  {{per_sec}}  {{msg}}");
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX));
    // The template is a constant but for the name; a bar without it still counts.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// A spinner with a message, on stderr; invisible when stderr is no terminal.
pub(crate) fn spinner(message: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.set_message(message);
    spinner.enable_steady_tick(TICK);
    spinner
}

/// Tells the person at the terminal something that is no result.
///
/// # Errors
/// When stderr can't be written to.
pub(crate) fn complain(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

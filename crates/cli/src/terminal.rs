//! What a command prints: results to stdout, everything else to stderr.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How often a progress bar is redrawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// Prints a result as text, or as one JSON object for a script.
///
/// # Errors
/// As [`line`].
pub fn print(result: &(impl Display + Serialize), json: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut stdout, result)?;
        writeln!(stdout)
    } else {
        writeln!(stdout, "{result}")
    }
}

/// Prints a line of a result.
///
/// # Errors
/// [`io::ErrorKind::BrokenPipe`] when the reader has gone, so that a command that follows a log can end; any other when
/// stdout can't be written to.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints a message that is not part of the result to stderr.
pub fn note(text: &str) {
    // A closed stderr can't be reported anywhere.
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

/// A progress bar over `total` things with this name, on stderr; invisible when stderr is not a terminal.
#[must_use]
pub fn bar(total: usize, things: &'static str) -> ProgressBar {
    let template = format!("{{bar:32}} {{human_pos}} of {{human_len}} {things}  {{per_sec}}  {{msg}}");
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX));
    // The template is constant except for the name; a bar without it still counts.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// A spinner with a message, on stderr; invisible when stderr is not a terminal.
#[must_use]
pub fn spinner(message: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.set_message(message);
    spinner.enable_steady_tick(TICK);
    spinner
}

//! What the commands of the stack print: results to stdout, everything else to stderr.

use std::collections::HashMap;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use devstack::{Event, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// Prints a result. That nobody reads it any more, as in `nines logs | head`, is no failure.
///
/// # Errors
/// [`ErrorKind::BrokenPipe`] when the reader has gone, so that a command that follows a log can end; any other
/// when stdout can't be written to.
pub(crate) fn result(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Whether an error only says that nobody reads the output any more.
pub(crate) fn reader_has_gone(error: &anyhow::Error) -> bool {
    let found = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    found.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Tells the person at the terminal something that is no result.
pub(crate) fn complain(text: &str) {
    // There is no further place to report that stderr is closed.
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

/// Shows progress on stderr: a spinner a step on a terminal, a line a step elsewhere.
pub(crate) fn progress() -> Progress {
    if io::stderr().is_terminal() { spinners() } else { lines() }
}

fn lines() -> Progress {
    let started = Instant::now();
    Progress::new(move |event| {
        let seconds = started.elapsed().as_secs_f32();
        match event {
            Event::Begin(step) => complain(&format!("[{seconds:5.1}s] {step} ...")),
            Event::End(step) => complain(&format!("[{seconds:5.1}s] {step}: done")),
            Event::Fail(step) => complain(&format!("[{seconds:5.1}s] {step}: failed")),
            Event::Note(text) => complain(&format!("[{seconds:5.1}s] {text}")),
        }
    })
}

fn spinners() -> Progress {
    let all = MultiProgress::new();
    let bars: Mutex<HashMap<String, ProgressBar>> = Mutex::default();
    Progress::new(move |event| {
        let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
        let mut finish = |step: &str, mark: &str| {
            if let Some(bar) = bars.remove(step) {
                let seconds = bar.elapsed().as_secs_f32();
                bar.finish_and_clear();
                say(&all, &format!("{mark} {step} ({seconds:.1} s)"));
            }
        };
        match event {
            Event::Begin(step) => {
                let bar = all.add(spinner(step));
                bars.insert(step.to_owned(), bar);
            }
            Event::End(step) => finish(step, "✔"),
            Event::Fail(step) => finish(step, "✘"),
            Event::Note(text) => say(&all, text),
        }
    })
}

fn spinner(step: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(step.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

fn say(all: &MultiProgress, text: &str) {
    // Without a terminal any more there is nobody to tell.
    let _unseen = all.println(text);
}

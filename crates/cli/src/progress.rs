//! The progress of a local stack that starts or stops, on stderr.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use devstack::{Event, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::terminal;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// Shows progress on stderr: a spinner for each step on a terminal, a line for each event elsewhere.
#[must_use]
pub fn progress() -> Progress {
    if io::stderr().is_terminal() { spinners() } else { lines() }
}

fn lines() -> Progress {
    let started = Instant::now();
    Progress::new(move |event| {
        let seconds = started.elapsed().as_secs_f32();
        match event {
            Event::Begin(step) => terminal::note(&format!("[{seconds:5.1}s] {step} ...")),
            Event::End(step) => terminal::note(&format!("[{seconds:5.1}s] {step}: done")),
            Event::Fail(step) => terminal::note(&format!("[{seconds:5.1}s] {step}: failed")),
            Event::Note(text) => terminal::note(&format!("[{seconds:5.1}s] {text}")),
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
                print_above(&all, &format!("{mark} {step} ({seconds:.1} s)"));
            }
        };
        match event {
            Event::Begin(step) => {
                let bar = all.add(spinner(step));
                bars.insert(step.to_owned(), bar);
            }
            Event::End(step) => finish(step, "✔"),
            Event::Fail(step) => finish(step, "✘"),
            Event::Note(text) => print_above(&all, text),
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

/// Prints a line above the spinners.
fn print_above(all: &MultiProgress, text: &str) {
    // A closed stderr can't be reported anywhere.
    let _closed = all.println(text);
}

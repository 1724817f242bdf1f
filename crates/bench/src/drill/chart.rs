//! A drill as a picture: the p50 and p99 of each second on a logarithmic axis, failed requests below, and what was done
//! to the platform.

use std::fmt::Write as _;

use super::report::{Report, Second};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 20.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = HEIGHT - 90.0;
/// The axis of latencies, in ms.
const LOWEST_MS: f64 = 0.1;
const HIGHEST_MS: f64 = 10_000.0;
/// Where bars of failed and shed requests stand, and their full height.
const BARS: f64 = HEIGHT - 30.0;
const BAR_HEIGHT: f64 = 36.0;

const STYLE: &str = "\
.card{fill:#fff;stroke:#d0d7de}.text{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d8dee4}\
.p50{fill:none;stroke:#2f6fb0;stroke-width:2}.p99{fill:none;stroke:#c2703d;stroke-width:2}\
.mark{stroke:#8250df;stroke-dasharray:3 3}.failed{fill:#cf222e}.shed{fill:#bf8700}\
@media(prefers-color-scheme:dark){.card{fill:#151b23;stroke:#3d444d}.text{fill:#f0f6fc}.soft{fill:#a5adb7}\
.grid{stroke:#303740}.p50{stroke:#5b9fe0}.p99{stroke:#e08b55}}";

/// Draws a report as SVG, without scripts or references.
pub(super) fn draw(report: &Report) -> String {
    let last = report.seconds.last().map_or(1, |second| second.second + 1);
    let axis = Axis { seconds: whole(last) };
    let mut svg = Svg::default();
    svg.opening(report);
    svg.grid(&axis);
    for mark in &report.marks {
        let x = axis.x(mark.at_seconds);
        svg.line("mark", x, TOP, x, BARS);
        if report.marks.len() <= 6 {
            svg.text("soft", x + 3.0, TOP - 4.0, "start", &mark.what);
        }
    }
    svg.path("p50", &axis, &report.seconds, |second| second.figures.p50_ms);
    svg.path("p99", &axis, &report.seconds, |second| second.figures.p99_ms);
    svg.bars(&axis, &report.seconds);
    svg.0.push_str("</svg>\n");
    svg.0
}

struct Axis {
    seconds: f64,
}

impl Axis {
    fn x(&self, second: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (second / self.seconds).clamp(0.0, 1.0)
    }
}

fn y(ms: f64) -> f64 {
    let part = (ms.clamp(LOWEST_MS, HIGHEST_MS) / LOWEST_MS).log10() / (HIGHEST_MS / LOWEST_MS).log10();
    BOTTOM - part * (BOTTOM - TOP)
}

/// The document as it grows. Writing to a `String` can't fail.
#[derive(Default)]
struct Svg(String);

impl Svg {
    fn opening(&mut self, report: &Report) {
        let Report { drill, requests, failed, .. } = report;
        let _infallible = write!(
            self.0,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\" aria-labelledby=\"title\" font-family=\"system-ui, sans-serif\" \
             font-size=\"12\">\n<title id=\"title\">Drill {drill}: {requests} requests, {failed} failed</title>\n\
             <style>{STYLE}</style>\n<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
            WIDTH - 1.0,
            HEIGHT - 1.0,
        );
        let title = format!("{drill}: {requests} requests, {failed} failed");
        self.text("text", 20.0, 28.0, "start", &title);
        self.text(
            "soft",
            20.0,
            46.0,
            "start",
            "latency by second: p50 (blue), p99 (orange); below: failed (red), shed (yellow)",
        );
    }

    fn grid(&mut self, axis: &Axis) {
        for (ms, label) in
            [(0.1, "0.1 ms"), (1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s"), (10_000.0, "10 s")]
        {
            self.line("grid", LEFT, y(ms), RIGHT, y(ms));
            self.text("soft", LEFT - 6.0, y(ms) + 4.0, "end", label);
        }
        for sixth in 0..=6 {
            let second = axis.seconds * f64::from(sixth) / 6.0;
            self.text("soft", axis.x(second), HEIGHT - 10.0, "middle", &format!("{second:.0} s"));
        }
    }

    fn path(&mut self, class: &str, axis: &Axis, seconds: &[Second], of: fn(&Second) -> f64) {
        let points = seconds.iter().map(|second| (axis.x(whole(second.second) + 0.5), y(of(second))));
        let _infallible = write!(self.0, "<polyline class=\"{class}\" points=\"");
        for (x, y) in points {
            let _infallible = write!(self.0, "{x:.1},{y:.1} ");
        }
        self.0.push_str("\"/>\n");
    }

    /// Each bar is the share of its second's requests, the full height for all of them; at least one pixel for one.
    fn bars(&mut self, axis: &Axis, seconds: &[Second]) {
        let width = (axis.x(1.0) - axis.x(0.0) - 0.5).max(0.5);
        for Second { second, figures } in seconds {
            let all = figures.good + figures.shed + figures.failed;
            let height = |part: usize| {
                let share = length(part) / length(all.max(1));
                if part == 0 { 0.0 } else { (share * BAR_HEIGHT).max(1.0) }
            };
            let (x, failed, shed) = (axis.x(whole(*second)), height(figures.failed), height(figures.shed));
            for (class, from, height) in [("failed", BARS, failed), ("shed", BARS - failed, shed)] {
                if height > 0.0 {
                    let _infallible = writeln!(
                        self.0,
                        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>",
                        from - height
                    );
                }
            }
        }
    }

    fn line(&mut self, class: &str, x1: f64, y1: f64, x2: f64, y2: f64) {
        let _infallible =
            writeln!(self.0, "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
    }

    /// `text` is ours and holds nothing that XML would have to escape.
    fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        let _infallible = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }
}

/// Seconds of a drill as a length.
#[allow(clippy::cast_precision_loss)] // an hour at most
fn whole(second: u64) -> f64 {
    second as f64
}

/// Requests of a second as a length.
#[allow(clippy::cast_precision_loss)] // far below 2^53
fn length(requests: usize) -> f64 {
    requests as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::{Figures, Mark};

    #[test]
    fn every_second_and_mark_is_drawn() {
        let figures = Figures { good: 90, copied: 0, shed: 8, failed: 2, p50_ms: 1.0, p99_ms: 20.0, longest_ms: 30.0 };
        let samples = crate::drill::load::Samples { start: tokio::time::Instant::now(), list: Vec::new(), not_sent: 0 };
        let marks = vec![Mark { at_seconds: 1.0, what: "order-2 killed".into() }];
        let mut report = Report::new("kill", &samples, marks);
        report.seconds = (0..3).map(|second| Second { second, figures }).collect();
        let svg = draw(&report);
        assert!(svg.contains(">order-2 killed<"));
        assert_eq!(svg.matches("class=\"failed\"").count(), 3);
        assert_eq!(svg.matches("class=\"shed\"").count(), 3);
        assert!(y(LOWEST_MS) > y(1.0) && y(1.0) > y(HIGHEST_MS));
    }
}

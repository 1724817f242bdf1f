//! A drill as a chart: the p50 and p99 of each second on a logarithmic axis, failed requests below, and the actions on
//! the platform.

use super::report::{Report, Second};
use crate::harness::svg::{Opening, Svg};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 20.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = HEIGHT - 90.0;
/// The axis of latencies, in ms.
const LOWEST_MS: f64 = 0.1;
const HIGHEST_MS: f64 = 10_000.0;
/// The baseline of the bars of failed and shed requests, and their full height.
const BARS: f64 = HEIGHT - 30.0;
const BAR_HEIGHT: f64 = 36.0;

const LEGEND: &str = "latency by second: p50 (blue), p99 (orange); below: failed (red), shed (yellow)";
const STYLE: &str = "\
.card{fill:#fff;stroke:#d0d7de}.text{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d8dee4}\
.p50{fill:none;stroke:#2f6fb0;stroke-width:2}.p99{fill:none;stroke:#c2703d;stroke-width:2}\
.mark{stroke:#8250df;stroke-dasharray:3 3}.failed{fill:#cf222e}.shed{fill:#bf8700}\
@media(prefers-color-scheme:dark){.card{fill:#151b23;stroke:#3d444d}.text{fill:#f0f6fc}.soft{fill:#a5adb7}\
.grid{stroke:#303740}.p50{stroke:#5b9fe0}.p99{stroke:#e08b55}}";

/// Draws a report.
pub(super) fn draw(report: &Report) -> String {
    let Report { drill, requests, failed, .. } = report;
    let last = report.seconds.last().map_or(1, |second| second.second + 1);
    let axis = TimeAxis { seconds: whole(last) };
    let mut svg = Svg::open(Opening {
        width: WIDTH,
        height: HEIGHT,
        font_size: 12,
        title: &format!("Drill {drill}: {requests} requests, {failed} failed"),
        description: None,
        style: STYLE,
    });
    svg.text("text", 20.0, 28.0, "start", format_args!("{drill}: {requests} requests, {failed} failed"));
    svg.text("soft", 20.0, 46.0, "start", LEGEND);
    draw_grid(&mut svg, &axis);
    for mark in &report.marks {
        let x = axis.x(mark.at_seconds);
        svg.line("mark", (x, TOP), (x, BARS));
        if report.marks.len() <= 6 {
            svg.text("soft", x + 3.0, TOP - 4.0, "start", &mark.what);
        }
    }
    draw_latency(&mut svg, "p50", &axis, &report.seconds, |second| second.figures.p50_ms);
    draw_latency(&mut svg, "p99", &axis, &report.seconds, |second| second.figures.p99_ms);
    draw_bars(&mut svg, &axis, &report.seconds);
    svg.close()
}

struct TimeAxis {
    seconds: f64,
}

impl TimeAxis {
    fn x(&self, second: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (second / self.seconds).clamp(0.0, 1.0)
    }
}

fn y(ms: f64) -> f64 {
    let part = (ms.clamp(LOWEST_MS, HIGHEST_MS) / LOWEST_MS).log10() / (HIGHEST_MS / LOWEST_MS).log10();
    BOTTOM - part * (BOTTOM - TOP)
}

fn draw_grid(svg: &mut Svg, axis: &TimeAxis) {
    for (ms, label) in
        [(0.1, "0.1 ms"), (1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s"), (10_000.0, "10 s")]
    {
        svg.line("grid", (LEFT, y(ms)), (RIGHT, y(ms)));
        svg.text("soft", LEFT - 6.0, y(ms) + 4.0, "end", label);
    }
    for sixth in 0..=6 {
        let second = axis.seconds * f64::from(sixth) / 6.0;
        svg.text("soft", axis.x(second), HEIGHT - 10.0, "middle", format_args!("{second:.0} s"));
    }
}

fn draw_latency(svg: &mut Svg, class: &str, axis: &TimeAxis, seconds: &[Second], of: fn(&Second) -> f64) {
    svg.polyline(class, seconds.iter().map(|second| (axis.x(whole(second.second) + 0.5), y(of(second)))));
}

/// The height of a bar is the share of its second's requests, but at least one pixel.
fn draw_bars(svg: &mut Svg, axis: &TimeAxis, seconds: &[Second]) {
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
                svg.rect(class, (x, from - height), (width, height), 0);
            }
        }
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

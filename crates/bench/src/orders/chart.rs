//! The comparison as a bar chart: orders per second of both sides in the closed loop, by workload, on a logarithmic
//! axis.

use super::cell::{Loop, OrdersCell};
use crate::harness::svg::{Opening, Svg};
use crate::harness::workload::Workload;

/// The numbers of clients that are shown if they were measured.
const CLIENTS: [usize; 2] = [64, 256];

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 430.0;
/// The plot's edges.
const LEFT: f64 = 80.0;
const RIGHT: f64 = WIDTH - 20.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = HEIGHT - 66.0;
/// The widest bar.
const WIDEST_BAR: f64 = 42.0;
/// The radius of the corners of bars.
const RADIUS: u32 = 2;
/// The attributes of small text.
const SMALL: &str = "font-size=\"11\"";

const STYLE: &str = "\
.card{fill:#fff;stroke:#d0d7de}.text{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d8dee4}\
.naive{fill:#c2703d}.lanes{fill:#2f6fb0}.gain{fill:#1f2328;font-weight:700}\
@media(prefers-color-scheme:dark){.card{fill:#151b23;stroke:#3d444d}.text,.gain{fill:#f0f6fc}.soft{fill:#a5adb7}\
.grid{stroke:#303740}.naive{fill:#e08b55}.lanes{fill:#5b9fe0}}";

/// A pair of bars.
struct Pair {
    workload: Workload,
    clients: usize,
    naive: f64,
    lanes: f64,
    ratio: Option<f64>,
}

/// Draws the closed loops with 64 and 256 clients, or all if neither was measured.
pub(super) fn draw(cells: &[OrdersCell]) -> String {
    let closed: Vec<Pair> = cells.iter().filter(|cell| cell.r#loop == Loop::Closed).map(Pair::of).collect();
    let wanted = |pair: &Pair| CLIENTS.contains(&pair.clients);
    let any = closed.iter().any(wanted);
    draw_pairs(&closed.into_iter().filter(|pair| !any || wanted(pair)).collect::<Vec<_>>())
}

impl Pair {
    fn of(cell: &OrdersCell) -> Self {
        Self {
            workload: cell.workload,
            clients: cell.clients,
            naive: cell.naive.orders_per_second,
            lanes: cell.lanes.orders_per_second,
            ratio: cell.ratio.ratio,
        }
    }
}

/// The logarithmic axis, from one whole power of ten to another around all values.
struct RateAxis {
    low: f64,
    high: f64,
}

impl RateAxis {
    fn around(pairs: &[Pair]) -> Self {
        let values = || pairs.iter().flat_map(|pair| [pair.naive, pair.lanes]).map(|value| value.max(1.0));
        let low = values().fold(f64::INFINITY, f64::min).log10().floor();
        let high = values().fold(10.0, f64::max).log10().ceil();
        Self { low: low.min(high - 1.0), high }
    }

    /// The vertical position of a value, from the top.
    fn y(&self, value: f64) -> f64 {
        let part = (value.max(1.0).log10() - self.low) / (self.high - self.low);
        BOTTOM - part.clamp(0.0, 1.0) * (BOTTOM - TOP)
    }

    /// The powers of ten.
    fn powers(&self) -> impl Iterator<Item = f64> {
        std::iter::successors(Some(self.low), |power| Some(power + 1.0))
            .take_while(|power| *power <= self.high)
            .map(|power| 10_f64.powf(power))
    }
}

fn draw_pairs(pairs: &[Pair]) -> String {
    let mut svg = Svg::open(Opening {
        width: WIDTH,
        height: HEIGHT,
        font_size: 13,
        title: "Orders per second: one transaction per order against commit lanes",
        description: Some(&describe(pairs)),
        style: STYLE,
    });
    draw_heading(&mut svg);
    if pairs.is_empty() {
        svg.text("soft", WIDTH / 2.0, HEIGHT / 2.0, "middle", "nothing was measured");
    } else {
        draw_plot(&mut svg, pairs);
    }
    svg.close()
}

fn draw_heading(svg: &mut Svg) {
    svg.group("font-size=\"17\" font-weight=\"600\"", |svg| {
        svg.text("text", 24.0, 34.0, "start", "Orders per second");
    });
    svg.text("soft", 24.0, 56.0, "start", "closed loop, logarithmic scale");
    svg.rect("naive", (474.0, 24.0), (12.0, 12.0), RADIUS);
    svg.text("text", 492.0, 35.0, "start", "one transaction per order");
    svg.rect("lanes", (678.0, 24.0), (12.0, 12.0), RADIUS);
    svg.text("text", 696.0, 35.0, "start", "Fournines' commit lanes");
}

fn draw_plot(svg: &mut Svg, pairs: &[Pair]) {
    let axis = RateAxis::around(pairs);
    for power in axis.powers() {
        let y = axis.y(power);
        svg.line("grid", (LEFT, y), (RIGHT, y));
        svg.text("soft", LEFT - 8.0, y + 4.0, "end", grouped(power));
    }
    // The pairs of a workload stand together, with a gap of half a slot between workloads.
    let workloads = pairs.chunk_by(|one, next| one.workload == next.workload);
    let gaps = workloads.clone().count().saturating_sub(1);
    let slot = (RIGHT - LEFT) / (count(pairs.len()) + 0.5 * count(gaps) + 0.2);
    let mut x = LEFT + 0.1 * slot;
    for workload in workloads {
        let width = slot * count(workload.len());
        let name = workload.first().map_or("", |pair| label(pair.workload));
        svg.text("text", x + width / 2.0, BOTTOM + 46.0, "middle", name);
        for pair in workload {
            draw_pair(svg, pair, &axis, x + slot / 2.0, slot);
            x += slot;
        }
        x += 0.5 * slot;
    }
}

fn draw_pair(svg: &mut Svg, pair: &Pair, axis: &RateAxis, middle: f64, slot: f64) {
    let width = (slot * 0.42).min(WIDEST_BAR);
    for (class, value, x) in [("naive", pair.naive, middle - width - 1.0), ("lanes", pair.lanes, middle + 1.0)] {
        let y = axis.y(value);
        svg.rect(class, (x, y), (width, BOTTOM - y), RADIUS);
        svg.group(SMALL, |svg| svg.text("text", x + width / 2.0, y - 5.0, "middle", grouped(value)));
    }
    if let Some(ratio) = pair.ratio {
        let y = axis.y(pair.lanes.max(pair.naive)) - 21.0;
        svg.text("gain", middle, y, "middle", times(ratio));
    }
    svg.group(SMALL, |svg| {
        svg.text("soft", middle, BOTTOM + 20.0, "middle", format_args!("{} clients", pair.clients));
    });
}

/// The chart in words.
fn describe(pairs: &[Pair]) -> String {
    let parts = pairs.iter().map(|pair| {
        let (workload, naive, lanes) = (label(pair.workload), grouped(pair.naive), grouped(pair.lanes));
        let ratio = pair.ratio.map_or_else(String::new, |ratio| format!(", {}", times(ratio)));
        format!("{workload} with {} clients: {naive} against {lanes}{ratio}.", pair.clients)
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn label(workload: Workload) -> &'static str {
    match workload {
        Workload::OneSku => "one SKU",
        Workload::TenSkus => "10 SKUs",
        Workload::TenThousandSkus => "10,000 SKUs",
        Workload::Baskets => "real baskets",
    }
}

fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("×{ratio:.1}") } else { format!("×{ratio:.0}") }
}

/// A whole number with commas: 12,345.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A small number as a length.
#[allow(clippy::cast_precision_loss)] // a handful of bars
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(workload: Workload, clients: usize, naive: f64, lanes: f64) -> Pair {
        Pair { workload, clients, naive, lanes, ratio: Some(lanes / naive) }
    }

    #[test]
    fn every_value_and_ratio_is_labelled() {
        let pairs = [
            pair(Workload::OneSku, 64, 80.0, 9_600.0),
            pair(Workload::OneSku, 256, 71.4, 12_345.6),
            pair(Workload::Baskets, 64, 400.0, 2_000.0),
        ];
        let svg = draw_pairs(&pairs);
        for text in [">80<", ">9,600<", ">×120<", ">12,346<", ">×5.0<", ">256 clients<", ">one SKU<", ">real baskets<"]
        {
            assert!(svg.contains(text), "{text} is missing in {svg}");
        }
        assert_eq!(svg.matches(">one SKU<").count(), 1);
        assert!(svg.contains("real baskets with 64 clients: 400 against 2,000, ×5.0."));
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
    }

    #[test]
    fn the_axis_spans_whole_powers_of_ten() {
        let axis = RateAxis::around(&[pair(Workload::OneSku, 64, 71.0, 9_000.0)]);
        assert_eq!(axis.powers().collect::<Vec<_>>(), [10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!((axis.y(10.0), axis.y(10_000.0)), (BOTTOM, TOP));
        // One side placed no order.
        assert_eq!(RateAxis::around(&[pair(Workload::OneSku, 64, 0.0, 5.0)]).y(0.0), BOTTOM);
    }

    #[test]
    fn a_chart_without_measurements_says_so() {
        assert!(draw(&[]).contains("nothing was measured"));
    }
}

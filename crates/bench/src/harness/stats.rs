//! Medians and quantiles of measurements.

use hdrhistogram::Histogram;

/// The significant digits of latencies in µs.
const DIGITS: u8 = 3;
/// The largest latency, in µs: ten minutes, far longer than any time limit.
const LONGEST: u64 = 600_000_000;

/// The median: the middle value, or the mean of the two middle ones; 0 without values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(below), values.get(above)) {
        (Some(below), Some(above)) => f64::midpoint(*below, *above),
        _ => 0.0,
    }
}

/// The smallest and the largest value; `None` without values.
pub(crate) fn spread(values: &[f64]) -> Option<[f64; 2]> {
    let smallest = values.iter().copied().min_by(f64::total_cmp)?;
    let largest = values.iter().copied().max_by(f64::total_cmp)?;
    Some([smallest, largest])
}

/// Quantiles of latencies in µs, in ms; `None` without latencies.
pub(crate) fn quantiles_ms<const N: usize>(
    micros: impl IntoIterator<Item = u32>,
    quantiles: [f64; N],
) -> Option<[f64; N]> {
    // Can't fail with these constants.
    let mut histogram = Histogram::<u64>::new_with_bounds(1, LONGEST, DIGITS).ok()?;
    for micros in micros {
        histogram.saturating_record(u64::from(micros.max(1)));
    }
    #[allow(clippy::cast_precision_loss)] // ten minutes in µs are far below 2^53
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    (!histogram.is_empty()).then(|| quantiles.map(at))
}

/// Rounds to two decimals, or to three below 10.
pub(crate) fn rounded(value: f64) -> f64 {
    let scale = if value.abs() < 10.0 { 1_000.0 } else { 100.0 };
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([]), 0.0);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some([1.0, 3.0]));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn quantiles_are_in_ms() {
        let [half, most] = quantiles_ms((1..=1_000).map(|n| n * 1_000), [0.5, 0.99]).unwrap();
        assert!((half - 500.0).abs() < 1.0 && (most - 990.0).abs() < 1.0, "{half} {most}");
        assert_eq!(quantiles_ms(std::iter::empty(), [0.5]), None);
    }

    #[test]
    fn small_numbers_keep_more_decimals() {
        assert_eq!((rounded(1.234_56), rounded(1_234.567)), (1.235, 1_234.57));
    }
}

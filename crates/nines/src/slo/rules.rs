//! The rules of an objective: its recorded series, and its alerts.
//!
//! The names and meanings of `slo:sli_error:ratio_rate…`, `slo:error_budget:ratio`, `slo:current_burn_rate:ratio` and
//! `slo:period_error_budget_remaining:ratio` are those of Sloth (<https://sloth.dev>). Unlike there, long windows
//! are weighted by events and not by time: a quiet night counts as little as it sold.

use super::promised::{Bad, Indicator, Promised, Query};
use super::span::Span;
use super::spec::Op;
use super::windows::{self, BASE, Burn, LONGEST_RAW, MIN_BAD_EVENTS, Scale};
use super::yaml::{Group, Kind, Rule};

/// How often rules of events are evaluated.
const INTERVAL: Span = Span::seconds(30);
const BAD_EVENTS: &str = "slo:bad_events:rate5m";
const EVENTS: &str = "slo:events:rate5m";
const BAD_SLICE: &str = "slo:bad_slice:bool";
const BUDGET: &str = "slo:error_budget:ratio";
/// Without samples the value is 0: without traffic there is no failure.
const OR_NOTHING: &str = "or on () vector(0)";

/// The settings of all objectives.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) scale: Scale,
    /// The URL of the folder of runbooks, without a trailing slash.
    pub(super) runbooks: String,
}

/// The group of rules of an objective.
///
/// # Errors
/// When its period is too short for burn rates.
pub(super) fn group(slo: &Promised, settings: &Settings) -> anyhow::Result<Group> {
    let maker = Maker { slo, settings };
    let burns = if slo.is_without_budget() { Vec::new() } else { windows::burns(slo.period)?.to_vec() };
    let windows = windows::recorded(&burns, slo.period);

    let mut rules = maker.constants();
    let interval = match &slo.indicator {
        Indicator::Events { bad, total } => {
            rules.extend(maker.of_events(bad, total, &windows));
            INTERVAL
        }
        Indicator::Slices { value, good_is, bound, slice } => {
            rules.extend(maker.of_slices(value, *good_is, *bound, &windows));
            *slice
        }
    };
    rules.extend(maker.of_budget());
    if slo.is_without_budget() {
        rules.push(maker.alert_without_budget());
    }
    rules.extend(burns.iter().map(|burn| maker.alert(burn)));
    Ok(Group { name: format!("slo-{}", slo.name), interval: settings.scale.of_interval(interval), rules })
}

struct Maker<'a> {
    slo: &'a Promised,
    settings: &'a Settings,
}

impl Maker<'_> {
    fn record(&self, name: impl Into<String>, expr: String) -> Rule {
        let labels = vec![("slo", self.slo.name.clone())];
        Rule { kind: Kind::Record(name.into()), expr, labels, annotations: Vec::new() }
    }

    /// A series of this objective.
    fn series(&self, name: &str) -> String {
        format!("{name}{{slo=\"{}\"}}", self.slo.name)
    }

    fn ratio(&self, window: Span) -> String {
        self.series(&format!("slo:sli_error:ratio_rate{window}"))
    }

    fn constants(&self) -> Vec<Rule> {
        vec![
            self.record("slo:objective:ratio", format!("vector({})", decimal(self.slo.target))),
            self.record(BUDGET, format!("vector({})", decimal(self.slo.budget()))),
            self.record("slo:time_period:days", format!("vector({})", decimal(self.slo.period.as_days()))),
        ]
    }

    fn of_events(&self, bad: &Bad, total: &Query, windows: &[Span]) -> Vec<Rule> {
        let scale = self.settings.scale;
        let base = scale.of(BASE);
        let mut rules = vec![
            self.record(BAD_EVENTS, format!("({})\n{OR_NOTHING}", bad.over(base, total))),
            self.record(EVENTS, format!("({})\n{OR_NOTHING}", total.over(base))),
        ];
        for window in windows {
            let (bad, total) = if *window == BASE {
                (self.series(BAD_EVENTS), self.series(EVENTS))
            } else if *window <= LONGEST_RAW {
                (bad.over(scale.of(*window), total), total.over(scale.of(*window)))
            } else {
                let sum = |name| format!("sum_over_time({}[{}])", self.series(name), scale.of(*window));
                (sum(BAD_EVENTS), sum(EVENTS))
            };
            let expr = format!("(\n  ({bad})\n  / (({total}) > 0)\n)\n{OR_NOTHING}");
            rules.push(self.record(format!("slo:sli_error:ratio_rate{window}"), expr));
        }
        rules
    }

    fn of_slices(&self, value: &str, good_is: Op, bound: f64, windows: &[Span]) -> Vec<Rule> {
        let bad_is = match good_is {
            Op::Lte => ">",
            Op::Gte => "<",
            Op::Lt => ">=",
            Op::Gt => "<=",
        };
        let is_bad = format!("({value})\n{bad_is} bool {}", decimal(bound));
        let mut rules = vec![self.record(BAD_SLICE, is_bad)];
        for window in windows {
            let over = self.settings.scale.of(*window);
            let expr = format!("avg_over_time({}[{over}])\n{OR_NOTHING}", self.series(BAD_SLICE));
            rules.push(self.record(format!("slo:sli_error:ratio_rate{window}"), expr));
        }
        rules
    }

    fn of_budget(&self) -> [Rule; 2] {
        let (now, period, budget) = (self.ratio(BASE), self.ratio(self.slo.period), self.series(BUDGET));
        let (rate, left) = if self.slo.is_without_budget() {
            // Without a budget, no bad event is a rate of 0, and any is an infinite rate.
            (format!("({now} > 0) / 0\nor {now}"), format!("{period} == bool 0"))
        } else {
            (format!("{now}\n/ {budget}"), format!("1 - {period}\n/ {budget}"))
        };
        [self.record("slo:current_burn_rate:ratio", rate), self.record("slo:period_error_budget_remaining:ratio", left)]
    }

    fn alert(&self, burn: &Burn) -> Rule {
        let (factor, budget) = (two_places(burn.factor), decimal(self.slo.budget()));
        let mut expr = format!(
            "{} > {factor} * {budget}\nand {} > {factor} * {budget}",
            self.ratio(burn.long),
            self.ratio(burn.short)
        );
        if let Indicator::Events { bad, total } = &self.slo.indicator {
            let over = self.settings.scale.of(burn.long);
            // Counting the events of three days at each evaluation would read all their samples.
            let count = if burn.long <= LONGEST_RAW {
                format!("({}) * {}", bad.over(over, total), decimal(over.as_seconds()))
            } else {
                let every = self.settings.scale.of_interval(INTERVAL);
                format!("sum_over_time({}[{over}]) * {}", self.series(BAD_EVENTS), decimal(every.as_seconds()))
            };
            expr.push_str(&format!("\nand on () ({count} >= {MIN_BAD_EVENTS})"));
        }
        let days = self.slo.period.as_days() / burn.factor;
        let description = format!(
            "{{{{ $value | humanizePercentage }}}} were bad in the last {}; {} of {} may be. At {factor} times that, \
             {} of the error budget is used up in that time, and all of it in {} days.",
            burn.long,
            percent(self.slo.budget()),
            self.slo.name,
            percent(burn.share),
            two_places(days)
        );
        self.alert_rule(burn.severity.name(), &burn.long.to_string(), expr, description)
    }

    fn alert_without_budget(&self) -> Rule {
        let expr = format!("{} > 0", self.ratio(BASE));
        let description = format!("{} has no error budget: it is broken as soon as anything is bad.", self.slo.name);
        self.alert_rule("page", &BASE.to_string(), expr, description)
    }

    fn alert_rule(&self, severity: &str, window: &str, expr: String, description: String) -> Rule {
        let alert = &self.slo.alert;
        Rule {
            kind: Kind::Alert(alert.clone()),
            expr,
            labels: vec![
                ("severity", severity.to_owned()),
                ("slo", self.slo.name.clone()),
                ("window", window.to_owned()),
            ],
            annotations: vec![
                ("summary", self.slo.summary.clone()),
                ("description", description),
                ("runbook_url", format!("{}/{alert}.md", self.settings.runbooks)),
            ],
        }
    }
}

impl Bad {
    /// PromQL for the bad events per second over a window; 0 without bad events, as long as there are any events.
    fn over(&self, window: Span, total: &Query) -> String {
        match self {
            Self::Counted(bad) => format!("{} or vector(0)", bad.over(window)),
            Self::AllBut(good) => {
                let (total, good) = (total.over(window), good.over(window));
                format!("clamp_min(({total}) - ({good} or vector(0)), 0)")
            }
        }
    }
}

/// A decimal number without binary rounding errors: 0.0001, not 0.00009999999999998899.
fn decimal(value: f64) -> String {
    trimmed(format!("{value:.9}"))
}

fn two_places(value: f64) -> String {
    trimmed(format!("{value:.2}"))
}

fn percent(ratio: f64) -> String {
    format!("{} %", trimmed(format!("{:.4}", ratio * 100.0)))
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded() {
        assert_eq!(decimal(1.0 - 0.9999), "0.0001");
        assert_eq!(decimal(3600.0), "3600");
        assert_eq!(decimal(0.0), "0");
        assert_eq!(two_places(13.440_000_000_000_001), "13.44");
        assert_eq!(percent(1.0 - 0.9995), "0.05 %");
    }

    fn slo(indicator: Indicator, target: f64, period: Span) -> Promised {
        Promised {
            name: "x".into(),
            title: "X".into(),
            alert: "XFails".into(),
            summary: "X fails".into(),
            target,
            period,
            indicator,
        }
    }

    fn settings(scale: &str) -> Settings {
        Settings { scale: scale.parse().unwrap(), runbooks: "https://wiki.example/r".into() }
    }

    fn slices() -> Indicator {
        Indicator::Slices { value: "v".into(), good_is: Op::Gte, bound: 1.0, slice: Span::minutes(1) }
    }

    #[test]
    fn without_a_budget_there_is_one_alert_and_no_division_by_it() {
        let group = group(&slo(slices(), 1.0, Span::days(1)), &settings("1/1")).unwrap();
        let alerts = group.rules.iter().filter(|rule| matches!(rule.kind, Kind::Alert(_)));
        let alerts: Vec<_> = alerts.map(|rule| rule.expr.as_str()).collect();
        assert_eq!(alerts, ["slo:sli_error:ratio_rate5m{slo=\"x\"} > 0"]);
        assert!(group.rules.iter().all(|rule| !rule.expr.contains(BUDGET)));
        assert_eq!(group.interval, Span::minutes(1));
    }

    #[test]
    fn slices_may_have_a_budget_too() {
        let group = group(&slo(slices(), 0.999, Span::days(28)), &settings("1/1")).unwrap();
        let alerts = group.rules.iter().filter(|rule| matches!(rule.kind, Kind::Alert(_))).count();
        assert_eq!(alerts, 3);
        let of_slices = group.rules.iter().find(|rule| rule.expr.contains("bool")).unwrap();
        assert_eq!(of_slices.expr, "(v)\n< bool 1");
    }

    #[test]
    fn a_scale_shortens_windows_and_keeps_their_names() {
        let group = group(&slo(slices(), 0.999, Span::days(28)), &settings("1/60")).unwrap();
        let hour = |rule: &&Rule| matches!(&rule.kind, Kind::Record(name) if name.ends_with("rate1h"));
        let hour = group.rules.iter().find(hour).unwrap();
        assert!(hour.expr.starts_with("avg_over_time(slo:bad_slice:bool{slo=\"x\"}[1m])"), "{}", hour.expr);
        assert_eq!(group.interval, Span::seconds(1));
    }
}

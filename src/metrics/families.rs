//! All metrics of the table on one registry, found by their line in the table.

use std::collections::BTreeMap;

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

use super::table::{Kind, Metric, TABLE};

/// The metrics of the table, and those of the process.
pub(super) struct Families {
    registry: Registry,
    by_name: BTreeMap<&'static str, Family>,
}

enum Family {
    Counter(IntCounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
}

impl Families {
    /// All of them, with every label set that is known beforehand at 0.
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let mut by_name = BTreeMap::new();
        for metric in TABLE {
            let family = family(metric, &registry);
            debug_assert!(family.is_ok(), "{}: {:?}", metric.name, family.as_ref().err());
            let Ok(family) = family else { continue };
            for set in metric.sets.known() {
                family.touch(&set);
            }
            by_name.insert(metric.name, family);
        }
        #[cfg(target_os = "linux")]
        let _known_once = registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .inspect_err(|error| debug_assert!(false, "the metrics of the process: {error}"));
        Self { registry, by_name }
    }

    /// Sets a gauge.
    pub(super) fn set(&self, metric: &Metric, labels: &[&str], value: f64) {
        let Some(Family::Gauge(gauges)) = self.by_name.get(metric.name) else { return not(metric, "gauge") };
        let gauge = gauges.get_metric_with_label_values(labels);
        debug_assert!(gauge.is_ok(), "{}: {labels:?}", metric.name);
        if let Ok(gauge) = gauge {
            gauge.set(value);
        }
    }

    /// Sets a gauge that has one label set at a time.
    pub(super) fn set_only(&self, metric: &Metric, labels: &[&str], value: f64) {
        if let Some(Family::Gauge(gauges)) = self.by_name.get(metric.name) {
            gauges.reset();
        }
        self.set(metric, labels, value);
    }

    /// Moves a counter up to a count that only grows; one that is below is left out.
    pub(super) fn raise(&self, metric: &Metric, labels: &[&str], count: u64) {
        let Some(Family::Counter(counters)) = self.by_name.get(metric.name) else {
            return not(metric, "counter");
        };
        let counter = counters.get_metric_with_label_values(labels);
        debug_assert!(counter.is_ok(), "{}: {labels:?}", metric.name);
        if let Ok(counter) = counter {
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    /// Counts one more.
    pub(super) fn count(&self, metric: &Metric) {
        let Some(Family::Counter(counters)) = self.by_name.get(metric.name) else {
            return not(metric, "counter");
        };
        counters.with_label_values::<&str>(&[]).inc();
    }

    /// Adds a measurement to a histogram.
    pub(super) fn observe(&self, metric: &Metric, value: f64) {
        let Some(Family::Histogram(histograms)) = self.by_name.get(metric.name) else {
            return not(metric, "histogram");
        };
        histograms.with_label_values::<&str>(&[]).observe(value);
    }

    /// All of them in Prometheus' text format.
    pub(super) fn render(&self) -> String {
        // It fails only for a family without members, and the registry gives none.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

impl Family {
    /// Makes a label set known.
    fn touch(&self, labels: &[&str]) {
        match self {
            Self::Counter(counters) => drop(counters.get_metric_with_label_values(labels)),
            Self::Gauge(gauges) => drop(gauges.get_metric_with_label_values(labels)),
            Self::Histogram(histograms) => drop(histograms.get_metric_with_label_values(labels)),
        }
    }
}

fn family(metric: &Metric, registry: &Registry) -> prometheus::Result<Family> {
    let labels = metric.sets.labels();
    let opts = || Opts::new(metric.name, metric.help);
    match metric.kind {
        Kind::Counter => {
            let counters = IntCounterVec::new(opts(), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(Family::Counter(counters))
        }
        Kind::Gauge => {
            let gauges = GaugeVec::new(opts(), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok(Family::Gauge(gauges))
        }
        Kind::Histogram(buckets) => {
            let opts = HistogramOpts::from(opts()).buckets(buckets.to_vec());
            let histograms = HistogramVec::new(opts, labels)?;
            registry.register(Box::new(histograms.clone()))?;
            Ok(Family::Histogram(histograms))
        }
    }
}

/// The table says that it is of another kind.
fn not(metric: &Metric, kind: &str) {
    debug_assert!(false, "{} is no {kind}", metric.name);
}

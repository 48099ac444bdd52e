//! Where a moment stands in the picture, and the ticks of the axis.

use crate::report::moment::Moment;

/// Pixels between two ticks, at least: no label is wider.
const APART: f64 = 76.0;
/// Steps between ticks, in milliseconds: what people count in.
const STEPS: [f64; 31] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4,
    3e4, 6e4, 12e4, 3e5, 6e5, 12e5, 18e5, 36e5, 72e5, 216e5, 864e5,
];

/// A stretch of pixels for a stretch of time that begins at 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) left: f64,
    pub(super) width: f64,
    pub(super) total: Moment,
}

impl Scale {
    /// Where a moment stands.
    pub(super) fn x(&self, moment: Moment) -> f64 {
        self.left + self.width * moment.share_of(self.total).clamp(0.0, 1.0)
    }

    /// The ticks: where they stand and what they say.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let per_ms = self.width / self.total.ms().max(f64::MIN_POSITIVE);
        let fits = STEPS.into_iter().find(|step| step * per_ms >= APART);
        // A run of many days has a tick for as many days as it needs.
        let days = || (APART / per_ms / 864e5).ceil() * 864e5;
        let step = fits.unwrap_or_else(days);
        let moments = (0_u32..).map(|count| f64::from(count) * step).take_while(|ms| *ms <= self.total.ms());
        moments.map(|ms| (self.x(Moment::from(ms)), label(ms, step, self.total.ms()))).collect()
    }
}

fn label(ms: f64, step: f64, total: f64) -> String {
    match step {
        _ if ms == 0.0 => "0".to_owned(),
        ..0.1 => format!("{ms:.2} ms"),
        ..1.0 => format!("{ms:.1} ms"),
        ..1e3 if total < 1e3 => format!("{ms:.0} ms"),
        ..100.0 => format!("{:.2} s", ms / 1e3),
        ..1e3 => format!("{:.1} s", ms / 1e3),
        ..6e4 => format!("{:.0} s", ms / 1e3),
        ..36e5 => format!("{:.0} min", ms / 6e4),
        _ => format!("{:.0} h", ms / 36e5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ms: f64) -> Vec<String> {
        let scale = Scale { left: 0.0, width: 800.0, total: Moment::from(ms) };
        let ticks = scale.ticks();
        assert!(ticks.windows(2).all(|pair| pair[1].0 - pair[0].0 >= APART - 0.01), "{ticks:?}");
        assert!(ticks.len() >= 3 || ms == 0.0, "{ticks:?}");
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_fit_the_length_of_a_run() {
        assert_eq!(labels(0.05), ["0", "0.01 ms", "0.02 ms", "0.03 ms", "0.04 ms", "0.05 ms"]);
        assert_eq!(labels(24.0), ["0", "5 ms", "10 ms", "15 ms", "20 ms"]);
        assert_eq!(
            labels(980.0),
            ["0", "100 ms", "200 ms", "300 ms", "400 ms", "500 ms", "600 ms", "700 ms", "800 ms", "900 ms"]
        );
        assert_eq!(labels(1_500.0), ["0", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1.0 s", "1.2 s", "1.4 s"]);
        assert_eq!(labels(15_822.0), ["0", "2 s", "4 s", "6 s", "8 s", "10 s", "12 s", "14 s"]);
        assert_eq!(labels(130_000.0), ["0", "20 s", "40 s", "60 s", "80 s", "100 s", "120 s"]);
        assert_eq!(
            labels(600_000.0),
            ["0", "1 min", "2 min", "3 min", "4 min", "5 min", "6 min", "7 min", "8 min", "9 min", "10 min"]
        );
        assert_eq!(labels(3.0 * 36e5).last().unwrap(), "180 min");
        assert_eq!(labels(40.0 * 864e5).last().unwrap(), "960 h");
        assert_eq!(labels(0.0), ["0"]);
    }
}

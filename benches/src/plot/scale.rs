//! Axes: which values get a line, and where a value lies.

/// A logarithmic axis over whole decades.
#[derive(Debug, Clone, Copy)]
pub struct Decades {
    first: i32,
    last: i32,
}

impl Decades {
    /// The decades that span all positive values; one when there is none.
    pub fn spanning(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            low = low.min(value);
            high = high.max(value);
        }
        if high == 0.0 {
            return Self { first: 0, last: 1 };
        }
        let first = low.log10().floor() as i32;
        Self {
            first,
            last: (high.log10().ceil() as i32).max(first + 1),
        }
    }

    /// 0 at the lower end, 1 at the upper.
    pub fn position(self, value: f64) -> f64 {
        let decades = f64::from(self.last - self.first);
        ((value.log10() - f64::from(self.first)) / decades).clamp(0.0, 1.0)
    }

    /// Every power of ten on the axis.
    pub fn ticks(self) -> impl Iterator<Item = f64> {
        (self.first..=self.last).map(|exponent| 10_f64.powi(exponent))
    }
}

/// The distance of round numbers of which at most five fit below `high`.
pub fn step(high: f64) -> f64 {
    if !(high.is_finite() && high > 0.0) {
        return 1.0;
    }
    let unit = 10_f64.powf(high.log10().floor() - 1.0);
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
        .into_iter()
        .map(|factor| factor * unit)
        .find(|step| high / step <= 5.0)
        .unwrap_or(high)
}

#[cfg(test)]
mod tests {
    use super::{Decades, step};

    #[test]
    fn decades_span_the_values() {
        let axis = Decades::spanning([0.5, 300.0].into_iter());
        let ticks: Vec<f64> = axis.ticks().collect();
        assert_eq!(ticks.len(), 5);
        assert!((axis.position(0.1)).abs() < 1e-9 && (axis.position(1000.0) - 1.0).abs() < 1e-9);
        assert!((axis.position(10.0) - 0.5).abs() < 1e-9);
        assert_eq!(Decades::spanning([1.0].into_iter()).ticks().count(), 2);
        assert_eq!(Decades::spanning(std::iter::empty()).ticks().count(), 2);
    }

    #[test]
    fn steps_are_round() {
        for (high, expected) in [(480.0, 100.0), (61.0, 20.0), (1.0, 0.2), (0.0, 1.0)] {
            assert!((step(high) - expected).abs() < 1e-9, "{high}");
        }
    }
}

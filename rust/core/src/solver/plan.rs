//! When a Hessian pays, and of how many rows.

use super::Settings;
use crate::kernel::Precision;
use crate::objective::{MAX_BLOCK, RowObjective};

/// By what factors the gradient shrank since the last Hessian.
#[derive(Default)]
pub(super) struct Rates {
    logarithms: Vec<f64>,
}

impl Rates {
    pub(super) fn add(&mut self, factor: f64) {
        self.logarithms.push(factor.ln());
    }

    /// How many more passes it takes at the rate of late, and whether that is of as many steps as should tell: where a Hessian
    /// costs many passes, late are many steps. None where there was no step.
    pub(super) fn passes_left(&self, size: f64, tol: f64, of_hessian: f64) -> Option<(f64, bool)> {
        const LATE: f64 = 5.0;
        let n_late = (0.25 * of_hessian).max(LATE) as usize;
        let late = &self.logarithms[self.logarithms.len().saturating_sub(n_late)..];
        if late.is_empty() {
            return None;
        }
        let rate = late.iter().sum::<f64>() / late.len() as f64;
        let decades = (size / tol.max(f64::MIN_POSITIVE)).ln();
        let passes = if rate < -1e-3 { decades / -rate } else { f64::INFINITY };
        Some((passes, late.len() == n_late))
    }
}

/// Passes that it takes to eight digits without a Hessian where columns are not nearly dependent, and with one from
/// nearby.
pub(super) const FROM_NOWHERE: f64 = 20.0;
pub(super) const FROM_A_HESSIAN: f64 = 2.5;

/// Passes that it takes where each shrinks the gradient by `rate`.
pub(super) fn passes_at(rate: f64, size: f64, tol: f64) -> f64 {
    (size / tol.max(f64::MIN_POSITIVE)).ln().max(0.0) / -rate.ln()
}

/// A pass that arrives is made as a whole. What a rate says is right to some percent.
fn whole(passes: f64) -> f64 {
    (1.05 * passes).ceil()
}

/// Of so few numbers a Hessian costs about nothing; and whether a row counts twice or is there twice changes no choice.
const FEW: usize = 1 << 15;

/// The rate of steps with the Hessian of all rows from near the minimum.
pub(super) const NEAR: f64 = 0.01;
/// For fewer columns products take little of a pass.
pub(super) const MANY_COLUMNS: usize = 32;

/// What a Hessian costs and what it saves, in units of a pass for cost and gradient.
pub(super) struct Plan {
    hessians: bool,
    m: f64,
    n: f64,
    /// To read some rows for a Hessian takes so much times their share, and at most so much.
    reading: [f64; 2],
    /// Of the products of all rows, in double and in single precision, beyond a pass.
    products_cost: [f64; 2],
    factor_cost: f64,
}

impl Plan {
    /// A pass reads `m·n` numbers. The products take `n/40` beyond it, since a core does some 20 multiplications in the
    /// time it takes to read a number and half of the products are formed; in single precision less than half of that, and
    /// what laying out takes. The Cholesky factor takes `n³/6` multiplications on one core, `n²/(96 m)`.
    pub(super) fn new(rows: &RowObjective<'_>, settings: Settings) -> Self {
        let (m, n) = rows.samples().features().shape();
        let few = m.saturating_mul(n) <= FEW;
        let reading = match (n <= MAX_BLOCK, rows.samples().features().is_by_columns()) {
            // By panels, which are laid out.
            (true, false) => [1.6, 1.6],
            (true, true) => [2.6, 2.6],
            // Row by row. A line of the cache holds several values of a column.
            (false, false) => [2.0, 1.0],
            (false, true) => [8.0, 1.0],
        };
        let (m, n) = (m as f64, n as f64);
        let double = n / 40.0;
        let single = if n < MANY_COLUMNS as f64 { double } else { 0.4 + n / 100.0 };
        let (products_cost, factor_cost) = if few { ([0.0; 2], 0.0) } else { ([double, single], n * n / (96.0 * m)) };
        Self { hessians: settings.hessians, m, n, reading, products_cost, factor_cost }
    }

    /// Whether Newton's method on combinations of the rows pays. All products of `m` rows take `m/40` beyond a pass, and each
    /// factor of them `m²/(96 n)`; without, passes are many more than [`FROM_NOWHERE`] where features outnumber samples.
    pub(super) fn row_space_pays(&self) -> bool {
        const STEPS: f64 = 10.0;
        let cost = 4.0 + self.m / 40.0 + STEPS * self.m * self.m / (96.0 * self.n);
        self.hessians && self.n > self.m && cost < 2.0 * FROM_NOWHERE
    }

    /// With it two or three more passes do.
    pub(super) fn hessian_pays_from_nowhere(&self) -> bool {
        self.hessians && self.products_cost[0] + self.factor_cost + 2.0 < FROM_NOWHERE
    }

    /// Whether one pays at the next place, if else it takes so many passes.
    pub(super) fn hessian_pays(&self, passes: f64, size: f64, settings: Settings, precision: Precision) -> bool {
        self.hessians && self.passes_with_hessian(passes, size, settings, precision) < passes
    }

    /// What it costs beyond a pass.
    pub(super) fn of_hessian(&self, precision: Precision) -> f64 {
        self.products_cost[usize::from(precision != Precision::Double)] + self.factor_cost
    }

    fn passes_with_hessian(&self, passes: f64, size: f64, settings: Settings, precision: Precision) -> f64 {
        let cost = self.of_hessian(precision);
        // Where Hessians cost nothing, each step has its own, but for one that arrives without.
        let behind = if cost > 0.0 { passes_at(NEAR, size, settings.tol) * (1.0 - 1.0 / passes.max(1.0)) } else { 1.0 };
        1.0 + cost + behind
    }

    /// For a Hessian of one row of so many, and the rate of steps with it: that for which it and the passes that follow
    /// cost least; none if no Hessian costs less.
    pub(super) fn some_rows(&self, size: f64, settings: Settings) -> Option<(usize, f64)> {
        // Primes, since data made by hand repeat patterns of other lengths.
        const STEPS: [usize; 7] = [1, 2, 3, 5, 7, 11, 17];
        let cost = |step: usize| {
            let passes = whole(passes_at(self.rate(step), size, settings.tol));
            let others = self.passes_with_hessian(passes, size, settings, Precision::Single);
            let [times, most] = self.reading;
            (times / step as f64).min(most)
                + self.products_cost[1] / step as f64
                + self.factor_cost
                + passes.min(others)
        };
        let step = STEPS.into_iter().min_by(|&a, &b| cost(a).total_cmp(&cost(b)))?;
        (self.hessians && cost(step) < FROM_NOWHERE).then(|| (step, self.rate(step)))
    }

    /// By what a step with the Hessian of one row of so many shrinks the gradient. Its eigenvalues, beside those of the
    /// Hessian of all, differ from 1 by twice `√(n (step − 1)/m)` at most, of which what later gradients tell leaves half.
    /// To that comes how far the minimum of a part is from that of all, so how much the Hessian there is another: about
    /// as much, measured, as `step` 0.7 larger makes.
    fn rate(&self, step: usize) -> f64 {
        (self.n * (step as f64 - 0.3) / self.m).sqrt().clamp(NEAR, 0.9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_slow_steps_do_not_tell_how_many_more_it_takes() {
        let mut rates = Rates::default();
        assert_eq!(rates.passes_left(1.0, 1e-8, 0.0), None);
        for _ in 0..4 {
            rates.add(0.9);
        }
        let (passes, is_known) = rates.passes_left(1.0, 1e-8, 0.0).unwrap();
        assert!((passes - 1e8_f64.ln() / -0.9_f64.ln()).abs() < 1e-9 && !is_known);
        rates.add(0.9);
        assert!(rates.passes_left(1.0, 1e-8, 0.0).unwrap().1);
        assert!(rates.passes_left(1.0, 1e-8, 20.0).unwrap().1);
        assert!(!rates.passes_left(1.0, 1e-8, 24.0).unwrap().1);
        assert!(!rates.passes_left(1.0, 1e-8, f64::INFINITY).unwrap().1);
    }

    #[test]
    fn the_rate_is_that_of_as_many_steps_as_a_hessian_costs_in_quarters() {
        let mut rates = Rates::default();
        (0..50).for_each(|_| rates.add(0.5));
        (0..5).for_each(|_| rates.add(1.0));
        assert_eq!(rates.passes_left(1.0, 1e-8, 4.0).unwrap().0, f64::INFINITY);
        let (passes, is_known) = rates.passes_left(1.0, 1e-8, 200.0).unwrap();
        assert!(is_known && (passes - 1e8_f64.log2() * 50.0 / 45.0).abs() < 1e-9);
    }
}

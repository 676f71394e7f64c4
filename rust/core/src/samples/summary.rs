//! What one look at the targets, the weights and the offsets tells of them.

use std::iter::repeat_n;
use std::ops::Range;

use super::{ClassWeight, Samples, check_each, check_finite, without_offset};
use crate::context::Context;
use crate::error::Error;
use crate::frame::power_of_two_below;
use crate::kernel::{largest, sum, weighted_sum};
use crate::model::{Activation, Model};
use crate::pass::run;

impl Samples<'_> {
    /// One look at `y`, `sample_weight` and `offset`, which are small beside `X`: all finite, the targets in the model's
    /// range, the weights not negative.
    pub(crate) fn summarise(&self, model: Model, context: &Context<'_>) -> Result<Summary, Error> {
        let argument = self.names.y;
        let bounded = model.activation() == Activation::Sigmoid;
        let (low, high) = if bounded { (0.0, 1.0) } else { (-f64::MAX, f64::MAX) };
        let weight_units = self.weight_units(context)?;
        let partition = self.partition();
        let visit = |buffers: &mut ColumnBuffers, rows: Range<usize>, sums: &mut Sums| {
            let ColumnBuffers { y, sample_weight, offset, difference } = buffers;
            let y = self.y(rows.clone(), y);
            let is_fine = |y| (low <= y) & (y <= high);
            check_each(y, rows.start, argument, is_fine, |value, index| Error::TargetOutOfRange {
                argument,
                index,
                value,
            })?;
            let weights = self.sample_weight(rows.clone(), y, sample_weight, &weight_units);
            let offsets = self.offset(rows.clone(), offset);
            if let Some(offsets) = offsets {
                check_finite(offsets, rows.start, self.names.offset)?;
                sums.offset += total(offsets, weights, |x| x);
            }
            let least = weights.map_or(1.0, least_positive);
            sums.least_weight = sums.least_weight.min(least);
            sums.n_counted += weights.map_or(rows.len(), |weights| weights.iter().filter(|&&s| s > 0.0).count());
            sums.spread.merge(&Spread::of(without_offset(y, offsets, difference), weights));
            sums.target += total(y, weights, |y| y);
            sums.square += total(y, weights, |y| y * y);
            Ok(())
        };
        let none = Sums { least_weight: f64::INFINITY, ..Sums::default() };
        let states = repeat_n(none, partition.n_chunks());
        let sums = run(context, &partition, states, ColumnBuffers::default, visit, Sums::merge)?;
        let Sums { spread: Spread { weight, squares, .. }, target, square, offset, least_weight, n_counted } = sums[0];
        Ok(Summary {
            weight_sum: weight,
            least_weight,
            n_counted,
            weight_units,
            mean_target: target / weight,
            mean_square_target: square / weight,
            mean_offset: offset / weight,
            variance: squares / weight,
        })
    }

    fn weight_units(&self, context: &Context<'_>) -> Result<WeightUnits, Error> {
        let units = WeightUnits { unit: self.weight_unit(context)?, of_class: [1.0; 2] };
        let Some(class_weight) = self.class_weight else { return Ok(units) };
        let argument = self.names.y;
        let check = |sums: [f64; 2]| {
            let missing = sums.iter().position(|&sum| sum == 0.0);
            missing.map_or(Ok(()), |class| Err(Error::MissingClass { argument, class }))
        };
        let sums = self.class_sums(&units, context)?;
        check(sums)?;
        let of_class = match class_weight {
            // S / (2 S_c) up to a common factor, so that nothing overflows.
            ClassWeight::Balanced => sums.map(|sum| sums[0].min(sums[1]) / sum),
            ClassWeight::Fixed(weights) => {
                let largest = weights[0].max(weights[1]);
                weights.map(|weight| if weight == 0.0 { 0.0 } else { weight / power_of_two_below(largest) })
            }
        };
        check([of_class[0] * sums[0], of_class[1] * sums[1]])?;
        Ok(WeightUnits { of_class, ..units })
    }

    /// The sums of the weights of the classes 0 and 1.
    fn class_sums(&self, units: &WeightUnits, context: &Context<'_>) -> Result<[f64; 2], Error> {
        let argument = self.names.y;
        let partition = self.partition();
        let visit = |buffers: &mut ColumnBuffers, rows: Range<usize>, sums: &mut [f64; 2]| {
            let y = self.y(rows.clone(), &mut buffers.y);
            let is_fine = |y| (y == 0.0) | (y == 1.0);
            check_each(y, rows.start, argument, is_fine, |value, index| Error::TargetNotAClass {
                argument,
                index,
                value,
            })?;
            // Not the difference from all: a class may weigh much less than the other.
            let of_class = match self.sample_weight(rows, y, &mut buffers.sample_weight, units) {
                None => [sum(y, |y| 1.0 - y), sum(y, |y| y)],
                Some(weights) => [weighted_sum(y, weights, |y| 1.0 - y), weighted_sum(y, weights, |y| y)],
            };
            sums.iter_mut().zip(of_class).for_each(|(sum, of_class)| *sum += of_class);
            Ok(())
        };
        let states = repeat_n([0.0; 2], partition.n_chunks());
        let merge = |a: &mut [f64; 2], b: &[f64; 2]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        Ok(run(context, &partition, states, ColumnBuffers::default, visit, merge)?[0])
    }

    /// The largest power of two not above the largest weight. Weights are divided by it, which rounds nothing, so that
    /// only their ratios matter and no sum of them overflows or underflows.
    fn weight_unit(&self, context: &Context<'_>) -> Result<f64, Error> {
        let Some(weights) = self.sample_weight else { return Ok(1.0) };
        let argument = self.names.sample_weight;
        let partition = self.partition();
        let visit = |buffer: &mut Vec<f64>, rows: Range<usize>, most: &mut f64| {
            let start = rows.start;
            let panel = weights.column(rows, buffer);
            check_each(
                panel,
                start,
                argument,
                |weight| weight >= 0.0,
                |value, index| Error::NegativeWeight { argument, index, value },
            )?;
            *most = most.max(largest(panel));
            Ok(())
        };
        let states = repeat_n(0.0, partition.n_chunks());
        let largest = run(context, &partition, states, Vec::new, visit, |a, b| *a = a.max(*b))?[0];
        if largest == 0.0 {
            return Err(Error::ZeroWeights { argument });
        }
        Ok(power_of_two_below(largest))
    }
}

/// Where columns are widened to.
#[derive(Default)]
struct ColumnBuffers {
    y: Vec<f64>,
    sample_weight: [Vec<f64>; 2],
    offset: Vec<f64>,
    difference: Vec<f64>,
}

#[inline(always)]
fn total(values: &[f64], weights: Option<&[f64]>, of: impl Fn(f64) -> f64) -> f64 {
    match weights {
        Some(weights) => weighted_sum(values, weights, of),
        None => sum(values, of),
    }
}

/// `Σ s_i y_i`, `Σ s_i y_i²` and the sum of the weighted offsets; how targets less their offsets are spread.
#[derive(Clone, Default)]
struct Sums {
    spread: Spread,
    target: f64,
    square: f64,
    offset: f64,
    least_weight: f64,
    n_counted: usize,
}

impl Sums {
    fn merge(&mut self, other: &Self) {
        self.spread.merge(&other.spread);
        self.target += other.target;
        self.square += other.square;
        self.offset += other.offset;
        self.least_weight = self.least_weight.min(other.least_weight);
        self.n_counted += other.n_counted;
    }
}

/// The weight of some numbers, their mean, and the sum of the squares of their distances from it.
#[derive(Clone, Default)]
struct Spread {
    weight: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn of(values: &[f64], weights: Option<&[f64]>) -> Self {
        let weight = weights.map_or(values.len() as f64, |weights| sum(weights, |s| s));
        let mean = if weight > 0.0 { total(values, weights, |x| x) / weight } else { 0.0 };
        Self { weight, mean, squares: total(values, weights, |x| (x - mean) * (x - mean)) }
    }

    /// Chan, Golub and LeVeque, *The American Statistician* 37, 1983.
    fn merge(&mut self, other: &Self) {
        let weight = self.weight + other.weight;
        if weight > 0.0 {
            let (distance, share) = (other.mean - self.mean, other.weight / weight);
            self.squares += other.squares + distance * distance * self.weight * share;
            self.mean += distance * share;
        }
        self.weight = weight;
    }
}

/// Weights are divided by `unit` and multiplied by a factor of their class, so that the largest of each is about 1 and
/// only their ratios matter. Without weights the unit is 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightUnits {
    pub(super) unit: f64,
    pub(super) of_class: [f64; 2],
}

/// What one look at the targets and the weights tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    /// `S = Σ s_i`, in `weight_units`.
    pub(crate) weight_sum: f64,
    /// The least that is not 0, in these units as well.
    pub(crate) least_weight: f64,
    /// The rows whose weight is not 0.
    pub(crate) n_counted: usize,
    pub(crate) weight_units: WeightUnits,
    /// `(1/S) Σ s_i y_i`.
    pub(crate) mean_target: f64,
    /// `(1/S) Σ s_i y_i²`.
    pub(crate) mean_square_target: f64,
    /// The same mean of the offsets, 0 without any.
    pub(crate) mean_offset: f64,
    /// Of the targets less their offsets.
    variance: f64,
}

impl Summary {
    /// Whether targets are all 0 or 1.
    pub(crate) fn is_of_classes(&self) -> bool {
        self.mean_target == self.mean_square_target
    }

    /// The linear model's cost without weights: the targets' variance, or without an intercept their mean square; both less
    /// their offsets.
    pub(crate) fn linear_null_cost(&self, intercept: bool) -> f64 {
        let mean = if intercept { 0.0 } else { self.mean_target - self.mean_offset };
        self.variance + mean * mean
    }

    /// The standard deviation of the targets, from their mean or from 0, both less their offsets; their size where there is no
    /// deviation but of rounding.
    pub(crate) fn target_deviation(&self, intercept: bool) -> f64 {
        const ROUNDING: f64 = 4.0 * f64::EPSILON;
        let cost = self.linear_null_cost(intercept);
        let rounding = ROUNDING * ROUNDING * self.mean_square_target;
        let square = if cost > rounding { cost } else { self.mean_square_target };
        if square > 0.0 { square.sqrt() } else { 1.0 }
    }
}

fn least_positive(values: &[f64]) -> f64 {
    values.iter().fold(f64::INFINITY, |least, &value| if value > 0.0 { least.min(value) } else { least })
}

//! Features, targets and weights that belong together, checked once when they enter.

use std::iter::repeat_n;
use std::ops::Range;

use crate::context::Context;
use crate::error::Error;
use crate::frame::power_of_two_below;
use crate::kernel::{largest, sum, weighted_sum};
use crate::matrix::{Matrix, Panel};
use crate::model::{Activation, Model};
use crate::pass::{Partition, run};

/// The names under which the parts of a data set appear in messages.
#[derive(Clone, Copy, Debug)]
struct Names {
    x: &'static str,
    y: &'static str,
    sample_weight: &'static str,
    offset: &'static str,
}

const TRAINING: Names = Names { x: "X", y: "y", sample_weight: "sample_weight", offset: "offset" };
const VALIDATION: Names = Names { x: "X_val", y: "y_val", sample_weight: "sample_weight_val", offset: "offset_val" };

/// How much samples of the classes 0 and 1 count, beside their sample weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClassWeight {
    /// Both classes as a whole alike: the weights of class `c` are multiplied by `S / (2 S_c)`, `S_c` being their sum.
    Balanced,
    /// The weights of class 0 are multiplied by the first, those of class 1 by the second.
    Fixed([f64; 2]),
}

/// A data set: features `X` of shape `(m, n)`, targets `y` and, where there are any, sample weights `s` and an offset of
/// the linear predictors, each of length `m`.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    x: Matrix<'a>,
    y: Matrix<'a>,
    sample_weight: Option<Matrix<'a>>,
    offset: Option<Matrix<'a>>,
    class_weight: Option<ClassWeight>,
    names: Names,
}

impl<'a> Samples<'a> {
    /// Every row counts once.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], or [`Error::Length`] or [`Error::NotAColumn`] if `y` is not one column of `m` targets.
    pub fn new(x: impl Into<Matrix<'a>>, y: impl Into<Matrix<'a>>) -> Result<Self, Error> {
        Self::build(x.into(), y.into(), None, TRAINING)
    }

    /// Row `i` counts `s_i ≥ 0` times: a weight of 2 is the same as having the row twice, 0 as not having it.
    ///
    /// # Errors
    ///
    /// As [`Samples::new`], for `sample_weight` too.
    pub fn weighted(
        x: impl Into<Matrix<'a>>,
        y: impl Into<Matrix<'a>>,
        sample_weight: impl Into<Matrix<'a>>,
    ) -> Result<Self, Error> {
        Self::build(x.into(), y.into(), Some(sample_weight.into()), TRAINING)
    }

    fn build(x: Matrix<'a>, y: Matrix<'a>, sample_weight: Option<Matrix<'a>>, names: Names) -> Result<Self, Error> {
        x.check_not_empty()?;
        check_column(x, y, names.y)?;
        if let Some(weights) = sample_weight {
            check_column(x, weights, names.sample_weight)?;
        }
        Ok(Self { x, y, sample_weight, offset: None, class_weight: None, names })
    }

    /// The same data with a known number for each row, which is added to its linear predictor: `z = X w + b + offset`.
    ///
    /// ```
    /// use ndarray::array;
    /// use steepest::{Context, Model, Parameters, Samples, cost};
    ///
    /// let (x, y) = (array![[1.0], [2.0]], array![5.0, 7.0]);
    /// let offset = array![4.0, 7.0];
    /// let samples = Samples::new(&x, &y)?.with_offset(&offset)?;
    /// // With w = 0 and b = 1 the predictions are 5 and 8.
    /// let at = Parameters { weights: array![0.0], bias: 1.0 };
    /// assert_eq!(cost(Model::Linear, samples, &at, &Context::default())?, 0.5);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Length`] or [`Error::NotAColumn`] if `offset` is not one column of `m` numbers.
    pub fn with_offset(self, offset: impl Into<Matrix<'a>>) -> Result<Self, Error> {
        let offset = offset.into();
        check_column(self.x, offset, self.names.offset)?;
        Ok(Self { offset: Some(offset), ..self })
    }

    /// The same data, with targets that are classes, 0 and 1, and weights for those.
    ///
    /// ```
    /// use ndarray::array;
    /// use steepest::{ClassWeight, Context, Model, Parameters, Samples, cost};
    ///
    /// let (x, y) = (array![[0.0], [0.0], [0.0]], array![true, false, false]);
    /// let cost_with = |class_weight| {
    ///     let samples = Samples::new(&x, &y)?.with_class_weight(class_weight)?;
    ///     // The prediction is ¾: squared errors of 1/16 for class 1 and 9/16 for class 0.
    ///     let at = Parameters { weights: array![0.0], bias: 3.0_f64.ln() };
    ///     cost(Model::SigmoidSquaredError, samples, &at, &Context::default())
    /// };
    /// assert!((cost_with(ClassWeight::Balanced)? - 5.0 / 16.0).abs() < 1e-15);
    /// assert!((cost_with(ClassWeight::Fixed([1.0, 6.0]))? - 3.0 / 16.0).abs() < 1e-15);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// A fit raises [`Error::TargetNotAClass`] for other targets, and [`Error::MissingClass`] where a class does not count.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] if a weight is negative or not finite.
    pub fn with_class_weight(self, class_weight: ClassWeight) -> Result<Self, Error> {
        if let ClassWeight::Fixed(weights) = class_weight
            && let Some(weight) = weights.into_iter().find(|weight| !(*weight >= 0.0 && weight.is_finite()))
        {
            let value = weight.to_string();
            return Err(Error::Option { option: "class_weight", value, expected: "finite numbers, 0 or larger" });
        }
        Ok(Self { class_weight: Some(class_weight), ..self })
    }

    /// The same data, with weights that are all there are.
    pub(crate) fn with_weights(self, weights: Matrix<'a>) -> Self {
        assert_eq!(weights.shape(), self.y.shape(), "one weight a row");
        Self { sample_weight: Some(weights), class_weight: None, ..self }
    }

    /// The same data, with one of the features for the target, and without offsets.
    pub(crate) fn with_target_column(self, column: usize) -> Self {
        Self { y: self.x.columns(column..column + 1), offset: None, ..self }
    }

    /// The same data, classes counting as their samples do.
    pub(crate) fn without_class_weight(self) -> Self {
        Self { class_weight: None, ..self }
    }

    /// The same data, predictors without their offset.
    pub(crate) fn without_offset(self) -> Self {
        Self { offset: None, ..self }
    }

    /// The same data; messages call its parts `X_val`, `y_val`, `sample_weight_val` and `offset_val`.
    #[must_use]
    pub fn for_validation(self) -> Self {
        Self { names: VALIDATION, ..self }
    }

    /// The number of features `n`.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.x.n_cols()
    }

    /// The number of samples `m`.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.x.n_rows()
    }

    /// Every `step`th row from the `first` on.
    pub(crate) fn every(&self, step: usize, first: usize) -> Self {
        let column = |column: Option<Matrix<'a>>| column.map(|column| column.every(step, first));
        let (sample_weight, offset) = (column(self.sample_weight), column(self.offset));
        Self { x: self.x.every(step, first), y: self.y.every(step, first), sample_weight, offset, ..*self }
    }

    /// The same targets, some of the features.
    pub(crate) fn of_columns(&self, columns: Range<usize>) -> Self {
        Self { x: self.x.columns(columns), ..*self }
    }

    /// The same targets, other features of the same samples, or the same in another place.
    pub(crate) fn with_features(self, x: Matrix<'a>) -> Self {
        assert_eq!(x.n_rows(), self.x.n_rows(), "features of other samples");
        Self { x, ..self }
    }

    /// A few rows that count, evenly spread over all.
    pub(crate) fn some_rows(&self) -> Vec<usize> {
        const MOST: usize = 64;
        const TRIALS: usize = 64;
        let m = self.n_samples();
        let n = m.min(MOST);
        let first_of = |i: usize| i * m / n;
        let Some(weights) = self.sample_weight else { return (0..n).map(first_of).collect() };
        let mut buffer = Vec::new();
        let counts = |row: usize, buffer: &mut Vec<f64>| weights.column(row..row + 1, buffer)[0] != 0.0;
        let rows: Vec<usize> = (0..n)
            .filter_map(|i| (first_of(i)..first_of(i + 1)).take(TRIALS).find(|&row| counts(row, &mut buffer)))
            .collect();
        // Rows that count may be rare, and lie together.
        let mut first = || (0..m).filter(|&row| counts(row, &mut buffer)).take(n).collect();
        if rows.is_empty() { first() } else { rows }
    }

    /// Visits some rows of the features, one by one.
    pub(crate) fn for_each_row(&self, rows: impl IntoIterator<Item = usize>, mut visit: impl FnMut(&[f64])) {
        let mut buffer = Vec::new();
        for row in rows {
            visit(self.x(row..row + 1, &mut buffer).row(0));
        }
    }

    /// The features as they are.
    pub(crate) fn features(&self) -> Matrix<'a> {
        self.x
    }

    pub(crate) fn partition(&self) -> Partition {
        Partition::new(self.x.shape())
    }

    pub(crate) fn x<'p>(&self, rows: Range<usize>, buffer: &'p mut Vec<f64>) -> Panel<'p>
    where
        'a: 'p,
    {
        self.x.panel(rows, buffer)
    }

    pub(crate) fn y<'p>(&self, rows: Range<usize>, buffer: &'p mut Vec<f64>) -> &'p [f64]
    where
        'a: 'p,
    {
        self.y.column(rows, buffer)
    }

    pub(crate) fn offset<'p>(&self, rows: Range<usize>, buffer: &'p mut Vec<f64>) -> Option<&'p [f64]>
    where
        'a: 'p,
    {
        self.offset.map(|offset| offset.column(rows, buffer))
    }

    /// All offsets.
    pub(crate) fn offset_column(&self) -> Option<Matrix<'a>> {
        self.offset
    }

    /// The weights of some rows, whose targets are `y`, in these units.
    pub(crate) fn sample_weight<'p>(
        &self,
        rows: Range<usize>,
        y: &[f64],
        buffer: &'p mut [Vec<f64>; 2],
        units: &WeightUnits,
    ) -> Option<&'p [f64]>
    where
        'a: 'p,
    {
        let [packed, scaled] = buffer;
        let WeightUnits { unit, of_class } = *units;
        let weights = self.sample_weight.map(|weights| weights.column(rows, packed));
        if of_class == [1.0; 2] && unit == 1.0 {
            return weights;
        }
        scaled.clear();
        // Selected rather than looked up, several at a time.
        let of = |y: f64| if y == 1.0 { of_class[1] } else { of_class[0] };
        match weights {
            None => scaled.extend(y.iter().map(|&y| of(y))),
            Some(weights) => scaled.extend(weights.iter().zip(y).map(|(weight, &y)| weight / unit * of(y))),
        }
        Some(scaled)
    }

    /// Why some linear predictor came out not finite, whichever it was: how far a pass had got depends on the layout.
    pub(crate) fn why_not_finite(&self) -> Error {
        self.x.why_not_finite(0..self.n_samples(), self.names.x)
    }

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

/// What the columns have to explain: the targets less their offsets.
pub(crate) fn without_offset<'a>(y: &'a [f64], offsets: Option<&[f64]>, buffer: &'a mut Vec<f64>) -> &'a [f64] {
    let Some(offsets) = offsets else { return y };
    buffer.clear();
    buffer.extend(y.iter().zip(offsets).map(|(y, offset)| y - offset));
    buffer
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
    unit: f64,
    of_class: [f64; 2],
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

/// # Errors
///
/// [`Error::Length`] or [`Error::NotAColumn`] if `column` is not one column of as many entries as `x` has rows.
pub(crate) fn check_column(x: Matrix<'_>, column: Matrix<'_>, argument: &'static str) -> Result<(), Error> {
    if column.n_cols() != 1 {
        return Err(Error::NotAColumn { argument, found: column.n_cols() });
    }
    if column.n_rows() != x.n_rows() {
        return Err(Error::Length { argument, found: column.n_rows(), expected: x.n_rows() });
    }
    Ok(())
}

/// # Errors
///
/// [`Error::NonFiniteVector`] with the first of the values, the rows from `start` on, that is not finite.
pub(crate) fn check_finite(values: &[f64], start: usize, argument: &'static str) -> Result<(), Error> {
    let fault = |value, index| Error::NonFiniteVector { argument, index, value };
    check_each(values, start, argument, |_| true, fault)
}

impl Summary {
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

fn check_each(
    values: &[f64],
    start: usize,
    argument: &'static str,
    is_fine: impl Fn(f64) -> bool,
    fault: impl Fn(f64, usize) -> Error,
) -> Result<(), Error> {
    // Without a way out of the loop several are looked at together.
    if values.iter().fold(true, |fine, &value| fine & value.is_finite() & is_fine(value)) {
        return Ok(());
    }
    let mut faults = (start..).zip(values).filter_map(|(index, &value)| {
        if !value.is_finite() {
            return Some(Error::NonFiniteVector { argument, index, value });
        }
        (!is_fine(value)).then(|| fault(value, index))
    });
    faults.next().map_or(Ok(()), Err)
}

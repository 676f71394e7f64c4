//! Features, targets and weights that belong together, checked once when they enter.

mod summary;

use std::ops::Range;

pub(crate) use summary::{Summary, WeightUnits};

use crate::error::Error;
use crate::matrix::{Matrix, Panel};
use crate::pass::Partition;

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

    /// The same data, with other targets, and without offsets.
    pub(crate) fn with_targets(self, y: Matrix<'a>) -> Self {
        assert_eq!(y.shape(), self.y.shape(), "one target a row");
        Self { y, offset: None, ..self }
    }

    /// The same data, with one of the features for the target, and without offsets.
    pub(crate) fn with_target_column(self, column: usize) -> Self {
        self.with_targets(self.x.columns(column..column + 1))
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
}

/// What the columns have to explain: the targets less their offsets.
pub(crate) fn without_offset<'a>(y: &'a [f64], offsets: Option<&[f64]>, buffer: &'a mut Vec<f64>) -> &'a [f64] {
    let Some(offsets) = offsets else { return y };
    buffer.clear();
    buffer.extend(y.iter().zip(offsets).map(|(y, offset)| y - offset));
    buffer
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

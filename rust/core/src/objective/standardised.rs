//! The objective in variables in which every column has mean 0 and standard deviation 1: the ones in which second-order
//! solvers work, and in which a gradient can be compared with a tolerance whatever the units of the data.

use super::middles::{Middle, middles};
use super::{Hessian, RowObjective};
use crate::error::Error;
use crate::frame::{self, Frame};
use crate::kernel::link::{Linear, Link, SigmoidLogLoss};
use crate::kernel::{self, ColumnSums, CostGradient, Precision, Rows};
use crate::model::{Model, Parameters};
use crate::samples::Samples;

/// `C + (l2/2) ‖w‖²` with `w` in the data's own units, as a function of `(w̃, b̃)` in the standardised ones.
#[derive(Debug)]
pub(crate) struct Standardised<'r> {
    rows: &'r RowObjective<'r>,
    frame: Frame,
    /// Whether a column differs from row to row.
    varies: Vec<bool>,
    /// `l2 / scale²`: the penalty's second derivative.
    penalty: Vec<f64>,
    /// Whether some column's deviation may be that of a few rows alone.
    may_have_far_values: bool,
}

impl<'r> Standardised<'r> {
    /// Finds means and standard deviations in one pass. A constant column keeps its scale. One whose mean a few rows make has
    /// a median for its centre.
    ///
    /// # Errors
    ///
    /// Non-finite data; [`Error::Overflow`]; [`Error::Interrupted`].
    pub(crate) fn new(rows: &'r RowObjective<'r>, l2: f64) -> Result<Self, Error> {
        let rough = rows.frame();
        let sums = rows.column_sums(&rough)?;
        Self::of_sums(rows, l2, &rough, &sums)
    }

    /// The same, and in the same pass the cost without a penalty and its gradient at `at`, all in the data's own units.
    ///
    /// # Errors
    ///
    /// As [`Standardised::new`].
    pub(crate) fn evaluated(
        rows: &'r RowObjective<'r>,
        l2: f64,
        at: &Parameters,
        gradient: &mut Parameters,
    ) -> Result<(Self, f64), Error> {
        let rough = rows.frame();
        let (cost, sums) = rows.cost_gradient_column_sums(at, gradient, &rough)?;
        Ok((Self::of_sums(rows, l2, &rough, &sums)?, cost))
    }

    fn of_sums(rows: &'r RowObjective<'r>, l2: f64, rough: &Frame, sums: &ColumnSums) -> Result<Self, Error> {
        if sums.second.iter().all(|sum| sum.is_finite()) {
            return Self::of_finite(rows, l2, rough, sums);
        }
        // The rows that the scales were chosen by are nothing beside others.
        let rough = rows.frame_of_all()?;
        let sums = rows.column_sums(&rough)?;
        Self::of_finite(rows, l2, &rough, &sums)
    }

    fn of_finite(rows: &'r RowObjective<'r>, l2: f64, rough: &Frame, sums: &ColumnSums) -> Result<Self, Error> {
        let total = rows.summary().weight_sum;
        let mut centre = rough.centre().to_vec();
        let mut scale = rough.scale().to_vec();
        let mut varies = vec![false; scale.len()];
        let mut suspects = Vec::new();
        // One value far from m others is √m deviations away.
        let far = 0.25 * (rows.samples().n_samples() as f64).sqrt();
        let distances = mean_distances(rows.samples(), rough);
        for (j, (centre, scale)) in centre.iter_mut().zip(&mut scale).enumerate() {
            let is_heavy_tailed = *scale > HEAVY * distances[j];
            let mean = if rows.intercept() { sums.first[j] / total } else { 0.0 };
            let variance = sums.second[j] / total - mean * mean;
            *centre += *scale * mean;
            // A column that differs by less than its own rounding errors does not differ.
            let noise = f64::EPSILON * (centre.abs() / *scale + mean.abs());
            if variance > noise * noise {
                let deviation = variance.sqrt();
                *scale *= deviation;
                varies[j] = true;
                // The rough scale is the largest distance in some rows, which may have such a value or not.
                if is_heavy_tailed || !(far.recip()..1e3).contains(&deviation) {
                    suspects.push(j);
                }
            }
        }
        if rows.intercept() {
            for (&j, Middle { median, distance }) in suspects.iter().zip(middles(rows.samples(), &suspects)) {
                // A mean that a few rows make is far from all others, which beside it hardly differ; but not by more than the
                // deviation, unless weights make it.
                if (FAR * distance..=scale[j]).contains(&(centre[j] - median).abs()) {
                    centre[j] = median;
                }
            }
        }
        if !scale.iter().chain(&centre).all(|value| value.is_finite()) {
            return Err(rows.samples().why_not_finite());
        }
        let penalty = scale.iter().map(|scale| frame::penalty(l2, *scale)).collect();
        let may_have_far_values = !suspects.is_empty();
        Ok(Self { rows, frame: Frame::new(centre, scale), varies, penalty, may_have_far_values })
    }

    /// Whether the columns vary about as much as in `other`, of some of the rows. A rare value may be missing there.
    pub(crate) fn varies_like(&self, other: &Spread) -> bool {
        let scales = self.frame.scale().iter().zip(other.frame.scale());
        let mut varying = self.varies.iter().zip(&other.varies).zip(scales);
        varying.all(|((&varies, &there), (scale, other))| {
            !varies || there && (0.2..5.0).contains(&(other / scale).powi(2))
        })
    }

    /// What is left of it without its rows.
    pub(crate) fn into_spread(self) -> Spread {
        Spread { frame: self.frame, varies: self.varies }
    }

    /// Adds `amount` to the penalty's second derivative, in these variables.
    pub(crate) fn with_ridge(mut self, amount: f64) -> Self {
        self.penalty.iter_mut().for_each(|penalty| *penalty += amount);
        self
    }

    /// Of a Hessian of some rows: its mean curvature beside the largest that is possible; none if it does not tell that of
    /// every column. Columns have variance 1; one that some rows hardly have, or where few of them have any curvature, has
    /// much less of it than others, or much more.
    pub(crate) fn share_of_curvature(&self, hessian: &Hessian) -> Option<f64> {
        let own: Vec<f64> = hessian.weights.diag().iter().zip(&self.penalty).map(|(h, penalty)| h - penalty).collect();
        let mean = if hessian.bias > 0.0 { hessian.bias } else { own.iter().sum::<f64>() / own.len() as f64 };
        let columns = own.iter().zip(hessian.means()).zip(&self.varies);
        let told = |((own, average), &varies): ((&f64, f64), &bool)| {
            let left = own - average * average * hessian.bias;
            !varies || (0.2..5.0).contains(&(left / mean))
        };
        columns.into_iter().all(told).then(|| (mean / self.rows.model().curvature_bound()).min(1.0))
    }

    /// Whether some column's deviation may be that of a few rows alone; false only where it is not.
    pub(crate) fn may_have_far_values(&self) -> bool {
        self.may_have_far_values
    }

    pub(crate) fn rows(&self) -> &'r RowObjective<'r> {
        self.rows
    }

    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Whether each column differs from row to row.
    pub(crate) fn varies(&self) -> &[bool] {
        &self.varies
    }

    pub(crate) fn penalty(&self) -> &[f64] {
        &self.penalty
    }

    /// The objective of the null model, where it is known without a pass; else infinite.
    pub(crate) fn null_cost(&self) -> f64 {
        let rows = self.rows;
        let is_known = rows.intercept() && rows.samples().offset_column().is_none();
        match rows.model() {
            Model::Linear => rows.summary().linear_null_cost(rows.intercept()),
            _ if is_known => self.cost_of_mean(),
            _ => f64::INFINITY,
        }
    }

    /// What it costs to predict the mean target for every row, whatever its offset.
    pub(crate) fn cost_of_mean(&self) -> f64 {
        let summary = self.rows.summary();
        let mean = summary.mean_target;
        match self.rows.model() {
            Model::Linear | Model::SigmoidSquaredError => (summary.mean_square_target - mean * mean).max(0.0),
            Model::SigmoidLogLoss => {
                let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
                term(mean) + term(1.0 - mean)
            }
        }
    }

    /// The Hessian's diagonal near the null model: the columns have variance 1.
    pub(crate) fn diagonal(&self) -> Parameters {
        let mean = self.rows.summary().mean_target;
        let slope = (mean * (1.0 - mean)).max(1e-3);
        let curvature = match self.rows.model() {
            Model::Linear => 2.0,
            Model::SigmoidSquaredError => 2.0 * slope * slope,
            Model::SigmoidLogLoss => slope,
        };
        Parameters { weights: self.penalty.iter().map(|penalty| curvature + penalty).collect(), bias: curvature }
    }

    /// What a pass found in the data's own units, in these: parameters, the objective and its gradient.
    pub(crate) fn enter(&self, at: &Parameters, cost: f64, gradient: &Parameters) -> (Parameters, f64, Parameters) {
        let (at, mut gradient) = (self.frame.enter(at), self.frame.enter_gradient(gradient));
        let cost = cost + self.penalise(&at, &mut gradient);
        (at, cost, gradient)
    }

    /// # Errors
    ///
    /// As [`Objective::cost`](super::Objective::cost).
    pub(crate) fn cost_gradient(&self, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error> {
        let mut outer = Parameters::zeros(self.penalty.len());
        let cost = super::Objective::cost_gradient(self.rows, &self.frame.leave(at), &mut outer)?;
        *gradient = self.frame.enter_gradient(&outer);
        Ok(cost + self.penalise(at, gradient))
    }

    /// # Errors
    ///
    /// As [`RowObjective::cost_gradient_hessian`].
    pub(crate) fn cost_gradient_hessian(
        &self,
        at: &Parameters,
        gradient: &mut Parameters,
        precision: Precision,
    ) -> Result<(f64, Hessian), Error> {
        let (cost, mut hessian);
        (cost, *gradient, hessian) = self.rows.cost_gradient_hessian(&self.frame.leave(at), &self.frame, precision)?;
        self.penalise_hessian(&mut hessian);
        Ok((cost + self.penalise(at, gradient), hessian))
    }

    /// See [`RowObjective::hessian_of_some`].
    ///
    /// # Errors
    ///
    /// As [`RowObjective::cost_gradient_hessian`].
    pub(crate) fn hessian_of_some(
        &self,
        at: &Parameters,
        precision: Precision,
        every: usize,
    ) -> Result<Hessian, Error> {
        let mut hessian = self.rows.hessian_of_some(&self.frame.leave(at), &self.frame, precision, every)?;
        self.penalise_hessian(&mut hessian);
        Ok(hessian)
    }

    /// See [`RowObjective::hessian_of_columns`].
    ///
    /// # Errors
    ///
    /// As [`RowObjective::cost_gradient_hessian`].
    pub(crate) fn hessian_of_columns(
        &self,
        at: &Parameters,
        columns: &[usize],
        n_known: usize,
    ) -> Result<Hessian, Error> {
        let mut hessian = self.rows.hessian_of_columns(&self.frame.leave(at), &self.frame, columns, n_known)?;
        let penalties = columns.iter().enumerate().map(|(i, &j)| if i < n_known { 0.0 } else { self.penalty[j] });
        hessian.add_to_diagonal(penalties);
        Ok(hessian)
    }

    /// See [`RowObjective::optimality`].
    pub(crate) fn optimality(&self, gradient: &Parameters) -> f64 {
        self.rows.optimality(gradient)
    }

    /// What a step with a Hessian promises at least: `g·H⁻¹g` is not less than `gⱼ²/Hⱼⱼ` for any `j`.
    pub(crate) fn least_promise(&self, gradient: &Parameters) -> f64 {
        let bound = self.rows.model().curvature_bound();
        let weights = gradient.weights.iter().zip(&self.penalty).map(|(g, penalty)| g * g / (bound + penalty));
        weights.fold(gradient.bias * gradient.bias / bound, f64::max)
    }

    /// Columns that do not differ from row to row. What rounding leaves of them moves nothing, and would have a weight where
    /// a penalty is smaller.
    pub(crate) fn constants(&self) -> impl Iterator<Item = usize> {
        self.varies.iter().enumerate().filter(|(_, varies)| !**varies).map(|(j, _)| j)
    }

    /// Leaves nothing of constants, and adds the penalty's part.
    fn penalise_hessian(&self, hessian: &mut Hessian) {
        self.constants().for_each(|j| hessian.forget(j));
        hessian.add_to_diagonal(self.penalty.iter().copied());
    }

    /// Leaves nothing of constants, adds the penalty's gradient, and returns the penalty.
    fn penalise(&self, at: &Parameters, gradient: &mut Parameters) -> f64 {
        self.constants().for_each(|j| gradient.weights[j] = 0.0);
        let mut sum = 0.0;
        for ((g, w), penalty) in gradient.weights.iter_mut().zip(&at.weights).zip(&self.penalty) {
            *g += penalty * w;
            sum += penalty * w * w;
        }
        0.5 * sum
    }
}

impl RowObjective<'_> {
    /// No weights; the bias that suits the mean target.
    pub(crate) fn null_model(&self) -> Parameters {
        let mut start = Parameters::zeros(self.samples().n_features());
        if self.intercept() {
            let mean = self.summary().mean_target;
            let offset = self.summary().mean_offset;
            start.bias = match self.model() {
                Model::Linear => mean - offset,
                Model::SigmoidSquaredError | Model::SigmoidLogLoss => {
                    let mean = mean.clamp(1e-6, 1.0 - 1e-6);
                    (mean / (1.0 - mean)).ln() - offset
                }
            };
        }
        start
    }

    /// The largest entry of a gradient by variables in which columns have standard deviation 1; for the linear model in
    /// units of the standard deviation of the targets less their offsets.
    pub(crate) fn optimality(&self, gradient: &Parameters) -> f64 {
        gradient.largest_entry() / self.unit()
    }

    /// The unit of the cost's root: for the linear model the standard deviation of the targets less their offsets.
    pub(crate) fn unit(&self) -> f64 {
        if self.model() == Model::Linear { self.summary().target_deviation(self.intercept()) } else { 1.0 }
    }

    fn column_sums(&self, frame: &Frame) -> Result<ColumnSums, Error> {
        let n = self.samples().n_features();
        let partition = self.strip_partition();
        let states = (0..partition.n_chunks()).map(|_| ColumnSums::zeros(n));
        let nowhere = Parameters::zeros(n);
        self.pass(partition, &nowhere, states, ColumnSums::merge, |x, targets, _, scratch, sums| {
            kernel::column_sums(Rows::Matrix(x), targets.sample_weight, frame.scaling(), &mut scratch.strips, sums);
            true
        })
    }

    fn cost_gradient_column_sums(
        &self,
        at: &Parameters,
        gradient: &mut Parameters,
        frame: &Frame,
    ) -> Result<(f64, ColumnSums), Error> {
        match self.model() {
            Model::Linear => self.cost_gradient_column_sums_of(Linear, at, gradient, frame),
            Model::SigmoidSquaredError => self.cost_gradient_column_sums_of(self.squared_error(), at, gradient, frame),
            Model::SigmoidLogLoss => self.cost_gradient_column_sums_of(SigmoidLogLoss, at, gradient, frame),
        }
    }

    fn cost_gradient_column_sums_of(
        &self,
        link: impl Link,
        at: &Parameters,
        gradient: &mut Parameters,
        frame: &Frame,
    ) -> Result<(f64, ColumnSums), Error> {
        let n = self.samples().n_features();
        let partition = self.strip_partition();
        let states = (0..partition.n_chunks()).map(|_| (CostGradient::zeros(n), ColumnSums::zeros(n)));
        let merge = |a: &mut (CostGradient, ColumnSums), b: &(CostGradient, ColumnSums)| {
            a.0.merge(&b.0);
            a.1.merge(&b.1);
        };
        let (sums, columns) = self.evaluate(link, at, states, merge, |rows, (sums, columns)| {
            rows.cost_gradient_column_sums(sums, columns, frame.scaling())
        })?;
        let cost;
        (cost, *gradient) = self.divide(sums);
        Ok((cost, columns))
    }
}

/// The mean distance of some values of each column from their centre.
fn mean_distances(samples: &Samples<'_>, rough: &Frame) -> Vec<f64> {
    let rows = samples.some_rows();
    let share = 1.0 / rows.len() as f64;
    let mut distances = vec![0.0; samples.n_features()];
    samples.for_each_row(rows, |row| {
        let columns = distances.iter_mut().zip(row).zip(rough.centre());
        columns.for_each(|((distance, value), centre)| *distance += (value - centre).abs() * share);
    });
    distances
}

/// The largest distance of some values is that of few if it is so many times the mean distance; of a normal distribution it
/// hardly ever is.
const HEAVY: f64 = 4.0;
/// A mean is far from the median beyond so many of these distances.
const FAR: f64 = 10.0;

/// How columns vary.
pub(crate) struct Spread {
    frame: Frame,
    varies: Vec<bool>,
}

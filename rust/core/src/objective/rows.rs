//! The objective over rows: every answer is one pass.

use std::iter::repeat_n;
use std::ops::Range;

use ndarray::{Array1, ArrayView2};

use super::hessian::ProductScratch;
use crate::context::Context;
use crate::error::Error;
use crate::frame::Frame;
use crate::kernel::link::{Linear, Link, SigmoidLogLoss, SigmoidSquaredError, Square};
use crate::kernel::{self, CostGradient, Evaluation, Order, Ordered, Predictor, Rows, StripBuffers, Targets};
use crate::matrix::Matrix;
use crate::model::{Model, Parameters};
use crate::objective::Objective;
use crate::pass::{Partition, run};
use crate::samples::{Samples, Summary, without_offset};

/// The cost of a model on a data set, divided by the sum of the weights, and its derivatives.
///
/// Without an intercept it is a function of the weights alone: the bias counts as 0 whatever it is, and so do the
/// derivatives by it.
#[derive(Debug)]
pub(crate) struct RowObjective<'a> {
    model: Model,
    samples: Samples<'a>,
    intercept: bool,
    summary: Summary,
    partition: Partition,
    context: &'a Context<'a>,
    /// See [`SigmoidSquaredError`].
    bends: bool,
}

/// A least squares problem: what each row's predictor should be, and how much that counts.
pub(crate) struct WorkingResponse {
    pub(crate) target: Array1<f64>,
    pub(crate) weight: Array1<f64>,
}

/// What a thread needs for one panel.
#[derive(Default)]
struct Workspace {
    y: Vec<f64>,
    sample_weight: [Vec<f64>; 2],
    offset: Vec<f64>,
    difference: Vec<f64>,
    scratch: Scratch,
}

/// What a kernel needs for one panel.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) strips: StripBuffers,
    pub(crate) ordered: Ordered,
    pub(crate) x: Vec<f64>,
    pub(crate) slopes: Vec<f64>,
    pub(super) products: ProductScratch,
}

impl<'a> RowObjective<'a> {
    /// Looks at the targets and the weights once.
    ///
    /// # Errors
    ///
    /// Targets that are not finite or out of the model's range; weights that are negative, not finite or all zero.
    pub(crate) fn new(
        model: Model,
        samples: Samples<'a>,
        intercept: bool,
        context: &'a Context<'a>,
    ) -> Result<Self, Error> {
        let summary = samples.summarise(model, context)?;
        let partition = Partition::for_strips(&samples.features());
        Ok(Self { model, samples, intercept, summary, partition, context, bends: false })
    }

    /// Another model of the same data.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::new`].
    pub(crate) fn with_model(&self, model: Model) -> Result<Self, Error> {
        Self::new(model, self.samples, self.intercept, self.context)
    }

    /// The same; where rows are few, squared error on the sigmoid has a Hessian with more than its Gauss–Newton part.
    pub(crate) fn with_bends(&self) -> Self {
        const MANY_ROWS: usize = 20;
        let (m, n) = self.samples.features().shape();
        Self { bends: m < MANY_ROWS * n, ..*self }
    }

    pub(super) fn squared_error(&self) -> SigmoidSquaredError {
        SigmoidSquaredError { bends: self.bends }
    }

    /// The same rows, with weights that are all there are.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::new`].
    pub(crate) fn with_weights<'s>(&'s self, weights: &'s Array1<f64>) -> Result<RowObjective<'s>, Error> {
        RowObjective::new(self.model, self.samples.with_weights(weights.into()), self.intercept, self.context)
    }

    /// Other features of the same samples.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::new`].
    pub(crate) fn with_features<'s>(&'s self, features: Matrix<'s>) -> Result<RowObjective<'s>, Error> {
        RowObjective::new(self.model, self.samples.with_features(features), self.intercept, self.context)
    }

    /// The linear model of the same features and targets, classes counting as their samples do.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::new`].
    pub(crate) fn linear(&self) -> Result<Self, Error> {
        Self::new(Model::Linear, self.samples.without_class_weight(), self.intercept, self.context)
    }

    /// The linear model of one of the columns.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::new`].
    pub(crate) fn with_target_column(&self, column: usize) -> Result<Self, Error> {
        Self::new(Model::Linear, self.samples.with_target_column(column), self.intercept, self.context)
    }

    /// The linear model of other targets.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::new`].
    pub(crate) fn with_targets<'s>(&'s self, targets: &'s Array1<f64>) -> Result<RowObjective<'s>, Error> {
        RowObjective::new(Model::Linear, self.samples.with_targets(targets.into()), self.intercept, self.context)
    }

    /// Every `step`th row from the `first` on, alone.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::new`].
    pub(crate) fn every(&self, step: usize, first: usize) -> Result<Self, Error> {
        Self::new(self.model, self.samples.every(step, first), self.intercept, self.context)
    }

    /// The same rows, of some columns alone.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::new`].
    pub(crate) fn of_columns(&self, columns: Range<usize>) -> Result<Self, Error> {
        Self::new(self.model, self.samples.of_columns(columns), self.intercept, self.context)
    }

    /// The same rows with their features in `values`, row by row: collected once where columns would be gone through for
    /// each of several passes.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(crate) fn collected(self, values: &'a mut Vec<f64>) -> Result<Self, Error> {
        let (m, n) = self.samples.features().shape();
        *values = vec![0.0; m * n];
        let partition = self.samples.partition();
        let states = values.chunks_mut(partition.chunk_rows * n);
        let copy = |buffer: &mut Vec<f64>, rows: Range<usize>, values: &mut &mut [f64]| {
            let panel = self.samples.x(rows, buffer);
            let values = values.split_off_mut(..panel.n_rows() * n).expect("n values a row");
            values.chunks_exact_mut(n).enumerate().for_each(|(i, row)| row.copy_from_slice(panel.row(i)));
            Ok(())
        };
        run(self.context, &partition, states, Vec::new, copy, |_, _| ())?;
        let features = ArrayView2::from_shape((m, n), &values[..]).expect("n values a row");
        let samples = self.samples.with_features(features.into());
        Ok(Self { samples, ..self })
    }

    /// Visits the rows of each panel with their targets; `visit` says whether every linear predictor was finite. The
    /// states of the chunks are merged to one.
    pub(crate) fn pass<S: Send>(
        &self,
        partition: &Partition,
        at: &Parameters,
        states: impl ExactSizeIterator<Item = S> + Send,
        merge: impl Fn(&mut S, &S) + Sync,
        visit: impl Fn(Matrix<'_>, Targets<'_>, Predictor<'_>, &mut Scratch, &mut S) -> bool + Sync,
    ) -> Result<S, Error> {
        assert_eq!(at.n_features(), self.n_features(), "parameters and data differ in features");
        let weights = &*at.contiguous_weights();
        let bias = if self.intercept { at.bias } else { 0.0 };
        let (samples, weight_units, model) = (&self.samples, &self.summary.weight_units, self.model);
        let one_panel = |workspace: &mut Workspace, rows: Range<usize>, state: &mut S| {
            let x = samples.features().rows(rows.clone());
            let y = samples.y(rows.clone(), &mut workspace.y);
            let sample_weight = samples.sample_weight(rows.clone(), y, &mut workspace.sample_weight, weight_units);
            let mut offset = samples.offset(rows.clone(), &mut workspace.offset);
            // Near each other they may be far from 0, where a sum loses what a difference keeps.
            let from_targets = if model == Model::Linear { offset.take() } else { None };
            let y = without_offset(y, from_targets, &mut workspace.difference);
            let targets = Targets { y, sample_weight };
            let predictor = Predictor { weights, bias, offset };
            // A value that is not finite makes its row's predictor not finite, whatever the weights: 0 · ∞ is NaN.
            let finite = visit(x, targets, predictor, &mut workspace.scratch, state);
            if finite { Ok(()) } else { Err(samples.why_not_finite()) }
        };
        let mut merged = run(self.context, partition, states, Workspace::default, one_panel, merge)?;
        Ok(merged.swap_remove(0))
    }

    /// A pass by strips: `visit` evaluates the rows of each panel.
    pub(super) fn evaluate<L: Link, S: Send>(
        &self,
        link: L,
        at: &Parameters,
        states: impl ExactSizeIterator<Item = S> + Send,
        merge: impl Fn(&mut S, &S) + Sync,
        visit: impl Fn(Evaluation<'_, L>, &mut S) -> bool + Sync,
    ) -> Result<S, Error> {
        self.pass(&self.partition, at, states, merge, |x, targets, at, scratch, state| {
            visit(Evaluation { link, rows: Rows::Matrix(x), targets, at, buffers: &mut scratch.strips }, state)
        })
    }

    /// The partition for kernels that go through rows by strips.
    pub(super) fn strip_partition(&self) -> &Partition {
        &self.partition
    }

    fn cost_of(&self, link: impl Link, at: &Parameters) -> Result<f64, Error> {
        let states = repeat_n(0.0, self.partition.n_chunks());
        let merge = |a: &mut f64, b: &f64| *a += b;
        let sum = self.evaluate(link, at, states, merge, |rows, sum| rows.cost(sum))?;
        Ok(sum / self.summary.weight_sum)
    }

    fn cost_gradient_of(&self, link: impl Link, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error> {
        let n = self.n_features();
        let states = (0..self.partition.n_chunks()).map(|_| CostGradient::zeros(n));
        let sums = self.evaluate(link, at, states, CostGradient::merge, |rows, sums| rows.cost_gradient(sums))?;
        let cost;
        (cost, *gradient) = self.divide(sums);
        Ok(cost)
    }

    /// The weights of the rows but for some, by their values and by how far beyond 0 their predictor at `at` is on the side of
    /// their class; none if all are left. A target between the classes is on no side.
    ///
    /// # Errors
    ///
    /// As [`Objective::cost`].
    pub(crate) fn weights_without(
        &self,
        at: &Parameters,
        leaves_out: impl Fn(&[f64], f64) -> bool + Sync,
    ) -> Result<Option<Array1<f64>>, Error> {
        let partition = self.samples.partition();
        let mut weights = Array1::ones(self.samples.n_samples());
        let chunks = weights.as_slice_mut().expect("contiguous").chunks_mut(partition.chunk_rows);
        let states = chunks.map(|weights| (weights, false));
        let merge = |a: &mut (&mut [f64], bool), b: &(&mut [f64], bool)| a.1 |= b.1;
        let (_, any) = self.pass(&partition, at, states, merge, |x, targets, predictor, scratch, (weights, any)| {
            let weights = weights.split_off_mut(..x.n_rows()).expect("one a row");
            if let Some(given) = targets.sample_weight {
                weights.copy_from_slice(given);
            }
            let panel = x.panel(0..x.n_rows(), &mut scratch.x);
            for (i, (weight, &y)) in weights.iter_mut().zip(targets.y).enumerate() {
                if *weight == 0.0 || (y != 0.0 && y != 1.0) {
                    continue;
                }
                let row = panel.row(i);
                let z = at.predictor(row) + predictor.offset.map_or(0.0, |offset| offset[i]);
                if leaves_out(row, if y == 1.0 { z } else { -z }) {
                    (*weight, *any) = (0.0, true);
                }
            }
            true
        })?;
        Ok(any.then_some(weights))
    }

    /// Newton's step from `at`, or that of Gauss and Newton, as least squares of the linear predictors without their offset.
    ///
    /// A row whose sigmoid is flat at `at`, and that its class suits, has next to no weight, and would cost much where a
    /// step leads that does not know it. Such rows at any of the places `ahead` are kept where the sigmoid begins to be flat.
    ///
    /// # Errors
    ///
    /// As [`Objective::cost`].
    pub(crate) fn working_response(&self, at: &Parameters, ahead: &[Parameters]) -> Result<WorkingResponse, Error> {
        match self.model {
            Model::Linear => self.working_response_of(Linear, at, ahead),
            Model::SigmoidSquaredError => self.working_response_of(SigmoidSquaredError::default(), at, ahead),
            Model::SigmoidLogLoss => self.working_response_of(SigmoidLogLoss, at, ahead),
        }
    }

    fn working_response_of(
        &self,
        link: impl Link,
        at: &Parameters,
        ahead: &[Parameters],
    ) -> Result<WorkingResponse, Error> {
        /// A row whose sigmoid is flat would be moved to infinity.
        const LONGEST: f64 = 1e6;
        const FLAT: f64 = 30.0;
        let m = self.samples.n_samples();
        let mut response = WorkingResponse { target: Array1::zeros(m), weight: Array1::zeros(m) };
        let partition = self.samples.partition();
        let WorkingResponse { target, weight } = &mut response;
        let [target, weight] = [target, weight].map(|of| of.as_slice_mut().expect("contiguous"));
        let states = target.chunks_mut(partition.chunk_rows).zip(weight.chunks_mut(partition.chunk_rows));
        let visit = |x: Matrix<'_>, targets: Targets<'_>, at: Predictor<'_>, scratch: &mut Scratch, state: &mut _| {
            let (target, weight): &mut (&mut [f64], &mut [f64]) = state;
            let target = target.split_off_mut(..x.n_rows()).expect("one a row");
            let weight = weight.split_off_mut(..x.n_rows()).expect("one a row");
            let Scratch { strips, x: buffer, slopes, .. } = scratch;
            kernel::predict(&x, Order::AS_THEY_LIE, Predictor { offset: None, ..at }, target, strips);
            slopes.resize(x.n_rows(), 0.0);
            let rows = Evaluation { link, rows: Rows::Matrix(x), targets, at, buffers: strips };
            let finite = rows.cost_slopes(&mut 0.0, &mut 0.0, slopes, weight);
            let panel = x.panel(0..x.n_rows(), buffer);
            for (i, ((target, weight), slope)) in target.iter_mut().zip(weight).zip(slopes).enumerate() {
                let offset = at.offset.map_or(0.0, |offset| offset[i]);
                let z = *target + offset;
                let suits = |z: f64| (targets.y[i] == 1.0 && z > FLAT) || (targets.y[i] == 0.0 && z < -FLAT);
                if suits(z) && ahead.iter().any(|there| !suits(there.predictor(panel.row(i)) + offset)) {
                    *weight = targets.sample_weight.map_or(1.0, |weights| weights[i]) * (-FLAT).exp();
                    *target = FLAT.copysign(z) - offset;
                    continue;
                }
                *weight = (*weight * *weight).max(slope.abs() / LONGEST);
                if *weight > 0.0 {
                    *target -= *slope / *weight;
                }
            }
            finite
        };
        self.pass(&partition, at, states, |_, _| (), visit)?;
        Ok(response)
    }

    /// Cost and gradient: the sums, divided by that of the weights.
    pub(super) fn divide(&self, sums: CostGradient) -> (f64, Parameters) {
        let mut gradient = sums.gradient;
        gradient.scale(1.0 / self.summary.weight_sum);
        if !self.intercept {
            gradient.bias = 0.0;
        }
        (sums.cost / self.summary.weight_sum, gradient)
    }

    /// Variables in which second derivatives are formed.
    pub(crate) fn frame(&self) -> Frame {
        Frame::of(&self.samples.features(), &self.samples.some_rows(), self.intercept)
    }

    /// The same for values of any size: by all rows.
    ///
    /// # Errors
    ///
    /// Non-finite data; [`Error::Interrupted`].
    pub(crate) fn frame_of_all(&self) -> Result<Frame, Error> {
        let centre = self.frame().centre().to_vec();
        let samples = &self.samples;
        let partition = samples.partition();
        let states = repeat_n(vec![0.0_f64; centre.len()], partition.n_chunks());
        let visit = |buffer: &mut Vec<f64>, rows: Range<usize>, largest: &mut Vec<f64>| {
            let panel = samples.x(rows, buffer);
            let mut finite = true;
            for i in 0..panel.n_rows() {
                for ((largest, value), centre) in largest.iter_mut().zip(panel.row(i)).zip(&centre) {
                    finite &= value.is_finite();
                    *largest = largest.max((value - centre).abs());
                }
            }
            if finite { Ok(()) } else { Err(samples.why_not_finite()) }
        };
        let merge = |a: &mut Vec<f64>, b: &Vec<f64>| a.iter_mut().zip(b).for_each(|(a, b)| *a = a.max(*b));
        let largest = run(self.context, &partition, states, Vec::new, visit, merge)?.swap_remove(0);
        Ok(Frame::around(centre, largest))
    }

    /// Whether the bias is fitted.
    pub(crate) fn intercept(&self) -> bool {
        self.intercept
    }

    pub(crate) fn model(&self) -> Model {
        self.model
    }

    pub(crate) fn samples(&self) -> &Samples<'_> {
        &self.samples
    }

    /// The number of rows whose weight is not 0.
    pub(crate) fn n_counted(&self) -> usize {
        self.summary.n_counted
    }

    /// Whether features outnumber the rows that count.
    pub(crate) fn is_wide(&self) -> bool {
        self.samples.n_features() > self.n_counted()
    }

    /// The number of rows, or fewer where weights are most of all those of a few.
    pub(crate) fn n_effective(&self) -> f64 {
        self.summary.weight_sum.min(self.samples.n_samples() as f64)
    }

    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    pub(crate) fn context(&self) -> &Context<'_> {
        self.context
    }
}

impl Objective for RowObjective<'_> {
    fn n_features(&self) -> usize {
        self.samples.n_features()
    }

    fn cost(&self, at: &Parameters) -> Result<f64, Error> {
        match self.model {
            Model::Linear => self.cost_of(Linear, at),
            Model::SigmoidSquaredError => self.cost_of(self.squared_error(), at),
            Model::SigmoidLogLoss => self.cost_of(SigmoidLogLoss, at),
        }
    }

    fn cost_gradient(&self, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error> {
        match self.model {
            Model::Linear => self.cost_gradient_of(Linear, at, gradient),
            Model::SigmoidSquaredError => self.cost_gradient_of(self.squared_error(), at, gradient),
            Model::SigmoidLogLoss => self.cost_gradient_of(SigmoidLogLoss, at, gradient),
        }
    }

    fn bound_product(&self, direction: &Parameters, product: &mut Parameters) -> Result<(), Error> {
        // A direction has no offset.
        let samples = self.samples.without_offset();
        Self { samples, ..*self }.cost_gradient_of(Square, direction, product)?;
        // The gradient of a square has the factor 2.
        product.scale(0.5 * self.model.curvature_bound());
        Ok(())
    }

    fn is_quadratic(&self) -> bool {
        self.model == Model::Linear
    }

    fn rounding_level(&self) -> f64 {
        1e-20 * self.summary.mean_square_target
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn collected_rows_have_the_same_values() {
        let n = 12;
        let x = Array2::from_shape_fn((n, 40_000), |(j, i)| ((i * 37 + j * 11) as f32 * 0.7).sin());
        let y = Array1::from_shape_fn(40_000, |i| f64::from(u8::from(i % 3 == 0)));
        let samples = Samples::new(x.t(), &y).unwrap();
        let context = Context::default();
        let all = RowObjective::new(Model::SigmoidLogLoss, samples, true, &context).unwrap();
        let mut values = Vec::new();
        let apart = all.every(17, 3).unwrap();
        let collected = all.every(17, 3).unwrap().collected(&mut values).unwrap();
        assert_eq!(collected.samples.features().to_vec(), apart.samples.features().to_vec());
        let at = Parameters { weights: Array1::from_elem(n, 0.3), bias: 0.1 };
        let mut gradients = [Parameters::zeros(n), Parameters::zeros(n)];
        let costs = [
            collected.cost_gradient(&at, &mut gradients[0]).unwrap(),
            apart.cost_gradient(&at, &mut gradients[1]).unwrap(),
        ];
        assert!((costs[0] - costs[1]).abs() < 1e-14);
        assert!((&gradients[0].weights - &gradients[1].weights).iter().all(|difference| difference.abs() < 1e-14));
    }
}

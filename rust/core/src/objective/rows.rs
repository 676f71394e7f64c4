//! The objective over rows: every answer is one pass.

use std::ops::Range;

use crate::context::Context;
use crate::error::Error;
use crate::kernel::link::{Linear, Link, SigmoidLogLoss, SigmoidSquaredError, Square};
use crate::kernel::{self, CostGradient, Predictor, Targets};
use crate::matrix::Panel;
use crate::model::{Model, Parameters};
use crate::objective::Objective;
use crate::pass::{Partition, merge_tree, run};
use crate::samples::{Samples, Summary};

/// The cost of a model on a data set, divided by the sum of the weights, and its derivatives.
#[derive(Debug)]
pub(crate) struct RowObjective<'a> {
    model: Model,
    samples: Samples<'a>,
    summary: Summary,
    partition: Partition,
    context: &'a Context<'a>,
}

/// What a thread needs for one panel.
#[derive(Default)]
struct Workspace {
    x: Vec<f64>,
    y: Vec<f64>,
    sample_weight: [Vec<f64>; 2],
    scratch: Vec<f64>,
}

impl<'a> RowObjective<'a> {
    /// Looks at the targets and the weights once.
    ///
    /// # Errors
    ///
    /// Targets that are not finite or out of the model's range; weights that are negative, not finite or all zero.
    pub(crate) fn new(model: Model, samples: Samples<'a>, context: &'a Context<'a>) -> Result<Self, Error> {
        let summary = samples.summarise(model)?;
        Ok(Self { model, samples, summary, partition: samples.partition(), context })
    }

    /// Visits each panel with its targets; `visit` says whether every linear predictor was finite.
    fn pass<S: Send>(
        &self,
        at: &Parameters,
        states: impl Fn() -> S,
        visit: impl Fn(&Panel<'_>, Targets<'_>, Predictor<'_>, &mut Vec<f64>, &mut S) -> bool + Sync,
    ) -> Result<Vec<S>, Error> {
        assert_eq!(at.n_features(), self.n_features(), "parameters and data differ in features");
        let weights = &*at.contiguous_weights();
        let predictor = Predictor { weights, bias: at.bias };
        let (samples, weight_unit) = (&self.samples, self.summary.weight_unit);
        let states = (0..self.partition.n_chunks()).map(|_| states()).collect();
        let one_panel = |workspace: &mut Workspace, rows: Range<usize>, state: &mut S| {
            let panel = samples.x(rows.clone(), &mut workspace.x);
            let targets = Targets {
                y: samples.y(rows.clone(), &mut workspace.y),
                sample_weight: samples.sample_weight(rows.clone(), &mut workspace.sample_weight, weight_unit),
            };
            // A value that is not finite makes its row's predictor not finite, whatever the weights: 0 · ∞ is NaN.
            let finite = visit(&panel, targets, predictor, &mut workspace.scratch, state);
            if finite { Ok(()) } else { Err(samples.why_not_finite(rows)) }
        };
        run(self.context, &self.partition, states, Workspace::default, one_panel)
    }

    fn cost_of(&self, link: impl Link, at: &Parameters) -> Result<f64, Error> {
        let sums = self.pass(
            at,
            || 0.0,
            |panel, targets, at, scratch, sum| kernel::cost(link, panel, targets, at, scratch, sum),
        )?;
        Ok(merge_tree(sums, |a, b| *a += b).unwrap_or(0.0) / self.summary.weight_sum)
    }

    fn cost_gradient_of(&self, link: impl Link, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error> {
        let n_features = self.n_features();
        let sums = self.pass(
            at,
            || CostGradient::zeros(n_features),
            |panel, targets, at, scratch, sums| kernel::cost_gradient(link, panel, targets, at, scratch, sums),
        )?;
        let total = merge_tree(sums, CostGradient::merge).unwrap_or_else(|| CostGradient::zeros(n_features));
        *gradient = total.gradient;
        gradient.scale(1.0 / self.summary.weight_sum);
        Ok(total.cost / self.summary.weight_sum)
    }
}

impl Objective for RowObjective<'_> {
    fn n_features(&self) -> usize {
        self.samples.n_features()
    }

    fn cost(&self, at: &Parameters) -> Result<f64, Error> {
        match self.model {
            Model::Linear => self.cost_of(Linear, at),
            Model::SigmoidSquaredError => self.cost_of(SigmoidSquaredError, at),
            Model::SigmoidLogLoss => self.cost_of(SigmoidLogLoss, at),
        }
    }

    fn cost_gradient(&self, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error> {
        match self.model {
            Model::Linear => self.cost_gradient_of(Linear, at, gradient),
            Model::SigmoidSquaredError => self.cost_gradient_of(SigmoidSquaredError, at, gradient),
            Model::SigmoidLogLoss => self.cost_gradient_of(SigmoidLogLoss, at, gradient),
        }
    }

    fn bound_product(&self, direction: &Parameters, product: &mut Parameters) -> Result<(), Error> {
        self.cost_gradient_of(Square, direction, product)?;
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

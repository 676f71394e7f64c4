//! A solution that is corrected step by step in twice the working precision, by steps that are known from elsewhere.

use super::columns::Problem;
use super::double_double::DoubleDouble;
use super::minimum_norm::leave;
use super::residual::{Descent, descent};
use crate::error::Error;
use crate::frame::Frame;
use crate::model::Parameters;
use crate::objective::RowObjective;

/// Parameters of the linear model, and what they cost. Steps and gradients are in the variables of a frame. Where means are
/// far from 0, a residual in the data's own units is a small difference of large numbers; here none of it is lost.
pub(crate) struct Refinement<'r> {
    rows: &'r RowObjective<'r>,
    frame: &'r Frame,
    problem: Problem<'r>,
    /// The constant first, if there is one.
    solution: Vec<DoubleDouble>,
}

impl<'r> Refinement<'r> {
    /// From parameters in the variables of `frame`.
    ///
    /// # Errors
    ///
    /// As a pass over the rows.
    pub(crate) fn new(
        rows: &'r RowObjective<'r>,
        l2: f64,
        frame: &'r Frame,
        start: &Parameters,
    ) -> Result<Self, Error> {
        let problem = Problem::new(rows.samples(), rows.summary(), rows.context(), rows.intercept(), l2)?;
        let solution = vec![DoubleDouble::default(); problem.n_parameters()];
        let mut refinement = Self { rows, frame, problem, solution };
        let mut start = start.clone();
        start.bias -= refinement.problem.target.centre;
        refinement.add(&start);
        Ok(refinement)
    }

    /// Takes a step.
    pub(crate) fn add(&mut self, step: &Parameters) {
        let target = self.problem.target.inverse_scale;
        let (bias, weights) = self.solution.split_at_mut(usize::from(self.problem.intercept));
        let mut along = step.bias;
        let columns = self.problem.features.iter().zip(self.frame.centre().iter().zip(self.frame.scale()));
        for ((weight, step), (column, (centre, scale))) in weights.iter_mut().zip(&step.weights).zip(columns) {
            // Scales are powers of two.
            *weight += (step * (column.scale / scale) * target).into();
            along -= (centre - column.centre) / scale * step;
        }
        bias.iter_mut().for_each(|bias| *bias += (along * target).into());
    }

    /// The objective and its gradient.
    ///
    /// # Errors
    ///
    /// As a pass over the rows.
    pub(crate) fn evaluate(&self) -> Result<(f64, Parameters), Error> {
        let Self { rows, frame, problem, solution } = self;
        let Descent { objective, by_parameter } = descent(problem, rows.context(), solution)?;
        let unit = problem.target.scale;
        let cost = unit * unit * objective / problem.weight_sum;

        let factor = -2.0 * unit / problem.weight_sum;
        let (by_bias, by_weights) = by_parameter.split_at(usize::from(problem.intercept));
        let by_bias = by_bias.first().map_or(0.0, |by_bias| factor * by_bias);
        let columns = problem.features.iter().zip(frame.centre().iter().zip(frame.scale()));
        let by_weights = by_weights.iter().zip(columns).map(|(by_weight, (column, (centre, scale)))| {
            column.scale / scale * factor * by_weight - (centre - column.centre) / scale * by_bias
        });
        Ok((cost, Parameters { weights: by_weights.collect(), bias: by_bias }))
    }

    /// In the caller's units.
    pub(crate) fn parameters(&self) -> Parameters {
        leave(&self.problem, &self.solution)
    }
}

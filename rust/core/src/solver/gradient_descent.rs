//! Textbook gradient descent with a fixed rate: `w ← w − α ∂C/∂w`, `b ← b − α ∂C/∂b`.

use std::ops::ControlFlow;

use super::{Accuracy, Observer, Solution, Step, StopReason, largest_eigenvalue, unless_overflow};
use crate::error::Error;
use crate::model::Parameters;
use crate::objective::Objective;

/// What gradient descent needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GradientDescent {
    pub(crate) learning_rate: f64,
    pub(crate) max_iter: usize,
    pub(crate) tol: f64,
}

/// A quadratic cost that rises once rises for ever: its distance to the minimum is a sum of powers `c_i q_i^k`, convex
/// in `k`. It may do so for this many iterations, for those who want to see just these few steps.
const PATIENCE_QUADRATIC: usize = 5;
/// Another cost may rise for a while with a rate that still gets there; not above its start for this many iterations.
const PATIENCE: usize = 20;

pub(crate) fn gradient_descent(
    objective: &dyn Objective,
    start: Parameters,
    options: GradientDescent,
    observer: &mut Observer<'_>,
) -> Result<Solution, Error> {
    let GradientDescent { learning_rate, max_iter, tol } = options;
    let mut parameters = start;
    let mut gradient = Parameters::zeros(parameters.n_features());
    let mut first_cost = f64::NAN;
    let mut first_norm = f64::NAN;
    let mut lowest_cost = f64::INFINITY;
    let mut risen = 0;
    let mut iteration = 0;
    loop {
        let cost = unless_overflow(objective.cost_gradient(&parameters, &mut gradient))?.unwrap_or(f64::INFINITY);
        let gradient_norm = objective.norm(&gradient);
        let finite = cost.is_finite() && gradient_norm.is_finite();
        if iteration == 0 {
            if !finite {
                return Err(Error::Overflow);
            }
            (first_cost, first_norm) = (cost, gradient_norm);
        }
        lowest_cost = lowest_cost.min(cost);
        let (reference, patience) =
            if objective.is_quadratic() { (lowest_cost, PATIENCE_QUADRATIC) } else { (first_cost, PATIENCE) };
        risen = if cost > reference * (1.0 + 1e-9) + objective.rounding_level() { risen + 1 } else { 0 };
        if !finite || risen >= patience {
            return Err(diverged(objective, learning_rate, iteration, reference, cost)?);
        }
        let wish = observer(&Step { iteration, parameters: &parameters, cost, gradient_norm })?;
        // The second is the end of what rounding lets a step do, as when a fit goes on from a minimum. Without a tolerance
        // all iterations are done.
        let small = tol > 0.0
            && (gradient_norm <= tol * first_norm
                || learning_rate * gradient_norm <= f64::EPSILON * objective.norm(&parameters));
        let stop_reason = if small {
            Some(StopReason::Tolerance)
        } else if let ControlFlow::Break(reason) = wish {
            Some(reason)
        } else if iteration == max_iter {
            Some(StopReason::MaxIter)
        } else {
            None
        };
        if let Some(stop_reason) = stop_reason {
            // Whoever asked for a few iterations gets them; but a flat place or a validation minimum above the start is
            // where a step too long has landed, not an end.
            if risen > 0 && stop_reason != StopReason::MaxIter {
                return Err(diverged(objective, learning_rate, iteration, reference, cost)?);
            }
            return Ok(Solution { parameters, gradient, n_iter: iteration, stop_reason });
        }
        parameters.add_scaled(-learning_rate, &gradient);
        iteration += 1;
    }
}

fn diverged(
    objective: &dyn Objective,
    learning_rate: f64,
    iteration: usize,
    reference_cost: f64,
    cost: f64,
) -> Result<Error, Error> {
    let largest_stable_rate = 2.0 / largest_eigenvalue(objective, Accuracy::SHOWN)?;
    Ok(Error::Diverged { iteration, reference_cost, cost, learning_rate, largest_stable_rate })
}

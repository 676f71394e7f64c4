//! Newton's method for the log loss where columns are so nearly dependent that their products tell nothing of some
//! direction, which a Hessian's factor leaves out. Each step is a least squares problem, solved by QR with corrections in
//! twice the precision (McCullagh and Nelder, *Generalized Linear Models*, 2.5).

use std::ops::ControlFlow;

use super::least_squares::least_squares;
use super::quasi_newton::Outcome;
use super::separation::{Cancelling, Margins, separated_along};
use super::{Observer, ROUNDING, Settings, Step, StopReason};
use crate::error::Error;
use crate::model::{Model, Parameters};
use crate::objective::{Objective, RowObjective, Standardised, WorkingResponse};
use crate::samples::Samples;

/// Along a direction in which predictors change by less, beside what cancels in them, columns are dependent.
const DEPENDENT: f64 = 1e-13;
const MAX_STEPS: usize = 50;
const MAX_TRIALS: usize = 30;

/// Where the steps ended, and how many there were.
pub(super) struct Reweighted {
    /// In the data's own variables.
    pub(super) parameters: Parameters,
    /// In standardised ones.
    pub(super) gradient: Parameters,
    pub(super) n_iter: usize,
    pub(super) stop_reason: StopReason,
    /// The columns of the last step, if the steps ended with one that separates the classes.
    pub(super) separating: Option<Vec<usize>>,
}

/// From where Newton's method with products of columns ended, if a direction that it left out leads further.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn go_on(
    objective: &Standardised<'_>,
    l2: f64,
    outcome: &Outcome,
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Option<Reweighted>, Error> {
    let (rows, frame) = (objective.rows(), objective.frame());
    let arrived = matches!(outcome.stop_reason, StopReason::Tolerance | StopReason::Rounding);
    if rows.model() != Model::SigmoidLogLoss || !arrived || outcome.asked_to_stop {
        return Ok(None);
    }
    let Some(left_out) = &outcome.left_out else { return Ok(None) };
    let mut at = frame.leave(&outcome.place.at);
    let margins = Margins::along(rows, &frame.leave(left_out), &at)?;
    if margins.least_share > -DEPENDENT {
        return Ok(None);
    }
    let mut n_iter = outcome.n_iter;
    let mut cost = outcome.place.cost;
    let mut gradient = outcome.place.gradient.clone();
    let mut last_step = None;
    let last = (settings.max_iter).min(n_iter + MAX_STEPS);
    let stopped = loop {
        if n_iter >= last {
            break Some(StopReason::MaxIter);
        }
        let Some((next, next_cost, next_gradient)) = step(objective, l2, &at, cost)? else { break None };
        let decrease = cost - next_cost;
        let mut moved = next.clone();
        moved.add_scaled(-1.0, &at);
        last_step = Some(frame.enter(&moved));
        (at, cost, gradient) = (next, next_cost, next_gradient);
        n_iter += 1;
        let gradient_norm = frame.leave_gradient(&gradient).norm();
        let wish = observer(&Step { iteration: n_iter, parameters: &at, cost, gradient_norm })?;
        if let ControlFlow::Break(reason) = wish {
            break Some(reason);
        }
        if decrease <= ROUNDING * cost.abs() {
            break None;
        }
    };
    // Before they end steps may be long, and separate nothing.
    let separating = match &last_step {
        Some(step) if stopped.is_none() => separated_along(objective, step, &at, Cancelling::Likely)?,
        _ => None,
    };
    let arrived = objective.optimality(&gradient) <= settings.tol;
    let stop_reason = stopped.unwrap_or(if arrived { StopReason::Tolerance } else { StopReason::Rounding });
    Ok(Some(Reweighted { parameters: at, gradient, n_iter, stop_reason, separating }))
}

/// A place that costs less, with its cost and gradient in standardised variables; none if there is none.
fn step(
    objective: &Standardised<'_>,
    l2: f64,
    at: &Parameters,
    cost: f64,
) -> Result<Option<(Parameters, f64, Parameters)>, Error> {
    let rows = objective.rows();
    let WorkingResponse { target, weight } = rows.working_response(at)?;
    let samples = Samples::weighted(rows.samples().features(), &target, &weight)?;
    let quadratic = RowObjective::new(Model::Linear, samples, rows.intercept(), rows.context())?;
    // The linear model's cost is divided by the sum of its weights, and not by 2.
    let total = weight.sum();
    let penalty = 2.0 * l2 * rows.summary().weight_sum / total;
    let found = least_squares(quadratic.samples(), quadratic.summary(), rows.context(), rows.intercept(), penalty);
    let found = match found {
        Err(Error::Overflow) => return Ok(None),
        found => found?.parameters,
    };
    let mut gradient = Parameters::zeros(at.n_features());
    let mut length = 1.0;
    for _ in 0..MAX_TRIALS {
        let mut next = at.clone();
        next.scale(1.0 - length);
        next.add_scaled(length, &found);
        match rows.cost_gradient(&next, &mut gradient) {
            Err(Error::Overflow) => {}
            next_cost => {
                let (_, next_cost, gradient) = objective.enter(&next, next_cost?, &gradient);
                if next_cost < cost {
                    return Ok(Some((next, next_cost, gradient)));
                }
            }
        }
        length *= 0.5;
    }
    Ok(None)
}

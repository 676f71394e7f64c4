//! Newton's method, or that of Gauss and Newton for squared error, where columns are so nearly dependent that their products tell nothing of some
//! direction, which a Hessian's factor leaves out. Each step is a least squares problem, solved by QR with corrections in
//! twice the precision (McCullagh and Nelder, *Generalized Linear Models*, 2.5).

use std::ops::ControlFlow;

use super::least_squares::least_squares;
use super::quasi_newton::Outcome;
use super::separation::{Cancelling, separated_along};
use super::{Observer, ROUNDING, Settings, Step, StopReason, unless_overflow};
use crate::error::Error;
use crate::frame::Frame;
use crate::model::{Model, Parameters};
use crate::objective::{Objective, RowObjective, Standardised, WorkingResponse};
use crate::samples::Samples;

const MAX_STEPS: usize = 50;
/// Of so many columns, more than there are rows, steps are not worth their time and memory: a factor has a row for each.
const MANY_COLUMNS: usize = 1000;
/// A share of the cost that is no reason to ask for more iterations.
const LITTLE: f64 = 1e-8;
const MAX_TRIALS: usize = 30;

/// Where a search for a minimum stands.
pub(super) struct Reached {
    /// In the data's own variables.
    pub(super) parameters: Parameters,
    pub(super) cost: f64,
    /// In standardised variables.
    pub(super) gradient: Parameters,
    pub(super) n_iter: usize,
    pub(super) stop_reason: StopReason,
    /// The condition number of the last Hessian, if one was formed.
    pub(super) condition: Option<f64>,
    /// The columns that separate the classes, if these are separated.
    pub(super) separating: Option<Vec<usize>>,
}

impl Reached {
    pub(super) fn of(objective: &Standardised<'_>, outcome: &Outcome) -> Self {
        let place = &outcome.place;
        Self {
            parameters: objective.frame().leave(&place.at),
            cost: place.cost,
            gradient: place.gradient.clone(),
            n_iter: outcome.n_iter,
            stop_reason: outcome.stop_reason,
            condition: outcome.curvature.condition(),
            separating: None,
        }
    }

    pub(super) fn has_arrived(&self) -> bool {
        self.stop_reason.is_arrival()
    }

    /// In standardised variables.
    fn step_to(&self, there: &Parameters, frame: &Frame) -> Parameters {
        let mut step = there.clone();
        step.add_scaled(-1.0, &self.parameters);
        frame.enter(&step)
    }
}

/// Whether it is worth going on so.
pub(super) fn pays(rows: &RowObjective<'_>) -> bool {
    !rows.is_wide() || rows.n_features() <= MANY_COLUMNS
}

/// From where Newton's method with products of columns ended.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn go_on(
    objective: &Standardised<'_>,
    l2: f64,
    from: Reached,
    cancelling: Cancelling,
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Reached, Error> {
    let frame = objective.frame();
    let mut reached = from;
    let mut last_step = None;
    let last = reached.n_iter + MAX_STEPS;
    let stopped = loop {
        if reached.n_iter >= last {
            break None;
        }
        let Some(lower) = step(objective, l2, &reached, cancelling)? else { break None };
        let Lower { parameters, cost, gradient, .. } = lower;
        let decrease = reached.cost - cost;
        if reached.n_iter >= settings.max_iter {
            let is_little = decrease <= LITTLE * reached.cost.abs();
            break if is_little { None } else { Some(StopReason::MaxIter) };
        }
        last_step = Some(reached.step_to(&parameters, frame));
        let n_iter = reached.n_iter + 1;
        reached = Reached { parameters, cost, gradient, n_iter, ..reached };
        let gradient_norm = frame.leave_gradient(&reached.gradient).norm();
        let wish = observer(&Step { iteration: n_iter, parameters: &reached.parameters, cost, gradient_norm })?;
        if let ControlFlow::Break(reason) = wish {
            break Some(reason);
        }
        if decrease <= ROUNDING * cost.abs() {
            break None;
        }
    };
    // Before they end steps may be long, and separate nothing.
    reached.separating = match &last_step {
        Some(step) if stopped.is_none() => {
            let next = || {
                let there = minimum_of_model(objective, l2, &reached, &[])?;
                Ok(there.map(|there| reached.step_to(&there, frame)))
            };
            separated_along(objective, step, &reached.parameters, cancelling, next)?
        }
        _ => None,
    };
    let small = objective.optimality(&reached.gradient) <= settings.tol;
    reached.stop_reason = stopped.unwrap_or(if small { StopReason::Tolerance } else { StopReason::Rounding });
    Ok(reached)
}

/// Steps shorter than this are those that some row holds up whose sigmoid is flat where they begin.
const SHORT: f64 = 0.1;
/// Steps that are tried, each with the rows held that held up those before.
const MAX_HELD: usize = 4;

/// A place that costs less; none if there is none.
fn step(objective: &Standardised<'_>, l2: f64, from: &Reached, cancelling: Cancelling) -> Result<Option<Lower>, Error> {
    let mut lowest: Option<Lower> = None;
    let mut ahead = Vec::new();
    loop {
        let Some(there) = minimum_of_model(objective, l2, from, &ahead)? else { break };
        let found = search(objective, from, &there)?;
        let is_long = matches!(found, Found::Level) || matches!(&found, Found::Lower(lower) if lower.length >= SHORT);
        if let Found::Lower(lower) = found
            && lowest.as_ref().is_none_or(|lowest| lower.cost < lowest.cost)
        {
            lowest = Some(lower);
        }
        if is_long || cancelling != Cancelling::ButInFarRows || ahead.len() == MAX_HELD {
            break;
        }
        ahead.push(there);
    }
    Ok(lowest)
}

/// Where Newton's step from a place leads, with rows held that suit their class there but at none of those `ahead`.
fn minimum_of_model(
    objective: &Standardised<'_>,
    l2: f64,
    from: &Reached,
    ahead: &[Parameters],
) -> Result<Option<Parameters>, Error> {
    let rows = objective.rows();
    let WorkingResponse { target, weight } = rows.working_response(&from.parameters, ahead)?;
    // The linear model's cost is divided by the sum of its weights, and not by 2.
    let total = weight.sum();
    if total == 0.0 {
        // The sigmoid is flat in every row.
        return Ok(None);
    }
    let samples = Samples::weighted(rows.samples().features(), &target, &weight)?;
    let quadratic = RowObjective::new(Model::Linear, samples, rows.intercept(), rows.context())?;
    let penalty = 2.0 * l2 * rows.summary().weight_sum / total;
    let found = least_squares(quadratic.samples(), quadratic.summary(), rows.context(), rows.intercept(), penalty);
    Ok(unless_overflow(found)?.map(|found| found.parameters))
}

enum Found {
    Lower(Lower),
    /// The whole step changes the cost by no more than rounding error.
    Level,
    Higher,
}

struct Lower {
    parameters: Parameters,
    cost: f64,
    /// In standardised variables.
    gradient: Parameters,
    /// The share of the step that was taken.
    length: f64,
}

/// A place that costs less on the way to another, whole way first.
fn search(objective: &Standardised<'_>, from: &Reached, there: &Parameters) -> Result<Found, Error> {
    let mut gradient = Parameters::zeros(there.n_features());
    let mut length = 1.0;
    for _ in 0..MAX_TRIALS {
        let mut next = from.parameters.clone();
        next.scale(1.0 - length);
        next.add_scaled(length, there);
        if let Some(cost) = unless_overflow(objective.rows().cost_gradient(&next, &mut gradient))? {
            let (_, cost, gradient) = objective.enter(&next, cost, &gradient);
            if cost < from.cost {
                return Ok(Found::Lower(Lower { parameters: next, cost, gradient, length }));
            }
            if length == 1.0 && cost <= from.cost + ROUNDING * from.cost.abs() {
                return Ok(Found::Level);
            }
        }
        length *= 0.5;
    }
    Ok(Found::Higher)
}

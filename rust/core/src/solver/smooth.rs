//! The minimum of a cost with no penalty but `l2`, for data as they are: in standardised variables, from a start that a
//! part of the rows gives.

use std::ops::ControlFlow;

use super::factor::Factor;
use super::quasi_newton::{Curvature, Outcome, Place, Settings, first_place, quasi_newton};
use super::separation::Margins;
use super::{Observer, Step, StopReason};
use crate::error::Error;
use crate::model::{Model, Parameters};
use crate::objective::{Objective, RowObjective, Standardised};

/// What is known at the end.
pub(crate) struct Smooth {
    pub(crate) parameters: Parameters,
    pub(crate) n_iter: usize,
    pub(crate) stop_reason: StopReason,
    /// The largest entry of the gradient in standardised variables.
    pub(crate) optimality: f64,
    /// The condition number of the last Hessian there, if one was formed.
    pub(crate) condition: Option<f64>,
    /// Columns whose weights separate the classes.
    pub(crate) separating: Vec<usize>,
}

/// From `start`, or from nowhere, to the minimum.
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn minimise(
    rows: &RowObjective<'_>,
    l2: f64,
    start: Option<&Parameters>,
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Smooth, Error> {
    let objective = Standardised::new(rows, l2)?;
    let given =
        start.map(|start| first_place(&objective, objective.frame().enter(start), None, settings)).transpose()?;
    let start = match given {
        // A start that is worse than none may lie where the sigmoid is flat.
        Some(given) if given.0.cost <= objective.null_cost() => given,
        _ if rows.model() == Model::SigmoidSquaredError => from_log_loss(&objective, l2, settings)?,
        _ => from_part(&objective, settings)?,
    };
    let outcome = quasi_newton(&objective, start, settings, observer)?;
    let separating = separation(&objective, &outcome)?;
    let Outcome { place, curvature, n_iter, stop_reason, .. } = outcome;
    let stop_reason = if separating.is_some() { StopReason::Separation } else { stop_reason };
    let condition = match &curvature {
        Curvature::Factored(factor) => Some(factor.condition()),
        Curvature::Diagonal(_) => None,
    };
    Ok(Smooth {
        parameters: objective.frame().leave(&place.at),
        n_iter,
        stop_reason,
        optimality: objective.optimality(&place.gradient),
        condition,
        separating: separating.unwrap_or_default(),
    })
}

/// Squared error on the sigmoid has minima that are not the lowest. The minimum of the log loss, which has but one, is
/// mostly near that; unless no weights, or a part of the rows, lead lower.
fn from_log_loss(objective: &Standardised<'_>, l2: f64, settings: Settings) -> Result<(Place, Curvature), Error> {
    let rows = objective.rows().with_model(Model::SigmoidLogLoss)?;
    let log_loss = Standardised::new(&rows, l2)?;
    let rough = Settings { max_iter: 20, tol: 1e-3, ..settings };
    let start = from_part(&log_loss, rough)?;
    let found = quasi_newton(&log_loss, start, rough, &mut unobserved)?;
    let other = from_part(objective, settings)?;
    match first_place(objective, found.place.at, None, settings) {
        Ok(found) if found.0.cost < other.0.cost => Ok(found),
        Ok(_) | Err(Error::Overflow) => Ok(other),
        Err(error) => Err(error),
    }
}

fn unobserved(_: &Step<'_>) -> Result<ControlFlow<StopReason>, Error> {
    Ok(ControlFlow::Continue(()))
}

/// A part is one row of so many. A prime, since data made by hand repeat patterns of other lengths.
const PART: usize = 17;
/// A part has at least so many rows, and so many for each column.
const MIN_ROWS: usize = 1000;
const MIN_ROWS_A_COLUMN: usize = 20;

/// The minimum over a part of the rows, or the null model where that is better or the rows are few.
fn from_part(objective: &Standardised<'_>, settings: Settings) -> Result<(Place, Curvature), Error> {
    let found = match part(objective, settings) {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        // A part may lack a class, or overflow; what is wrong with the data the whole will tell.
        found => found.ok().flatten(),
    };
    if let Some((at, curvature)) = found {
        match first_place(objective, at, curvature, settings) {
            Err(Error::Overflow) => {}
            found => {
                let found = found?;
                if found.0.cost <= objective.null_cost() {
                    return Ok(found);
                }
            }
        }
    }
    first_place(objective, objective.rows().null_model(), None, settings)
}

fn part(objective: &Standardised<'_>, settings: Settings) -> Result<Option<(Parameters, Option<Curvature>)>, Error> {
    let whole = objective.rows();
    let (m, n) = (whole.samples().n_samples(), whole.samples().n_features());
    let n_rows = m / PART;
    if n_rows < MIN_ROWS || n_rows < MIN_ROWS_A_COLUMN * n {
        return Ok(None);
    }
    let rows = whole.every(PART)?;
    // So few rows are easily separated; a little ridge, of the size of one row's cost, keeps the weights finite.
    let objective = objective.over(&rows).with_ridge(1.0 / n_rows as f64);
    // The minimum over the part is as far from that of the whole as its gradient there is long, 1/√m.
    let settings = Settings { max_iter: 30, tol: 0.05 / (n_rows as f64).sqrt(), ..settings };
    let start = from_part(&objective, settings)?;
    let outcome = quasi_newton(&objective, start, settings, &mut unobserved)?;
    let curvature = objective.varies_alike()?.then_some(outcome.curvature);
    Ok(Some((outcome.place.at, curvature)))
}

/// Steps that still move a predictor by this much, where the gradient is small, lead to infinity.
const LONG_STEP: f64 = 0.03;

/// The columns along which the classes are separated; none if they are not. None are named where the bias does it alone.
fn separation(objective: &Standardised<'_>, outcome: &Outcome) -> Result<Option<Vec<usize>>, Error> {
    let rows = objective.rows();
    let penalised = objective.penalty().iter().any(|&penalty| penalty > 0.0);
    let Some(step) = &outcome.last_step else { return Ok(None) };
    let ended = matches!(outcome.stop_reason, StopReason::Tolerance | StopReason::Rounding | StopReason::MaxIter);
    if rows.model() != Model::SigmoidLogLoss || penalised || !ended {
        return Ok(None);
    }
    let columns = |direction: &Parameters| {
        let largest = direction.largest_entry();
        let columns = direction.weights.iter().enumerate().filter(|(_, w)| w.abs() >= 0.1 * largest);
        columns.map(|(column, _)| column).collect()
    };
    let frame = objective.frame();
    let place = frame.leave(&outcome.place.at);
    let along = |direction| Margins::along(rows, &frame.leave(direction), &place);
    let with_hessian = matches!(outcome.curvature, Curvature::Factored(_));
    // A column of standard deviation 1 has no entry beyond √m.
    if with_hessian && step.norm() * (rows.samples().n_samples() as f64).sqrt() < LONG_STEP {
        return Ok(None);
    }
    // Without a Hessian steps are short and not free of parts that lead nowhere; large predictors make suspicious.
    let margins_there = along(&outcome.place.at)?;
    let mut newton = None;
    if !with_hessian {
        let suspicious = margins_there.most > LARGE_PREDICTOR;
        if !suspicious || rows.n_features() > MAX_COLUMNS {
            return Ok(None);
        }
        newton = newton_step(objective, &outcome.place.at)?;
    }
    let step = newton.as_ref().unwrap_or(step);
    // Such parts are small in any case, but not yet gone.
    let margins = along(step)?;
    if margins.most >= LONG_STEP && (margins.least >= -1e-4 * margins.most || margins.least_share >= -1e-4) {
        return Ok(Some(columns(step)));
    }
    let each_is_right = margins_there.most > 0.0 && margins_there.least_share >= 0.0;
    Ok(each_is_right.then(|| columns(&outcome.place.at)))
}

/// A probability so near to 0 or 1 that few data sets give reason for it.
const LARGE_PREDICTOR: f64 = 8.0;
/// More columns than this are not worth a Hessian for a diagnosis alone.
const MAX_COLUMNS: usize = 1000;

fn newton_step(objective: &Standardised<'_>, at: &Parameters) -> Result<Option<Parameters>, Error> {
    let mut gradient = Parameters::zeros(at.n_features());
    let (_, hessian) = objective.cost_gradient_hessian(at, &mut gradient)?;
    Ok(Factor::new(&hessian, objective.rows().intercept()).map(|factor| factor.step(&gradient)))
}

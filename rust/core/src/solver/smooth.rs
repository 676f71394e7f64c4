//! The minimum of a cost with no penalty but `l2`, for data as they are: in standardised variables, from a start that a
//! part of the rows gives.

use std::ops::ControlFlow;

use super::curvature::Curvature;
use super::dependence::Dependence;
use super::far_values::FarValues;
use super::line_search::Place;
use super::quasi_newton::{Outcome, first_place, hessian_pays_from_nowhere, of_some_rows, quasi_newton};
use super::reweighted::{self, Reached, go_on};
use super::row_space::{InRowSpace, in_row_space};
use super::separation::{Cancelling, LeftOut, separated_at_the_end, separation};
use super::{Observer, ROUNDING, Settings, Step, StopReason, unless_interrupted, unless_overflow};
use crate::error::Error;
use crate::model::{Model, Parameters};
use crate::objective::{Objective, RowObjective, Spread, Standardised};

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
    /// Columns that are constant or combinations of others.
    pub(crate) dependent: Vec<usize>,
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
    if start.is_none()
        && !settings.looks_at_parameters
        && let Some(found) = in_row_space(rows, l2, settings, observer)?
    {
        let InRowSpace { parameters, n_iter, wish } = found;
        let (objective, start) = begin_at(rows, l2, 0.0, &parameters, settings)?;
        let mut rest = |step: &Step<'_>| match step.iteration {
            0 => Ok(wish),
            iteration => observer(&Step { iteration: iteration + n_iter, ..*step }),
        };
        let left = Settings { max_iter: settings.max_iter - n_iter, ..settings };
        let mut found = at_the_minimum(&objective, l2, start, left, &mut rest)?;
        found.n_iter += n_iter;
        return Ok(found);
    }
    let (objective, start) = match start {
        Some(start) => {
            let (objective, given) = begin_at(rows, l2, 0.0, start, settings)?;
            // A start that is worse than none may lie where the sigmoid is flat.
            let known = objective.null_cost();
            let null_cost = if known.is_finite() { known } else { rows.cost(&rows.null_model())? };
            if given.0.cost <= null_cost { (objective, given) } else { begin(rows, l2, settings)? }
        }
        None => begin(rows, l2, settings)?,
    };
    at_the_minimum(&objective, l2, start, settings, observer)
}

/// From a place to the minimum.
fn at_the_minimum(
    objective: &Standardised<'_>,
    l2: f64,
    start: (Place, Curvature),
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Smooth, Error> {
    let outcome = quasi_newton(objective, start, settings, observer)?;
    let dependence = Dependence::find(objective, &outcome)?;
    let mut reached = if !outcome.has_arrived() {
        let separating = separation(objective, &outcome, Cancelling::Unlikely)?;
        Reached { separating, ..Reached::of(objective, &outcome) }
    } else if reweighted::pays(objective.rows())
        && let Some(far_values) = FarValues::find(objective)
    {
        beyond_far_values(objective, l2, &far_values, &outcome, settings, observer)?
    } else {
        beyond_left_out(objective, l2, &dependence, &outcome, settings, observer)?
    };
    if outcome.has_arrived() && reached.separating.is_none() && reached.has_arrived() {
        reached.separating = separated_at_the_end(objective, &reached.parameters)?;
    }
    let is_separated = reached.separating.is_some();
    let dependent = if is_separated { Vec::new() } else { dependence.columns(objective)? };
    if dependent.len() > objective.constants().count() {
        reached.condition = Some(f64::INFINITY);
    }
    Ok(Smooth {
        dependent,
        optimality: objective.optimality(&reached.gradient),
        parameters: reached.parameters,
        n_iter: reached.n_iter,
        stop_reason: if is_separated { StopReason::Separation } else { reached.stop_reason },
        condition: reached.condition,
        separating: reached.separating.unwrap_or_default(),
    })
}

/// The minimum where the last Hessian left out a direction that may lead on.
fn beyond_left_out(
    objective: &Standardised<'_>,
    l2: f64,
    dependence: &Dependence,
    outcome: &Outcome,
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Reached, Error> {
    let separating = separation(objective, outcome, Cancelling::Unlikely)?;
    let reached = Reached { separating, ..Reached::of(objective, outcome) };
    let Some(left_out) = outcome.left_out.as_ref().filter(|_| reached.separating.is_none()) else {
        return Ok(reached);
    };
    let rows = objective.rows();
    let unclear = matches!(dependence, Dependence::Unclear);
    let leads = match LeftOut::of(objective, left_out, &outcome.place.at)? {
        LeftOut::Nothing => unclear,
        LeftOut::Leads => unclear || rows.model() == Model::SigmoidLogLoss,
        LeftOut::Separates(columns) => return Ok(Reached { separating: Some(columns), ..reached }),
    };
    if leads && reweighted::pays(rows) {
        go_on(objective, l2, reached, Cancelling::Likely, settings, observer)
    } else {
        Ok(reached)
    }
}

/// The minimum where some values are far from all others of their column, in variables that these do not decide.
fn beyond_far_values(
    objective: &Standardised<'_>,
    l2: f64,
    far_values: &FarValues,
    outcome: &Outcome,
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Reached, Error> {
    let mut reached = Reached::of(objective, outcome);
    let lower = if reached.n_iter < settings.max_iter {
        without_far_rows(objective, l2, far_values, &reached, settings, observer)?
    } else {
        None
    };
    if let Some(lower) = lower {
        reached = lower;
    } else {
        reached.separating = separation(objective, outcome, Cancelling::ButInFarRows)?;
    }
    if reached.separating.is_none() && reached.has_arrived() {
        reached = go_on(objective, l2, reached, Cancelling::ButInFarRows, settings, observer)?;
    }
    Ok(reached)
}

/// The minimum over the other rows, where the whole objective is lower there: one step, however many led to it.
fn without_far_rows(
    objective: &Standardised<'_>,
    l2: f64,
    far_values: &FarValues,
    reached: &Reached,
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Option<Reached>, Error> {
    let rows = objective.rows();
    let Some(weights) = far_values.weights_without(rows, &reached.parameters)? else { return Ok(None) };
    let minimum = || -> Result<Option<(Smooth, f64, Parameters)>, Error> {
        let others = rows.with_weights(&weights)?;
        let l2 = l2 * rows.summary().weight_sum / weights.sum();
        let found = minimise(&others, l2, None, settings, &mut unobserved)?;
        let mut gradient = Parameters::zeros(rows.n_features());
        let cost = rows.cost_gradient(&found.parameters, &mut gradient)?;
        let (_, cost, gradient) = objective.enter(&found.parameters, cost, &gradient);
        Ok((cost < reached.cost - ROUNDING * reached.cost).then_some((found, cost, gradient)))
    };
    let Some((found, cost, gradient)) = unless_interrupted(minimum())? else { return Ok(None) };
    let n_iter = reached.n_iter + 1;
    let gradient_norm = objective.frame().leave_gradient(&gradient).norm();
    let wish = observer(&Step { iteration: n_iter, parameters: &found.parameters, cost, gradient_norm })?;
    let is_separated = found.stop_reason == StopReason::Separation;
    Ok(Some(Reached {
        parameters: found.parameters,
        cost,
        gradient,
        n_iter,
        stop_reason: wish.break_value().unwrap_or(found.stop_reason),
        condition: found.condition,
        separating: is_separated.then_some(found.separating),
    }))
}

/// The objective, and where to start from.
type Beginning<'r> = (Standardised<'r>, (Place, Curvature));

fn begin<'r>(rows: &'r RowObjective<'r>, l2: f64, settings: Settings) -> Result<Beginning<'r>, Error> {
    let other = from_part(rows, l2, 0.0, settings)?;
    if rows.model() == Model::SigmoidSquaredError { from_log_loss(other, l2, settings) } else { Ok(other) }
}

/// Squared error on the sigmoid has minima that are not the lowest. The minimum of the log loss, which has but one, is
/// mostly near that; unless no weights, or a part of the rows, lead lower.
fn from_log_loss(other: Beginning<'_>, l2: f64, settings: Settings) -> Result<Beginning<'_>, Error> {
    let (objective, other) = other;
    let rows = objective.rows().with_model(Model::SigmoidLogLoss)?;
    let rough = Settings { max_iter: 20, tol: 1e-3, ..settings };
    let (log_loss, start) = from_part(&rows, l2, 0.0, rough)?;
    let found = quasi_newton(&log_loss, start, rough, &mut unobserved)?;
    let at = log_loss.frame().leave(&found.place.at);
    let found = unless_overflow(first_place(&objective, objective.frame().enter(&at), None, settings))?;
    let lower = found.filter(|found| found.0.cost < other.0.cost);
    Ok((objective, lower.unwrap_or(other)))
}

/// The first evaluation; the scales of the columns are found in the same pass.
fn begin_at<'r>(
    rows: &'r RowObjective<'r>,
    l2: f64,
    ridge: f64,
    at: &Parameters,
    settings: Settings,
) -> Result<Beginning<'r>, Error> {
    if hessian_pays_from_nowhere(rows, settings) {
        // It is formed in variables of these scales.
        let objective = Standardised::new(rows, l2)?.with_ridge(ridge);
        let found = first_place(&objective, objective.frame().enter(at), None, settings)?;
        return Ok((objective, found));
    }
    let (objective, place) = evaluate_at(rows, l2, ridge, at)?;
    let curvature = Curvature::Diagonal(objective.diagonal());
    Ok((objective, (place, curvature)))
}

fn evaluate_at<'r>(
    rows: &'r RowObjective<'r>,
    l2: f64,
    ridge: f64,
    at: &Parameters,
) -> Result<(Standardised<'r>, Place), Error> {
    let mut gradient = Parameters::zeros(at.n_features());
    let (objective, cost) = Standardised::evaluated(rows, l2, at, &mut gradient)?;
    let objective = objective.with_ridge(ridge);
    let (at, cost, gradient) = objective.enter(at, cost, &gradient);
    Ok((objective, Place { at, cost, gradient }))
}

fn unobserved(_: &Step<'_>) -> Result<ControlFlow<StopReason>, Error> {
    Ok(ControlFlow::Continue(()))
}

/// A part is one row of so many, the first of these; of rows that are collected the first that fits. Primes, since data made
/// by hand repeat patterns of other lengths.
const PARTS: [usize; 5] = [17, 37, 79, 163, 331];
/// A part of rows that lie in columns is collected, since each of its passes would read about half of all; it fills at most
/// this much.
const MAX_PART_BYTES: usize = 12 << 20;
/// A part has at least so many rows, and so many for each column.
const MIN_ROWS: usize = 1000;
const MIN_ROWS_A_COLUMN: usize = 20;

/// The minimum over a part of the rows, or the null model where that is better or the rows are few. `ridge` is added to
/// the penalty in standardised variables.
fn from_part<'r>(rows: &'r RowObjective<'r>, l2: f64, ridge: f64, settings: Settings) -> Result<Beginning<'r>, Error> {
    // A part may lack a class, or overflow; what is wrong with the data the whole will tell.
    if let Some(Part { at, spread, curvature: of_part }) = unless_interrupted(part(rows, l2, settings))?
        && let Some((objective, place)) = unless_overflow(evaluate_at(rows, l2, ridge, &at))?
        && place.cost <= objective.null_cost()
    {
        let alike = objective.varies_like(&spread);
        let curvature = if alike { of_some_rows(&objective, &place, &of_part, settings)? } else { None };
        let start = match curvature {
            Some(curvature) => (place, curvature),
            None if hessian_pays_from_nowhere(rows, settings) => {
                first_place(&objective, place.at, Some(&of_part), settings)?
            }
            None => (place, Curvature::Diagonal(objective.diagonal())),
        };
        return Ok((objective, start));
    }
    begin_at(rows, l2, ridge, &rows.null_model(), settings)
}

/// The minimum over a part of the rows.
struct Part {
    /// In the data's own units.
    at: Parameters,
    spread: Spread,
    curvature: Curvature,
}

fn part(whole: &RowObjective<'_>, l2: f64, settings: Settings) -> Result<Option<Part>, Error> {
    let (m, n) = (whole.samples().n_samples(), whole.samples().n_features());
    // A row of much weight is in no part, or is all that a part is of.
    let has_enough = |step: usize| {
        let n_effective = whole.n_effective() / step as f64;
        n_effective >= MIN_ROWS as f64 && n_effective >= (MIN_ROWS_A_COLUMN * n) as f64
    };
    let fits = |step: usize| m.div_ceil(step).saturating_mul(n * size_of::<f64>()) <= MAX_PART_BYTES;
    let collected = PARTS.into_iter().find(|&step| fits(step)).filter(|&step| has_enough(step));
    let collected = collected.filter(|_| whole.samples().features().is_by_columns());
    let step = collected.unwrap_or(PARTS[0]);
    if !has_enough(step) {
        return Ok(None);
    }
    let mut values = Vec::new();
    let mut rows = whole.every(step, 0)?;
    if collected.is_some() {
        rows = rows.collected(&mut values)?;
    }
    let n_rows = m / step;
    // The minimum over the part is as far from that of the whole as its gradient there is long, 1/√m.
    let settings = Settings { max_iter: 30, tol: 0.05 / (n_rows as f64).sqrt(), negligible: 1.0, ..settings };
    // So few rows are easily separated; a little ridge, of the size of one row's cost, keeps the weights finite.
    let (objective, start) = from_part(&rows, l2, 1.0 / n_rows as f64, settings)?;
    let Outcome { place, curvature, .. } = quasi_newton(&objective, start, settings, &mut unobserved)?;
    Ok(Some(Part { at: objective.frame().leave(&place.at), spread: objective.into_spread(), curvature }))
}

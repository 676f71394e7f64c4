//! The minimum with an `l1` penalty: exact zeros, and a certificate by the conditions of a minimum
//! (Karush, Kuhn, Tucker).

use std::ops::ControlFlow;

use super::coordinate_descent::{shrink, violation};
use super::separation::are_all_alike;
use super::smooth::Smooth;
use super::working_set::Model;
use super::{Observer, Patience, Progress, ROUNDING, Settings, Step, StopReason, unless_overflow};
use crate::error::Error;
use crate::model::Parameters;
use crate::objective::{Objective, RowObjective, Standardised};

const DECREASE: f64 = 1e-4;
const MAX_TRIALS: usize = 40;

/// An objective `F = C + (l2/2) ‖w‖² + l1 ‖w‖₁` in standardised variables.
pub(super) struct Sparse<'r> {
    pub(super) smooth: Standardised<'r>,
    /// `l1 / scale`.
    pub(super) lambda: Vec<f64>,
}

#[derive(Clone)]
pub(super) struct Place {
    pub(super) at: Parameters,
    /// `F`.
    pub(super) cost: f64,
    /// Of the smooth part.
    pub(super) gradient: Parameters,
}

/// How far parameters in the data's own variables are from a minimum; see [`Sparse::optimality`].
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn optimality(rows: &RowObjective<'_>, penalties: (f64, f64), at: &Parameters) -> Result<f64, Error> {
    let sparse = Sparse::new(rows, penalties)?;
    let place = sparse.place(sparse.smooth.frame().enter(at))?;
    Ok(sparse.optimality(&place))
}

impl<'r> Sparse<'r> {
    pub(super) fn new(rows: &'r RowObjective<'r>, (l1, l2): (f64, f64)) -> Result<Self, Error> {
        let smooth = Standardised::new(rows, l2)?;
        let lambda = smooth.frame().scale().iter().map(|scale| l1 / scale).collect();
        Ok(Self { smooth, lambda })
    }
}

impl Sparse<'_> {
    pub(super) fn place(&self, at: Parameters) -> Result<Place, Error> {
        let mut gradient = Parameters::zeros(at.n_features());
        let cost = self.smooth.cost_gradient(&at, &mut gradient)? + self.penalty(&at);
        Ok(Place { at, cost, gradient })
    }

    pub(super) fn penalty(&self, at: &Parameters) -> f64 {
        at.weights.iter().zip(&self.lambda).map(|(u, lambda)| lambda * u.abs()).sum()
    }

    /// What a step changes of `F`, the smooth part as its slope says.
    fn change(&self, from: &Place, step: &Parameters) -> f64 {
        let mut moved = from.at.clone();
        moved.add_scaled(1.0, step);
        step.dot(&from.gradient) + self.penalty(&moved) - self.penalty(&from.at)
    }

    /// How far a weight is from the conditions of a minimum.
    pub(super) fn violation(&self, place: &Place, j: usize) -> f64 {
        violation(place.at.weights[j], place.gradient.weights[j], self.lambda[j])
    }

    /// The largest violation of these conditions.
    pub(super) fn optimality(&self, place: &Place) -> f64 {
        self.optimality_among(place, 0..self.lambda.len())
    }

    /// That of some columns and the bias alone.
    pub(super) fn optimality_among(&self, place: &Place, columns: impl Iterator<Item = usize>) -> f64 {
        let largest = columns.map(|j| self.violation(place, j)).fold(place.gradient.bias.abs(), f64::max);
        largest / self.smooth.rows().unit()
    }

    /// The subgradient of least norm, in the data's own variables.
    fn gradient_norm(&self, place: &Place) -> f64 {
        let mut least = place.gradient.clone();
        for ((g, &u), &lambda) in least.weights.iter_mut().zip(&place.at.weights).zip(&self.lambda) {
            *g = if u == 0.0 { shrink(*g, lambda) } else { *g + lambda * u.signum() };
        }
        self.smooth.frame().leave_gradient(&least).norm()
    }
}

/// From `start`, or from no weights, to the minimum.
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn minimise_sparse(
    rows: &RowObjective<'_>,
    (l1, l2): (f64, f64),
    start: Option<&Parameters>,
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Smooth, Error> {
    let rows = &rows.with_bends();
    let sparse = Sparse::new(rows, (l1, l2))?;
    let mut known = None;
    if let Some(given) = start.map(|start| sparse.smooth.frame().enter(start)) {
        // A start that is worse than none may lie where the sigmoid is flat.
        let given = sparse.place(given)?;
        let null = sparse.place(rows.null_model())?;
        known = Some(if given.cost <= null.cost { given } else { null });
    }
    let mut course = Report { sparse: &sparse, settings, observer, n_iter: 0, patience: Patience::default() };
    let (place, stop_reason) = newton(&mut course, known)?;
    Ok(Smooth {
        dependent: Vec::new(),
        parameters: sparse.smooth.frame().leave(&place.at),
        n_iter: course.n_iter,
        stop_reason: if are_all_alike(rows) && stop_reason.is_arrival() { StopReason::Separation } else { stop_reason },
        optimality: sparse.optimality(&place),
        condition: None,
        separating: Vec::new(),
    })
}

struct Report<'a, 'r, 'o> {
    sparse: &'a Sparse<'r>,
    settings: Settings,
    observer: &'a mut Observer<'o>,
    n_iter: usize,
    patience: Patience,
}

impl Report<'_, '_, '_> {
    /// Reports a place, where the next step promises to lower `F` by so much, and says whether to stop there.
    fn look(&mut self, place: &Place, promised: f64) -> Result<Option<StopReason>, Error> {
        let outer = self.sparse.smooth.frame().leave(&place.at);
        let gradient_norm = self.sparse.gradient_norm(place);
        let step = Step { iteration: self.n_iter, parameters: &outer, cost: place.cost, gradient_norm };
        let wish = (self.observer)(&step)?;
        // Small violations add up to something where columns are nearly dependent.
        let little = self.settings.promise(place.cost, self.sparse.smooth.rows());
        let is_small = self.sparse.optimality(place) <= self.settings.tol;
        let in_vain = self.patience.is_over(is_small, place.cost);
        if is_small && (promised <= little || in_vain) {
            return Ok(Some(StopReason::Tolerance));
        }
        if let ControlFlow::Break(reason) = wish {
            return Ok(Some(reason));
        }
        let last = if is_small { StopReason::Tolerance } else { StopReason::MaxIter };
        Ok((self.n_iter >= self.settings.max_iter).then_some(last))
    }

    /// Why to stop where no step helps.
    fn at_the_end(&self, place: &Place) -> StopReason {
        if self.sparse.optimality(place) <= self.settings.tol { StopReason::Tolerance } else { StopReason::Rounding }
    }
}

/// What steps to a model's minimum may leave of the violation where that minimum is not the last.
const LOOSE: f64 = 0.1;
const FIRM: f64 = 0.03;
/// What is added to each column's curvature where that of the place promises too much, such as where many rows are on the
/// wrong side and their sigmoid is flat: the first time; so much that it is tried no more; and so little that it is nothing.
const DAMPING: f64 = 0.05;
const MAX_DAMPING: f64 = 1e6;
const MIN_DAMPING: f64 = 1e-3;

/// Proximal Newton: each step minimises the quadratic model with the penalty (Lee, Sun and Saunders, *SIAM Journal on
/// Optimization* 24, 2014); of many columns a model of those alone that are expected to have a weight. If these are too many
/// yet, steps along the gradient have to do. Without a start it is from no weights.
fn newton(course: &mut Report<'_, '_, '_>, start: Option<Place>) -> Result<(Place, StopReason), Error> {
    let sparse = course.sparse;
    let (quadratic, tol) = (sparse.smooth.rows().is_quadratic(), course.settings.tol);
    let (mut place, mut model) = sparse.place_and_model(start)?;
    // Whether the model has become too old to be of use, and whether it has led nowhere yet.
    let (mut slow, mut is_first) = (false, true);
    let mut progress = Progress::default();
    // Where offsets or a start lead to the wrong side, and the sigmoid is flat there.
    let is_flat = |model: &Model| model.curvature() < 0.75 * sparse.smooth.diagonal().bias;
    let is_wrong = !quadratic && place.cost > 1.05 * sparse.smooth.cost_of_mean();
    let mut damping = if is_wrong && model.as_ref().is_some_and(is_flat) { DAMPING } else { 0.0 };
    loop {
        if model.as_ref().is_some_and(|model| model.leaves_out(sparse, &place, course.settings)) {
            let is_good = quadratic || !slow;
            model = sparse.model_of_more(&place, model.as_ref(), is_good)?;
            (slow, is_first) = (false, true);
        } else if let Some(old) = model.as_ref().filter(|_| slow && sparse.optimality(&place) > tol) {
            let again;
            (place, again) = sparse.place_and_model_again(place, old)?;
            model = Some(again);
            slow = false;
        }
        let Some(found) = &model else {
            return match course.look(&place, f64::INFINITY)? {
                Some(reason) => Ok((place, reason)),
                None => along_gradients(course, place),
            };
        };
        let mut fresh = found.is_of(&place);
        // Others may have to join its columns; and the minimum of an old one is not that of `F`.
        let is_exact = fresh || quadratic;
        let may_be_left = if is_first && !found.is_of_all() {
            LOOSE
        } else if is_exact {
            0.0
        } else {
            FIRM
        };
        let (mut step, mut work) = found.step(sparse, &place, tol, damping, may_be_left)?;
        // Where the model is of another place, it may promise less than there is.
        let times = if is_exact { 1.0 } else { 10.0 };
        let promised = if damping == 0.0 { -sparse.change(&place, &step) * times } else { f64::INFINITY };
        if let Some(reason) = course.look(&place, promised)? {
            return Ok((place, reason));
        }
        let before = sparse.optimality(&place);
        let ended = progress.has_ended(place.cost, before, ROUNDING);
        let mut next = if ended || slow { None } else { line_search(sparse, &place, &step)? };
        if !ended && !fresh && next.is_none() {
            let again;
            (place, again) = sparse.place_and_model_again(place, found)?;
            (step, work) = again.step(sparse, &place, tol, damping, 0.0)?;
            next = line_search(sparse, &place, &step)?;
            model = Some(again);
            fresh = true;
        }
        if let Some(found) = &model {
            while !ended && fresh && !quadratic && next.is_none() && damping < MAX_DAMPING {
                damping = (100.0 * damping).max(DAMPING);
                (step, work) = found.step(sparse, &place, tol, damping, 0.0)?;
                next = line_search(sparse, &place, &step)?;
            }
        }
        let Some((next, length)) = next else {
            let reason = course.at_the_end(&place);
            return Ok((place, reason));
        };
        if length < 0.5 && !quadratic {
            damping = (4.0 * damping).max(DAMPING);
        } else {
            damping = if damping > MIN_DAMPING { 0.1 * damping } else { 0.0 };
        }
        course.n_iter += 1;
        place = next;
        is_first = false;
        slow = !quadratic && model.as_ref().is_some_and(|model| model.is_slow(sparse, (before, work), &place, tol));
    }
}

/// A place on the way, and what share of it was gone; whole step first.
fn line_search(sparse: &Sparse<'_>, from: &Place, step: &Parameters) -> Result<Option<(Place, f64)>, Error> {
    let mut moved = from.at.clone();
    moved.add_scaled(1.0, step);
    let promised = sparse.change(from, step);
    if promised.is_nan() || promised > ROUNDING * from.cost.abs() {
        return Ok(None);
    }
    let promised = promised.min(0.0);
    let mut length = 1.0;
    for _ in 0..MAX_TRIALS {
        let at = if length == 1.0 {
            moved.clone()
        } else {
            let mut at = from.at.clone();
            at.add_scaled(length, step);
            at
        };
        if at == from.at {
            return Ok(None);
        }
        if let Some(place) = unless_overflow(sparse.place(at))? {
            let level = place.cost <= from.cost + ROUNDING * from.cost.abs();
            let nearer = || sparse.optimality(&place) < 0.9 * sparse.optimality(from);
            let decreases = promised < 0.0 && place.cost <= from.cost + DECREASE * length * promised;
            if decreases || level && nearer() {
                return Ok(Some((place, length)));
            }
        }
        length *= 0.5;
    }
    Ok(None)
}

/// FISTA with a search for the step and restarts (Beck and Teboulle, *SIAM Journal on Imaging Sciences* 2, 2009;
/// O'Donoghue and Candès, *Foundations of Computational Mathematics* 15, 2015), from a place that has been looked at.
fn along_gradients(course: &mut Report<'_, '_, '_>, mut place: Place) -> Result<(Place, StopReason), Error> {
    let sparse = course.sparse;
    let diagonal = sparse.smooth.diagonal();
    let mut ahead = place.clone();
    let mut length = 1.0;
    let mut momentum = 1.0_f64;
    loop {
        // After a restart the place is the same.
        if momentum > 1.0
            && let Some(reason) = course.look(&place, 0.0)?
        {
            return Ok((place, reason));
        }
        let smooth_cost = ahead.cost - sparse.penalty(&ahead.at);
        let mut found = None;
        for _ in 0..MAX_TRIALS {
            let mut at = ahead.at.clone();
            for (j, u) in at.weights.iter_mut().enumerate() {
                let scale = length / diagonal.weights[j];
                *u = shrink(*u - scale * ahead.gradient.weights[j], scale * sparse.lambda[j]);
            }
            at.bias -= length / diagonal.bias * ahead.gradient.bias;
            let mut step = at.clone();
            step.add_scaled(-1.0, &ahead.at);
            let square: f64 = step.weights.iter().zip(&diagonal.weights).map(|(s, d)| s * s * d).sum::<f64>()
                + step.bias * step.bias * diagonal.bias;
            if let Some(next) = unless_overflow(sparse.place(at))? {
                let bound = smooth_cost + ahead.gradient.dot(&step) + square / (2.0 * length);
                let cost = next.cost - sparse.penalty(&next.at);
                if cost <= bound + ROUNDING * smooth_cost.abs() {
                    found = Some(next);
                    break;
                }
            }
            length *= 0.5;
        }
        let Some(next) = found else {
            let reason = course.at_the_end(&place);
            return Ok((place, reason));
        };
        if next.cost > place.cost {
            if momentum == 1.0 {
                let reason = course.at_the_end(&place);
                return Ok((place, reason));
            }
            momentum = 1.0;
            ahead = place.clone();
            continue;
        }
        let faster = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
        let share = (momentum - 1.0) / faster;
        momentum = faster;
        let mut at = next.at.clone();
        at.add_scaled(share, &next.at);
        at.add_scaled(-share, &place.at);
        place = next;
        ahead = if share == 0.0 { place.clone() } else { sparse.place(at)? };
        course.n_iter += 1;
        // A step that was halved once may be too short later on.
        length *= 1.1;
    }
}

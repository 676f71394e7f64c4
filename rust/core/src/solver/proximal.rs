//! The minimum with an `l1` penalty: exact zeros, and a certificate by the conditions of a minimum
//! (Karush, Kuhn, Tucker).

use std::ops::ControlFlow;

use ndarray::{Array1, Array2};

use super::coordinate_descent::{coordinate_descent, shrink, violation};
use super::smooth::Smooth;
use super::{Observer, Progress, ROUNDING, Settings, Step, StopReason};
use crate::error::Error;
use crate::kernel::Precision;
use crate::model::Parameters;
use crate::objective::{Hessian, Objective, RowObjective, Standardised};

/// With up to so many columns the products of all pairs are formed; with more, steps along the gradient have to do.
const MAX_COLUMNS: usize = 2048;
const DECREASE: f64 = 1e-4;
const MAX_TRIALS: usize = 40;

/// An objective `F = C + (l2/2) ‖w‖² + l1 ‖w‖₁` in standardised variables.
struct Sparse<'r> {
    smooth: Standardised<'r>,
    /// `l1 / scale`.
    lambda: Vec<f64>,
    /// What a violation is divided by: for the linear model the targets' standard deviation.
    unit: f64,
}

#[derive(Clone)]
struct Place {
    at: Parameters,
    /// `F`.
    cost: f64,
    /// Of the smooth part.
    gradient: Parameters,
}

impl Sparse<'_> {
    fn place(&self, at: Parameters) -> Result<Place, Error> {
        let mut gradient = Parameters::zeros(at.n_features());
        let cost = self.smooth.cost_gradient(&at, &mut gradient)? + self.penalty(&at);
        Ok(Place { at, cost, gradient })
    }

    fn place_and_hessian(&self, at: Parameters) -> Result<(Place, Hessian), Error> {
        let mut gradient = Parameters::zeros(at.n_features());
        let (cost, hessian) = self.smooth.cost_gradient_hessian(&at, &mut gradient, Precision::Double)?;
        let cost = cost + self.penalty(&at);
        Ok((Place { at, cost, gradient }, hessian))
    }

    fn penalty(&self, at: &Parameters) -> f64 {
        at.weights.iter().zip(&self.lambda).map(|(u, lambda)| lambda * u.abs()).sum()
    }

    /// What a step changes of `F`, the smooth part as its slope says.
    fn change(&self, from: &Place, step: &Parameters) -> f64 {
        let mut moved = from.at.clone();
        moved.add_scaled(1.0, step);
        step.dot(&from.gradient) + self.penalty(&moved) - self.penalty(&from.at)
    }

    /// The largest violation of the conditions of a minimum.
    fn optimality(&self, place: &Place) -> f64 {
        let weights = place.at.weights.iter().zip(&place.gradient.weights).zip(&self.lambda);
        let largest =
            weights.fold(place.gradient.bias.abs(), |acc, ((&u, &g), &lambda)| acc.max(violation(u, g, lambda)));
        if largest == 0.0 { 0.0 } else { largest / self.unit }
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
    let smooth = Standardised::new(rows, l2)?;
    let lambda = smooth.frame().scale().iter().map(|scale| l1 / scale).collect();
    let given = start.map(|start| smooth.frame().enter(start));
    let mut sparse = Sparse { smooth, lambda, unit: 1.0 };
    if rows.is_quadratic() {
        let null = sparse.place(rows.null_model())?;
        sparse.unit = if null.cost > 0.0 { null.cost.sqrt() } else { 1.0 };
    }
    // A start that is worse than none may lie where the sigmoid is flat.
    let start = match given {
        Some(given) if sparse.place(given.clone())?.cost <= sparse.smooth.null_cost() => given,
        _ => rows.null_model(),
    };
    let mut course = Report { sparse: &sparse, settings, observer, n_iter: 0 };
    let (place, stop_reason) = if rows.n_features() <= MAX_COLUMNS {
        newton(&mut course, start)?
    } else {
        along_gradients(&mut course, start)?
    };
    Ok(Smooth {
        parameters: sparse.smooth.frame().leave(&place.at),
        n_iter: course.n_iter,
        stop_reason,
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
}

impl Report<'_, '_, '_> {
    /// Reports a place, where the next step promises to lower `F` by so much, and says whether to stop there.
    fn look(&mut self, place: &Place, promised: f64) -> Result<Option<StopReason>, Error> {
        let outer = self.sparse.smooth.frame().leave(&place.at);
        let gradient_norm = self.sparse.gradient_norm(place);
        let step = Step { iteration: self.n_iter, parameters: &outer, cost: place.cost, gradient_norm };
        let wish = (self.observer)(&step)?;
        // Small violations add up to something where columns are nearly dependent.
        if self.sparse.optimality(place) <= self.settings.tol && promised <= self.settings.promise(place.cost) {
            return Ok(Some(StopReason::Tolerance));
        }
        if let ControlFlow::Break(reason) = wish {
            return Ok(Some(reason));
        }
        Ok((self.n_iter >= self.settings.max_iter).then_some(StopReason::MaxIter))
    }

    /// Why to stop where no step helps.
    fn at_the_end(&self, place: &Place) -> StopReason {
        if self.sparse.optimality(place) <= self.settings.tol { StopReason::Tolerance } else { StopReason::Rounding }
    }
}

/// A gradient that shrank by less than this asks for a new Hessian.
const SLOW: f64 = 0.1;

/// Proximal Newton: each step minimises the quadratic model with the penalty (Lee, Sun and Saunders, *SIAM Journal on
/// Optimization* 24, 2014).
fn newton(course: &mut Report<'_, '_, '_>, start: Parameters) -> Result<(Place, StopReason), Error> {
    let sparse = course.sparse;
    let quadratic = sparse.smooth.rows().is_quadratic();
    let (mut place, hessian) = sparse.place_and_hessian(start)?;
    let mut model = Model::new(&hessian);
    // Whether the model is of this place; and whether it has become too old to be of use.
    let (mut fresh, mut slow) = (true, false);
    let mut progress = Progress::default();
    loop {
        let mut step = model.step(sparse, &place, course.settings.tol)?;
        if let Some(reason) = course.look(&place, -sparse.change(&place, &step))? {
            return Ok((place, reason));
        }
        let before = sparse.optimality(&place);
        let ended = progress.has_ended(place.cost, before);
        let mut next = if ended || slow { None } else { line_search(sparse, &place, &step)? };
        if !ended && !fresh && next.is_none() {
            let hessian;
            (place, hessian) = sparse.place_and_hessian(place.at)?;
            model = Model::new(&hessian);
            step = model.step(sparse, &place, course.settings.tol)?;
            next = line_search(sparse, &place, &step)?;
        }
        let Some(next) = next else {
            let reason = course.at_the_end(&place);
            return Ok((place, reason));
        };
        course.n_iter += 1;
        place = next;
        (fresh, slow) = (false, !quadratic && sparse.optimality(&place) > SLOW * before);
    }
}

/// A Hessian with the bias eliminated.
struct Model {
    weights: Array2<f64>,
    cross: Array1<f64>,
    bias: f64,
}

impl Model {
    fn new(hessian: &Hessian) -> Self {
        let Hessian { weights, cross, bias, .. } = hessian.clone();
        let mut model = Self { weights, cross, bias };
        if bias > 0.0 {
            for ((i, j), entry) in model.weights.indexed_iter_mut() {
                *entry -= model.cross[i] * (model.cross[j] / bias);
            }
        }
        // A column that is constant moves nothing that the bias does not.
        for (j, square) in hessian.weights.diag().iter().enumerate() {
            if model.weights[[j, j]] <= 1e-14 * square {
                model.weights[[j, j]] = 0.0;
            }
        }
        model
    }

    fn step(&self, sparse: &Sparse<'_>, from: &Place, tol: f64) -> Result<Parameters, Error> {
        let of_bias = if self.bias > 0.0 { from.gradient.bias / self.bias } else { 0.0 };
        let mut slope: Vec<f64> =
            from.gradient.weights.iter().zip(&self.cross).map(|(g, cross)| g - cross * of_bias).collect();
        let mut u = from.at.weights.to_vec();
        // Tighter than what is wanted of the whole, and than what is left.
        let tol = (0.1 * tol * sparse.unit).min(1e-3 * sparse.optimality(from) * sparse.unit);
        coordinate_descent(&self.weights, &mut u, &mut slope, &sparse.lambda, tol, sparse.smooth.rows().context())?;
        let weights = Array1::from(u) - &from.at.weights;
        let bias = if self.bias > 0.0 { -of_bias - self.cross.dot(&weights) / self.bias } else { 0.0 };
        Ok(Parameters { weights, bias })
    }
}

fn line_search(sparse: &Sparse<'_>, from: &Place, step: &Parameters) -> Result<Option<Place>, Error> {
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
        match sparse.place(at) {
            Err(Error::Overflow) => {}
            place => {
                let place = place?;
                let level = place.cost <= from.cost + ROUNDING * from.cost.abs();
                let nearer = || sparse.optimality(&place) < 0.9 * sparse.optimality(from);
                let decreases = promised < 0.0 && place.cost <= from.cost + DECREASE * length * promised;
                if decreases || level && nearer() {
                    return Ok(Some(place));
                }
            }
        }
        length *= 0.5;
    }
    Ok(None)
}

/// FISTA with a search for the step and restarts (Beck and Teboulle, *SIAM Journal on Imaging Sciences* 2, 2009;
/// O'Donoghue and Candès, *Foundations of Computational Mathematics* 15, 2015).
fn along_gradients(course: &mut Report<'_, '_, '_>, start: Parameters) -> Result<(Place, StopReason), Error> {
    let sparse = course.sparse;
    let diagonal = sparse.smooth.diagonal();
    let mut place = sparse.place(start)?;
    let mut ahead = place.clone();
    let mut length = 1.0;
    let mut momentum = 1.0_f64;
    loop {
        // After a restart the place is the same.
        if (momentum > 1.0 || course.n_iter == 0)
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
            match sparse.place(at) {
                Err(Error::Overflow) => {}
                next => {
                    let next = next?;
                    let bound = smooth_cost + ahead.gradient.dot(&step) + square / (2.0 * length);
                    let cost = next.cost - sparse.penalty(&next.at);
                    if cost <= bound + ROUNDING * smooth_cost.abs() {
                        found = Some(next);
                        break;
                    }
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

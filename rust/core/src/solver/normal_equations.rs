//! Least squares by one pass: the Hessian is the same everywhere, so one step from anywhere arrives.

use super::factor::Factor;
use super::{Exact, unless_interrupted, unless_overflow};
use crate::error::Error;
use crate::frame::{self, Frame};
use crate::kernel::Precision;
use crate::model::Parameters;
use crate::objective::{Hessian, Objective, RowObjective};

/// Above this the products of the columns have lost too many of their sixteen digits to be relied on.
const MAX_CONDITION: f64 = 1e10;
/// Below this, with means that are not far from 0 and something left to explain, the products lose so few digits that
/// a correction is not worth a pass.
const HARMLESS: f64 = 1e3;
const FAR: f64 = 100.0;
const NEAR: f64 = 10.0;
const NEARLY_EXPLAINED: f64 = 1e-4;
const MAX_CORRECTIONS: usize = 5;
/// What products in single precision may leave of the parameters' error, unless more digits are wanted: less than those in
/// double precision lose where they are not corrected.
const ENOUGH: f64 = 1e-14;
/// The cost at the answer follows from that before the last step, if this step lowers it by no larger share.
const SMALL_SHARE: f64 = 1e-6;
/// Gradients of less are the sums' rounding errors: a step from there leaves the cost what it is.
const NO_GRADIENT: f64 = 1e-12;

/// With fewer columns, products in single precision save less than the pass more that they take, where it comes from memory.
/// A matrix unit, which takes a further pass, saves little more than they do.
const MANY_COLUMNS: usize = 144;
/// With a larger loss it takes more passes than that.
const SMALL_LOSS: f64 = 1e3;

/// By the Cholesky factor of the products of the centred columns; none if they are too nearly dependent.
///
/// Each correction is another step, with the gradient from a pass over the rows: so the digits that the products lost
/// come back, as with corrected seminormal equations (Björck, *Numerical Methods for Least Squares Problems*, 2.9). They
/// come back too where the products were formed in single precision, in half of the time.
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn normal_equations(rows: &RowObjective<'_>, l2: f64, tol: f64) -> Result<Option<Exact>, Error> {
    let n = rows.n_features();
    if n >= MANY_COLUMNS
        && looks_easy(rows, l2)?
        && let Some(equations) = Equations::form(rows, l2, Precision::Single)?
        && equations.near
        && equations.factor.loss() < SMALL_LOSS
        && let Some(found) = equations.solve(rows, l2, tol)?
    {
        return Ok(Some(found));
    }
    match Equations::form(rows, l2, Precision::Double)? {
        Some(equations) if equations.condition <= MAX_CONDITION => equations.solve(rows, l2, tol),
        _ => Ok(None),
    }
}

/// Whether some neighbouring columns, in some rows, are far from being dependent. Then all may be; else all are not.
pub(super) fn looks_easy(rows: &RowObjective<'_>, l2: f64) -> Result<bool, Error> {
    const ROWS: usize = 512;
    const COLUMNS: usize = 64;
    const FAR_FROM_DEPENDENT: f64 = 50.0;
    let (m, n) = rows.samples().features().shape();
    let first = n.saturating_sub(COLUMNS) / 2;
    let some = rows.every(m.div_ceil(ROWS), 0).and_then(|some| some.of_columns(first..n.min(first + COLUMNS)));
    let equations = some.and_then(|some| Equations::form(&some, l2, Precision::Double));
    Ok(unless_interrupted(equations)?.is_some_and(|found| found.condition < FAR_FROM_DEPENDENT))
}

/// The normal equations, factored.
struct Equations {
    precision: Precision,
    variables: Frame,
    null: Parameters,
    null_cost: f64,
    /// Of the null model, in these variables.
    gradient: Parameters,
    /// With the penalty.
    hessian: Hessian,
    penalty: Vec<f64>,
    factor: Factor,
    condition: f64,
    deviations: Vec<f64>,
    /// Whether no mean is far from 0, neither in the data's variables nor in these.
    near: bool,
}

impl Equations {
    fn form(rows: &RowObjective<'_>, l2: f64, precision: Precision) -> Result<Option<Self>, Error> {
        let mut variables = rows.frame();
        let null = rows.null_model();
        let form = |variables: &Frame| unless_overflow(rows.cost_gradient_hessian(&null, variables, precision));
        let Some((mut null_cost, mut gradient, mut hessian)) = form(&variables)? else { return Ok(None) };
        if moments(&hessian).any(|(mean, deviation)| mean.abs() > (FAR * deviation).max(1.0)) {
            // The rows that the variables were chosen by were not like the others.
            variables = variables.moved(hessian.means());
            let Some(found) = form(&variables)? else { return Ok(None) };
            (null_cost, gradient, hessian) = found;
        }
        let distances = variables.centre().iter().zip(variables.scale()).zip(moments(&hessian));
        let near = distances.into_iter().all(|((centre, scale), (mean, deviation))| {
            mean.abs() <= NEAR * deviation && (centre + scale * mean).abs() <= FAR * scale * deviation
        });
        let deviations = hessian.deviations();
        let penalty: Vec<f64> = variables.scale().iter().map(|scale| frame::penalty(l2, *scale)).collect();
        hessian.weights.diag_mut().iter_mut().zip(&penalty).for_each(|(h, penalty)| *h += penalty);
        let Some(factor) = Factor::new(&hessian, rows.intercept()) else { return Ok(None) };
        let condition = factor.condition();
        Ok((!condition.is_nan()).then_some(Self {
            precision,
            variables,
            null,
            null_cost,
            gradient,
            hessian,
            penalty,
            factor,
            condition,
            deviations,
            near,
        }))
    }

    /// `−H⁻¹ g`, right to the digits that the products have; a factor in single precision has fewer.
    fn step(&self, gradient: &Parameters) -> Parameters {
        let mut step = self.factor.step(gradient);
        if self.precision != Precision::Double {
            let mut left = self.hessian.product(&step);
            left.add_scaled(1.0, gradient);
            step.add_scaled(1.0, &self.factor.step(&left));
        }
        step
    }

    /// None if the corrections do not bring back what single precision lost.
    fn solve(&self, rows: &RowObjective<'_>, l2: f64, tol: f64) -> Result<Option<Exact>, Error> {
        let &Self { precision, ref variables, null_cost, condition, ref deviations, .. } = self;
        let n = rows.n_features();
        let mut inner_gradient = self.gradient.clone();
        let null_norm = variables.leave_gradient(&inner_gradient).norm();
        let mut inner = variables.enter(&self.null);
        let step = self.step(&inner_gradient);
        inner.add_scaled(1.0, &step);
        let mut place = None;
        let is_double = precision == Precision::Double;
        if is_double && self.near && condition < HARMLESS {
            // The objective is quadratic: what it and its gradient are there follows from here.
            let product = self.hessian.product(&step);
            let cost = null_cost + (inner_gradient.dot(&step) + 0.5 * step.dot(&product));
            inner_gradient.add_scaled(1.0, &product);
            let size = size(&inner_gradient, deviations) / rows.unit();
            if cost >= NEARLY_EXPLAINED * null_cost && size <= 0.01 * tol {
                place = Some((inner.clone(), cost, variables.leave_gradient(&inner_gradient).norm(), size));
            }
        }
        let mut gradient = Parameters::zeros(n);
        let mut before = size(&self.gradient, deviations) / rows.unit();
        let needed = corrections(condition);
        let enough = if tol >= ENOUGH { ENOUGH } else { f64::EPSILON };
        for correction in 1..=MAX_CORRECTIONS {
            if place.is_some() {
                break;
            }
            let outer = variables.leave(&inner);
            let cost = rows.cost_gradient(&outer, &mut gradient)?;
            inner_gradient = variables.enter_gradient(&gradient);
            let weights = || outer.weights.iter().zip(&inner.weights).zip(&self.penalty);
            inner_gradient.weights.iter_mut().zip(weights()).for_each(|(g, ((_, w), penalty))| *g += penalty * w);
            let size = size(&inner_gradient, deviations) / rows.unit();
            let objective = cost + 0.5 * l2 * outer.weights.dot(&outer.weights);
            let norm = variables.leave_gradient(&inner_gradient).norm();
            let step = self.step(&inner_gradient);
            inner.add_scaled(1.0, &step);
            let gain = -0.5 * inner_gradient.dot(&step);
            let is_known = gain <= SMALL_SHARE * objective;
            // No need to look again after the last.
            let rate = if before > 0.0 { size / before } else { 0.0 };
            let after = |corrections: usize| size * rate.powi(corrections as i32) * condition;
            let arrived =
                if is_double { correction == needed } else { after(1) < enough && (is_known || size < NO_GRADIENT) };
            if !is_double && after(MAX_CORRECTIONS + 1 - correction) >= enough {
                break;
            }
            if arrived {
                let cost = if is_known { objective - gain } else { objective };
                // What a step leaves is less than what it started from, as the steps before it tell.
                let left = if is_double { 1.0 } else { (rate * condition).max(enough / size).min(1.0) };
                place = Some((inner.clone(), cost, norm * left, size * left));
            }
            before = size;
        }
        let Some((inner, cost, norm, optimality)) = place else { return Ok(None) };
        let dependent: Vec<usize> = (0..n).filter(|&j| self.factor.is_constant(j)).collect();
        Ok(Some(Exact {
            parameters: variables.leave(&inner),
            costs: [null_cost, cost],
            gradient_norms: [null_norm, norm],
            optimality,
            condition,
            rank: n - dependent.len(),
            dependent,
        }))
    }
}

/// Each leaves of the error `condition` times the rounding error, and some for the sums. That is not seen in gradients, which
/// are of the size of rounding errors from the first solution on.
fn corrections(condition: f64) -> usize {
    let left = (condition * 10.0 * f64::EPSILON).log10();
    let solutions = (f64::EPSILON.log10() / left).ceil();
    (solutions as usize).saturating_sub(1).clamp(1, MAX_CORRECTIONS)
}

/// Mean and standard deviation of each column in the Hessian's variables.
fn moments(hessian: &Hessian) -> impl Iterator<Item = (f64, f64)> {
    hessian.means().zip(hessian.deviations())
}

/// The largest entry of a gradient, each in units in which its column has standard deviation 1.
fn size(gradient: &Parameters, deviations: &[f64]) -> f64 {
    let weights = gradient.weights.iter().zip(deviations).map(
        |(g, &deviation)| {
            if deviation > 0.0 { g.abs() / deviation } else { 0.0 }
        },
    );
    weights.fold(gradient.bias.abs(), f64::max)
}

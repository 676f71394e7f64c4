//! Least squares by one pass: the Hessian is the same everywhere, so one step from anywhere arrives.

mod dependent;

use dependent::{Dependent, without_dependent};
pub(super) use dependent::{dependent_columns, part_along_null_space};

use super::factor::Factor;
use super::least_squares::Refinement;
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

/// Gradients of less are nothing in twice the precision either.
const NOTHING: f64 = 1e-26;

/// With fewer columns, products in single precision save less than the pass more that they take, where it comes from memory.
/// A matrix unit, which takes a further pass, saves little more than they do.
const MANY_COLUMNS: usize = 144;
/// With a larger loss it takes more passes than that.
const SMALL_LOSS: f64 = 1e3;

/// By the Cholesky factor of the products of the centred columns; none if they are too nearly dependent.
///
/// Each correction is another step, with the gradient from a pass over the rows: so the digits that the products lost
/// come back, as with corrected seminormal equations (Björck, *Numerical Methods for Least Squares Problems*, 2.9). They
/// come back too where the products were formed in single precision, in half of the time. Where a mean is far from 0, such
/// a gradient has lost digits of its own, and corrections are by residuals in twice the precision.
///
/// Columns that are combinations of others, such as one indicator of each category too many, are left out, once the rows
/// have shown that they are; of all minima the one with the least weights follows from that without them.
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
    Ok(unless_interrupted(equations)?
        .is_some_and(|found| found.dependent.is_empty() && found.condition < FAR_FROM_DEPENDENT))
}

/// Whether products of the columns show that none depends on others, nor is constant.
pub(super) fn are_independent(rows: &RowObjective<'_>) -> Result<bool, Error> {
    let equations = Equations::form(rows, 0.0, Precision::Double)?;
    Ok(equations.is_some_and(|found| found.condition <= MAX_CONDITION && found.left_out().next().is_none()))
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
    /// Of the columns that no others determine.
    factor: Factor,
    condition: f64,
    /// The other columns.
    dependent: Vec<Dependent>,
    /// Of the columns in these variables; 0 of one that is constant, of which nothing else is left.
    deviations: Vec<f64>,
    /// Whether no mean is far from 0 in these variables; and whether none is in the data's own either.
    centred: bool,
    near: bool,
}

/// Where a solution is, in the caller's units, and what is known of it.
struct Place {
    parameters: Parameters,
    cost: f64,
    norm: f64,
    /// The largest entry of the gradient in standardised variables.
    size: f64,
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
        let deviations = hessian.deviations();
        let is_near = |mean: f64, deviation: f64| mean.abs() <= FAR * deviation;
        let (mut centred, mut near) = (true, is_near(null.bias, null_cost.sqrt()));
        for (j, (mean, deviation)) in moments(&hessian).enumerate().filter(|(_, (_, deviation))| *deviation > 0.0) {
            let (centre, scale) = (variables.centre()[j], variables.scale()[j]);
            centred &= mean.abs() <= NEAR * deviation;
            near &= is_near(centre + scale * mean, scale * deviation);
        }
        near &= centred;
        for j in (0..deviations.len()).filter(|&j| deviations[j] == 0.0) {
            gradient.weights[j] = 0.0;
            hessian.forget(j);
        }
        let penalty: Vec<f64> = variables.scale().iter().map(|scale| frame::penalty(l2, *scale)).collect();
        hessian.weights.diag_mut().iter_mut().zip(&penalty).for_each(|(h, penalty)| *h += penalty);
        let mut factor = Factor::regular(&hessian, rows.intercept(), rows.context())?;
        let mut dependent = Vec::new();
        if factor.is_none() && l2 == 0.0 && precision == Precision::Double {
            (factor, dependent) = without_dependent(&mut hessian, rows)?;
        }
        let Some(factor) = factor else { return Ok(None) };
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
            dependent,
            deviations,
            centred,
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

    /// None if corrections do not bring back what the products lost.
    fn solve(&self, rows: &RowObjective<'_>, l2: f64, tol: f64) -> Result<Option<Exact>, Error> {
        let mut inner = self.variables.enter(&self.null);
        let step = self.step(&self.gradient);
        inner.add_scaled(1.0, &step);
        let mut found = if let Some(place) = self.without_a_look(rows, &inner, &step, tol) {
            Some(place)
        } else {
            self.arrived(rows, l2, inner, tol)?
        };
        if !self.dependent.is_empty()
            && let Some(place) = found
        {
            found = unless_overflow(self.of_least_norm(rows, place, tol))?.flatten();
        }
        let dependent: Vec<usize> = self.left_out().collect();
        Ok(found.map(|Place { parameters, cost, norm, size }| Exact {
            parameters,
            costs: [self.null_cost, cost],
            gradient_norms: [self.variables.leave_gradient(&self.gradient).norm(), norm],
            optimality: size,
            condition: if self.dependent.is_empty() { self.condition } else { f64::INFINITY },
            rank: rows.n_features() - dependent.len(),
            dependent,
        }))
    }

    /// Columns that are constant or dependent.
    fn left_out(&self) -> impl Iterator<Item = usize> {
        (0..self.deviations.len()).filter(|&j| self.factor.is_constant(j))
    }

    /// From near the minimum to it.
    fn arrived(&self, rows: &RowObjective<'_>, l2: f64, inner: Parameters, tol: f64) -> Result<Option<Place>, Error> {
        if self.near { self.corrected(rows, l2, inner, tol) } else { self.refined(rows, l2, &inner) }
    }

    /// Where the first step leads, if nothing was lost that a correction would bring back. The objective is quadratic: what it
    /// and its gradient are there follows.
    fn without_a_look(
        &self,
        rows: &RowObjective<'_>,
        inner: &Parameters,
        step: &Parameters,
        tol: f64,
    ) -> Option<Place> {
        if self.precision != Precision::Double || !self.centred || self.condition >= HARMLESS {
            return None;
        }
        let product = self.hessian.product(step);
        let cost = self.null_cost + (self.gradient.dot(step) + 0.5 * step.dot(&product));
        let mut gradient = self.gradient.clone();
        gradient.add_scaled(1.0, &product);
        let size = self.size(&gradient, rows);
        let norm = self.variables.leave_gradient(&gradient).norm();
        let is_enough = cost >= NEARLY_EXPLAINED * self.null_cost && size <= 0.01 * tol;
        is_enough.then(|| Place { parameters: self.variables.leave(inner), cost, norm, size })
    }

    /// By gradients from passes over the rows.
    fn corrected(
        &self,
        rows: &RowObjective<'_>,
        l2: f64,
        mut inner: Parameters,
        tol: f64,
    ) -> Result<Option<Place>, Error> {
        let &Self { precision, ref variables, condition, .. } = self;
        let is_double = precision == Precision::Double;
        let mut gradient = Parameters::zeros(rows.n_features());
        let mut before = self.size(&self.gradient, rows);
        let needed = corrections(condition);
        let enough = if tol >= ENOUGH { ENOUGH } else { f64::EPSILON };
        for correction in 1..=MAX_CORRECTIONS {
            let outer = variables.leave(&inner);
            let cost = rows.cost_gradient(&outer, &mut gradient)?;
            let mut gradient = variables.enter_gradient(&gradient);
            let weights = || outer.weights.iter().zip(&inner.weights).zip(&self.penalty);
            gradient.weights.iter_mut().zip(weights()).for_each(|(g, ((_, w), penalty))| *g += penalty * w);
            self.forget_constants(&mut gradient);
            let size = self.size(&gradient, rows);
            let objective = cost + 0.5 * l2 * outer.weights.dot(&outer.weights);
            let norm = variables.leave_gradient(&gradient).norm();
            let step = self.step(&gradient);
            inner.add_scaled(1.0, &step);
            let gain = -0.5 * gradient.dot(&step);
            let is_known = gain <= SMALL_SHARE * objective;
            // No need to look again after the last.
            let rate = if before > 0.0 { size / before } else { 0.0 };
            let after = |corrections: usize| size * rate.powi(corrections as i32) * condition;
            let arrived =
                if is_double { correction == needed } else { after(1) < enough && (is_known || size < NO_GRADIENT) };
            if !is_double && after(MAX_CORRECTIONS + 1 - correction) >= enough {
                return Ok(None);
            }
            if arrived {
                let cost = if is_known { objective - gain } else { objective };
                // What a step leaves is less than what it started from, as the steps before it tell.
                let left = if is_double { 1.0 } else { (rate * condition).max(enough / size).min(1.0) };
                let parameters = variables.leave(&inner);
                return Ok(Some(Place { parameters, cost, norm: norm * left, size: size * left }));
            }
            before = size;
        }
        Ok(None)
    }

    /// By residuals in twice the precision. The last look is at what is left, and another step for nothing.
    fn refined(&self, rows: &RowObjective<'_>, l2: f64, inner: &Parameters) -> Result<Option<Place>, Error> {
        let mut refinement = Refinement::new(rows, l2, &self.variables, inner)?;
        let mut before = f64::INFINITY;
        for left in (0..=corrections(self.condition)).rev() {
            let (cost, mut gradient) = refinement.evaluate()?;
            self.forget_constants(&mut gradient);
            let size = self.size(&gradient, rows);
            if size.is_nan() || size > 0.1 * before {
                return Ok(None);
            }
            before = size;
            refinement.add(&self.step(&gradient));
            if left == 0 || size <= NOTHING {
                let norm = self.variables.leave_gradient(&gradient).norm();
                return Ok(Some(Place { parameters: refinement.parameters(), cost, norm, size }));
            }
        }
        Ok(None)
    }

    /// What rounding leaves of a constant column moves nothing, and would have a weight where a penalty is smaller.
    fn forget_constants(&self, gradient: &mut Parameters) {
        let columns = gradient.weights.iter_mut().zip(&self.deviations);
        columns.filter(|(_, deviation)| **deviation == 0.0).for_each(|(g, _)| *g = 0.0);
    }

    /// The largest entry of a gradient in units in which each column, and the targets, have standard deviation 1.
    fn size(&self, gradient: &Parameters, rows: &RowObjective<'_>) -> f64 {
        let columns = gradient.weights.iter().zip(&self.deviations);
        let weights = columns.map(|(g, &deviation)| if deviation > 0.0 { g.abs() / deviation } else { 0.0 });
        weights.fold(gradient.bias.abs(), f64::max) / rows.unit()
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

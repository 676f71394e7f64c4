//! The minimum of a smooth objective, by Newton's method with as few Hessians as pay.
//!
//! A step is `−H⁻¹ g` with the last Hessian that was formed, corrected by what later gradients tell of the curvature
//! (L-BFGS with `H` for its first matrix: Nocedal and Wright, *Numerical Optimization*, algorithm 7.4). A new Hessian
//! is formed when it is expected to save more passes than it costs.

use std::ops::ControlFlow;

use super::curvature::{Curvature, Memory};
use super::factor::Factor;
use super::line_search::{Place, Searched, evaluate, line_search};
use super::normal_equations::looks_easy;
use super::plan::{FROM_A_HESSIAN, FROM_NOWHERE, MANY_COLUMNS, Plan, Rates, passes_at};
use super::separation::leaves_no_row_wrong;
use super::{Observer, Patience, Progress, ROUNDING, Settings, Step, StopReason, unless_interrupted};
use crate::error::Error;
use crate::kernel::Precision;
use crate::model::Parameters;
use crate::objective::{Hessian, Objective, RowObjective, Standardised};

/// The precision that is tried first: what suits the loss of a part of the rows, if that is known.
fn first_precision(rows: &RowObjective<'_>, of_part: Option<&Curvature>) -> Result<Precision, Error> {
    if rows.n_features() < MANY_COLUMNS {
        return Ok(Precision::Double);
    }
    let known = of_part.map(Curvature::loss).filter(|loss| loss.is_finite());
    Ok(if let Some(loss) = known {
        Precision::for_loss(loss)
    } else if looks_easy(rows, 0.0)? {
        Precision::for_loss(1.0)
    } else {
        Precision::Double
    })
}

/// What is formed in the least precision, from the first on, that bears its loss.
fn in_least_precision<T>(
    first: Precision,
    form: impl Fn(Precision) -> Result<T, Error>,
    loss: impl Fn(&T) -> f64,
) -> Result<T, Error> {
    let mut precision = first;
    loop {
        precision = match form(precision) {
            // In double precision less overflows.
            Err(Error::Overflow) if precision != Precision::Double => Precision::Double,
            found if precision == Precision::Double => return found,
            found => {
                let found = found?;
                let loss = loss(&found);
                if precision.bears(loss) {
                    return Ok(found);
                }
                Precision::for_loss(loss)
            }
        };
    }
}

pub(crate) struct Outcome {
    pub(crate) place: Place,
    pub(crate) curvature: Curvature,
    pub(crate) n_iter: usize,
    pub(crate) stop_reason: StopReason,
    /// The last step that was taken.
    pub(crate) last_step: Option<Parameters>,
    /// A direction of which the last Hessian that was formed tells nothing, if there is one.
    pub(crate) left_out: Option<Parameters>,
    /// Whether the observer wished to stop.
    pub(crate) asked_to_stop: bool,
}

impl Outcome {
    pub(crate) fn has_arrived(&self) -> bool {
        self.stop_reason.is_arrival() && !self.asked_to_stop
    }
}

/// A gradient so large is not one of rounding.
const LARGE: f64 = 1e-5;
/// Where a step with the Hessian of its place leaves less of the gradient than this share, the next leaves the square of what
/// it left; unless the Hessian, by its condition, tells too little.
const QUADRATIC: f64 = 0.1;
const DETERMINED: f64 = 1e8;
/// Where the gradient leads along a direction of which the Hessian tells nothing, steps that lower the cost by less than this
/// share do not lead to the minimum.
const CREEPING: f64 = 1e-7;
/// By so much of it, at least; along columns that depend on others exactly it does not.
const ALONG: f64 = 1e-3;
/// A step that promises less than this share of the least that is possible leaves a direction out.
const SHARE: f64 = 0.1;

/// Evaluates the objective at `at`, with a Hessian if that pays and nothing is known of the curvature but perhaps that of
/// a part of the rows.
pub(crate) fn first_place(
    objective: &Standardised<'_>,
    at: Parameters,
    of_part: Option<&Curvature>,
    settings: Settings,
) -> Result<(Place, Curvature), Error> {
    let rows = objective.rows();
    let form = |precision| -> Result<(Place, Curvature), Error> {
        let (place, hessian) = evaluate(objective, at.clone(), precision)?;
        let factor = factored(objective, hessian)?;
        let curvature = factor.map_or_else(|| Curvature::Diagonal(objective.diagonal()), Curvature::Factored);
        Ok((place, curvature))
    };
    if !hessian_pays_from_nowhere(rows, settings) {
        return form(None);
    }
    in_least_precision(
        first_precision(rows, of_part)?,
        |precision| form(Some(precision)),
        |(_, curvature)| curvature.loss(),
    )
}

/// Whether a Hessian is formed where nothing is known of the curvature.
pub(crate) fn hessian_pays_from_nowhere(rows: &RowObjective<'_>, settings: Settings) -> bool {
    Plan::new(rows, settings).hessian_pays_from_nowhere()
}

/// From a place to the minimum.
pub(crate) fn quasi_newton(
    objective: &Standardised<'_>,
    start: (Place, Curvature),
    settings: Settings,
    observer: &mut Observer<'_>,
) -> Result<Outcome, Error> {
    let plan = Plan::new(objective.rows(), settings);
    let (mut place, mut curvature) = start;
    let mut memory = Memory::default();
    let mut rates = Rates::default();
    // Whether all of the Hessian is known, as it is at this place.
    let mut is_fresh = matches!(curvature, Curvature::Factored(_));
    // By what factor the next step shrinks the gradient, if that is known.
    let mut next_rate: Option<f64> = None;
    let mut was_whole = true;
    let mut sidling = Sidling::default();
    let mut progress = Progress::default();
    let mut iteration = 0;
    let mut last_step = None;
    let mut left_out = None;
    let mut doubt = Doubt::default();
    let mut patience = Patience::default();
    let (stop_reason, asked_to_stop) = loop {
        let size = objective.optimality(&place.gradient);
        let outer = objective.frame().leave(&place.at);
        let gradient_norm = objective.frame().leave_gradient(&place.gradient).norm();
        let wish = observer(&Step { iteration, parameters: &outer, cost: place.cost, gradient_norm })?;
        let mut direction = memory.direction(&place.gradient, &curvature);
        if direction.dot(&place.gradient) >= 0.0 {
            memory.clear();
            direction = memory.direction(&place.gradient, &curvature);
        }
        // What the next step promises: small gradients add up to something where columns are nearly dependent, or where
        // some value is far from all others of its column.
        let mut promised = -direction.dot(&place.gradient);
        let is_large = size > settings.tol.max(LARGE) && !matches!(curvature, Curvature::Diagonal(_));
        let least_promise = SHARE * objective.least_promise(&place.gradient);
        if is_large && promised < least_promise && !memory.is_empty() {
            memory.clear();
            direction = memory.direction(&place.gradient, &curvature);
            promised = -direction.dot(&place.gradient);
        }
        let leads_out = leads_out(&curvature, &place.gradient);
        let share = if leads_out { CREEPING } else { ROUNDING };
        let mut ended = progress.has_ended(place.cost, size, share);
        if is_large && (ended || promised < least_promise) {
            // It is what is known of the curvature that hides a descent: of a column, say, whose weight went where the
            // sigmoid is flat.
            left_out = curvature.left_out().or(left_out);
            curvature = Curvature::Diagonal(objective.diagonal());
            memory.clear();
            rates = Rates::default();
            is_fresh = false;
            doubt.rise();
            if ended {
                (progress, ended) = Default::default();
            }
            direction = memory.direction(&place.gradient, &curvature);
        }
        let is_wanted = leads_out && size > settings.tol && sidling.is_long();
        let down = is_wanted.then(|| curvature.down_left_out(&place.gradient)).flatten();
        let is_way_out = down.is_some();
        direction = down.unwrap_or(direction);
        let little = settings.promise(place.cost, objective.rows());
        let at_rest = || if size <= settings.tol { StopReason::Tolerance } else { StopReason::Rounding };
        let in_vain = patience.is_over(size <= settings.tol, place.cost);
        let is_enough = || promised <= little || in_vain || leaves_no_row_wrong(objective, place.cost);
        let stop_reason = if size <= settings.tol && is_enough() {
            Some(StopReason::Tolerance)
        } else if ended {
            Some(at_rest())
        } else if let ControlFlow::Break(reason) = wish {
            Some(reason)
        } else {
            let last = if size <= settings.tol { StopReason::Tolerance } else { StopReason::MaxIter };
            (iteration >= settings.max_iter).then_some(last)
        };
        if let Some(stop_reason) = stop_reason {
            break (stop_reason, wish.is_break());
        }

        let precision = curvature.precision(objective.rows().n_features());
        // Where the gradient is as small as it should be, it is the promise that has to shrink: as its square.
        let far = if size > settings.tol { size } else { settings.tol * (promised / little).sqrt() };
        let known = rates.passes_left(far, settings.tol, plan.of_hessian(precision));
        let passes = match (&curvature, known, next_rate.take()) {
            (Curvature::Diagonal(_), Some((passes, true)), _) => passes,
            // The first steps without a Hessian are slow, and tell not yet that it will take more.
            (Curvature::Diagonal(_), known, _) => known.map_or(FROM_NOWHERE, |(passes, _)| passes.min(FROM_NOWHERE)),
            (_, Some((passes, _)), _) => passes,
            (&Curvature::OfSome { rate, .. }, None, _) | (Curvature::Factored(_), None, Some(rate)) => {
                passes_at(rate, far, settings.tol)
            }
            (Curvature::Factored(_), None, None) => FROM_A_HESSIAN,
        };
        let hessian = (!doubt.is_left() && plan.hessian_pays(passes, far, settings, precision)).then_some(precision);
        let mut searched = line_search(objective, &place, &direction, hessian, was_whole)?;
        if searched.is_none() {
            // What is known of the curvature is wrong, or there is no descent left to be had.
            memory.clear();
            renew(objective, &mut curvature, &place, settings)?;
            searched = line_search(objective, &place, &memory.direction(&place.gradient, &curvature), None, false)?;
        }
        if searched.is_none() && size > settings.tol {
            // Where the sigmoid is flat its curvature says nothing of the way.
            let other = Curvature::Diagonal(objective.diagonal());
            searched = line_search(objective, &place, &memory.direction(&place.gradient, &other), None, false)?;
            if searched.is_some() {
                left_out = curvature.left_out().or(left_out);
                curvature = other;
                doubt.rise();
            }
        }
        let Some(Searched { place: next, hessian, is_whole }) = searched else {
            break (at_rest(), false);
        };
        let next_size = objective.optimality(&next.gradient);
        if size <= settings.tol && next_size > settings.tol && next.cost > place.cost - CREEPING * place.cost.abs() {
            // What was promised is not there, and the gradient would be lost.
            break (StopReason::Tolerance, false);
        }
        let left = next.cost / place.cost;
        if is_way_out {
            sidling.tried(left);
        } else {
            sidling.add(leads_out, left);
        }
        was_whole = is_whole;
        let mut step = next.at.clone();
        step.add_scaled(-1.0, &place.at);
        let rate = next_size / size;
        rates.add(rate);
        match factored(objective, hessian)? {
            Some(factor) => {
                // Near a minimum that is well determined, steps with the Hessian of each place shrink the gradient by the square
                // of what the step before did.
                let is_near = is_fresh && is_whole && rate < QUADRATIC && factor.condition() < DETERMINED;
                next_rate = is_near.then_some(rate * rate);
                curvature = Curvature::Factored(factor);
                is_fresh = true;
                memory.clear();
                rates = Rates::default();
            }
            None => {
                let mut change = next.gradient.clone();
                change.add_scaled(-1.0, &place.gradient);
                memory.push(step.clone(), change);
                is_fresh = false;
            }
        }
        doubt.fall();
        last_step = Some(step);
        place = next;
        iteration += 1;
    };
    let left_out = curvature.left_out().or(left_out);
    Ok(Outcome { place, curvature, n_iter: iteration, stop_reason, last_step, left_out, asked_to_stop })
}

fn factored(objective: &Standardised<'_>, hessian: Option<Hessian>) -> Result<Option<Factor>, Error> {
    let rows = objective.rows();
    hessian.map_or(Ok(None), |hessian| Factor::new(&hessian, rows.intercept(), rows.context()))
}

/// Whether the gradient leads along what the Hessian leaves out.
fn leads_out(curvature: &Curvature, gradient: &Parameters) -> bool {
    let left_out = curvature.left_out();
    left_out.is_some_and(|left_out| left_out.dot(gradient).abs() > ALONG * left_out.norm() * gradient.norm())
}

/// Forms the Hessian where the search stands.
fn renew(
    objective: &Standardised<'_>,
    curvature: &mut Curvature,
    place: &Place,
    settings: Settings,
) -> Result<(), Error> {
    if settings.hessians
        && let (_, hessian) = evaluate(objective, place.at.clone(), Some(Precision::Double))?
        && let Some(factor) = factored(objective, hessian)?
    {
        *curvature = Curvature::Factored(factor);
    }
    Ok(())
}

/// Whether a Hessian may tell more than gradients do. Where it did not, as many steps go by before it is asked again, and each
/// time twice as many: of rows whose sigmoid is flat another tells as little.
struct Doubt {
    left: usize,
    next: usize,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { left: 0, next: 4 }
    }
}

impl Doubt {
    fn rise(&mut self) {
        self.left = self.next;
        self.next *= 2;
    }

    fn fall(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    fn is_left(&self) -> bool {
        self.left > 0
    }
}

/// Notices steps in a row that lower the cost by little while the gradient leads along a direction of which the Hessian tells
/// nothing, as rows whose sigmoid is flat tell nothing: then one leads along that, however far. Where it led no lower, as where
/// there are many such rows, twice as many steps go by before the next.
struct Sidling {
    n_steps: usize,
    most: usize,
}

impl Default for Sidling {
    fn default() -> Self {
        Self { n_steps: 0, most: 4 }
    }
}

impl Sidling {
    /// A step leaves at least this share of the cost; one along that direction should leave less.
    const LEFT: f64 = 1.0 - 1e-3;
    const LEFT_BY_THE_OTHER: f64 = 1.0 - 1e-1;

    fn add(&mut self, leads_out: bool, left: f64) {
        self.n_steps = if leads_out && left > Self::LEFT { self.n_steps + 1 } else { 0 };
    }

    fn is_long(&self) -> bool {
        self.n_steps >= self.most
    }

    fn tried(&mut self, left: f64) {
        self.n_steps = 0;
        if left > Self::LEFT_BY_THE_OTHER {
            self.most *= 2;
        }
    }
}

/// The curvature at the minimum of a part, from some of the rows; none if they do not tell it. They are others than those
/// of a part, whose curvature there is that of rows that the weights suit.
pub(crate) fn of_some_rows(
    objective: &Standardised<'_>,
    place: &Place,
    of_part: &Curvature,
    settings: Settings,
) -> Result<Option<Curvature>, Error> {
    let rows = objective.rows();
    let size = objective.optimality(&place.gradient);
    let Some((step, rate)) = Plan::new(rows, settings).some_rows(size, settings) else { return Ok(None) };
    let form = |precision| -> Result<Option<Curvature>, Error> {
        let hessian = objective.hessian_of_some(&place.at, precision, step)?;
        let Some(share) = objective.share_of_curvature(&hessian) else { return Ok(None) };
        let rate = rate / (share * rows.n_effective() / rows.samples().n_samples() as f64).sqrt();
        let factor = factored(objective, Some(hessian))?.filter(|factor| factor.condition().is_finite());
        Ok(factor.filter(|_| rate < 0.5).map(|factor| Curvature::OfSome { factor, rate }))
    };
    let first = first_precision(rows, Some(of_part))?;
    // What is wrong with some rows does not matter where a pass over all succeeded.
    let form = |precision| unless_interrupted(form(precision));
    in_least_precision(first, form, |curvature| curvature.as_ref().map_or(f64::INFINITY, Curvature::loss))
}

//! How far to go along a direction.

use super::{ROUNDING, unless_overflow};
use crate::error::Error;
use crate::kernel::Precision;
use crate::model::Parameters;
use crate::objective::{Hessian, Standardised};

/// A place, with what a pass found there. In standardised variables, as everything here.
pub(crate) struct Place {
    pub(crate) at: Parameters,
    pub(crate) cost: f64,
    pub(crate) gradient: Parameters,
}

/// Where a search ended.
pub(super) struct Searched {
    pub(super) place: Place,
    /// If one was wanted.
    pub(super) hessian: Option<Hessian>,
    /// Whether it was not necessary to go less far than the direction says.
    pub(super) is_whole: bool,
}

/// Sufficient decrease: this share of what the slope promises.
const DECREASE: f64 = 1e-4;
/// Where the slope of a way is still this share of that at its beginning, it leads farther.
const STEEP: f64 = 0.9;
const MAX_TRIALS: usize = 40;
/// A whole step promises no more than twice the cost where it is right.
const MOST: f64 = 10.0;

pub(super) fn evaluate(
    objective: &Standardised<'_>,
    at: Parameters,
    hessian: Option<Precision>,
) -> Result<(Place, Option<Hessian>), Error> {
    let mut gradient = Parameters::zeros(at.n_features());
    let (cost, hessian) = if let Some(precision) = hessian {
        let (cost, hessian) = objective.cost_gradient_hessian(&at, &mut gradient, precision)?;
        (cost, Some(hessian))
    } else {
        (objective.cost_gradient(&at, &mut gradient)?, None)
    };
    Ok((Place { at, cost, gradient }, hessian))
}

/// A place downhill along `direction`, whole step first; none if rounding leaves none. Near the minimum, where costs are
/// equal to rounding, the slope decides (Hager and Zhang's approximate Wolfe condition). The Hessian there, if it is wanted, is
/// formed in the same pass if a `whole` step is expected to do, else in one of its own.
///
/// # Errors
///
/// As a pass over the rows, but for overflow.
pub(super) fn line_search(
    objective: &Standardised<'_>,
    from: &Place,
    direction: &Parameters,
    hessian: Option<Precision>,
    whole: bool,
) -> Result<Option<Searched>, Error> {
    let slope = direction.dot(&from.gradient);
    if !(slope < 0.0 && slope.is_finite()) {
        return Ok(None);
    }
    // No cost is below 0: a slope that leads there sooner is that of rows whose sigmoid is flat, on a way without an end.
    let first = (MOST * from.cost / -slope).min(1.0);
    let mut length = first;
    for trial in 0..MAX_TRIALS {
        let mut at = from.at.clone();
        at.add_scaled(length, direction);
        if at == from.at {
            return Ok(None);
        }
        let is_whole = trial == 0 && first == 1.0;
        let Some((mut place, mut formed)) =
            unless_overflow(evaluate(objective, at, hessian.filter(|_| is_whole && whole)))?
        else {
            length *= 0.1;
            continue;
        };
        let slope_there = direction.dot(&place.gradient);
        let decreases = place.cost <= from.cost + DECREASE * length * slope;
        let level = place.cost <= from.cost + ROUNDING * from.cost.abs();
        if decreases && let Some(other) = farther(objective, from, direction, length, &place)? {
            (place, formed) = (other, None);
        }
        if decreases || level && slope_there.abs() <= (1.0 - 2.0 * DECREASE) * slope.abs() {
            if hessian.is_some() && formed.is_none() {
                formed =
                    unless_overflow(evaluate(objective, place.at.clone(), hessian))?.and_then(|(_, formed)| formed);
            }
            return Ok(Some(Searched { place, hessian: formed, is_whole }));
        }
        length *= minimum_of_cubic(length, from.cost, slope, place.cost, slope_there).clamp(0.1, 0.5);
    }
    Ok(None)
}

/// From a place so far along a direction, twice as far each time, as long as the cost falls and the way is as steep as at its
/// beginning: nothing was known of the curvature, such as that of rows whose sigmoid is flat. None where that leads nowhere.
fn farther(
    objective: &Standardised<'_>,
    from: &Place,
    direction: &Parameters,
    mut length: f64,
    place: &Place,
) -> Result<Option<Place>, Error> {
    let slope = direction.dot(&from.gradient);
    let mut farthest = None;
    for _ in 0..MAX_TRIALS {
        let here = farthest.as_ref().unwrap_or(place);
        if direction.dot(&here.gradient) >= STEEP * slope {
            break;
        }
        let mut at = here.at.clone();
        at.add_scaled(length, direction);
        let Some((next, _)) = unless_overflow(evaluate(objective, at, None))? else { break };
        if next.cost > here.cost + DECREASE * length * slope {
            break;
        }
        length *= 2.0;
        farthest = Some(next);
    }
    Ok(farthest)
}

/// Where between 0 and 1, as a share of `length`, the cubic with these values and slopes at 0 and `length` is smallest.
fn minimum_of_cubic(length: f64, cost: f64, slope: f64, cost_there: f64, slope_there: f64) -> f64 {
    let a = slope + slope_there - 3.0 * (cost_there - cost) / length;
    let root = (a * a - slope * slope_there).max(0.0).sqrt();
    let share = 1.0 - (slope_there + root - a) / (slope_there - slope + 2.0 * root);
    if share.is_finite() { share } else { 0.5 }
}

//! The minimum of the linear model's objective without iterating towards it.

use super::least_squares::least_squares;
use super::normal_equations::normal_equations;
use super::wide::{SMALL, Wide, wide};
use super::{Exact, unless_overflow};
use crate::error::Error;
use crate::model::Parameters;
use crate::objective::{Objective, RowObjective, Standardised};

/// Up to so many numbers, every digit is worth its time.
const FEW: usize = 4096;
/// Where columns differ too much in size for the products of rows, QR of all columns does, if they are no more than this.
const MANY: usize = 1024;

/// The linear model's weights and bias by least squares: by the products of columns where these keep enough digits, else
/// by QR with corrections in twice the precision; where features outnumber samples by the products of rows. With `tol` 0
/// every digit is worth a further pass.
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn exact(rows: &RowObjective<'_>, l2: f64, tol: f64) -> Result<Exact, Error> {
    let mut found = minimum(rows, l2, tol)?;
    if rows.is_wide() {
        // Then that some columns depend on others is not to be said; and a penalty tells nothing of the data.
        found.dependent = Vec::new();
        found.rank = found.rank.min(rows.n_counted() - usize::from(rows.intercept()));
    }
    Ok(found)
}

fn minimum(rows: &RowObjective<'_>, l2: f64, tol: f64) -> Result<Exact, Error> {
    let (m, n) = rows.samples().features().shape();
    if n > m
        && let Some(found) = by_rows(rows, l2)?
    {
        return Ok(found);
    }
    let may_be_regular = l2 > 0.0 || !rows.is_wide();
    if m * n > FEW
        && n <= m
        && may_be_regular
        && let Some(found) = normal_equations(rows, l2, tol)?
    {
        return Ok(found);
    }
    let found = least_squares(rows.samples(), rows.summary(), rows.context(), rows.intercept(), l2)?;
    // The Hessian's is that of the columns squared.
    let is_regular = found.dependent.is_empty() || rows.is_wide();
    let condition = if is_regular { found.condition.powi(2) } else { f64::INFINITY };
    certify(&Standardised::new(rows, l2)?, found.parameters, (found.rank, condition, found.dependent))
}

/// By the products of rows; none if they do not do, and QR may.
fn by_rows(rows: &RowObjective<'_>, l2: f64) -> Result<Option<Exact>, Error> {
    let standardised = Standardised::new(rows, l2)?;
    let may_be_wrong = rows.n_features() > MANY;
    let found = wide(&standardised, l2);
    let Some(Wide { parameters, rank, condition, is_right }) =
        (if may_be_wrong { Some(found?) } else { unless_overflow(found)? })
    else {
        return Ok(None);
    };
    let found = certify(&standardised, parameters, (rank, condition, Vec::new()))?;
    Ok((may_be_wrong || is_right && found.optimality <= SMALL).then_some(found))
}

/// The gradient at the answer, by a pass of its own.
fn certify(
    objective: &Standardised<'_>,
    parameters: Parameters,
    (rank, condition, dependent): (usize, f64, Vec<usize>),
) -> Result<Exact, Error> {
    let (rows, frame) = (objective.rows(), objective.frame());
    let mut gradient = Parameters::zeros(rows.n_features());
    let null_cost = objective.cost_gradient(&rows.null_model(), &mut gradient)?;
    let null_norm = frame.leave_gradient(&gradient).norm();
    let cost = objective.cost_gradient(&frame.enter(&parameters), &mut gradient)?;
    Ok(Exact {
        parameters,
        costs: [null_cost, cost],
        gradient_norms: [null_norm, frame.leave_gradient(&gradient).norm()],
        optimality: objective.optimality(&gradient),
        condition,
        rank,
        dependent,
    })
}

//! The minimum of the linear model's objective without iterating towards it.

use super::Exact;
use super::least_squares::least_squares;
use super::normal_equations::normal_equations;
use super::wide::wide;
use crate::error::Error;
use crate::model::Parameters;
use crate::objective::{Objective, RowObjective, Standardised};

/// Up to so many numbers, every digit is worth its time.
const FEW: usize = 4096;

/// The linear model's weights and bias by least squares: by the products of columns where these keep enough digits, else
/// by QR with corrections in twice the precision; where features outnumber samples by the products of rows. With `tol` 0
/// every digit is worth a further pass.
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn exact(rows: &RowObjective<'_>, l2: f64, tol: f64) -> Result<Exact, Error> {
    let (m, n) = rows.samples().features().shape();
    if n > m {
        let found = wide(rows, l2)?;
        return certify(rows, l2, found.parameters, (found.rank, found.condition, Vec::new()));
    }
    if m * n > FEW
        && let Some(found) = normal_equations(rows, l2, tol)?
    {
        return Ok(found);
    }
    let found = least_squares(rows.samples(), rows.summary(), rows.context(), rows.intercept(), l2)?;
    // The Hessian's is that of the columns squared.
    let condition = if found.dependent.is_empty() { found.condition.powi(2) } else { f64::INFINITY };
    certify(rows, l2, found.parameters, (found.rank, condition, found.dependent))
}

/// The gradient at the answer, by a pass of its own.
fn certify(
    rows: &RowObjective<'_>,
    l2: f64,
    parameters: Parameters,
    (rank, condition, dependent): (usize, f64, Vec<usize>),
) -> Result<Exact, Error> {
    let objective = Standardised::new(rows, l2)?;
    let frame = objective.frame();
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

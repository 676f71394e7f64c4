//! Columns that others determine: then no data tell their weights, and predictions do not depend on these.

use super::least_squares::least_squares;
use super::normal_equations::dependent_columns as by_products;
use super::quasi_newton::Outcome;
use super::separation::is_unpenalised;
use super::unless_overflow;
use crate::error::Error;
use crate::objective::Standardised;

/// Of columns that are dependent the Hessian's condition is infinite, but for rounding errors.
const SUSPICIOUS: f64 = 1e10;
/// So many operations a QR may take for a diagnosis alone.
const MAX_OPERATIONS: f64 = 2e9;

/// Columns without which the others are independent of each other and of the constant; none where a penalty tells all weights,
/// where rows are so few that nothing else is to be expected, or where a QR that might tell would take too long.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn dependent_columns(objective: &Standardised<'_>, outcome: &Outcome) -> Result<Vec<usize>, Error> {
    let rows = objective.rows();
    let (m, n) = rows.samples().features().shape();
    if n > rows.n_counted() || !is_unpenalised(objective) {
        return Ok(Vec::new());
    }
    let may_be_dependent =
        outcome.left_out.is_some() || outcome.curvature.condition().is_some_and(|it| it > SUSPICIOUS);
    if may_be_dependent {
        // The Hessian knows the rows by what their sigmoid is where the search ended.
        let rows = rows.linear()?;
        if let Some(columns) = by_products(&rows)? {
            return Ok(columns);
        }
        if m as f64 * (n * n) as f64 <= MAX_OPERATIONS {
            let found = least_squares(rows.samples(), rows.summary(), rows.context(), rows.intercept(), 0.0);
            if let Some(found) = unless_overflow(found)? {
                return Ok(found.dependent);
            }
        }
    }
    Ok(objective.constants().collect())
}

//! Columns that others determine: then no data tell their weights, and predictions do not depend on these.

use super::quasi_newton::{Curvature, Outcome};
use super::reweighted::moves_no_row;
use super::separation::is_unpenalised;
use crate::error::Error;
use crate::objective::{Objective, Standardised};

/// Columns without which the others are independent of each other and of the constant, as far as the Hessian tells where a
/// search ended; none where a penalty tells all weights, or where rows are so few that nothing else is to be expected. What
/// the Hessian leaves out may be a value far from all others, or nearly nothing: whether it is nothing the rows tell.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn dependent_columns(objective: &Standardised<'_>, outcome: &Outcome) -> Result<Vec<usize>, Error> {
    let rows = objective.rows();
    let n = rows.n_features();
    if n > rows.n_counted() || !is_unpenalised(objective) {
        return Ok(Vec::new());
    }
    let mut columns: Vec<usize> = objective.constants().collect();
    if let Curvature::Factored(factor) = &outcome.curvature
        && let Some(left_out) = factor.left_out()
        && moves_no_row(objective, left_out, outcome)?
    {
        columns.extend(factor.dependent());
        columns.sort_unstable();
    }
    Ok(columns)
}

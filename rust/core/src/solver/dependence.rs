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

/// Whether columns are dependent, as far as their products tell.
pub(super) enum Dependence {
    /// The columns without which the others are far from being dependent on each other and the constant.
    Of(Vec<usize>),
    /// Some are nearly dependent, or are but for rounding.
    Unclear,
}

impl Dependence {
    /// What is to be known where a search ended. Its Hessian knows the rows by what their sigmoid is there, and makes suspicious
    /// or not. Of columns that outnumber the rows nothing is to be known, and little of those whose weights a penalty tells.
    ///
    /// # Errors
    ///
    /// As a pass over the rows.
    pub(super) fn find(objective: &Standardised<'_>, outcome: &Outcome) -> Result<Self, Error> {
        let is_singular = || outcome.curvature.condition().is_some_and(|condition| condition > SUSPICIOUS);
        let is_suspicious = outcome.left_out.is_some() || is_unpenalised(objective) && is_singular();
        if objective.rows().is_wide() || !is_suspicious {
            return Ok(Self::Of(objective.constants().collect()));
        }
        let found = by_products(&objective.rows().linear()?)?;
        Ok(found.map_or(Self::Unclear, Self::Of))
    }

    /// The columns that are dependent; none where a penalty tells all weights, where rows are so few that nothing else is to be
    /// expected, or where a QR that might tell would take too long.
    ///
    /// # Errors
    ///
    /// As a pass over the rows.
    pub(super) fn columns(self, objective: &Standardised<'_>) -> Result<Vec<usize>, Error> {
        if objective.rows().is_wide() || !is_unpenalised(objective) {
            return Ok(Vec::new());
        }
        let rows = objective.rows();
        let (m, n) = rows.samples().features().shape();
        match self {
            Self::Of(columns) => Ok(columns),
            Self::Unclear if m as f64 * (n * n) as f64 <= MAX_OPERATIONS => {
                let rows = rows.linear()?;
                let found = least_squares(rows.samples(), rows.summary(), rows.context(), rows.intercept(), 0.0);
                Ok(unless_overflow(found)?.map_or(Vec::new(), |found| found.dependent))
            }
            Self::Unclear => Ok(objective.constants().collect()),
        }
    }
}

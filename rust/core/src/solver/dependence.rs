//! Columns that others determine: then no data tell their weights, and predictions do not depend on these.

use super::least_squares::{LeastSquares, least_squares};
use super::normal_equations;
use super::quasi_newton::Outcome;
use super::separation::is_unpenalised;
use super::unless_overflow;
use crate::error::Error;
use crate::evaluate::predictors;
use crate::model::Parameters;
use crate::objective::{RowObjective, Standardised};

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
    /// What the columns' products tell where a search ended. They are formed only where its last Hessian, in which rows count by
    /// how steep their sigmoid is there, gives reason to; a penalty hides most. Of columns that outnumber the rows nothing is
    /// to be told.
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
        let found = normal_equations::dependent_columns(&objective.rows().linear()?)?;
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
        match self {
            Self::Of(columns) => Ok(columns),
            Self::Unclear if is_worth_qr(rows) => {
                Ok(by_qr(&rows.linear()?)?.map_or(Vec::new(), |found| found.dependent))
            }
            Self::Unclear => Ok(objective.constants().collect()),
        }
    }
}

/// The part of `at` that moves no row of the linear model beyond rounding, if there is one; by the columns' products, or by QR
/// where these do not tell.
///
/// # Errors
///
/// As a pass over the rows.
pub(super) fn part_along_null_space(rows: &RowObjective<'_>, at: &Parameters) -> Result<Option<Parameters>, Error> {
    let part = normal_equations::part_along_null_space(rows, at)?;
    if part.is_some() || !is_worth_qr(rows) {
        return Ok(part);
    }
    let z = predictors(rows.samples().features(), None, at, rows.context())?;
    let found = by_qr(&rows.with_targets(&z)?)?.filter(|found| !found.dependent.is_empty());
    Ok(found.map(|LeastSquares { parameters: other, .. }| {
        let mut part = at.clone();
        part.add_scaled(-1.0, &other);
        part
    }))
}

fn is_worth_qr(rows: &RowObjective<'_>) -> bool {
    let (m, n) = rows.samples().features().shape();
    m as f64 * (n * n) as f64 <= MAX_OPERATIONS
}

fn by_qr(rows: &RowObjective<'_>) -> Result<Option<LeastSquares>, Error> {
    unless_overflow(least_squares(rows.samples(), rows.summary(), rows.context(), rows.intercept(), 0.0))
}

//! Columns that others determine, such as one indicator of each category too many. Their products tell which may be, and the
//! rows whether they are: then the others have the same minimum, and all minima differ along directions that move no row.

use ndarray::Array1;

use super::{Equations, MAX_CONDITION, Place};
use crate::error::Error;
use crate::kernel::Precision;
use crate::model::Parameters;
use crate::objective::{Hessian, Objective, RowObjective};
use crate::solver::factor::{Factor, nearly_dependent};
use crate::solver::least_squares::{HARMLESS, LEEWAY, NullSpace, UNSEEN, rounding};
use crate::solver::unless_overflow;

/// Up to so many numbers, what dependent columns are made of is worth twice the precision: so the weights of least norm are
/// right to the last digits, however large and small columns are.
const FEW: usize = 1 << 18;

/// A column that others seem to determine.
pub(super) struct Dependent {
    index: usize,
    /// What the others make of it, by their products.
    of_others: Parameters,
}

/// The factor of the other columns, and those that these seem to determine, of which nothing is left in the Hessian.
pub(super) fn without_dependent(
    hessian: &mut Hessian,
    rows: &RowObjective<'_>,
) -> Result<(Option<Factor>, Vec<Dependent>), Error> {
    let columns = nearly_dependent(hessian, rows.context())?;
    let of = |&j: &usize| Parameters { weights: -&hessian.weights.column(j), bias: -hessian.cross[j] };
    let products: Vec<Parameters> = columns.iter().map(of).collect();
    columns.iter().for_each(|&j| hessian.forget(j));
    let Some(factor) = Factor::regular(hessian, rows.intercept(), rows.context())? else {
        return Ok((None, Vec::new()));
    };
    let columns = columns.into_iter().zip(&products);
    let dependent = columns.map(|(index, products)| Dependent { index, of_others: factor.step(products) }).collect();
    Ok((Some(factor), dependent))
}

/// Columns of the linear model that are constant or combinations of others; none if products of columns do not tell.
///
/// # Errors
///
/// As a pass over the rows.
pub(in crate::solver) fn dependent_columns(rows: &RowObjective<'_>) -> Result<Option<Vec<usize>>, Error> {
    Ok(Equations::that_tell(rows)?.map(|(equations, _)| equations.left_out().collect()))
}

/// The part of `at` that moves no row of the linear model beyond rounding; none if products of columns do not tell.
///
/// # Errors
///
/// As a pass over the rows.
pub(in crate::solver) fn part_along_null_space(
    rows: &RowObjective<'_>,
    at: &Parameters,
) -> Result<Option<Parameters>, Error> {
    let Some((equations, directions)) = Equations::that_tell(rows)? else { return Ok(None) };
    let Equations { variables, deviations, .. } = &equations;
    let constant = |j: usize| {
        let mut direction = Parameters::zeros(rows.n_features());
        direction.weights[j] = 1.0;
        direction.bias = -variables.centre()[j];
        direction
    };
    let constants = (0..deviations.len()).filter(|&j| deviations[j] == 0.0).map(constant);
    // In units of each column's deviation no column counts for more than others.
    let units: Array1<f64> =
        variables.scale().iter().zip(deviations).map(|(scale, d)| scale * if *d > 0.0 { *d } else { 1.0 }).collect();
    let scaled = |direction: Parameters| Parameters { weights: direction.weights * &units, ..direction };
    let null_space: NullSpace = directions.into_iter().chain(constants).map(scaled).collect();
    let mut part = null_space.to_least_norm(&(&at.weights * &units));
    part.weights /= &units;
    part.scale(-1.0);
    Ok(Some(part))
}

impl Equations {
    /// With the directions of dependent columns; none if products of columns do not tell which these are.
    fn that_tell(rows: &RowObjective<'_>) -> Result<Option<(Self, Vec<Parameters>)>, Error> {
        let equations = Self::form(rows, 0.0, Precision::Double)?;
        let Some(equations) = equations.filter(|equations| equations.condition <= MAX_CONDITION) else {
            return Ok(None);
        };
        let directions = unless_overflow(equations.directions(rows, 0.0))?.flatten();
        Ok(directions.map(|directions| (equations, directions)))
    }

    /// The directions along which no row's predictor changes beyond rounding, one for each dependent column; none if some
    /// column is no combination of the others.
    fn directions(&self, rows: &RowObjective<'_>, tol: f64) -> Result<Option<Vec<Parameters>>, Error> {
        let (m, n) = rows.samples().features().shape();
        let floor = rounding(m, n);
        let mut directions = Vec::with_capacity(self.dependent.len());
        for &Dependent { index, ref of_others } in &self.dependent {
            let rows = rows.with_target_column(index)?;
            let length = self.variables.scale()[index] * self.deviations[index];
            let place = if m * n > FEW {
                self.arrived(&rows, 0.0, of_others.clone(), tol)?
            } else {
                self.refined(&rows, 0.0, of_others)?
            };
            let Some(place) = place else { return Ok(None) };
            // The cost may be that before the last step.
            let is_nothing = |cost: f64| cost.sqrt() <= floor * length;
            if !is_nothing(place.cost) && !is_nothing(rows.cost(&place.parameters)?) {
                return Ok(None);
            }
            let mut direction = self.variables.enter(&place.parameters);
            direction.scale(-1.0);
            // Parts that are rounding errors would move weights far where a column is small.
            let least = LEEWAY * floor * self.deviations[index];
            let parts = direction.weights.iter_mut().zip(&self.deviations);
            parts.filter(|(part, deviation)| part.abs() * **deviation <= least).for_each(|(part, _)| *part = 0.0);
            let mut direction = self.variables.leave(&direction);
            direction.weights[index] = 1.0;
            directions.push(direction);
        }
        Ok(Some(directions))
    }

    /// Of all minima the one with the least weights in the caller's units; unless it costs more, as large weights of columns
    /// that are dependent but for rounding do. None where some column is no combination of the others.
    pub(super) fn of_least_norm(
        &self,
        rows: &RowObjective<'_>,
        place: Place,
        tol: f64,
    ) -> Result<Option<Place>, Error> {
        let Some(directions) = self.directions(rows, tol)? else { return Ok(None) };
        let null_space: NullSpace = directions.into_iter().collect();
        let mut shortest = place.parameters.clone();
        shortest.add_scaled(1.0, &null_space.to_least_norm(&place.parameters.weights));
        if !shortest.norm().is_finite() {
            return Ok(None);
        }
        // What has moved far has changed predictions by rounding errors of its size.
        let Some(mut shortest) = self.arrived(rows, 0.0, self.variables.enter(&shortest), tol)? else {
            return Ok(None);
        };
        // That has brought back some of the others.
        let change = null_space.to_least_norm(&shortest.parameters.weights);
        shortest.parameters.add_scaled(1.0, &change);
        let lost_in_rounding = UNSEEN * rows.summary().mean_square_target.sqrt();
        let allowed = (place.cost * (1.0 + HARMLESS)).sqrt() + lost_in_rounding;
        Ok(Some(if shortest.cost.sqrt() <= allowed { shortest } else { place }))
    }
}

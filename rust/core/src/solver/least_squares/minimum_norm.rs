//! The way back to the caller's variables, and of all solutions there the one with the smallest weights.

use ndarray::Array1;

use super::columns::Problem;
use super::double_double::DoubleDouble;
use super::pivoted::{Dropped, Pivoted};
use crate::context::Context;
use crate::error::Error;
use crate::model::Parameters;

/// Changes of the parameters that change no prediction: their weights orthonormal, in units of which the caller decides; the
/// bias goes with them.
#[derive(Default)]
pub(crate) struct NullSpace {
    basis: Vec<Parameters>,
}

impl NullSpace {
    /// Adds a direction that is not a combination of those before.
    pub(crate) fn push(&mut self, mut direction: Parameters) {
        normalise(&mut direction);
        // Twice is enough (Giraud, Langou and Rozložník 2005).
        for other in self.basis.iter().chain(&self.basis) {
            let along = direction.weights.dot(&other.weights);
            direction.add_scaled(-along, other);
        }
        normalise(&mut direction);
        self.basis.push(direction);
    }

    /// What leads from weights to those of least norm.
    pub(crate) fn to_least_norm(&self, weights: &Array1<f64>) -> Parameters {
        let mut change = Parameters::zeros(weights.len());
        // Twice is enough, as in an orthogonalisation.
        for direction in self.basis.iter().chain(&self.basis) {
            let along = weights.dot(&direction.weights) + change.weights.dot(&direction.weights);
            change.add_scaled(-along, direction);
        }
        change
    }
}

impl FromIterator<Parameters> for NullSpace {
    fn from_iter<I: IntoIterator<Item = Parameters>>(directions: I) -> Self {
        let mut null_space = Self::default();
        directions.into_iter().for_each(|direction| null_space.push(direction));
        null_space
    }
}

/// Moves `solution`, the constant first if there is one, along what changes no prediction but by rounding errors.
///
/// # Errors
///
/// [`Error::Interrupted`].
pub(super) fn to_minimum_norm(
    problem: &Problem<'_>,
    pivoted: &Pivoted,
    lengths: &[f64],
    solution: &mut [DoubleDouble],
    context: &Context<'_>,
) -> Result<(), Error> {
    let null_space = null_space(problem, pivoted, lengths, context)?;
    let (bias, weights) = solution.split_at_mut(usize::from(problem.intercept));
    let columns = || problem.features.iter();
    let before: Array1<f64> =
        weights.iter().zip(columns()).map(|(weight, column)| weight.rounded() * column.inverse_scale).collect();
    let change = null_space.to_least_norm(&before);
    for ((weight, change), column) in weights.iter_mut().zip(&change.weights).zip(columns()) {
        *weight += (change * column.scale).into();
    }
    bias.iter_mut().for_each(|bias| *bias += change.bias.into());
    Ok(())
}

/// Rounding errors of several columns come together in a combination.
pub(crate) const LEEWAY: f64 = 8.0;

/// What changes no prediction: the weights in the caller's variables and in units of the target's scale; the bias in the
/// problem's variables.
fn null_space(
    problem: &Problem<'_>,
    pivoted: &Pivoted,
    lengths: &[f64],
    context: &Context<'_>,
) -> Result<NullSpace, Error> {
    let n_fixed = usize::from(problem.intercept);
    let mut null_space = NullSpace::default();
    for Dropped { index: dropped, along, floor } in &pivoted.dropped {
        context.check_interrupt()?;
        // The dropped column is T times this combination of the columns kept.
        let mut combination = along.clone();
        pivoted.solve(&mut combination);
        // Parts that are rounding errors would move weights far where a column is small.
        combination.iter_mut().filter(|part| part.abs() <= LEEWAY * floor).for_each(|part| *part = 0.0);
        let mut direction = Parameters::zeros(problem.features.len());
        let parts = pivoted.kept.iter().zip(combination.iter().map(|part| -part)).chain([(dropped, 1.0)]);
        for (&j, part) in parts {
            match j.checked_sub(n_fixed) {
                Some(j_feature) => {
                    direction.weights[j_feature] = part / lengths[j] * problem.features[j_feature].inverse_scale;
                }
                None => direction.bias = part / lengths[j],
            }
        }
        null_space.push(direction);
    }
    Ok(null_space)
}

/// By the weights.
fn normalise(direction: &mut Parameters) {
    let largest = direction.weights.iter().fold(0.0_f64, |acc, weight| acc.max(weight.abs()));
    for factor in [largest, 0.0] {
        // First by the largest entry, so that no square overflows.
        let length = if factor > 0.0 { factor } else { direction.weights.dot(&direction.weights).sqrt() };
        direction.weights /= length;
        direction.bias /= length;
    }
}

/// The way back of [`leave`].
pub(super) fn enter(problem: &Problem<'_>, parameters: &Parameters) -> Vec<DoubleDouble> {
    let target = &problem.target;
    let mut total = DoubleDouble::from(parameters.bias) - target.centre.into();
    for (&weight, column) in parameters.weights.iter().zip(&problem.features) {
        total += DoubleDouble::from(weight) * column.centre;
    }
    let bias = problem.intercept.then(|| total * target.inverse_scale);
    let weights = parameters.weights.iter().zip(&problem.features);
    let weights = weights.map(|(&weight, column)| DoubleDouble::from(weight) * column.scale * target.inverse_scale);
    bias.into_iter().chain(weights).collect()
}

/// A solution in the caller's units: `w = s_y w̃ / s`, `b = c_y + s_y b̃ − c·w`.
pub(super) fn leave(problem: &Problem<'_>, solution: &[DoubleDouble]) -> Parameters {
    let target = &problem.target;
    let (bias, weights) = solution.split_at(usize::from(problem.intercept));
    let bias = bias.first().copied().unwrap_or_default();
    // Scales are powers of two: nothing is rounded.
    let columns = weights.iter().zip(&problem.features);
    let weights: Vec<_> = columns.map(|(&weight, column)| weight * column.inverse_scale * target.scale).collect();
    let mut total = DoubleDouble::from(target.centre) + bias * target.scale;
    for (weight, column) in weights.iter().zip(&problem.features) {
        if column.centre != 0.0 {
            total = total - *weight * column.centre;
        }
    }
    let bias = if problem.intercept { total.rounded() } else { 0.0 };
    Parameters { weights: weights.iter().map(|weight| weight.rounded()).collect(), bias }
}

//! Linear least squares for data on which the normal equations lose too many digits.
//!
//! `min Σ s_i (y_i − x_i·w − b)² + (l2 S / 2) |w|²`, in variables in which all columns are of size about 1:
//!
//! 1. `R` of the QR decomposition of `√S [1 X]`, one pass; then again with column pivoting, which tells the rank.
//! 2. A first solution, wrong by about the condition number times the rounding error.
//! 3. Corrections `RᵀR Δ = Aᵀ S (y − A p)`, the corrected seminormal equations (Björck 1987), with the right side and `p`
//!    in twice the working precision, a pass each. Björck's augmented system (1967) needs `Q` as well, as it keeps the
//!    residual rounded to working precision; here it is formed anew from the data, in twice the precision. `R` errs by
//!    the rounding error `u` times the norm of its columns, so that a correction leaves about `u κ` of the error.
//! 4. Where columns are dependent, of all the solutions the one with the smallest `|w|` in the caller's units; unless it
//!    costs more, as large weights of columns that are dependent but for rounding do.

mod columns;
mod double_double;
mod minimum_norm;
mod pivoted;
mod refinement;
mod residual;
#[cfg(test)]
mod tests;
mod triangle;

use columns::Problem;
use double_double::DoubleDouble;
pub(crate) use minimum_norm::{LEEWAY, NullSpace};
use minimum_norm::{enter, leave, to_minimum_norm};
use pivoted::{Pivoted, norm};
pub(crate) use refinement::Refinement;
use residual::descent;

use crate::context::Context;
use crate::error::Error;
use crate::model::Parameters;
use crate::samples::{Samples, Summary};

/// What [`least_squares`] finds.
#[derive(Clone, Debug)]
pub(crate) struct LeastSquares {
    /// In the caller's variables.
    pub(crate) parameters: Parameters,
    /// The number of columns that are independent of each other and, with an intercept, of the constant. The rows of a
    /// penalty count, with which it is full but for a penalty lost in rounding.
    pub(crate) rank: usize,
    /// The other columns, in order: combinations of those before the rounding of the data.
    pub(crate) dependent: Vec<usize>,
    /// The condition number of the independent columns, centred if there is an intercept and of norm 1 each, in the
    /// 2-norm; estimated from below.
    pub(crate) condition: f64,
}

/// Corrections shrink by the condition number times the rounding error; ten do even where that is one tenth.
const MAX_CORRECTIONS: usize = 10;
/// Corrections this small beside the solution change none of its bits, not even of much smaller entries.
const NEGLIGIBLE: f64 = 1e-26;
/// By no larger share weights of less norm may cost more; nor by residuals beyond this share of the targets.
pub(crate) const HARMLESS: f64 = 1e-9;
pub(crate) const UNSEEN: f64 = 1e-14;

/// The minimum of the linear model's squared error, to the last bits where the data allow.
///
/// # Errors
///
/// [`Error::NonFiniteMatrix`]; [`Error::Overflow`] if a parameter does in the caller's units; [`Error::Interrupted`].
pub(crate) fn least_squares(
    samples: &Samples<'_>,
    summary: &Summary,
    context: &Context<'_>,
    intercept: bool,
    l2: f64,
) -> Result<LeastSquares, Error> {
    let problem = Problem::new(samples, summary, context, intercept, l2)?;
    let n_fixed = usize::from(intercept);
    let (lengths, pivoted) = factorise(&problem, context)?;
    let factored = Factored { problem: &problem, context, lengths: &lengths, pivoted: &pivoted };
    let mut solution = vec![DoubleDouble::default(); problem.n_parameters()];
    let mut first_step = pivoted.target.clone();
    pivoted.solve(&mut first_step);
    factored.correct(&mut solution, first_step)?;
    if !pivoted.dropped.is_empty() {
        let mut shortest = solution.clone();
        to_minimum_norm(&problem, &pivoted, &lengths, &mut shortest, context)?;
        // What has moved far has changed predictions by rounding errors of its size.
        let step = factored.correction(&shortest)?;
        factored.correct(&mut shortest, step)?;
        // Columns that depend on each other but for rounding do so for weights of moderate size alone.
        let lost_in_rounding = UNSEEN * UNSEEN * problem.weight_sum;
        let allowed = factored.cost_once_rounded(&solution)? * (1.0 + HARMLESS) + lost_in_rounding;
        if factored.cost_once_rounded(&shortest)? <= allowed {
            solution = shortest;
        }
    }

    let parameters = leave(&problem, &solution);
    if !parameters.weights.iter().chain([&parameters.bias]).all(|value| value.is_finite()) {
        return Err(Error::Overflow);
    }
    Ok(LeastSquares {
        parameters,
        rank: pivoted.kept.len() - n_fixed,
        dependent: pivoted.dropped.iter().map(|dropped| dropped.index - n_fixed).collect(),
        condition: pivoted.condition(n_fixed),
    })
}

/// A problem and the factor of its independent columns, each divided by its length.
struct Factored<'a> {
    problem: &'a Problem<'a>,
    context: &'a Context<'a>,
    lengths: &'a [f64],
    pivoted: &'a Pivoted,
}

impl Factored<'_> {
    /// The way from a solution to the minimum, of the parameters times the lengths of their columns.
    fn correction(&self, solution: &[DoubleDouble]) -> Result<Vec<f64>, Error> {
        let descent = descent(self.problem, self.context, solution)?.by_parameter;
        let mut step: Vec<f64> = self.pivoted.kept.iter().map(|&j| descent[j] / self.lengths[j]).collect();
        self.pivoted.solve_transposed(&mut step);
        self.pivoted.solve(&mut step);
        Ok(step)
    }

    /// Takes a step and those that correct it.
    fn correct(&self, solution: &mut [DoubleDouble], mut step: Vec<f64>) -> Result<(), Error> {
        let first_size = norm(&self.pivoted.target).max(norm(&step));
        let (mut size, mut ratio) = (norm(&step), 1.0);
        for _ in 0..=MAX_CORRECTIONS {
            for (&j, step) in self.pivoted.kept.iter().zip(&step) {
                solution[j] += (step / self.lengths[j]).into();
            }
            // The next correction is expected to be smaller by as much as this one was.
            if size * ratio <= NEGLIGIBLE * first_size {
                break;
            }
            step = self.correction(solution)?;
            ratio = norm(&step) / size;
            size = norm(&step);
            // A correction that is not much smaller than the one before is rounding error.
            if ratio.is_nan() || ratio > 0.5 {
                break;
            }
        }
        Ok(())
    }

    /// The objective where a solution lies once it is rounded in the caller's units.
    fn cost_once_rounded(&self, solution: &[DoubleDouble]) -> Result<f64, Error> {
        let rounded = enter(self.problem, &leave(self.problem, solution));
        Ok(descent(self.problem, self.context, &rounded)?.objective)
    }
}

/// What rounding errors leave of a column that is a combination of others, beside its length.
pub(crate) fn rounding(n_rows: usize, n_cols: usize) -> f64 {
    8.0 * f64::EPSILON * (n_cols as f64).max((n_rows as f64).sqrt())
}

/// The pivoted triangle of the columns divided by their lengths, and these lengths. Equal lengths are near the best
/// scaling there is (van der Sluis 1969).
fn factorise(problem: &Problem<'_>, context: &Context<'_>) -> Result<(Vec<f64>, Pivoted), Error> {
    let triangle = triangle::triangle(problem, context)?;
    let n = problem.n_parameters();
    let n_fixed = usize::from(problem.intercept);
    let mut columns: Vec<Vec<f64>> = triangle.chunks_exact(n + 1).map(|column| column[..n].to_vec()).collect();
    let target = columns.pop().expect("the targets are last");
    // What lies below the constant's row belongs to the centred column.
    let length = |(j, column): (usize, &Vec<f64>)| match norm(&column[if j < n_fixed { 0 } else { n_fixed }..]) {
        0.0 => 1.0,
        length => length,
    };
    let lengths: Vec<f64> = columns.iter().enumerate().map(length).collect();
    for (column, length) in columns.iter_mut().zip(&lengths) {
        column.iter_mut().for_each(|entry| *entry /= length);
    }
    let (m, n_features) = problem.samples.features().shape();
    let rounding = rounding(m, n_features);
    let root_sum = problem.weight_sum.sqrt();
    let floor = |(column, length): (&columns::Column, &f64)| {
        // Values differ from what they stand for by a rounding error of their own, before any arithmetic.
        let stored = 2.0 * f64::EPSILON * column.magnitude * column.inverse_scale * root_sum / length;
        stored.max(rounding)
    };
    let floors = problem.features.iter().zip(&lengths[n_fixed..]).map(floor);
    let floors: Vec<f64> = std::iter::repeat_n(0.0, n_fixed).chain(floors).collect();
    Ok((lengths, Pivoted::new(columns, &floors, n_fixed, target, context)?))
}

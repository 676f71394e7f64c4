//! The minimum of a quadratic with an `l1` penalty: `g·d + ½ d·S d + Σ λ_j |u_j + d_j|`, one coordinate at a time
//! (Friedman, Hastie and Tibshirani, *Journal of Statistical Software* 33, 2010).

use ndarray::Array2;

use crate::context::Context;
use crate::error::Error;

/// `sign(x) max(|x| − λ, 0)`.
pub(crate) fn shrink(x: f64, lambda: f64) -> f64 {
    if x > lambda {
        x - lambda
    } else if x < -lambda {
        x + lambda
    } else {
        0.0
    }
}

/// How far a coordinate is from the conditions of a minimum, with `slope` the derivative of the smooth part.
pub(crate) fn violation(u: f64, slope: f64, lambda: f64) -> f64 {
    if u == 0.0 { (slope.abs() - lambda).max(0.0) } else { (slope + lambda * u.signum()).abs() }
}

const MAX_SWEEPS: usize = 10_000;

/// Moves `u` to the minimum, where no coordinate violates its conditions by more than `tol`; `slope` is the gradient of
/// the smooth part at `u` and moves along.
///
/// After a sweep over all coordinates only those that are not 0 are swept, until they rest; then all again.
///
/// # Errors
///
/// [`Error::Interrupted`].
pub(crate) fn coordinate_descent(
    matrix: &Array2<f64>,
    u: &mut [f64],
    slope: &mut [f64],
    lambda: &[f64],
    tol: f64,
    context: &Context<'_>,
) -> Result<(), Error> {
    let mut all = true;
    for _ in 0..MAX_SWEEPS {
        context.check_interrupt()?;
        let mut largest = 0.0_f64;
        for j in 0..u.len() {
            let curvature = matrix[[j, j]];
            if curvature <= 0.0 || !all && u[j] == 0.0 {
                continue;
            }
            largest = largest.max(violation(u[j], slope[j], lambda[j]));
            let moved = shrink(curvature * u[j] - slope[j], lambda[j]) / curvature;
            let step = moved - u[j];
            if step != 0.0 {
                u[j] = moved;
                let row = matrix.row(j);
                let row = row.as_slice().expect("contiguous rows");
                slope.iter_mut().zip(row).for_each(|(slope, s)| *slope += step * s);
            }
        }
        if largest <= tol {
            if all {
                break;
            }
            all = true;
        } else {
            all = false;
        }
    }
    Ok(())
}

//! The largest eigenvalue of the Hessian's bound, from products with it alone.

use crate::error::Error;
use crate::model::Parameters;
use crate::objective::Objective;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accuracy {
    /// Ends when the estimate rises by less than this share.
    pub(crate) relative: f64,
    /// At most this many products.
    pub(crate) max_products: usize,
}

impl Accuracy {
    /// Enough to choose a rate: a rate of `1/L` stays stable with `L` too small by almost half.
    pub(crate) const STEP: Self = Self { relative: 1e-3, max_products: 50 };
    /// For a figure that is shown.
    pub(crate) const SHOWN: Self = Self { relative: 1e-7, max_products: 1000 };
}

/// Power iteration with the Rayleigh quotient, which rises towards the largest eigenvalue.
pub(crate) fn largest_eigenvalue(objective: &impl Objective, accuracy: Accuracy) -> Result<f64, Error> {
    let n_features = objective.n_features();
    let mut direction = start(n_features);
    let mut product = Parameters::zeros(n_features);
    let mut estimate = 0.0;
    for _ in 0..accuracy.max_products {
        let form = objective.bound_product(&direction, &mut product)?;
        let rise = form - estimate;
        estimate = form;
        let norm = product.norm();
        if !(norm > 0.0 && norm.is_finite()) || rise <= accuracy.relative * estimate {
            break;
        }
        std::mem::swap(&mut direction, &mut product);
        direction.scale(1.0 / norm);
    }
    Ok(estimate)
}

/// A unit vector with scattered entries: no eigenvector that data have is orthogonal to it, but by accident.
fn start(n_features: usize) -> Parameters {
    // The fractional parts of multiples of the golden ratio fill [0, 1) evenly and repeat no pattern.
    let entry = |i: usize| ((i + 1) as f64 * 0.618_033_988_749_895).fract() - 0.4;
    let mut direction = Parameters { weights: (0..n_features).map(entry).collect(), bias: entry(n_features) };
    direction.scale(1.0 / direction.norm());
    direction
}

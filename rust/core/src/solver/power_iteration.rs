//! The largest eigenvalue of the Hessian's bound, from products with it alone.

use crate::error::Error;
use crate::model::Parameters;
use crate::objective::Objective;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accuracy {
    /// Ends when the estimate rises by less than this share, twice on end.
    pub(crate) relative: f64,
    /// At most this many products.
    pub(crate) max_products: usize,
}

impl Accuracy {
    /// Enough to choose a rate: a rate of `1/L` stays stable with `L` too small by almost half.
    pub(crate) const STEP: Self = Self { relative: 1e-4, max_products: 50 };
    /// For a figure that is shown.
    pub(crate) const SHOWN: Self = Self { relative: 1e-8, max_products: 1000 };
}

/// The first products are made whatever the estimate does, so that it cannot rest at a smaller eigenvalue just because
/// the start is nearly orthogonal to the largest one's vector.
const MIN_PRODUCTS: usize = 5;

/// Power iteration, each step improved by the best combination of the vector `v` and its residual `r = B v − λ v`,
/// which costs no product more: the largest eigenvalue of `B` on their plane is that of
/// `[[vᵀBv, vᵀBr], [vᵀBr, rᵀBr]]` for orthonormal `v` and `r`. The estimate rises towards the largest eigenvalue.
///
/// # Errors
///
/// [`Error::Overflow`] if it is not a finite number, 0 or larger; what the objective raises.
pub(crate) fn largest_eigenvalue(objective: &dyn Objective, accuracy: Accuracy) -> Result<f64, Error> {
    let n_features = objective.n_features();
    let product = |direction: &Parameters| {
        let mut product = Parameters::zeros(n_features);
        objective.bound_product(direction, &mut product).map(|()| product)
    };
    let mut v = start(n_features, 0);
    normalise(objective, &mut v);
    let mut b_v = product(&v)?;
    let mut estimate = objective.inner_product(&v, &b_v);
    let mut w = start(n_features, n_features + 1);
    let mut n_small = 0;
    for n_products in 2..=accuracy.max_products {
        if !(normalise(objective, &mut w) && orthogonalise(objective, &mut w, &v)) {
            break;
        }
        let b_w = product(&w)?;
        let (along, across) = (objective.inner_product(&w, &b_w), objective.inner_product(&w, &b_v));
        let half = 0.5 * (estimate - along);
        let largest = 0.5 * (estimate + along) + half.hypot(across);
        // The eigenvector of the two by two matrix, in the form that does not cancel.
        let (mut x, mut y) =
            if half >= 0.0 { (half + half.hypot(across), across) } else { (across, half.hypot(across) - half) };
        let norm = x.hypot(y);
        if !(norm > 0.0 && norm.is_finite() && largest.is_finite()) {
            break;
        }
        (x, y) = (x / norm, y / norm);
        for (v, w) in [(&mut v, &w), (&mut b_v, &b_w)] {
            v.scale(x);
            v.add_scaled(y, w);
        }
        let rise = largest - estimate;
        estimate = largest;
        n_small = if rise <= accuracy.relative * estimate { n_small + 1 } else { 0 };
        if n_products >= MIN_PRODUCTS && n_small >= 2 {
            break;
        }
        w.clone_from(&b_v);
        w.add_scaled(-estimate, &v);
        if objective.norm(&w) <= 1e-13 * estimate {
            break;
        }
    }
    if estimate >= 0.0 && estimate.is_finite() { Ok(estimate) } else { Err(Error::Overflow) }
}

/// A vector with scattered entries; two of them with offsets apart are not parallel.
fn start(n_features: usize, offset: usize) -> Parameters {
    // The fractional parts of multiples of the golden ratio fill [0, 1) evenly and repeat no pattern.
    let entry = |i: usize| ((i + offset + 1) as f64 * 0.618_033_988_749_895).fract() - 0.4;
    Parameters { weights: (0..n_features).map(entry).collect(), bias: entry(n_features) }
}

/// Scales to length 1, if there is a length.
fn normalise(objective: &dyn Objective, vector: &mut Parameters) -> bool {
    let norm = objective.norm(vector);
    let possible = norm > 0.0 && norm.is_finite();
    if possible {
        vector.scale(1.0 / norm);
    }
    possible
}

/// Takes out the part along a unit vector, and scales to length 1 again. Twice is enough: the first time may leave
/// mostly rounding error, the second time finds it of full length.
fn orthogonalise(objective: &dyn Objective, vector: &mut Parameters, unit: &Parameters) -> bool {
    (0..2).all(|_| {
        vector.add_scaled(-objective.inner_product(vector, unit), unit);
        normalise(objective, vector)
    })
}

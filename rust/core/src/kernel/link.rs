//! What happens to one sample between its linear predictor and its cost.
//!
//! With `e = exp(−|z|)`, which never overflows, the sigmoid and the log loss are sums of terms of one sign, so nothing
//! cancels and each is right to a few units in the last place for every finite `z`.

use super::exponential::{exp_of_negative, ln_1p_of_unit};

/// `σ(z) = 1 / (1 + exp(−z))`.
///
/// For `z ≥ 0` it is `1/(1+e)`, for `z < 0` it is `e/(1+e)`.
#[must_use]
#[inline(always)]
pub fn sigmoid(z: f64) -> f64 {
    let e = exp_of_negative(-z.abs());
    (if z >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}

/// `log(1 + exp(z)) − y z`, the log loss of a sample with target `y` in `[0, 1]`.
///
/// For `z ≥ 0` it is `z (1−y) + log(1+e)`, for `z < 0` it is `−z y + log(1+e)`.
#[must_use]
pub fn log_loss(z: f64, y: f64) -> f64 {
    let e = exp_of_negative(-z.abs());
    z.abs() * against(z, y) + ln_1p_of_unit(e)
}

/// How much of the target lies on the side that `z` points away from: `1−y` for `z ≥ 0`, else `y`.
#[inline(always)]
fn against(z: f64, y: f64) -> f64 {
    if z >= 0.0 { 1.0 - y } else { y }
}

/// `σ(z) − y`: with `q = against(z, y)`, the distance `(q − (1−q) e)/(1+e)`, positive for `z ≥ 0`, mirrored below.
#[inline(always)]
fn sigmoid_minus(z: f64, y: f64, e: f64) -> f64 {
    let q = against(z, y);
    let distance = (q - (1.0 - q) * e) / (1.0 + e);
    if z >= 0.0 { distance } else { -distance }
}

/// A model seen from one sample.
pub(crate) trait Link: Copy + Send + Sync {
    /// The cost `c(z, y)` and its slope `∂c/∂z`.
    fn cost_slope(self, z: f64, y: f64) -> (f64, f64);

    /// The square root of the curvature `h(z)`: of `∂²c/∂z²`, or of its Gauss–Newton part `2 (∂ŷ/∂z)²`.
    fn root_curvature(self, z: f64) -> f64;
}

/// `c = (z − y)²`.
#[derive(Clone, Copy)]
pub(crate) struct Linear;

impl Link for Linear {
    #[inline(always)]
    fn cost_slope(self, z: f64, y: f64) -> (f64, f64) {
        let residual = z - y;
        (residual * residual, 2.0 * residual)
    }

    #[inline(always)]
    fn root_curvature(self, _: f64) -> f64 {
        std::f64::consts::SQRT_2
    }
}

/// `c = (σ(z) − y)²`, with `σ'(z) = e/(1+e)²`.
#[derive(Clone, Copy)]
pub(crate) struct SigmoidSquaredError;

impl Link for SigmoidSquaredError {
    #[inline(always)]
    fn cost_slope(self, z: f64, y: f64) -> (f64, f64) {
        let e = exp_of_negative(-z.abs());
        let residual = sigmoid_minus(z, y, e);
        (residual * residual, 2.0 * residual * e / ((1.0 + e) * (1.0 + e)))
    }

    #[inline(always)]
    fn root_curvature(self, z: f64) -> f64 {
        let e = exp_of_negative(-z.abs());
        std::f64::consts::SQRT_2 * e / ((1.0 + e) * (1.0 + e))
    }
}

/// `c = log(1 + exp(z)) − y z`.
#[derive(Clone, Copy)]
pub(crate) struct SigmoidLogLoss;

impl Link for SigmoidLogLoss {
    #[inline(always)]
    fn cost_slope(self, z: f64, y: f64) -> (f64, f64) {
        let e = exp_of_negative(-z.abs());
        (z.abs() * against(z, y) + ln_1p_of_unit(e), sigmoid_minus(z, y, e))
    }

    #[inline(always)]
    fn root_curvature(self, z: f64) -> f64 {
        let e = exp_of_negative(-z.abs());
        e.sqrt() / (1.0 + e)
    }
}

/// `c = z²`, whatever the target: the quadratic form of `[X 1]ᵀ diag(s) [X 1]`.
#[derive(Clone, Copy)]
pub(crate) struct Square;

impl Link for Square {
    #[inline(always)]
    fn cost_slope(self, z: f64, _: f64) -> (f64, f64) {
        (z * z, 2.0 * z)
    }

    #[inline(always)]
    fn root_curvature(self, _: f64) -> f64 {
        std::f64::consts::SQRT_2
    }
}

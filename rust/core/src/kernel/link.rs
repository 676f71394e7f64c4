//! What happens to one sample between its linear predictor and its cost.
//!
//! With `e = exp(−|z|)`, which never overflows, the sigmoid and the log loss are sums of terms of one sign, so nothing
//! cancels and each is right to a few units in the last place for every finite `z`.

use pulp::{Arch, Simd, WithSimd};

use super::exponential::{exp_of_negative, ln_1p_and_inverse};
use super::{CostSlope, CostSlopeSums, Share, Targets};

/// `σ(z) = 1 / (1 + exp(−z))`.
#[must_use]
pub fn sigmoid(z: f64) -> f64 {
    let mut out = [0.0];
    sigmoids(&[z], &mut out);
    out[0]
}

/// `log(1 + exp(z)) − y z`, the log loss of a sample with target `y` in `[0, 1]`.
#[must_use]
pub fn log_loss(z: f64, y: f64) -> f64 {
    let mut sums = CostSlopeSums::default();
    Arch::new().dispatch(CostSlope {
        link: SigmoidLogLoss,
        targets: Targets { y: &[y], sample_weight: None },
        ahead: None,
        z: &mut [z],
        exponentials: &mut [0.0],
        roots: None,
        share: Share::NOTHING,
        sums: &mut sums,
    });
    sums.totals().0
}

/// `σ(z)` of each `z`.
pub(crate) fn sigmoids(z: &[f64], out: &mut [f64]) {
    Arch::new().dispatch(Sigmoids { z, out });
}

/// `σ(−z)` and `σ(z)` of each `z`.
pub(crate) fn sigmoid_pairs(z: &[f64], out: &mut [[f64; 2]]) {
    Arch::new().dispatch(SigmoidPairs { z, out });
}

struct Sigmoids<'a> {
    z: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for Sigmoids<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, &z) in self.out.iter_mut().zip(self.z) {
            *out = sigmoid_from(z, exp_of_negative::<S>(-z.abs()));
        }
    }
}

struct SigmoidPairs<'a> {
    z: &'a [f64],
    out: &'a mut [[f64; 2]],
}

impl WithSimd for SigmoidPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, &z) in self.out.iter_mut().zip(self.z) {
            let e = exp_of_negative::<S>(-z.abs());
            *out = [sigmoid_from(-z, e), sigmoid_from(z, e)];
        }
    }
}

/// For `z ≥ 0` it is `1/(1+e)`, for `z < 0` it is `e/(1+e)`.
#[inline(always)]
fn sigmoid_from(z: f64, e: f64) -> f64 {
    (if z >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}

/// How much of the target lies on the side that `z` points away from: `1−y` for `z ≥ 0`, else `y`.
#[inline(always)]
fn against<S: Simd>(simd: S, z: S::f64s, y: S::f64s) -> S::f64s {
    simd.select_f64s(is_positive(simd, z), simd.sub_f64s(simd.splat_f64s(1.0), y), y)
}

#[inline(always)]
fn is_positive<S: Simd>(simd: S, z: S::f64s) -> S::m64s {
    simd.greater_than_or_equal_f64s(z, simd.splat_f64s(0.0))
}

/// `(1+e) (σ(z) − y)`: with `q = against(z, y)`, it is `q − (1−q) e` for `z ≥ 0`, mirrored below.
#[inline(always)]
fn scaled_residual<S: Simd>(simd: S, z: S::f64s, q: S::f64s, e: S::f64s) -> S::f64s {
    let distance = simd.mul_add_e_f64s(simd.sub_f64s(q, simd.splat_f64s(1.0)), e, q);
    simd.select_f64s(is_positive(simd, z), distance, simd.neg_f64s(distance))
}

/// A model seen from one sample of each lane.
pub(crate) trait Link: Copy + Send + Sync {
    /// Whether the methods use `e = exp(−|z|)`, which is formed for many samples before them.
    const EXPONENTIAL: bool;

    /// Whether `log(1+e)` is a term of the cost.
    const LOGARITHM: bool = false;

    /// The cost `c(z, y)` and its slope `∂c/∂z`.
    fn cost_slope<S: Simd>(self, simd: S, z: S::f64s, y: S::f64s, e: S::f64s) -> (S::f64s, S::f64s);

    /// The same without that term of the cost.
    #[inline(always)]
    fn cost_slope_without_logarithm<S: Simd>(self, simd: S, z: S::f64s, y: S::f64s, e: S::f64s) -> (S::f64s, S::f64s) {
        const { assert!(!Self::LOGARITHM, "what has the term says what is left without it") }
        self.cost_slope(simd, z, y, e)
    }

    /// The square root of the curvature `h(z)` of one sample: of `∂²c/∂z²`, or of its Gauss–Newton part `2 (∂ŷ/∂z)²`.
    fn root_curvature(self, z: f64, y: f64, e: f64) -> f64;
}

/// `c = (z − y)²`.
#[derive(Clone, Copy)]
pub(crate) struct Linear;

impl Link for Linear {
    const EXPONENTIAL: bool = false;

    #[inline(always)]
    fn cost_slope<S: Simd>(self, simd: S, z: S::f64s, y: S::f64s, _: S::f64s) -> (S::f64s, S::f64s) {
        let residual = simd.sub_f64s(z, y);
        (simd.mul_f64s(residual, residual), simd.add_f64s(residual, residual))
    }

    #[inline(always)]
    fn root_curvature(self, _: f64, _: f64, _: f64) -> f64 {
        std::f64::consts::SQRT_2
    }
}

/// `c = (σ(z) − y)²`, with `σ'(z) = e/(1+e)²`.
#[derive(Clone, Copy, Default)]
pub(crate) struct SigmoidSquaredError {
    /// Whether the curvature is `∂²c/∂z²`, as far as that is positive, and not its Gauss–Newton part. Where rows are many it is
    /// the same in the mean, but what is left out where it is negative; where they are few it tells far more.
    pub(crate) bends: bool,
}

/// So much of the Gauss–Newton part is left of a curvature at least.
const LEAST_CURVATURE: f64 = 0.1;

impl Link for SigmoidSquaredError {
    const EXPONENTIAL: bool = true;

    #[inline(always)]
    fn cost_slope<S: Simd>(self, simd: S, z: S::f64s, y: S::f64s, e: S::f64s) -> (S::f64s, S::f64s) {
        let one = simd.splat_f64s(1.0);
        let unit = simd.div_f64s(one, simd.add_f64s(one, e));
        let residual = simd.mul_f64s(scaled_residual(simd, z, against(simd, z, y), e), unit);
        let along = simd.mul_f64s(simd.mul_f64s(e, unit), unit);
        (simd.mul_f64s(residual, residual), simd.mul_f64s(simd.add_f64s(residual, residual), along))
    }

    #[inline(always)]
    fn root_curvature(self, z: f64, y: f64, e: f64) -> f64 {
        let unit = 1.0 / (1.0 + e);
        let along = e * unit * unit;
        if !self.bends {
            return std::f64::consts::SQRT_2 * along;
        }
        // σ''/σ' = 1 − 2 σ(z).
        let bend = if z >= 0.0 { e - 1.0 } else { 1.0 - e } * unit;
        let residual = if z >= 0.0 { unit - y } else { e * unit - y };
        let curvature = (along + residual * bend).max(LEAST_CURVATURE * along);
        (2.0 * along * curvature).sqrt()
    }
}

/// `c = log(1 + exp(z)) − y z`: for `z ≥ 0` it is `z (1−y) + log(1+e)`, for `z < 0` it is `−z y + log(1+e)`.
#[derive(Clone, Copy)]
pub(crate) struct SigmoidLogLoss;

impl Link for SigmoidLogLoss {
    const EXPONENTIAL: bool = true;
    const LOGARITHM: bool = true;

    #[inline(always)]
    fn cost_slope<S: Simd>(self, simd: S, z: S::f64s, y: S::f64s, e: S::f64s) -> (S::f64s, S::f64s) {
        let (ln_1p, inverse) = ln_1p_and_inverse(simd, e);
        let q = against(simd, z, y);
        let cost = simd.mul_add_e_f64s(simd.abs_f64s(z), q, ln_1p);
        (cost, simd.mul_f64s(scaled_residual(simd, z, q, e), inverse))
    }

    #[inline(always)]
    fn cost_slope_without_logarithm<S: Simd>(self, simd: S, z: S::f64s, y: S::f64s, e: S::f64s) -> (S::f64s, S::f64s) {
        let one = simd.splat_f64s(1.0);
        // A division that waits for nothing else, and a product: the quotient took longer.
        let inverse = simd.div_f64s(one, simd.add_f64s(one, e));
        let q = against(simd, z, y);
        (simd.mul_f64s(simd.abs_f64s(z), q), simd.mul_f64s(scaled_residual(simd, z, q, e), inverse))
    }

    #[inline(always)]
    fn root_curvature(self, _: f64, _: f64, e: f64) -> f64 {
        e.sqrt() / (1.0 + e)
    }
}

/// `c = z²`, whatever the target: the quadratic form of `[X 1]ᵀ diag(s) [X 1]`.
#[derive(Clone, Copy)]
pub(crate) struct Square;

impl Link for Square {
    const EXPONENTIAL: bool = false;

    #[inline(always)]
    fn cost_slope<S: Simd>(self, simd: S, z: S::f64s, _: S::f64s, _: S::f64s) -> (S::f64s, S::f64s) {
        (simd.mul_f64s(z, z), simd.add_f64s(z, z))
    }

    #[inline(always)]
    fn root_curvature(self, _: f64, _: f64, _: f64) -> f64 {
        std::f64::consts::SQRT_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd_kind::SimdKind;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-15 * b.abs()
    }

    #[test]
    fn many_sigmoids_have_the_bits_of_one() {
        for n in 0..=35 {
            let z: Vec<_> = (0..n).map(|i| (i as f64 * 0.7).sin() * 40.0).collect();
            let (mut one, mut two) = (vec![0.0; n], vec![[0.0; 2]; n]);
            sigmoids(&z, &mut one);
            sigmoid_pairs(&z, &mut two);
            for (i, &z) in z.iter().enumerate() {
                assert_eq!(one[i].to_bits(), sigmoid(z).to_bits());
                assert_eq!(two[i].map(f64::to_bits), [sigmoid(-z), sigmoid(z)].map(f64::to_bits));
            }
            let (best_one, best_two) = (one.clone(), two.clone());
            for simd in SimdKind::all() {
                simd.run(Sigmoids { z: &z, out: &mut one });
                simd.run(SigmoidPairs { z: &z, out: &mut two });
                assert!(one.iter().zip(&best_one).all(|(a, b)| near(*a, *b)));
                assert!(two.as_flattened().iter().zip(best_two.as_flattened()).all(|(a, b)| near(*a, *b)));
            }
        }
    }

    /// Costs and slopes, with SIMD and without, against the plain formulas where these lose no digits.
    #[test]
    fn costs_and_slopes_agree_with_plain_formulas_for_every_tail() {
        fn check<L: Link>(link: L, expected: impl Fn(f64, f64) -> (f64, f64)) {
            for n in (0..=35).chain([63, 64, 65, 128, 200]) {
                let z: Vec<_> = (0..n).map(|i| (i as f64 * 0.7).sin() * 3.0).collect();
                let y: Vec<_> = (0..n).map(|i| (i as f64 * 0.37).fract()).collect();
                let weights: Vec<_> = (0..n).map(|i| (i % 3) as f64).collect();
                for (simd, weights) in SimdKind::all()
                    .into_iter()
                    .flat_map(|simd| [None, Some(&weights[..])].map(|weights| (simd, weights)))
                {
                    let mut slopes = z.clone();
                    let mut sums = CostSlopeSums::default();
                    simd.run(CostSlope {
                        link,
                        targets: Targets { y: &y, sample_weight: weights },
                        ahead: None,
                        z: &mut slopes,
                        exponentials: &mut vec![0.0; n],
                        roots: None,
                        share: Share::NOTHING,
                        sums: &mut sums,
                    });
                    assert!(sums.all_finite());
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-13;
                    let expected: Vec<_> = (0..n)
                        .map(|i| {
                            let ((cost, slope), weight) =
                                (expected(z[i], y[i]), weights.map_or(1.0, |weights| weights[i]));
                            (weight * cost, weight * slope)
                        })
                        .collect();
                    for (i, &(_, slope)) in expected.iter().enumerate() {
                        assert!(near(slopes[i], slope), "row {i} of {n}, {simd:?}");
                    }
                    let (cost, slope) = sums.totals();
                    let (expected_cost, expected_slope) =
                        expected.iter().fold((0.0, 0.0), |sums, row| (sums.0 + row.0, sums.1 + row.1));
                    // Of many rows the sums are so large that rounding counts for more.
                    let scale = if n > 35 { 10.0 } else { 1.0 };
                    let near = |a: f64, b: f64| near(a / scale, b / scale);
                    assert!(
                        near(cost, expected_cost) && near(slope, expected_slope),
                        "{n} rows, {simd:?}: {cost} for {expected_cost}"
                    );
                }
            }
        }
        let p = |z: f64| 1.0 / (1.0 + (-z).exp());
        check(Linear, |z, y| ((z - y).powi(2), 2.0 * (z - y)));
        check(SigmoidSquaredError::default(), |z, y| ((p(z) - y).powi(2), 2.0 * (p(z) - y) * p(z) * (1.0 - p(z))));
        check(SigmoidLogLoss, |z, y| (z.exp().ln_1p() - y * z, p(z) - y));
        check(Square, |z, _| (z * z, 2.0 * z));
    }
}

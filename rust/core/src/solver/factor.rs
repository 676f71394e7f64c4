//! A Hessian, factored: `H d = −g` is solved, and its condition known.

use faer::linalg::solvers::{Llt, Solve};
use faer::{Mat, Side};
use ndarray::Array1;

use crate::model::Parameters;
use crate::objective::Hessian;

/// The Cholesky factor of what is left of a Hessian when the bias is eliminated,
/// `W − h hᵀ / h₀` for the blocks `[W h; hᵀ h₀]`, each column scaled to a diagonal of 1.
pub(crate) struct Factor {
    cholesky: Llt<f64>,
    /// `1/√` of the diagonal; 0 for a column that is constant.
    inverse_root: Array1<f64>,
    cross: Array1<f64>,
    /// The bias with itself; none if it is fixed.
    bias: Option<f64>,
    /// What had to be added to the diagonal of 1.
    pub(crate) shift: f64,
}

/// A diagonal entry smaller than this, beside what it is the difference of, is rounding error.
const CONSTANT: f64 = 1e-14;

impl Factor {
    /// Where the matrix is not positive definite, to rounding, a multiple of the identity is added: as little as helps
    /// (Levenberg).
    pub(crate) fn new(hessian: &Hessian, intercept: bool) -> Option<Self> {
        let bias = (intercept && hessian.bias > 0.0).then_some(hessian.bias);
        let n = hessian.cross.len();
        let (weights, cross) = (&hessian.weights, &hessian.cross);
        let along = |i: usize, j: usize| bias.map_or(0.0, |bias| cross[i] * (cross[j] / bias));
        let inverse_root: Array1<f64> = (0..n)
            .map(|j| {
                let left = weights[[j, j]] - along(j, j);
                if left > CONSTANT * weights[[j, j]] { left.sqrt().recip() } else { 0.0 }
            })
            .collect();
        if !inverse_root.iter().all(|root| root.is_finite()) {
            return None;
        }
        let scaled = Mat::from_fn(n, n, |i, j| {
            let (scale, other) = (inverse_root[i], inverse_root[j]);
            if i == j { 1.0 } else { (weights[[i, j]] - along(i, j)) * scale * other }
        });
        let smallest = n as f64 * f64::EPSILON;
        let shifts = std::iter::once(0.0).chain((0..8).map(|k| smallest * 10f64.powi(2 * k)));
        for shift in shifts {
            let mut shifted = scaled.clone();
            (0..n).for_each(|i| shifted[(i, i)] += shift);
            let Ok(cholesky) = shifted.llt(Side::Lower) else { continue };
            // A pivot of the size of rounding errors says nothing.
            let pivots_hold = (0..n).all(|i| cholesky.L()[(i, i)].powi(2) > 2.0 * smallest);
            if pivots_hold {
                return Some(Self { cholesky, inverse_root, cross: cross.clone(), bias, shift });
            }
        }
        None
    }

    /// Whether column `j` has no part of its own beside the bias.
    pub(crate) fn is_constant(&self, j: usize) -> bool {
        self.inverse_root[j] == 0.0
    }

    /// `−H⁻¹ g`.
    pub(crate) fn step(&self, gradient: &Parameters) -> Parameters {
        let of_bias = self.bias.map_or(0.0, |bias| gradient.bias / bias);
        let n = self.cross.len();
        let mut right =
            Mat::from_fn(n, 1, |i, _| self.inverse_root[i] * (self.cross[i] * of_bias - gradient.weights[i]));
        self.cholesky.solve_in_place(&mut right);
        let weights: Array1<f64> = (0..n).map(|i| self.inverse_root[i] * right[(i, 0)]).collect();
        let bias = self.bias.map_or(0.0, |bias| -of_bias - self.cross.dot(&weights) / bias);
        Parameters { weights, bias }
    }

    /// The condition number of the scaled matrix; see [`condition`].
    pub(crate) fn condition(&self) -> f64 {
        condition(&self.cholesky)
    }
}

/// An estimate of the condition number of a factored matrix, the ratio of its largest to its smallest eigenvalue, by some
/// steps of power iteration with it and with its inverse. It may be too small by some percent.
pub(crate) fn condition(cholesky: &Llt<f64>) -> f64 {
    const STEPS: usize = 8;
    let factor = cholesky.L();
    let start = || Mat::from_fn(factor.nrows(), 1, |i, _| 0.5 + (i as f64 * 0.618_033_988_749_895).fract());
    let largest = grow(start(), STEPS, |v| *v = factor * (factor.transpose() * &*v));
    let smallest = grow(start(), STEPS, |v| cholesky.solve_in_place(v));
    largest * smallest
}

/// The factor by which the last of some products made a unit vector longer.
fn grow(mut v: Mat<f64>, steps: usize, product: impl Fn(&mut Mat<f64>)) -> f64 {
    let mut growth = 1.0;
    for _ in 0..=steps {
        let norm = v.norm_l2();
        if norm == 0.0 {
            return 1.0;
        }
        v *= faer::Scale(1.0 / norm);
        product(&mut v);
        growth = v.norm_l2();
    }
    growth
}

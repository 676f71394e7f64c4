//! A Hessian, factored: `H d = −g` is solved, and its condition known.

use std::cell::OnceCell;

use faer::linalg::solvers::{Llt, Solve};
use faer::{Mat, Side};
use ndarray::Array1;

use crate::model::Parameters;
use crate::objective::Hessian;

/// The inverse of what is left of a Hessian when the bias is eliminated, `W − h hᵀ / h₀` for the blocks `[W h; hᵀ h₀]`,
/// each column scaled to a diagonal of 1.
pub(crate) struct Factor {
    inverse: Inverse,
    /// `1/√` of the diagonal; 0 for a column that is constant.
    inverse_root: Array1<f64>,
    cross: Array1<f64>,
    /// The bias with itself; none if it is fixed.
    bias: Option<f64>,
    condition: OnceCell<f64>,
}

/// A diagonal entry smaller than this, beside what it is the difference of, is rounding error.
const CONSTANT: f64 = 1e-14;
/// So is an eigenvalue, beside the largest, of products of columns.
const SINGULAR: f64 = 1e-13;

impl Factor {
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
        // What lies above the diagonal is not looked at.
        let mut scaled = Mat::zeros(n, n);
        for j in 0..n {
            scaled[(j, j)] = 1.0;
            for i in j + 1..n {
                scaled[(i, j)] = (weights[[j, i]] - along(i, j)) * inverse_root[i] * inverse_root[j];
            }
        }
        let inverse = Inverse::new(&scaled, SINGULAR)?;
        Some(Self { inverse, inverse_root, cross: cross.clone(), bias, condition: OnceCell::new() })
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
        self.inverse.apply(&mut right);
        let weights: Array1<f64> = (0..n).map(|i| self.inverse_root[i] * right[(i, 0)]).collect();
        let bias = self.bias.map_or(0.0, |bias| -of_bias - self.cross.dot(&weights) / bias);
        Parameters { weights, bias }
    }

    /// The condition number of the scaled matrix; see [`Inverse::condition`].
    pub(crate) fn condition(&self) -> f64 {
        *self.condition.get_or_init(|| self.inverse.condition())
    }
}

/// The inverse of a symmetric matrix that is not negative, or its pseudo-inverse: so a step stays where the data say
/// something, and of all solutions the shortest is found.
pub(crate) struct Inverse {
    way: Way,
    pub(crate) rank: usize,
}

enum Way {
    Cholesky(Llt<f64>),
    /// Eigenvectors, and the inverses of the eigenvalues that are not rounding error.
    Eigen(Mat<f64>, Vec<f64>),
}

impl Inverse {
    /// Eigenvalues up to `singular` times the trace, or the largest, are rounding error.
    pub(crate) fn new(matrix: &Mat<f64>, singular: f64) -> Option<Self> {
        let n = matrix.nrows();
        let largest = (0..n).map(|i| matrix[(i, i)]).fold(0.0, f64::max);
        if let Ok(cholesky) = matrix.llt(Side::Lower)
            && (0..n).all(|i| cholesky.L()[(i, i)].powi(2) > singular * largest)
            && (bound(matrix, &cholesky) < 0.1 / singular || condition(&cholesky) < 0.1 / singular)
        {
            return Some(Self { way: Way::Cholesky(cholesky), rank: n });
        }
        let eigen = matrix.self_adjoint_eigen(Side::Lower).ok()?;
        let values = eigen.S().column_vector();
        let largest = (0..n).map(|i| values[i]).fold(0.0, f64::max);
        let inverse = |value: f64| if value > singular * largest { value.recip() } else { 0.0 };
        let inverses: Vec<f64> = (0..n).map(|i| inverse(values[i])).collect();
        let rank = inverses.iter().filter(|&&inverse| inverse > 0.0).count();
        Some(Self { way: Way::Eigen(eigen.U().to_owned(), inverses), rank })
    }

    /// The ratio of the largest to the smallest eigenvalue, an estimate that may be too small by some percent; infinite
    /// for a pseudo-inverse.
    pub(crate) fn condition(&self) -> f64 {
        match &self.way {
            Way::Cholesky(cholesky) => condition(cholesky),
            Way::Eigen(..) => f64::INFINITY,
        }
    }

    pub(crate) fn apply(&self, column: &mut Mat<f64>) {
        match &self.way {
            Way::Cholesky(cholesky) => cholesky.solve_in_place(column),
            Way::Eigen(vectors, inverses) => {
                let mut along = vectors.transpose() * &*column;
                inverses.iter().enumerate().for_each(|(i, inverse)| along[(i, 0)] *= inverse);
                *column = vectors * along;
            }
        }
    }
}

/// No eigenvalue is above the trace; and with the others at most `t/(n−1)` in the mean, the smallest is at least the
/// determinant times `((n−1)/t)ⁿ⁻¹`. It takes no time, and where columns are few and not nearly dependent it does.
fn bound(matrix: &Mat<f64>, cholesky: &Llt<f64>) -> f64 {
    let n = matrix.nrows();
    let trace: f64 = (0..n).map(|i| matrix[(i, i)]).sum();
    let others = (n as f64 - 1.0).max(1.0);
    let logarithm: f64 = (0..n).map(|i| 2.0 * cholesky.L()[(i, i)].ln()).sum();
    trace * ((n as f64 - 1.0) * (trace / others).ln() - logarithm).exp()
}

/// By some steps of power iteration with a factored matrix and with its inverse.
fn condition(cholesky: &Llt<f64>) -> f64 {
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

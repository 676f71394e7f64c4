//! The inverse of a symmetric matrix, by a factor or by eigenvectors, and its condition.

use std::cell::OnceCell;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::ldlt::factor::{LdltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::solvers::{Llt, Solve};
use faer::traits::RealField;
use faer::{Mat, Par, Side, Spec};
use ndarray::{Array1, ArrayView1, ArrayViewMut1, LinalgScalar, s};

use crate::context::Context;
use crate::error::Error;
use crate::kernel::Precision;

/// The inverse of a symmetric matrix that is not negative, or its pseudo-inverse: so a step stays where the data say
/// something, and of all solutions the shortest is found.
pub(crate) struct Inverse {
    pub(super) way: Way,
    pub(crate) rank: usize,
    condition: OnceCell<f64>,
}

pub(super) enum Way {
    Cholesky(Llt<f64>),
    CholeskyInSingle(Llt<f32>),
    /// Eigenvectors, and the inverses of the eigenvalues that are not rounding error.
    Eigen(Mat<f64>, Vec<f64>),
}

/// Work on a matrix of this size, apart from the caller's thread where it takes long.
///
/// # Errors
///
/// [`Error::Interrupted`].
pub(super) fn apart<T: Send + 'static>(
    context: &Context<'_>,
    n: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    const LARGE: usize = 1000;
    if n < LARGE { Ok(work()) } else { context.apart(work) }
}

impl Inverse {
    /// As [`Inverse::new`], where that may take long.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(crate) fn of(matrix: Mat<f64>, singular: f64, context: &Context<'_>) -> Result<Option<Self>, Error> {
        apart(context, matrix.nrows(), move || Self::new(&matrix, singular))
    }

    /// As [`Inverse::regular`], where that may take long.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(super) fn of_regular(matrix: Mat<f64>, singular: f64, context: &Context<'_>) -> Result<Option<Self>, Error> {
        apart(context, matrix.nrows(), move || Self::regular(&matrix, singular))
    }

    /// Eigenvalues up to `singular` times the trace, or the largest, are rounding error.
    pub(crate) fn new(matrix: &Mat<f64>, singular: f64) -> Option<Self> {
        if let Some(inverse) = Self::regular(matrix, singular) {
            return Some(inverse);
        }
        let n = matrix.nrows();
        let eigen = matrix.self_adjoint_eigen(Side::Lower).ok()?;
        let values = eigen.S().column_vector();
        let largest = (0..n).map(|i| values[i]).fold(0.0, f64::max);
        let inverse = |value: f64| if value > singular * largest { value.recip() } else { 0.0 };
        let inverses: Vec<f64> = (0..n).map(|i| inverse(values[i])).collect();
        let rank = inverses.iter().filter(|&&inverse| inverse > 0.0).count();
        Some(Self { way: Way::Eigen(eigen.U().to_owned(), inverses), rank, condition: OnceCell::new() })
    }

    /// Of a matrix all of whose eigenvalues are more than rounding error; none of another.
    fn regular(matrix: &Mat<f64>, singular: f64) -> Option<Self> {
        let n = matrix.nrows();
        let largest = (0..n).map(|i| matrix[(i, i)]).fold(0.0, f64::max);
        let cholesky = matrix.llt(Side::Lower).ok()?;
        if !(0..n).all(|i| cholesky.L()[(i, i)].powi(2) > singular * largest) {
            return None;
        }
        let clearly_regular = bound(matrix, &cholesky) < 0.1 / singular;
        let inverse = Self { way: Way::Cholesky(cholesky), rank: n, condition: OnceCell::new() };
        (clearly_regular || inverse.condition() < 0.1 / singular).then_some(inverse)
    }

    /// By a factor in single precision; none if the matrix is too nearly singular for that.
    pub(super) fn in_single(matrix: &Mat<f32>) -> Option<Self> {
        let way = Way::CholeskyInSingle(matrix.llt(Side::Lower).ok()?);
        let inverse = Self { way, rank: matrix.nrows(), condition: OnceCell::new() };
        Precision::Single.bears(inverse.condition()).then_some(inverse)
    }

    /// The ratio of the largest to the smallest eigenvalue, an estimate that may be too small by some percent; infinite
    /// for a pseudo-inverse.
    pub(crate) fn condition(&self) -> f64 {
        *self.condition.get_or_init(|| match &self.way {
            Way::Cholesky(cholesky) => condition(cholesky.L().nrows(), |v| multiply(cholesky, v), |v| self.apply(v)),
            Way::CholeskyInSingle(cholesky) => {
                let multiply = |v: &mut Mat<f64>| in_single(v, |v| multiply(cholesky, v));
                condition(cholesky.L().nrows(), multiply, |v| self.apply(v))
            }
            Way::Eigen(..) => f64::INFINITY,
        })
    }

    /// The eigenvectors of which a pseudo-inverse has nothing.
    pub(crate) fn null_space(&self) -> Vec<Array1<f64>> {
        let Way::Eigen(vectors, inverses) = &self.way else { return Vec::new() };
        let n = inverses.len();
        let left_out = (0..n).filter(|&k| inverses[k] == 0.0);
        left_out.map(|k| (0..n).map(|i| vectors[(i, k)]).collect()).collect()
    }

    /// Replaces columns by the inverse times these; in single precision one column alone.
    pub(crate) fn apply(&self, columns: &mut Mat<f64>) {
        match &self.way {
            Way::Cholesky(cholesky) => cholesky.solve_in_place(columns),
            Way::CholeskyInSingle(cholesky) => in_single(columns, |column| cholesky.solve_in_place(column)),
            Way::Eigen(vectors, inverses) => {
                let mut along = vectors.transpose() * &*columns;
                for j in 0..along.ncols() {
                    inverses.iter().enumerate().for_each(|(i, inverse)| along[(i, j)] *= inverse);
                }
                *columns = vectors * along;
            }
        }
    }
}

/// Columns of a matrix with diagonal 1 of which next to nothing is left beside those before them: the pivots of its factor
/// `L D Lᵀ`, the columns so far found left out. (faer's `L Lᵀ` goes on with the pivots that it replaced.)
pub(super) fn small_pivots(mut matrix: Mat<f64>) -> Vec<usize> {
    /// Of squares, where the rounding errors of what they are the rest of are far below.
    const NEXT_TO_NOTHING: f64 = 1e-10;
    /// Instead of such a pivot: divided by that, its column is nothing.
    const INFINITE: f64 = 1e200;
    let n = matrix.nrows();
    let regularization = LdltRegularization {
        dynamic_regularization_signs: Some(&vec![1; n]),
        dynamic_regularization_delta: INFINITE,
        dynamic_regularization_epsilon: NEXT_TO_NOTHING,
    };
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, Spec::default()));
    let stack = MemStack::new(&mut memory);
    let found = cholesky_in_place(matrix.as_mut(), regularization, Par::Seq, stack, Spec::default());
    if found.is_ok() { (0..n).filter(|&j| matrix[(j, j)] == INFINITE).collect() } else { Vec::new() }
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

/// Replaces a column by a linear function of it that is known in single precision.
fn in_single(column: &mut Mat<f64>, function: impl FnOnce(&mut Mat<f32>)) {
    // The column's own, so that no entry overflows and the large ones are no small numbers.
    let scale = column.norm_max();
    if scale == 0.0 {
        return;
    }
    let mut rounded = Mat::from_fn(column.nrows(), 1, |i, _| (column[(i, 0)] / scale) as f32);
    function(&mut rounded);
    column.col_as_slice_mut(0).iter_mut().zip(rounded.col_as_slice(0)).for_each(|(out, &value)| {
        *out = scale * f64::from(value);
    });
}

/// Replaces a column by the factored matrix times it, `Σ_j L_j (L_j · v)` over the columns of the factor, each of which is
/// read once.
fn multiply<T: RealField + LinalgScalar>(cholesky: &Llt<T>, column: &mut Mat<T>) {
    let factor = cholesky.L();
    let mut product = Array1::<T>::zeros(factor.nrows());
    let vector = ArrayView1::from(column.col_as_slice(0));
    for j in 0..factor.ncols() {
        let below = ArrayView1::from(&factor.col(j).try_as_col_major().expect("columns lie together").as_slice()[j..]);
        let along = below.dot(&vector.slice(s![j..]));
        product.slice_mut(s![j..]).scaled_add(along, &below);
    }
    ArrayViewMut1::from(column.col_as_slice_mut(0)).assign(&product);
}

/// The product of the largest eigenvalues of a matrix and of its inverse, from their products with a column.
fn condition(n: usize, multiply: impl Fn(&mut Mat<f64>), divide: impl Fn(&mut Mat<f64>)) -> f64 {
    largest_eigenvalue(n, multiply) * largest_eigenvalue(n, divide)
}

/// An estimate from below, too small by some percent, by some steps of Lanczos' method, each vector made orthogonal to all before it (Golub and Van
/// Loan, *Matrix Computations*, 10.1 and 10.3).
fn largest_eigenvalue(n: usize, product: impl Fn(&mut Mat<f64>)) -> f64 {
    const STEPS: usize = 6;
    const NOTHING_NEW: f64 = 1e-10;
    let mut basis: Vec<Array1<f64>> = Vec::with_capacity(STEPS);
    let (mut diagonal, mut beside) = (Vec::with_capacity(STEPS), Vec::with_capacity(STEPS));
    // The matrix's own, so that no square overflows.
    let mut scale = 0.0;
    let mut next: Array1<f64> = (0..n).map(|i| 0.5 + (i as f64 * 0.618_033_988_749_895).fract()).collect();
    let mut column = Mat::zeros(n, 1);
    while basis.len() < STEPS.min(n) {
        next /= next.dot(&next).sqrt();
        column.col_as_slice_mut(0).copy_from_slice(next.as_slice().expect("contiguous"));
        product(&mut column);
        if basis.is_empty() {
            scale = column.norm_max();
        }
        let image = &ArrayView1::from(column.col_as_slice(0)) / scale;
        diagonal.push(next.dot(&image));
        basis.push(next);
        next = image;
        // Once leaves rounding errors, which grow.
        for _ in 0..2 {
            for vector in &basis {
                let along = next.dot(vector);
                next.scaled_add(-along, vector);
            }
        }
        beside.push(next.dot(&next).sqrt());
        if beside[basis.len() - 1] <= NOTHING_NEW * diagonal[basis.len() - 1] {
            break;
        }
    }
    beside.pop();
    if diagonal.iter().chain(&beside).any(|entry| entry.is_nan()) {
        return f64::NAN;
    }
    scale * largest_of_tridiagonal(&diagonal, &beside)
}

/// The largest eigenvalue of a symmetric tridiagonal matrix that has no negative one, by bisection with Sturm's sequence
/// (Golub and Van Loan, 8.4).
fn largest_of_tridiagonal(diagonal: &[f64], beside: &[f64]) -> f64 {
    const HALVINGS: usize = 30;
    let mut low = diagonal.iter().copied().fold(0.0, f64::max);
    let mut high = low + 2.0 * beside.iter().copied().fold(0.0, f64::max);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        let mut pivot = diagonal[0] - middle;
        let mut above_all = pivot < 0.0;
        for (entry, beside) in diagonal[1..].iter().zip(beside) {
            pivot = entry - middle - beside * beside / pivot;
            above_all &= pivot < 0.0;
        }
        if above_all { high = middle } else { low = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn the_largest_eigenvalue_is_found_from_below() {
        for n in [1, 2, 5, 40] {
            // Of the second difference, known in closed form.
            let matrix = Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            });
            let exact = 2.0 + 2.0 * (std::f64::consts::PI / (n as f64 + 1.0)).cos();
            let found = largest_eigenvalue(n, |v| *v = &matrix * &*v);
            assert!(found <= exact * (1.0 + 1e-14) && found >= 0.9 * exact, "{n}: {found} for {exact}");
            for scale in [1e-200, 1e200] {
                let scaled = largest_eigenvalue(n, |v| *v = &matrix * &*v * faer::Scale(scale));
                assert!((scaled / scale - found).abs() < 1e-8 * found, "{n}, times {scale}: {scaled}");
            }
            let diagonal = largest_of_tridiagonal(&vec![2.0; n], &vec![1.0; n - 1]);
            assert!((diagonal - exact).abs() < 1e-8 * exact, "{n}: {diagonal} for {exact}");
        }
    }

    #[test]
    fn the_condition_is_that_of_the_eigenvalues() {
        for ratio in [1.0, 10.0, 1e6, 1e12] {
            let n = 30;
            // A reflection of a diagonal matrix.
            let v: Array1<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
            let norm = v.dot(&v);
            let value = |k: usize| f64::powf(ratio, -(k as f64) / (n - 1) as f64);
            let h = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / norm;
            let matrix = Mat::from_fn(n, n, |i, j| (0..n).map(|k| h(i, k) * value(k) * h(k, j)).sum::<f64>());
            let found = Inverse::new(&matrix, 0.0).unwrap().condition();
            assert!(found < 1.01 * ratio && found > 0.8 * ratio, "{found} for {ratio}");
            let rounded = Mat::from_fn(n, n, |i, j| matrix[(i, j)] as f32);
            match Inverse::in_single(&rounded) {
                Some(inverse) => assert!((inverse.condition() - found).abs() < 1e-2 * found, "{found} for {ratio}"),
                None => assert!(!Precision::Single.bears(ratio), "not in single for {ratio}"),
            }
        }
    }

    #[test]
    fn small_pivots_are_the_columns_that_those_before_determine() {
        for n in [12, 40, 70, 200] {
            // Of length 1; some are made of the two before them.
            let sums = [3, n / 2, n - 1];
            let columns = Array2::from_shape_fn((n, n), |(i, j)| match sums.contains(&j) {
                true => f64::from(u8::from(i == j - 1 || i == j - 2)) * 0.5_f64.sqrt(),
                false => f64::from(u8::from(i == j)),
            });
            let products = columns.t().dot(&columns);
            assert_eq!(small_pivots(Mat::from_fn(n, n, |i, j| products[[i, j]])), sums, "{n}");
        }
    }
}

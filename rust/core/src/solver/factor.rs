//! A Hessian, factored: `H d = −g` is solved, and its condition known.

use std::cell::OnceCell;

use faer::linalg::solvers::{Llt, Solve};
use faer::traits::RealField;
use faer::{Mat, Side};
use ndarray::{Array1, ArrayView1, ArrayViewMut1, LinalgScalar, s};

use crate::context::Context;
use crate::error::Error;
use crate::kernel::Precision;
use crate::model::Parameters;
use crate::objective::Hessian;

/// The inverse of what is left of a Hessian when the bias is eliminated, `W − h hᵀ / h₀` for the blocks `[W h; hᵀ h₀]`,
/// each column scaled to a diagonal of 1.
pub(crate) struct Factor {
    inverse: Inverse,
    /// `1/√` of the diagonal; 0 for a column that is constant.
    inverse_root: Array1<f64>,
    /// The largest ratio of a diagonal entry and what is left of it.
    cancelled: f64,
    cross: Array1<f64>,
    /// The bias with itself; none if it is fixed.
    bias: Option<f64>,
}

/// A diagonal entry smaller than this, beside what it is the difference of, is rounding error.
const CONSTANT: f64 = 1e-14;
/// So is an eigenvalue, beside the largest, of products of columns.
const SINGULAR: f64 = 1e-13;

impl Factor {
    /// None of what is not finite, or of what is too nearly singular for its precision.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(crate) fn new(hessian: &Hessian, intercept: bool, context: &Context<'_>) -> Result<Option<Self>, Error> {
        let bias = (intercept && hessian.bias > 0.0).then_some(hessian.bias);
        let n = hessian.cross.len();
        let (weights, cross) = (&hessian.weights, &hessian.cross);
        // A fixed bias has none.
        let means: Array1<f64> = hessian.means().collect();
        let left: Array1<f64> = (0..n).map(|j| weights[[j, j]] - cross[j] * means[j]).collect();
        let columns = left.iter().zip(weights.diag()).filter(|(_, entry)| **entry > 0.0);
        let cancelled = columns.map(|(left, entry)| entry / left.max(0.0)).fold(1.0, f64::max);
        let is_constant = |j: usize| left[j] <= CONSTANT * weights[[j, j]];
        let inverse_root: Array1<f64> =
            (0..n).map(|j| if is_constant(j) { 0.0 } else { left[j].sqrt().recip() }).collect();
        if !inverse_root.iter().all(|root| root.is_finite()) {
            return Ok(None);
        }
        let in_double = || scaled(hessian, &means, &inverse_root, |entry| entry);
        let inverse = match hessian.precision {
            Precision::Double => Inverse::of(in_double(), SINGULAR, context)?,
            // Eigenvalues that are rounding errors tell nothing of it.
            Precision::Single | Precision::Pieces => {
                let rounded = scaled(hessian, &means, &inverse_root, |entry| entry as f32);
                match apart(context, n, move || Inverse::in_single(&rounded))? {
                    Some(inverse) => Some(inverse),
                    None => Inverse::of_regular(in_double(), SINGULAR, context)?,
                }
            }
        };
        Ok(inverse.map(|inverse| Self { inverse, inverse_root, cancelled, cross: cross.clone(), bias }))
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

    /// A direction that is left out of each step but for what the gradient says of the bias, if there is one: a sum of all of
    /// these.
    pub(crate) fn left_out(&self) -> Option<Parameters> {
        let sum = self.inverse.null_space().into_iter().reduce(|sum, vector| sum + vector)?;
        let mut weights = sum * &self.inverse_root;
        if weights.iter().all(|&weight| weight == 0.0) {
            return None;
        }
        weights /= weights.dot(&weights).sqrt();
        let bias = self.bias.map_or(0.0, |bias| -self.cross.dot(&weights) / bias);
        Some(Parameters { weights, bias })
    }

    /// Columns without which nothing is left out, the last ones that this is true of; a constant is none of them.
    pub(crate) fn dependent(&self) -> Vec<usize> {
        const PIVOT: f64 = 0.1;
        let mut directions = self.inverse.null_space();
        let mut columns = Vec::with_capacity(directions.len());
        while let Some(direction) = directions.pop() {
            let largest = direction.iter().fold(0.0_f64, |largest, part| largest.max(part.abs()));
            let takes_part = |&column: &usize| direction[column].abs() > PIVOT * largest;
            let Some(column) = (0..direction.len()).rev().find(takes_part) else { continue };
            for other in &mut directions {
                let share = other[column] / direction[column];
                other.scaled_add(-share, &direction);
                other[column] = 0.0;
            }
            columns.push(column);
        }
        columns
    }

    /// The condition number of the scaled matrix; see [`Inverse::condition`].
    pub(crate) fn condition(&self) -> f64 {
        self.inverse.condition()
    }

    /// By how much, at most, the relative errors of the Hessian's entries grow in a step.
    pub(crate) fn loss(&self) -> f64 {
        self.cancelled * self.condition()
    }
}

/// What is to be factored. What lies above the diagonal is not looked at.
fn scaled<T: RealField>(
    hessian: &Hessian,
    means: &Array1<f64>,
    inverse_root: &Array1<f64>,
    round: impl Fn(f64) -> T,
) -> Mat<T> {
    let n = means.len();
    let mut scaled = Mat::zeros(n, n);
    for (j, row) in hessian.weights.rows().into_iter().enumerate() {
        scaled[(j, j)] = round(1.0);
        let below = scaled.col_as_slice_mut(j).iter_mut().zip(row).zip(&hessian.cross).zip(inverse_root);
        for (((entry, product), cross), root) in below.skip(j + 1) {
            *entry = round((product - cross * means[j]) * root * inverse_root[j]);
        }
    }
    scaled
}

/// The inverse of a symmetric matrix that is not negative, or its pseudo-inverse: so a step stays where the data say
/// something, and of all solutions the shortest is found.
pub(crate) struct Inverse {
    way: Way,
    pub(crate) rank: usize,
    condition: OnceCell<f64>,
}

enum Way {
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
    fn in_single(matrix: &Mat<f32>) -> Option<Self> {
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
    use ndarray::{Array2, array};

    use super::*;

    fn factor(hessian: &Hessian) -> Factor {
        Factor::new(hessian, true, &Context::default()).unwrap().unwrap()
    }

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
    fn a_factor_in_single_precision_steps_to_about_the_same_place() {
        let n = 60;
        let entry = |i: usize, j: usize| if i == j { 2.0 } else { ((i * j) as f64).sin() / n as f64 };
        let double = Hessian {
            weights: Array2::from_shape_fn((n, n), |(i, j)| entry(i.min(j), i.max(j))),
            cross: Array1::from_shape_fn(n, |j| 0.1 * (j as f64).cos()),
            bias: 1.5,
            precision: Precision::Double,
        };
        let single = Hessian { precision: Precision::Single, ..double.clone() };
        let mut nearly_singular = single.clone();
        nearly_singular.weights.row_mut(1).assign(&double.weights.row(0));
        nearly_singular.weights.column_mut(1).assign(&double.weights.column(0));
        nearly_singular.weights[[0, 1]] = 2.0;
        nearly_singular.weights[[1, 1]] = 2.0 + 1e-5;
        nearly_singular.cross[1] = double.cross[0];
        for size in [1.0, 1e-200, 1e200] {
            let weights = Array1::from_shape_fn(n, |j| size * (0.3 * j as f64).sin());
            let gradient = Parameters { weights, bias: 0.4 * size };
            for (of_single, mut of_double) in [(&single, double.clone()), (&nearly_singular, nearly_singular.clone())] {
                of_double.precision = Precision::Double;
                let step = factor(of_single).step(&gradient);
                let mut difference = factor(&of_double).step(&gradient);
                let norm = difference.norm();
                difference.add_scaled(-1.0, &step);
                assert!(difference.norm() < 1e-6 * norm, "{size:e}: {:e} of {norm:e}", difference.norm());
            }
        }
        let ways = [&single, &nearly_singular].map(|hessian| factor(hessian).inverse.way);
        assert!(matches!(ways, [Way::CholeskyInSingle(_), Way::Cholesky(_)]));
    }

    #[test]
    fn dependent_columns_are_the_last_without_which_nothing_is_left_out() {
        // Two sets of indicators, which sum to the constant, a constant, and the sum of columns 1 and 7.
        let row = |i: usize| {
            let one = |group: usize| f64::from(u8::from(i % 3 == group));
            let other = |group: usize| f64::from(u8::from(i / 3 % 3 == group));
            let own = (i as f64).sin();
            [one(0), one(1), one(2), other(0), other(1), 1.0, other(2), own, own + one(1)]
        };
        let x: Array2<f64> = Array2::from_shape_fn((90, 9), |(i, j)| row(i)[j]);
        let cross = x.sum_axis(ndarray::Axis(0));
        let hessian = Hessian { weights: x.t().dot(&x), cross, bias: 90.0, precision: Precision::Double };
        let factor = factor(&hessian);
        let mut found = factor.dependent();
        found.sort_unstable();
        assert_eq!(found, [2, 6, 8]);
        assert!(factor.is_constant(5));
    }

    #[test]
    fn what_is_lost_beside_the_bias_counts() {
        for left in [1.0, 1e-3, 0.0] {
            let hessian = Hessian {
                weights: array![[1.0, 0.0], [0.0, 4.0 + left]],
                cross: array![0.0, 2.0],
                bias: 1.0,
                precision: Precision::Double,
            };
            let loss = factor(&hessian).loss();
            let expected = (4.0 + left) / left;
            assert!(loss == expected || (loss / expected - 1.0).abs() < 1e-9, "{loss:e} with {left:e} left");
        }
    }
}

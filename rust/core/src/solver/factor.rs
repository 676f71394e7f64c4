//! A Hessian, factored: `H d = −g` is solved, and its condition known.

use faer::Mat;
use faer::traits::RealField;
use ndarray::Array1;

use super::inverse::{Inverse, apart, small_pivots};
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

/// A smaller eigenvalue of products of columns, beside the largest, is rounding error.
const SINGULAR: f64 = 1e-13;

/// How a matrix in double precision is inverted.
type Invert = fn(Mat<f64>, f64, &Context<'_>) -> Result<Option<Inverse>, Error>;

impl Factor {
    /// None of what is not finite, or of what is too nearly singular for its precision.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(crate) fn new(hessian: &Hessian, intercept: bool, context: &Context<'_>) -> Result<Option<Self>, Error> {
        Self::by(Inverse::of, hessian, intercept, context)
    }

    /// As [`Factor::new`], and none of what is singular.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(super) fn regular(hessian: &Hessian, intercept: bool, context: &Context<'_>) -> Result<Option<Self>, Error> {
        Self::by(Inverse::of_regular, hessian, intercept, context)
    }

    fn by(invert: Invert, hessian: &Hessian, intercept: bool, context: &Context<'_>) -> Result<Option<Self>, Error> {
        let bias = (intercept && hessian.bias > 0.0).then_some(hessian.bias);
        let Scales { means, inverse_root, cancelled } = Scales::of(hessian);
        if !inverse_root.iter().all(|root| root.is_finite()) {
            return Ok(None);
        }
        let in_double = || scaled(hessian, &means, &inverse_root, |entry| entry);
        let inverse = match hessian.precision {
            Precision::Double => invert(in_double(), SINGULAR, context)?,
            // Eigenvalues that are rounding errors tell nothing of it.
            Precision::Single | Precision::Pieces => {
                let rounded = scaled(hessian, &means, &inverse_root, |entry| entry as f32);
                match apart(context, means.len(), move || Inverse::in_single(&rounded))? {
                    Some(inverse) => Some(inverse),
                    None => Inverse::of_regular(in_double(), SINGULAR, context)?,
                }
            }
        };
        Ok(inverse.map(|inverse| Self { inverse, inverse_root, cancelled, cross: hessian.cross.clone(), bias }))
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
        self.with_bias(self.inverse.null_space().into_iter().reduce(|sum, vector| sum + vector)?)
    }

    /// The way down along all that is left out; none where there is none.
    pub(crate) fn down_left_out(&self, gradient: &Parameters) -> Option<Parameters> {
        let mut down = None;
        for way in self.inverse.null_space().into_iter().filter_map(|vector| self.with_bias(vector)) {
            let slope = way.dot(gradient);
            down.get_or_insert_with(|| Parameters::zeros(way.n_features())).add_scaled(-slope, &way);
        }
        down
    }

    /// Weights in the variables that are scaled, as a direction of length 1 with the bias that the Hessian tells; none where
    /// they are 0.
    fn with_bias(&self, scaled: Array1<f64>) -> Option<Parameters> {
        let mut weights = scaled * &self.inverse_root;
        if weights.iter().all(|&weight| weight == 0.0) {
            return None;
        }
        weights /= weights.dot(&weights).sqrt();
        let bias = self.bias.map_or(0.0, |bias| -self.cross.dot(&weights) / bias);
        Some(Parameters { weights, bias })
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

/// Each column's mean, and `1/√` of what is left of its diagonal entry beside that; how much was lost in it.
struct Scales {
    means: Array1<f64>,
    inverse_root: Array1<f64>,
    cancelled: f64,
}

impl Scales {
    fn of(hessian: &Hessian) -> Self {
        // A fixed bias has none.
        let means = hessian.means().collect();
        let left: Array1<f64> = hessian.squares_beside_bias().collect();
        let columns = left.iter().zip(hessian.weights.diag()).filter(|(_, entry)| **entry > 0.0);
        let cancelled = columns.map(|(left, entry)| entry / left).fold(1.0, f64::max);
        let inverse_root = left.mapv(|left| if left == 0.0 { 0.0 } else { left.sqrt().recip() });
        Self { means, inverse_root, cancelled }
    }
}

/// Columns of which next to nothing is left beside those before them. Constants are none of them.
///
/// # Errors
///
/// [`Error::Interrupted`].
pub(super) fn nearly_dependent(hessian: &Hessian, context: &Context<'_>) -> Result<Vec<usize>, Error> {
    let Scales { means, inverse_root, .. } = Scales::of(hessian);
    let matrix = scaled(hessian, &means, &inverse_root, |entry| entry);
    apart(context, means.len(), move || small_pivots(matrix))
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

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array, s};

    use super::super::inverse::Way;
    use super::*;

    fn factor(hessian: &Hessian) -> Factor {
        Factor::new(hessian, true, &Context::default()).unwrap().unwrap()
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

    #[test]
    fn the_way_down_of_what_is_left_out_changes_no_curvature_and_falls() {
        // Of four columns the first two are alike, and so are the others.
        let [a, b] = [array![[1.0, 1.0], [1.0, 1.0]], array![[3.0, 6.0], [6.0, 12.0]]];
        let mut weights = Array2::zeros((4, 4));
        weights.slice_mut(s![..2, ..2]).assign(&a);
        weights.slice_mut(s![2.., 2..]).assign(&b);
        let cross = array![0.5, 0.5, -1.0, -2.0];
        let hessian =
            Hessian { weights: weights.clone(), cross: cross.clone(), bias: 2.0, precision: Precision::Double };
        let gradient = Parameters { weights: array![1.0, -0.5, 0.25, 2.0], bias: 0.1 };
        let down = factor(&hessian).down_left_out(&gradient).unwrap();
        assert!(down.dot(&gradient) < -1e-3 * down.norm() * gradient.norm());
        let along = weights.dot(&down.weights) + &cross * down.bias;
        let bias = cross.dot(&down.weights) + 2.0 * down.bias;
        assert!(along.iter().chain([&bias]).all(|entry| entry.abs() < 1e-12 * down.norm()), "{along} {bias}");
        // Both are left out, and it leads along either.
        assert!(down.weights[0] < 0.0 && down.weights[1] > 0.0 && down.weights[2] > 0.0 && down.weights[3] < 0.0);
        let regular = Hessian { weights: Array2::eye(4) * 9.0, ..hessian };
        assert!(factor(&regular).down_left_out(&gradient).is_none());
    }
}

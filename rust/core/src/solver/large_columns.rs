//! Columns so much larger than the rest that the products of rows tell of nothing else. They are few, or they would be the
//! rest; so they are taken out of the products, and their weights found by themselves.

use faer::Mat;
use ndarray::{Array1, Array2, ArrayView1};

use super::factor::Inverse;
use crate::matrix::Matrix;
use crate::objective::Standardised;

/// A column is large that varies so many times as much as most of the `2m` that vary most.
const MUCH: f64 = 1e3;

/// What the rows have in columns that are large, each in units of its size: `V`, of shape `(m, k)`.
pub(super) struct LargeColumns {
    columns: Vec<usize>,
    sizes: Vec<f64>,
    means: Vec<f64>,
    /// `diag(r)` times the columns less their means.
    weighted: Array2<f64>,
    /// Before they are multiplied by `r`.
    plain: Array2<f64>,
}

impl LargeColumns {
    /// Large columns of `m` rows, whose shares of the weight are `share`.
    pub(super) fn new(standardised: &Standardised<'_>, x: &Matrix<'_>, share: &Array1<f64>, intercept: bool) -> Self {
        let columns = large(standardised, share.len());
        let sizes: Vec<f64> = columns.iter().map(|&j| standardised.frame().scale()[j]).collect();
        let mut means = Vec::with_capacity(columns.len());
        let mut plain = Array2::zeros((share.len(), columns.len()));
        for ((&j, size), mut column) in columns.iter().zip(&sizes).zip(plain.columns_mut()) {
            column.assign(&ArrayView1::from(&x.columns(j..j + 1).to_vec()));
            let mean = if intercept { share.dot(&column) } else { 0.0 };
            column.mapv_inplace(|value| (value - mean) / size);
            means.push(mean);
        }
        let mut weighted = plain.clone();
        weighted.rows_mut().into_iter().zip(share).for_each(|(mut row, share)| row *= share.sqrt());
        Self { columns, sizes, means, weighted, plain }
    }

    pub(super) fn indices(&self) -> &[usize] {
        &self.columns
    }

    /// `V u`, not multiplied by `r`.
    pub(super) fn predictor(&self, weights: &Array1<f64>) -> Array1<f64> {
        self.plain.dot(weights)
    }

    /// Fills in the weights in the data's own units, and returns what they have of the mean of the predictors.
    pub(super) fn leave(&self, own: &Array1<f64>, weights: &mut Array1<f64>) -> f64 {
        let mut along_means = 0.0;
        for (((&j, size), mean), own) in self.columns.iter().zip(&self.sizes).zip(&self.means).zip(own) {
            weights[j] = own / size;
            along_means += weights[j] * mean;
        }
        along_means
    }
}

/// Those that vary much more than as many others as tell the rows apart; none where these are too few.
fn large(standardised: &Standardised<'_>, m: usize) -> Vec<usize> {
    let columns = standardised.frame().scale().iter().zip(standardised.varies()).enumerate();
    let varying: Vec<(usize, f64)> =
        columns.filter(|(_, (_, varies))| **varies).map(|(j, (scale, _))| (j, *scale)).collect();
    if varying.len() <= m + 1 {
        return Vec::new();
    }
    let mut sizes: Vec<f64> = varying.iter().map(|(_, size)| *size).collect();
    let nth = (2 * m).min((m + sizes.len()) / 2);
    let (_, usual, _) = sizes.select_nth_unstable_by(nth, |a, b| b.total_cmp(a));
    let usual = *usual;
    let found: Vec<usize> = varying.into_iter().filter(|(_, size)| *size > MUCH * usual).map(|(j, _)| j).collect();
    if found.len() <= m { found } else { Vec::new() }
}

/// `[N V; Vᵀ −D]⁻¹` for the products `N` of the rows in the other columns: `(D + Vᵀ N⁻¹ V) u = Vᵀ N⁻¹ t` and
/// `a = N⁻¹ (t − V u)`, with `D` the inverse squares of the sizes. No number is a small difference of large ones.
pub(super) struct Bordered<'a> {
    large: &'a LargeColumns,
    /// `N⁻¹ V`.
    solved: Array2<f64>,
    inverse: Inverse,
}

impl<'a> Bordered<'a> {
    pub(super) fn new(large: &'a LargeColumns, divide: impl Fn(&Array1<f64>) -> Array1<f64>) -> Option<Self> {
        let mut solved = Array2::zeros(large.weighted.raw_dim());
        for (mut solved, column) in solved.columns_mut().into_iter().zip(large.weighted.columns()) {
            solved.assign(&divide(&column.to_owned()));
        }
        let products = large.weighted.t().dot(&solved);
        let k = large.columns.len();
        let inverse_square = |j: usize| (1.0 / large.sizes[j]) / large.sizes[j];
        let matrix = Mat::from_fn(k, k, |i, j| products[[i, j]] + if i == j { inverse_square(i) } else { 0.0 });
        let inverse = Inverse::new(&matrix, 10.0 * k as f64 * f64::EPSILON)?;
        Some(Self { large, solved, inverse })
    }

    /// From `N⁻¹ t`: the rows' `a`, and `u`.
    pub(super) fn apply(&self, divided: &mut Array1<f64>) -> Array1<f64> {
        let right = self.large.weighted.t().dot(divided);
        let mut own = Mat::from_fn(right.len(), 1, |i, _| right[i]);
        self.inverse.apply(&mut own);
        let own: Array1<f64> = (0..right.len()).map(|i| own[(i, 0)]).collect();
        *divided -= &self.solved.dot(&own);
        own
    }
}

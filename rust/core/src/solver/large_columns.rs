//! Columns so much larger than the rest that the products of rows tell of nothing else. They are few, or they would be the
//! rest; so they are taken out of the products, and their weights found by themselves.

use faer::Mat;
use ndarray::{Array1, Array2, ArrayView1};

use super::inverse::Inverse;
use crate::objective::Standardised;

/// A column is large that varies so many times as much as most of the `2m` that vary most.
const MUCH: f64 = 1e3;

/// What the rows have in columns that are large: these less their means, each in units of its size, of shape `(m, k)`.
pub(super) struct LargeColumns {
    columns: Vec<usize>,
    sizes: Vec<f64>,
    means: Vec<f64>,
    values: Array2<f64>,
}

impl LargeColumns {
    /// Of rows whose shares of the weight are `share`.
    pub(super) fn new(standardised: &Standardised<'_>, share: &Array1<f64>) -> Self {
        let rows = standardised.rows();
        let columns = large(standardised, share.len());
        let sizes: Vec<f64> = columns.iter().map(|&j| standardised.frame().scale()[j]).collect();
        let mut means = Vec::with_capacity(columns.len());
        let mut values = Array2::zeros((share.len(), columns.len()));
        for ((&j, size), mut column) in columns.iter().zip(&sizes).zip(values.columns_mut()) {
            column.assign(&ArrayView1::from(&rows.samples().features().columns(j..j + 1).to_vec()));
            let mean = if rows.intercept() { share.dot(&column) } else { 0.0 };
            column.mapv_inplace(|value| (value - mean) / size);
            means.push(mean);
        }
        Self { columns, sizes, means, values }
    }

    /// No columns of `m` rows.
    pub(super) fn none(m: usize) -> Self {
        Self { columns: Vec::new(), sizes: Vec::new(), means: Vec::new(), values: Array2::zeros((m, 0)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// `V`, each row multiplied by a root of its share.
    pub(super) fn weighted(&self, root: &Array1<f64>) -> Array2<f64> {
        let mut weighted = self.values.clone();
        weighted.rows_mut().into_iter().zip(root).for_each(|(mut row, root)| row *= *root);
        weighted
    }

    pub(super) fn indices(&self) -> &[usize] {
        &self.columns
    }

    /// The columns times their weights.
    pub(super) fn predictor(&self, own: &Array1<f64>) -> Array1<f64> {
        self.values.dot(own)
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
/// `a = N⁻¹ (t − V u)`, with `D` the inverse squares of the sizes. No number is a small difference of large ones. `N` has to
/// be regular.
pub(super) struct Bordered {
    /// `V` and `N⁻¹ V`.
    weighted: Array2<f64>,
    solved: Array2<f64>,
    inverse: Inverse,
}

impl Bordered {
    pub(super) fn new(large: &LargeColumns, weighted: Array2<f64>, solved: Array2<f64>) -> Option<Self> {
        let products = weighted.t().dot(&solved);
        let k = large.columns.len();
        let inverse_square = |j: usize| (1.0 / large.sizes[j]) / large.sizes[j];
        let matrix = Mat::from_fn(k, k, |i, j| products[[i, j]] + if i == j { inverse_square(i) } else { 0.0 });
        let inverse = Inverse::new(&matrix, 10.0 * k as f64 * f64::EPSILON)?;
        Some(Self { weighted, solved, inverse })
    }

    /// Makes `a` of `N⁻¹ t`, and returns `u`.
    pub(super) fn apply(&self, divided: &mut Array1<f64>) -> Array1<f64> {
        let right = self.weighted.t().dot(divided);
        let mut own = Mat::from_fn(right.len(), 1, |i, _| right[i]);
        self.inverse.apply(&mut own);
        let own: Array1<f64> = (0..right.len()).map(|i| own[(i, 0)]).collect();
        *divided -= &self.solved.dot(&own);
        own
    }
}

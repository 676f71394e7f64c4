//! Least squares where features outnumber samples: the weights of least norm are a combination of the rows,
//! `w = X̃ᵀ a`, so `m` numbers have to be found, by the products of all pairs of rows.

use faer::Mat;
use ndarray::{Array1, Array2, ArrayView1};

use super::factor::Inverse;
use crate::error::Error;
use crate::evaluate::forward;
use crate::model::{Activation, Parameters};
use crate::objective::{RowObjective, products_of_rows};

/// What [`wide`] finds.
pub(crate) struct Wide {
    pub(crate) parameters: Parameters,
    pub(crate) rank: usize,
    /// Of the matrix of products; infinite if rows are dependent.
    pub(crate) condition: f64,
}

const MAX_CORRECTIONS: usize = 4;
/// A correction smaller than this, beside the solution, changes nothing.
const NEGLIGIBLE: f64 = 1e-15;

/// Minimises `Σ p_i (y_i − x_i·w − b)² + (l2/2) ‖w‖²`, `p = s/S`, of all minima the one with the smallest `‖w‖`.
///
/// With `r = √p`, `X̃` the rows less their mean and `M = diag(r) X̃ X̃ᵀ diag(r)`: `(M + l2/2) α = r (y − ȳ)` and `a = r α`.
/// Corrections take their right side from the rows themselves.
///
/// # Errors
///
/// As a pass; [`Error::Overflow`] also if a product of two rows does.
pub(crate) fn wide(rows: &RowObjective<'_>, l2: f64) -> Result<Wide, Error> {
    let (samples, summary, context) = (rows.samples(), rows.summary(), rows.context());
    let x = samples.features();
    let m = x.n_rows();
    let all = 0..m;
    let mut y = Array1::from(samples.y(all.clone(), &mut Vec::new()).to_vec());
    let targets = y.as_slice().expect("contiguous");
    let share = match samples.sample_weight(all.clone(), targets, &mut Default::default(), &summary.weight_units) {
        Some(weights) => ArrayView1::from(weights).to_owned() / summary.weight_sum,
        None => Array1::from_elem(m, 1.0 / summary.weight_sum),
    };
    if let Some(offset) = samples.offset(all, &mut Vec::new()) {
        y -= &ArrayView1::from(offset);
    }
    let root = share.mapv(f64::sqrt);
    // Of a fixed bias nothing is taken out.
    let mean = |values: &Array1<f64>| if rows.intercept() { share.dot(values) } else { 0.0 };
    let target = &root * &(&y - mean(&y));

    let mut products = products_of_rows(x, context)?;
    if !products.iter().all(|product| product.is_finite()) {
        return Err(match forward(x, None, &Parameters::zeros(x.n_cols()), Activation::Identity, context) {
            Err(error) => error,
            Ok(_) => Error::Overflow,
        });
    }
    if rows.intercept() {
        centre(&mut products, &share);
    }
    let inverse = inverse(&products, &root, l2, rows.intercept()).ok_or(Error::Overflow)?;

    let combine = |alpha: &Array1<f64>| {
        let combination = Parameters { weights: &root * alpha, bias: 0.0 };
        forward(x.transposed(), None, &combination, Activation::Identity, context)
    };
    let mut alpha = Array1::zeros(m);
    let mut residual = target.clone();
    let mut parameters = Parameters::zeros(x.n_cols());
    let mut last_size = f64::INFINITY;
    for _ in 0..MAX_CORRECTIONS {
        let mut column = Mat::from_fn(m, 1, |i, _| residual[i]);
        inverse.apply(&mut column);
        let mut step: Array1<f64> = (0..m).map(|i| column[(i, 0)]).collect();
        if rows.intercept() {
            let along = root.dot(&step);
            step.scaled_add(-along, &root);
        }
        let size = step.dot(&step).sqrt();
        if size.is_nan() || size > 0.5 * last_size {
            break;
        }
        last_size = size;
        alpha += &step;
        parameters = Parameters { weights: combine(&alpha)?, bias: 0.0 };
        let z = forward(x, None, &parameters, Activation::Identity, context)?;
        let z_mean = mean(&z);
        parameters.bias = if rows.intercept() { mean(&y) - z_mean } else { 0.0 };
        if size <= NEGLIGIBLE * alpha.dot(&alpha).sqrt() {
            break;
        }
        residual = &target - &(&root * &(z - z_mean)) - 0.5 * l2 * &alpha;
    }
    Ok(Wide { parameters, rank: inverse.rank, condition: inverse.condition() })
}

/// Products of rows less their mean, from those of the rows.
fn centre(products: &mut Array2<f64>, share: &Array1<f64>) {
    let along = products.dot(share);
    let mean = share.dot(&along);
    for ((i, j), product) in products.indexed_iter_mut() {
        *product += mean - along[i] - along[j];
    }
}

/// `M + l2/2`, inverted.
fn inverse(products: &Array2<f64>, root: &Array1<f64>, l2: f64, intercept: bool) -> Option<Inverse> {
    let m = root.len();
    let weighted = |i: usize, j: usize| root[i] * products[[i, j]] * root[j];
    let trace: f64 = (0..m).map(|i| weighted(i, i)).sum();
    let mean = (trace / m as f64).max(f64::MIN_POSITIVE);
    // Centred rows add up to nothing, so M has the null vector r, of length 1; it is moved away from 0.
    let along_root = if intercept { mean + 0.5 * l2 } else { 0.0 };
    let matrix = Mat::from_fn(m, m, |i, j| {
        // A row without weight has no equation of its own.
        let empty = if root[i] == 0.0 { mean } else { 0.0 };
        let diagonal = if i == j { 0.5 * l2 + empty } else { 0.0 };
        weighted(i, j) + along_root * root[i] * root[j] + diagonal
    });
    let mut found = Inverse::new(&matrix, 10.0 * m as f64 * f64::EPSILON)?;
    let not_their_own = usize::from(intercept) + root.iter().filter(|&&root| root == 0.0).count();
    found.rank = found.rank.saturating_sub(not_their_own);
    Some(found)
}

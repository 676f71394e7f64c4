//! Least squares where features outnumber samples: the weights of least norm are a combination of the rows,
//! `w = X̃ᵀ a`, so `m` numbers have to be found, by the products of all pairs of rows.

use std::ops::Range;

use faer::Mat;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

use super::inverse::Inverse;
use super::large_columns::{Bordered, LargeColumns};
use crate::context::Context;
use crate::error::Error;
use crate::evaluate::predictors;
use crate::matrix::Matrix;
use crate::model::Parameters;
use crate::objective::{Objective, Standardised, products_of_rows};
use crate::samples::without_offset;

/// What [`wide`] finds.
pub(crate) struct Wide {
    pub(crate) parameters: Parameters,
    pub(crate) rank: usize,
    /// Of the matrix of products, its rows scaled alike; infinite if rows are dependent.
    pub(crate) condition: f64,
    /// Whether corrections brought back what the products lost, or the rows that depend on others do so but for rounding. If not
    /// it may be right yet.
    pub(crate) is_right: bool,
}

const MAX_CORRECTIONS: usize = 4;
/// Beyond, large columns are not told from the others by what these leave of the rows.
const WELL_CONDITIONED: f64 = 1e7;
/// A correction smaller than this, beside the solution, changes nothing.
const NEGLIGIBLE: f64 = 1e-15;
/// What may be left of the right side: no entry of the gradient, in standardised units, is larger.
pub(super) const SMALL: f64 = 1e-9;

/// Minimises `Σ p_i (y_i − x_i·w − b)² + (l2/2) ‖w‖²`, `p = s/S`, of all minima the one with the smallest `‖w‖`.
///
/// With `r = √p`, `X̃` the rows less their mean and `M = diag(r) X̃ X̃ᵀ diag(r)`: `(M + l2/2) α = r (y − ȳ)` and `a = r α`.
/// Corrections take their right side from the rows themselves.
///
/// # Errors
///
/// As a pass; [`Error::Overflow`] also if a product of two rows does.
pub(crate) fn wide(standardised: &Standardised<'_>, l2: f64) -> Result<Wide, Error> {
    let problem = Problem::new(standardised);
    let large = LargeColumns::new(standardised, &problem.share);
    let with_large = if large.is_empty() { None } else { Some(problem.solve(l2, &large)?) };
    // Without large columns rows may depend on each other that do not with them.
    let with_large = with_large.filter(|found| found.is_right && found.condition.is_finite());
    match with_large {
        Some(found) if found.condition < WELL_CONDITIONED => Ok(found),
        with_large => {
            let found = problem.solve(l2, &LargeColumns::none(problem.share.len()))?;
            Ok(if found.is_right { found } else { with_large.unwrap_or(found) })
        }
    }
}

/// What is to be met, a number a row.
struct Problem<'a> {
    standardised: &'a Standardised<'a>,
    /// `p`.
    share: Array1<f64>,
    /// `r`.
    root: Array1<f64>,
    y: Array1<f64>,
}

impl<'a> Problem<'a> {
    fn new(standardised: &'a Standardised<'_>) -> Self {
        let rows = standardised.rows();
        let (samples, summary) = (rows.samples(), rows.summary());
        let all = 0..samples.n_samples();
        let (mut buffer, mut difference, mut weight_buffers) = (Vec::new(), Vec::new(), Default::default());
        let targets = samples.y(all.clone(), &mut buffer);
        let weights = samples.sample_weight(all.clone(), targets, &mut weight_buffers, &summary.weight_units);
        let share = match weights {
            Some(weights) => ArrayView1::from(weights).to_owned() / summary.weight_sum,
            None => Array1::from_elem(all.len(), 1.0 / summary.weight_sum),
        };
        let mut offset = Vec::new();
        let y = without_offset(targets, samples.offset(all, &mut offset), &mut difference);
        Self { standardised, root: share.mapv(f64::sqrt), share, y: Array1::from(y.to_vec()) }
    }

    /// Of a fixed bias nothing is taken out.
    fn mean(&self, values: &Array1<f64>) -> f64 {
        if self.standardised.rows().intercept() { self.share.dot(values) } else { 0.0 }
    }

    fn solve(&self, l2: f64, large: &LargeColumns) -> Result<Wide, Error> {
        let Self { standardised, share, root, y } = self;
        let rows = standardised.rows();
        let (intercept, context) = (rows.intercept(), rows.context());
        let target = root * &(y - self.mean(y));
        let features = Features::new(standardised).without(large.indices());
        let mut products = features.products_of_rows(context)?;
        if !products.iter().all(|product| product.is_finite()) {
            return Err(Error::Overflow);
        }
        if intercept {
            centre(&mut products, share);
        }
        let inverse = RowInverse::new(&products, root, (l2, intercept), context)?.ok_or(Error::Overflow)?;
        let bordered = if large.is_empty() {
            None
        } else {
            let weighted = large.weighted(root);
            let solved = inverse.apply_to_each(&weighted);
            Some(Bordered::new(large, weighted, solved).ok_or(Error::Overflow)?)
        };

        let mut alpha = Array1::zeros(root.len());
        let mut residual = target.clone();
        let mut of_large = Array1::zeros(large.indices().len());
        let mut weights = Array1::zeros(rows.n_features());
        let mut z_mean = 0.0;
        let mut last_size = f64::INFINITY;
        for _ in 0..MAX_CORRECTIONS {
            context.check_interrupt()?;
            let mut step = inverse.apply(&residual);
            if let Some(bordered) = &bordered {
                of_large += &bordered.apply(&mut step);
            }
            if intercept {
                let along = root.dot(&step);
                step.scaled_add(-along, root);
            }
            let size = step.dot(&step).sqrt();
            if size.is_nan() || size > 0.5 * last_size {
                break;
            }
            last_size = size;
            alpha += &step;
            weights = features.combination(root * &alpha, context)?;
            let z = features.predictor(&weights, context)?;
            z_mean = self.mean(&z);
            residual = &target - &(root * &(z - z_mean + large.predictor(&of_large))) - 0.5 * l2 * &alpha;
            if size <= NEGLIGIBLE * alpha.dot(&alpha).sqrt() {
                break;
            }
        }
        let condition = inverse.condition();
        let is_right = if condition.is_finite() {
            residual.dot(&residual).sqrt() <= SMALL * target.dot(&target).sqrt()
        } else {
            self.leaves_nothing_out(&inverse, &features, &products)?
        };
        standardised.constants().for_each(|j| weights[j] = 0.0);
        let taken_out = z_mean + features.along_centre(&weights) + large.leave(&of_large, &mut weights);
        let bias = if intercept { self.mean(y) - taken_out } else { 0.0 };
        Ok(Wide { parameters: Parameters { weights, bias }, rank: inverse.rank(), condition, is_right })
    }

    /// Whether the combinations of rows of which a pseudo-inverse has nothing are 0 but for rounding errors: small eigenvalues
    /// would not tell, they are squares.
    fn leaves_nothing_out(
        &self,
        inverse: &RowInverse,
        features: &Features<'_>,
        products: &Array2<f64>,
    ) -> Result<bool, Error> {
        const ROUNDING: f64 = 1e-13;
        let Some(left_out) = inverse.inverse.null_space().into_iter().reduce(|sum, vector| sum + vector) else {
            return Ok(true);
        };
        let length = left_out.dot(&left_out).sqrt();
        let combined = features.combination(&self.root * &left_out, self.standardised.rows().context())?;
        let trace = products.diag().dot(&self.share);
        Ok(combined.dot(&combined).sqrt() <= ROUNDING * length * trace.sqrt())
    }
}

/// The columns as they are; or where that is much, or some are left out, less their means, some columns at a time.
pub(super) struct Features<'a> {
    x: Matrix<'a>,
    centre: Option<&'a [f64]>,
    /// In order; these have no weight.
    left_out: Vec<usize>,
}

impl<'a> Features<'a> {
    pub(super) fn new(standardised: &'a Standardised<'_>) -> Self {
        /// Products of rows lose at most two digits where means are not taken out before.
        const MUCH: f64 = 100.0;
        let frame = standardised.frame();
        let deviations = frame.scale().iter().zip(standardised.varies());
        let of_deviations: f64 = deviations.map(|(scale, &varies)| if varies { scale * scale } else { 0.0 }).sum();
        let of_means: f64 = frame.centre().iter().map(|centre| centre * centre).sum();
        let is_much = of_means > MUCH * of_deviations;
        // What rounding leaves of a constant is no feature; one that is not centred cancels.
        let left_out = if is_much { standardised.constants().collect() } else { Vec::new() };
        let x = standardised.rows().samples().features();
        Self { x, centre: is_much.then_some(frame.centre()), left_out }
    }

    /// Leaves out further columns.
    fn without(mut self, columns: &[usize]) -> Self {
        self.left_out.extend(columns);
        self.left_out.sort_unstable();
        self
    }

    fn for_each_block(
        &self,
        mut visit: impl FnMut(Range<usize>, Matrix<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        const BYTES: usize = 4 << 20;
        let (m, n) = self.x.shape();
        if self.centre.is_none() && self.left_out.is_empty() {
            return visit(0..n, self.x);
        }
        let width = (BYTES / size_of::<f64>() / m).max(1);
        for start in (0..n).step_by(width) {
            let columns = start..n.min(start + width);
            let mut values = self.x.columns(columns.clone()).to_vec();
            let within = |bound: usize| self.left_out.partition_point(|&column| column < bound);
            let left_out = &self.left_out[within(columns.start)..within(columns.end)];
            for row in values.chunks_exact_mut(columns.len()) {
                if let Some(centre) = self.centre {
                    row.iter_mut().zip(&centre[columns.clone()]).for_each(|(value, centre)| *value -= centre);
                }
                left_out.iter().for_each(|column| row[column - columns.start] = 0.0);
            }
            let block = ArrayView2::from_shape((m, columns.len()), &values).expect("a value a column in each row");
            visit(columns, block.into())?;
        }
        Ok(())
    }

    /// `X̃ X̃ᵀ`.
    pub(super) fn products_of_rows(&self, context: &Context<'_>) -> Result<Array2<f64>, Error> {
        let mut products = Array2::zeros((self.x.n_rows(), self.x.n_rows()));
        self.for_each_block(|_, block| {
            products += &products_of_rows(block, context)?;
            Ok(())
        })?;
        Ok(products)
    }

    /// `X̃ᵀ a`.
    pub(super) fn combination(&self, of: Array1<f64>, context: &Context<'_>) -> Result<Array1<f64>, Error> {
        let of = Parameters { weights: of, bias: 0.0 };
        let mut weights = Array1::zeros(self.x.n_cols());
        self.for_each_block(|columns, block| {
            let found = predictors(block.transposed(), None, &of, context)?;
            weights.slice_mut(s![columns]).assign(&found);
            Ok(())
        })?;
        Ok(weights)
    }

    /// `X̃ w`.
    fn predictor(&self, weights: &Array1<f64>, context: &Context<'_>) -> Result<Array1<f64>, Error> {
        let mut z = Array1::zeros(self.x.n_rows());
        self.for_each_block(|columns, block| {
            let weights = weights.slice(s![columns]).to_owned();
            z += &predictors(block, None, &Parameters { weights, bias: 0.0 }, context)?;
            Ok(())
        })?;
        Ok(z)
    }

    /// `X̃ c`, for the centre `c` that was taken out.
    pub(super) fn rows_along_centre(&self, context: &Context<'_>) -> Result<Array1<f64>, Error> {
        match self.centre {
            Some(centre) => self.predictor(&ArrayView1::from(centre).to_owned(), context),
            None => Ok(Array1::zeros(self.x.n_rows())),
        }
    }

    /// `c·c`.
    pub(super) fn centre_square(&self) -> f64 {
        self.centre.map_or(0.0, |centre| centre.iter().map(|centre| centre * centre).sum())
    }

    /// What was taken out of the predictors.
    pub(super) fn along_centre(&self, weights: &Array1<f64>) -> f64 {
        self.centre.map_or(0.0, |centre| weights.dot(&ArrayView1::from(centre)))
    }
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
struct RowInverse {
    inverse: Inverse,
    /// Of each row, `1/√` of its diagonal entry, so that rows of little weight are rows like others.
    inverse_root: Array1<f64>,
    /// Null vectors that were filled up.
    not_their_own: usize,
}

impl RowInverse {
    fn new(
        products: &Array2<f64>,
        root: &Array1<f64>,
        (l2, intercept): (f64, bool),
        context: &Context<'_>,
    ) -> Result<Option<Self>, Error> {
        let m = root.len();
        let weighted = |i: usize, j: usize| root[i] * products[[i, j]] * root[j];
        let trace: f64 = (0..m).map(|i| weighted(i, i)).sum();
        let mean = if trace > 0.0 { (trace / m as f64).max(f64::MIN_POSITIVE) } else { 1.0 };
        // Centred rows add up to nothing, so M has the null vector r, of length 1; it is moved away from 0.
        let along_root = if intercept { mean + 0.5 * l2 } else { 0.0 };
        let matrix = Mat::from_fn(m, m, |i, j| {
            // A row without weight has no equation of its own.
            let empty = if root[i] == 0.0 { mean } else { 0.0 };
            let diagonal = if i == j { 0.5 * l2 + empty } else { 0.0 };
            weighted(i, j) + along_root * root[i] * root[j] + diagonal
        });
        let singular = 10.0 * m as f64 * f64::EPSILON;
        let not_their_own = usize::from(intercept) + root.iter().filter(|&&root| root == 0.0).count();
        let inverse_root: Array1<f64> = (0..m).map(|i| matrix[(i, i)].sqrt().recip()).collect();
        if inverse_root.iter().all(|root| root.is_finite()) {
            let scaled = Mat::from_fn(m, m, |i, j| inverse_root[i] * matrix[(i, j)] * inverse_root[j]);
            if let Some(inverse) = Inverse::of_regular(scaled, singular, context)? {
                return Ok(Some(Self { inverse, inverse_root, not_their_own }));
            }
        }
        // Where rows depend on each other, it is the residuals with their weights that are least.
        let inverse = Inverse::of(matrix, singular, context)?;
        Ok(inverse.map(|inverse| Self { inverse, inverse_root: Array1::ones(m), not_their_own }))
    }

    fn apply(&self, vector: &Array1<f64>) -> Array1<f64> {
        let mut column = Mat::from_fn(vector.len(), 1, |i, _| self.inverse_root[i] * vector[i]);
        self.inverse.apply(&mut column);
        (0..vector.len()).map(|i| self.inverse_root[i] * column[(i, 0)]).collect()
    }

    /// As [`RowInverse::apply`], to the columns of a matrix.
    fn apply_to_each(&self, matrix: &Array2<f64>) -> Array2<f64> {
        let (m, k) = matrix.dim();
        let mut columns = Mat::from_fn(m, k, |i, j| self.inverse_root[i] * matrix[[i, j]]);
        self.inverse.apply(&mut columns);
        Array2::from_shape_fn((m, k), |(i, j)| self.inverse_root[i] * columns[(i, j)])
    }

    fn rank(&self) -> usize {
        self.inverse.rank.saturating_sub(self.not_their_own)
    }

    fn condition(&self) -> f64 {
        self.inverse.condition()
    }
}

//! The linear model's cost where features outnumber samples: gradients are combinations of the rows of `X`, so `m`
//! numbers say where a fit is, and `X Xᵀ` holds all that is asked of the data.

use ndarray::{Array1, Array2, ArrayView1};

use super::hessian::symmetric_product;
use super::products::products_of_rows;
use super::{Objective, RowObjective};
use crate::error::Error;
use crate::evaluate::forward;
use crate::model::{Activation, Parameters};
use crate::samples::without_offset;

/// The parameters `(a, b)` stand for `(w₀ + Xᵀa, b₀ + b)`. Lengths are those of the weights they stand for, so steps
/// along the gradient are the same steps: `‖Xᵀa‖² = a·K a` with `K = X Xᵀ`.
#[derive(Debug)]
pub(crate) struct Dual<'r> {
    rows: &'r RowObjective<'r>,
    start: Parameters,
    /// `X w₀ + b₀ − y`, with the offset.
    residual: Array1<f64>,
    /// `s / S`.
    weight: Array1<f64>,
    products: Array2<f64>,
}

impl<'r> Dual<'r> {
    /// Two passes.
    ///
    /// # Errors
    ///
    /// As [`Objective::cost`]; [`Error::Overflow`] also if a product of two rows does.
    pub(crate) fn collect(rows: &'r RowObjective<'r>, start: &Parameters) -> Result<Self, Error> {
        let (samples, context) = (rows.samples(), rows.context());
        let x = samples.features();
        let all = 0..x.n_rows();
        let mut residual = forward(x, None, start, Activation::Identity, context)?;
        let mut buffer = Vec::new();
        let y = samples.y(all.clone(), &mut buffer);
        let (mut offset, mut difference) = (Vec::new(), Vec::new());
        let targets = without_offset(y, samples.offset(all.clone(), &mut offset), &mut difference);
        residual -= &ArrayView1::from(targets);
        let summary = rows.summary();
        let weight = match samples.sample_weight(all, y, &mut Default::default(), &summary.weight_units) {
            Some(weights) => ArrayView1::from(weights).to_owned(),
            None => Array1::ones(x.n_rows()),
        };
        let products = products_of_rows(x, context)?;
        if !products.iter().all(|product| product.is_finite()) {
            return Err(Error::Overflow);
        }
        Ok(Self { rows, start: start.clone(), residual, weight: weight / summary.weight_sum, products })
    }

    pub(crate) fn rows(&self) -> &'r RowObjective<'r> {
        self.rows
    }

    /// What the parameters stand for, by one pass.
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`], [`Error::Interrupted`].
    pub(crate) fn leave(&self, inner: &Parameters) -> Result<Parameters, Error> {
        let combination = Parameters { weights: inner.weights.clone(), bias: 0.0 };
        let rows = self.rows.samples().features().transposed();
        let mut outer = self.start.clone();
        outer.weights += &forward(rows, None, &combination, Activation::Identity, self.rows.context())?;
        outer.bias += inner.bias;
        Ok(outer)
    }

    /// `K a`.
    fn product(&self, a: &Array1<f64>) -> Array1<f64> {
        symmetric_product(&self.products, a)
    }

    /// `K a + b`.
    fn predictor(&self, at: &Parameters) -> Array1<f64> {
        self.product(&at.weights) + if self.rows.intercept() { at.bias } else { 0.0 }
    }

    /// The gradient of a cost whose slope in each predictor is `2 s_i/S` times an entry of `z`.
    fn slope(&self, z: Array1<f64>, gradient: &mut Parameters) {
        gradient.weights = z * &self.weight * 2.0;
        gradient.bias = if self.rows.intercept() { gradient.weights.sum() } else { 0.0 };
    }
}

impl Objective for Dual<'_> {
    fn n_features(&self) -> usize {
        self.residual.len()
    }

    fn cost(&self, at: &Parameters) -> Result<f64, Error> {
        self.cost_gradient(at, &mut Parameters::zeros(self.n_features()))
    }

    fn cost_gradient(&self, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error> {
        self.rows.context().check_interrupt()?;
        let residual = self.predictor(at) + &self.residual;
        let cost = residual.iter().zip(&self.weight).map(|(r, s)| s * r * r).sum();
        self.slope(residual, gradient);
        Ok(cost)
    }

    fn bound_product(&self, direction: &Parameters, product: &mut Parameters) -> Result<(), Error> {
        self.slope(self.predictor(direction), product);
        Ok(())
    }

    fn is_quadratic(&self) -> bool {
        true
    }

    fn rounding_level(&self) -> f64 {
        self.rows.rounding_level()
    }

    fn inner_product(&self, a: &Parameters, b: &Parameters) -> f64 {
        a.weights.dot(&self.product(&b.weights)) + a.bias * b.bias
    }

    fn norm(&self, v: &Parameters) -> f64 {
        self.inner_product(v, v).max(0.0).sqrt()
    }
}

//! A cost and the penalty `(l2/2) ‖w‖²`, which leaves the bias alone.

use super::Objective;
use crate::error::Error;
use crate::model::Parameters;

/// `C + (l2/2) ‖w‖²`, with the lengths and the gradients of the inner objective's own inner product.
pub(crate) struct Penalised<'o> {
    inner: &'o dyn Objective,
    l2: f64,
}

impl<'o> Penalised<'o> {
    pub(crate) fn new(inner: &'o dyn Objective, l2: f64) -> Self {
        Self { inner, l2 }
    }

    /// Adds the penalty's gradient `l2 w` at `at`, and returns the penalty.
    fn add(&self, at: &Parameters, gradient: &mut Parameters) -> f64 {
        // None costs nothing.
        if self.l2 == 0.0 {
            return 0.0;
        }
        let slope = Parameters { weights: self.l2 * &at.weights, bias: 0.0 };
        gradient.add_scaled(1.0, &slope);
        0.5 * self.inner.inner_product(&slope, at)
    }
}

impl Objective for Penalised<'_> {
    fn n_features(&self) -> usize {
        self.inner.n_features()
    }

    fn cost(&self, at: &Parameters) -> Result<f64, Error> {
        Ok(self.inner.cost(at)? + self.add(at, &mut Parameters::zeros(self.n_features())))
    }

    fn cost_gradient(&self, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error> {
        Ok(self.inner.cost_gradient(at, gradient)? + self.add(at, gradient))
    }

    fn bound_product(&self, direction: &Parameters, product: &mut Parameters) -> Result<(), Error> {
        self.inner.bound_product(direction, product)?;
        product.weights.scaled_add(self.l2, &direction.weights);
        Ok(())
    }

    fn is_quadratic(&self) -> bool {
        self.inner.is_quadratic()
    }

    fn rounding_level(&self) -> f64 {
        self.inner.rounding_level()
    }

    fn inner_product(&self, a: &Parameters, b: &Parameters) -> f64 {
        self.inner.inner_product(a, b)
    }

    fn norm(&self, v: &Parameters) -> f64 {
        self.inner.norm(v)
    }
}

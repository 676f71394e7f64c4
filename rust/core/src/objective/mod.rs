//! What a solver may ask of the data. Where the rows live is not its business.

mod dual;
mod hessian;
mod middles;
mod moments;
mod penalised;
mod products;
mod rows;
mod standardised;

pub(crate) use dual::Dual;
pub(crate) use hessian::{Hessian, Slopes, symmetric_product};
pub(crate) use middles::{Middle, middles};
pub(crate) use moments::Moments;
pub(crate) use penalised::Penalised;
pub(crate) use products::{MAX_BLOCK, products_of_rows};
pub(crate) use rows::{RowObjective, WorkingResponse};
pub(crate) use standardised::{Spread, Standardised};

use crate::error::Error;
use crate::model::Parameters;

/// A function of the parameters, to be minimised.
pub(crate) trait Objective {
    /// The number of features `n`; parameters have `n` weights and a bias.
    fn n_features(&self) -> usize;

    /// The cost at `at`.
    ///
    /// # Errors
    ///
    /// Non-finite data; [`Error::Overflow`] if a linear predictor is not finite; [`Error::Interrupted`].
    fn cost(&self, at: &Parameters) -> Result<f64, Error>;

    /// The cost at `at`; its gradient is written to `gradient`.
    ///
    /// # Errors
    ///
    /// As [`Objective::cost`].
    fn cost_gradient(&self, at: &Parameters, gradient: &mut Parameters) -> Result<f64, Error>;

    /// With `B` an upper bound of the Hessian everywhere: writes `B d` to `product`.
    ///
    /// # Errors
    ///
    /// As [`Objective::cost`].
    fn bound_product(&self, direction: &Parameters, product: &mut Parameters) -> Result<(), Error>;

    /// Whether the cost is a quadratic function of the parameters.
    fn is_quadratic(&self) -> bool;

    /// A cost below which everything is rounding error.
    fn rounding_level(&self) -> f64;

    /// The inner product by which gradients are gradients.
    fn inner_product(&self, a: &Parameters, b: &Parameters) -> f64 {
        a.dot(b)
    }

    /// The length of a vector of parameters.
    fn norm(&self, v: &Parameters) -> f64 {
        v.norm()
    }
}

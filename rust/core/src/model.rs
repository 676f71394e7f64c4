//! The three models, and the parameters that a fit moves.

use std::borrow::Cow;

use ndarray::Array1;

use crate::error::Error;

/// What turns the linear predictor `z = X w + b` into the prediction `ŷ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `ŷ = z`.
    Identity,
    /// `ŷ = σ(z) = 1 / (1 + exp(−z))`.
    Sigmoid,
}

/// How far a prediction is from its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// `(y − ŷ)²`, without a factor ½.
    SquaredError,
    /// `log(1 + exp(z)) − y z`, the negative log-likelihood of a Bernoulli target.
    LogLoss,
}

/// One of the three models: an activation together with the loss that it is fitted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Identity and squared error: linear least squares.
    Linear,
    /// Sigmoid and squared error. Not convex.
    SigmoidSquaredError,
    /// Sigmoid and log loss: logistic regression.
    SigmoidLogLoss,
}

impl Model {
    /// The model with this activation and loss.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchModel`] for identity with log loss: the log loss needs predictions in (0, 1).
    pub fn new(activation: Activation, loss: Loss) -> Result<Self, Error> {
        match (activation, loss) {
            (Activation::Identity, Loss::SquaredError) => Ok(Self::Linear),
            (Activation::Sigmoid, Loss::SquaredError) => Ok(Self::SigmoidSquaredError),
            (Activation::Sigmoid, Loss::LogLoss) => Ok(Self::SigmoidLogLoss),
            (Activation::Identity, Loss::LogLoss) => Err(Error::NoSuchModel),
        }
    }

    /// The activation of this model.
    #[must_use]
    pub fn activation(self) -> Activation {
        match self {
            Self::Linear => Activation::Identity,
            Self::SigmoidSquaredError | Self::SigmoidLogLoss => Activation::Sigmoid,
        }
    }

    /// The least upper bound of `∂²C/∂z²` for one sample of weight 1 and a target the model accepts.
    ///
    /// Squared error on the sigmoid, with `p = σ(z)`: `∂²C/∂z² = 2p(1−p)[p(1−p) + (p−y)(1−2p)]` is
    /// linear in `y`, so its extremes over `y` in `[0, 1]` lie at the ends, where it is `2p²(1−p)(2−3p)` or
    /// its mirror image; that is largest at `p = (15 − √33)/24`.
    #[must_use]
    pub fn curvature_bound(self) -> f64 {
        match self {
            Self::Linear => 2.0,
            Self::SigmoidSquaredError => {
                let p = (15.0 - 33f64.sqrt()) / 24.0;
                2.0 * p * p * (1.0 - p) * (2.0 - 3.0 * p)
            }
            Self::SigmoidLogLoss => 0.25,
        }
    }
}

/// The weights `w` and the bias `b` of a model; also anything of their shape, such as a gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// One weight a feature, shape `(n,)`.
    pub weights: Array1<f64>,
    /// The bias, or intercept.
    pub bias: f64,
}

impl Parameters {
    /// The linear predictor of one row.
    pub(crate) fn predictor(&self, row: &[f64]) -> f64 {
        row.iter().zip(&self.weights).fold(self.bias, |z, (x, w)| z + x * w)
    }

    /// All zero, for `n_features` features.
    #[must_use]
    pub fn zeros(n_features: usize) -> Self {
        Self { weights: Array1::zeros(n_features), bias: 0.0 }
    }

    /// The number of features `n`.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.weights.len()
    }

    /// The weights as a slice; copied only where the array's stride is not 1.
    pub(crate) fn contiguous_weights(&self) -> Cow<'_, [f64]> {
        self.weights.as_slice().map_or_else(|| Cow::Owned(self.weights.to_vec()), Cow::Borrowed)
    }

    /// The Euclidean norm of `(w, b)`, scaled so that it overflows only if an entry is not finite.
    #[must_use]
    pub fn norm(&self) -> f64 {
        let entries = || self.weights.iter().chain([&self.bias]).map(|entry| entry.abs());
        let largest = entries().fold(0.0, |acc, entry| if entry > acc || entry.is_nan() { entry } else { acc });
        if largest == 0.0 || !largest.is_finite() {
            return largest;
        }
        let sum: f64 = entries().map(|entry| (entry / largest).powi(2)).sum();
        largest * sum.sqrt()
    }

    /// The largest entry of `(w, b)`, by its size.
    pub(crate) fn largest_entry(&self) -> f64 {
        self.weights.iter().fold(self.bias.abs(), |largest, entry| largest.max(entry.abs()))
    }

    /// `self += factor · direction`.
    ///
    /// # Panics
    ///
    /// If the two have different numbers of features.
    pub fn add_scaled(&mut self, factor: f64, direction: &Self) {
        self.weights.scaled_add(factor, &direction.weights);
        self.bias += factor * direction.bias;
    }

    /// The inner product.
    ///
    /// # Panics
    ///
    /// If the two have different numbers of features.
    #[must_use]
    pub fn dot(&self, other: &Self) -> f64 {
        self.weights.dot(&other.weights) + self.bias * other.bias
    }

    /// `self *= factor`.
    pub fn scale(&mut self, factor: f64) {
        self.weights *= factor;
        self.bias *= factor;
    }

    /// # Errors
    ///
    /// [`Error::Features`] if these are not parameters for `n_features` features, [`Error::NonFiniteVector`] for NaN or
    /// infinity.
    pub(crate) fn check(&self, n_features: usize) -> Result<(), Error> {
        if self.n_features() != n_features {
            return Err(Error::Features { argument: "weights", found: self.n_features(), expected: n_features });
        }
        let finite = |argument, index, value: f64| {
            if value.is_finite() { Ok(()) } else { Err(Error::NonFiniteVector { argument, index, value }) }
        };
        finite("bias", 0, self.bias)?;
        self.weights.iter().enumerate().try_for_each(|(index, &value)| finite("weights", index, value))
    }
}

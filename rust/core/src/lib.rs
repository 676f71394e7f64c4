//! The linear model `ŷ = w·x + b` and the sigmoid model `ŷ = σ(w·x + b)`, fitted by few passes over the data, or by textbook
//! gradient descent.
//!
//! Data are read where they lie, in any layout and any [`DType`], and in parallel; arithmetic is `f64`; the result is
//! the same, to the bit, for any number of threads.
//!
//! # One fit for each model
//!
//! ```
//! use ndarray::array;
//! use steepest::{Context, FitOptions, Model, Samples, StopReason, fit};
//!
//! let x = array![[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0], [4.0, 1.0]];
//! let context = Context::default();
//! let options = FitOptions { max_iter: 20_000, ..FitOptions::default() };
//!
//! // The linear model, on y = 2 x₁ − x₂ + 1.
//! let y = array![0.0, 3.0, 4.0, 4.0, 8.0];
//! let line = fit(Model::Linear, Samples::new(&x, &y)?, None, &options, &context)?;
//! assert_eq!(line.stop_reason, StopReason::Tolerance);
//! assert!((line.parameters.weights[0] - 2.0).abs() < 1e-4);
//!
//! // The sigmoid model by squared error, on rates in [0, 1].
//! let rates = array![0.2, 0.3, 0.45, 0.5, 0.7];
//! let curve = fit(Model::SigmoidSquaredError, Samples::new(&x, &rates)?, None, &options, &context)?;
//! assert!(curve.parameters.weights[0] > 0.0);
//!
//! // The sigmoid model by log loss, on labels.
//! let labels = array![false, true, false, false, true];
//! let classifier = fit(Model::SigmoidLogLoss, Samples::new(&x, &labels)?, None, &options, &context)?;
//! let cost = &classifier.history.cost;
//! assert!(cost.windows(2).all(|pair| pair[1] <= pair[0]));
//! # Ok::<(), steepest::Error>(())
//! ```

#![deny(unsafe_code)]

mod context;
mod course;
mod error;
mod evaluate;
mod fit;
mod frame;
mod history;
mod kernel;
mod matrix;
mod model;
mod objective;
mod pass;
mod processor;
mod samples;
#[cfg(test)]
mod simd_kind;
mod solver;
mod threads;

pub use context::Context;
pub use course::Fit;
pub use error::Error;
pub use evaluate::{class_probabilities, cost, cost_gradient, cost_gradient_hessian, forward};
pub use fit::{FitOptions, LearningRate, Precompute, Solver, fit};
pub use history::History;
pub use kernel::link::{log_loss, sigmoid};
pub use matrix::{DType, Element, Matrix};
pub use model::{Activation, Loss, Model, Parameters};
pub use samples::{ClassWeight, Samples};
pub use solver::StopReason;
pub use threads::{MAX_THREADS, THREAD_VARIABLES, default_threads};

//! Ways to the minimum of an [`Objective`](crate::Objective). Each reports every step to an observer.

mod coordinate_descent;
mod exact;
mod factor;
mod gradient_descent;
mod least_squares;
mod normal_equations;
mod plan;
mod power_iteration;
mod proximal;
mod quasi_newton;
mod separation;
mod smooth;
mod wide;

pub(crate) use exact::{Exact, exact};
pub(crate) use gradient_descent::{GradientDescent, gradient_descent};
pub(crate) use power_iteration::{Accuracy, largest_eigenvalue};
pub(crate) use proximal::minimise_sparse;
pub(crate) use smooth::{Smooth, minimise};

use std::ops::ControlFlow;

use crate::error::Error;
use crate::model::Parameters;

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The minimum is as near as `tol` asks; or a step of gradient descent became smaller than rounding error.
    Tolerance,
    /// `max_iter` iterations were done.
    MaxIter,
    /// No step lowered the cost by more than rounding error.
    Rounding,
    /// The classes can be told apart without error, so that the log loss has no minimum.
    Separation,
    /// The validation cost had not improved for `patience` iterations, or had its minimum before the last iteration.
    EarlyStopping,
}

/// One iteration, as an observer sees it. Iteration 0 is the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    /// The number of updates so far.
    pub(crate) iteration: usize,
    /// The parameters after that many updates.
    pub(crate) parameters: &'a Parameters,
    /// The cost there.
    pub(crate) cost: f64,
    /// The Euclidean norm of the gradient there.
    pub(crate) gradient_norm: f64,
}

/// Sees each step, and may end the fit.
pub(crate) type Observer<'a> = dyn FnMut(&Step<'_>) -> Result<ControlFlow<StopReason>, Error> + 'a;

/// What second-order solvers are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) max_iter: usize,
    /// The largest entry of the gradient, in standardised variables, to stop at.
    pub(crate) tol: f64,
    /// Whether Hessians may be formed.
    pub(crate) hessians: bool,
}

/// What was found where it may be done without: only an interrupt is an error.
fn unless_interrupted<T>(found: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match found {
        Err(Error::Interrupted) => Err(Error::Interrupted),
        found => Ok(found.ok().flatten()),
    }
}

/// Where a solver ended, and why.
#[derive(Clone, Debug)]
pub(crate) struct Solution {
    pub(crate) parameters: Parameters,
    /// The objective's gradient there.
    pub(crate) gradient: Parameters,
    pub(crate) n_iter: usize,
    pub(crate) stop_reason: StopReason,
}

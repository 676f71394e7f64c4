//! Ways to the minimum of an [`Objective`](crate::Objective). Each reports every step to an observer.

mod coordinate_descent;
mod curvature;
mod dependence;
mod exact;
mod factor;
mod far_values;
mod gradient_descent;
mod inverse;
mod large_columns;
mod least_squares;
mod line_search;
mod margins;
mod normal_equations;
mod part;
mod plan;
mod power_iteration;
mod proximal;
mod quasi_newton;
mod reweighted;
mod row_space;
mod separation;
mod smooth;
mod wide;
mod working_set;

pub(crate) use exact::exact;
pub(crate) use gradient_descent::{GradientDescent, gradient_descent};
pub(crate) use power_iteration::{Accuracy, largest_eigenvalue};
pub(crate) use proximal::{minimise_sparse, optimality};
pub(crate) use smooth::{Smooth, minimise};

use std::ops::ControlFlow;

use crate::error::Error;
use crate::model::Parameters;
use crate::objective::RowObjective;

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The minimum is as near as `tol` asks; or a step of gradient descent became smaller than rounding error.
    Tolerance,
    /// `max_iter` iterations were done.
    MaxIter,
    /// No step lowered the cost by more than rounding error.
    Rounding,
    /// The classes can be told apart without error, so that the cost has no minimum.
    Separation,
    /// The validation cost had not improved for `patience` iterations, or had its minimum before the last iteration.
    EarlyStopping,
}

impl StopReason {
    /// Whether the search ended by itself.
    fn is_arrival(self) -> bool {
        matches!(self, Self::Tolerance | Self::Rounding)
    }
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
    /// Whether the parameters at each step are looked at.
    pub(crate) looks_at_parameters: bool,
    /// The share of the cost that is not sought where the gradient is as small as `tol` asks and columns do not depend on each
    /// other.
    pub(crate) negligible: f64,
}

impl Settings {
    /// A share that is lost among rounding errors.
    pub(crate) const NEGLIGIBLE: f64 = 3e-14;

    /// How much a step may still lower the cost at the end: as little as a gradient promises whose entries all are `tol`, where
    /// columns do not depend on each other, if that is negligible. A cost that falls to 0 for ever has to end somewhere.
    fn promise(&self, cost: f64, rows: &RowObjective<'_>) -> f64 {
        let square = self.tol * self.tol;
        let of_gradient = square * rows.unit() * rows.unit();
        let independent = rows.samples().n_features() as f64 * of_gradient / rows.model().curvature_bound();
        let negligible = independent.min(self.negligible * cost.abs());
        (square.max(1e-15) * cost.abs()).max(1e-6 * of_gradient).max(negligible)
    }
}

/// Costs that differ by less, relatively, are equal.
const ROUNDING: f64 = 1e-14;

/// Notices when rounding errors are all that changes.
struct Progress {
    cost: f64,
    size: f64,
    n_without: usize,
}

impl Default for Progress {
    fn default() -> Self {
        Self { cost: f64::INFINITY, size: f64::INFINITY, n_without: 0 }
    }
}

impl Progress {
    const PATIENCE: usize = 8;

    /// Whether for so many steps the cost has not fallen by this share, nor the gradient by half.
    fn has_ended(&mut self, cost: f64, size: f64, share: f64) -> bool {
        let progress = cost < self.cost - share * self.cost.abs() || size < 0.5 * self.size;
        if progress || self.cost == f64::INFINITY {
            (self.cost, self.size, self.n_without) = (self.cost.min(cost), self.size.min(size), 0);
        } else {
            self.n_without += 1;
        }
        self.n_without >= Self::PATIENCE
    }
}

/// Notices that steps beyond a gradient as small as it should be are in vain, whatever they promise.
#[derive(Default)]
struct Patience {
    n_small: usize,
    /// Before the last so many steps.
    cost: f64,
}

impl Patience {
    const STEPS: usize = 50;
    /// Where values are far from all others, steps that lower the cost by little may be many and still lead far.
    const LITTLE: f64 = 1e-7;

    /// Whether so many steps in a row have lowered the cost by less than this share.
    fn is_over(&mut self, is_small: bool, cost: f64) -> bool {
        if !is_small || self.n_small == 0 {
            *self = Self { n_small: usize::from(is_small), cost };
            return false;
        }
        self.n_small += 1;
        if self.n_small <= Self::STEPS {
            return false;
        }
        let is_over = self.cost - cost <= Self::LITTLE * cost.abs();
        *self = Self { n_small: 1, cost };
        is_over
    }
}

/// What was found where it may be done without: only an interrupt is an error.
fn unless_interrupted<T>(found: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match found {
        Err(Error::Interrupted) => Err(Error::Interrupted),
        found => Ok(found.ok().flatten()),
    }
}

/// What was found, unless it is too large a number: a search goes on elsewhere.
pub(crate) fn unless_overflow<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Err(Error::Overflow) => Ok(None),
        found => found.map(Some),
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

/// A minimum, with what is known of it.
pub(crate) struct Exact {
    pub(crate) parameters: Parameters,
    /// The objective with all weights 0, and at the minimum.
    pub(crate) costs: [f64; 2],
    /// Euclidean norms of the gradient there.
    pub(crate) gradient_norms: [f64; 2],
    /// The largest entry of the gradient where columns and targets have standard deviation 1.
    pub(crate) optimality: f64,
    /// The condition number of the Hessian, its columns scaled alike; infinite where they are dependent.
    pub(crate) condition: f64,
    /// The number of linearly independent columns beside the constant.
    pub(crate) rank: usize,
    /// The other columns, where they are few.
    pub(crate) dependent: Vec<usize>,
}

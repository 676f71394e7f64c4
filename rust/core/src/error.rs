//! The one error type of the crate. Every message names the argument, the fault and the value.

use thiserror::Error as ThisError;

/// What can go wrong between the data and the answer.
#[derive(Clone, Debug, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// Identity activation with log loss.
    #[error("loss \"log_loss\" needs activation \"sigmoid\": it is defined for predictions between 0 and 1")]
    NoSuchModel,

    /// A vector's length differs from the number of rows of X.
    #[error("{argument} has {found} samples, X has {expected}")]
    Length {
        /// The name of the vector.
        argument: &'static str,
        /// Its length.
        found: usize,
        /// The number of rows of X.
        expected: usize,
    },

    /// The number of features differs from what the parameters or the training data have.
    #[error("{argument} has {found} features, expected {expected}")]
    Features {
        /// The name of the argument.
        argument: &'static str,
        /// How many it has.
        found: usize,
        /// How many are needed.
        expected: usize,
    },

    /// A column was expected.
    #[error("{argument} has {found} columns, expected one")]
    NotAColumn {
        /// The name of the argument.
        argument: &'static str,
        /// Its number of columns.
        found: usize,
    },

    /// A matrix without rows or without columns.
    #[error("X is empty: its shape is ({n_rows}, {n_cols})")]
    Empty {
        /// Rows found.
        n_rows: usize,
        /// Columns found.
        n_cols: usize,
    },

    /// NaN or infinity in a matrix.
    #[error("{argument} contains {} at row {row}, column {column}; every value must be finite", spell(*value))]
    NonFiniteMatrix {
        /// The name of the matrix.
        argument: &'static str,
        /// The first row that holds one.
        row: usize,
        /// The first such column in that row.
        column: usize,
        /// The value.
        value: f64,
    },

    /// NaN or infinity in a vector.
    #[error("{argument} contains {} at index {index}; every value must be finite", spell(*value))]
    NonFiniteVector {
        /// The name of the vector.
        argument: &'static str,
        /// The first such index.
        index: usize,
        /// The value.
        value: f64,
    },

    /// A target outside `[0, 1]` for the sigmoid model.
    #[error("{argument} contains {} at index {index}; the sigmoid model needs targets between 0 and 1", short(*value))]
    TargetOutOfRange {
        /// The name of the vector.
        argument: &'static str,
        /// The first such index.
        index: usize,
        /// The value.
        value: f64,
    },

    /// A negative sample weight.
    #[error("{argument} contains {} at index {index}; weights must not be negative", short(*value))]
    NegativeWeight {
        /// The name of the vector.
        argument: &'static str,
        /// The first such index.
        index: usize,
        /// The value.
        value: f64,
    },

    /// All sample weights are zero.
    #[error("{argument} is zero everywhere; at least one weight must be positive")]
    ZeroWeights {
        /// The name of the vector.
        argument: &'static str,
    },

    /// A target that is neither of the classes 0 and 1.
    #[error("{argument} contains {} at index {index}; the classes are 0 and 1", short(*value))]
    TargetNotAClass {
        /// The name of the vector.
        argument: &'static str,
        /// The first such index.
        index: usize,
        /// The value.
        value: f64,
    },

    /// No sample of a class counts.
    #[error("{argument} has no sample of class {class} with a positive weight; both classes need one")]
    MissingClass {
        /// The name of the targets.
        argument: &'static str,
        /// The class, 0 or 1.
        class: usize,
    },

    /// An option outside its range.
    #[error("{option} is {value}, expected {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },

    /// Finite data and parameters whose predictor, cost or curvature is not.
    #[error(
        "the values of X and y or the parameters are too large for double precision; rescale them: X w + b, the cost or \
         its curvature overflows"
    )]
    Overflow,

    /// Finite data and parameters whose prediction is not.
    #[error(
        "the prediction for row {row} of {argument} overflows: X w + b is too large for double precision there; rescale \
         the values of {argument} or the parameters"
    )]
    PredictionOverflow {
        /// The name of the matrix.
        argument: &'static str,
        /// The first such row.
        row: usize,
    },

    /// Gradient descent moved away from the minimum.
    #[error(
        "gradient descent diverged at iteration {iteration}: the cost rose from {} to {} with learning_rate={}; the largest \
         stable rate for this data is {}. Lower learning_rate, or scale the columns of X",
        rounded(*reference_cost), rounded(*cost), short(*learning_rate), rounded(below(*largest_stable_rate))
    )]
    Diverged {
        /// The iteration at which it was noticed.
        iteration: usize,
        /// The cost that it should not have risen above: the lowest so far of a quadratic cost, else the one at the start.
        reference_cost: f64,
        /// The cost at that iteration.
        cost: f64,
        /// The rate that was used.
        learning_rate: f64,
        /// `2 / L`, `L` the largest eigenvalue of the Hessian's bound.
        largest_stable_rate: f64,
    },

    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A number without rows of zeros.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-5..1e16).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

/// With so many digits as tell something.
fn rounded(value: f64) -> String {
    let rounded = nearest(value);
    if (1e-4..1e6).contains(&rounded) { rounded.to_string() } else { format!("{rounded:e}") }
}

fn nearest(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// The nearest number of so many digits that is not larger, or the one before.
fn below(value: f64) -> f64 {
    let rounded = nearest(value);
    if rounded > value { nearest(value * (1.0 - 5e-5)) } else { rounded }
}

fn spell(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "infinity"
    } else {
        "-infinity"
    }
}

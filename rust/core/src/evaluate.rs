//! The pieces of a fit at given parameters: forward pass, cost, gradient.

use std::ops::Range;

use ndarray::{Array1, Array2};

use crate::context::Context;
use crate::error::Error;
use crate::kernel::{self, Order, Precision, Predictor, StripBuffers, link};
use crate::matrix::Matrix;
use crate::model::{Activation, Model, Parameters};
use crate::objective::{Objective, RowObjective};
use crate::pass::{Partition, run};
use crate::samples::{Samples, check_column, check_finite};

/// The prediction for each row of `x`, of shape `(m, n)`: `z = X w + b`, plus the `offset` of shape `(m,)` if there is one,
/// through the activation. Returns shape `(m,)`.
///
/// ```
/// use ndarray::{Array1, array};
/// use steepest::{Activation, Context, Parameters, forward};
///
/// let x = array![[0.0, 1.0], [2.0, 3.0]];
/// let at = Parameters { weights: array![1.0, -1.0], bias: 1.0 };
/// let context = Context::default();
/// assert_eq!(forward((&x).into(), None, &at, Activation::Identity, &context)?, array![0.0, 0.0]);
/// assert_eq!(forward((&x).into(), None, &at, Activation::Sigmoid, &context)?, array![0.5, 0.5]);
/// let offset = array![5.0, 6.0];
/// assert_eq!(forward((&x).into(), Some((&offset).into()), &at, Activation::Identity, &context)?, offset);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Empty`], [`Error::Features`] if the weights are not `n`, [`Error::Length`] or [`Error::NotAColumn`] for the
/// offset, [`Error::NonFiniteMatrix`], [`Error::NonFiniteVector`] for the parameters and the offset,
/// [`Error::PredictionOverflow`] if `z` is not finite, [`Error::Interrupted`].
pub fn forward(
    x: Matrix<'_>,
    offset: Option<Matrix<'_>>,
    at: &Parameters,
    activation: Activation,
    context: &Context<'_>,
) -> Result<Array1<f64>, Error> {
    let write = |z: &[f64], out: &mut [f64]| match activation {
        Activation::Identity => out.copy_from_slice(z),
        Activation::Sigmoid => link::sigmoids(z, out),
    };
    for_each_row::<1>(x, offset, at, context, write).map(Array1::from_vec)
}

/// The linear predictor of each row, as a step towards a fit: [`Error::Overflow`] is no row's.
///
/// # Errors
///
/// As [`forward`].
pub(crate) fn predictors(
    x: Matrix<'_>,
    offset: Option<Matrix<'_>>,
    at: &Parameters,
    context: &Context<'_>,
) -> Result<Array1<f64>, Error> {
    forward(x, offset, at, Activation::Identity, context).map_err(|error| match error {
        Error::PredictionOverflow { .. } => Error::Overflow,
        error => error,
    })
}

/// The probability of each of two classes for each row of `x`: `σ(−z)` and `σ(z)`, with `z = X w + b` plus the `offset`
/// if there is one. Returns shape `(m, 2)`. The first is not formed as `1 − σ(z)`, so both keep their digits near 0.
///
/// # Errors
///
/// As [`forward`].
pub fn class_probabilities(
    x: Matrix<'_>,
    offset: Option<Matrix<'_>>,
    at: &Parameters,
    context: &Context<'_>,
) -> Result<Array2<f64>, Error> {
    let write = |z: &[f64], out: &mut [f64]| link::sigmoid_pairs(z, out.as_chunks_mut().0);
    let probabilities = for_each_row::<2>(x, offset, at, context, write)?;
    Ok(Array2::from_shape_vec((x.n_rows(), 2), probabilities).expect("two values a row"))
}

const X: &str = "X";
const OFFSET: &str = "offset";

/// What is needed for some rows.
#[derive(Default)]
struct Room {
    strips: StripBuffers,
    offsets: Vec<f64>,
    z: Vec<f64>,
}

/// One pass that writes `WIDTH` values for each row: `write` gets the predictors of some rows and their place.
fn for_each_row<const WIDTH: usize>(
    x: Matrix<'_>,
    offset: Option<Matrix<'_>>,
    at: &Parameters,
    context: &Context<'_>,
    write: impl Fn(&[f64], &mut [f64]) + Sync,
) -> Result<Vec<f64>, Error> {
    x.check_not_empty()?;
    at.check(x.n_cols())?;
    if let Some(offset) = offset {
        check_column(x, offset, OFFSET)?;
    }
    let weights = &*at.contiguous_weights();
    let partition = Partition::for_strips(&x);
    let mut values = vec![0.0; x.n_rows() * WIDTH];
    let states = values.chunks_mut(partition.chunk_rows * WIDTH).enumerate();
    let visit = |room: &mut Room, rows: Range<usize>, state: &mut (usize, &mut [f64])| {
        let Room { strips, offsets, z } = room;
        let (chunk, out) = state;
        let first = *chunk * partition.chunk_rows;
        let out = &mut out[(rows.start - first) * WIDTH..(rows.end - first) * WIDTH];
        z.resize(rows.len(), 0.0);
        let offset = offset.map(|offset| offset.column(rows.clone(), offsets));
        let at = Predictor { weights, bias: at.bias, offset };
        let some = x.rows(rows.clone());
        if !kernel::predict(&some, Order::of_predictors(&x, &some), at, z, strips) {
            return Err(why_not_finite(x, rows, offset, z));
        }
        write(z, out);
        Ok(())
    };
    // All is written in its place.
    run(context, &partition, states, Default::default, visit, |_, _| ())?;
    Ok(values)
}

/// Why some of these predictors are not finite: the first of which that is so, whatever rows are looked at together.
fn why_not_finite(x: Matrix<'_>, rows: Range<usize>, offset: Option<&[f64]>, z: &[f64]) -> Error {
    let of_row = |(i, row): (usize, usize)| {
        match x.why_not_finite(row..row + 1, X) {
            Error::Overflow => {}
            error => return Some(error),
        }
        let fault = offset.and_then(|offset| check_finite(&offset[i..=i], row, OFFSET).err());
        fault.or((!z[i].is_finite()).then_some(Error::PredictionOverflow { argument: X, row }))
    };
    rows.enumerate().find_map(of_row).unwrap_or(Error::Overflow)
}

/// The cost `C` of `model` at the parameters `at`.
///
/// # Errors
///
/// Bad data or parameters, by name; [`Error::Interrupted`].
pub fn cost(model: Model, samples: Samples<'_>, at: &Parameters, context: &Context<'_>) -> Result<f64, Error> {
    at.check(samples.n_features())?;
    RowObjective::new(model, samples, true, context)?.cost(at)
}

/// The cost `C` of `model` at the parameters `at`, and its gradient `(∂C/∂w, ∂C/∂b)`.
///
/// ```
/// use ndarray::array;
/// use steepest::{Context, Model, Parameters, Samples, cost_gradient};
///
/// let (x, y) = (array![[1.0, 2.0], [3.0, 4.0]], array![1.0, 2.0]);
/// let at = Parameters::zeros(2);
/// let (cost, gradient) = cost_gradient(Model::Linear, Samples::new(&x, &y)?, &at, &Context::default())?;
/// assert_eq!(cost, 2.5); // (1² + 2²) / 2
/// assert_eq!(gradient.weights, array![-7.0, -10.0]); // −(2/2) Σ y_i x_i
/// assert_eq!(gradient.bias, -3.0); // −(2/2) Σ y_i
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
///
/// Bad data or parameters, by name; [`Error::Interrupted`].
pub fn cost_gradient(
    model: Model,
    samples: Samples<'_>,
    at: &Parameters,
    context: &Context<'_>,
) -> Result<(f64, Parameters), Error> {
    at.check(samples.n_features())?;
    let mut gradient = Parameters::zeros(samples.n_features());
    let cost = RowObjective::new(model, samples, true, context)?.cost_gradient(at, &mut gradient)?;
    Ok((cost, gradient))
}

/// The cost `C` of `model` at the parameters `at`, its gradient, and its Hessian `[X 1]ᵀ diag(h) [X 1]` of shape
/// `(n + 1, n + 1)`, the bias last; for squared error on the sigmoid the Gauss–Newton part of it.
///
/// ```
/// use ndarray::array;
/// use steepest::{Context, Model, Parameters, Samples, cost_gradient_hessian};
///
/// let (x, y) = (array![[1.0], [3.0]], array![1.0, 2.0]);
/// let samples = Samples::new(&x, &y)?;
/// let (_, _, hessian) = cost_gradient_hessian(Model::Linear, samples, &Parameters::zeros(1), &Context::default())?;
/// let expected = array![[10.0, 4.0], [4.0, 2.0]]; // (2/2) [[Σ x², Σ x], [Σ x, 2]]
/// assert!((hessian - expected).iter().all(|error| error.abs() < 1e-14));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
///
/// Bad data or parameters, by name; [`Error::Overflow`] if a product of two columns overflows; [`Error::Interrupted`].
pub fn cost_gradient_hessian(
    model: Model,
    samples: Samples<'_>,
    at: &Parameters,
    context: &Context<'_>,
) -> Result<(f64, Parameters, Array2<f64>), Error> {
    at.check(samples.n_features())?;
    let rows = RowObjective::new(model, samples, true, context)?;
    let frame = rows.frame();
    let (cost, gradient, hessian) = rows.cost_gradient_hessian(at, &frame, Precision::Double)?;
    Ok((cost, frame.leave_gradient(&gradient), frame.leave_hessian(&hessian)))
}

//! The boundary to Python: arrays in, the core called away from Python, results out. No arithmetic here.

mod arrays;
mod errors;
mod leave;

use pyo3::prelude::*;

/// The extension module behind `steepest`.
#[pymodule]
mod _core {
    use numpy::{PyArray1, PyArray2, PyUntypedArray};
    use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
    use pyo3::prelude::*;
    use steepest::{
        Activation, ClassWeight, Fit, FitOptions, History, LearningRate, Loss, Matrix, Model, Precompute, Samples,
        Solver, StopReason,
    };

    use crate::arrays::{column, matrix, parameters};
    use crate::errors::to_python;
    use crate::leave::leave_python;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        if cfg!(debug_assertions) {
            let message = c"steepest._core is a debug build, many times slower than a release build; \
                            build it with `pip install .` or `maturin develop --release`";
            PyErr::warn(module.py(), &module.py().get_type::<PyRuntimeWarning>(), message, 1)?;
        }
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// What a fit returns.
    #[pyclass(frozen, get_all)]
    struct FitResult {
        weights: Py<PyArray1<f64>>,
        bias: f64,
        n_iter: usize,
        stop_reason: &'static str,
        learning_rate: Option<f64>,
        optimality: Option<f64>,
        condition: Option<f64>,
        rank: Option<usize>,
        dependent: Vec<usize>,
        separating: Vec<usize>,
        cost: Py<PyArray1<f64>>,
        validation_cost: Py<PyArray1<f64>>,
        gradient_norm: Py<PyArray1<f64>>,
        seconds: Py<PyArray1<f64>>,
    }

    impl FitResult {
        fn new(py: Python<'_>, fit: Fit) -> Self {
            let History { cost, validation_cost, gradient_norm, seconds } = fit.history;
            let array = |values| PyArray1::from_vec(py, values).unbind();
            Self {
                weights: PyArray1::from_owned_array(py, fit.parameters.weights).unbind(),
                bias: fit.parameters.bias,
                n_iter: fit.n_iter,
                stop_reason: match fit.stop_reason {
                    StopReason::Tolerance => "tolerance",
                    StopReason::MaxIter => "max_iter",
                    StopReason::Rounding => "rounding",
                    StopReason::Separation => "separation",
                    StopReason::EarlyStopping => "early_stopping",
                },
                learning_rate: fit.learning_rate,
                optimality: fit.optimality,
                condition: fit.condition,
                rank: fit.rank,
                dependent: fit.dependent,
                separating: fit.separating,
                cost: array(cost),
                validation_cost: array(validation_cost),
                gradient_norm: array(gradient_norm),
                seconds: array(seconds),
            }
        }
    }

    #[pyfunction]
    #[pyo3(signature = (x, offset, weights, bias, activation, n_threads))]
    fn forward<'py>(
        py: Python<'py>,
        x: &Bound<'py, PyUntypedArray>,
        offset: Option<&Bound<'py, PyUntypedArray>>,
        weights: &Bound<'py, PyUntypedArray>,
        bias: f64,
        activation: &str,
        n_threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (x, offset) = (matrix("X", x)?, optional_column("offset", offset)?);
        let (at, activation) = (parameters(weights, bias)?, parse_activation(activation)?);
        let predictions =
            leave_python(py, n_threads, |context| steepest::forward(x, offset, &at, activation, context))?;
        Ok(PyArray1::from_owned_array(py, predictions))
    }

    #[pyfunction]
    #[pyo3(signature = (x, offset, weights, bias, n_threads))]
    fn class_probabilities<'py>(
        py: Python<'py>,
        x: &Bound<'py, PyUntypedArray>,
        offset: Option<&Bound<'py, PyUntypedArray>>,
        weights: &Bound<'py, PyUntypedArray>,
        bias: f64,
        n_threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (x, offset, at) = (matrix("X", x)?, optional_column("offset", offset)?, parameters(weights, bias)?);
        let probabilities =
            leave_python(py, n_threads, |context| steepest::class_probabilities(x, offset, &at, context))?;
        Ok(PyArray2::from_owned_array(py, probabilities))
    }

    #[pyfunction]
    #[pyo3(signature = (x, y, sample_weight, offset, weights, bias, activation, loss, n_threads))]
    #[expect(clippy::too_many_arguments, reason = "Python's own signature")]
    fn cost<'py>(
        py: Python<'py>,
        x: &Bound<'py, PyUntypedArray>,
        y: &Bound<'py, PyUntypedArray>,
        sample_weight: Option<&Bound<'py, PyUntypedArray>>,
        offset: Option<&Bound<'py, PyUntypedArray>>,
        weights: &Bound<'py, PyUntypedArray>,
        bias: f64,
        activation: &str,
        loss: &str,
        n_threads: Option<usize>,
    ) -> PyResult<f64> {
        let model = model(activation, loss)?;
        let (samples, at) = (samples(x, y, sample_weight, offset)?, parameters(weights, bias)?);
        leave_python(py, n_threads, |context| steepest::cost(model, samples, &at, context))
    }

    #[pyfunction]
    #[pyo3(signature = (x, y, sample_weight, offset, weights, bias, activation, loss, n_threads))]
    #[expect(clippy::too_many_arguments, reason = "Python's own signature")]
    fn gradient<'py>(
        py: Python<'py>,
        x: &Bound<'py, PyUntypedArray>,
        y: &Bound<'py, PyUntypedArray>,
        sample_weight: Option<&Bound<'py, PyUntypedArray>>,
        offset: Option<&Bound<'py, PyUntypedArray>>,
        weights: &Bound<'py, PyUntypedArray>,
        bias: f64,
        activation: &str,
        loss: &str,
        n_threads: Option<usize>,
    ) -> PyResult<(Bound<'py, PyArray1<f64>>, f64)> {
        let model = model(activation, loss)?;
        let (samples, at) = (samples(x, y, sample_weight, offset)?, parameters(weights, bias)?);
        let gradient = leave_python(py, n_threads, |context| {
            steepest::cost_gradient(model, samples, &at, context).map(|(_, gradient)| gradient)
        })?;
        Ok((PyArray1::from_owned_array(py, gradient.weights), gradient.bias))
    }

    #[pyfunction]
    #[pyo3(signature = (
        x, y, sample_weight, offset, x_val, y_val, sample_weight_val, offset_val, *,
        activation, loss, solver, learning_rate, max_iter, tol, patience, start_weights, start_bias, fit_intercept,
        l1, l2, n_threads, precompute=None, class_weight=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's own signature")]
    fn fit<'py>(
        py: Python<'py>,
        x: &Bound<'py, PyUntypedArray>,
        y: &Bound<'py, PyUntypedArray>,
        sample_weight: Option<&Bound<'py, PyUntypedArray>>,
        offset: Option<&Bound<'py, PyUntypedArray>>,
        x_val: Option<&Bound<'py, PyUntypedArray>>,
        y_val: Option<&Bound<'py, PyUntypedArray>>,
        sample_weight_val: Option<&Bound<'py, PyUntypedArray>>,
        offset_val: Option<&Bound<'py, PyUntypedArray>>,
        activation: &str,
        loss: &str,
        solver: &str,
        learning_rate: Option<f64>,
        max_iter: usize,
        tol: f64,
        patience: Option<std::num::NonZeroUsize>,
        start_weights: Option<&Bound<'py, PyUntypedArray>>,
        start_bias: f64,
        fit_intercept: bool,
        l1: f64,
        l2: f64,
        n_threads: Option<usize>,
        precompute: Option<bool>,
        class_weight: Option<ClassWeights>,
    ) -> PyResult<FitResult> {
        let model = model(activation, loss)?;
        let training = samples(x, y, sample_weight, offset)?;
        let training = match class_weight {
            None => training,
            Some(weights) => training.with_class_weight(weights.parse()?).map_err(to_python)?,
        };
        let validation = match (x_val, y_val) {
            (Some(x), Some(y)) => Some(samples(x, y, sample_weight_val, offset_val)?),
            (None, None) => None,
            _ => return Err(PyValueError::new_err("X_val and y_val go together")),
        };
        let options = FitOptions {
            solver: parse_solver(solver)?,
            learning_rate: learning_rate.map_or(LearningRate::Auto, LearningRate::Fixed),
            max_iter,
            tol,
            patience,
            start: start_weights.map(|weights| parameters(weights, start_bias)).transpose()?,
            fit_intercept,
            l1,
            l2,
            precompute: match precompute {
                None => Precompute::Auto,
                Some(true) => Precompute::Always,
                Some(false) => Precompute::Never,
            },
        };
        let fit = leave_python(py, n_threads, |context| steepest::fit(model, training, validation, &options, context))?;
        Ok(FitResult::new(py, fit))
    }

    #[derive(FromPyObject)]
    enum ClassWeights {
        Fixed([f64; 2]),
        Named(String),
    }

    impl ClassWeights {
        fn parse(self) -> PyResult<ClassWeight> {
            match self {
                Self::Fixed(weights) => Ok(ClassWeight::Fixed(weights)),
                Self::Named(name) if name == "balanced" => Ok(ClassWeight::Balanced),
                Self::Named(name) => {
                    let message = format!("class_weight is {name:?}, expected \"balanced\" or two numbers");
                    Err(PyValueError::new_err(message))
                }
            }
        }
    }

    fn samples<'a>(
        x: &'a Bound<'_, PyUntypedArray>,
        y: &'a Bound<'_, PyUntypedArray>,
        sample_weight: Option<&'a Bound<'_, PyUntypedArray>>,
        offset: Option<&'a Bound<'_, PyUntypedArray>>,
    ) -> PyResult<Samples<'a>> {
        let (x, y) = (matrix("X", x)?, column("y", y)?);
        let samples = match optional_column("sample_weight", sample_weight)? {
            None => Samples::new(x, y),
            Some(weights) => Samples::weighted(x, y, weights),
        };
        let samples = match optional_column("offset", offset)? {
            None => samples,
            Some(offset) => samples.and_then(|samples| samples.with_offset(offset)),
        };
        samples.map_err(to_python)
    }

    fn optional_column<'a>(
        argument: &str,
        array: Option<&'a Bound<'_, PyUntypedArray>>,
    ) -> PyResult<Option<Matrix<'a>>> {
        array.map(|array| column(argument, array)).transpose()
    }

    fn parse_solver(name: &str) -> PyResult<Solver> {
        match name {
            "auto" => Ok(Solver::Auto),
            "gd" => Ok(Solver::GradientDescent),
            "newton" => Ok(Solver::Newton),
            "lbfgs" => Ok(Solver::Lbfgs),
            _ => Err(PyValueError::new_err(format!("solver is {name:?}, which is not known"))),
        }
    }

    fn parse_activation(name: &str) -> PyResult<Activation> {
        match name {
            "identity" => Ok(Activation::Identity),
            "sigmoid" => Ok(Activation::Sigmoid),
            _ => Err(PyValueError::new_err(format!("activation is {name:?}, expected \"identity\" or \"sigmoid\""))),
        }
    }

    fn model(activation: &str, loss: &str) -> PyResult<Model> {
        let loss = match loss {
            "squared_error" => Loss::SquaredError,
            "log_loss" => Loss::LogLoss,
            _ => {
                let message = format!("loss is {loss:?}, expected \"squared_error\" or \"log_loss\"");
                return Err(PyValueError::new_err(message));
            }
        };
        Model::new(parse_activation(activation)?, loss).map_err(to_python)
    }
}

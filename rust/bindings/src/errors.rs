//! The core's errors as Python's.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use steepest::Error;

static DIVERGENCE_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

pub(crate) fn to_python(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Diverged { iteration, learning_rate, largest_stable_rate, .. } => Python::attach(|py| {
            divergence_error(py, message, iteration, learning_rate, largest_stable_rate).unwrap_or_else(|error| error)
        }),
        // So that the estimator can call the column by its name.
        Error::NonFiniteMatrix { column, .. } => {
            let error = PyValueError::new_err(message);
            Python::attach(|py| error.value(py).setattr("column", column)).map_or_else(|error| error, |()| error)
        }
        _ => PyValueError::new_err(message),
    }
}

fn divergence_error(
    py: Python<'_>,
    message: String,
    iteration: usize,
    learning_rate: f64,
    largest_stable_rate: f64,
) -> PyResult<PyErr> {
    let class = DIVERGENCE_ERROR.import(py, "steepest._exceptions", "DivergenceError")?;
    let attributes = PyDict::new(py);
    attributes.set_item("iteration", iteration)?;
    attributes.set_item("learning_rate", learning_rate)?;
    attributes.set_item("largest_stable_rate", largest_stable_rate)?;
    Ok(PyErr::from_value(class.call((message,), Some(&attributes))?))
}

/// A panic is a bug of ours; it comes up as an ordinary exception.
pub(crate) fn from_panic(panic: &(dyn std::any::Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    PyRuntimeError::new_err(format!("internal error in steepest, please report it: {}", text.unwrap_or("panic")))
}

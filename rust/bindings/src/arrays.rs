//! NumPy arrays as views of the core. This is the only place that reads an array's memory layout.

#![allow(unsafe_code)]

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use steepest::{DType, Matrix, Parameters};

/// A two-dimensional array of any layout; unaligned and byte-swapped ones too.
pub(crate) fn matrix<'a>(argument: &str, array: &'a Bound<'_, PyUntypedArray>) -> PyResult<Matrix<'a>> {
    match (array.shape(), array.strides()) {
        (&[n_rows, n_cols], &[row_stride, col_stride]) => {
            view(argument, array, (n_rows, n_cols), (row_stride, col_stride))
        }
        (shape, _) => Err(wrong_ndim(argument, 2, shape.len())),
    }
}

/// A one-dimensional array as a single column.
pub(crate) fn column<'a>(argument: &str, array: &'a Bound<'_, PyUntypedArray>) -> PyResult<Matrix<'a>> {
    match (array.shape(), array.strides()) {
        (&[n_rows], &[stride]) => view(argument, array, (n_rows, 1), (stride, 0)),
        (shape, _) => Err(wrong_ndim(argument, 1, shape.len())),
    }
}

/// Copies the weights.
pub(crate) fn parameters(weights: &Bound<'_, PyUntypedArray>, bias: f64) -> PyResult<Parameters> {
    Ok(Parameters { weights: column("weights", weights)?.to_vec().into(), bias })
}

fn wrong_ndim(argument: &str, expected: usize, found: usize) -> PyErr {
    PyValueError::new_err(format!("{argument} has {found} dimension(s), expected {expected}"))
}

fn view<'a>(
    argument: &str,
    array: &'a Bound<'_, PyUntypedArray>,
    shape: (usize, usize),
    strides: (isize, isize),
) -> PyResult<Matrix<'a>> {
    let dtype = array.dtype();
    let element = match (dtype.kind(), dtype.itemsize()) {
        (b'f', 8) => DType::F64,
        (b'f', 4) => DType::F32,
        (b'f', 2) => DType::F16,
        (b'i', 8) => DType::I64,
        (b'i', 4) => DType::I32,
        (b'i', 2) => DType::I16,
        (b'i', 1) => DType::I8,
        (b'u', 8) => DType::U64,
        (b'u', 4) => DType::U32,
        (b'u', 2) => DType::U16,
        (b'u', 1) => DType::U8,
        (b'b', 1) => DType::Bool,
        _ => {
            let message =
                format!("{argument} has dtype {dtype}, expected float64, float32, float16, an integer or bool");
            return Err(PyTypeError::new_err(message));
        }
    };
    let byte_swapped = dtype.is_native_byteorder() == Some(false);
    // SAFETY: the array object is borrowed for 'a, so its memory stays, and NumPy promises that every element of
    // its shape lies in it. The core reads each without relying on alignment, and takes any bits for a value.
    Ok(unsafe {
        Matrix::from_raw_parts((*array.as_array_ptr()).fields.data.cast(), shape, strides, element, byte_swapped)
    })
}

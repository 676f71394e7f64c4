//! The one way to leave Python for work that may take long.

use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use steepest::{Context, Error};

use crate::errors::{from_panic, to_python};

/// Runs `work` with the GIL released. Python's pending signals are looked at about twenty times a second, so Ctrl-C in
/// the main thread ends the work with `KeyboardInterrupt`; a panic comes back as `RuntimeError`.
pub(crate) fn leave_python<T: Send>(
    py: Python<'_>,
    n_threads: Option<usize>,
    work: impl FnOnce(&Context<'_>) -> Result<T, Error> + Send,
) -> PyResult<T> {
    py.detach(|| {
        let raised = OnceCell::new();
        let interrupted = || match Python::attach(|py| py.check_signals()) {
            Ok(()) => false,
            Err(error) => {
                let _ = raised.set(error);
                true
            }
        };
        let context = Context::new(n_threads.and_then(NonZeroUsize::new)).with_interrupt(&interrupted);
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&context)));
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(raised.into_inner().unwrap_or_else(|| to_python(error))),
            Err(panic) => Err(from_panic(&*panic)),
        }
    })
}

//! How work is done, apart from what is computed: threads, and when to stop.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::threads::{MAX_THREADS, default_threads};

/// The number of threads, and the caller's wish to stop. Neither changes any result by a bit.
pub struct Context<'a> {
    n_threads: NonZeroUsize,
    interrupt: Option<Interrupt<'a>>,
}

struct Interrupt<'a> {
    wanted: &'a dyn Fn() -> bool,
    asked: Cell<Instant>,
}

/// How often the caller is asked whether to stop.
const INTERVAL: Duration = Duration::from_millis(50);

impl<'a> Context<'a> {
    /// `None` takes [`default_threads`]. More than [`MAX_THREADS`] are never of use.
    #[must_use]
    pub fn new(n_threads: Option<NonZeroUsize>) -> Self {
        Self { n_threads: n_threads.unwrap_or_else(default_threads).min(MAX_THREADS), interrupt: None }
    }

    /// Asks `wanted` about twenty times a second, on the calling thread only; work ends with
    /// [`Error::Interrupted`](crate::Error::Interrupted) soon after it says true.
    #[must_use]
    pub fn with_interrupt(mut self, wanted: &'a dyn Fn() -> bool) -> Self {
        self.interrupt = Some(Interrupt { wanted, asked: Cell::new(Instant::now()) });
        self
    }

    /// The number of threads.
    #[must_use]
    pub fn n_threads(&self) -> usize {
        self.n_threads.get()
    }

    /// For work without a pass.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(crate) fn check_interrupt(&self) -> Result<(), Error> {
        if self.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    pub(crate) fn interrupted(&self) -> bool {
        let Some(interrupt) = &self.interrupt else { return false };
        let now = Instant::now();
        if now - interrupt.asked.get() < INTERVAL {
            return false;
        }
        interrupt.asked.set(now);
        (interrupt.wanted)()
    }
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("n_threads", &self.n_threads).finish_non_exhaustive()
    }
}

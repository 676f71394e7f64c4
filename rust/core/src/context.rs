//! How work is done, apart from what is computed: threads, and when to stop.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
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

    /// Work of one piece, on a thread of its own while the caller is asked whether to stop: an interrupt ends the wait, and
    /// nothing is made of what comes out later.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    ///
    /// # Panics
    ///
    /// If `work` does.
    pub(crate) fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        if self.interrupt.is_none() {
            return Ok(work());
        }
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("steepest-apart".into());
        let work = Arc::new(Mutex::new(Some(work)));
        let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let of_thread = Arc::clone(&work);
        let spawned = thread.spawn(move || {
            if let Some(work) = take(&of_thread) {
                // Nobody may be waiting any more.
                let _ = sender.send(work());
            }
        });
        let Ok(handle) = spawned else {
            // The system starts no more threads.
            return Ok(take(&work).expect("no thread took it")());
        };
        loop {
            match receiver.recv_timeout(INTERVAL) {
                Ok(found) => return Ok(found),
                Err(RecvTimeoutError::Timeout) => self.check_interrupt()?,
                Err(RecvTimeoutError::Disconnected) => match handle.join() {
                    Err(panic) => resume_unwind(panic),
                    Ok(()) => unreachable!("what was sent is received"),
                },
            }
        }
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn an_interrupt_ends_the_wait_for_work_apart() {
        let wanted = || true;
        let context = Context::default().with_interrupt(&wanted);
        let began = Instant::now();
        let found = context.apart(|| thread::sleep(Duration::from_secs(20)));
        assert!(matches!(found, Err(Error::Interrupted)));
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_comes_of_work_apart_is_returned_or_resumed() {
        let never = || false;
        for context in [Context::default(), Context::default().with_interrupt(&never)] {
            assert_eq!(context.apart(|| 7).unwrap(), 7);
            let panic = catch_unwind(AssertUnwindSafe(|| context.apart(|| -> u8 { panic!("of the work") })));
            assert!(panic.is_err_and(|panic| panic.downcast_ref::<&str>() == Some(&"of the work")));
        }
    }
}

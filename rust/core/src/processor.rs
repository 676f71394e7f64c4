//! What there is to know about processors: how they read memory, and which ones the threads of a pool run on.
//!
//! Some systems wake a thread on the processor of the one that wakes it, and leave both there for milliseconds, as long as
//! a pass takes. So helpers are told to wake on another, and from there go where they like.

use std::sync::OnceLock;

/// Whether more is read from memory in one run than in several places at the same time: on AMD's processors with AVX-512 (Zen 4),
/// not on those without (Zen 3), nor on others (Intel). Tests of parts have it false everywhere; those of the whole, as it is.
pub(crate) fn reads_most_in_one_run() -> bool {
    static READS_SO: OnceLock<bool> = OnceLock::new();
    !cfg!(test) && *READS_SO.get_or_init(|| is_made_by_amd() && has_avx512())
}

/// Whether longer pieces of columns, asked for once, are read faster: on AMD's processors (Zen 3, Zen 4), not on others (Intel).
/// In tests as above.
pub(crate) fn reads_long_columns() -> bool {
    static READS_SO: OnceLock<bool> = OnceLock::new();
    !cfg!(test) && *READS_SO.get_or_init(is_made_by_amd)
}

#[cfg(target_arch = "x86_64")]
fn is_made_by_amd() -> bool {
    let found = std::arch::x86_64::__cpuid(0);
    [found.ebx, found.edx, found.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    pulp::x86::V4::try_new().is_some()
}

#[cfg(not(target_arch = "x86_64"))]
fn is_made_by_amd() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

#[cfg(target_os = "linux")]
mod system {
    use std::sync::{Mutex, PoisonError};

    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

    #[derive(Debug, Default)]
    pub(crate) struct Helpers {
        threads: Mutex<Vec<Pid>>,
    }

    impl Helpers {
        /// The calling thread is one of them.
        pub(crate) fn add_this(&self) {
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(gettid());
        }

        /// Those that sleep will wake on another processor than this thread's, if it has others.
        pub(crate) fn keep_away(&self) -> Away {
            let Ok(allowed) = sched_getaffinity(None) else { return Away(None) };
            let mut others = allowed;
            others.unset(sched_getcpu());
            if others.count() == 0 {
                return Away(None);
            }
            for &thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                // What is refused leaves it where the system puts it.
                let _ = sched_setaffinity(Some(thread), &others);
            }
            Away(Some(allowed))
        }
    }

    /// Until its end on a helper that helper is kept away.
    pub(crate) struct Away(Option<CpuSet>);

    impl Away {
        /// Whether there is another processor; true where that is not known.
        pub(crate) fn is_possible(&self) -> bool {
            self.0.is_some()
        }

        pub(crate) fn end(&self) {
            if let Some(allowed) = &self.0 {
                let _ = sched_setaffinity(None, allowed);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #[derive(Debug, Default)]
    pub(crate) struct Helpers;

    impl Helpers {
        pub(crate) fn add_this(&self) {}

        pub(crate) fn keep_away(&self) -> Away {
            Away
        }
    }

    pub(crate) struct Away;

    impl Away {
        pub(crate) fn is_possible(&self) -> bool {
            true
        }

        pub(crate) fn end(&self) {}
    }
}

pub(crate) use system::Helpers;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use rustix::thread::{sched_getaffinity, sched_getcpu};

    use super::*;

    #[test]
    fn helpers_are_kept_away_and_may_go_back() {
        let allowed = sched_getaffinity(None).unwrap();
        let helpers = Helpers::default();
        let (ready, wait_until_ready) = channel();
        let (begin, wait_to_begin) = channel();
        thread::scope(|scope| {
            let helpers = &helpers;
            let helper = scope.spawn(move || {
                helpers.add_this();
                ready.send(()).unwrap();
                wait_to_begin.recv().unwrap();
                sched_getaffinity(None).unwrap()
            });
            wait_until_ready.recv().unwrap();
            let away = helpers.keep_away();
            begin.send(()).unwrap();
            let there = helper.join().unwrap();
            assert_eq!(there.count(), (allowed.count() - 1).max(1));
            assert!(allowed.count() == 1 || (0..1024).all(|cpu| !there.is_set(cpu) || allowed.is_set(cpu)));
            away.end();
            assert_eq!(sched_getaffinity(None).unwrap(), allowed);
            assert!(allowed.is_set(sched_getcpu()));
        });
    }
}

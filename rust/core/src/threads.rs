//! How many threads, and the pools they come from.

use std::collections::HashMap;
use std::hint;
use std::num::NonZeroUsize;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::processor::Helpers;

/// The environment variables that set the number of threads, the first that holds a positive integer wins; of a list with
/// commas, as OpenMP takes one, its first.
pub const THREAD_VARIABLES: [&str; 3] = ["STEEPEST_NUM_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"];

/// The most threads that a pass is split over.
pub const MAX_THREADS: NonZeroUsize = NonZeroUsize::new(128).unwrap();

/// The number of threads to use when the caller names none: the first of [`THREAD_VARIABLES`] that is set, else the
/// number of cores available to this process, its affinity and its cgroup considered. The variables are read at each
/// call; the cores, which takes the system longer than predicting a row, once.
#[must_use]
pub fn default_threads() -> NonZeroUsize {
    static CORES: OnceLock<NonZeroUsize> = OnceLock::new();
    THREAD_VARIABLES
        .iter()
        .find_map(|name| std::env::var(name).ok()?.split(',').next()?.trim().parse().ok())
        .unwrap_or_else(|| *CORES.get_or_init(|| available_parallelism().unwrap_or(NonZeroUsize::MIN)))
}

/// Helpers end at about the same time as the caller's thread, which does not fall asleep before: waking it takes about as long.
const PATIENCE: Duration = Duration::from_micros(100);

/// Runs `work` on this thread and on `n_workers − 1` threads of a pool of `n_threads − 1`, at the same time, until all
/// have returned. On this thread `work` gets `interrupted`, elsewhere what always says false.
///
/// # Panics
///
/// If `work` panics on any thread; the pool stays usable.
pub(crate) fn run_on(
    n_threads: usize,
    n_workers: usize,
    interrupted: &dyn Fn() -> bool,
    work: impl Fn(&dyn Fn() -> bool) + Sync,
) {
    let helpers = n_workers.min(n_threads).saturating_sub(1);
    let Some(pool) = (helpers > 0).then(|| pool(n_threads - 1)).flatten() else {
        return work(interrupted);
    };
    let work = &work;
    let away = &pool.helpers.keep_away();
    let working = &AtomicUsize::new(helpers);
    pool.threads.in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(move |_| {
                away.end();
                work(&|| false);
                working.fetch_sub(1, Ordering::Release);
            });
        }
        work(interrupted);
        if away.is_possible() {
            let patience = Instant::now() + PATIENCE;
            while working.load(Ordering::Acquire) > 0 && Instant::now() < patience {
                hint::spin_loop();
            }
        }
    });
}

struct Pool {
    threads: ThreadPool,
    helpers: Arc<Helpers>,
}

/// Pools of different sizes that are kept for the next call.
const MAX_POOLS: usize = 8;

type Pools = Mutex<HashMap<usize, Arc<Pool>>>;

/// A pool's threads do not survive `fork`, and a lock may be held by one of them at that moment. So a child never
/// touches what its parent had: the registry carries the process id, and another process makes its own.
struct Registry {
    process: u32,
    pools: Pools,
}

static REGISTRY: AtomicPtr<Registry> = AtomicPtr::new(ptr::null_mut());

/// A pool with this many threads, or none if the system starts no more threads.
fn pool(n_threads: usize) -> Option<Arc<Pool>> {
    let mut pools = registry().pools.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&n_threads) {
        return Some(Arc::clone(pool));
    }
    // Threads that nobody uses any more, of so many sizes, are let go.
    if pools.len() >= MAX_POOLS {
        pools.clear();
    }
    let helpers = Arc::new(Helpers::default());
    let begun = Arc::clone(&helpers);
    let builder = ThreadPoolBuilder::new().num_threads(n_threads).thread_name(|i| format!("steepest-{i}"));
    let threads = builder.start_handler(move |_| begun.add_this()).build().ok()?;
    let pool = Arc::new(Pool { threads, helpers });
    pools.insert(n_threads, Arc::clone(&pool));
    Some(pool)
}

#[allow(unsafe_code)]
fn registry() -> &'static Registry {
    let process = process::id();
    let current = REGISTRY.load(Ordering::Acquire);
    // SAFETY: what REGISTRY points to is leaked, so it lives for ever, and is never changed but through its lock.
    if let Some(registry) = unsafe { current.as_ref() }
        && registry.process == process
    {
        return registry;
    }
    let fresh = Box::into_raw(Box::new(Registry { process, pools: Pools::default() }));
    match REGISTRY.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: fresh is ours and leaked.
        Ok(_) => unsafe { &*fresh },
        // SAFETY: another thread of this process was faster; its registry is leaked as well.
        Err(winner) => unsafe { &*winner },
    }
}

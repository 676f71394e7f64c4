//! A pass: over all rows once, in parallel, panel by panel.
//!
//! The rows are split into chunks and each chunk into panels, by the data's shape and layout and the kind of processor alone.
//! Any thread may work on any chunk, but a chunk's panels go into the chunk's own sums in order, and the chunks' sums are
//! merged in a fixed tree. So the result is the same, to the bit, for any number of threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::context::Context;
use crate::error::Error;
use crate::matrix::{LONG_PIECE_ROWS, Matrix};
use crate::threads::{MAX_THREADS, run_on};

/// A packed panel fills about this much, so that it is still in the nearest caches when it is used.
const PANEL_BYTES: usize = 16 << 10;
const MIN_PANEL_ROWS: usize = 16;
const MAX_PANEL_ROWS: usize = 4096;

/// A chunk has at least this many elements, so that handing it to a thread costs little beside the work.
const MIN_CHUNK_ELEMENTS: usize = 32 << 10;
const MAX_CHUNKS: usize = MAX_THREADS.get();
/// Chunks of so many rows have no strip of a few rows at their end; if there are then still many of them for threads to share.
const WHOLE_STRIPS: usize = 512;
const MANY_CHUNKS: usize = 64;
/// Matrix products keep what they sum in registers for this many rows, but at ends, and have this many tasks if they can,
/// so that threads end at about the same time.
const MIN_PRODUCT_ROWS: usize = 96;
/// Where others are left out, panels should be spread over the rows. If there are many, they may be longer: each begins by
/// waiting for memory.
const LONGER_PRODUCT_ROWS: usize = 2 * MIN_PRODUCT_ROWS;
const MANY_PANELS: usize = 500;
/// For so many rows a chunk, little time goes into sums before the first row and behind the last.
const MIN_PRODUCT_CHUNK_ROWS: usize = 8 * MIN_PRODUCT_ROWS;
const MIN_TASKS: usize = 16;

/// The sums of all chunks together fill at most this much, or one chunk is left.
const MAX_SUMS_BYTES: usize = 4 << 20;

/// How rows are split, decided by the data's shape and layout and the kind of processor alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition {
    n_rows: usize,
    pub(crate) panel_rows: usize,
    pub(crate) chunk_rows: usize,
    /// Only one panel of so many is visited, the middle one.
    pub(crate) every: usize,
}

impl Partition {
    pub(crate) fn new((n_rows, n_cols): (usize, usize)) -> Self {
        let panel_rows = (PANEL_BYTES / size_of::<f64>() / n_cols.max(1)).clamp(MIN_PANEL_ROWS, MAX_PANEL_ROWS);
        let panel_rows = panel_rows - panel_rows % MIN_PANEL_ROWS;
        let max_chunks = (MAX_SUMS_BYTES / size_of::<f64>() / (n_cols + 2)).clamp(1, MAX_CHUNKS);
        let chunk_rows = (MIN_CHUNK_ELEMENTS / n_cols.max(1)).max(n_rows.div_ceil(max_chunks));
        let unit = if n_rows >= MANY_CHUNKS * WHOLE_STRIPS { panel_rows.max(WHOLE_STRIPS) } else { panel_rows };
        Self { n_rows, panel_rows, chunk_rows: chunk_rows.next_multiple_of(unit), every: 1 }
    }

    /// For kernels that go through rows by strips.
    pub(crate) fn for_strips(x: &Matrix<'_>) -> Self {
        let partition = Self::new(x.shape()).in_long_panels();
        if x.is_by_columns() { partition.in_longer_chunks() } else { partition }
    }

    /// For sums over one panel of so many.
    pub(crate) fn for_products_of_some((n_rows, n_cols): (usize, usize), n_sums: usize, every: usize) -> Self {
        let some = Self::for_products((n_rows.div_ceil(every), n_cols), n_sums, 1);
        let many = n_rows / (every * LONGER_PRODUCT_ROWS) >= MANY_PANELS;
        let of_some = if many { LONGER_PRODUCT_ROWS } else { MIN_PRODUCT_ROWS };
        let panel_rows = if every == 1 { some.panel_rows } else { of_some };
        let chunk_rows = every * some.chunk_rows.next_multiple_of(panel_rows);
        Self { n_rows, panel_rows, chunk_rows, every }
    }

    /// For sums that hold `n_sums` numbers a chunk and gain from taking more rows at a time; `n_visits` tasks a chunk.
    pub(crate) fn for_products((n_rows, n_cols): (usize, usize), n_sums: usize, n_visits: usize) -> Self {
        let panel_rows = (PANEL_BYTES / size_of::<f64>() / n_cols.max(1)).clamp(MIN_PRODUCT_ROWS, MAX_PANEL_ROWS);
        let panel_rows = panel_rows - panel_rows % MIN_PANEL_ROWS;
        let max_chunks =
            (MAX_SUMS_BYTES / size_of::<f64>() / n_sums.max(1)).clamp(MIN_TASKS.div_ceil(n_visits), MAX_CHUNKS);
        let chunk_rows =
            (MIN_CHUNK_ELEMENTS / n_cols.max(1)).max(MIN_PRODUCT_CHUNK_ROWS).max(n_rows.div_ceil(max_chunks));
        Self { n_rows, panel_rows, chunk_rows: chunk_rows.next_multiple_of(panel_rows), every: 1 }
    }

    /// For kernels that take some rows of a panel at a time: in so much longer ones that little time is lost between them.
    pub(crate) fn in_long_panels(self) -> Self {
        const FACTOR: usize = 64;
        Self { panel_rows: FACTOR * self.panel_rows, ..self }
    }

    /// For data that lie column by column: with chunks of so many rows that a piece of each column is long, unless they are
    /// then too few for threads to share.
    fn in_longer_chunks(self) -> Self {
        let rows = LONG_PIECE_ROWS.min(self.n_rows / MANY_CHUNKS);
        Self { chunk_rows: self.chunk_rows.max(rows).next_multiple_of(MIN_PANEL_ROWS), ..self }
    }

    pub(crate) fn n_chunks(&self) -> usize {
        self.n_rows.div_ceil(self.chunk_rows)
    }

    fn panels(&self, chunk: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let Self { n_rows, panel_rows, chunk_rows, every } = *self;
        let end = (chunk + 1).saturating_mul(chunk_rows).min(n_rows);
        let first = chunk * chunk_rows + every / 2 * panel_rows;
        (first..end).step_by(every * panel_rows).map(move |start| start..(start + panel_rows).min(end))
    }
}

/// Visits every panel. `states` has one state a chunk, handed to `visit` with each of its panels in order; or several
/// times that many, and as many visits of each chunk, state `k` going with chunk `k` modulo the number of chunks. The
/// thread that works on a chunk takes its state, so that one made then shares no line of the cache with another thread's.
/// `workspace` makes what a thread needs for itself.
///
/// The states of all chunks are merged, for each of the several times: neighbours, then neighbours of those, until one is
/// left. The tree has a fixed shape and its sums grow alike, which also keeps the rounding error low.
///
/// # Errors
///
/// The first error of `visit`, by row, whatever the number of threads; or [`Error::Interrupted`].
pub(crate) fn run<S: Send, W>(
    context: &Context<'_>,
    partition: &Partition,
    states: impl ExactSizeIterator<Item = S> + Send,
    workspace: impl Fn() -> W + Sync,
    visit: impl Fn(&mut W, Range<usize>, &mut S) -> Result<(), Error> + Sync,
    merge: impl Fn(&mut S, &S) + Sync,
) -> Result<Vec<S>, Error> {
    let n_chunks = partition.n_chunks();
    let n_tasks = states.len();
    assert!(n_tasks.is_multiple_of(n_chunks));
    let tasks = Mutex::new(states.enumerate());
    let interrupted = AtomicBool::new(false);
    // Tasks after the first one known to fail need no work.
    let end = AtomicUsize::new(n_tasks);
    // A task's state, from its end until it is merged into another's, and what came of the task.
    let slots: Vec<_> = (0..n_tasks).map(|_| Mutex::new((None, Ok(())))).collect();
    let lock = |task: usize| slots[task].lock().unwrap_or_else(PoisonError::into_inner);
    // Whether one of the two that a merge waits for is there; by the index of the second.
    let waits: Vec<_> = slots.iter().map(|_| AtomicBool::new(false)).collect();
    let merge_upwards = |task: usize| {
        let (first, mut place) = (task - task % n_chunks, task % n_chunks);
        let mut step = 1;
        while step < n_chunks {
            let left = place - place % (2 * step);
            let right = left + step;
            step *= 2;
            if right >= n_chunks {
                continue;
            }
            if !waits[first + right].swap(true, Ordering::AcqRel) {
                return;
            }
            // What has been merged is dropped, so that a task that begins finds its memory.
            let other: Option<S> = lock(first + right).0.take();
            if let (Some(state), Some(other)) = (&mut lock(first + left).0, other) {
                merge(state, &other);
            }
            place = left;
        }
    };

    run_on(context.n_threads(), n_tasks, &|| context.interrupted(), |ask| {
        let mut workspace = workspace();
        'tasks: loop {
            let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((task, mut state)) = next.filter(|&(task, _)| task < end.load(Ordering::Relaxed)) else {
                return;
            };
            for rows in partition.panels(task % n_chunks) {
                if ask() {
                    interrupted.store(true, Ordering::Relaxed);
                }
                if interrupted.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = visit(&mut workspace, rows, &mut state) {
                    lock(task).1 = Err(error);
                    end.fetch_min(task, Ordering::Relaxed);
                    continue 'tasks;
                }
            }
            lock(task).0 = Some(state);
            merge_upwards(task);
        }
    });
    if interrupted.into_inner() {
        return Err(Error::Interrupted);
    }
    let mut merged = Vec::with_capacity(n_tasks / n_chunks);
    for slot in slots {
        let (state, outcome) = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome?;
        merged.extend(state);
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_n;
    use std::num::NonZeroUsize;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn threads(n: usize) -> Context<'static> {
        Context::new(NonZeroUsize::new(n))
    }

    #[test]
    fn longer_chunks_are_long_pieces_of_columns_and_still_many() {
        for (shape, rows) in [((20_000, 2_000), 256), ((2_000, 2_000), 32), ((100_000, 200), 1024), ((3, 1 << 20), 16)]
        {
            let partition = Partition::new(shape).in_long_panels().in_longer_chunks();
            assert_eq!(partition.chunk_rows, rows, "{shape:?}");
            let covered: usize =
                (0..partition.n_chunks()).flat_map(|chunk| partition.panels(chunk)).map(|p| p.len()).sum();
            assert_eq!(covered, shape.0);
        }
    }

    #[test]
    fn panels_cover_each_row_once_and_in_order() {
        for shape in [(1, 1), (7, 3), (512, 1), (513, 1), (100_000, 1), (99_999, 32), (1_000, 5_000), (3, 1 << 20)] {
            let partition = Partition::new(shape);
            let rows: Vec<_> = (0..partition.n_chunks()).flat_map(|chunk| partition.panels(chunk)).collect();
            assert!(rows.iter().all(|r| !r.is_empty() && r.len() <= partition.panel_rows));
            assert_eq!(rows[0].start, 0);
            assert!(rows.windows(2).all(|w| w[0].end == w[1].start));
            assert_eq!(rows.last().unwrap().end, shape.0);
            assert!(partition.n_chunks() <= MAX_CHUNKS);
        }
    }

    #[test]
    fn one_panel_of_so_many_is_visited() {
        for (shape, every, panel_rows) in [
            ((500_000, 1), 2, LONGER_PRODUCT_ROWS),
            ((99_999, 32), 3, MIN_PRODUCT_ROWS),
            ((20_000, 256), 17, MIN_PRODUCT_ROWS),
            ((500, 4), 5, MIN_PRODUCT_ROWS),
        ] {
            let partition = Partition::for_products_of_some(shape, 100, every);
            let rows: Vec<_> = (0..partition.n_chunks()).flat_map(|chunk| partition.panels(chunk)).collect();
            assert!(rows.windows(2).all(|w| w[1].start == w[0].start + every * panel_rows));
            assert_eq!(rows[0], every / 2 * panel_rows..(every / 2 + 1) * panel_rows);
            assert!(rows.last().unwrap().end + every * panel_rows > shape.0);
        }
    }

    #[test]
    fn every_chunk_is_visited_by_any_number_of_threads() {
        let partition = Partition::new((200_000, 8));
        assert!(partition.n_chunks() > 8);
        for n in [1, 2, 3, 8] {
            let visit = |(): &mut (), rows: Range<usize>, sum: &mut usize| {
                *sum += rows.sum::<usize>();
                Ok(())
            };
            let sums =
                run(&threads(n), &partition, repeat_n(0, partition.n_chunks()), || (), visit, |a, b| *a += b).unwrap();
            assert_eq!(sums.iter().sum::<usize>(), 200_000 * 199_999 / 2);
        }
    }

    #[test]
    fn the_first_error_by_row_wins() {
        let partition = Partition::new((200_000, 8));
        let bad = [partition.chunk_rows * 3 + 5, partition.chunk_rows * 7];
        for n in [1, 2, 3, 8] {
            let visit = |(): &mut (), rows: Range<usize>, (): &mut ()| match bad.iter().find(|row| rows.contains(row)) {
                Some(&row) => Err(Error::NonFiniteVector { argument: "y", index: row, value: f64::NAN }),
                None => Ok(()),
            };
            let result = run(&threads(n), &partition, repeat_n((), partition.n_chunks()), || (), visit, |(), ()| ());
            assert!(matches!(result, Err(Error::NonFiniteVector { index, .. }) if index == bad[0]), "{result:?}");
        }
    }

    #[test]
    fn an_interrupt_ends_the_pass() {
        let partition = Partition::new((200_000, 8));
        let wanted = || true;
        let visit = |(): &mut (), _: Range<usize>, (): &mut ()| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            Ok(())
        };
        for n in [1, 2] {
            let context = threads(n).with_interrupt(&wanted);
            let result = run(&context, &partition, repeat_n((), partition.n_chunks()), || (), visit, |(), ()| ());
            assert!(matches!(result, Err(Error::Interrupted)));
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let partition = Partition::new((200_000, 8));
        for n in [1, 2, 3] {
            let poisoned = |(): &mut (), rows: Range<usize>, (): &mut ()| {
                assert!(!rows.contains(&150_000), "poison");
                Ok(())
            };
            let states = repeat_n((), partition.n_chunks());
            let outcome =
                catch_unwind(AssertUnwindSafe(|| run(&threads(n), &partition, states, || (), poisoned, |(), ()| ())));
            assert!(outcome.is_err());
            let states = repeat_n((), partition.n_chunks());
            assert!(run(&threads(n), &partition, states, || (), |(), _, ()| Ok(()), |(), ()| ()).is_ok());
        }
    }

    #[test]
    fn the_tree_merges_neighbours_in_order() {
        for n_chunks in 1..20 {
            let partition = Partition { n_rows: n_chunks, panel_rows: 1, chunk_rows: 1, every: 1 };
            for n in [1, 2, 3, 8] {
                for times in [1, 3] {
                    let visit = |(): &mut (), rows: Range<usize>, text: &mut String| {
                        text.push_str(&rows.start.to_string());
                        Ok(())
                    };
                    let merge = |a: &mut String, b: &String| *a = format!("({a} {b})");
                    let states = repeat_n(String::new(), times * n_chunks);
                    let merged = run(&threads(n), &partition, states, || (), visit, merge).unwrap();
                    assert_eq!(merged, vec![tree(0..n_chunks); times]);
                }
            }
        }
    }

    /// The left half of a tree is as large as the power of two allows.
    fn tree(leaves: Range<usize>) -> String {
        if leaves.len() == 1 {
            return leaves.start.to_string();
        }
        let middle = leaves.start + leaves.len().next_power_of_two() / 2;
        format!("({} {})", tree(leaves.start..middle), tree(middle..leaves.end))
    }
}

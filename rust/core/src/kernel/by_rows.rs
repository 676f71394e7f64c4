//! The two matrix–vector products of a panel, written once and compiled for each kind of SIMD that pulp finds at run
//! time.

use pulp::Simd;

use super::next::Share;
use super::predict::Readings;
use super::reduce::sum_each;
use crate::matrix::{CACHE_LINE, GROUP, Panel, Raw, Registers, prefetch, register};

/// Values of a line of the cache.
const LINE: usize = CACHE_LINE / size_of::<f64>();

/// `z_i = x_i · w + b` for each row of the panel.
///
/// Eight rows at a time, so that a weight is loaded once for all of them. They come from memory out of the order in which
/// they lie there, so they have been asked for before. A row's predictor does not depend on the others.
#[inline(always)]
pub(super) fn predict<S: Simd, T: Raw>(
    simd: S,
    panel: &Panel<'_, T>,
    weights: &[f64],
    bias: f64,
    z: &mut [f64],
    share: Share<'_>,
    readings: Readings,
) {
    assert_eq!(z.len(), panel.n_rows());
    let weights = Weights::new::<S>(weights);
    let (groups, rest) = z.as_chunks_mut::<GROUP>();
    let n_whole = groups.len() * GROUP;
    let mut share = share.in_steps(groups.len());
    for (group, z) in groups.iter_mut().enumerate() {
        share.step();
        let rows = panel.block(group * GROUP);
        *z = sum_each(
            simd,
            match readings {
                Readings::One => products(simd, rows, &weights, OfAll::new(panel)),
                Readings::Two => products(simd, rows, &weights, OfFirstHalf::new(panel)),
            },
        );
        z.iter_mut().for_each(|z| *z += bias);
    }
    if !rest.is_empty() {
        let mut sums = [simd.splat_f64s(0.0); GROUP];
        for (i, sums) in sums[..rest.len()].iter_mut().enumerate() {
            [*sums] = products(simd, panel.block(n_whole + i), &weights, OfNone { distance: None });
        }
        rest.iter_mut().zip(sum_each(simd, sums)).for_each(|(z, sum)| *z = sum + bias);
    }
}

/// Of rows in place, what is asked for while a group of them is worked on: so far behind each line of some of its rows, which
/// are known when the code is compiled, so that the loop over them unrolls.
#[derive(Clone, Copy)]
struct Ahead<const FIRST: usize, const END: usize> {
    distance: Option<usize>,
}

type OfNone = Ahead<0, 0>;
type OfAll = Ahead<0, GROUP>;
type OfFirstHalf = Ahead<0, { GROUP / 2 }>;
type OfSecondHalf = Ahead<{ GROUP / 2 }, GROUP>;

impl<const FIRST: usize, const END: usize> Ahead<FIRST, END> {
    #[inline(always)]
    fn new<T: Raw>(panel: &Panel<'_, T>) -> Self {
        Self { distance: panel.ahead() }
    }

    /// The share of the `j`th value of each row, a line or several or half of one, or of what is behind the last.
    #[inline(always)]
    fn step<V, const R: usize>(self, rows: &[&[V]; R], j: usize) {
        if let Some(distance) = self.distance
            && (j * size_of::<V>()).is_multiple_of(CACHE_LINE)
        {
            for row in &rows[FIRST..END] {
                let address = row.as_ptr().wrapping_add(j).cast::<u8>().wrapping_add(distance);
                (0..size_of::<V>()).step_by(CACHE_LINE).for_each(|line| prefetch(address.wrapping_add(line)));
            }
        }
    }
}

/// Of each slice the first lines, so many, and what is behind them.
#[inline(always)]
fn lines<T, const N: usize>(slices: [&[T]; N], n_lines: usize) -> ([&[[T; LINE]]; N], [&[T]; N]) {
    let mut parts = ([&[][..]; N], [&[][..]; N]);
    for (i, slice) in slices.into_iter().enumerate() {
        let (lines, rest) = slice.as_chunks::<LINE>();
        (parts.0[i], parts.1[i]) = (&lines[..n_lines], rest);
    }
    parts
}

/// Weights, and those that fill no register: in one that ends where they do, with zeros for those that come before.
struct Weights<'w> {
    all: &'w [f64],
    last: [f64; LINE],
}

impl<'w> Weights<'w> {
    #[inline(always)]
    fn new<S: Simd>(all: &'w [f64]) -> Self {
        let tail = S::as_simd_f64s(all).1;
        let mut last = [0.0; LINE];
        last[S::F64_LANES - tail.len()..S::F64_LANES].copy_from_slice(tail);
        Self { all, last }
    }
}

/// The register that ends where each row does. Kernels by rows are for at least as many columns as one has lanes.
#[inline(always)]
fn last_registers<S: Simd, T: Raw, const R: usize>(simd: S, rows: [&[T]; R]) -> [S::f64s; R] {
    let mut last = [simd.splat_f64s(0.0); R];
    for (last, row) in last.iter_mut().zip(rows) {
        *last = Registers::<S, T>::of(simd, &row[row.len() - S::F64_LANES..]).whole(0);
    }
    last
}

/// For each row what adds up to `x_i · w`.
#[inline(always)]
fn products<S: Simd, T: Raw, const R: usize, const FIRST: usize, const END: usize>(
    simd: S,
    rows: [&[T]; R],
    weights: &Weights<'_>,
    ahead: Ahead<FIRST, END>,
) -> [S::f64s; R] {
    let (w_lines, w) = weights.all.as_chunks::<LINE>();
    let (lines, behind) = lines(rows, w_lines.len());
    let mut sums = [simd.splat_f64s(0.0); R];
    for (j, w) in w_lines.iter().enumerate() {
        ahead.step(&lines, j);
        for (k, &w) in S::as_simd_f64s(w).0.iter().enumerate() {
            for (sum, line) in sums.iter_mut().zip(lines) {
                *sum = simd.mul_add_e_f64s(register(simd, &line[j], k), w, *sum);
            }
        }
    }
    if !w.is_empty() {
        ahead.step(&lines, w_lines.len());
    }
    let (w, w_tail) = S::as_simd_f64s(w);
    let behind = Registers::<S, T>::of_each(simd, behind);
    for (j, &w) in w[..behind[0].n_whole()].iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(&behind) {
            *sum = simd.mul_add_e_f64s(row.whole(j), w, *sum);
        }
    }
    if !w_tail.is_empty() {
        let w = S::as_simd_f64s(&weights.last).0[0];
        for (sum, last) in sums.iter_mut().zip(last_registers(simd, rows)) {
            *sum = simd.mul_add_e_f64s(last, w, *sum);
        }
    }
    sums
}

/// `g_j += Σ_i δ_i x_ij` over the rows of the panel.
#[inline(always)]
pub(super) fn accumulate<S: Simd, T: Raw>(
    simd: S,
    panel: &Panel<'_, T>,
    slope: &[f64],
    gradient: &mut [f64],
    share: Share<'_>,
) {
    assert_eq!(slope.len(), panel.n_rows());
    let (groups, rest) = slope.as_chunks::<GROUP>();
    let mut share = share.in_steps(groups.len());
    for (group, slopes) in groups.iter().enumerate() {
        share.step();
        add_rows(simd, panel.block(group * GROUP), *slopes, gradient, OfSecondHalf::new(panel));
    }
    for (i, &slope) in rest.iter().enumerate() {
        add_rows(simd, panel.block(groups.len() * GROUP + i), [slope], gradient, OfNone { distance: None });
    }
}

#[inline(always)]
fn add_rows<S: Simd, T: Raw, const R: usize, const FIRST: usize, const END: usize>(
    simd: S,
    rows: [&[T]; R],
    slopes: [f64; R],
    gradient: &mut [f64],
    ahead: Ahead<FIRST, END>,
) {
    let slopes = slopes.map(|slope| simd.splat_f64s(slope));
    let n_before = gradient.len() - S::F64_LANES;
    let has_tail = !gradient.len().is_multiple_of(S::F64_LANES);
    // Before the others: those that it shares with them come out the same.
    // No closure: the compiler may leave one out of line, where there is no SIMD.
    let at_the_end = if has_tail {
        let mut sum = S::as_simd_f64s(&gradient[n_before..]).0[0];
        for (values, slope) in last_registers(simd, rows).into_iter().zip(slopes) {
            sum = simd.mul_add_e_f64s(values, slope, sum);
        }
        Some(sum)
    } else {
        None
    };
    let (g_lines, g) = gradient.as_chunks_mut::<LINE>();
    let n_lines = g_lines.len();
    let (lines, rows) = lines(rows, n_lines);
    let (g_pairs, g_last) = g_lines.as_chunks_mut::<2>();
    let (mut pairs, mut last) = ([&[][..]; R], [&[][..]; R]);
    for ((pairs, last), lines) in pairs.iter_mut().zip(&mut last).zip(lines) {
        let parts = lines.as_chunks::<2>();
        (*pairs, *last) = (&parts.0[..g_pairs.len()], &parts.1.as_chunks::<1>().0[..g_last.len()]);
    }
    add_lines(simd, pairs, slopes, g_pairs, ahead);
    add_lines(simd, last, slopes, g_last.as_chunks_mut::<1>().0, ahead);
    if !g.is_empty() {
        ahead.step(&lines, n_lines);
    }
    let (g, _) = S::as_mut_simd_f64s(g);
    let rows = Registers::<S, T>::of_each(simd, rows);
    for (j, g) in g[..rows[0].n_whole()].iter_mut().enumerate() {
        let mut sum = *g;
        for (row, slope) in rows.iter().zip(slopes) {
            sum = simd.mul_add_e_f64s(row.whole(j), slope, sum);
        }
        *g = sum;
    }
    if let Some(sum) = at_the_end {
        S::as_mut_simd_f64s(&mut gradient[n_before..]).0[0] = sum;
    }
}

/// Adds to lines of the gradient, `N` at a time, whose sums are under way together, so that few wait for the row before.
#[inline(always)]
fn add_lines<S: Simd, T: Raw, const R: usize, const N: usize, const FIRST: usize, const END: usize>(
    simd: S,
    rows: [&[[[T; LINE]; N]]; R],
    slopes: [S::f64s; R],
    gradient: &mut [[[f64; LINE]; N]],
    ahead: Ahead<FIRST, END>,
) {
    for (j, gradient) in gradient.iter_mut().enumerate() {
        ahead.step(&rows, j);
        let mut sums = *gradient;
        for (row, slope) in rows.iter().zip(slopes) {
            let values = row[j].as_flattened();
            for (k, sum) in S::as_mut_simd_f64s(sums.as_flattened_mut()).0.iter_mut().enumerate() {
                *sum = simd.mul_add_e_f64s(register(simd, values, k), slope, *sum);
            }
        }
        *gradient = sums;
    }
}

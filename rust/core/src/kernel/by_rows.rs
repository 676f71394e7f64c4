//! The two matrix–vector products of a panel, written once and compiled for each kind of SIMD that pulp finds at run
//! time.

use pulp::Simd;

use super::next::Share;
use super::reduce::sum_each;
use super::{Readings, registers};
use crate::matrix::{CACHE_LINE, GROUP, Panel, prefetch};

/// Values of a line of the cache.
const LINE: usize = CACHE_LINE / size_of::<f64>();

/// `z_i = x_i · w + b` for each row of the panel.
///
/// Eight rows at a time, so that a weight is loaded once for all of them. They come from memory out of the order in which
/// they lie there, so they have been asked for before. A row's predictor does not depend on the others.
#[inline(always)]
pub(super) fn predict<S: Simd>(
    simd: S,
    panel: &Panel<'_>,
    weights: &[f64],
    bias: f64,
    z: &mut [f64],
    share: Share<'_>,
    readings: Readings,
) {
    assert_eq!(z.len(), panel.n_rows());
    let (groups, rest) = z.as_chunks_mut::<GROUP>();
    let n_whole = groups.len() * GROUP;
    let mut share = share.in_steps(groups.len());
    for (group, z) in groups.iter_mut().enumerate() {
        share.step();
        let rows = panel.block(group * GROUP);
        *z = sum_each(
            simd,
            match readings {
                Readings::One => products(simd, rows, weights, OfAll::new(panel)),
                Readings::Two => products(simd, rows, weights, OfFirstHalf::new(panel)),
            },
        );
        z.iter_mut().for_each(|z| *z += bias);
    }
    if !rest.is_empty() {
        let mut sums = [simd.splat_f64s(0.0); GROUP];
        for (i, sums) in sums[..rest.len()].iter_mut().enumerate() {
            [*sums] = products(simd, panel.block(n_whole + i), weights, OfNone { distance: None });
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
    fn new(panel: &Panel<'_>) -> Self {
        Self { distance: panel.ahead() }
    }

    /// The share of the `j`th line of each row, or of what is behind its last line.
    #[inline(always)]
    fn step<const R: usize>(self, rows: &[&[[f64; LINE]]; R], j: usize) {
        if let Some(distance) = self.distance {
            for row in &rows[FIRST..END] {
                prefetch(row.as_ptr().wrapping_add(j).cast::<u8>().wrapping_add(distance));
            }
        }
    }
}

/// Of each slice the first lines, so many, and what is behind them.
#[inline(always)]
fn lines<const N: usize>(slices: [&[f64]; N], n_lines: usize) -> ([&[[f64; LINE]]; N], [&[f64]; N]) {
    let mut parts = ([&[][..]; N], [&[][..]; N]);
    for (i, slice) in slices.into_iter().enumerate() {
        let (lines, rest) = slice.as_chunks::<LINE>();
        (parts.0[i], parts.1[i]) = (&lines[..n_lines], rest);
    }
    parts
}

/// For each row what adds up to `x_i · w`.
#[inline(always)]
fn products<S: Simd, const R: usize, const FIRST: usize, const END: usize>(
    simd: S,
    rows: [&[f64]; R],
    weights: &[f64],
    ahead: Ahead<FIRST, END>,
) -> [S::f64s; R] {
    let (w_lines, w) = weights.as_chunks::<LINE>();
    let (lines, rows) = lines(rows, w_lines.len());
    let mut sums = [simd.splat_f64s(0.0); R];
    for (j, w) in w_lines.iter().enumerate() {
        ahead.step(&lines, j);
        for (k, &w) in S::as_simd_f64s(w).0.iter().enumerate() {
            for (sum, line) in sums.iter_mut().zip(lines) {
                *sum = simd.mul_add_e_f64s(S::as_simd_f64s(&line[j]).0[k], w, *sum);
            }
        }
    }
    if !w.is_empty() {
        ahead.step(&lines, w_lines.len());
    }
    let (w, w_tail) = S::as_simd_f64s(w);
    let (rows, tails) = registers::<S, R>(rows, w.len(), w_tail.len());
    for (j, &w) in w.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = simd.mul_add_e_f64s(row[j], w, *sum);
        }
    }
    if !w_tail.is_empty() {
        let w = simd.partial_load_f64s(w_tail);
        for (sum, tail) in sums.iter_mut().zip(tails) {
            *sum = simd.mul_add_e_f64s(simd.partial_load_f64s(tail), w, *sum);
        }
    }
    sums
}

/// `g_j += Σ_i δ_i x_ij` over the rows of the panel.
#[inline(always)]
pub(super) fn accumulate<S: Simd>(simd: S, panel: &Panel<'_>, slope: &[f64], gradient: &mut [f64], share: Share<'_>) {
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
fn add_rows<S: Simd, const R: usize, const FIRST: usize, const END: usize>(
    simd: S,
    rows: [&[f64]; R],
    slopes: [f64; R],
    gradient: &mut [f64],
    ahead: Ahead<FIRST, END>,
) {
    let (g_lines, g) = gradient.as_chunks_mut::<LINE>();
    let n_lines = g_lines.len();
    let (lines, rows) = lines(rows, n_lines);
    let slopes = slopes.map(|slope| simd.splat_f64s(slope));
    for (j, g) in g_lines.iter_mut().enumerate() {
        ahead.step(&lines, j);
        for (k, g) in S::as_mut_simd_f64s(g).0.iter_mut().enumerate() {
            let mut sum = *g;
            for (line, slope) in lines.iter().zip(slopes) {
                sum = simd.mul_add_e_f64s(S::as_simd_f64s(&line[j]).0[k], slope, sum);
            }
            *g = sum;
        }
    }
    if !g.is_empty() {
        ahead.step(&lines, n_lines);
    }
    let (g, g_tail) = S::as_mut_simd_f64s(g);
    let (rows, tails) = registers::<S, R>(rows, g.len(), g_tail.len());
    for (j, g) in g.iter_mut().enumerate() {
        let mut sum = *g;
        for (row, slope) in rows.iter().zip(slopes) {
            sum = simd.mul_add_e_f64s(row[j], slope, sum);
        }
        *g = sum;
    }
    if !g_tail.is_empty() {
        let mut sum = simd.partial_load_f64s(g_tail);
        for (tail, slope) in tails.iter().zip(slopes) {
            sum = simd.mul_add_e_f64s(simd.partial_load_f64s(tail), slope, sum);
        }
        simd.partial_store_f64s(g_tail, sum);
    }
}

//! The two matrix–vector products of a panel, written once and compiled for each kind of SIMD that pulp finds at run
//! time.

use pulp::Simd;

use super::next::{Share, ask_behind};
use super::reduce::sum_each;
use super::{Readings, registers};
use crate::matrix::{GROUP, Panel};

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
    let ahead = if readings == Readings::Two { Ahead::first_half(panel) } else { Ahead::all(panel) };
    for (group, z) in groups.iter_mut().enumerate() {
        share.step();
        *z = sum_each(simd, products(simd, panel.block(group * GROUP), weights, ahead));
        z.iter_mut().for_each(|z| *z += bias);
    }
    if !rest.is_empty() {
        let mut sums = [simd.splat_f64s(0.0); GROUP];
        for (i, sums) in sums[..rest.len()].iter_mut().enumerate() {
            [*sums] = products(simd, panel.block(n_whole + i), weights, Ahead::NOTHING);
        }
        rest.iter_mut().zip(sum_each(simd, sums)).for_each(|(z, sum)| *z = sum + bias);
    }
}

/// Of rows in place, what is asked for while a group of them is worked on.
#[derive(Clone, Copy)]
struct Ahead {
    /// So far behind each value of some rows of the group.
    distance: Option<usize>,
    first_row: usize,
    end_row: usize,
}

impl Ahead {
    const NOTHING: Self = Self { distance: None, first_row: 0, end_row: 0 };

    #[inline(always)]
    fn all(panel: &Panel<'_>) -> Self {
        Self { distance: panel.ahead(), first_row: 0, end_row: GROUP }
    }

    #[inline(always)]
    fn first_half(panel: &Panel<'_>) -> Self {
        Self { end_row: GROUP / 2, ..Self::all(panel) }
    }

    #[inline(always)]
    fn second_half(panel: &Panel<'_>) -> Self {
        Self { first_row: GROUP / 2, ..Self::all(panel) }
    }

    /// The share of the `j`th register of each row.
    #[inline(always)]
    fn step<V, const R: usize>(self, rows: &[&[V]; R], j: usize) {
        ask_behind(&rows[self.first_row..self.end_row], j, self.distance);
    }
}

/// For each row what adds up to `x_i · w`.
#[inline(always)]
fn products<S: Simd, const R: usize>(simd: S, rows: [&[f64]; R], weights: &[f64], ahead: Ahead) -> [S::f64s; R] {
    let (w, w_tail) = S::as_simd_f64s(weights);
    let (rows, tails) = registers::<S, R>(rows, w.len(), w_tail.len());
    let mut sums = [simd.splat_f64s(0.0); R];
    for (j, &w) in w.iter().enumerate() {
        ahead.step(&rows, j);
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
        add_rows(simd, panel.block(group * GROUP), *slopes, gradient, Ahead::second_half(panel));
    }
    for (i, &slope) in rest.iter().enumerate() {
        add_rows(simd, panel.block(groups.len() * GROUP + i), [slope], gradient, Ahead::NOTHING);
    }
}

#[inline(always)]
fn add_rows<S: Simd, const R: usize>(simd: S, rows: [&[f64]; R], slopes: [f64; R], gradient: &mut [f64], ahead: Ahead) {
    let (g, g_tail) = S::as_mut_simd_f64s(gradient);
    let (rows, tails) = registers::<S, R>(rows, g.len(), g_tail.len());
    let slopes = slopes.map(|slope| simd.splat_f64s(slope));
    for (j, g) in g.iter_mut().enumerate() {
        ahead.step(&rows, j);
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

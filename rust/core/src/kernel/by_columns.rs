//! The products of a strip column by column: a register holds as many rows as it has lanes. A group's number of columns is
//! known when the code is compiled, so all loops over them unroll.

use pulp::Simd;

use super::next::{Share, ask_behind};
use super::reduce::sum_each;
use super::strips::segments;
use super::{Readings, registers};
use crate::matrix::{Columns, GROUP};

/// Calls `$function` with the number of columns, up to that of a group, as a constant.
macro_rules! by_columns {
    ($n_cols:expr, $function:ident, $arguments:tt) => {
        match $n_cols {
            1 => $function::<S, 1> $arguments,
            2 => $function::<S, 2> $arguments,
            3 => $function::<S, 3> $arguments,
            4 => $function::<S, 4> $arguments,
            5 => $function::<S, 5> $arguments,
            6 => $function::<S, 6> $arguments,
            7 => $function::<S, 7> $arguments,
            GROUP => $function::<S, GROUP> $arguments,
            n_cols => unreachable!("a group of {n_cols} columns"),
        }
    };
}

/// `z_i = x_i · w + b` for each row.
#[inline(always)]
pub(super) fn predict<S: Simd>(
    simd: S,
    columns: &Columns<'_>,
    weights: &[f64],
    bias: f64,
    z: &mut [f64],
    share: Share<'_>,
    readings: Readings,
) {
    assert!(!weights.is_empty() && weights.len() == columns.n_cols());
    let mut share = share.in_steps(weights.len().div_ceil(GROUP));
    for (group, weights) in weights.chunks(GROUP).enumerate() {
        share.step();
        let columns = columns.part(group * GROUP, weights.len());
        let bias = (group == 0).then_some(bias);
        by_columns!(weights.len(), add_products, (simd, &columns, weights, bias, z, readings));
    }
}

/// Adds `x_i · w` to `z_i`, or to the bias.
#[inline(always)]
fn add_products<S: Simd, const N: usize>(
    simd: S,
    columns: &Columns<'_>,
    weights: &[f64],
    bias: Option<f64>,
    z: &mut [f64],
    readings: Readings,
) {
    let weights: [f64; N] = weights.try_into().expect("N weights");
    let (ahead, shares) = (columns.ahead(), readings == Readings::Two && columns.ahead_again().is_some());
    let columns = columns.all::<N>();
    let (z, z_tail) = S::as_mut_simd_f64s(z);
    let (wholes, tails) = registers::<S, N>(columns, z.len(), z_tail.len());
    let mut splat = [simd.splat_f64s(0.0); N];
    for (splat, weight) in splat.iter_mut().zip(weights) {
        *splat = simd.splat_f64s(weight);
    }
    let bias = bias.map(|bias| simd.splat_f64s(bias));
    let n_asked = if shares { N / 2 } else { N };
    for (i, z) in z.iter_mut().enumerate() {
        ask_behind(&wholes[..n_asked], i, ahead);
        let mut sum = bias.unwrap_or(*z);
        for (column, weight) in wholes.iter().zip(splat) {
            sum = simd.mul_add_e_f64s(column[i], weight, sum);
        }
        *z = sum;
    }
    if !z_tail.is_empty() {
        let mut sum = bias.unwrap_or(simd.partial_load_f64s(z_tail));
        for (tail, weight) in tails.iter().zip(splat) {
            sum = simd.mul_add_e_f64s(simd.partial_load_f64s(tail), weight, sum);
        }
        simd.partial_store_f64s(z_tail, sum);
    }
}

/// `g_j += Σ_i δ_i x_ij` over the rows.
#[inline(always)]
pub(super) fn accumulate<S: Simd>(
    simd: S,
    columns: &Columns<'_>,
    slope: &[f64],
    gradient: &mut [f64],
    share: Share<'_>,
) {
    assert_eq!(gradient.len(), columns.n_cols());
    let segments = segments(columns);
    let mut share = share.in_steps(gradient.len().div_ceil(GROUP));
    for (group, gradient) in gradient.chunks_mut(GROUP).enumerate() {
        share.step();
        let columns = columns.part(group * GROUP, gradient.len());
        for rows in segments.clone() {
            let (columns, slope) = (columns.rows(rows.clone()), &slope[rows]);
            by_columns!(gradient.len(), accumulate_n, (simd, &columns, slope, gradient));
        }
    }
}

#[inline(always)]
fn accumulate_n<S: Simd, const N: usize>(simd: S, columns: &Columns<'_>, slope: &[f64], gradient: &mut [f64]) {
    let sums = match N {
        1 => dots::<S, N, 4>(simd, columns, slope),
        2..=4 => dots::<S, N, 2>(simd, columns, slope),
        _ => dots::<S, N, 1>(simd, columns, slope),
    };
    gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
}

/// The products of each column with another, in `WAYS` registers each, so that few sums wait for the one before.
#[inline(always)]
fn dots<S: Simd, const N: usize, const WAYS: usize>(simd: S, columns: &Columns<'_>, other: &[f64]) -> [f64; N] {
    let ahead = columns.ahead_again();
    let (other, other_tail) = S::as_simd_f64s(other);
    let (columns, tails) = registers::<S, N>(columns.all(), other.len(), other_tail.len());
    let (groups, rest) = other.as_chunks::<WAYS>();
    let mut sums = [[simd.splat_f64s(0.0); N]; WAYS];
    for (group, others) in groups.iter().enumerate() {
        for (way, &other) in others.iter().enumerate() {
            ask_behind(&columns[N / 2..], group * WAYS + way, ahead);
            for (sum, column) in sums[way].iter_mut().zip(columns) {
                *sum = simd.mul_add_e_f64s(column[group * WAYS + way], other, *sum);
            }
        }
    }
    for (i, &other) in rest.iter().enumerate() {
        ask_behind(&columns[N / 2..], groups.len() * WAYS + i, ahead);
        for (sum, column) in sums[0].iter_mut().zip(columns) {
            *sum = simd.mul_add_e_f64s(column[groups.len() * WAYS + i], other, *sum);
        }
    }
    let mut last = [simd.splat_f64s(0.0); GROUP];
    if !other_tail.is_empty() {
        let other = simd.partial_load_f64s(other_tail);
        for (last, tail) in last.iter_mut().zip(tails) {
            *last = simd.mul_f64s(simd.partial_load_f64s(tail), other);
        }
    }
    for sums in &sums {
        for j in 0..N {
            last[j] = simd.add_f64s(last[j], sums[j]);
        }
    }
    *sum_each(simd, last).first_chunk().expect("at most a group")
}

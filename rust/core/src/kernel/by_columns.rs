//! The products of a strip column by column: a register holds as many rows as it has lanes. A group's number of columns is
//! known when the code is compiled, so all loops over them unroll.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::next::Share;
use super::predict::Readings;
use super::reduce::sum_each;
use super::strips::segments;
use crate::matrix::{Columns, GROUP, Group, Interleaved, Raw, Registers};

/// Runs `$task` with the number of columns, which is one of `$n`, as a constant. In a function of its own, where nothing else
/// takes registers.
macro_rules! by_columns {
    ([$($n:literal)*], $simd:expr, $n_cols:expr, $task:ident, $fields:tt) => {
        match $n_cols {
            $($n => $simd.vectorize($task::<T, $n> $fields),)*
            n_cols => unreachable!("a group of {n_cols} columns"),
        }
    };
}

/// `z_i = x_i · w + b` for each row.
#[inline(always)]
pub(super) fn predict<S: Simd, T: Raw>(
    simd: S,
    columns: &Columns<'_, T>,
    weights: &[f64],
    bias: f64,
    z: &mut [f64],
    share: Share<'_>,
    readings: Readings,
) {
    assert!(!weights.is_empty() && weights.len() == columns.n_cols() && z.len() == columns.n_rows());
    let mut share = share.in_steps(weights.len().div_ceil(GROUP));
    for (group, weights) in weights.chunks(GROUP).enumerate() {
        share.step();
        let jump = jump_behind(columns, group);
        let columns = columns.part(group * GROUP, weights.len());
        let bias = (group == 0).then_some(bias);
        let z = &mut *z;
        by_columns!([1 2 3 4 5 6 7 8], simd, weights.len(), AddProducts, { columns, weights, bias, z, readings, jump });
    }
}

/// The same of interleaved columns.
#[inline(always)]
pub(super) fn predict_interleaved<S: Simd, T: Raw>(
    simd: S,
    rows: &Interleaved<'_, T>,
    weights: &[f64],
    bias: f64,
    z: &mut [f64],
    mut share: Share<'_>,
) {
    assert!(weights.len() == rows.n_cols() && z.len() == rows.n_rows());
    share.step();
    by_columns!([2 3 4 5 6 7], simd, weights.len(), AddProductsInterleaved, { rows, weights, bias, z });
}

/// The same in the order of sums by rows, to the bit: each row has a sum for each lane of a register, of which the columns take
/// turns; what is left of them takes the last lanes, as in the register that ends where a row does.
#[inline(always)]
pub(super) fn predict_as_rows<S: Simd, T: Raw>(
    simd: S,
    columns: &Columns<'_, T>,
    weights: &[f64],
    bias: f64,
    z: &mut [f64],
    lane_sums: &mut Vec<f64>,
    share: Share<'_>,
) {
    assert!(weights.len() == columns.n_cols() && weights.len() >= GROUP && z.len() == columns.n_rows());
    let (groups, rest) = weights.as_chunks::<GROUP>();
    let mut share = share.in_steps(groups.len());
    lane_sums.resize(z.len().div_ceil(S::F64_LANES) * S::F64_LANES * S::F64_LANES, 0.0);
    for (group, &weights) in groups.iter().enumerate() {
        share.step();
        let columns = columns.part(group * GROUP, GROUP);
        let total = (rest.is_empty() && group + 1 == groups.len()).then_some((bias, &mut *z));
        let sums = &mut *lane_sums;
        simd.vectorize(AddToLanes { columns, weights, first_lane: 0, is_first: group == 0, sums, total });
    }
    let n_whole = weights.len() - weights.len() % S::F64_LANES;
    for (i, &weight) in rest.iter().enumerate() {
        let column = groups.len() * GROUP + i;
        let first_lane = if column < n_whole { column % S::F64_LANES } else { column + S::F64_LANES - weights.len() };
        let total = (i + 1 == rest.len()).then_some((bias, &mut *z));
        let (columns, weights, sums) = (columns.part(column, 1), [weight], &mut *lane_sums);
        simd.vectorize(AddToLanes { columns, weights, first_lane, is_first: false, sums, total });
    }
}

/// Adds the products with a group of columns to the sums of the lanes of each row, or with one to that of one lane. In the end
/// forms the predictors.
struct AddToLanes<'a, T, const N: usize> {
    columns: Columns<'a, T>,
    weights: [f64; N],
    first_lane: usize,
    is_first: bool,
    /// For each register of rows one for each lane.
    sums: &'a mut [f64],
    /// The bias, and where predictors go.
    total: Option<(f64, &'a mut [f64])>,
}

impl<T: Raw, const N: usize> WithSimd for AddToLanes<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { columns, weights, first_lane, is_first, sums, total } = self;
        const { assert!(N == 1 || N == GROUP) }
        let ahead = columns.ahead();
        let columns = Registers::<S, T>::of_each(simd, columns.all::<N>());
        let n_lanes = N.min(S::F64_LANES);
        let zero = simd.splat_f64s(0.0);
        let mut splat = [zero; N];
        for (splat, weight) in splat.iter_mut().zip(weights) {
            *splat = simd.splat_f64s(weight);
        }
        let (bias, z) = total.unzip();
        let bias = simd.splat_f64s(bias.unwrap_or(0.0));
        let (mut z, mut z_tail) = z.map(S::as_mut_simd_f64s).unzip();
        let rows = S::as_mut_simd_f64s(sums).0.chunks_exact_mut(S::F64_LANES);
        for (i, all) in rows.enumerate() {
            let is_whole = i < columns[0].n_whole();
            let sums = &mut all[first_lane..first_lane + n_lanes];
            let mut lanes = [zero; N];
            if !is_first {
                lanes[..n_lanes].copy_from_slice(sums);
            }
            if is_whole {
                columns.ask_behind(0..N, i, ahead);
            }
            for (j, (column, weight)) in columns.iter().zip(splat).enumerate() {
                let values = if is_whole { column.whole(i) } else { column.rest() };
                lanes[j % n_lanes] = simd.mul_add_e_f64s(values, weight, lanes[j % n_lanes]);
            }
            let (Some(z), Some(z_tail)) = (&mut z, &mut z_tail) else {
                sums.copy_from_slice(&lanes[..n_lanes]);
                continue;
            };
            let sum = if N == 1 {
                sums.copy_from_slice(&lanes[..n_lanes]);
                sum_of_lanes(simd, all)
            } else {
                sum_of_lanes(simd, &lanes[..n_lanes])
            };
            let predictors = simd.add_f64s(sum, bias);
            if is_whole {
                z[i] = predictors;
            } else {
                simd.partial_store_f64s(z_tail, predictors);
            }
        }
    }
}

/// The sums of the lanes of each of some rows: neighbours are added, as by [`sum_each`].
#[inline(always)]
fn sum_of_lanes<S: Simd>(simd: S, lanes: &[S::f64s]) -> S::f64s {
    let mut sums = [simd.splat_f64s(0.0); GROUP];
    sums[..S::F64_LANES].copy_from_slice(lanes);
    let mut n = S::F64_LANES;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            sums[i] = simd.add_f64s(sums[2 * i], sums[2 * i + 1]);
        }
    }
    sums[0]
}

/// From the end of a group's columns to what is read next: the next group's, or after the last the first group's further rows.
#[inline(always)]
fn jump_behind<T: Raw>(columns: &Columns<'_, T>, group: usize) -> isize {
    let first = group * GROUP;
    if first + GROUP < columns.n_cols() {
        columns.apart(GROUP as isize).wrapping_sub_unsigned(columns.n_rows() * size_of::<T>())
    } else {
        columns.apart(-(first as isize))
    }
}

/// Adds `x_i · w` to `z_i`, or to the bias.
struct AddProducts<'a, T, const N: usize> {
    columns: Columns<'a, T>,
    weights: &'a [f64],
    bias: Option<f64>,
    z: &'a mut [f64],
    readings: Readings,
    /// Where what lies behind a column's end is to be asked for.
    jump: isize,
}

impl<T: Raw, const N: usize> WithSimd for AddProducts<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { columns, weights, bias, z, readings, jump } = self;
        let weights: [f64; N] = weights.try_into().expect("N weights");
        let (ahead, shares) = (columns.ahead(), readings == Readings::Two && columns.ahead_again().is_some());
        let columns = Registers::<S, T>::of_each(simd, columns.all::<N>());
        let (z, z_tail) = S::as_mut_simd_f64s(z);
        let z = &mut z[..columns[0].n_whole()];
        let weights = splat(simd, weights);
        let bias = bias.map(|bias| simd.splat_f64s(bias));
        let register_bytes = S::F64_LANES * size_of::<T>();
        // Of short columns all is asked for of the same ones, a strip farther on; of few columns there are no others.
        let n_within = match ahead {
            Some(distance) if N == GROUP && distance < z.len() * register_bytes => z.len() - distance / register_bytes,
            _ => z.len(),
        };
        let (within, beyond) = z.split_at_mut(n_within);
        add_products(simd, within, bias, &columns, weights, 0, ahead, shares);
        if N == GROUP && !beyond.is_empty() {
            let ahead = ahead.map(|distance| distance.wrapping_add_signed(jump));
            add_products(simd, beyond, bias, &columns, weights, n_within, ahead, shares);
        }
        add_products_of_rest(simd, z_tail, bias, &columns, weights);
    }
}

/// The same of interleaved columns.
struct AddProductsInterleaved<'a, T, const N: usize> {
    rows: &'a Interleaved<'a, T>,
    weights: &'a [f64],
    bias: f64,
    z: &'a mut [f64],
}

impl<T: Raw, const N: usize> WithSimd for AddProductsInterleaved<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, weights, bias, z } = self;
        let columns = rows.group::<S, N>(simd, 0..z.len());
        let weights = splat(simd, weights.try_into().expect("N weights"));
        let bias = Some(simd.splat_f64s(bias));
        let (z, z_tail) = S::as_mut_simd_f64s(z);
        let z = &mut z[..columns.n_whole()];
        add_products(simd, z, bias, &columns, weights, 0, None, true);
        add_products_of_rest(simd, z_tail, bias, &columns, weights);
    }
}

#[inline(always)]
fn splat<S: Simd, const N: usize>(simd: S, values: [f64; N]) -> [S::f64s; N] {
    let mut splat = [simd.splat_f64s(0.0); N];
    for (splat, value) in splat.iter_mut().zip(values) {
        *splat = simd.splat_f64s(value);
    }
    splat
}

/// The same for the whole registers from the `first` on; what is so far `ahead` of them is asked for.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a loop that is compiled twice")]
fn add_products<S: Simd, const N: usize>(
    simd: S,
    z: &mut [S::f64s],
    bias: Option<S::f64s>,
    columns: &impl Group<S, N>,
    weights: [S::f64s; N],
    first: usize,
    ahead: Option<usize>,
    shares: bool,
) {
    for (i, z) in z.iter_mut().enumerate() {
        let i = first + i;
        columns.ask_behind(0..N / 2, i, ahead);
        // All of them known when the code is compiled, as a slice of so many would lie in memory.
        if !shares {
            columns.ask_behind(N / 2..N, i, ahead);
        }
        let mut sum = bias.unwrap_or(*z);
        for (values, weight) in columns.whole(i).into_iter().zip(weights) {
            sum = simd.mul_add_e_f64s(values, weight, sum);
        }
        *z = sum;
    }
}

/// The same for what is behind the last whole register.
#[inline(always)]
fn add_products_of_rest<S: Simd, const N: usize>(
    simd: S,
    z: &mut [f64],
    bias: Option<S::f64s>,
    columns: &impl Group<S, N>,
    weights: [S::f64s; N],
) {
    if !z.is_empty() {
        let mut sum = bias.unwrap_or(simd.partial_load_f64s(z));
        for (values, weight) in columns.rest().into_iter().zip(weights) {
            sum = simd.mul_add_e_f64s(values, weight, sum);
        }
        simd.partial_store_f64s(z, sum);
    }
}

/// `g_j += Σ_i δ_i x_ij` over the rows.
#[inline(always)]
pub(super) fn accumulate<S: Simd, T: Raw>(
    simd: S,
    columns: &Columns<'_, T>,
    slope: &[f64],
    gradient: &mut [f64],
    share: Share<'_>,
) {
    assert!(gradient.len() == columns.n_cols() && slope.len() == columns.n_rows());
    let segments = segments((columns.n_rows(), columns.n_cols()));
    let mut share = share.in_steps(gradient.len().div_ceil(GROUP));
    for (group, gradient) in gradient.chunks_mut(GROUP).enumerate() {
        share.step();
        let columns = columns.part(group * GROUP, gradient.len());
        for rows in segments.clone() {
            let (columns, slope) = (columns.rows(rows.clone()), &slope[rows]);
            let gradient = &mut *gradient;
            by_columns!([1 2 3 4 5 6 7 8], simd, gradient.len(), AddSums, { columns, slope, gradient });
        }
    }
}

/// The same of interleaved columns.
#[inline(always)]
pub(super) fn accumulate_interleaved<S: Simd, T: Raw>(
    simd: S,
    rows: &Interleaved<'_, T>,
    slope: &[f64],
    gradient: &mut [f64],
    mut share: Share<'_>,
) {
    assert!(gradient.len() == rows.n_cols() && slope.len() == rows.n_rows());
    share.step();
    for segment in segments((rows.n_rows(), rows.n_cols())) {
        let (slope, gradient) = (&slope[segment.clone()], &mut *gradient);
        by_columns!([2 3 4 5 6 7], simd, gradient.len(), AddSumsInterleaved, { rows, segment, slope, gradient });
    }
}

/// Adds each column's product with the slopes.
struct AddSums<'a, T, const N: usize> {
    columns: Columns<'a, T>,
    slope: &'a [f64],
    gradient: &'a mut [f64],
}

impl<T: Raw, const N: usize> WithSimd for AddSums<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { columns, slope, gradient } = self;
        let group = Registers::<S, T>::of_each(simd, columns.all::<N>());
        add_sums(simd, &group, columns.ahead_again(), slope, gradient);
    }
}

/// The same of some rows of interleaved columns.
struct AddSumsInterleaved<'a, T, const N: usize> {
    rows: &'a Interleaved<'a, T>,
    segment: Range<usize>,
    slope: &'a [f64],
    gradient: &'a mut [f64],
}

impl<T: Raw, const N: usize> WithSimd for AddSumsInterleaved<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, segment, slope, gradient } = self;
        add_sums(simd, &rows.group::<S, N>(simd, segment), None, slope, gradient);
    }
}

#[inline(always)]
fn add_sums<S: Simd, const N: usize>(
    simd: S,
    columns: &impl Group<S, N>,
    ahead: Option<usize>,
    slope: &[f64],
    gradient: &mut [f64],
) {
    let sums = match N {
        1 => dots::<S, N, 4>(simd, columns, ahead, slope),
        2..=4 => dots::<S, N, 2>(simd, columns, ahead, slope),
        _ => dots::<S, N, 1>(simd, columns, ahead, slope),
    };
    gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
}

/// The products of each column with another, in `WAYS` registers each, so that few sums wait for the one before.
#[inline(always)]
fn dots<S: Simd, const N: usize, const WAYS: usize>(
    simd: S,
    columns: &impl Group<S, N>,
    ahead: Option<usize>,
    other: &[f64],
) -> [f64; N] {
    let (other, other_tail) = S::as_simd_f64s(other);
    let other = &other[..columns.n_whole()];
    let (groups, rest) = other.as_chunks::<WAYS>();
    let mut sums = [[simd.splat_f64s(0.0); N]; WAYS];
    for (group, others) in groups.iter().enumerate() {
        for (way, &other) in others.iter().enumerate() {
            columns.ask_behind(N / 2..N, group * WAYS + way, ahead);
            for (sum, values) in sums[way].iter_mut().zip(columns.whole(group * WAYS + way)) {
                *sum = simd.mul_add_e_f64s(values, other, *sum);
            }
        }
    }
    for (i, &other) in rest.iter().enumerate() {
        columns.ask_behind(N / 2..N, groups.len() * WAYS + i, ahead);
        for (sum, values) in sums[0].iter_mut().zip(columns.whole(groups.len() * WAYS + i)) {
            *sum = simd.mul_add_e_f64s(values, other, *sum);
        }
    }
    let mut last = [simd.splat_f64s(0.0); GROUP];
    if !other_tail.is_empty() {
        let other = simd.partial_load_f64s(other_tail);
        for (last, values) in last.iter_mut().zip(columns.rest()) {
            *last = simd.mul_f64s(values, other);
        }
    }
    for sums in &sums {
        for j in 0..N {
            last[j] = simd.add_f64s(last[j], sums[j]);
        }
    }
    *sum_each(simd, last).first_chunk().expect("at most a group")
}

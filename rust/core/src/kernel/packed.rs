//! A panel laid out for the products of its columns, `√h_i x̃_i` with `x̃ = (x − c) / s`; and while its values are in
//! registers, sums of `x̃` over the rows.

use std::marker::PhantomData;
use std::ops::{AddAssign, Range};

use ndarray::Array1;
use pulp::bytemuck::{self, Pod};
use pulp::{Arch, Simd, WithSimd};

use crate::matrix::Panel;

/// In what precision products are formed and summed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Precision {
    #[default]
    Double,
    /// Twice as fast, and good for a step that a gradient in double precision corrects.
    Single,
}

impl Precision {
    /// Columns of a block.
    pub(crate) fn n_entries(self) -> usize {
        match self {
            Self::Double => f64::ENTRIES,
            Self::Single => f32::ENTRIES,
        }
    }
}

/// `f64` values of a lane.
const WIDTH: usize = 8;
/// Rows that are laid out together.
const ROWS: usize = 16;

/// What an AVX-512 register holds: 8 values of double precision or 16 of single. Aligned, so that no register's load
/// touches two lines of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lane([f64; WIDTH]);

impl Lane {
    pub(super) const ZERO: Self = Self([0.0; WIDTH]);

    #[inline(always)]
    pub(super) fn values<R: Real>(&self) -> &[R] {
        bytemuck::cast_slice(&self.0)
    }

    #[inline(always)]
    pub(super) fn values_mut<R: Real>(&mut self) -> &mut [R] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

/// The arithmetic of one precision.
pub(super) trait Real: Pod + Into<f64> + AddAssign {
    /// Entries of a lane.
    const ENTRIES: usize = size_of::<Lane>() / size_of::<Self>();
    type Register<S: Simd>: Copy;

    fn registers<S: Simd>(lane: &Lane) -> &[Self::Register<S>];
    fn registers_mut<S: Simd>(lane: &mut Lane) -> &mut [Self::Register<S>];
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Register<S>;
    fn add<S: Simd>(simd: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S>;
    /// `a b + c`.
    fn mul_add<S: Simd>(simd: S, a: Self::Register<S>, b: Self::Register<S>, c: Self::Register<S>)
    -> Self::Register<S>;
    /// Writes the `part`th eight values of a lane.
    fn write(values: &[f64; WIDTH], part: usize, out: &mut Lane);
}

impl Real for f64 {
    type Register<S: Simd> = S::f64s;

    #[inline(always)]
    fn registers<S: Simd>(lane: &Lane) -> &[S::f64s] {
        S::as_simd_f64s(&lane.0).0
    }

    #[inline(always)]
    fn registers_mut<S: Simd>(lane: &mut Lane) -> &mut [S::f64s] {
        S::as_mut_simd_f64s(&mut lane.0).0
    }

    #[inline(always)]
    fn splat<S: Simd>(simd: S, value: Self) -> S::f64s {
        simd.splat_f64s(value)
    }

    #[inline(always)]
    fn add<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.add_f64s(a, b)
    }

    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        simd.mul_add_e_f64s(a, b, c)
    }

    #[inline(always)]
    fn write(values: &[f64; WIDTH], _: usize, out: &mut Lane) {
        out.0 = *values;
    }
}

impl Real for f32 {
    type Register<S: Simd> = S::f32s;

    #[inline(always)]
    fn registers<S: Simd>(lane: &Lane) -> &[S::f32s] {
        S::as_simd_f32s(lane.values()).0
    }

    #[inline(always)]
    fn registers_mut<S: Simd>(lane: &mut Lane) -> &mut [S::f32s] {
        S::as_mut_simd_f32s(lane.values_mut()).0
    }

    #[inline(always)]
    fn splat<S: Simd>(simd: S, value: Self) -> S::f32s {
        simd.splat_f32s(value)
    }

    #[inline(always)]
    fn add<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
        simd.add_f32s(a, b)
    }

    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(a, b, c)
    }

    #[inline(always)]
    fn write(values: &[f64; WIDTH], part: usize, out: &mut Lane) {
        let out = &mut out.values_mut::<Self>()[part * WIDTH..][..WIDTH];
        out.iter_mut().zip(values).for_each(|(out, &value)| *out = value as Self);
    }
}

/// A shift and a scale of each column: `x̃ = (x − centre) · inverse_scale`.
#[derive(Clone, Copy)]
pub(crate) struct Scaling<'p> {
    pub(crate) centre: &'p [f64],
    pub(crate) inverse_scale: &'p [f64],
}

impl<'p> Scaling<'p> {
    pub(crate) fn columns(self, range: Range<usize>) -> Self {
        Self { centre: &self.centre[range.clone()], inverse_scale: &self.inverse_scale[range] }
    }
}

/// `Σ f_i x̃_i` over rows, one number a column.
pub(crate) struct RowSums {
    lanes: Vec<Lane>,
    n_cols: usize,
}

impl RowSums {
    pub(crate) fn zeros(n_cols: usize) -> Self {
        Self { lanes: vec![Lane::ZERO; n_cols.div_ceil(WIDTH)], n_cols }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.lanes.iter_mut().zip(&other.lanes) {
            ours.0.iter_mut().zip(theirs.0).for_each(|(ours, theirs)| *ours += theirs);
        }
    }

    pub(crate) fn to_array(&self) -> Array1<f64> {
        self.lanes.iter().flat_map(|lane| lane.0).take(self.n_cols).collect()
    }
}

/// Block after block of as many columns as a lane holds, within it row after row; the last block is filled up with zeros.
#[derive(Default)]
pub(crate) struct Packed {
    lanes: Vec<Lane>,
    n_rows: usize,
    precision: Precision,
}

impl Packed {
    /// Lays out `√h_i (x_i − c) / s`, and adds to each of `sums` the rows without `√h_i` times its `factors`.
    pub(crate) fn pack<const N: usize>(
        &mut self,
        panel: &Panel<'_>,
        scaling: Scaling<'_>,
        roots: &[f64],
        factors: [&[f64]; N],
        sums: [&mut RowSums; N],
        precision: Precision,
    ) {
        self.n_rows = panel.n_rows();
        self.precision = precision;
        self.lanes.resize(panel.n_cols().div_ceil(precision.n_entries()) * self.n_rows, Lane::ZERO);
        let sums = sums.map(|sums| &mut sums.lanes[..]);
        let pack = Pack { panel, scaling, roots, factors, sums, lanes: &mut self.lanes };
        match precision {
            Precision::Double => Arch::new().dispatch(In::<f64, _>::new(pack)),
            Precision::Single => Arch::new().dispatch(In::<f32, _>::new(pack)),
        }
    }

    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(super) fn n_blocks(&self) -> usize {
        self.lanes.len() / self.n_rows
    }

    pub(super) fn block(&self, block: usize) -> &[Lane] {
        &self.lanes[block * self.n_rows..][..self.n_rows]
    }
}

/// A task in a precision.
pub(super) struct In<R, T> {
    pub(super) task: T,
    precision: PhantomData<R>,
}

impl<R, T> In<R, T> {
    pub(super) fn new(task: T) -> Self {
        Self { task, precision: PhantomData }
    }
}

struct Pack<'a, const N: usize> {
    panel: &'a Panel<'a>,
    scaling: Scaling<'a>,
    roots: &'a [f64],
    factors: [&'a [f64]; N],
    sums: [&'a mut [Lane]; N],
    lanes: &'a mut [Lane],
}

impl<R: Real, const N: usize> WithSimd for In<R, Pack<'_, N>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut pack = self.task;
        let n_rows = pack.panel.n_rows();
        // Some rows at a time, since they come from memory; and of these column by column, for scales to stay in registers.
        for first_row in (0..n_rows).step_by(ROWS) {
            pack.rows::<S, R>(simd, first_row..n_rows.min(first_row + ROWS));
        }
    }
}

impl<const N: usize> Pack<'_, N> {
    #[inline(always)]
    fn rows<S: Simd, R: Real>(&mut self, simd: S, rows: Range<usize>) {
        let Self { panel, scaling, roots, factors, sums, lanes } = self;
        let (n_rows, n_cols) = (panel.n_rows(), panel.n_cols());
        let panel = panel.rows(rows.clone());
        let roots = &roots[rows.clone()];
        let factors = factors.map(|factors| &factors[rows.clone()][..roots.len()]);
        let parts = R::ENTRIES / WIDTH;
        for (eight, first) in (0..n_cols).step_by(WIDTH).enumerate() {
            let Scaling { centre, inverse_scale } = scaling.columns(first..n_cols.min(first + WIDTH));
            let (block, part) = (eight / parts, eight % parts);
            let lanes = &mut lanes[block * n_rows + rows.start..][..roots.len()];
            let mut totals = [[simd.splat_f64s(0.0); WIDTH]; N];
            for (total, sums) in totals.iter_mut().zip(sums.iter()) {
                let sum = f64::registers::<S>(&sums[eight]);
                total[..sum.len()].copy_from_slice(sum);
            }
            if centre.len() == WIDTH {
                let (centre, scale) = (S::as_simd_f64s(centre).0, S::as_simd_f64s(inverse_scale).0);
                for i in 0..roots.len() {
                    let value = S::as_simd_f64s(panel.part_of_row::<WIDTH>(i, first)).0;
                    let factors = factors.map(|factors| factors[i]);
                    let weighted = weigh(simd, value, centre, scale, roots[i], factors, &mut totals);
                    R::write(&weighted.0, part, &mut lanes[i]);
                }
            } else {
                let (centre, scale) = (partial(simd, centre), partial(simd, inverse_scale));
                for i in 0..roots.len() {
                    let value = partial(simd, &panel.row(i)[first..]);
                    let factors = factors.map(|factors| factors[i]);
                    let weighted = weigh(simd, &value, &centre, &scale, roots[i], factors, &mut totals);
                    R::write(&weighted.0, part, &mut lanes[i]);
                }
            }
            if first + WIDTH >= n_cols {
                // What is left of the last block.
                for part in part + 1..parts {
                    lanes.iter_mut().for_each(|lane| R::write(&Lane::ZERO.0, part, lane));
                }
            }
            for (total, sums) in totals.iter().zip(sums.iter_mut()) {
                let sum = f64::registers_mut::<S>(&mut sums[eight]);
                sum.copy_from_slice(&total[..sum.len()]);
            }
        }
    }
}

/// `√h (x − c) / s`; and adds it without `√h`, times each factor, to the totals.
#[inline(always)]
fn weigh<S: Simd, const N: usize>(
    simd: S,
    value: &[S::f64s],
    centre: &[S::f64s],
    scale: &[S::f64s],
    root: f64,
    factors: [f64; N],
    totals: &mut [[S::f64s; WIDTH]; N],
) -> Lane {
    let mut weighted = Lane::ZERO;
    let out = f64::registers_mut::<S>(&mut weighted);
    let root = simd.splat_f64s(root);
    for i in 0..WIDTH / S::F64_LANES {
        let scaled = simd.mul_f64s(simd.sub_f64s(value[i], centre[i]), scale[i]);
        out[i] = simd.mul_f64s(scaled, root);
        for (total, factor) in totals.iter_mut().zip(factors) {
            total[i] = simd.mul_add_e_f64s(scaled, simd.splat_f64s(factor), total[i]);
        }
    }
    weighted
}

/// The registers of a lane of which only the first values are there; the others are 0.
#[inline(always)]
fn partial<S: Simd>(simd: S, values: &[f64]) -> [S::f64s; WIDTH] {
    let mut registers = [simd.splat_f64s(0.0); WIDTH];
    for (i, register) in registers[..WIDTH / S::F64_LANES].iter_mut().enumerate() {
        let first = (i * S::F64_LANES).min(values.len());
        *register = simd.partial_load_f64s(&values[first..values.len().min(first + S::F64_LANES)]);
    }
    registers
}

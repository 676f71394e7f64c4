//! A panel laid out for the products of its columns, `√h_i x̃_i` with `x̃ = (x − c) / s`; and while its values are in
//! registers, sums of `x̃` over the rows.

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::Array1;
use pulp::bytemuck::{self, Pod};
use pulp::{Arch, Simd, WithSimd};

use super::matrix_unit::MatrixUnit;
use crate::matrix::{EIGHT, Eights, GROUP, Slab, WithEights, first_eight};

/// In what precision products are formed and summed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Precision {
    #[default]
    Double,
    /// Twice as fast, and good for a step that a gradient in double precision corrects.
    Single,
    /// Of numbers in two pieces, by a [`MatrixUnit`]: several times as fast, with sixteen bits of each.
    Pieces,
}

impl Precision {
    /// The least that [bears](Self::bears) such a loss.
    pub(crate) fn for_loss(loss: f64) -> Self {
        let is_available = |precision| precision != Self::Pieces || MatrixUnit::find().is_some();
        let least = [Self::Pieces, Self::Single].into_iter().find(|&least| least.bears(loss) && is_available(least));
        least.unwrap_or(Self::Double)
    }

    /// Whether rounding errors that grow by such a factor leave enough digits to tell the way to a minimum.
    pub(crate) fn bears(self, loss: f64) -> bool {
        match self {
            Self::Double => true,
            Self::Single => loss < 1e5,
            Self::Pieces => loss < 3e2,
        }
    }

    /// Columns of a block.
    pub(crate) fn n_entries(self) -> usize {
        match self {
            Self::Double => f64::ENTRIES,
            Self::Single | Self::Pieces => f32::ENTRIES,
        }
    }

    /// Lanes of `f64` that a row of a tile takes.
    pub(super) fn row_lanes(self) -> usize {
        self.n_entries() / f64::ENTRIES
    }

    pub(super) fn tile_lanes(self) -> usize {
        self.n_entries() * self.row_lanes()
    }
}

/// `f64` values of a lane.
const WIDTH: usize = EIGHT;

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

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours += theirs);
    }
}

/// Adds a lane's values to sums of double precision, of which there may be several lanes.
#[inline(always)]
pub(super) fn add_to<S: Simd, R: Real>(simd: S, sums: &mut [Lane], lane: &Lane) {
    for (sums, values) in sums.iter_mut().zip(lane.values::<R>().chunks_exact(WIDTH)) {
        let mut wide = Lane::ZERO;
        for (wide, &value) in wide.0.iter_mut().zip(values) {
            *wide = value.into();
        }
        // Not in the loop before, which the compiler would then turn into one over several lanes, with gathering loads.
        let wide = f64::registers::<S>(&wide);
        for (sum, &wide) in f64::registers_mut::<S>(sums).iter_mut().zip(wide) {
            *sum = simd.add_f64s(*sum, wide);
        }
    }
}

/// The arithmetic of one precision.
pub(super) trait Real: Pod + Into<f64> {
    /// Entries of a lane.
    const ENTRIES: usize = size_of::<Lane>() / size_of::<Self>();
    /// Lanes of `f64` that as many values take.
    const ROW_LANES: usize = Self::ENTRIES / WIDTH;
    type Register<S: Simd>: Copy;

    fn registers<S: Simd>(lane: &Lane) -> &[Self::Register<S>];
    fn registers_mut<S: Simd>(lane: &mut Lane) -> &mut [Self::Register<S>];
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Register<S>;
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
            ours.add(theirs);
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
    /// What a matrix unit takes, block after block.
    pieces: Vec<Lane>,
}

impl Packed {
    /// Lays out `√h_i (x_i − c) / s`, and adds to each of `sums` the rows without `√h_i` times its `factors`.
    pub(crate) fn pack<const N: usize>(
        &mut self,
        slab: &Slab<'_>,
        scaling: Scaling<'_>,
        roots: &[f64],
        factors: [&[f64]; N],
        sums: [&mut RowSums; N],
        precision: Precision,
    ) {
        self.n_rows = slab.n_rows();
        self.precision = precision;
        self.lanes.resize(slab.n_cols().div_ceil(precision.n_entries()) * self.n_rows, Lane::ZERO);
        let sums = sums.map(|sums| &mut sums.lanes[..]);
        let pack = Pack { scaling, roots, factors, sums, lanes: &mut self.lanes };
        match precision {
            Precision::Double => slab.visit(In::<f64, _>::new(pack)),
            Precision::Single | Precision::Pieces => slab.visit(In::<f32, _>::new(pack)),
        }
        if precision == Precision::Pieces {
            self.split(MatrixUnit::find().expect("a matrix unit"));
        }
    }

    fn split(&mut self, unit: MatrixUnit) {
        if self.n_rows == 0 {
            return;
        }
        let n_lanes = MatrixUnit::n_lanes(self.n_rows);
        self.pieces.resize(self.n_blocks() * n_lanes, Lane::ZERO);
        for (rows, pieces) in self.lanes.chunks_exact(self.n_rows).zip(self.pieces.chunks_exact_mut(n_lanes)) {
            unit.split(rows, pieces);
        }
    }

    /// The pieces of a block.
    pub(super) fn pieces(&self, block: usize) -> &[Lane] {
        let n_lanes = MatrixUnit::n_lanes(self.n_rows);
        &self.pieces[block * n_lanes..][..n_lanes]
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
    scaling: Scaling<'a>,
    roots: &'a [f64],
    factors: [&'a [f64]; N],
    sums: [&'a mut [Lane]; N],
    lanes: &'a mut [Lane],
}

impl<R: Real, const N: usize> WithEights for In<R, Pack<'_, N>> {
    fn with_eights(self, rows: impl Eights) {
        Arch::new().dispatch(In::<R, _>::new(PackFrom { rows, pack: self.task }));
    }
}

struct PackFrom<'a, E, const N: usize> {
    rows: E,
    pack: Pack<'a, N>,
}

impl<R: Real, E: Eights, const N: usize> WithSimd for In<R, PackFrom<'_, E, N>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PackFrom { rows, mut pack } = self.task;
        // Where a lane takes several registers, fewer are left for addresses of rows.
        if S::F64_LANES == WIDTH {
            pack.all_rows::<S, R, E, GROUP>(simd, rows);
        } else {
            pack.all_rows::<S, R, E, { GROUP / 2 }>(simd, rows);
        }
    }
}

impl<const N: usize> Pack<'_, N> {
    /// Most of them so many at a time.
    #[inline(always)]
    fn all_rows<S: Simd, R: Real, E: Eights, const ROWS: usize>(&mut self, simd: S, rows: E) {
        let (n_rows, n_eights) = (rows.n_rows(), rows.n_cols().div_ceil(WIDTH));
        let whole = n_rows - n_rows % ROWS;
        for first_eight in (0..n_eights).step_by(E::TOGETHER) {
            let eights = first_eight..n_eights.min(first_eight.saturating_add(E::TOGETHER));
            for first_row in (0..whole).step_by(ROWS) {
                self.rows::<S, R, E, ROWS>(simd, rows, first_row, eights.clone());
            }
            for row in whole..n_rows {
                self.rows::<S, R, E, 1>(simd, rows, row, eights.clone());
            }
        }
        let parts = R::ENTRIES / WIDTH;
        if !n_eights.is_multiple_of(parts) {
            // What is left of the last block.
            for lane in &mut self.lanes[n_eights / parts * n_rows..] {
                for part in n_eights % parts..parts {
                    R::write(&Lane::ZERO.0, part, lane);
                }
            }
        }
    }

    /// Some rows at a time, since they come from memory; and of these column by column, for scales to stay in registers.
    #[inline(always)]
    fn rows<S: Simd, R: Real, E: Eights, const ROWS: usize>(
        &mut self,
        simd: S,
        rows: E,
        first_row: usize,
        eights: Range<usize>,
    ) {
        let &mut Self { scaling, roots, factors, ref mut sums, ref mut lanes } = self;
        let (n_rows, n_whole) = (rows.n_rows(), rows.n_cols() / WIDTH);
        let some_rows = rows.rows::<ROWS>(first_row);
        let roots: &[f64; ROWS] = roots[first_row..].first_chunk().expect("one a row");
        let factors = factors.map(|factors| factors[first_row..].first_chunk().expect("one a row"));
        let parts = R::ENTRIES / WIDTH;
        for eight in eights {
            let sums = sums.each_mut().map(|sums| &mut sums[eight]);
            let first = eight * WIDTH;
            let lanes = lanes[eight / parts * n_rows + first_row..].first_chunk_mut().expect("a lane a row");
            let some = Eight { first, scaling, roots, factors, sums, lanes, part: eight % parts };
            if eight < n_whole {
                some.pack::<S, R, true>(simd, rows.eight::<S, ROWS, true>(simd, some_rows, first));
            } else {
                some.pack::<S, R, false>(simd, rows.eight::<S, ROWS, false>(simd, some_rows, first));
            }
        }
    }
}

/// Eight columns of some rows, or what is left of them.
struct Eight<'a, const N: usize, const ROWS: usize> {
    first: usize,
    scaling: Scaling<'a>,
    roots: &'a [f64; ROWS],
    factors: [&'a [f64; ROWS]; N],
    sums: [&'a mut Lane; N],
    lanes: &'a mut [Lane; ROWS],
    part: usize,
}

impl<const N: usize, const ROWS: usize> Eight<'_, N, ROWS> {
    #[inline(always)]
    fn pack<S: Simd, R: Real, const WHOLE: bool>(self, simd: S, rows: [[f64; WIDTH]; ROWS]) {
        let Self { first, scaling, roots, factors, sums, lanes, part } = self;
        let centre = load::<S, WHOLE>(simd, &scaling.centre[first..]);
        let scale = load::<S, WHOLE>(simd, &scaling.inverse_scale[first..]);
        let mut totals = [[simd.splat_f64s(0.0); WIDTH]; N];
        for (totals, sums) in totals.iter_mut().zip(&sums) {
            let sums = f64::registers::<S>(sums);
            totals[..sums.len()].copy_from_slice(sums);
        }
        for i in 0..ROWS {
            let values = S::as_simd_f64s(&rows[i]).0;
            let mut weighted = Lane::ZERO;
            let out = f64::registers_mut::<S>(&mut weighted);
            let root = simd.splat_f64s(roots[i]);
            for k in 0..WIDTH / S::F64_LANES {
                let scaled = simd.mul_f64s(simd.sub_f64s(values[k], centre[k]), scale[k]);
                out[k] = simd.mul_f64s(scaled, root);
                for (totals, factors) in totals.iter_mut().zip(factors) {
                    totals[k] = simd.mul_add_e_f64s(scaled, simd.splat_f64s(factors[i]), totals[k]);
                }
            }
            R::write(&weighted.0, part, &mut lanes[i]);
        }
        for (totals, sums) in totals.iter().zip(sums) {
            let sums = f64::registers_mut::<S>(sums);
            sums.copy_from_slice(&totals[..sums.len()]);
        }
    }
}

/// Eight values, or as many as there are and zeros.
#[inline(always)]
fn load<S: Simd, const WHOLE: bool>(simd: S, values: &[f64]) -> [S::f64s; WIDTH] {
    let mut registers = [simd.splat_f64s(0.0); WIDTH];
    let eight = if WHOLE { *values.first_chunk().expect("eight values") } else { first_eight(simd, values) };
    let values = S::as_simd_f64s(&eight).0;
    registers[..values.len()].copy_from_slice(values);
    registers
}

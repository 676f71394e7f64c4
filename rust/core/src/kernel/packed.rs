//! A panel laid out for the products of its columns, `√h_i x̃_i` with `x̃ = (x − c) / s`; and while its values are in
//! registers, sums of `x̃` over the rows.

use std::ops::Range;

use ndarray::Array1;
use pulp::{Arch, Simd, WithSimd};

use crate::matrix::Panel;

/// Columns a block; one AVX-512 register.
pub(crate) const TILE: usize = 8;
/// Rows that are laid out together.
const ROWS: usize = 8;

/// Aligned, so that no register's load touches two lines of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lane(pub(super) [f64; TILE]);

impl Lane {
    pub(super) const ZERO: Self = Self([0.0; TILE]);
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
        Self { lanes: vec![Lane::ZERO; n_cols.div_ceil(TILE)], n_cols }
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

/// Block after block of eight columns, within it row after row; the last block is filled up with zeros.
#[derive(Default)]
pub(crate) struct Packed {
    lanes: Vec<Lane>,
    n_rows: usize,
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
    ) {
        self.n_rows = panel.n_rows();
        self.lanes.resize(panel.n_cols().div_ceil(TILE) * self.n_rows, Lane::ZERO);
        let sums = sums.map(|sums| &mut sums.lanes[..]);
        Arch::new().dispatch(Pack { panel, scaling, roots, factors, sums, lanes: &mut self.lanes });
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

struct Pack<'a, const N: usize> {
    panel: &'a Panel<'a>,
    scaling: Scaling<'a>,
    roots: &'a [f64],
    factors: [&'a [f64]; N],
    sums: [&'a mut [Lane]; N],
    lanes: &'a mut [Lane],
}

impl<const N: usize> WithSimd for Pack<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let n_rows = self.panel.n_rows();
        let whole = n_rows - n_rows % ROWS;
        // Some rows at a time, since they come from memory; and of these column by column, for scales to stay in registers.
        for first_row in (0..whole).step_by(ROWS) {
            self.pack_rows::<S, ROWS>(simd, first_row);
        }
        for row in whole..n_rows {
            self.pack_rows::<S, 1>(simd, row);
        }
    }
}

impl<const N: usize> Pack<'_, N> {
    #[inline(always)]
    fn pack_rows<S: Simd, const R: usize>(&mut self, simd: S, first_row: usize) {
        let Self { panel, scaling, roots, factors, sums, lanes } = self;
        let (n_rows, n_cols) = (panel.n_rows(), panel.n_cols());
        let roots: &[f64; R] = roots[first_row..].first_chunk().expect("one root a row");
        let factors = factors.map(|factors| factors[first_row..].first_chunk::<R>().expect("one factor a row"));
        for (block, first) in (0..n_cols).step_by(TILE).enumerate() {
            let Scaling { centre, inverse_scale } = scaling.columns(first..n_cols.min(first + TILE));
            let lanes: &mut [Lane; R] = lanes[block * n_rows + first_row..].first_chunk_mut().expect("one lane a row");
            let mut parts = [[simd.splat_f64s(0.0); TILE]; N];
            for (part, sums) in parts.iter_mut().zip(sums.iter()) {
                let sum = S::as_simd_f64s(&sums[block].0).0;
                part[..sum.len()].copy_from_slice(sum);
            }
            if centre.len() == TILE {
                let values = panel.tile::<R, TILE>(first_row, first);
                let (centre, scale) = (S::as_simd_f64s(centre).0, S::as_simd_f64s(inverse_scale).0);
                for i in 0..R {
                    let value = S::as_simd_f64s(values[i]).0;
                    let factors = factors.map(|factors| factors[i]);
                    lay_out(simd, value, centre, scale, (roots[i], factors), &mut lanes[i], &mut parts);
                }
            } else {
                let (centre, scale) = (partial(simd, centre), partial(simd, inverse_scale));
                for i in 0..R {
                    let value = partial(simd, &panel.row(first_row + i)[first..]);
                    let factors = factors.map(|factors| factors[i]);
                    lay_out(simd, &value, &centre, &scale, (roots[i], factors), &mut lanes[i], &mut parts);
                }
            }
            for (part, sums) in parts.iter().zip(sums.iter_mut()) {
                let sum = S::as_mut_simd_f64s(&mut sums[block].0).0;
                sum.copy_from_slice(&part[..sum.len()]);
            }
        }
    }
}

#[inline(always)]
fn lay_out<S: Simd, const N: usize>(
    simd: S,
    value: &[S::f64s],
    centre: &[S::f64s],
    scale: &[S::f64s],
    (root, factors): (f64, [f64; N]),
    out: &mut Lane,
    parts: &mut [[S::f64s; TILE]; N],
) {
    let out = S::as_mut_simd_f64s(&mut out.0).0;
    let root = simd.splat_f64s(root);
    for i in 0..TILE / S::F64_LANES {
        let scaled = simd.mul_f64s(simd.sub_f64s(value[i], centre[i]), scale[i]);
        out[i] = simd.mul_f64s(scaled, root);
        for (part, factor) in parts.iter_mut().zip(factors) {
            part[i] = simd.mul_add_e_f64s(scaled, simd.splat_f64s(factor), part[i]);
        }
    }
}

/// The registers of a lane of which only the first values are there; the others are 0.
#[inline(always)]
fn partial<S: Simd>(simd: S, values: &[f64]) -> [S::f64s; TILE] {
    let mut registers = [simd.splat_f64s(0.0); TILE];
    for (i, register) in registers[..TILE / S::F64_LANES].iter_mut().enumerate() {
        let first = (i * S::F64_LANES).min(values.len());
        *register = simd.partial_load_f64s(&values[first..values.len().min(first + S::F64_LANES)]);
    }
    registers
}

//! The symmetric rank-k update `G += Σ_i h_i x̃_i x̃_iᵀ` with `x̃ = (x − c) / s`, on which moments and Hessians rest.
//!
//! Of a panel laid out in blocks of columns, each row times `√h_i`, every tile of a block by a block is summed in registers
//! over all rows. Only tiles on and above the diagonal are formed.

use std::array;

use ndarray::ArrayViewMut2;
use pulp::{Arch, Simd, WithSimd};

use super::matrix_unit::MatrixUnit;
use super::next::Next;
use super::packed::{In, Lane, Packed, Precision, Real, add_to};

/// Blocks of the right side that stay in the first-level cache, or near it, while the left side goes by.
const GROUP: usize = 6;
/// Rows between which nothing but products is done.
const UNROLLED: usize = 4;

/// The tiles of `Σ u_i v_iᵀ`, column of tiles after column; of a symmetric one only those with row ≤ column. A tile is as
/// many rows and columns as a lane has entries of the precision in which products are summed over the rows of a panel; the
/// sums over panels are of double precision, or else their rounding errors, which are alike in each, would be most of all.
pub(crate) struct Tiles {
    /// Empty before the first rows: threads take turns in making their states, and need not wait for this memory.
    lanes: Vec<Lane>,
    n_rows: usize,
    n_cols: usize,
    symmetric: bool,
    precision: Precision,
}

impl Tiles {
    pub(crate) fn symmetric(n: usize, precision: Precision) -> Self {
        Self { lanes: Vec::new(), n_rows: n, n_cols: n, symmetric: true, precision }
    }

    pub(crate) fn rectangular(n_rows: usize, n_cols: usize, precision: Precision) -> Self {
        Self { lanes: Vec::new(), n_rows, n_cols, symmetric: false, precision }
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    fn n_tiles(&self) -> usize {
        self.tiles_before(self.n_cols.div_ceil(self.precision.n_entries()))
    }

    /// Adds `Σ_i u_i v_iᵀ` over the rows; `v` is `u` for a symmetric one. Meanwhile memory brings what comes next.
    pub(crate) fn add(&mut self, u: &Packed, v: &Packed, next: Next) {
        assert!(u.n_rows() == v.n_rows() && [u.precision(), v.precision()] == [self.precision; 2]);
        if u.n_rows() == 0 {
            return;
        }
        self.lanes.resize(self.n_tiles() * self.precision.tile_lanes(), Lane::ZERO);
        let precision = self.precision;
        let products = Products { u, v, tiles: self, next };
        match precision {
            Precision::Double => Arch::new().dispatch(In::<f64, _>::new(products)),
            Precision::Single => Arch::new().dispatch(In::<f32, _>::new(products)),
            Precision::Pieces => products.by_matrix_unit(MatrixUnit::find().expect("a matrix unit")),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.lanes.is_empty() {
            return;
        }
        self.lanes.resize(other.lanes.len(), Lane::ZERO);
        for (ours, theirs) in self.lanes.iter_mut().zip(&other.lanes) {
            ours.add(theirs);
        }
    }

    /// Writes all entries where there were any rows; of a symmetric one those on and above the diagonal, and some below.
    pub(crate) fn write(&self, mut matrix: ArrayViewMut2<'_, f64>) {
        if self.lanes.is_empty() {
            return;
        }
        let side = self.precision.n_entries();
        let row_lanes = self.precision.row_lanes();
        for (i, mut entries) in matrix.rows_mut().into_iter().enumerate() {
            let entries = entries.as_slice_mut().expect("rows of matrices are contiguous");
            let first_col = if self.symmetric { i / side } else { 0 };
            for (col, entries) in entries.chunks_mut(side).enumerate().skip(first_col) {
                let lanes = &self.lanes[(self.tiles_before(col) * side + i) * row_lanes..][..row_lanes];
                let values = lanes.iter().flat_map(|lane| lane.values::<f64>());
                entries.iter_mut().zip(values).for_each(|(entry, &value)| *entry = value);
            }
        }
    }

    fn tiles_before(&self, col: usize) -> usize {
        let side = self.precision.n_entries();
        if self.symmetric { col * (col + 1) / 2 } else { col * self.n_rows.div_ceil(side) }
    }
}

struct Products<'a> {
    u: &'a Packed,
    v: &'a Packed,
    tiles: &'a mut Tiles,
    next: Next,
}

impl<R: Real> WithSimd for In<R, Products<'_>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut products = self.task;
        let (n_left, n_right) = (products.u.n_blocks(), products.v.n_blocks());
        // As many accumulators as the registers hold, and enough to hide an FMA's latency.
        let registers = R::registers::<S>(&Lane::ZERO).len();
        let n_in_last = products.tiles.n_cols - (n_right - 1) * R::ENTRIES;
        let last_fills_one = n_in_last <= R::ENTRIES / registers;
        // So many lines with each few rows of a tile, for memory to have time.
        let steps = products.tiles.n_tiles() * (products.u.n_rows() / UNROLLED).max(1);
        let n_lines = products.next.n_lines().div_ceil(steps);
        for group in (0..n_right).step_by(GROUP) {
            let group = group..(group + GROUP).min(n_right);
            let last = if products.tiles.symmetric { group.end } else { n_left };
            for row in 0..last {
                let mut col = if products.tiles.symmetric { group.start.max(row) } else { group.start };
                while col < group.end {
                    col += match (registers, R::ENTRIES, group.end - col) {
                        // Each value of the left side is loaded once for all tiles.
                        (1, _, 3..) => products.add::<S, R, 3, 8, 1>(simd, (row, col), n_lines),
                        (1, _, 2) => products.add::<S, R, 2, 8, 1>(simd, (row, col), n_lines),
                        (1, 8, _) => products.add::<S, R, 1, 8, 1>(simd, (row, col), n_lines),
                        (1, ..) => products.add::<S, R, 1, 16, 1>(simd, (row, col), n_lines),
                        // Its other register has no columns.
                        (2, ..) if last_fills_one && col + 1 == n_right => {
                            products.add::<S, R, 1, 8, 1>(simd, (row, col), n_lines)
                        }
                        (2, ..) => products.add::<S, R, 1, 4, 2>(simd, (row, col), n_lines),
                        (4, ..) => products.add::<S, R, 1, 4, 4>(simd, (row, col), n_lines),
                        (8, ..) => products.add::<S, R, 1, 1, 8>(simd, (row, col), n_lines),
                        _ => products.add::<S, R, 1, 1, 16>(simd, (row, col), n_lines),
                    };
                }
            }
        }
    }
}

impl Products<'_> {
    /// Two tiles by two at a time, of which some may not be wanted.
    fn by_matrix_unit(self, unit: MatrixUnit) {
        let Self { u, v, tiles, mut next } = self;
        let (n_left, n_right) = (u.n_blocks(), v.n_blocks());
        let mut unit = unit.begin();
        let n_lines = next.n_lines().div_ceil(tiles.n_tiles().div_ceil(4).max(1));
        for col in (0..n_right).step_by(2) {
            let last = if tiles.symmetric { n_right.min(col + 2) } else { n_left };
            for row in (0..last).step_by(2) {
                next.ask_for(n_lines);
                let place = |i: usize, j: usize| {
                    let (row, col) = (row + i, col + j);
                    let is_wanted = row < n_left && col < n_right && (!tiles.symmetric || row <= col);
                    is_wanted.then(|| tiles.tiles_before(col) + row)
                };
                let places = [place(0, 0), place(0, 1), place(1, 0), place(1, 1)];
                let left = [row, (row + 1).min(n_left - 1)].map(|row| u.pieces(row));
                let right = [col, (col + 1).min(n_right - 1)].map(|col| v.pieces(col));
                unit.add(left, right, &mut tiles.lanes, places);
            }
        }
    }

    /// Adds to `TILES` tiles side by side, in row and column of tiles, `ROWS` of their rows at a time, each of `VECTORS`
    /// registers; returns the number of tiles. Meanwhile asks for some of the next lines.
    #[inline(always)]
    fn add<S: Simd, R: Real, const TILES: usize, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        (row, col): (usize, usize),
        n_lines: usize,
    ) -> usize {
        let (left, left_rest) = self.u.block(row).as_chunks::<UNROLLED>();
        let right: [_; TILES] = array::from_fn(|tile| self.v.block(col + tile).as_chunks::<UNROLLED>());
        let right_rest = right.map(|(_, rest)| &rest[..left_rest.len()]);
        let right = right.map(|(right, _)| &right[..left.len()]);
        for first in (0..R::ENTRIES.min(self.tiles.n_rows - row * R::ENTRIES)).step_by(ROWS) {
            let mut sums = [[[R::splat(simd, R::zeroed()); VECTORS]; ROWS]; TILES];
            for (i, left) in left.iter().enumerate() {
                if first == 0 {
                    self.next.ask_for(TILES * n_lines);
                }
                for (j, left) in left.iter().enumerate() {
                    add_row(simd, &left.values::<R>()[first..first + ROWS], right.map(|right| &right[i][j]), &mut sums);
                }
            }
            for (i, left) in left_rest.iter().enumerate() {
                add_row(simd, &left.values::<R>()[first..first + ROWS], right_rest.map(|right| &right[i]), &mut sums);
            }
            // In loops of their own: what does not unroll would keep the sums in memory from the first row on.
            let mut rows = [[Lane::ZERO; ROWS]; TILES];
            for (rows, sums) in rows.iter_mut().zip(&sums) {
                for (row, sums) in rows.iter_mut().zip(sums) {
                    R::registers_mut::<S>(row)[..VECTORS].copy_from_slice(sums);
                }
            }
            for (tile, rows) in rows.iter().enumerate() {
                let before = (self.tiles.tiles_before(col + tile) + row) * R::ENTRIES + first;
                let lanes = &mut self.tiles.lanes[before * R::ROW_LANES..][..ROWS * R::ROW_LANES];
                for (lanes, row) in lanes.chunks_exact_mut(R::ROW_LANES).zip(rows) {
                    add_to::<S, R>(simd, lanes, row);
                }
            }
        }
        TILES
    }
}

/// Adds to a tile, or several side by side, the products of one row's values.
#[inline(always)]
fn add_row<S: Simd, R: Real, const TILES: usize, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    left: &[R],
    right: [&Lane; TILES],
    sums: &mut [[[R::Register<S>; VECTORS]; ROWS]; TILES],
) {
    for row in 0..ROWS {
        let factor = R::splat(simd, left[row]);
        for tile in 0..TILES {
            let right = R::registers::<S>(right[tile]);
            for vector in 0..VECTORS {
                let sum = &mut sums[tile][row][vector];
                *sum = R::mul_add(simd, factor, right[vector], *sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::kernel::{RowSums, Scaling};
    use crate::matrix::Matrix;
    use crate::simd_kind::SimdKind;

    fn values((n_rows, n_cols): (usize, usize)) -> Array2<f64> {
        Array2::from_shape_fn((n_rows, n_cols), |(i, j)| ((i * 37 + j * 11) as f64 * 0.7).sin())
    }

    fn products<R: Real>(simd: SimdKind, u: &Packed, v: &Packed, tiles: &Tiles) -> Array2<f64> {
        let mut tiles = Tiles { lanes: vec![Lane::ZERO; tiles.n_tiles() * tiles.precision.tile_lanes()], ..*tiles };
        simd.run(In::<R, _>::new(Products { u, v, tiles: &mut tiles, next: Next::UNKNOWN }));
        let mut matrix = Array2::zeros((tiles.n_rows, tiles.n_cols));
        tiles.write(matrix.view_mut());
        matrix
    }

    fn pack(x: &Array2<f64>, roots: &[f64], precision: Precision) -> (Packed, Vec<f64>) {
        let (m, n) = x.dim();
        let (mut packed, mut sums, mut buffer) = (Packed::default(), RowSums::zeros(n), Vec::new());
        let (centre, inverse_scale) = (vec![0.25; n], vec![2.0; n]);
        let scaling = Scaling { centre: &centre, inverse_scale: &inverse_scale };
        packed.pack(&Matrix::from(x).slab(0..m, &mut buffer), scaling, roots, [roots], [&mut sums], precision);
        (packed, sums.to_array().to_vec())
    }

    #[test]
    fn products_agree_with_plain_loops_in_both_precisions() {
        let shapes =
            [(1, 1, 1), (7, 3, 8), (8, 8, 8), (9, 15, 17), (16, 16, 16), (21, 33, 40), (96, 41, 5), (100, 90, 1)];
        for (m, n_left, n_right) in shapes {
            let (x, other) = (values((m, n_left)), values((m, n_right)) + 0.1);
            let roots: Vec<_> = (0..m).map(|i| (i as f64).cos()).collect();
            let scaled = |x: &Array2<f64>, i: usize, j: usize| 2.0 * (x[[i, j]] - 0.25);
            for (precision, tolerance) in [(Precision::Double, 1e-13), (Precision::Single, 1e-6)] {
                let ((u, sums), (v, _)) = (pack(&x, &roots, precision), pack(&other, &roots, precision));
                for (j, sum) in sums.iter().enumerate() {
                    let expected: f64 = (0..m).map(|i| roots[i] * scaled(&x, i, j)).sum();
                    assert!((sum - expected).abs() < 1e-13 * m as f64, "column {j} of {n_left}");
                }
                for symmetric in [true, false] {
                    let (v, right, tiles) = if symmetric {
                        (&u, &x, Tiles::symmetric(n_left, precision))
                    } else {
                        (&v, &other, Tiles::rectangular(n_left, n_right, precision))
                    };
                    for simd in SimdKind::all() {
                        let found = match precision {
                            Precision::Double => products::<f64>(simd, &u, v, &tiles),
                            Precision::Single | Precision::Pieces => products::<f32>(simd, &u, v, &tiles),
                        };
                        for ((i, j), found) in found.indexed_iter().filter(|((i, j), _)| !symmetric || i <= j) {
                            let term = |row: usize| roots[row].powi(2) * scaled(&x, row, i) * scaled(right, row, j);
                            let expected: f64 = (0..m).map(term).sum();
                            let error = (found - expected).abs();
                            assert!(
                                error < tolerance * m as f64,
                                "{simd:?}, {precision:?}, {m} × {n_left} × {n_right}, entry {i}, {j}: off {error:e}"
                            );
                        }
                    }
                }
            }
        }
    }
}

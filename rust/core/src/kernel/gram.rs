//! The symmetric rank-k update `G += Σ_i h_i x̃_i x̃_iᵀ` with `x̃ = (x − c) / s`, on which moments and Hessians rest.
//!
//! Of a panel laid out in blocks of columns, each row times `√h_i`, every tile of a block by a block is summed in registers
//! over all rows. Only tiles on and above the diagonal are formed.

use ndarray::ArrayViewMut2;
use pulp::{Arch, Simd, WithSimd};

use super::packed::{In, Lane, Packed, Precision, Real};
use crate::matrix::{CACHE_LINE, Panel, Pieces, prefetch};

/// Blocks of the right side that stay in the first-level cache while the left side goes by.
const GROUP: usize = 4;
/// Rows between which nothing but products is done.
const UNROLLED: usize = 4;

/// The tiles of `Σ u_i v_iᵀ`, column of tiles after column; of a symmetric one only those with row ≤ column. A tile has as
/// many lanes as a lane has entries.
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

    fn n_tiles(&self) -> usize {
        self.tiles_before(self.n_cols.div_ceil(self.precision.n_entries()))
    }

    /// Adds `Σ_i u_i v_iᵀ` over the rows; `v` is `u` for a symmetric one. Meanwhile memory brings what comes next.
    pub(crate) fn add(&mut self, u: &Packed, v: &Packed, next: Next) {
        assert!(u.n_rows() == v.n_rows() && [u.precision(), v.precision()] == [self.precision; 2]);
        if u.n_rows() == 0 {
            return;
        }
        self.lanes.resize(self.n_tiles() * self.precision.n_entries(), Lane::ZERO);
        let products = Products { u, v, lanes: &mut self.lanes, symmetric: self.symmetric, next };
        match self.precision {
            Precision::Double => Arch::new().dispatch(In::<f64, _>::new(products)),
            Precision::Single => Arch::new().dispatch(In::<f32, _>::new(products)),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        match self.precision {
            Precision::Double => self.merge_in::<f64>(other),
            Precision::Single => self.merge_in::<f32>(other),
        }
    }

    fn merge_in<R: Real>(&mut self, other: &Self) {
        assert_eq!(self.lanes.len(), other.lanes.len(), "sums of no rows");
        for (ours, theirs) in self.lanes.iter_mut().zip(&other.lanes) {
            ours.values_mut::<R>().iter_mut().zip(theirs.values::<R>()).for_each(|(ours, theirs)| *ours += *theirs);
        }
    }

    /// Writes all entries; of a symmetric one those on and above the diagonal, and some below.
    pub(crate) fn write(&self, matrix: ArrayViewMut2<'_, f64>) {
        match self.precision {
            Precision::Double => self.write_in::<f64>(matrix),
            Precision::Single => self.write_in::<f32>(matrix),
        }
    }

    fn write_in<R: Real>(&self, mut matrix: ArrayViewMut2<'_, f64>) {
        let side = R::ENTRIES;
        for (i, mut entries) in matrix.rows_mut().into_iter().enumerate() {
            let entries = entries.as_slice_mut().expect("rows of matrices are contiguous");
            let first_col = if self.symmetric { i / side } else { 0 };
            for (col, entries) in entries.chunks_mut(side).enumerate().skip(first_col) {
                let lane = &self.lanes[self.tiles_before(col) * side + i];
                entries.iter_mut().zip(lane.values::<R>()).for_each(|(entry, &value)| *entry = value.into());
            }
        }
    }

    fn tiles_before(&self, col: usize) -> usize {
        let side = self.precision.n_entries();
        if self.symmetric { col * (col + 1) / 2 } else { col * self.n_rows.div_ceil(side) }
    }
}

/// What will be read from memory next: lines of the cache, some in each of several pieces.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    line: *const u8,
    n_lines: usize,
    left_of_piece: usize,
    lines_a_piece: usize,
    /// From the end of a piece's last line to the next piece.
    gap: isize,
}

impl Next {
    pub(crate) const UNKNOWN: Self =
        Self { line: std::ptr::null(), n_lines: 0, left_of_piece: 0, lines_a_piece: 0, gap: 0 };

    pub(crate) fn after(panel: &Panel<'_>) -> Self {
        let Pieces { first, n_pieces, n_bytes, stride } = panel.after();
        // A piece that begins within a line ends in one more.
        let lines_a_piece = n_bytes.div_ceil(CACHE_LINE) + usize::from(n_pieces > 1);
        let gap = stride - (lines_a_piece * CACHE_LINE) as isize;
        Self { line: first, n_lines: n_pieces * lines_a_piece, left_of_piece: lines_a_piece, lines_a_piece, gap }
    }

    /// Asks for some of the lines, and leaves the rest.
    #[inline(always)]
    fn ask_for(&mut self, n_lines: usize) {
        let n_lines = n_lines.min(self.n_lines);
        self.n_lines -= n_lines;
        for _ in 0..n_lines {
            prefetch(self.line);
            self.line = self.line.wrapping_add(CACHE_LINE);
            self.left_of_piece -= 1;
            if self.left_of_piece == 0 {
                self.left_of_piece = self.lines_a_piece;
                self.line = self.line.wrapping_offset(self.gap);
            }
        }
    }
}

struct Products<'a> {
    u: &'a Packed,
    v: &'a Packed,
    lanes: &'a mut [Lane],
    symmetric: bool,
    next: Next,
}

impl<R: Real> WithSimd for In<R, Products<'_>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Products { u, v, lanes, symmetric, next } = self.task;
        let (n_left, n_right) = (u.n_blocks(), v.n_blocks());
        // Lanes before a column of tiles.
        let before = |col: usize| R::ENTRIES * if symmetric { col * (col + 1) / 2 } else { col * n_left };
        // Some lines with each few rows of a tile, so that memory has time for them.
        let n_tiles = lanes.len() / R::ENTRIES;
        let share = next.n_lines.div_ceil(n_tiles * (u.n_rows() / UNROLLED).max(1));
        let mut next = next;
        for group in (0..n_right).step_by(GROUP) {
            let group = group..(group + GROUP).min(n_right);
            let last = if symmetric { group.end } else { n_left };
            for (row, left) in (0..last).map(|row| (row, u.block(row))) {
                let mut col = if symmetric { group.start.max(row) } else { group.start };
                while col < group.end {
                    let (head, tail) = lanes.split_at_mut(before(col + 1));
                    let tile = &mut head[before(col) + row * R::ENTRIES..][..R::ENTRIES];
                    // As many accumulators as the registers hold, and enough to hide an FMA's latency.
                    let registers = R::registers::<S>(&Lane::ZERO).len();
                    if registers == 1 && R::ENTRIES == 8 && col + 1 < group.end {
                        // Each value of the left side is loaded once for two tiles.
                        let tiles = [tile, &mut tail[row * R::ENTRIES..][..R::ENTRIES]];
                        let right = [v.block(col), v.block(col + 1)];
                        update::<S, R, 2, 8, 1>(simd, left, right, tiles, (2 * share, &mut next));
                        col += 2;
                        continue;
                    }
                    let (right, tiles, next) = ([v.block(col)], [tile], (share, &mut next));
                    match (registers, R::ENTRIES) {
                        (1, 8) => update::<S, R, 1, 8, 1>(simd, left, right, tiles, next),
                        (1, _) => update::<S, R, 1, 16, 1>(simd, left, right, tiles, next),
                        (2, _) => update::<S, R, 1, 4, 2>(simd, left, right, tiles, next),
                        (4, _) => update::<S, R, 1, 4, 4>(simd, left, right, tiles, next),
                        (8, _) => update::<S, R, 1, 1, 8>(simd, left, right, tiles, next),
                        _ => update::<S, R, 1, 1, 16>(simd, left, right, tiles, next),
                    }
                    col += 1;
                }
            }
        }
    }
}

/// `tile += Σ_i left_i right_iᵀ` for `TILES` tiles side by side, `ROWS` rows of them at a time, each of `VECTORS`
/// registers. With each few rows so many of the next lines are asked for.
#[inline(always)]
fn update<S: Simd, R: Real, const TILES: usize, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    left: &[Lane],
    right: [&[Lane]; TILES],
    tiles: [&mut [Lane]; TILES],
    (n_lines, next): (usize, &mut Next),
) {
    let (left, left_rest) = left.as_chunks::<UNROLLED>();
    let right = right.map(|right| right.as_chunks::<UNROLLED>());
    let (right, right_rest) =
        (right.map(|right| &right.0[..left.len()]), right.map(|right| &right.1[..left_rest.len()]));
    for first in (0..R::ENTRIES).step_by(ROWS) {
        let mut sums = [[[R::splat(simd, R::zeroed()); VECTORS]; ROWS]; TILES];
        for (i, left) in left.iter().enumerate() {
            if first == 0 {
                next.ask_for(n_lines);
            }
            for (j, left) in left.iter().enumerate() {
                add_row(simd, &left.values::<R>()[first..first + ROWS], right.map(|right| &right[i][j]), &mut sums);
            }
        }
        for (i, left) in left_rest.iter().enumerate() {
            add_row(simd, &left.values::<R>()[first..first + ROWS], right_rest.map(|right| &right[i]), &mut sums);
        }
        for tile in 0..TILES {
            for row in 0..ROWS {
                let entries = R::registers_mut::<S>(&mut tiles[tile][first + row]);
                for vector in 0..VECTORS {
                    entries[vector] = R::add(simd, entries[vector], sums[tile][row][vector]);
                }
            }
        }
    }
}

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

    fn values((n_rows, n_cols): (usize, usize)) -> Array2<f64> {
        Array2::from_shape_fn((n_rows, n_cols), |(i, j)| ((i * 37 + j * 11) as f64 * 0.7).sin())
    }

    /// The products by every kind of SIMD, by name.
    fn products<R: Real>(u: &Packed, v: &Packed, tiles: &Tiles) -> Vec<(&'static str, Array2<f64>)> {
        let mut found = Vec::new();
        let mut run = |name, way: &dyn Fn(In<R, Products<'_>>)| {
            let mut lanes = vec![Lane::ZERO; tiles.n_tiles() * R::ENTRIES];
            way(In::new(Products { u, v, lanes: &mut lanes, symmetric: tiles.symmetric, next: Next::UNKNOWN }));
            let mut matrix = Array2::zeros((tiles.n_rows, tiles.n_cols));
            Tiles { lanes, ..*tiles }.write(matrix.view_mut());
            found.push((name, matrix));
        };
        run("this machine's SIMD", &|products| Arch::new().dispatch(products));
        run("scalar", &|products| products.with_simd(pulp::Scalar::new()));
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            run("AVX2", &|products| Simd::vectorize(v3, products));
        }
        found
    }

    fn pack(x: &Array2<f64>, roots: &[f64], precision: Precision) -> (Packed, Vec<f64>) {
        let (m, n) = x.dim();
        let (mut packed, mut sums, mut buffer) = (Packed::default(), RowSums::zeros(n), Vec::new());
        let (centre, inverse_scale) = (vec![0.25; n], vec![2.0; n]);
        let scaling = Scaling { centre: &centre, inverse_scale: &inverse_scale };
        packed.pack(&Matrix::from(x).panel(0..m, &mut buffer), scaling, roots, [roots], [&mut sums], precision);
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
                    let found = match precision {
                        Precision::Double => products::<f64>(&u, v, &tiles),
                        Precision::Single => products::<f32>(&u, v, &tiles),
                    };
                    for (simd, found) in found {
                        for ((i, j), found) in found.indexed_iter().filter(|((i, j), _)| !symmetric || i <= j) {
                            let term = |row: usize| roots[row].powi(2) * scaled(&x, row, i) * scaled(right, row, j);
                            let expected: f64 = (0..m).map(term).sum();
                            let error = (found - expected).abs();
                            assert!(
                                error < tolerance * m as f64,
                                "{simd}, {precision:?}, {m} × {n_left} × {n_right}, entry {i}, {j}: off {error:e}"
                            );
                        }
                    }
                }
            }
        }
    }
}

//! The symmetric rank-k update `G += Σ_i h_i x̃_i x̃_iᵀ` with `x̃ = (x − c) / s`, on which moments and Hessians rest.
//!
//! Of a panel laid out in blocks of eight columns, each row times `√h_i`, every tile of eight by eight entries is summed
//! in registers over all rows. Only tiles on and above the diagonal are formed.

use ndarray::{ArrayViewMut2, s};
use pulp::{Arch, Simd, WithSimd};

use super::packed::{Lane, Packed, TILE};
use crate::matrix::{CACHE_LINE, Panel, prefetch};

/// Tiles of the right side that stay in the first-level cache while the left side goes by.
const GROUP: usize = 4;

type Tile = [Lane; TILE];

/// The tiles of `Σ u_i v_iᵀ`, column of tiles after column; of a symmetric one only those with row ≤ column.
pub(crate) struct Tiles {
    /// Empty before the first rows, so that the thread that adds them finds the memory.
    tiles: Vec<Tile>,
    n_rows: usize,
    n_cols: usize,
    symmetric: bool,
}

impl Tiles {
    pub(crate) fn symmetric(n: usize) -> Self {
        Self { tiles: Vec::new(), n_rows: n, n_cols: n, symmetric: true }
    }

    pub(crate) fn rectangular(n_rows: usize, n_cols: usize) -> Self {
        Self { tiles: Vec::new(), n_rows, n_cols, symmetric: false }
    }

    fn n_tiles(&self) -> usize {
        let (rows, cols) = (self.n_rows.div_ceil(TILE), self.n_cols.div_ceil(TILE));
        if self.symmetric { rows * (rows + 1) / 2 } else { rows * cols }
    }

    /// Adds `Σ_i u_i v_iᵀ` over the rows; `v` is `u` for a symmetric one. Meanwhile memory brings what comes next.
    pub(crate) fn add(&mut self, u: &Packed, v: &Packed, next: Next) {
        assert_eq!(u.n_rows(), v.n_rows());
        if u.n_rows() > 0 {
            self.tiles.resize(self.n_tiles(), [Lane::ZERO; TILE]);
            Arch::new().dispatch(Products { u, v, tiles: &mut self.tiles, symmetric: self.symmetric, next });
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.tiles.as_flattened_mut().iter_mut().zip(other.tiles.as_flattened()) {
            ours.0.iter_mut().zip(&theirs.0).for_each(|(ours, theirs)| *ours += theirs);
        }
    }

    /// Writes all entries; of a symmetric one those on and above the diagonal, and some below.
    pub(crate) fn write(&self, mut matrix: ArrayViewMut2<'_, f64>) {
        let side = self.n_rows.div_ceil(TILE);
        let mut tiles = self.tiles.iter();
        for tile_col in 0..self.n_cols.div_ceil(TILE) {
            let cols = tile_col * TILE..self.n_cols.min((tile_col + 1) * TILE);
            let tile_rows = if self.symmetric { tile_col + 1 } else { side };
            for (tile_row, tile) in (0..tile_rows).zip(&mut tiles) {
                for (i, lane) in (tile_row * TILE..self.n_rows).zip(tile) {
                    let mut entries = matrix.slice_mut(s![i, cols.clone()]);
                    entries.iter_mut().zip(lane.0).for_each(|(entry, value)| *entry = value);
                }
            }
        }
    }
}

/// What will be read from memory next, some lines of the cache.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    address: *const u8,
    n_lines: usize,
}

impl Next {
    pub(crate) const UNKNOWN: Self = Self { address: std::ptr::null(), n_lines: 0 };

    pub(crate) fn after(panel: &Panel<'_>) -> Self {
        panel
            .after()
            .map_or(Self::UNKNOWN, |(address, n_bytes)| Self { address, n_lines: n_bytes.div_ceil(CACHE_LINE) })
    }

    fn in_shares(self, n_shares: usize) -> Shares {
        Shares { all: self, share: self.n_lines.div_ceil(n_shares) }
    }

    #[inline(always)]
    fn ask_for(&self, line: usize) {
        if line < self.n_lines {
            prefetch(self.address.wrapping_add(line * CACHE_LINE));
        }
    }
}

struct Shares {
    all: Next,
    share: usize,
}

impl Shares {
    fn take(&mut self, shares: usize) -> Next {
        let n_lines = (shares * self.share).min(self.all.n_lines);
        let taken = Next { n_lines, ..self.all };
        self.all.address = self.all.address.wrapping_add(n_lines * CACHE_LINE);
        self.all.n_lines -= n_lines;
        taken
    }
}

struct Products<'a> {
    u: &'a Packed,
    v: &'a Packed,
    tiles: &'a mut [Tile],
    symmetric: bool,
    next: Next,
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { u, v, tiles, symmetric, next } = self;
        let (n_left, n_right) = (u.n_blocks(), v.n_blocks());
        let above = |col: usize| if symmetric { col * (col + 1) / 2 } else { col * n_left };
        let mut next = next.in_shares(tiles.len());
        for group in (0..n_right).step_by(GROUP) {
            let group = group..(group + GROUP).min(n_right);
            let last = if symmetric { group.end } else { n_left };
            for (row, left) in (0..last).map(|row| (row, u.block(row))) {
                let first = if symmetric { group.start.max(row) } else { group.start };
                let mut col = first;
                // Two at a time, where registers are wide: so each value of the left side is loaded once for both.
                while S::F64_LANES == TILE && col + 1 < group.end {
                    let (head, tail) = tiles.split_at_mut(above(col + 1));
                    let right = [v.block(col), v.block(col + 1)];
                    update_pair(simd, left, right, [&mut head[above(col) + row], &mut tail[row]], next.take(2));
                    col += 2;
                }
                for col in col..group.end {
                    let (right, tile) = (v.block(col), &mut tiles[above(col) + row]);
                    // As many accumulators as the registers hold, and enough to hide an FMA's latency.
                    let next = next.take(1);
                    match S::F64_LANES {
                        TILE => update::<S, TILE, 1>(simd, left, right, tile, next),
                        4 => update::<S, 4, 2>(simd, left, right, tile, next),
                        2 => update::<S, 4, 4>(simd, left, right, tile, next),
                        _ => update::<S, 1, TILE>(simd, left, right, tile, next),
                    }
                }
            }
        }
    }
}

/// `tile += Σ_r left_r right_rᵀ`, `ROWS` rows of the tile at a time, each of `VECTORS` registers.
#[inline(always)]
fn update<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    left: &[Lane],
    right: &[Lane],
    tile: &mut Tile,
    next: Next,
) {
    for first in (0..TILE).step_by(ROWS) {
        let mut sums = [[simd.splat_f64s(0.0); VECTORS]; ROWS];
        for (i, (left, right)) in left.iter().zip(right).enumerate() {
            if first == 0 {
                next.ask_for(i);
            }
            let right = S::as_simd_f64s(&right.0).0;
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f64s(left.0[first + row]);
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add_e_f64s(factor, right[vector], *sum);
                }
            }
        }
        for (lane, sums) in tile[first..first + ROWS].iter_mut().zip(sums) {
            add(simd, lane, &sums);
        }
    }
}

/// The same for two tiles side by side, where a register is as long as a tile is wide.
#[inline(always)]
fn update_pair<S: Simd>(simd: S, left: &[Lane], right: [&[Lane]; 2], tiles: [&mut Tile; 2], next: Next) {
    let [mut sums, mut other_sums] = [[simd.splat_f64s(0.0); TILE]; 2];
    for (i, ((left, one), other)) in left.iter().zip(right[0]).zip(right[1]).enumerate() {
        next.ask_for(i);
        let (one, other) = (S::as_simd_f64s(&one.0).0[0], S::as_simd_f64s(&other.0).0[0]);
        for (factor, (sum, other_sum)) in left.0.iter().zip(sums.iter_mut().zip(&mut other_sums)) {
            let factor = simd.splat_f64s(*factor);
            *sum = simd.mul_add_e_f64s(factor, one, *sum);
            *other_sum = simd.mul_add_e_f64s(factor, other, *other_sum);
        }
    }
    for (tile, sums) in tiles.into_iter().zip([sums, other_sums]) {
        for (lane, sum) in tile.iter_mut().zip(&sums) {
            add(simd, lane, std::slice::from_ref(sum));
        }
    }
}

#[inline(always)]
fn add<S: Simd>(simd: S, lane: &mut Lane, sums: &[S::f64s]) {
    for (entry, sum) in S::as_mut_simd_f64s(&mut lane.0).0.iter_mut().zip(sums) {
        *entry = simd.add_f64s(*entry, *sum);
    }
}

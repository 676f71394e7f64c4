//! The symmetric rank-k update `G += Σ_i h_i x̃_i x̃_iᵀ` with `x̃ = (x − c) / s`, on which moments and Hessians rest.
//!
//! The rows of a panel are first laid out in blocks of eight columns, each row times `√h_i`; then every tile of eight by
//! eight entries is summed in registers over all rows of the panel. Only tiles on and above the diagonal are formed.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::matrix::{CACHE_LINE, Panel, prefetch};

/// Columns a tile; one AVX-512 register.
pub(crate) const TILE: usize = 8;
/// Tiles of the right side that stay in the first-level cache while the left side goes by.
const GROUP: usize = 4;

/// Aligned, so that no register's load touches two lines of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Lane([f64; TILE]);
type Tile = [Lane; TILE];

impl Lane {
    const ZERO: Self = Self([0.0; TILE]);
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

/// A panel, laid out for the products: block after block of eight columns, within it row after row; the last block is
/// filled up with zeros.
#[derive(Default)]
pub(crate) struct Packed {
    lanes: Vec<Lane>,
    n_rows: usize,
}

impl Packed {
    /// Lays out `√h_i (x_i − c) / s`; all `h_i` are 1 if none are given.
    pub(crate) fn pack(&mut self, panel: &Panel<'_>, scaling: Scaling<'_>, root_weight: Option<&[f64]>) {
        self.n_rows = panel.n_rows();
        self.lanes.resize(panel.n_cols().div_ceil(TILE) * self.n_rows, Lane::ZERO);
        Arch::new().dispatch(Pack { panel, scaling, root_weight, lanes: &mut self.lanes });
    }

    fn blocks(&self) -> std::slice::ChunksExact<'_, Lane> {
        self.lanes.chunks_exact(self.n_rows)
    }
}

struct Pack<'a> {
    panel: &'a Panel<'a>,
    scaling: Scaling<'a>,
    root_weight: Option<&'a [f64]>,
    lanes: &'a mut [Lane],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { panel, scaling, root_weight, lanes } = self;
        let (n_rows, n_cols) = (panel.n_rows(), panel.n_cols());
        let root = |row: usize| simd.splat_f64s(root_weight.map_or(1.0, |roots| roots[row]));
        // Some rows at a time, since they come from memory; and of these column by column, for scales to stay in registers.
        for first_row in (0..n_rows).step_by(ROWS) {
            let rows = first_row..n_rows.min(first_row + ROWS);
            for (block, first) in (0..n_cols).step_by(TILE).enumerate() {
                let cols = first..n_cols.min(first + TILE);
                let Scaling { centre, inverse_scale } = scaling.columns(cols.clone());
                let lanes = &mut lanes[block * n_rows..][rows.clone()];
                if cols.len() == TILE {
                    let (centre, scale) = (S::as_simd_f64s(centre).0, S::as_simd_f64s(inverse_scale).0);
                    if rows.len() == ROWS {
                        let values = panel.tile::<ROWS, TILE>(first_row, first);
                        for i in 0..ROWS {
                            let value = S::as_simd_f64s(values[i]).0;
                            scale_registers(simd, value, centre, scale, root(first_row + i), &mut lanes[i]);
                        }
                    } else {
                        for (lane, row) in lanes.iter_mut().zip(rows.clone()) {
                            let [value] = panel.tile::<1, TILE>(row, first);
                            scale_registers(simd, S::as_simd_f64s(value).0, centre, scale, root(row), lane);
                        }
                    }
                } else {
                    let (centre, scale) = (partial(simd, centre), partial(simd, inverse_scale));
                    for (lane, row) in lanes.iter_mut().zip(rows.clone()) {
                        let values = partial(simd, &panel.row(row)[cols.clone()]);
                        scale_registers(simd, &values, &centre, &scale, root(row), lane);
                    }
                }
            }
        }
    }
}

/// Rows that are laid out together.
const ROWS: usize = 8;

#[inline(always)]
fn scale_registers<S: Simd>(
    simd: S,
    value: &[S::f64s],
    centre: &[S::f64s],
    scale: &[S::f64s],
    root: S::f64s,
    out: &mut Lane,
) {
    let out = S::as_mut_simd_f64s(&mut out.0).0;
    for i in 0..TILE / S::F64_LANES {
        out[i] = simd.mul_f64s(simd.mul_f64s(simd.sub_f64s(value[i], centre[i]), scale[i]), root);
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

/// The tiles of `Σ u_i v_iᵀ`, column of tiles after column; of a symmetric one only those with row ≤ column.
pub(crate) struct Tiles {
    tiles: Vec<Tile>,
    n_rows: usize,
    n_cols: usize,
    symmetric: bool,
}

impl Tiles {
    pub(crate) fn symmetric(n: usize) -> Self {
        let side = n.div_ceil(TILE);
        Self { tiles: vec![[Lane::ZERO; TILE]; side * (side + 1) / 2], n_rows: n, n_cols: n, symmetric: true }
    }

    pub(crate) fn rectangular(n_rows: usize, n_cols: usize) -> Self {
        let n_tiles = n_rows.div_ceil(TILE) * n_cols.div_ceil(TILE);
        Self { tiles: vec![[Lane::ZERO; TILE]; n_tiles], n_rows, n_cols, symmetric: false }
    }

    /// Adds `Σ_i u_i v_iᵀ` over the rows; `v` is `u` for a symmetric one. Meanwhile memory brings what comes next.
    pub(crate) fn add(&mut self, u: &Packed, v: &Packed, next: Next) {
        assert_eq!(u.n_rows, v.n_rows);
        if u.n_rows > 0 {
            Arch::new().dispatch(Products { u, v, tiles: &mut self.tiles, symmetric: self.symmetric, next });
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.tiles.as_flattened_mut().iter_mut().zip(other.tiles.as_flattened()) {
            ours.0.iter_mut().zip(&theirs.0).for_each(|(ours, theirs)| *ours += theirs);
        }
    }

    /// Calls `visit` with row, column and value of each entry on and above the diagonal, or of each entry.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, usize, f64)) {
        let side = self.n_rows.div_ceil(TILE);
        let mut tiles = self.tiles.iter();
        for tile_col in 0..self.n_cols.div_ceil(TILE) {
            let tile_rows = if self.symmetric { tile_col + 1 } else { side };
            for (tile_row, tile) in (0..tile_rows).zip(&mut tiles) {
                for (i, lane) in (tile_row * TILE..self.n_rows).zip(tile) {
                    for (j, value) in (tile_col * TILE..self.n_cols).zip(lane.0) {
                        if !self.symmetric || i <= j {
                            visit(i, j, value);
                        }
                    }
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
        let n_rows = u.n_rows;
        let n_left = u.lanes.len() / n_rows;
        let n_right = v.lanes.len() / n_rows;
        let above = |col: usize| if symmetric { col * (col + 1) / 2 } else { col * n_left };
        let block = |col: usize| &v.lanes[col * n_rows..][..n_rows];
        let mut next = next.in_shares(tiles.len());
        for group in (0..n_right).step_by(GROUP) {
            let group = group..(group + GROUP).min(n_right);
            let last = if symmetric { group.end } else { n_left };
            for (row, left) in u.blocks().enumerate().take(last) {
                let first = if symmetric { group.start.max(row) } else { group.start };
                let mut col = first;
                // Two at a time, where registers are wide: so each value of the left side is loaded once for both.
                while S::F64_LANES == TILE && col + 1 < group.end {
                    let (head, tail) = tiles.split_at_mut(above(col + 1));
                    let right = [block(col), block(col + 1)];
                    update_pair(simd, left, right, [&mut head[above(col) + row], &mut tail[row]], next.take(2));
                    col += 2;
                }
                for col in col..group.end {
                    let (right, tile) = (block(col), &mut tiles[above(col) + row]);
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

/// `sums += Σ_i √h_i t_i x̃_i`, `t_i` one entry a row.
pub(crate) fn add_products(packed: &Packed, factors: &[f64], sums: &mut [f64]) {
    Arch::new().dispatch(WeightedSum { packed, factors, sums });
}

const WAYS: usize = 4;

struct WeightedSum<'a> {
    packed: &'a Packed,
    factors: &'a [f64],
    sums: &'a mut [f64],
}

impl WithSimd for WeightedSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { packed, factors, sums } = self;
        for (block, sums) in packed.blocks().zip(sums.chunks_mut(TILE)) {
            // Several sums side by side, since each addition waits for the one before.
            let mut parts = [[simd.splat_f64s(0.0); TILE]; WAYS];
            let ((groups, rest), (factors, rest_factors)) = (block.as_chunks::<WAYS>(), factors.as_chunks::<WAYS>());
            for (lanes, factors) in groups.iter().zip(factors) {
                for ((part, lane), factor) in parts.iter_mut().zip(lanes).zip(factors) {
                    add_lane(simd, part, lane, *factor);
                }
            }
            for (lane, factor) in rest.iter().zip(rest_factors) {
                add_lane(simd, &mut parts[0], lane, *factor);
            }
            let mut total = Lane::ZERO;
            parts.iter().for_each(|part| add(simd, &mut total, part));
            sums.iter_mut().zip(total.0).for_each(|(sum, total)| *sum += total);
        }
    }
}

#[inline(always)]
fn add_lane<S: Simd>(simd: S, sums: &mut [S::f64s; TILE], lane: &Lane, factor: f64) {
    let factor = simd.splat_f64s(factor);
    for (sum, values) in sums.iter_mut().zip(S::as_simd_f64s(&lane.0).0) {
        *sum = simd.mul_add_e_f64s(factor, *values, *sum);
    }
}

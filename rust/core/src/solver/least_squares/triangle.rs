//! `R` of a tall matrix: `A = Q R` by Householder's reflections, block of rows after block of rows. `Q` is not kept.

use std::iter::repeat_n;
use std::ops::Range;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
use faer::{Mat, MatMut, Par, Spec};

use super::columns::{Block, Buffers, LANES, Problem};
use super::pivoted::{make_reflector, norm, reflect_each};
use super::rounding;
use crate::context::Context;
use crate::error::Error;
use crate::pass::{Partition, run};

/// Rows that are reduced at a time, as a multiple of the columns: the work on the triangle above them is then small
/// beside theirs.
const ROWS_PER_COLUMN: usize = 4;
/// A block of narrow data has at least this many elements.
const MIN_BLOCK_ELEMENTS: usize = 8 << 10;
/// The triangles of all chunks fill at most this much, or few chunks are left.
const MAX_TRIANGLES_BYTES: usize = 4 << 20;
const MIN_CHUNKS: usize = 8;
const MIN_CHUNK_BLOCKS: usize = 4;

/// `n` columns of `n` entries, zero below the diagonal; empty if no row has been seen.
pub(super) type Triangle = Vec<f64>;

/// The triangle of `√s [1 x̃ ỹ]`, with the rows of the penalty below it.
pub(super) fn triangle(problem: &Problem<'_>, context: &Context<'_>) -> Result<Triangle, Error> {
    let n = problem.n_parameters() + 1;
    let partition = partition(problem.samples.partition(), n, problem.samples.n_samples());
    let states = repeat_n(Triangle::new(), partition.n_chunks());
    let visit = |workspace: &mut Workspace, rows: Range<usize>, triangle: &mut Triangle| {
        problem.fill(&mut workspace.block, &mut workspace.buffers, rows);
        workspace.reduce_block(problem.intercept, n, triangle);
        Ok(())
    };
    let n_fixed = usize::from(problem.intercept);
    let merge = |a: &mut Triangle, b: &Triangle| *a = reduce(n, n_fixed, &[a, b]);
    let mut triangles = run(context, &partition, states, Workspace::default, visit, merge)?;
    let whole = triangles.swap_remove(0);
    if problem.penalty == 0.0 {
        return Ok(whole);
    }
    let mut rows = vec![0.0; n * n];
    let root = problem.penalty.sqrt();
    for (j, column) in problem.features.iter().enumerate() {
        let j = j + n_fixed;
        rows[j * n + j] = root * column.inverse_scale;
    }
    Ok(reduce(n, n_fixed, &[&whole, &rows]))
}

fn partition(mut partition: Partition, n: usize, m: usize) -> Partition {
    let block = (ROWS_PER_COLUMN * n).max(MIN_BLOCK_ELEMENTS / n).next_multiple_of(LANES);
    let max_chunks = (MAX_TRIANGLES_BYTES / size_of::<f64>() / (n * n)).max(MIN_CHUNKS);
    partition.panel_rows = block;
    partition.chunk_rows = partition.chunk_rows.max(m.div_ceil(max_chunks)).max(MIN_CHUNK_BLOCKS * block);
    partition.chunk_rows = partition.chunk_rows.next_multiple_of(block);
    partition
}

#[derive(Default)]
struct Workspace {
    buffers: Buffers,
    block: Block,
    roots: Vec<f64>,
    stack: Vec<f64>,
}

impl Workspace {
    /// Puts the block's rows below the triangle and makes one triangle of both.
    fn reduce_block(&mut self, intercept: bool, n: usize, triangle: &mut Triangle) {
        let Self { block, roots, stack, .. } = self;
        let m = block.n_rows;
        roots.clear();
        roots.extend(block.weights.as_flattened().iter().map(|weight| weight.sqrt()));
        let above = if triangle.is_empty() { 0 } else { n };
        stack.resize((above + m) * n, 0.0);
        let mut columns = stack.chunks_exact_mut(above + m);
        if intercept {
            columns.next().expect("the constant's")[above..].copy_from_slice(&roots[..m]);
        }
        let n_lanes = block.y.len();
        for (column, lanes) in columns.zip(block.x.chunks_exact(n_lanes).chain([&block.y[..]])) {
            let values = lanes.as_flattened().iter().zip(&*roots);
            column[above..].iter_mut().zip(values).for_each(|(entry, (value, root))| *entry = value * root);
        }
        for (j, column) in stack.chunks_exact_mut(above + m).enumerate() {
            column[..above].copy_from_slice(&triangle[j * above..][..above]);
        }
        *triangle = triangularise(stack, above + m, n, usize::from(intercept));
    }
}

/// The triangle of triangles, one below the other.
fn reduce(n: usize, n_fixed: usize, parts: &[&Triangle]) -> Triangle {
    let n_rows = n * parts.len();
    let mut stack = Vec::with_capacity(n_rows * n);
    for j in 0..n {
        parts.iter().for_each(|part| stack.extend_from_slice(&part[j * n..][..n]));
    }
    triangularise(&mut stack, n_rows, n, n_fixed)
}

/// `R` of a matrix given by its columns, which are overwritten; the first `n_fixed` belong to no feature.
fn triangularise(columns: &mut [f64], n_rows: usize, n: usize, n_fixed: usize) -> Triangle {
    let given = columns.to_vec();
    let rank = reflect_by_blocks(columns, n_rows, n);
    if rank < n.min(n_rows) && leaves_out_too_much(columns, n_rows, n, n_fixed) {
        columns.copy_from_slice(&given);
        reflect(columns, n_rows, n);
    }
    let mut triangle = vec![0.0; n * n];
    for (j, column) in triangle.chunks_exact_mut(n).enumerate() {
        let present = (j + 1).min(n_rows);
        column[..present].copy_from_slice(&columns[j * n_rows..][..present]);
    }
    triangle
}

/// By faer, which returns the rank: a column whose rest is at most some multiple of `m` rounding errors is not reflected,
/// and its row of the triangle is the next column's as well.
fn reflect_by_blocks(columns: &mut [f64], n_rows: usize, n: usize) -> usize {
    let matrix = MatMut::from_column_major_slice_mut(columns, n_rows, n);
    let block = recommended_block_size::<f64>(n_rows, n);
    let mut coefficients = Mat::<f64>::zeros(block, n_rows.min(n));
    // Chunks are worked on in parallel already, and the order of sums may not depend on the number of threads.
    let parallel = Par::Seq;
    let mut memory = MemBuffer::new(qr_in_place_scratch::<f64>(n_rows, n, block, parallel, Spec::default()));
    qr_in_place(matrix, coefficients.as_mut(), parallel, MemStack::new(&mut memory), Spec::default()).rank
}

/// Whether a column that was not reflected is more than a combination of those before and rounding errors. Its rest lies along
/// the next column, whatever its direction was: so it has to be far less than what counts beside the centred column.
fn leaves_out_too_much(columns: &[f64], n_rows: usize, n: usize, n_fixed: usize) -> bool {
    /// As faer's.
    const LEEWAY: f64 = 16.0;
    const FAR_LESS: f64 = 1.0 / 16.0;
    let mut row = 0;
    for column in columns.chunks_exact(n_rows) {
        if row == n_rows {
            return false;
        }
        let (rest, length) = (column[row].abs(), norm(&column[..=row]));
        if rest > LEEWAY * (n_rows - row) as f64 * f64::EPSILON * length {
            row += 1;
        } else if rest > FAR_LESS * rounding(n_rows, n) * norm(&column[n_fixed.min(row)..=row]) {
            return true;
        }
    }
    false
}

/// By one reflection after another, of every column.
fn reflect(columns: &mut [f64], n_rows: usize, n: usize) {
    for k in 0..n.min(n_rows) {
        let (done, rest) = columns.split_at_mut((k + 1) * n_rows);
        let reflector = &mut done[k * n_rows..][k..];
        let diagonal = make_reflector(reflector);
        reflect_each(reflector, rest.chunks_exact_mut(n_rows).map(|column| &mut column[k..]));
        reflector[0] = diagonal;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second column is nearly the first; the third's share of their difference is known.
    #[test]
    fn a_column_that_is_nearly_a_combination_is_reflected_like_others() {
        let (m, n) = (600, 3);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for seed in 0..20 {
            let noise = |i: usize| ((i + 1000 * seed) as f64 * 12.9898).sin() * 43758.5453 % 1.0;
            let column = |first: usize| (first..first + m).map(noise).collect::<Vec<_>>();
            let (a, rest, third) = (column(0), column(777_777), column(333_333));
            let along = dot(&a, &rest) / dot(&a, &a);
            let own: Vec<_> = rest.iter().zip(&a).map(|(rest, a)| rest - along * a).collect();
            let expected = dot(&own, &third) / dot(&own, &own);
            for nearness in [1e-3, 1e-11, 2e-12, 1e-12] {
                let nearly: Vec<_> = a.iter().zip(&rest).map(|(a, rest)| a + nearness * rest).collect();
                let r = triangularise(&mut [a.clone(), nearly, third.clone()].concat(), m, n, 0);
                let share = r[7] / r[4] * nearness;
                // Rounding errors of the second column blur it.
                assert!((share - expected).abs() < 1e-13 / nearness, "{seed}, {nearness}: {share} for {expected}");
            }
        }
    }
}

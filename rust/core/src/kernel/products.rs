//! The two matrix–vector products of a panel. Four rows go together, so that a weight or a gradient entry is
//! loaded once for four rows, and four sums run in each lane at a time.

use crate::matrix::Panel;

const ROWS: usize = 4;
const LANES: usize = 4;

/// `z_i = x_i · w + b` for each row of the panel.
pub(crate) fn predict(panel: &Panel<'_>, weights: &[f64], bias: f64, z: &mut [f64]) {
    assert_eq!(z.len(), panel.n_rows());
    let whole = z.len() - z.len() % ROWS;
    for (block, z) in z[..whole].chunks_exact_mut(ROWS).enumerate() {
        let sums = dot([0, 1, 2, 3].map(|i| panel.row(block * ROWS + i)), weights);
        z.iter_mut().zip(sums).for_each(|(z, sum)| *z = sum + bias);
    }
    for (i, z) in z.iter_mut().enumerate().skip(whole) {
        *z = dot([panel.row(i)], weights)[0] + bias;
    }
}

/// `g_j += Σ_i δ_i x_ij` over the rows of the panel.
pub(crate) fn accumulate(panel: &Panel<'_>, slope: &[f64], gradient: &mut [f64]) {
    assert_eq!(slope.len(), panel.n_rows());
    let blocks = slope.chunks_exact(ROWS);
    let whole = slope.len() - blocks.remainder().len();
    for (block, d) in blocks.enumerate() {
        let [x0, x1, x2, x3] = [0, 1, 2, 3].map(|i| &panel.row(block * ROWS + i)[..gradient.len()]);
        for (j, g) in gradient.iter_mut().enumerate() {
            *g += (d[0] * x0[j] + d[1] * x1[j]) + (d[2] * x2[j] + d[3] * x3[j]);
        }
    }
    for (i, d) in slope.iter().enumerate().skip(whole) {
        gradient.iter_mut().zip(panel.row(i)).for_each(|(g, x)| *g += d * x);
    }
}

/// The dot products of some rows with one vector. Each row's sum is formed in the same order, however many go
/// together.
#[inline(always)]
fn dot<const R: usize>(rows: [&[f64]; R], weights: &[f64]) -> [f64; R] {
    let rows = rows.map(|row| &row[..weights.len()]);
    let mut lanes = [[0.0; LANES]; R];
    let (blocks, tail) = weights.as_chunks::<LANES>();
    for (block, w) in blocks.iter().enumerate() {
        for (sums, row) in lanes.iter_mut().zip(rows) {
            let x = &row[block * LANES..][..LANES];
            for lane in 0..LANES {
                sums[lane] += w[lane] * x[lane];
            }
        }
    }
    let start = blocks.len() * LANES;
    std::array::from_fn(|r| {
        let [a, b, c, d] = lanes[r];
        let rest: f64 = rows[r][start..].iter().zip(tail).map(|(x, w)| x * w).sum();
        ((a + b) + (c + d)) + rest
    })
}

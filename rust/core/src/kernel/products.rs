//! The two matrix–vector products of a panel, written once and compiled for each kind of SIMD that pulp finds at run
//! time. Four rows go together, so that a weight or an entry of the gradient is loaded once for four rows.

use pulp::{Arch, Simd, WithSimd};

use crate::matrix::Panel;

const ROWS: usize = 4;

/// `z_i = x_i · w + b` for each row of the panel.
pub(crate) fn predict(panel: &Panel<'_>, weights: &[f64], bias: f64, z: &mut [f64]) {
    Arch::new().dispatch(Predict { panel, weights, bias, z });
}

/// `g_j += Σ_i δ_i x_ij` over the rows of the panel.
pub(crate) fn accumulate(panel: &Panel<'_>, slope: &[f64], gradient: &mut [f64]) {
    Arch::new().dispatch(Accumulate { panel, slope, gradient });
}

struct Predict<'a> {
    panel: &'a Panel<'a>,
    weights: &'a [f64],
    bias: f64,
    z: &'a mut [f64],
}

impl WithSimd for Predict<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { panel, weights, bias, z } = self;
        assert_eq!(z.len(), panel.n_rows());
        let whole = z.len() - z.len() % ROWS;
        for (block, z) in z[..whole].chunks_exact_mut(ROWS).enumerate() {
            let sums = dot(simd, [0, 1, 2, 3].map(|i| panel.row(block * ROWS + i)), weights);
            z.iter_mut().zip(sums).for_each(|(z, sum)| *z = sum + bias);
        }
        for (i, z) in z.iter_mut().enumerate().skip(whole) {
            *z = dot(simd, [panel.row(i)], weights)[0] + bias;
        }
    }
}

/// The dot products of some rows with one vector. Each row's sum is formed in the same order, however many go
/// together.
#[inline(always)]
fn dot<S: Simd, const R: usize>(simd: S, rows: [&[f64]; R], weights: &[f64]) -> [f64; R] {
    let rows = rows.map(|row| S::as_simd_f64s(&row[..weights.len()]));
    let (w, w_tail) = S::as_simd_f64s(weights);
    let mut sums = [simd.splat_f64s(0.0); R];
    for (j, &w) in w.iter().enumerate() {
        for (sum, (x, _)) in sums.iter_mut().zip(&rows) {
            *sum = simd.mul_add_e_f64s(x[j], w, *sum);
        }
    }
    std::array::from_fn(|r| {
        let rest: f64 = rows[r].1.iter().zip(w_tail).map(|(x, w)| x * w).sum();
        simd.reduce_sum_f64s(sums[r]) + rest
    })
}

struct Accumulate<'a> {
    panel: &'a Panel<'a>,
    slope: &'a [f64],
    gradient: &'a mut [f64],
}

impl WithSimd for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { panel, slope, gradient } = self;
        assert_eq!(slope.len(), panel.n_rows());
        let (blocks, rest) = slope.as_chunks::<ROWS>();
        for (block, slopes) in blocks.iter().enumerate() {
            let rows = [0, 1, 2, 3].map(|i| panel.row(block * ROWS + i));
            add_rows(simd, rows, *slopes, gradient);
        }
        for (i, &slope) in rest.iter().enumerate() {
            add_rows(simd, [panel.row(blocks.len() * ROWS + i)], [slope], gradient);
        }
    }
}

#[inline(always)]
fn add_rows<S: Simd, const R: usize>(simd: S, rows: [&[f64]; R], slopes: [f64; R], gradient: &mut [f64]) {
    let rows = rows.map(|row| S::as_simd_f64s(&row[..gradient.len()]));
    let (g, g_tail) = S::as_mut_simd_f64s(gradient);
    let splat = slopes.map(|slope| simd.splat_f64s(slope));
    for (j, g) in g.iter_mut().enumerate() {
        let mut sum = *g;
        for ((x, _), slope) in rows.iter().zip(splat) {
            sum = simd.mul_add_e_f64s(x[j], slope, sum);
        }
        *g = sum;
    }
    for (j, g) in g_tail.iter_mut().enumerate() {
        for ((_, x), slope) in rows.iter().zip(slopes) {
            *g += x[j] * slope;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::matrix::Matrix;

    /// Every SIMD that this machine has, and the scalar path, against three obvious lines.
    #[test]
    fn products_agree_with_plain_loops_for_every_tail() {
        for n_rows in 1..=9 {
            for n_cols in 1..=35 {
                let x = Array2::from_shape_fn((n_rows, n_cols), |(i, j)| ((i * 37 + j * 11) as f64 * 0.7).sin());
                let weights: Vec<_> = (0..n_cols).map(|j| (j as f64 * 1.3).cos()).collect();
                let slope: Vec<_> = (0..n_rows).map(|i| (i as f64 * 2.1).cos()).collect();
                let expected_z: Vec<f64> = x
                    .rows()
                    .into_iter()
                    .map(|row| 0.5 + row.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>())
                    .collect();
                let expected_g: Vec<f64> = x
                    .columns()
                    .into_iter()
                    .map(|col| 1.0 + col.iter().zip(&slope).map(|(x, d)| x * d).sum::<f64>())
                    .collect();

                let mut buffer = Vec::new();
                let panel = Matrix::from(&x).panel(0..n_rows, &mut buffer);
                let check = |simd: &str, z: &[f64], g: &[f64]| {
                    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-13);
                    assert!(near(z, &expected_z) && near(g, &expected_g), "{simd}, {n_rows} × {n_cols}");
                };
                let (mut z, mut g) = (vec![0.0; n_rows], vec![1.0; n_cols]);
                predict(&panel, &weights, 0.5, &mut z);
                accumulate(&panel, &slope, &mut g);
                check("this machine's SIMD", &z, &g);

                let (mut z, mut g) = (vec![0.0; n_rows], vec![1.0; n_cols]);
                let scalar = pulp::Scalar::new();
                Predict { panel: &panel, weights: &weights, bias: 0.5, z: &mut z }.with_simd(scalar);
                Accumulate { panel: &panel, slope: &slope, gradient: &mut g }.with_simd(scalar);
                check("scalar", &z, &g);
            }
        }
    }
}

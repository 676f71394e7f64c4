//! The two matrix–vector products of a panel, written once and compiled for each kind of SIMD that pulp finds at run
//! time.
//!
//! A row of few columns leaves most of a register empty, and of its time most would go into what surrounds the
//! arithmetic. So up to [`FEW_COLUMNS`] their number is known when the code is compiled, and all loops over them unroll.

use pulp::{Arch, Simd, WithSimd};

use super::mul_add;
use crate::matrix::Panel;

/// Rows that go into the gradient together, so that each entry of it is loaded once for all of them.
const ROWS: usize = 4;
const FEW_COLUMNS: usize = 8;

/// Calls `$few` with the number of columns as a constant, or `$many`.
macro_rules! by_columns {
    ($n_cols:expr, $few:ident, $many:ident, $arguments:tt) => {
        match $n_cols {
            1 => $few::<S, 1> $arguments,
            2 => $few::<S, 2> $arguments,
            3 => $few::<S, 3> $arguments,
            4 => $few::<S, 4> $arguments,
            5 => $few::<S, 5> $arguments,
            6 => $few::<S, 6> $arguments,
            7 => $few::<S, 7> $arguments,
            FEW_COLUMNS => $few::<S, FEW_COLUMNS> $arguments,
            _ => $many $arguments,
        }
    };
}

/// `z_i = x_i · w + b` for each row of the panel. Returns whether all are finite.
pub(crate) fn predict(panel: &Panel<'_>, weights: &[f64], bias: f64, z: &mut [f64]) -> bool {
    Arch::new().dispatch(Predict { panel, weights, bias, z })
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
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { panel, weights, bias, z } = self;
        assert_eq!(z.len(), panel.n_rows());
        by_columns!(weights.len(), predict_few, predict_many, (simd, *panel, weights, bias, z));
        // Without a way out of the loop several are looked at together.
        z.iter().fold(true, |finite, z| finite & z.is_finite())
    }
}

/// Row by row, since this is where the rows come from memory, which is up to three times faster in the order in which
/// they lie there than four rows at a time. The processor overlaps the rows' sums by itself.
#[inline(always)]
fn predict_many<S: Simd>(simd: S, panel: Panel<'_>, weights: &[f64], bias: f64, z: &mut [f64]) {
    for (i, z) in z.iter_mut().enumerate() {
        *z = dot(simd, panel.row(i), weights) + bias;
    }
}

#[inline(always)]
fn predict_few<S: Simd, const N: usize>(_: S, panel: Panel<'_>, weights: &[f64], bias: f64, z: &mut [f64]) {
    let weights: [f64; N] = weights.try_into().expect("N weights");
    for (i, z) in z.iter_mut().enumerate() {
        let mut sum = bias;
        for (x, w) in row::<N>(panel, i).iter().zip(weights) {
            sum = mul_add::<S>(*x, w, sum);
        }
        *z = sum;
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, row: &[f64], weights: &[f64]) -> f64 {
    let (x, x_tail) = S::as_simd_f64s(&row[..weights.len()]);
    let (w, w_tail) = S::as_simd_f64s(weights);
    let mut sum = simd.splat_f64s(0.0);
    for (&x, &w) in x.iter().zip(w) {
        sum = simd.mul_add_e_f64s(x, w, sum);
    }
    let rest: f64 = x_tail.iter().zip(w_tail).map(|(x, w)| x * w).sum();
    simd.reduce_sum_f64s(sum) + rest
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
        by_columns!(gradient.len(), accumulate_few, accumulate_many, (simd, *panel, slope, gradient));
    }
}

#[inline(always)]
fn accumulate_many<S: Simd>(simd: S, panel: Panel<'_>, slope: &[f64], gradient: &mut [f64]) {
    let (blocks, rest) = slope.as_chunks::<ROWS>();
    for (block, slopes) in blocks.iter().enumerate() {
        let rows = [0, 1, 2, 3].map(|i| panel.row(block * ROWS + i));
        add_rows(simd, rows, *slopes, gradient);
    }
    for (i, &slope) in rest.iter().enumerate() {
        add_rows(simd, [panel.row(blocks.len() * ROWS + i)], [slope], gradient);
    }
}

/// Four sums, one for each row of a block, so that none waits for another.
#[inline(always)]
fn accumulate_few<S: Simd, const N: usize>(_: S, panel: Panel<'_>, slope: &[f64], gradient: &mut [f64]) {
    let gradient: &mut [f64; N] = gradient.try_into().expect("N columns");
    let (blocks, rest) = slope.as_chunks::<ROWS>();
    let mut sums = [[0.0; N]; ROWS];
    for (block, slopes) in blocks.iter().enumerate() {
        // All rows are at hand before the arithmetic, or it would not become SIMD.
        let rows = [0, 1, 2, 3].map(|i| *row::<N>(panel, block * ROWS + i));
        for i in 0..ROWS {
            for j in 0..N {
                sums[i][j] = mul_add::<S>(rows[i][j], slopes[i], sums[i][j]);
            }
        }
    }
    for (i, &slope) in rest.iter().enumerate() {
        let row = row::<N>(panel, blocks.len() * ROWS + i);
        for j in 0..N {
            sums[0][j] = mul_add::<S>(row[j], slope, sums[0][j]);
        }
    }
    for sum in &sums {
        for j in 0..N {
            gradient[j] += sum[j];
        }
    }
}

#[inline(always)]
fn row<'p, const N: usize>(panel: Panel<'p>, i: usize) -> &'p [f64; N] {
    panel.row(i).try_into().expect("N columns")
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

    #[test]
    fn rows_that_lie_apart_give_the_same_bits() {
        for n_cols in 1..=35 {
            let host = Array2::from_shape_fn((11, n_cols + 3), |(i, j)| ((i * 37 + j * 11) as f64 * 0.7).sin());
            let apart = host.slice(ndarray::s![.., 1..=n_cols]);
            let copy = apart.to_owned();
            let weights: Vec<_> = (0..n_cols).map(|j| (j as f64 * 1.3).cos()).collect();
            let [found, expected] = [apart, copy.view()].map(|x| {
                let mut buffer = Vec::new();
                let panel = Matrix::from(x).panel(0..11, &mut buffer);
                let (mut z, mut g) = (vec![0.0; 11], vec![1.0; n_cols]);
                predict(&panel, &weights, 0.5, &mut z);
                accumulate(&panel, &z, &mut g);
                (z, g)
            });
            assert_eq!(found, expected, "{n_cols} columns");
        }
    }
}

//! Sums of each column and of its squares, from which means and standard deviations follow.

use pulp::{Arch, Simd, WithSimd};

use super::Scaling;
use crate::matrix::Panel;

/// `Σ s x̃` and `Σ s x̃²` of each column, with `x̃ = (x − c) / s`.
#[derive(Clone, Debug)]
pub(crate) struct ColumnSums {
    pub(crate) first: Vec<f64>,
    pub(crate) second: Vec<f64>,
}

impl ColumnSums {
    pub(crate) fn zeros(n: usize) -> Self {
        Self { first: vec![0.0; n], second: vec![0.0; n] }
    }

    /// Adds the rows of a panel; each counts once if there are no weights.
    pub(crate) fn add(&mut self, panel: &Panel<'_>, scaling: Scaling<'_>, sample_weight: Option<&[f64]>) {
        Arch::new().dispatch(Add { panel, scaling, sample_weight, sums: self });
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.first.iter_mut().zip(&other.first).for_each(|(ours, theirs)| *ours += theirs);
        self.second.iter_mut().zip(&other.second).for_each(|(ours, theirs)| *ours += theirs);
    }
}

struct Add<'a> {
    panel: &'a Panel<'a>,
    scaling: Scaling<'a>,
    sample_weight: Option<&'a [f64]>,
    sums: &'a mut ColumnSums,
}

const ROWS: usize = 8;

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { panel, scaling, sample_weight, sums } = self;
        let whole = panel.n_rows() - panel.n_rows() % ROWS;
        for first in (0..whole).step_by(ROWS) {
            let weights = sample_weight.map(|weights| weights[first..].first_chunk::<ROWS>().expect("a weight a row"));
            add_rows(simd, panel.block(first), weights, scaling, sums);
        }
        for row in whole..panel.n_rows() {
            let weights = sample_weight.map(|weights| weights[row..].first_chunk::<1>().expect("a weight a row"));
            add_rows(simd, [panel.row(row)], weights, scaling, sums);
        }
    }
}

#[inline(always)]
fn add_rows<S: Simd, const R: usize>(
    simd: S,
    rows: [&[f64]; R],
    weights: Option<&[f64; R]>,
    scaling: Scaling<'_>,
    sums: &mut ColumnSums,
) {
    let n = sums.first.len();
    let rows = rows.map(|row| S::as_simd_f64s(&row[..n]));
    let (centre, centre_tail) = S::as_simd_f64s(&scaling.centre[..n]);
    let (scale, scale_tail) = S::as_simd_f64s(&scaling.inverse_scale[..n]);
    let (first, first_tail) = S::as_mut_simd_f64s(&mut sums.first);
    let (second, second_tail) = S::as_mut_simd_f64s(&mut sums.second);
    if let Some(weights) = weights {
        let splat = weights.map(|weight| simd.splat_f64s(weight));
        for (j, (first, second)) in first.iter_mut().zip(second).enumerate() {
            for ((row, _), weight) in rows.iter().zip(splat) {
                let value = simd.mul_f64s(simd.sub_f64s(row[j], centre[j]), scale[j]);
                let weighted = simd.mul_f64s(weight, value);
                *first = simd.add_f64s(*first, weighted);
                *second = simd.mul_add_e_f64s(weighted, value, *second);
            }
        }
    } else {
        for (j, (first, second)) in first.iter_mut().zip(second).enumerate() {
            for (row, _) in rows {
                let value = simd.mul_f64s(simd.sub_f64s(row[j], centre[j]), scale[j]);
                *first = simd.add_f64s(*first, value);
                *second = simd.mul_add_e_f64s(value, value, *second);
            }
        }
    }
    for (j, (first, second)) in first_tail.iter_mut().zip(second_tail).enumerate() {
        for (i, (_, row)) in rows.iter().enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            let value = (row[j] - centre_tail[j]) * scale_tail[j];
            *first += weight * value;
            *second += weight * value * value;
        }
    }
}

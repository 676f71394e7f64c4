//! Column-pivoted QR of a triangle, which tells its rank (Businger and Golub 1965; Golub and Van Loan, Matrix
//! Computations, 5.4.2), and what follows from it: solutions, null space and condition.

use pulp::{Arch, Simd, WithSimd};

use super::columns::{LANES, Lane};
use crate::context::Context;
use crate::error::Error;

/// The columns kept, in the order of their elimination, and those that are combinations of them.
pub(super) struct Pivoted {
    /// Columns of the upper triangle `T`, column `k` of length `k + 1`.
    columns: Vec<Vec<f64>>,
    /// Which parameter a column belongs to.
    pub(super) kept: Vec<usize>,
    pub(super) dropped: Vec<Dropped>,
    /// `Qᵀ y` along the columns kept.
    pub(super) target: Vec<f64>,
}

/// A column that is left out.
pub(super) struct Dropped {
    /// Which parameter it belongs to.
    pub(super) index: usize,
    /// Its part along the columns kept.
    pub(super) along: Vec<f64>,
    /// What is shorter is rounding error.
    pub(super) floor: f64,
}

/// A column that waits for its elimination.
struct Waiting {
    index: usize,
    entries: Vec<f64>,
    /// A column whose rest is not longer than this is a combination of the others.
    floor: f64,
}

impl Pivoted {
    /// `columns` are those of a triangle, each with its floor; the first `n_fixed` come first whatever their length.
    /// `target` is one more column, reflected with the others.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(super) fn new(
        columns: Vec<Vec<f64>>,
        floors: &[f64],
        n_fixed: usize,
        mut target: Vec<f64>,
        context: &Context<'_>,
    ) -> Result<Self, Error> {
        let mut waiting: Vec<Waiting> = columns
            .into_iter()
            .zip(floors)
            .enumerate()
            .map(|(index, (entries, &floor))| Waiting { index, entries, floor })
            .collect();
        let mut pivoted = Self { columns: Vec::new(), kept: Vec::new(), dropped: Vec::new(), target: Vec::new() };
        for k in 0..waiting.len() {
            context.check_interrupt()?;
            let Some(chosen) = (if k < n_fixed { Some(0) } else { choose(&waiting, k) }) else { break };
            let Waiting { index, mut entries, .. } = waiting.remove(chosen);
            let mut reflector = entries.split_off(k);
            let diagonal = make_reflector(&mut reflector);
            entries.push(diagonal);
            let columns = waiting.iter_mut().map(|waiting| &mut waiting.entries[k..]).chain([&mut target[k..]]);
            reflect_each(&reflector, columns);
            pivoted.columns.push(entries);
            pivoted.kept.push(index);
        }
        let rank = pivoted.kept.len();
        target.truncate(rank);
        pivoted.target = target;
        pivoted.dropped = waiting
            .into_iter()
            .map(|Waiting { index, mut entries, floor }| {
                entries.truncate(rank);
                Dropped { index, along: entries, floor }
            })
            .collect();
        Ok(pivoted)
    }

    /// `x ← T⁻¹ x`.
    pub(super) fn solve(&self, x: &mut [f64]) {
        solve(&self.columns, 0, x);
    }

    /// `x ← T⁻ᵀ x`.
    pub(super) fn solve_transposed(&self, x: &mut [f64]) {
        solve_transposed(&self.columns, 0, x);
    }

    /// An estimate, from below, of the 2-norm condition of `T` without its first `n_fixed` rows and columns, by the power
    /// method on `TᵀT` and on its inverse.
    pub(super) fn condition(&self, n_fixed: usize) -> f64 {
        const STEPS: usize = 12;
        let columns = &self.columns[n_fixed..];
        let n = columns.len();
        if n == 0 {
            return 1.0;
        }
        let start = || (0..n).map(|j| if j % 2 == 0 { 1.0 } else { -1.0 } * (1.0 + j as f64 / n as f64)).collect();
        let growth = |step: &dyn Fn(&mut [f64])| {
            let mut x: Vec<f64> = start();
            let mut factor = 0.0;
            for _ in 0..STEPS {
                let length = norm(&x);
                x.iter_mut().for_each(|x| *x /= length);
                step(&mut x);
                factor = norm(&x);
            }
            factor.sqrt()
        };
        let largest = growth(&|x| {
            let image = product(columns, n_fixed, x);
            x.iter_mut().zip(columns).for_each(|(x, column)| *x = dot(&column[n_fixed..], &image));
        });
        let inverse = growth(&|x| {
            solve_transposed(columns, n_fixed, x);
            solve(columns, n_fixed, x);
        });
        largest * inverse
    }
}

/// The next pivot: the first of those whose rest is at least half as long as the longest. So of equal columns the
/// later ones are those called dependent.
fn choose(waiting: &[Waiting], k: usize) -> Option<usize> {
    let lengths: Vec<f64> = waiting
        .iter()
        .map(|waiting| {
            let length = norm(&waiting.entries[k..]);
            if length > waiting.floor { length } else { 0.0 }
        })
        .collect();
    let longest = lengths.iter().copied().fold(0.0, f64::max);
    (longest > 0.0).then(|| lengths.iter().position(|&length| length >= 0.5 * longest)).flatten()
}

/// Overwrites `a` by `v` with `(I − v vᵀ) a = α e₁`, `|v|² = 2`, and returns `α`.
pub(super) fn make_reflector(a: &mut [f64]) -> f64 {
    let length = norm(a);
    if length == 0.0 {
        return 0.0;
    }
    let diagonal = if a[0] > 0.0 { -length } else { length };
    // |a − α e₁|² = 2 α (α − a₁), a sum of two terms of the same sign.
    let root = (diagonal * (diagonal - a[0])).sqrt();
    a[0] -= diagonal;
    a.iter_mut().for_each(|a| *a /= root);
    diagonal
}

/// Overwrites each column `x` by `(I − v vᵀ) x`.
pub(super) fn reflect_each<'c>(reflector: &[f64], columns: impl Iterator<Item = &'c mut [f64]>) {
    Arch::new().dispatch(Reflect { reflector, columns });
}

struct Reflect<'a, I> {
    reflector: &'a [f64],
    columns: I,
}

impl<'c, I: Iterator<Item = &'c mut [f64]>> WithSimd for Reflect<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for column in self.columns {
            let along = dot(self.reflector, column);
            column.iter_mut().zip(self.reflector).for_each(|(entry, v)| *entry -= along * v);
        }
    }
}

/// `columns` are those of an upper triangle, below `skip` rows that do not belong to it.
fn solve(columns: &[Vec<f64>], skip: usize, x: &mut [f64]) {
    for (k, column) in columns.iter().enumerate().rev() {
        let (above, diagonal) = column[skip..].split_at(k);
        x[k] /= diagonal[0];
        let known = x[k];
        x[..k].iter_mut().zip(above).for_each(|(x, entry)| *x -= known * entry);
    }
}

fn solve_transposed(columns: &[Vec<f64>], skip: usize, x: &mut [f64]) {
    for (k, column) in columns.iter().enumerate() {
        let (above, diagonal) = column[skip..].split_at(k);
        x[k] = (x[k] - dot(above, &x[..k])) / diagonal[0];
    }
}

fn product(columns: &[Vec<f64>], skip: usize, x: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; x.len()];
    for (x, column) in x.iter().zip(columns) {
        product.iter_mut().zip(&column[skip..]).for_each(|(sum, entry)| *sum += x * entry);
    }
    product
}

#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes: Lane = [0.0; LANES];
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        (0..LANES).for_each(|k| lanes[k] += a[k] * b[k]);
    }
    lanes.iter().sum::<f64>() + a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum::<f64>()
}

#[inline(always)]
pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

//! The minimum of a quadratic with an `l1` penalty: `g·d + ½ d·S d + Σ λ_j |u_j + d_j|`, one coordinate at a time
//! (Friedman, Hastie and Tibshirani, *Journal of Statistical Software* 33, 2010).

use faer::Mat;
use ndarray::{Array1, Array2};
use pulp::{Arch, Simd, WithSimd};

use super::inverse::Inverse;
use super::part::Part;
use crate::context::Context;
use crate::error::Error;

/// `sign(x) max(|x| − λ, 0)`.
pub(crate) fn shrink(x: f64, lambda: f64) -> f64 {
    if x > lambda {
        x - lambda
    } else if x < -lambda {
        x + lambda
    } else {
        0.0
    }
}

/// How far a coordinate is from the conditions of a minimum, with `slope` the derivative of the smooth part.
pub(crate) fn violation(u: f64, slope: f64, lambda: f64) -> f64 {
    if u == 0.0 { (slope.abs() - lambda).max(0.0) } else { (slope + lambda * u.signum()).abs() }
}

const MAX_SWEEPS: usize = 10_000;
/// Sweeps before the first step within the signs, which may take the time of as many; before each other one as many as took the
/// time of the last.
const PATIENCE: usize = 40;
/// Steps within the signs, one after the other.
const MAX_STEPS: usize = 32;
/// An eigenvalue smaller than this, beside the largest, is rounding error.
const SINGULAR: f64 = 1e-13;

/// Relative steps of less are rounding errors.
const MOVE: f64 = 4.0 * f64::EPSILON;

/// Moves `u` to the minimum, where no coordinate violates its conditions by more than `tol`, or none moves any more; `slope`
/// is the gradient of the smooth part at `u` and moves along. Returns about how many multiplications it took.
///
/// After a sweep over all coordinates only those that are not 0 are swept, until they rest; then all again. Where columns
/// are nearly dependent sweeps creep, and every some of them a step to the minimum within the signs helps.
///
/// # Errors
///
/// [`Error::Interrupted`].
pub(crate) fn coordinate_descent(
    matrix: &Array2<f64>,
    u: &mut [f64],
    slope: &mut [f64],
    lambda: &[f64],
    tol: f64,
    context: &Context<'_>,
) -> Result<f64, Error> {
    let square = |n: usize| (n as f64).powi(2);
    let mut all = Descent { matrix, u, slope, lambda };
    let (mut n_sweeps, mut work, mut part) = (0, 0.0, None);
    while n_sweeps < MAX_SWEEPS {
        context.check_interrupt()?;
        n_sweeps += 1;
        work += square(all.u.len());
        if all.sweep(tol) {
            break;
        }
        let active: Vec<usize> = (0..all.u.len()).filter(|&j| all.u[j] != 0.0 && matrix[[j, j]] > 0.0).collect();
        let among = Array2::from_shape_fn((active.len(), active.len()), |(i, j)| matrix[[active[i], active[j]]]);
        let of = |all: &[f64]| -> Vec<f64> { active.iter().map(|&j| all[j]).collect() };
        let (mut u, mut slope, lambda) = (of(all.u), of(all.slope), of(lambda));
        let descent = Descent { matrix: &among, u: &mut u, slope: &mut slope, lambda: &lambda };
        let mut alone = Alone { descent, columns: &active, all: matrix, part: &mut part };
        let n_alone = alone.descend(tol, context)?;
        n_sweeps += n_alone;
        work += n_alone as f64 * square(active.len());
        for (&j, moved) in active.iter().zip(u) {
            let step = moved - all.u[j];
            all.u[j] = moved;
            all.add_row(j, step);
        }
    }
    Ok(work)
}

/// Where a descent is.
struct Descent<'a> {
    matrix: &'a Array2<f64>,
    u: &'a mut [f64],
    slope: &'a mut [f64],
    lambda: &'a [f64],
}

/// The descent of columns that have a weight, among all columns of a matrix.
struct Alone<'d, 'a> {
    descent: Descent<'d>,
    columns: &'d [usize],
    all: &'a Array2<f64>,
    /// Of those that had one when a step within the signs was made last.
    part: &'d mut Option<Part>,
}

impl Alone<'_, '_> {
    /// To the minimum, where none of the coordinates is 0 at first. Returns the number of sweeps.
    fn descend(&mut self, tol: f64, context: &Context<'_>) -> Result<usize, Error> {
        let (mut since, mut patience) = (0, PATIENCE);
        for n_sweeps in 1..MAX_SWEEPS {
            context.check_interrupt()?;
            if self.descent.sweep(tol) {
                return Ok(n_sweeps);
            }
            since += 1;
            if since >= patience {
                patience = PATIENCE.max(self.step_within_signs(context)?);
                since = 0;
            }
        }
        Ok(MAX_SWEEPS)
    }

    /// Moves the coordinates that are not 0 to their minimum where they keep their signs, and those to 0 that would not; again
    /// and again without these (after feature signs: Lee, Battle, Raina and Ng, *NIPS* 19, 2006). Returns how many sweeps take
    /// about as long.
    fn step_within_signs(&mut self, context: &Context<'_>) -> Result<usize, Error> {
        /// The time of Cholesky's factor, and of eigenvectors, as a multiple of that of `n` sweeps.
        const FACTOR: f64 = 0.04;
        const EIGEN: f64 = 1.0;
        let mut n_sweeps = 0.0;
        let mut active: Vec<usize> = (0..self.descent.u.len()).filter(|&j| self.descent.u[j] != 0.0).collect();
        for _ in 0..MAX_STEPS {
            context.check_interrupt()?;
            let n = active.len();
            if n == 0 {
                break;
            }
            let columns: Vec<usize> = active.iter().map(|&j| self.columns[j]).collect();
            let right: Vec<f64> = active.iter().map(|&j| self.descent.down(j)).collect();
            let mut at_rest = vec![false; n];
            let direction = match self.part.take().and_then(|part| part.change(self.all, &columns, SINGULAR)) {
                Some(part) => {
                    n_sweeps += 1.0;
                    self.part.insert(part).solve(&columns, &right)
                }
                None => {
                    let products = Mat::from_fn(n, n, |i, j| self.all[[columns[i], columns[j]]]);
                    let Some(inverse) = Inverse::of(products, SINGULAR, context)? else { break };
                    n_sweeps += if inverse.rank < n { EIGEN } else { FACTOR } * n as f64;
                    at_rest = self.descent.move_along(inverse.null_space(), &active);
                    let mut direction = Mat::from_fn(n, 1, |i, _| right[i]);
                    inverse.apply(&mut direction);
                    *self.part = Part::of(columns, &inverse);
                    direction.col_as_slice(0).to_vec()
                }
            };
            if !at_rest.contains(&true) {
                if !direction.iter().all(|along| along.is_finite()) {
                    break;
                }
                at_rest = self.descent.advance_within_signs(&direction, &right, &active);
            }
            if !at_rest.contains(&true) {
                break;
            }
            active = active.into_iter().zip(at_rest).filter_map(|(j, rests)| (!rests).then_some(j)).collect();
        }
        Ok(n_sweeps as usize)
    }
}

impl Descent<'_> {
    /// Moves each coordinate to its minimum, one after the other. Returns whether they rested.
    fn sweep(&mut self, tol: f64) -> bool {
        Arch::new().dispatch(Sweep { of: self, tol })
    }

    /// Adds a row of the matrix to the slopes, so many times.
    fn add_row(&mut self, j: usize, times: f64) {
        add_row(self.matrix, j, times, self.slope);
    }

    /// How steep the way down is, as long as the sign is kept.
    fn down(&self, j: usize) -> f64 {
        -(self.slope[j] + self.lambda[j] * self.u[j].signum())
    }

    /// Moves active coordinates by a step to the minimum, but those to 0 that would change their sign; or, where that lowers
    /// it less, all as far as the first of these. `down` is the way down as long as all signs are kept. Says which reached 0.
    fn advance_within_signs(&mut self, direction: &[f64], down: &[f64], active: &[usize]) -> Vec<bool> {
        let mut at_rest: Vec<bool> =
            active.iter().zip(direction).map(|(&j, along)| self.u[j] * (self.u[j] + along) <= 0.0).collect();
        let (before, slope_before) = (self.u.to_vec(), self.slope.to_vec());
        let mut change = 0.0;
        for ((&j, along), rests) in active.iter().zip(direction).zip(&at_rest) {
            self.u[j] = if *rests { 0.0 } else { self.u[j] + along };
            self.add_row(j, self.u[j] - before[j]);
            change += self.lambda[j] * (self.u[j].abs() - before[j].abs());
        }
        change +=
            active.iter().map(|&j| 0.5 * (self.u[j] - before[j]) * (self.slope[j] + slope_before[j])).sum::<f64>();
        let first = active.iter().zip(direction).zip(&at_rest).filter(|(_, rests)| **rests);
        let first = first.map(|((&j, along), _)| -before[j] / along).fold(1.0, f64::min);
        let descent: f64 = direction.iter().zip(down).map(|(along, down)| along * down).sum();
        if change > -first * (1.0 - 0.5 * first) * descent {
            self.u.copy_from_slice(&before);
            self.slope.copy_from_slice(&slope_before);
            let leaving = self.advance(direction, 1.0, active);
            at_rest.iter_mut().enumerate().for_each(|(i, rests)| *rests = leaving == Some(i));
        }
        at_rest
    }

    /// Moves active coordinates along a direction as far as `length`, or until the first of them reaches 0, which is
    /// returned; not at all if none does and the length is infinite.
    fn advance(&mut self, direction: &[f64], mut length: f64, active: &[usize]) -> Option<usize> {
        let mut first = None;
        for (i, (&j, along)) in active.iter().zip(direction).enumerate() {
            let reaches = -self.u[j] / along;
            if reaches > 0.0 && reaches < length {
                (length, first) = (reaches, Some(i));
            }
        }
        if length.is_finite() {
            for (i, (&j, along)) in active.iter().zip(direction).enumerate().filter(|(_, (_, along))| **along != 0.0) {
                let step = if first == Some(i) { -self.u[j] } else { length * along };
                self.u[j] += step;
                self.add_row(j, step);
            }
        }
        first
    }

    /// Moves active coordinates along directions of which the products tell no curvature, so that only the penalty falls,
    /// until the first of them reaches 0; then the others along what is left of these directions. Says which reached 0.
    fn move_along(&mut self, mut directions: Vec<Array1<f64>>, active: &[usize]) -> Vec<bool> {
        let mut at_rest = vec![false; active.len()];
        while !directions.is_empty() {
            let right: Array1<f64> =
                active.iter().zip(&at_rest).map(|(&j, &rests)| if rests { 0.0 } else { self.down(j) }).collect();
            let mut direction = Array1::zeros(active.len());
            for vector in &directions {
                direction.scaled_add(vector.dot(&right), vector);
            }
            let largest = |vector: &Array1<f64>| vector.iter().fold(0.0_f64, |acc, entry| acc.max(entry.abs()));
            if largest(&direction) <= SINGULAR.sqrt() * largest(&right) {
                break;
            }
            // But for rounding errors it is 0 there.
            direction.iter_mut().zip(&at_rest).filter(|(_, rests)| **rests).for_each(|(entry, _)| *entry = 0.0);
            let along = direction.as_slice().expect("contiguous");
            let Some(first) = self.advance(along, f64::INFINITY, active) else { break };
            at_rest[first] = true;
            without_entry(&mut directions, first);
        }
        at_rest
    }
}

struct Sweep<'d, 'a> {
    of: &'d mut Descent<'a>,
    tol: f64,
}

impl WithSimd for Sweep<'_, '_> {
    type Output = bool;

    // The loop over a row is plain; compiled for the SIMD dispatched to, it takes several values at a time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self { of: Descent { matrix, u, slope, lambda }, tol } = self;
        let (mut largest, mut moves) = (0.0_f64, false);
        for j in 0..u.len() {
            let curvature = matrix[[j, j]];
            if curvature <= 0.0 {
                // It moves nothing but its own penalty.
                if lambda[j] > 0.0 {
                    u[j] = 0.0;
                }
                continue;
            }
            largest = largest.max(violation(u[j], slope[j], lambda[j]));
            let moved = shrink(curvature * u[j] - slope[j], lambda[j]) / curvature;
            let step = moved - u[j];
            if step != 0.0 {
                moves |= step.abs() > MOVE * moved.abs();
                u[j] = moved;
                add_row(matrix, j, step, slope);
            }
        }
        largest <= tol || !moves
    }
}

/// Adds a row of the matrix, so many times.
#[inline(always)]
fn add_row(matrix: &Array2<f64>, j: usize, times: f64, slope: &mut [f64]) {
    let row = matrix.row(j);
    let row = row.as_slice().expect("contiguous rows");
    slope.iter_mut().zip(row).for_each(|(slope, s)| *slope += times * s);
}

/// Of orthonormal vectors makes one fewer, a basis of those of their combinations that are 0 at entry `i`.
fn without_entry(vectors: &mut Vec<Array1<f64>>, i: usize) {
    // A reflection of their coefficients leaves the entry to one of them alone.
    let mut mirror: Array1<f64> = vectors.iter().map(|vector| vector[i]).collect();
    let length = mirror.dot(&mirror).sqrt();
    let Some(pivot) = (0..mirror.len()).max_by(|&a, &b| mirror[a].abs().total_cmp(&mirror[b].abs())) else { return };
    if length > 0.0 {
        mirror[pivot] += length.copysign(mirror[pivot]);
        let factor = 2.0 / mirror.dot(&mirror);
        let mut image = Array1::zeros(vectors[0].len());
        vectors.iter().zip(&mirror).for_each(|(vector, &share)| image.scaled_add(share, vector));
        vectors.iter_mut().zip(&mirror).for_each(|(vector, &share)| vector.scaled_add(-factor * share, &image));
    }
    vectors.swap_remove(pivot);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of which each is nearly the one before, with a target made of a few.
    #[test]
    fn columns_that_are_nearly_dependent_take_few_sweeps() {
        let (m, n) = (60, 12);
        let noise = |i: usize, j: usize| ((i * 37 + j * 11 + i * j) as f64 * 0.7).sin();
        let x = Array2::from_shape_fn((m, n), |(i, j)| {
            noise(i, j - j % 4) + if j % 4 == 0 { 0.0 } else { 1e-5 * noise(i, j) }
        });
        let y: Vec<f64> =
            (0..m).map(|i| x[[i, 0]] - 0.5 * x[[i, 5]] + 3e4 * (x[[i, 2]] - x[[i, 0]]) + noise(i, 99)).collect();
        let matrix = x.t().dot(&x) / m as f64;
        let start: Vec<f64> = (0..n).map(|j| -(0..m).map(|i| x[[i, j]] * y[i]).sum::<f64>() / m as f64).collect();
        for lambda in [1e-6, 1e-3, 0.1] {
            let (mut u, mut slope) = (vec![0.0; n], start.clone());
            let asked = std::cell::Cell::new(0);
            let count = || {
                asked.set(asked.get() + 1);
                false
            };
            let context = Context::default().with_interrupt(&count);
            coordinate_descent(&matrix, &mut u, &mut slope, &vec![lambda; n], 1e-11, &context).unwrap();
            assert!(asked.get() < 300, "{} sweeps", asked.get());
            for j in 0..n {
                let exact = start[j] + (0..n).map(|k| matrix[[j, k]] * u[k]).sum::<f64>();
                assert!((exact - slope[j]).abs() < 1e-9, "the slope of {j} is {exact}, not {}", slope[j]);
                assert!(violation(u[j], exact, lambda) < 1e-9, "{j} for {lambda}");
            }
        }
    }

    #[test]
    fn a_column_that_moves_nothing_costs_nothing() {
        let (mut u, mut slope) = ([7.0, 1.0], [0.0, 0.5]);
        let matrix = ndarray::array![[0.0, 0.0], [0.0, 1.0]];
        coordinate_descent(&matrix, &mut u, &mut slope, &[0.1, 0.1], 1e-12, &Context::default()).unwrap();
        assert_eq!(u[0], 0.0);
        assert!((u[1] - 0.4).abs() < 1e-12);
    }
}

//! A factor of the part of a matrix that belongs to some of its columns, kept up while these change by a few.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::ldlt::solve::solve_in_place;
use faer::linalg::cholesky::ldlt::update::{delete_rows_and_cols_clobber, delete_rows_and_cols_clobber_scratch};
use faer::linalg::triangular_solve::solve_unit_lower_triangular_in_place;
use faer::{Mat, Par};
use ndarray::Array2;

use super::inverse::{Inverse, Way};

/// `L D Lᵀ` of some rows and the same columns of a symmetric matrix, far from singular.
pub(super) struct Part {
    columns: Vec<usize>,
    /// `D` on the diagonal, `L` below.
    factor: Mat<f64>,
    /// Of the inverse, at least, but for the percents that an estimate may be off.
    norm: f64,
    /// Since it was formed anew.
    n_changes: usize,
}

impl Part {
    /// Of columns whose part of the matrix has this inverse; none if that is one of eigenvectors.
    pub(super) fn of(columns: Vec<usize>, inverse: &Inverse) -> Option<Self> {
        let Way::Cholesky(cholesky) = &inverse.way else { return None };
        let (n, root) = (columns.len(), cholesky.L());
        let factor = Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => root[(i, i)] * root[(i, i)],
            std::cmp::Ordering::Greater => root[(i, j)] / root[(j, j)],
        });
        // The largest eigenvalue is no less than the largest pivot.
        let largest = (0..n).map(|i| factor[(i, i)]).fold(0.0, f64::max);
        Some(Self { columns, norm: 1.1 * inverse.condition() / largest, factor, n_changes: 0 })
    }

    /// That of other columns; none where a factor from scratch is as fast, or where eigenvalues are, or may be, less than
    /// `singular` times the largest.
    pub(super) fn change(mut self, matrix: &Array2<f64>, columns: &[usize], singular: f64) -> Option<Self> {
        // A change takes some n² operations, of which the processor does fewer in the same time than of the n³/6 of a factor.
        const AS_FAST: usize = 32;
        let mut is_wanted = vec![false; matrix.nrows()];
        columns.iter().for_each(|&j| is_wanted[j] = true);
        let mut left_out: Vec<usize> = (0..self.columns.len()).filter(|&i| !is_wanted[self.columns[i]]).collect();
        self.columns.iter().for_each(|&j| is_wanted[j] = false);
        let added: Vec<usize> = columns.iter().copied().filter(|&j| is_wanted[j]).collect();
        let n_changes = left_out.len() + added.len();
        self.n_changes += n_changes;
        if AS_FAST * n_changes > columns.len() || self.n_changes > columns.len() {
            return None;
        }
        self.leave_out(&mut left_out);
        let trace: f64 = columns.iter().map(|&j| matrix[[j, j]]).sum();
        let is_regular = added.into_iter().all(|j| self.add(matrix, j)) && self.norm * trace * singular < 0.1;
        is_regular.then_some(self)
    }

    /// No eigenvalue becomes less than the least.
    fn leave_out(&mut self, places: &mut [usize]) {
        if places.is_empty() {
            return;
        }
        let n = self.columns.len();
        let mut memory = MemBuffer::new(delete_rows_and_cols_clobber_scratch::<f64>(n, places.len()));
        delete_rows_and_cols_clobber(self.factor.as_mut(), places, Par::Seq, MemStack::new(&mut memory));
        for &place in places.iter().rev() {
            self.columns.remove(place);
        }
        self.factor.truncate(self.columns.len(), self.columns.len());
    }

    /// Whether enough was left of the column beside the others.
    fn add(&mut self, matrix: &Array2<f64>, column: usize) -> bool {
        const LITTLE: f64 = 1e-8;
        let n = self.columns.len();
        let mut row = Mat::from_fn(n, 1, |i, _| matrix[[column, self.columns[i]]]);
        let mut along = row.clone();
        solve_unit_lower_triangular_in_place(self.factor.as_ref(), row.as_mut(), Par::Seq);
        let square = matrix[[column, column]];
        let mut left = square;
        for i in 0..n {
            let part = row[(i, 0)] / self.factor[(i, i)];
            left -= part * row[(i, 0)];
            row[(i, 0)] = part;
        }
        if left.is_nan() || left <= LITTLE * square {
            return false;
        }
        self.solve_in_place(&mut along);
        // By the inverse of a matrix in blocks: (S⁻¹ + v vᵀ/d, −v/d; −vᵀ/d, 1/d) with v = S⁻¹ s.
        self.norm += (1.0 + along.squared_norm_l2()) / left;
        self.factor.resize_with(n + 1, n + 1, |i, j| match (i == n, j == n) {
            (true, true) => left,
            (true, false) => row[(j, 0)],
            _ => 0.0,
        });
        self.columns.push(column);
        true
    }

    /// The inverse times a vector, both in the order of the given columns.
    pub(super) fn solve(&self, columns: &[usize], right: &[f64]) -> Vec<f64> {
        let mut places = vec![usize::MAX; columns.iter().max().map_or(0, |last| last + 1)];
        columns.iter().enumerate().for_each(|(place, &j)| places[j] = place);
        let mut solution = Mat::from_fn(self.columns.len(), 1, |i, _| right[places[self.columns[i]]]);
        self.solve_in_place(&mut solution);
        let mut ordered = vec![0.0; columns.len()];
        self.columns.iter().enumerate().for_each(|(i, &j)| ordered[places[j]] = solution[(i, 0)]);
        ordered
    }

    fn solve_in_place(&self, columns: &mut Mat<f64>) {
        let mut memory = MemBuffer::new(faer::dyn_stack::StackReq::EMPTY);
        let diagonal = self.factor.diagonal();
        solve_in_place(self.factor.as_ref(), diagonal, columns.as_mut(), Par::Seq, MemStack::new(&mut memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGULAR: f64 = 1e-13;

    fn products(n: usize) -> Array2<f64> {
        let x = Array2::from_shape_fn((n + 40, n), |(i, j)| ((i * 37 + j * 11 + i * j) as f64 * 0.7).sin());
        // Far from singular, so that answers agree to many digits.
        x.t().dot(&x) + Array2::<f64>::eye(n)
    }

    fn part(matrix: &Array2<f64>, columns: &[usize]) -> (Part, Inverse) {
        let of = Mat::from_fn(columns.len(), columns.len(), |i, j| matrix[[columns[i], columns[j]]]);
        let inverse = Inverse::new(&of, SINGULAR).unwrap();
        (Part::of(columns.to_vec(), &inverse).unwrap(), inverse)
    }

    #[test]
    fn a_factor_that_was_changed_is_that_of_the_columns_it_has() {
        let n = 300;
        let matrix = products(n);
        let mut columns: Vec<usize> = (0..n).filter(|j| j % 3 != 1).collect();
        let (mut changed, _) = part(&matrix, &columns);
        for step in 0..20 {
            columns.retain(|&j| j != 5 * step && j != n - 1 - 3 * step);
            if step % 2 == 0 && !columns.contains(&(3 * step + 1)) {
                columns.insert(step, 3 * step + 1);
            }
            changed = changed.change(&matrix, &columns, SINGULAR).unwrap_or_else(|| panic!("step {step}"));
            let right: Vec<f64> = (0..columns.len()).map(|i| (i as f64).cos()).collect();
            let mut expected = Mat::from_fn(columns.len(), 1, |i, _| right[i]);
            let (_, inverse) = part(&matrix, &columns);
            inverse.apply(&mut expected);
            for (i, found) in changed.solve(&columns, &right).into_iter().enumerate() {
                assert!((found - expected[(i, 0)]).abs() < 1e-10 * expected.norm_max(), "step {step}, {i}");
            }
            let trace: f64 = columns.iter().map(|&j| matrix[[j, j]]).sum();
            assert!(changed.norm * trace >= inverse.condition(), "step {step}: the bound");
        }
    }

    #[test]
    fn a_column_that_others_determine_is_not_added() {
        let n = 100;
        let mut matrix = products(n);
        // The last is twice the first.
        for i in 0..n - 1 {
            matrix[[n - 1, i]] = 2.0 * matrix[[0, i]];
            matrix[[i, n - 1]] = matrix[[n - 1, i]];
        }
        matrix[[n - 1, n - 1]] = 4.0 * matrix[[0, 0]];
        let columns: Vec<usize> = (0..n).collect();
        let of_all_but_one = || part(&matrix, &columns[..n - 1]).0;
        assert!(of_all_but_one().change(&matrix, &columns, SINGULAR).is_none());
        assert!(of_all_but_one().change(&matrix, &columns[..n - 2], SINGULAR).is_some());
        assert!(of_all_but_one().change(&matrix, &columns[..n / 2], SINGULAR).is_none(), "too many changes");
    }
}

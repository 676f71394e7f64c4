//! The Hessian over rows: the gradient's pass, and the products of all pairs of columns.

use std::ops::Range;

use ndarray::{Array1, Array2};

use super::rows::RowObjective;
use crate::context::Context;
use crate::error::Error;
use crate::frame::Frame;
use crate::kernel::link::{Linear, Link, SigmoidLogLoss, SigmoidSquaredError};
use crate::kernel::{self, CostGradient, Next, Packed, Rows, Tiles};
use crate::matrix::Matrix;
use crate::model::{Model, Parameters};
use crate::pass::{Partition, merge_tree, run};

/// `[X̃ 1]ᵀ diag(s h) [X̃ 1] / S`, in the variables of a [`Frame`]. Of squared error on the sigmoid the Gauss–Newton part.
#[derive(Clone, Debug)]
pub(crate) struct Hessian {
    /// Shape `(n, n)`, symmetric.
    pub(crate) weights: Array2<f64>,
    /// Between the weights and the bias, shape `(n,)`.
    pub(crate) cross: Array1<f64>,
    /// The bias with itself.
    pub(crate) bias: f64,
}

impl Hessian {
    /// The mean of each column, weighted by the curvature; 0 where the bias is fixed.
    pub(crate) fn means(&self) -> impl Iterator<Item = f64> {
        self.cross.iter().map(|&cross| if self.bias > 0.0 { cross / self.bias } else { 0.0 })
    }

    /// Of the linear model, whose curvature is 2: the standard deviation of each column, from its mean or from 0.
    pub(crate) fn deviations(&self) -> Vec<f64> {
        let columns = self.weights.diag().into_iter().zip(&self.cross);
        columns
            .map(|(&square, &cross)| {
                let along = if self.bias > 0.0 { cross * cross / self.bias } else { 0.0 };
                // What rounding leaves of a constant column is no deviation.
                if square - along > 1e-14 * square { ((square - along) / 2.0).sqrt() } else { 0.0 }
            })
            .collect()
    }

    /// `H d`.
    pub(crate) fn product(&self, direction: &Parameters) -> Parameters {
        let mut product = Parameters {
            weights: symmetric_product(&self.weights, &direction.weights),
            bias: self.bias * direction.bias + self.cross.dot(&direction.weights),
        };
        product.weights.scaled_add(direction.bias, &self.cross);
        product
    }
}

pub(super) fn symmetric_product(matrix: &Array2<f64>, vector: &Array1<f64>) -> Array1<f64> {
    let mut product = vec![0.0; vector.len()];
    let vector = vector.as_slice().expect("vectors of solvers are contiguous");
    let panel = Matrix::from(matrix);
    kernel::predict(&panel.strip(0..vector.len(), &mut Vec::new()), vector, 0.0, &mut product);
    product.into()
}

/// Copies what is above the diagonal below it.
pub(crate) fn mirror(matrix: &mut Array2<f64>) {
    for i in 0..matrix.nrows() {
        for j in 0..i {
            matrix[[i, j]] = matrix[[j, i]];
        }
    }
}

/// Up to this many columns a panel is read once for all pairs of them; the sums of a task still fit the second-level
/// cache. More are taken in blocks of at most as many, two blocks a task.
const MAX_BLOCK: usize = 256;
/// Of two blocks at a time, wide enough that laying them out is little beside their products.
const PAIRED_BLOCK: usize = 512;

/// Sums of one task for a block of columns `x̃`.
struct Sums {
    tiles: Tiles,
    /// `Σ s h x̃`; empty if the task's blocks are two.
    cross: Vec<f64>,
    bias: f64,
}

impl Sums {
    fn diagonal(n: usize) -> Self {
        Self { tiles: Tiles::symmetric(n), cross: vec![0.0; n], bias: 0.0 }
    }

    fn add(&mut self, packed: &Packed, roots: &[f64], next: Next) {
        self.tiles.add(packed, packed, next);
        kernel::add_products(packed, roots, &mut self.cross);
        self.bias += roots.iter().map(|root| root * root).sum::<f64>();
    }

    fn merge(&mut self, other: &Self) {
        self.tiles.merge(&other.tiles);
        self.cross.iter_mut().zip(&other.cross).for_each(|(ours, theirs)| *ours += theirs);
        self.bias += other.bias;
    }
}

/// Two blocks of columns, by index.
type Pair = (usize, usize);

impl RowObjective<'_> {
    /// The cost at `at`; its gradient is written to `gradient`, in the data's own variables. The Hessian is in `frame`'s.
    ///
    /// # Errors
    ///
    /// As [`Objective::cost`](super::Objective::cost); [`Error::Overflow`] also if a product of two columns does.
    pub(crate) fn cost_gradient_hessian(
        &self,
        at: &Parameters,
        gradient: &mut Parameters,
        frame: &Frame,
    ) -> Result<(f64, Hessian), Error> {
        let (cost, hessian) = match self.model() {
            Model::Linear => self.second_order(Linear, at, gradient, frame),
            Model::SigmoidSquaredError => self.second_order(SigmoidSquaredError, at, gradient, frame),
            Model::SigmoidLogLoss => self.second_order(SigmoidLogLoss, at, gradient, frame),
        }?;
        let finite = hessian.weights.iter().chain(&hessian.cross).all(|entry| entry.is_finite());
        if finite { Ok((cost, hessian)) } else { Err(Error::Overflow) }
    }

    fn second_order(
        &self,
        link: impl Link,
        at: &Parameters,
        gradient: &mut Parameters,
        frame: &Frame,
    ) -> Result<(f64, Hessian), Error> {
        let n = self.samples().n_features();
        if n <= MAX_BLOCK {
            self.in_one_pass(link, at, gradient, frame)
        } else {
            self.in_blocks(link, at, gradient, frame)
        }
    }

    fn in_one_pass(
        &self,
        link: impl Link,
        at: &Parameters,
        gradient: &mut Parameters,
        frame: &Frame,
    ) -> Result<(f64, Hessian), Error> {
        let (m, n) = self.samples().features().shape();
        let partition = Partition::for_products((m, n), n * n / 2 + 2 * n, 1);
        let states = (0..partition.n_chunks()).map(|_| (CostGradient::zeros(n), Sums::diagonal(n))).collect();
        let sums = self.pass(&partition, at, states, |x, targets, at, scratch, (sums, products)| {
            let panel = x.panel(0..x.n_rows(), &mut scratch.x);
            let rows = Rows::over(x, panel);
            scratch.roots.resize(panel.n_rows(), 0.0);
            let roots = &mut scratch.roots[..];
            let finite = kernel::cost_gradient(link, rows, targets, at, &mut scratch.strips, sums, Some(roots));
            scratch.packed.pack(&panel, frame.scaling(), Some(roots));
            products.add(&scratch.packed, roots, Next::after(&panel));
            finite
        })?;
        let (sums, products) = merge_tree(sums, |a, b| {
            a.0.merge(&b.0);
            a.1.merge(&b.1);
        })
        .expect("there is a chunk");
        let cost = self.divide(sums, gradient);
        let mut hessian = Hessian { weights: Array2::zeros((n, n)), cross: products.cross.into(), bias: products.bias };
        products.tiles.for_each(|i, j, value| hessian.weights[[i, j]] = value);
        Ok((cost, self.finish(hessian)))
    }

    fn in_blocks(
        &self,
        link: impl Link,
        at: &Parameters,
        gradient: &mut Parameters,
        frame: &Frame,
    ) -> Result<(f64, Hessian), Error> {
        let (m, n) = self.samples().features().shape();
        let mut roots = vec![0.0; m];
        let partition = self.strip_partition();
        let states = roots.chunks_mut(partition.chunk_rows).map(|roots| (CostGradient::zeros(n), roots)).collect();
        let sums = self.pass(partition, at, states, |x, targets, at, scratch, (sums, roots)| {
            let roots = roots.split_off_mut(..x.n_rows()).expect("one root a row");
            kernel::cost_gradient(
                link,
                Rows::of(x, &mut scratch.x),
                targets,
                at,
                &mut scratch.strips,
                sums,
                Some(roots),
            )
        })?;
        let sums = merge_tree(sums, |a, b| a.0.merge(&b.0)).expect("there is a chunk").0;
        let cost = self.divide(sums, gradient);
        let hessian = products_of_columns(self.samples().features(), frame, &roots, self.context())?;
        Ok((cost, self.finish(hessian)))
    }

    /// Fills in what lies below the diagonal, divides by the sum of the weights, and leaves out a fixed bias.
    fn finish(&self, mut hessian: Hessian) -> Hessian {
        let factor = 1.0 / self.summary().weight_sum;
        mirror(&mut hessian.weights);
        hessian.weights *= factor;
        hessian.cross *= factor;
        hessian.bias *= factor;
        if !self.intercept() {
            hessian.cross.fill(0.0);
            hessian.bias = 0.0;
        }
        hessian
    }
}

/// The sums on and above the diagonal, for any number of columns. Each pair of blocks of columns goes over the rows by
/// itself, so that its sums stay in cache; a panel is read as often as there are blocks, little beside the arithmetic.
pub(crate) fn products_of_columns(
    x: Matrix<'_>,
    frame: &Frame,
    roots: &[f64],
    context: &Context<'_>,
) -> Result<Hessian, Error> {
    let (m, n) = x.shape();
    let n_blocks = n.div_ceil(PAIRED_BLOCK);
    let width = n.div_ceil(n_blocks).next_multiple_of(kernel::TILE);
    let columns = |block: usize| block * width..((block + 1) * width).min(n);
    let pairs: Vec<Pair> = (0..n_blocks).flat_map(|right| (0..=right).map(move |left| (left, right))).collect();
    let partition = Partition::for_products((m, width), n * n / 2, pairs.len());
    let n_chunks = partition.n_chunks();
    let states = pairs.iter().flat_map(|&pair| (0..n_chunks).map(move |_| pair)).map(|(left, right)| {
        let sums = if left == right {
            Sums::diagonal(columns(left).len())
        } else {
            let tiles = Tiles::rectangular(columns(left).len(), columns(right).len());
            Sums { tiles, cross: Vec::new(), bias: 0.0 }
        };
        ((left, right), sums)
    });
    let visit = |workspace: &mut (Vec<f64>, [Packed; 2]), rows: Range<usize>, (pair, sums): &mut (Pair, Sums)| {
        let (buffer, [u, v]) = workspace;
        let roots = &roots[rows.clone()];
        let mut pack = |block: usize, packed: &mut Packed| {
            let columns = columns(block);
            let panel = x.columns(columns.clone()).panel(rows.clone(), buffer);
            packed.pack(&panel, frame.scaling().columns(columns), Some(roots));
        };
        pack(pair.0, u);
        if pair.0 == pair.1 {
            sums.add(u, roots, Next::UNKNOWN);
        } else {
            pack(pair.1, v);
            sums.tiles.add(u, v, Next::UNKNOWN);
        }
        Ok(())
    };
    let mut sums = run(context, &partition, states.collect(), Default::default, visit)?.into_iter();
    let mut hessian = Hessian { weights: Array2::zeros((n, n)), cross: Array1::zeros(n), bias: 0.0 };
    for (left, right) in pairs {
        let of_chunks = sums.by_ref().take(n_chunks).map(|(_, sums)| sums).collect();
        let total = merge_tree(of_chunks, Sums::merge).expect("there is a chunk");
        let (first_row, first_col) = (columns(left).start, columns(right).start);
        total.tiles.for_each(|i, j, value| hessian.weights[[first_row + i, first_col + j]] = value);
        if left == right {
            let block = columns(left);
            hessian.cross.as_slice_mut().expect("contiguous")[block].copy_from_slice(&total.cross);
            hessian.bias = total.bias;
        }
    }
    Ok(hessian)
}

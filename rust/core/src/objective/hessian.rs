//! The Hessian over rows: the gradient's pass, and the products of all pairs of columns.

use ndarray::{Array1, Array2};

use super::products::{Chosen, MAX_BLOCK, Sums, products_of_columns, scale_and_mirror, squares};
use super::rows::{RowObjective, Scratch};
use crate::error::Error;
use crate::frame::Frame;
use crate::kernel::link::{Linear, Link, SigmoidLogLoss};
use crate::kernel::{
    self, CostGradient, Evaluation, Next, Order, Packed, Precision, Predictor, Rows, Scaling, StripBuffers, Targets,
};
use crate::matrix::Slab;
use crate::model::{Model, Parameters};
use crate::pass::Partition;

/// `[X̃ 1]ᵀ diag(s h) [X̃ 1] / S`, in the variables of a [`Frame`]. Of squared error on the sigmoid the Gauss–Newton part,
/// unless [`RowObjective::with_bends`] asks for more.
#[derive(Clone, Debug)]
pub(crate) struct Hessian {
    /// Shape `(n, n)`, symmetric.
    pub(crate) weights: Array2<f64>,
    /// Between the weights and the bias, shape `(n,)`.
    pub(crate) cross: Array1<f64>,
    /// The bias with itself.
    pub(crate) bias: f64,
    /// That of `weights`.
    pub(crate) precision: Precision,
}

impl Hessian {
    pub(super) fn zeros(n: usize, precision: Precision) -> Self {
        Self { weights: Array2::zeros((n, n)), cross: Array1::zeros(n), bias: 0.0, precision }
    }

    /// Such as a penalty's second derivatives by the weights.
    pub(super) fn add_to_diagonal(&mut self, entries: impl Iterator<Item = f64>) {
        self.weights.diag_mut().iter_mut().zip(entries).for_each(|(h, entry)| *h += entry);
    }

    /// The mean of each column, weighted by the curvature; 0 where the bias is fixed.
    pub(crate) fn means(&self) -> impl Iterator<Item = f64> {
        self.cross.iter().map(|&cross| if self.bias > 0.0 { cross / self.bias } else { 0.0 })
    }

    /// Of the linear model, whose curvature is 2: the standard deviation of each column, from its mean or from 0.
    pub(crate) fn deviations(&self) -> Vec<f64> {
        self.squares_beside_bias().map(|square| (square / 2.0).sqrt()).collect()
    }

    /// What is left of the diagonal when the bias is eliminated; nothing of a column that is constant but for rounding.
    pub(crate) fn squares_beside_bias(&self) -> impl Iterator<Item = f64> {
        const ROUNDING: f64 = 1e-14;
        let columns = self.weights.diag().into_iter().zip(&self.cross).zip(self.means());
        columns.map(|((&square, cross), mean)| {
            let left = square - cross * mean;
            if left <= ROUNDING * square { 0.0 } else { left }
        })
    }

    /// Leaves nothing of a column.
    pub(crate) fn forget(&mut self, column: usize) {
        self.weights.row_mut(column).fill(0.0);
        self.weights.column_mut(column).fill(0.0);
        self.cross[column] = 0.0;
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

pub(crate) fn symmetric_product(matrix: &Array2<f64>, vector: &Array1<f64>) -> Array1<f64> {
    let mut product = vec![0.0; vector.len()];
    let vector = vector.as_slice().expect("vectors of solvers are contiguous");
    let at = Predictor { weights: vector, bias: 0.0, offset: None };
    kernel::predict(&matrix.into(), Order::AS_THEY_LIE, at, &mut product, &mut StripBuffers::default());
    product.into()
}

/// Sums over rows, not yet divided by that of the weights, and the rows' terms of the derivatives by their predictor.
pub(crate) struct Slopes {
    pub(crate) cost: f64,
    pub(crate) by_bias: f64,
    /// `s_i ∂c_i/∂z_i`.
    pub(crate) slopes: Vec<f64>,
    /// `√(s_i h_i)`.
    pub(crate) roots: Vec<f64>,
}

/// What a thread needs for the products of a panel.
#[derive(Default)]
pub(super) struct ProductScratch {
    roots: Vec<f64>,
    curvatures: Vec<f64>,
    packed: Packed,
}

/// With the cost, and its derivative by the bias.
struct SecondOrder {
    cost: f64,
    by_bias: f64,
    products: Sums,
    /// `Σ s`
    weight: f64,
}

impl SecondOrder {
    fn zeros(n: usize, precision: Precision) -> Self {
        Self { cost: 0.0, by_bias: 0.0, products: Sums::diagonal(n, precision), weight: 0.0 }
    }

    /// Adds the rows of a slab. Returns whether every linear predictor was finite.
    fn add(
        &mut self,
        slab: &Slab<'_>,
        evaluation: Evaluation<'_, impl Link>,
        scaling: Scaling<'_>,
        scratch: (&mut Vec<f64>, &mut ProductScratch),
        next: Next,
    ) -> bool {
        let Self { cost, by_bias, products: Sums { tiles, by_weights, cross, bias }, weight } = self;
        let (slopes, ProductScratch { roots, curvatures, packed }) = scratch;
        let n_rows = slab.n_rows();
        *weight += evaluation.targets.sample_weight.map_or(n_rows as f64, |weights| kernel::sum(weights, |s| s));
        slopes.resize(n_rows, 0.0);
        roots.resize(n_rows, 0.0);
        let finite = evaluation.cost_slopes(cost, by_bias, slopes, roots);
        let curvatures = squares(roots, curvatures);
        *bias += kernel::sum(curvatures, |curvature| curvature);
        packed.pack(slab, scaling, roots, [slopes, curvatures], [by_weights, cross], tiles.precision());
        tiles.add(packed, packed, next);
        finite
    }

    fn merge(&mut self, other: &Self) {
        self.cost += other.cost;
        self.by_bias += other.by_bias;
        self.products.merge(&other.products);
        self.weight += other.weight;
    }
}

impl RowObjective<'_> {
    /// The cost at `at`, its gradient and its Hessian, both in the variables of `frame`. Only of the Hessian the precision
    /// may be single.
    ///
    /// # Errors
    ///
    /// As [`Objective::cost`](super::Objective::cost); [`Error::Overflow`] also if a product of two columns does.
    pub(crate) fn cost_gradient_hessian(
        &self,
        at: &Parameters,
        frame: &Frame,
        precision: Precision,
    ) -> Result<(f64, Parameters, Hessian), Error> {
        self.second_order_of_some(at, frame, precision, 1)
    }

    /// The Hessian of about one row of so many.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::cost_gradient_hessian`].
    pub(crate) fn hessian_of_some(
        &self,
        at: &Parameters,
        frame: &Frame,
        precision: Precision,
        every: usize,
    ) -> Result<Hessian, Error> {
        if self.samples().n_features() <= MAX_BLOCK {
            // Rows that lie together are read in the least time.
            return Ok(self.second_order_of_some(at, frame, precision, every)?.2);
        }
        Ok(self.every(every, every / 2)?.cost_gradient_hessian(at, frame, precision)?.2)
    }

    fn second_order_of_some(
        &self,
        at: &Parameters,
        frame: &Frame,
        precision: Precision,
        every: usize,
    ) -> Result<(f64, Parameters, Hessian), Error> {
        let found = match self.model() {
            Model::Linear => self.second_order(Linear, at, frame, precision, every),
            Model::SigmoidSquaredError => self.second_order(self.squared_error(), at, frame, precision, every),
            Model::SigmoidLogLoss => self.second_order(SigmoidLogLoss, at, frame, precision, every),
        }?;
        self.finite(found)
    }

    fn finite(&self, found: (f64, Parameters, Hessian)) -> Result<(f64, Parameters, Hessian), Error> {
        // No product of two columns is larger than the larger of their squares.
        let (_, gradient, hessian) = &found;
        let mut entries = hessian.weights.diag().into_iter().chain(&hessian.cross).chain(&gradient.weights);
        if entries.all(|entry| entry.is_finite()) { Ok(found) } else { Err(self.samples().why_not_finite()) }
    }

    /// The Hessian's part of some columns, by themselves; of the first `n_known` of them alone nothing, as it is known.
    ///
    /// # Errors
    ///
    /// As [`RowObjective::cost_gradient_hessian`].
    pub(crate) fn hessian_of_columns(
        &self,
        at: &Parameters,
        frame: &Frame,
        columns: &[usize],
        n_known: usize,
    ) -> Result<Hessian, Error> {
        let (x, frame) = (Chosen::some(self.samples().features(), columns, n_known), frame.of_columns(columns));
        let found = match self.model() {
            // It is the same everywhere; without weights nothing is read to know where.
            Model::Linear => self.in_blocks(Linear, &self.null_model(), x, &frame, Precision::Double),
            Model::SigmoidSquaredError => self.in_blocks(self.squared_error(), at, x, &frame, Precision::Double),
            Model::SigmoidLogLoss => self.in_blocks(SigmoidLogLoss, at, x, &frame, Precision::Double),
        }?;
        Ok(self.finite(found)?.2)
    }

    fn second_order(
        &self,
        link: impl Link,
        at: &Parameters,
        frame: &Frame,
        precision: Precision,
        every: usize,
    ) -> Result<(f64, Parameters, Hessian), Error> {
        let n = self.samples().n_features();
        if n <= MAX_BLOCK {
            self.in_one_pass(link, at, frame, precision, every)
        } else {
            self.in_blocks(link, at, Chosen::all(self.samples().features()), frame, precision)
        }
    }

    fn in_one_pass(
        &self,
        link: impl Link,
        at: &Parameters,
        frame: &Frame,
        precision: Precision,
        every: usize,
    ) -> Result<(f64, Parameters, Hessian), Error> {
        let (m, n) = self.samples().features().shape();
        let mut partition = Partition::for_products_of_some((m, n), n * n / 2 + 2 * n, every);
        let panel_rows = partition.panel_rows;
        let features = self.samples().features();
        let in_lanes = every == 1 && features.is_f64() && Order::may_be_in_lanes(&features);
        if in_lanes {
            partition = partition.in_long_panels();
        }
        let states = (0..partition.n_chunks()).map(|_| SecondOrder::zeros(n, precision));
        let sums = self.pass(&partition, at, states, SecondOrder::merge, |x, targets, at, scratch, sums| {
            let Scratch { strips, ordered, x: buffer, slopes, products } = scratch;
            let order = if in_lanes { Order::of_rows(&x) } else { Order::AS_THEY_LIE };
            let (targets, offset) = order.columns(targets, at.offset, ordered);
            let mut finite = true;
            for places in order.parts(x.n_rows(), panel_rows) {
                let slab = order.slab(&x, places.clone(), buffer);
                let next = order.next(&slab, &places, every);
                let rows = Rows::at(&x, places.clone(), &slab);
                let sample_weight = targets.sample_weight.map(|weights| &weights[places.clone()]);
                let targets = Targets { y: &targets.y[places.clone()], sample_weight };
                let at = Predictor { offset: offset.map(|offset| &offset[places]), ..at };
                let evaluation = Evaluation { link, rows, targets, at, buffers: strips };
                finite &= sums.add(&slab, evaluation, frame.scaling(), (&mut *slopes, &mut *products), next);
            }
            finite
        })?;
        let SecondOrder { cost, by_bias, products, weight } = sums;
        let weight_sum = if every == 1 { self.summary().weight_sum } else { weight };
        let gradient = Parameters { weights: products.by_weights.to_array(), bias: by_bias };
        let (cost, gradient) = self.divide(CostGradient { cost, gradient });
        let mut hessian =
            Hessian { cross: products.cross.to_array(), bias: products.bias, ..Hessian::zeros(n, precision) };
        products.tiles.write(hessian.weights.view_mut());
        Ok((cost, gradient, self.finish(hessian, weight_sum)))
    }

    /// By the predictor of each row.
    pub(crate) fn slopes(&self, link: impl Link, at: &Parameters) -> Result<Slopes, Error> {
        let m = self.samples().n_samples();
        let (mut slopes, mut roots) = (vec![0.0; m], vec![0.0; m]);
        let chunk_rows = self.strip_partition().chunk_rows;
        let states = slopes.chunks_mut(chunk_rows).zip(roots.chunks_mut(chunk_rows)).map(|rows| ([0.0; 2], rows));
        let merge = |a: &mut ([f64; 2], _), b: &([f64; 2], _)| a.0.iter_mut().zip(b.0).for_each(|(a, b)| *a += b);
        let ([cost, by_bias], _) =
            self.evaluate(link, at, states, merge, |rows, ([cost, by_bias], (slopes, roots))| {
                let slopes = slopes.split_off_mut(..rows.n_rows()).expect("one a row");
                let roots = roots.split_off_mut(..rows.n_rows()).expect("one a row");
                rows.cost_slopes(cost, by_bias, slopes, roots)
            })?;
        Ok(Slopes { cost, by_bias, slopes, roots })
    }

    /// Of some columns, which `frame` is of as well, the gradient and the Hessian.
    fn in_blocks(
        &self,
        link: impl Link,
        at: &Parameters,
        x: Chosen<'_>,
        frame: &Frame,
        precision: Precision,
    ) -> Result<(f64, Parameters, Hessian), Error> {
        let Slopes { cost, by_bias, slopes, roots } = self.slopes(link, at)?;
        let (weights, hessian) = products_of_columns(x, frame, [&slopes, &roots], precision, self.context())?;
        let gradient = Parameters { weights, bias: by_bias };
        let (cost, gradient) = self.divide(CostGradient { cost, gradient });
        Ok((cost, gradient, self.finish(hessian, self.summary().weight_sum)))
    }

    /// Fills in what lies below the diagonal, divides by the sum of the weights, and leaves out a fixed bias.
    fn finish(&self, mut hessian: Hessian, weight_sum: f64) -> Hessian {
        let factor = 1.0 / weight_sum;
        scale_and_mirror(&mut hessian.weights, factor);
        hessian.cross *= factor;
        hessian.bias *= factor;
        if !self.intercept() {
            hessian.cross.fill(0.0);
            hessian.bias = 0.0;
        }
        hessian
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;
    use crate::context::Context;
    use crate::matrix::Matrix;
    use crate::samples::Samples;

    #[test]
    fn a_hessian_of_some_rows_is_that_of_these_rows() {
        for (n, every) in [(1, 2), (5, 17), (40, 3), (300, 5)] {
            let m = 7000;
            let x = Array2::from_shape_fn((m, n), |(i, j)| ((i * 37 + j * 11) as f64 * 0.7).sin());
            let y = Array1::from_shape_fn(m, |i| f64::from(u8::from(i % 3 == 0)));
            let weights = Array1::from_shape_fn(m, |i| 1.0 + (i % 4) as f64);
            let at = Parameters { weights: Array1::from_elem(n, 0.1), bias: 0.2 };
            let frame = Frame::identity(n);
            let context = Context::default();
            for is_weighted in [false, true] {
                let samples =
                    if is_weighted { Samples::weighted(&x, &y, &weights) } else { Samples::new(&x, &y) }.unwrap();
                let rows = RowObjective::new(Model::SigmoidLogLoss, samples, true, &context).unwrap();
                let found = rows.hessian_of_some(&at, &frame, Precision::Double, every).unwrap();
                let partition = Partition::for_products_of_some((m, n), 1, every);
                let is_visited = |i: usize| {
                    if n > MAX_BLOCK {
                        return i % every == every / 2;
                    }
                    i / partition.panel_rows % every == every / 2
                };
                let weight = |i: usize| if is_weighted { weights[i] } else { 1.0 };
                let some = Array1::from_shape_fn(m, |i| if is_visited(i) { weight(i) } else { 0.0 });
                let of_these = rows.with_weights(&some).unwrap();
                let expected = of_these.cost_gradient_hessian(&at, &frame, Precision::Double).unwrap().2;
                let differences = [
                    &found.weights - &expected.weights,
                    (&found.cross - &expected.cross).insert_axis(ndarray::Axis(0)),
                ];
                assert!(differences.iter().flatten().all(|difference| difference.abs() < 1e-14), "{n} columns");
                assert!((found.bias - expected.bias).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn a_hessian_of_some_columns_is_that_part_of_the_whole() {
        let (m, n) = (700, 620);
        let host = Array2::from_shape_fn((m, n), |(i, j)| ((i * 37 + j * 11) as f32 * 0.7).sin());
        let wide = host.mapv(f64::from);
        let by_columns = wide.t().as_standard_layout().into_owned();
        let y = Array1::from_shape_fn(m, |i| f64::from(u8::from(i % 3 == 0)));
        let at = Parameters { weights: Array1::from_shape_fn(n, |j| (j as f64).cos() * 0.01), bias: 0.2 };
        let frame = Frame::new(vec![0.1; n], (0..n).map(|j| 1.0 + (j % 5) as f64).collect());
        let context = Context::default();
        for (x, what) in
            [(Matrix::from(&wide), "rows"), (by_columns.t().into(), "columns"), ((&host).into(), "single precision")]
        {
            for model in [Model::Linear, Model::SigmoidLogLoss] {
                let rows = RowObjective::new(model, Samples::new(x, &y).unwrap(), true, &context).unwrap();
                let whole = rows.cost_gradient_hessian(&at, &frame, Precision::Double).unwrap().2;
                for (step, n_known) in [(1, 0), (1, 5), (1, 560), (7, 0), (7, 33), (300, 0), (300, 1)] {
                    let columns: Vec<usize> = (3..n).step_by(step).collect();
                    let part = rows.hessian_of_columns(&at, &frame, &columns, n_known).unwrap();
                    assert!((part.bias - whole.bias).abs() < 1e-13);
                    for (i, &row) in columns.iter().enumerate() {
                        let expected = if i < n_known { 0.0 } else { whole.cross[row] };
                        assert!((part.cross[i] - expected).abs() < 1e-13, "{what}, every {step}");
                        for (j, &column) in columns.iter().enumerate() {
                            let expected = if i.max(j) < n_known { 0.0 } else { whole.weights[[row, column]] };
                            let difference = part.weights[[i, j]] - expected;
                            assert!(difference.abs() < 1e-13, "{what}, every {step}, {n_known}: {row}, {column}");
                        }
                    }
                }
            }
        }
    }

    /// Rows of `f64` are taken in lanes, what has to be widened as it lies.
    #[test]
    fn rows_in_lanes_have_the_hessian_of_the_same_rows_as_they_lie() {
        for (m, n) in [(3001, 33), (20_000, 9), (500, 256), (130, 200)] {
            let host = Array2::from_shape_fn((2 * m, n + 3), |(i, j)| ((i * 37 + j * 11) as f32 * 0.7).sin());
            let wide = host.mapv(f64::from);
            let (y, weights) = (
                Array1::from_shape_fn(m, |i| f64::from(u8::from(i % 3 == 0))),
                Array1::from_shape_fn(m, |i| (i % 4) as f64),
            );
            let offset = Array1::from_shape_fn(m, |i| (i as f64 * 0.3).cos());
            let at = Parameters { weights: Array1::from_elem(n, 0.1), bias: 0.2 };
            let (frame, context) = (Frame::identity(n), Context::default());
            let of = |x: Matrix<'_>, precision| {
                let samples = Samples::weighted(x, &y, &weights).unwrap().with_offset(&offset).unwrap();
                let rows = RowObjective::new(Model::SigmoidLogLoss, samples, true, &context).unwrap();
                rows.cost_gradient_hessian(&at, &frame, precision).unwrap()
            };
            for (what, window) in [
                ("apart", s![..m, 1..=n]),
                ("every second", s![..;2, ..n]),
                ("backwards", s![m..;-1, 2..n + 2]),
                ("columns apart", s![..m, 3..;-1]),
            ] {
                let (x, widened) = (wide.slice(window), host.slice(window));
                for (precision, tolerance) in [(Precision::Double, 1e-13), (Precision::Single, 1e-5)] {
                    let (cost, gradient, hessian) = of(x.into(), precision);
                    let expected = of(widened.into(), Precision::Double);
                    assert!((cost - expected.0).abs() < 1e-13, "{what}, {m} × {n}");
                    let far =
                        |a: &Array1<f64>, b: &Array1<f64>| (a - b).iter().fold(0.0, |most: f64, d| most.max(d.abs()));
                    assert!(far(&gradient.weights, &expected.1.weights) < 1e-13, "{what}, {m} × {n}");
                    assert!(far(&hessian.cross, &expected.2.cross) < 1e-13, "{what}, {m} × {n}");
                    let differences = &hessian.weights - &expected.2.weights;
                    assert!(differences.iter().all(|d| d.abs() < tolerance), "{what}, {m} × {n}, {precision:?}");
                }
            }
        }
    }
}

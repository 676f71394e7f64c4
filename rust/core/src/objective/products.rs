//! The products of all pairs of columns, of any number of columns.

use std::ops::Range;

use ndarray::{Array1, Array2, s};

use super::hessian::Hessian;
use crate::context::Context;
use crate::error::Error;
use crate::frame::Frame;
use crate::kernel::{self, Next, Packed, Precision, RowSums, Tiles};
use crate::matrix::{Matrix, Slab};
use crate::pass::{Partition, run};

/// Up to this many columns a panel is read once for all pairs of them; the sums of a task still fit the second-level
/// cache. More are taken in blocks, two a task.
pub(crate) const MAX_BLOCK: usize = 256;
/// Of two blocks at a time, wide enough that laying them out is little beside their products.
const PAIRED_BLOCK: usize = 512;

/// The columns of which products are formed: all, or some. The first few may be known: products among these are not formed.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a> {
    x: Matrix<'a>,
    columns: Option<&'a [usize]>,
    n_known: usize,
}

impl<'a> Chosen<'a> {
    pub(super) fn all(x: Matrix<'a>) -> Self {
        Self { x, columns: None, n_known: 0 }
    }

    pub(super) fn some(x: Matrix<'a>, columns: &'a [usize], n_known: usize) -> Self {
        Self { x, columns: Some(columns), n_known }
    }

    fn shape(&self) -> (usize, usize) {
        (self.x.n_rows(), self.columns.map_or(self.x.n_cols(), <[usize]>::len))
    }

    /// A block of them, and what memory should bring meanwhile; nothing where the next rows' values are not in one place.
    fn slab<'p>(&self, rows: Range<usize>, block: Range<usize>, buffer: &'p mut Vec<f64>) -> (Slab<'p>, Next)
    where
        'a: 'p,
    {
        if let Some(columns) = self.columns {
            return (self.x.slab_of_columns(rows, &columns[block], buffer), Next::UNKNOWN);
        }
        let slab = self.x.columns(block).slab(rows, buffer);
        let next = Next::after(&slab, 1);
        (slab, next)
    }
}

/// Sums of one task for a block of columns `x̃`.
pub(super) struct Sums {
    pub(super) tiles: Tiles,
    /// Of one block alone, with itself: `Σ s c' x̃` and `Σ s h x̃`.
    pub(super) by_weights: RowSums,
    pub(super) cross: RowSums,
    pub(super) bias: f64,
}

impl Sums {
    pub(super) fn diagonal(n: usize, precision: Precision) -> Self {
        let (by_weights, cross) = (RowSums::zeros(n), RowSums::zeros(n));
        Self { tiles: Tiles::symmetric(n, precision), by_weights, cross, bias: 0.0 }
    }

    fn of_two(n_left: usize, n_right: usize, precision: Precision) -> Self {
        Self { tiles: Tiles::rectangular(n_left, n_right, precision), ..Self::diagonal(0, precision) }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.tiles.merge(&other.tiles);
        self.by_weights.merge(&other.by_weights);
        self.cross.merge(&other.cross);
        self.bias += other.bias;
    }
}

/// `s h` of each row, from its root.
pub(super) fn squares<'c>(roots: &[f64], curvatures: &'c mut Vec<f64>) -> &'c [f64] {
    curvatures.clear();
    curvatures.extend(roots.iter().map(|root| root * root));
    curvatures
}

/// Scales what is on and above the diagonal, and copies it below.
pub(super) fn scale_and_mirror(matrix: &mut Array2<f64>, factor: f64) {
    /// A square of so many entries a side is in the nearest cache, whichever way it is gone through.
    const SIDE: usize = 32;
    let n = matrix.nrows();
    for first_row in (0..n).step_by(SIDE) {
        for first_col in (0..=first_row).step_by(SIDE) {
            for i in first_row..n.min(first_row + SIDE) {
                for j in first_col..(i + 1).min(first_col + SIDE) {
                    matrix[[j, i]] *= factor;
                    matrix[[i, j]] = matrix[[j, i]];
                }
            }
        }
    }
}

/// Two blocks of columns, by index.
type Pair = (usize, usize);

/// `X Xᵀ`.
pub(crate) fn products_of_rows(x: Matrix<'_>, context: &Context<'_>) -> Result<Array2<f64>, Error> {
    let (m, n) = x.shape();
    let frame = Frame::identity(m);
    let ones = vec![1.0; n];
    let (_, hessian) =
        products_of_columns(Chosen::all(x.transposed()), &frame, [&ones, &ones], Precision::Double, context)?;
    let mut products = hessian.weights;
    scale_and_mirror(&mut products, 1.0);
    Ok(products)
}

/// But for the last, which may be shorter.
fn equal_blocks(columns: Range<usize>, precision: Precision) -> Vec<Range<usize>> {
    let width = columns.len().div_ceil(columns.len().div_ceil(PAIRED_BLOCK).max(1));
    let width = width.next_multiple_of(precision.n_entries());
    columns.clone().step_by(width.max(1)).map(|first| first..(first + width).min(columns.end)).collect()
}

/// What a thread needs for a pair of blocks.
#[derive(Default)]
struct Blocks {
    buffer: Vec<f64>,
    curvatures: Vec<f64>,
    packed: [Packed; 2],
}

/// The sums on and above the diagonal, for any number of columns, and those of the columns times `slopes`; 0 where they are
/// known. Each pair of blocks of columns goes over the rows by itself, so that its sums stay in cache; a panel is read as often
/// as there are blocks, little beside the arithmetic.
pub(super) fn products_of_columns(
    x: Chosen<'_>,
    frame: &Frame,
    [slopes, roots]: [&[f64]; 2],
    precision: Precision,
    context: &Context<'_>,
) -> Result<(Array1<f64>, Hessian), Error> {
    let (m, n) = x.shape();
    let mut blocks = equal_blocks(0..x.n_known, precision);
    let n_known = blocks.len();
    blocks.extend(equal_blocks(x.n_known..n, precision));
    let columns = |block: usize| blocks[block].clone();
    let pairs: Vec<Pair> =
        (n_known..blocks.len()).flat_map(|right| (0..=right).map(move |left| (left, right))).collect();
    let width = blocks.iter().map(Range::len).max().expect("a block");
    let partition = Partition::for_products((m, width), n * n / 2, pairs.len());
    let n_chunks = partition.n_chunks();
    let states = (0..pairs.len() * n_chunks).map(|task| {
        let (left, right) = pairs[task / n_chunks];
        let sums = if left == right {
            Sums::diagonal(columns(left).len(), precision)
        } else {
            Sums::of_two(columns(left).len(), columns(right).len(), precision)
        };
        ((left, right), sums)
    });
    let visit = |workspace: &mut Blocks, rows: Range<usize>, (pair, sums): &mut (Pair, Sums)| {
        let Blocks { buffer, curvatures, packed: [u, v] } = workspace;
        let roots = &roots[rows.clone()];
        let (left, right) = (columns(pair.0), columns(pair.1));
        let scaling = |columns: &Range<usize>| frame.scaling().columns(columns.clone());
        let (slab, next) = x.slab(rows.clone(), left.clone(), buffer);
        if left == right {
            let curvatures = squares(roots, curvatures);
            sums.bias += kernel::sum(curvatures, |curvature| curvature);
            let of_columns = [&mut sums.by_weights, &mut sums.cross];
            u.pack(&slab, scaling(&left), roots, [&slopes[rows], curvatures], of_columns, precision);
            sums.tiles.add(u, u, next);
        } else {
            u.pack(&slab, scaling(&left), roots, [], [], precision);
            let (slab, next) = x.slab(rows, right.clone(), buffer);
            v.pack(&slab, scaling(&right), roots, [], [], precision);
            sums.tiles.add(u, v, next);
        }
        Ok(())
    };
    let merge = |a: &mut (Pair, Sums), b: &(Pair, Sums)| a.1.merge(&b.1);
    let sums = run(context, &partition, states, Blocks::default, visit, merge)?;
    let (mut by_weights, mut hessian) = (Array1::zeros(n), Hessian::zeros(n, precision));
    for ((left, right), total) in sums {
        let block = s![columns(left), columns(right)];
        total.tiles.write(hessian.weights.slice_mut(block));
        if left == right {
            let block = s![columns(left)];
            by_weights.slice_mut(block).assign(&total.by_weights.to_array());
            hessian.cross.slice_mut(block).assign(&total.cross.to_array());
            hessian.bias = total.bias;
        }
    }
    Ok((by_weights, hessian))
}

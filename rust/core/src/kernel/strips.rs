//! The strips in which a kernel goes through rows.

use std::ops::Range;

use super::sums::SEGMENT_ROWS;
use super::{Next, Targets};
use crate::matrix::{FEW_COLUMNS, GROUP, LONG_PIECE_ROWS, Matrix, Panel, Slab, Strip, transpose};
use crate::processor::{reads_long_columns, reads_most_in_one_run};

/// A strip fills at most this much of the first-level cache, where its rows still are when they are used the second
/// time, beside everything else that is there.
const STRIP_BYTES: usize = 12 << 10;
/// With few columns a shorter strip asks for fewer lines at a time.
const FEW_COLUMNS_STRIP_BYTES: usize = 8 << 10;
/// A strip by columns fills at most this much of the second-level cache, unless it has more columns than that allows; on AMD's
/// processors at most twice as much where it is in place.
const COLUMNS_BYTES: usize = 512 << 10;

/// Rows that a kernel goes through, a strip at a time.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'p> {
    /// Packed, where they have to be, strip by strip.
    Matrix(Matrix<'p>),
    /// Rows of a slab. They are taken as they lie, and what is ahead is asked for elsewhere.
    Slab(Matrix<'p>),
    Panel(Panel<'p>),
}

/// The order in which rows are gone through.
///
/// The first come from eight lanes, so many rows each that follow one another, a row of each lane in turn: of data that lie
/// row by row some processors read more where they do so in several places at the same time. Then come the rest as they lie.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    lane_rows: usize,
}

/// Room for one strip.
#[derive(Default)]
pub(crate) struct StripBuffers {
    pub(super) x: Vec<f64>,
    pub(super) z: Vec<f64>,
    pub(super) exponentials: Vec<f64>,
    pub(super) lane_sums: Vec<f64>,
    pub(super) ordered: Ordered,
}

/// Room for columns in the order of their rows' visits.
#[derive(Default)]
pub(crate) struct Ordered {
    pub(super) y: Vec<f64>,
    pub(super) sample_weight: Vec<f64>,
    pub(super) offset: Vec<f64>,
}

impl<'p> Rows<'p> {
    /// The rows at some places, of which a slab has been made; of few columns they are never in lanes. Which of the two it is
    /// decides the order of sums, and must not depend on what had to be packed.
    pub(crate) fn at(matrix: &Matrix<'p>, places: Range<usize>, slab: &Slab<'p>) -> Self {
        match slab {
            Slab::Panel(panel) if matrix.n_cols() > FEW_COLUMNS && !matrix.is_by_columns() => Self::Panel(*panel),
            _ => Self::Slab(matrix.rows(places)),
        }
    }

    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Matrix(matrix) | Self::Slab(matrix) => matrix.shape(),
            Self::Panel(panel) => (panel.n_rows(), panel.n_cols()),
        }
    }

    /// The most rows that make a strip.
    pub(super) fn strip_rows(&self) -> usize {
        match self {
            Self::Matrix(matrix) | Self::Slab(matrix) if matrix.is_by_columns() => {
                strip_rows_of_columns(matrix.n_cols(), matrix.size_in_place())
            }
            _ => strip_rows(self.shape().1),
        }
    }

    pub(super) fn order(&self) -> Order {
        match self {
            Self::Matrix(matrix) => Order::of_rows(matrix),
            Self::Slab(_) | Self::Panel(_) => Order::AS_THEY_LIE,
        }
    }

    /// The rows of each strip, in this order.
    pub(super) fn strips(&self, order: Order) -> impl Iterator<Item = Range<usize>> + use<> {
        order.parts(self.shape().0, self.strip_rows())
    }

    pub(super) fn strip<'s>(&'s self, order: Order, rows: Range<usize>, buffer: &'s mut Vec<f64>) -> Strip<'s> {
        match self {
            Self::Matrix(matrix) if rows.start < order.in_lanes() => order.strip_in_lanes(matrix, rows, buffer),
            Self::Matrix(matrix) => matrix.strip(rows, buffer),
            Self::Slab(matrix) => matrix.strip(rows, buffer).without_ahead(),
            Self::Panel(panel) => Strip::Rows(panel.rows(rows)).without_ahead(),
        }
    }
}

impl Order {
    pub(crate) const AS_THEY_LIE: Self = Self { lane_rows: 0 };

    pub(crate) fn of_rows(matrix: &Matrix<'_>) -> Self {
        Self { lane_rows: if Self::may_be_in_lanes(matrix) { lane_rows(matrix.shape()) } else { 0 } }
    }

    /// The order in which predictors alone of some rows of a matrix are formed, which does not change them. What the caches hold is
    /// read as fast in one place, and so are long rows or few of them.
    pub(crate) fn of_predictors(all: &Matrix<'_>, some: &Matrix<'_>) -> Self {
        const LARGE: usize = 16 << 20;
        const LONG_ROW: usize = 4 << 10;
        const MIN_LANE_ROWS: usize = 32;
        let row_bytes = all.n_cols() * size_of::<f64>();
        let order = Self::of_rows(some);
        let pays = all.n_rows() * row_bytes >= LARGE && row_bytes <= LONG_ROW && order.lane_rows >= MIN_LANE_ROWS;
        if pays { order } else { Self::AS_THEY_LIE }
    }

    /// Whether many rows of it are in lanes.
    pub(crate) fn may_be_in_lanes(matrix: &Matrix<'_>) -> bool {
        // What has to be packed is so faster in one run.
        let is_read_in_place = matrix.is_f64() || matrix.is_f32();
        is_read_in_place && matrix.n_cols() > FEW_COLUMNS && !matrix.is_by_columns() && !reads_most_in_one_run()
    }

    fn in_lanes(self) -> usize {
        GROUP * self.lane_rows
    }

    /// Places in this order, so many at a time; those in lanes apart from the rest.
    pub(crate) fn parts(self, n_rows: usize, part_rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let of = move |rows: Range<usize>| {
            rows.clone().step_by(part_rows).map(move |start| start..(start + part_rows).min(rows.end))
        };
        of(0..self.in_lanes()).chain(of(self.in_lanes()..n_rows))
    }

    /// What memory should bring while a part's slab is worked on: of slabs of which one in so many is visited, the next;
    /// none where that is not known.
    pub(crate) fn next(self, slab: &Slab<'_>, places: &Range<usize>, every: usize) -> Next {
        let ends_lanes = places.start < self.in_lanes() && self.in_lanes() < places.end + slab.n_rows();
        if ends_lanes { Next::UNKNOWN } else { Next::after(slab, every) }
    }

    /// The rows at one part's places, for products of their columns.
    pub(crate) fn slab<'s>(self, matrix: &Matrix<'s>, places: Range<usize>, buffer: &'s mut Vec<f64>) -> Slab<'s> {
        if places.start < self.in_lanes() {
            self.panel_in_lanes(matrix, places, buffer).into()
        } else {
            matrix.slab(places, buffer)
        }
    }

    /// The rows at one part's places, for predictors, which are the same in any form: few rows are packed, as rows.
    pub(super) fn strip_of_predictors<'s>(
        self,
        matrix: &Matrix<'s>,
        places: Range<usize>,
        buffer: &'s mut Vec<f64>,
    ) -> Strip<'s> {
        const FEW_ROWS: usize = 32;
        if places.start < self.in_lanes() {
            self.strip_in_lanes(matrix, places, buffer)
        } else if places.len() < FEW_ROWS && matrix.n_cols() > FEW_COLUMNS {
            Strip::Rows(matrix.panel(places, buffer))
        } else {
            matrix.strip(places, buffer)
        }
    }

    /// The rows at one part's places, which are in lanes.
    fn strip_in_lanes<'s>(self, matrix: &Matrix<'s>, places: Range<usize>, buffer: &'s mut Vec<f64>) -> Strip<'s> {
        matrix.strip_of_lanes(places.start / GROUP..places.end / GROUP, self.lane_rows, buffer)
    }

    /// The same for products of their columns.
    fn panel_in_lanes<'s>(self, matrix: &Matrix<'s>, places: Range<usize>, buffer: &'s mut Vec<f64>) -> Panel<'s> {
        matrix.panel_of_lanes(places.start / GROUP..places.end / GROUP, self.lane_rows, buffer)
    }

    /// What goes with the rows, in this order.
    pub(crate) fn columns<'s>(
        self,
        targets: Targets<'s>,
        offset: Option<&'s [f64]>,
        room: &'s mut Ordered,
    ) -> (Targets<'s>, Option<&'s [f64]>) {
        let y = self.of(targets.y, &mut room.y);
        let sample_weight = targets.sample_weight.map(|weights| self.of(weights, &mut room.sample_weight));
        (Targets { y, sample_weight }, offset.map(|offset| self.of(offset, &mut room.offset)))
    }

    /// A column in this order.
    pub(super) fn of<'s>(self, column: &'s [f64], buffer: &'s mut Vec<f64>) -> &'s [f64] {
        if self.lane_rows == 0 {
            return column;
        }
        let (lanes, rest) = column.split_at(self.in_lanes());
        transpose(lanes, (GROUP, self.lane_rows), buffer);
        buffer.extend_from_slice(rest);
        buffer
    }

    /// How many bytes ahead of a strip's values of a column to ask for more: they are often too few at a time for the processor
    /// to foresee what comes, unless the column has just been put in this order.
    pub(super) fn ahead_of_columns(self) -> Option<usize> {
        const DISTANCE: usize = 4 << 10;
        (self.lane_rows == 0).then_some(DISTANCE)
    }

    /// Puts a column that is in this order as its rows lie.
    pub(super) fn restore(self, column: &mut [f64], buffer: &mut Vec<f64>) {
        if self.lane_rows > 0 {
            let (lanes, _) = column.split_at_mut(self.in_lanes());
            transpose(lanes, (self.lane_rows, GROUP), buffer);
            lanes.copy_from_slice(buffer);
        }
    }
}

/// Rows of each lane, by the shape alone; 0 where there are none.
fn lane_rows((n_rows, n_cols): (usize, usize)) -> usize {
    /// Lanes at least so far apart, in bytes of `f64`, are worth it.
    const MIN_APART: usize = 16 << 10;
    /// Places this far apart share one in the nearest cache.
    const SAME_PLACE: usize = 4096;
    let (row_bytes, most) = (n_cols * size_of::<f64>(), n_rows / GROUP);
    if n_cols <= FEW_COLUMNS || most * row_bytes < MIN_APART {
        return 0;
    }
    let collide = |rows: usize| {
        let offset = rows * row_bytes % SAME_PLACE;
        offset.min(SAME_PLACE - offset) < SAME_PLACE / GROUP
    };
    (0..GROUP.min(most)).map(|fewer| most - fewer).find(|&rows| !collide(rows)).unwrap_or(most)
}

/// The rows of a strip in parts that are summed one after the other: in segments, unless there are few columns, whose strips
/// all have the same length.
#[inline(always)]
pub(super) fn segments((n_rows, n_cols): (usize, usize)) -> impl Iterator<Item = Range<usize>> + Clone + use<> {
    let segment_rows = if n_cols > FEW_COLUMNS { SEGMENT_ROWS } else { n_rows.max(1) };
    (0..n_rows).step_by(segment_rows).map(move |start| start..(start + segment_rows).min(n_rows))
}

/// Rows of `n_cols` columns that make a strip.
fn strip_rows(n_cols: usize) -> usize {
    let bytes = if n_cols <= FEW_COLUMNS { FEW_COLUMNS_STRIP_BYTES } else { STRIP_BYTES };
    let strip_rows = (bytes / size_of::<f64>() / n_cols.max(1)).max(GROUP);
    strip_rows - strip_rows % GROUP
}

/// The same where these lie column by column, in place with elements of so many bytes, or packed. Pieces of columns are longer
/// than a strip of rows needs, as memory delivers more of a few long pieces than of many short ones, but the strip stays in the
/// second-level cache. Of more columns than that allows, pieces in place are so long that it need not; what is packed gets
/// shorter, to bound its memory. AMD's processors read longer pieces faster yet.
/// A power of two, so that panels hold whole strips.
fn strip_rows_of_columns(n_cols: usize, size_in_place: Option<usize>) -> usize {
    const LONGER_ROWS: usize = 4 * SEGMENT_ROWS;
    let in_place = size_in_place.is_some();
    let size = size_in_place.unwrap_or(size_of::<f64>());
    let rows = COLUMNS_BYTES / size / n_cols.max(1);
    if in_place && LONGER_ROWS <= 2 * rows && reads_long_columns() {
        LONGER_ROWS
    } else if in_place && rows < SEGMENT_ROWS {
        LONG_PIECE_ROWS
    } else {
        let most = (SEGMENT_ROWS * size_of::<f64>() / size).min(LONGER_ROWS);
        1 << rows.clamp(GROUP, most).ilog2()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView2, s};

    use super::*;

    #[test]
    fn strips_hold_whole_groups_of_rows() {
        for n_cols in 0..50_000 {
            let packed = strip_rows_of_columns(n_cols, None);
            let in_place = [1, 4, 8].map(|size| strip_rows_of_columns(n_cols, Some(size)));
            for rows in [strip_rows(n_cols), packed].into_iter().chain(in_place) {
                assert!(rows >= GROUP && rows.is_multiple_of(GROUP), "{rows} of {n_cols} columns");
            }
            let bytes = packed * n_cols * size_of::<f64>();
            assert!(bytes <= COLUMNS_BYTES || packed == GROUP, "{bytes} bytes of {n_cols} columns");
        }
    }

    /// Checks that strips have each row once, with its own values of a column. Returns how many rows are in lanes.
    fn check(x: ArrayView2<'_, f64>) -> usize {
        let m = x.nrows();
        let rows = Rows::Matrix(Matrix::from(x));
        let order = rows.order();
        let indices: Vec<_> = (0..m).map(|i| i as f64).collect();
        let (mut ordered, mut buffer) = (Vec::new(), Vec::new());
        let ordered = order.of(&indices, &mut ordered).to_vec();
        let mut next = 0;
        for strip_rows in rows.strips(order) {
            assert!(strip_rows.start == next && !strip_rows.is_empty() && strip_rows.len() <= rows.strip_rows());
            next = strip_rows.end;
            let Strip::Rows(panel) = rows.strip(order, strip_rows.clone(), &mut buffer) else { panic!("columns") };
            assert_eq!(panel.n_rows(), strip_rows.len());
            for (i, &index) in ordered[strip_rows].iter().enumerate() {
                assert!(panel.row(i).iter().eq(x.row(index as usize)), "row {index} of {m}");
            }
        }
        assert_eq!(next, m);
        let mut restored = ordered;
        order.restore(&mut restored, &mut buffer);
        assert_eq!(restored, indices);
        order.in_lanes()
    }

    #[test]
    fn every_order_has_each_row_once_with_its_values() {
        for n in [8, 9, 32, 35, 64, 512] {
            for m in (8..70).chain([1000, 4096, 4099]) {
                let x = Array2::from_shape_fn((m, n + 3), |(i, j)| (i * (n + 3) + j) as f64);
                let in_lanes = check(x.slice(s![.., ..n]));
                assert!(in_lanes <= m && (in_lanes > 0 || m < 4096), "{m} × {n}: {in_lanes}");
                check(x.slice(s![..;-1, 1..=n]));
                check(x.slice(s![..;3, 3..]));
                check(x.slice(s![.., ..n;-1]));
            }
        }
    }

    #[test]
    fn lanes_differ_in_their_places_in_the_nearest_cache() {
        for n in [16, 32, 64, 128] {
            let offset = lane_rows((4096, n)) * n * size_of::<f64>() % 4096;
            assert!(offset > 0, "{n} columns");
        }
        assert_eq!(lane_rows((100, 32)), 0, "too few rows");
        assert_eq!(lane_rows((100_000, FEW_COLUMNS)), 0, "too few columns");
        let in_lanes = |matrix: Matrix<'_>| Rows::Matrix(matrix).order().in_lanes();
        assert_eq!(in_lanes(Array2::<f64>::zeros((32, 4096)).t().into()), 0, "columns lie together");
        assert_eq!(in_lanes((&Array2::<u8>::zeros((4096, 32))).into()), 0, "has to be packed");
    }
}

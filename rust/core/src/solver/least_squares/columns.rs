//! Variables in which every column is of size about 1, reached without a rounding error.
//!
//! `x̃ = (x − c) / s` with `s` a power of two rounds nothing, nor does `x − c` where `c/2 ≤ x ≤ 2c` (Sterbenz). So a
//! column is shifted only if that holds for all its values, and then needs it most; the data in the new variables are the
//! data, not their neighbours.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::context::Context;
use crate::error::Error;
use crate::frame::power_of_two_below;
use crate::matrix::Panel;
use crate::pass::run;
use crate::samples::{Samples, Summary, WeightUnits, without_offset};

/// Rows that are worked on side by side; one AVX-512 register.
pub(super) const LANES: usize = 8;
pub(super) type Lane = [f64; LANES];

/// The change of variables of one column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) centre: f64,
    pub(super) scale: f64,
    pub(super) inverse_scale: f64,
    /// The largest `|x|`; half a unit in its last place is what a value was rounded by when it was stored.
    pub(super) magnitude: f64,
}

impl Column {
    /// For values between `low` and `high`, with a further one of size `extra` among them after the shift.
    fn of(Extent { low, high }: Extent, centred: bool, extra: f64) -> Self {
        let magnitude = low.abs().max(high.abs());
        let middle = low / 2.0 + high / 2.0;
        let exact = low.signum() == high.signum() && low.abs().min(high.abs()) >= middle.abs() / 2.0;
        let centre = if centred && exact { middle } else { 0.0 };
        let size = (low - centre).abs().max((high - centre).abs()).max(extra);
        let scale = if size > 0.0 { power_of_two_below(size).max(f64::MIN_POSITIVE) } else { 1.0 };
        Self { centre, scale, inverse_scale: scale.recip(), magnitude }
    }

    #[inline(always)]
    fn enter(&self, value: f64) -> f64 {
        (value - self.centre) * self.inverse_scale
    }
}

/// The least and the greatest value.
#[derive(Clone, Copy)]
struct Extent {
    low: f64,
    high: f64,
}

impl Extent {
    const NONE: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    #[inline(always)]
    fn take(&mut self, value: f64) {
        self.low = if value < self.low { value } else { self.low };
        self.high = if value > self.high { value } else { self.high };
    }

    fn merge(&mut self, other: &Self) {
        *self = Self { low: self.low.min(other.low), high: self.high.max(other.high) };
    }
}

/// The data set in the new variables, and how to read it.
pub(super) struct Problem<'a> {
    pub(super) samples: &'a Samples<'a>,
    pub(super) features: Vec<Column>,
    pub(super) target: Column,
    pub(super) intercept: bool,
    /// `S`, in `weight_units`.
    pub(super) weight_sum: f64,
    weight_units: WeightUnits,
    /// `l2 S / 2`: what multiplies `w_j²` where the residuals' squares are multiplied by `s_i`.
    pub(super) penalty: f64,
}

impl<'a> Problem<'a> {
    /// Looks at all values once.
    ///
    /// # Errors
    ///
    /// [`Error::NonFiniteMatrix`].
    pub(super) fn new(
        samples: &'a Samples<'a>,
        summary: &Summary,
        context: &Context<'_>,
        intercept: bool,
        l2: f64,
    ) -> Result<Self, Error> {
        let Summary { weight_sum, weight_units, .. } = *summary;
        let n = samples.n_features();
        let partition = samples.partition();
        let states = (0..partition.n_chunks()).map(|_| vec![Extent::NONE; n + 1]);
        let visit = |buffers: &mut Buffers, rows: Range<usize>, extents: &mut Vec<Extent>| {
            let panel = samples.x(rows.clone(), &mut buffers.x);
            let y = samples.y(rows.clone(), &mut buffers.y);
            let weights = samples.sample_weight(rows.clone(), y, &mut buffers.sample_weight, &weight_units);
            let offset = samples.offset(rows.clone(), &mut buffers.offset);
            let y = without_offset(y, offset, &mut buffers.difference);
            let finite = Arch::new().dispatch(Extents { panel: &panel, y, weights, extents });
            if finite { Ok(()) } else { Err(samples.why_not_finite()) }
        };
        let merge = |a: &mut Vec<Extent>, b: &Vec<Extent>| a.iter_mut().zip(b).for_each(|(a, b)| a.merge(b));
        let mut extents = run(context, &partition, states, Buffers::default, visit, merge)?.swap_remove(0);
        let target = Column::of(extents.pop().expect("the targets are last"), intercept, 0.0);
        let penalty = 0.5 * l2 * weight_sum;
        let root = penalty.sqrt();
        let features = extents.into_iter().map(|extent| Column::of(extent, intercept, root)).collect();
        Ok(Self { samples, features, target, intercept, weight_sum, weight_units, penalty })
    }

    /// Columns of the constant and the features.
    pub(super) fn n_parameters(&self) -> usize {
        self.features.len() + usize::from(self.intercept)
    }

    /// Lays out rows in the new variables.
    pub(super) fn fill(&self, block: &mut Block, buffers: &mut Buffers, rows: Range<usize>) {
        let panel = self.samples.x(rows.clone(), &mut buffers.x);
        let y = self.samples.y(rows.clone(), &mut buffers.y);
        let weights = self.samples.sample_weight(rows.clone(), y, &mut buffers.sample_weight, &self.weight_units);
        let offset = self.samples.offset(rows.clone(), &mut buffers.offset);
        let y = without_offset(y, offset, &mut buffers.difference);
        let n_lanes = rows.len().div_ceil(LANES);
        block.n_rows = rows.len();
        block.x.resize(n_lanes * self.features.len(), [0.0; LANES]);
        Arch::new().dispatch(Pack { panel: &panel, columns: &self.features, x: &mut block.x });
        let y = y.iter().map(|&y| self.target.enter(y));
        fill_lanes(&mut block.y, n_lanes, y);
        match weights {
            Some(weights) => fill_lanes(&mut block.weights, n_lanes, weights.iter().copied()),
            None => fill_lanes(&mut block.weights, n_lanes, rows.map(|_| 1.0)),
        }
        block.forget_rows_without_weight();
    }
}

fn fill_lanes(lanes: &mut Vec<Lane>, n_lanes: usize, values: impl Iterator<Item = f64>) {
    lanes.clear();
    lanes.resize(n_lanes, [0.0; LANES]);
    lanes.as_flattened_mut().iter_mut().zip(values).for_each(|(lane, value)| *lane = value);
}

/// Where values are widened to.
#[derive(Default)]
pub(super) struct Buffers {
    x: Vec<f64>,
    y: Vec<f64>,
    sample_weight: [Vec<f64>; 2],
    offset: Vec<f64>,
    difference: Vec<f64>,
}

/// Rows in the new variables, column after column, each filled up with zeros to whole lanes.
#[derive(Default)]
pub(super) struct Block {
    pub(super) n_rows: usize,
    pub(super) x: Vec<Lane>,
    pub(super) y: Vec<Lane>,
    /// 0 where a column is filled up.
    pub(super) weights: Vec<Lane>,
}

impl Block {
    /// A row of weight 0 counts for nothing, also where it lies outside the range that the scale was chosen for.
    fn forget_rows_without_weight(&mut self) {
        let n_lanes = self.y.len();
        for row in 0..self.n_rows {
            let (lane, place) = (row / LANES, row % LANES);
            if self.weights[lane][place] == 0.0 {
                self.y[lane][place] = 0.0;
                self.x[lane..].iter_mut().step_by(n_lanes).for_each(|lane| lane[place] = 0.0);
            }
        }
    }
}

struct Extents<'a> {
    panel: &'a Panel<'a>,
    y: &'a [f64],
    weights: Option<&'a [f64]>,
    extents: &'a mut [Extent],
}

impl WithSimd for Extents<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self { panel, y, weights, extents } = self;
        let (target, features) = extents.split_last_mut().expect("the targets are last");
        let mut finite = true;
        for (i, &y) in y.iter().enumerate() {
            let row = panel.row(i);
            finite &= row.iter().fold(true, |finite, value| finite & value.is_finite());
            if weights.is_none_or(|weights| weights[i] > 0.0) {
                features.iter_mut().zip(row).for_each(|(extent, &value)| extent.take(value));
                target.take(y);
            }
        }
        finite
    }
}

struct Pack<'a> {
    panel: &'a Panel<'a>,
    columns: &'a [Column],
    x: &'a mut [Lane],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { panel, columns, x } = self;
        let n_rows = panel.n_rows();
        let n_lanes = n_rows.div_ceil(LANES);
        for start in (0..n_rows).step_by(LANES) {
            let present = LANES.min(n_rows - start);
            // Rows that are not there are read as the first one and cleared.
            let rows: [&[f64]; LANES] =
                std::array::from_fn(|k| &panel.row(start + if k < present { k } else { 0 })[..columns.len()]);
            for (j, (column, lane)) in columns.iter().zip(x[start / LANES..].iter_mut().step_by(n_lanes)).enumerate() {
                *lane = std::array::from_fn(|k| column.enter(rows[k][j]));
                lane[present..].fill(0.0);
            }
        }
    }
}

//! Linear predictors: of a strip, as a step of a pass, or of rows by themselves.

use pulp::{Arch, Simd, WithSimd};

use super::next::{Next, Share};
use super::strips::{Order, Rows, StripBuffers};
use super::sums::AllFinite;
use super::{AddOffset, By, Predictor, by_columns, by_rows};
use crate::matrix::{Columns, FEW_COLUMNS, Interleaved, Matrix, Panel, Raw, Strip, WithStrip};

/// `z_i = x_i · w + b` plus its offset, if there is one, for each row. Returns whether all are finite. They depend on
/// neither the order nor the layout nor the other rows.
pub(crate) fn predict(
    x: &Matrix<'_>,
    order: Order,
    at: Predictor<'_>,
    z: &mut [f64],
    buffers: &mut StripBuffers,
) -> bool {
    Arch::new().dispatch(PredictRows { x, order, at, z, buffers })
}

pub(super) struct PredictRows<'a> {
    pub(super) x: &'a Matrix<'a>,
    pub(super) order: Order,
    pub(super) at: Predictor<'a>,
    pub(super) z: &'a mut [f64],
    pub(super) buffers: &'a mut StripBuffers,
}

impl WithSimd for PredictRows<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { x, order, at: Predictor { weights, bias, offset }, z: of_all, buffers } = self;
        let StripBuffers { x: buffer, lane_sums, ordered, .. } = buffers;
        // Then a sum of zeros is 0, whatever the signs of those that underflowed.
        let bias = bias + 0.0;
        let mut finite = AllFinite::default();
        for rows in order.parts(x.n_rows(), Rows::Matrix(*x).strip_rows()) {
            let strip = &order.strip_of_predictors(x, rows.clone(), buffer);
            let mut next = Next::ahead_of(strip);
            let n_lines = next.n_lines();
            let share = Share::of(&mut next, n_lines);
            let z = &mut of_all[rows];
            let (readings, as_rows) = (Readings::One, Some(&mut *lane_sums));
            simd.vectorize(Predict { strip, weights, bias, z, share, readings, as_rows });
            if offset.is_none() {
                finite.and(simd, z);
            }
        }
        order.restore(of_all, &mut ordered.y);
        if let Some(offset) = offset {
            simd.vectorize(AddOffset { offset, z: of_all });
            finite.and(simd, of_all);
        }
        finite.holds()
    }
}

/// `z_i = x_i · w + b` for each row of the strip.
pub(super) struct Predict<'a> {
    pub(super) strip: &'a Strip<'a>,
    pub(super) weights: &'a [f64],
    pub(super) bias: f64,
    pub(super) z: &'a mut [f64],
    pub(super) share: Share<'a>,
    pub(super) readings: Readings,
    /// Room for what makes sums by columns those by rows, where they have to be.
    pub(super) as_rows: Option<&'a mut Vec<f64>>,
}

/// How often rows are read: for their predictors, and for the gradient. Of what lies ahead of rows in place each reading asks
/// for its part, so that memory is read all the time and no more is under way than the processor keeps account of; of columns
/// the first asks for all where that is faster.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Readings {
    One,
    Two,
}

impl WithSimd for Predict<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.strip.visit(By { simd, task: self });
    }
}

impl<S: Simd> WithStrip for By<S, Predict<'_>> {
    #[inline(always)]
    fn rows<T: Raw>(self, panel: &Panel<'_, T>) {
        let Self { simd, task: Predict { weights, bias, z, share, readings, .. } } = self;
        by_rows::predict(simd, panel, weights, bias, z, share, readings);
    }

    #[inline(always)]
    fn columns<T: Raw>(self, columns: &Columns<'_, T>) {
        let Self { simd, task: Predict { weights, bias, z, share, readings, as_rows, .. } } = self;
        match as_rows {
            Some(lane_sums) if weights.len() > FEW_COLUMNS => {
                by_columns::predict_as_rows(simd, columns, weights, bias, z, lane_sums, share);
            }
            _ => by_columns::predict(simd, columns, weights, bias, z, share, readings),
        }
    }

    #[inline(always)]
    fn interleaved<T: Raw>(self, rows: &Interleaved<'_, T>) {
        let Self { simd, task: Predict { weights, bias, z, share, .. } } = self;
        by_columns::predict_interleaved(simd, rows, weights, bias, z, share);
    }
}

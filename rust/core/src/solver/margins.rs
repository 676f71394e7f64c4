//! How a direction moves rows.

use std::iter::repeat_n;

use crate::error::Error;
use crate::model::Parameters;
use crate::objective::RowObjective;

/// How a direction moves the predictors of rows: with their classes where a margin is positive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margins {
    pub(super) least: f64,
    /// The least, each beside the sum of the sizes of what it is the sum of.
    pub(super) least_share: f64,
    /// The same the other way.
    pub(super) least_share_back: f64,
    /// The most, of rows that still have a cost where the search stands. A value far from all others of its column may
    /// move its row by any amount, and mean nothing.
    pub(super) most: f64,
}

/// `exp(−300)` is nothing beside any other row's cost.
const SATURATED: f64 = 300.0;

impl Margins {
    /// Along `direction`, standing at `place`.
    ///
    /// # Errors
    ///
    /// As a pass over the rows.
    pub(super) fn along(rows: &RowObjective<'_>, direction: &Parameters, place: &Parameters) -> Result<Self, Error> {
        Self::beside(0.0, rows, direction, place)
    }

    /// The same, shares beside a further size.
    pub(super) fn beside(
        extra: f64,
        rows: &RowObjective<'_>,
        direction: &Parameters,
        place: &Parameters,
    ) -> Result<Self, Error> {
        let partition = rows.samples().partition();
        let none = Self { least: 0.0, least_share: 0.0, least_share_back: 0.0, most: 0.0 };
        let states = repeat_n(none, partition.n_chunks());
        let merge = |a: &mut Self, b: &Self| a.merge(*b);
        rows.pass(&partition, direction, states, merge, |x, targets, at, scratch, margins| {
            let panel = x.panel(0..x.n_rows(), &mut scratch.x);
            for (i, &y) in targets.y.iter().enumerate() {
                if targets.sample_weight.is_some_and(|weights| weights[i] == 0.0) {
                    continue;
                }
                let terms = panel.row(i).iter().zip(at.weights).map(|(x, w)| x * w);
                let (sum, size) =
                    terms.fold((at.bias, extra + at.bias.abs()), |(sum, size), t| (sum + t, size + t.abs()));
                // A target between the classes is moved against by either.
                let (margin, back) = if y == 1.0 {
                    (sum, -sum)
                } else if y == 0.0 {
                    (-sum, sum)
                } else {
                    (-sum.abs(), -sum.abs())
                };
                let [least_share, least_share_back] =
                    [margin, back].map(|margin| if size > 0.0 { margin / size } else { 0.0 });
                let z = place.predictor(panel.row(i)) + at.offset.map_or(0.0, |offset| offset[i]);
                let most = if z.abs() < SATURATED { margin } else { 0.0 };
                margins.merge(Self { least: margin, least_share, least_share_back, most });
            }
            true
        })
    }

    fn merge(&mut self, other: Self) {
        self.least = self.least.min(other.least);
        self.least_share = self.least_share.min(other.least_share);
        self.least_share_back = self.least_share_back.min(other.least_share_back);
        self.most = self.most.max(other.most);
    }
}

//! Whether the classes can be told apart without error: then the log loss falls for ever along some direction, and has no
//! minimum (Albert and Anderson, *Biometrika* 71, 1984).

use std::iter::repeat_n;

use crate::error::Error;
use crate::model::Parameters;
use crate::objective::RowObjective;

/// How a direction moves the predictors of rows: with their classes where a margin is positive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Margins {
    pub(crate) least: f64,
    /// The least, each beside the sum of the sizes of what it is the sum of.
    pub(crate) least_share: f64,
    /// The most, of rows that still have a cost where the search stands. A value far from all others of its column may
    /// move its row by any amount, and mean nothing.
    pub(crate) most: f64,
}

/// `exp(−300)` is nothing beside any other row's cost.
const SATURATED: f64 = 300.0;

impl Margins {
    /// Along `direction`, standing at `place`.
    ///
    /// # Errors
    ///
    /// As a pass over the rows.
    pub(crate) fn along(rows: &RowObjective<'_>, direction: &Parameters, place: &Parameters) -> Result<Self, Error> {
        let partition = rows.samples().partition();
        let none = Self { least: 0.0, least_share: 0.0, most: 0.0 };
        let states = repeat_n(none, partition.n_chunks());
        let merge = |a: &mut Self, b: &Self| a.merge(*b);
        rows.pass(&partition, direction, states, merge, |x, targets, at, scratch, margins| {
            let panel = x.panel(0..x.n_rows(), &mut scratch.x);
            for (i, &y) in targets.y.iter().enumerate() {
                if targets.sample_weight.is_some_and(|weights| weights[i] == 0.0) {
                    continue;
                }
                let terms = panel.row(i).iter().zip(at.weights).map(|(x, w)| x * w);
                let (sum, size) = terms.fold((at.bias, at.bias.abs()), |(sum, size), t| (sum + t, size + t.abs()));
                // A target between the classes is moved against by either.
                let margin = if y == 1.0 {
                    sum
                } else if y == 0.0 {
                    -sum
                } else {
                    -sum.abs()
                };
                let share = if size > 0.0 { margin / size } else { 0.0 };
                let z = panel.row(i).iter().zip(&place.weights).fold(place.bias, |z, (x, w)| z + x * w);
                let most = if z.abs() < SATURATED { margin } else { 0.0 };
                margins.merge(Self { least: margin, least_share: share, most });
            }
            true
        })
    }

    fn merge(&mut self, other: Self) {
        self.least = self.least.min(other.least);
        self.least_share = self.least_share.min(other.least_share);
        self.most = self.most.max(other.most);
    }
}

/// The least and the greatest value of a column in each of the classes 0 and 1.
#[derive(Clone, Copy)]
struct Extents([[f64; 2]; 2]);

impl Extents {
    const NONE: Self = Self([[f64::INFINITY, f64::NEG_INFINITY]; 2]);

    fn take(&mut self, class: usize, [low, high]: [f64; 2]) {
        let [least, most] = &mut self.0[class];
        (*least, *most) = (least.min(low), most.max(high));
    }

    /// Whether values of the classes meet at one place at most; without an intercept at 0.
    fn are_apart(&self, intercept: bool) -> bool {
        let [[low_0, high_0], [low_1, high_1]] = self.0;
        let apart = |below: f64, above: f64| below <= above && (intercept || below <= 0.0 && 0.0 <= above);
        low_0.min(low_1) < high_0.max(high_1) && (apart(high_0, low_1) || apart(high_1, low_0))
    }
}

/// The columns that tell the classes apart each by itself, for all rows or for those where it differs from one value.
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn separating_columns(rows: &RowObjective<'_>) -> Result<Vec<usize>, Error> {
    let n = rows.samples().n_features();
    let partition = rows.samples().partition();
    let states = repeat_n(vec![Extents::NONE; n], partition.n_chunks());
    let merge = |a: &mut Vec<Extents>, b: &Vec<Extents>| {
        for (a, b) in a.iter_mut().zip(b) {
            (0..2).for_each(|class| a.take(class, b.0[class]));
        }
    };
    let extents = rows.pass(&partition, &rows.null_model(), states, merge, |x, targets, _, scratch, extents| {
        let panel = x.panel(0..x.n_rows(), &mut scratch.x);
        for (i, &y) in targets.y.iter().enumerate() {
            if targets.sample_weight.is_some_and(|weights| weights[i] == 0.0) {
                continue;
            }
            for (extents, &value) in extents.iter_mut().zip(panel.row(i)) {
                // A target between the classes belongs to both.
                if y < 1.0 {
                    extents.take(0, [value; 2]);
                }
                if y > 0.0 {
                    extents.take(1, [value; 2]);
                }
            }
        }
        true
    })?;
    let apart = |(column, extents): (usize, &Extents)| extents.are_apart(rows.intercept()).then_some(column);
    Ok(extents.iter().enumerate().filter_map(apart).collect())
}

//! Whether the classes can be told apart without error: then the log loss falls for ever along some direction, and has no
//! minimum (Albert and Anderson, *Biometrika* 71, 1984).

use crate::error::Error;
use crate::model::Parameters;
use crate::objective::RowObjective;

/// A margin smaller than this, beside what it is the sum of, is taken for 0: a direction found by iteration still has
/// parts that are not yet gone.
const NOTHING: f64 = 1e-6;

/// How far a step along `direction` moves the predictor that it moves most, if it moves none against its row's class;
/// else 0. `centre` is taken off the columns to tell what margins are the sums of.
///
/// # Errors
///
/// As a pass over the rows.
pub(crate) fn separates(rows: &RowObjective<'_>, direction: &Parameters, centre: &[f64]) -> Result<f64, Error> {
    let partition = rows.samples().partition();
    let states = vec![(true, 0.0_f64); partition.n_chunks()];
    let at_centre = direction.bias + direction.weights.iter().zip(centre).map(|(w, centre)| w * centre).sum::<f64>();
    let margins = rows.pass(&partition, direction, states, |panel, targets, at, _, (none_against, most)| {
        for (i, &y) in targets.y.iter().enumerate() {
            if targets.sample_weight.is_some_and(|weights| weights[i] == 0.0) {
                continue;
            }
            let terms = panel.row(i).iter().zip(centre).zip(at.weights).map(|((x, centre), w)| (x - centre) * w);
            let (sum, size) = terms.fold((at_centre, at_centre.abs()), |(sum, size), t| (sum + t, size + t.abs()));
            // A target between the classes is moved against by either.
            let margin = if y == 1.0 {
                sum
            } else if y == 0.0 {
                -sum
            } else {
                -sum.abs()
            };
            *none_against &= margin >= -NOTHING * size;
            *most = most.max(margin);
        }
        true
    })?;
    let all = margins.into_iter().fold((true, 0.0_f64), |(none, most), (a, b)| (none && a, most.max(b)));
    Ok(if all.0 { all.1 } else { 0.0 })
}

//! NIST's Statistical Reference Datasets for linear regression, <https://www.itl.nist.gov/div898/strd/>, with columns as
//! a user makes them: `x`, `x**2`, …, in double precision.

use ndarray::{Array1, Array2};

use super::solve;
use crate::samples::Samples;

struct Certified {
    /// The constant first, if there is one.
    parameters: Vec<f64>,
    x: Array2<f64>,
    y: Array1<f64>,
}

fn read(text: &str, intercept: bool) -> Certified {
    let numbers = |line: &str| line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
    let lines: Vec<&str> = text.lines().collect();
    let is_certified =
        |line: &&&str| line.trim_start().starts_with('B') && line.trim_start()[1..].starts_with(char::is_numeric);
    let certified = lines[30..55].iter().filter(is_certified);
    let parameters: Vec<f64> = certified.map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect();
    let rows: Vec<Vec<f64>> =
        lines[60..].iter().filter(|line| !line.trim().is_empty()).map(|line| numbers(line).unwrap()).collect();
    let n = parameters.len() - usize::from(intercept);
    let polynomial = rows[0].len() == 2;
    let column = |i: usize, j: usize| if polynomial { rows[i][1].powi(j as i32 + 1) } else { rows[i][j + 1] };
    Certified {
        x: Array2::from_shape_fn((rows.len(), n), |(i, j)| column(i, j)),
        y: rows.iter().map(|row| row[0]).collect(),
        parameters,
    }
}

/// Correct digits of the worst coefficient, at most the 15 that are certified.
fn digits(certified: &Certified, intercept: bool) -> f64 {
    let samples = Samples::new(&certified.x, &certified.y).unwrap();
    let solved = solve(&samples, intercept, 0.0).unwrap();
    assert_eq!(solved.rank, certified.x.ncols());
    assert!(solved.dependent.is_empty());
    let ours = intercept.then_some(solved.parameters.bias).into_iter().chain(solved.parameters.weights);
    let errors = ours.zip(&certified.parameters).map(|(ours, theirs)| ((ours - theirs) / theirs).abs());
    let worst = -errors.fold(1e-15, f64::max).log10();
    println!("{worst:.1} digits, condition {:.1e}", solved.condition);
    worst
}

macro_rules! certified {
    ($($name:ident, $file:literal, $intercept:literal, $digits:literal;)*) => {$(
        #[test]
        fn $name() {
            let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nist/", $file, ".dat"));
            assert!(digits(&read(text, $intercept), $intercept) >= $digits);
        }
    )*};
}

/// The minimum for Filip's columns as they are, from normal equations in rational arithmetic.
#[test]
fn filip_to_the_last_bits() {
    let mut filip = read(include_str!("../../../../tests/data/nist/Filip.dat"), true);
    let x = filip.x.column(0).to_owned();
    for j in 1..10 {
        let power = &filip.x.column(j - 1) * &x;
        filip.x.column_mut(j).assign(&power);
    }
    filip.parameters = vec![
        -1467.4896313887714,
        -2772.1796242619316,
        -2316.371108609359,
        -1127.9739541497518,
        -354.4782378552308,
        -75.12420262435174,
        -10.875318164699452,
        -1.0622149986404843,
        -0.06701911627445624,
        -0.002467810813235648,
        -4.029625301456807e-05,
    ];
    assert!(digits(&filip, true) >= 15.0);
}

certified! {
    norris, "Norris", true, 11.0;
    pontius, "Pontius", true, 11.0;
    no_intercept_1, "NoInt1", false, 11.0;
    no_intercept_2, "NoInt2", false, 11.0;
    // Its powers up to the tenth don't fit 53 bits, and their rounding costs the other digits: the exact minimum for
    // the columns as they are has no more.
    filip, "Filip", true, 7.0;
    longley, "Longley", true, 11.0;
    wampler_1, "Wampler1", true, 11.0;
    wampler_2, "Wampler2", true, 11.0;
    wampler_3, "Wampler3", true, 11.0;
    wampler_4, "Wampler4", true, 11.0;
    wampler_5, "Wampler5", true, 11.0;
}

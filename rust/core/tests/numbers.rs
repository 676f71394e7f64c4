//! Numbers known beforehand: extreme predictors, the curvature bounds, and one step by hand for each model.

mod common;

use common::{assert_relative, threads};
use ndarray::{Array1, Array2, array};
use steepest::{
    Activation, Error, Fit, FitOptions, LearningRate, Loss, Model, Parameters, Samples, class_probabilities, cost,
    cost_gradient, fit, forward, log_loss, sigmoid,
};

/// z, y, σ(z), log(1 + e^z) − y z, σ(z) − y, 2 (σ(z) − y) σ'(z): by mpmath with 2400 bits, rounded once.
#[rustfmt::skip]
#[allow(clippy::approx_constant, reason = "log 2 among references")]
const REFERENCE: [[f64; 6]; 60] = [
    [1e-300, 0.0, 0.5, 0.6931471805599453, 0.5, 0.25],
    [1e-300, 1.0, 0.5, 0.6931471805599453, -0.5, -0.25],
    [1e-300, 0.25, 0.5, 0.6931471805599453, 0.25, 0.125],
    [-1e-300, 0.0, 0.5, 0.6931471805599453, 0.5, 0.25],
    [-1e-300, 1.0, 0.5, 0.6931471805599453, -0.5, -0.25],
    [-1e-300, 0.25, 0.5, 0.6931471805599453, 0.25, 0.125],
    [1e-8, 0.0, 0.5000000025, 0.6931471855599454, 0.5000000025, 0.25000000125],
    [1e-8, 1.0, 0.5000000025, 0.6931471755599453, -0.4999999975, -0.24999999875],
    [1e-8, 0.25, 0.5000000025, 0.6931471830599453, 0.2500000025, 0.12500000125],
    [-1e-8, 0.0, 0.4999999975, 0.6931471755599453, 0.4999999975, 0.24999999875],
    [-1e-8, 1.0, 0.4999999975, 0.6931471855599454, -0.5000000025, -0.25000000125],
    [-1e-8, 0.25, 0.4999999975, 0.6931471780599453, 0.2499999975, 0.12499999875],
    [0.5, 0.0, 0.6224593312018546, 0.9740769841801067, 0.6224593312018546, 0.29256050705391523],
    [0.5, 1.0, 0.6224593312018546, 0.4740769841801067, -0.37754066879814546, -0.17744691734927376],
    [0.5, 0.25, 0.6224593312018546, 0.8490769841801067, 0.37245933120185454, 0.17505865095311798],
    [-0.5, 0.0, 0.37754066879814546, 0.4740769841801067, 0.37754066879814546, 0.17744691734927376],
    [-0.5, 1.0, 0.37754066879814546, 0.9740769841801067, -0.6224593312018546, -0.29256050705391523],
    [-0.5, 0.25, 0.37754066879814546, 0.5990769841801067, 0.12754066879814543, 0.059945061248476504],
    [1.0, 0.0, 0.7310585786300049, 1.3132616875182228, 0.7310585786300049, 0.28746968091443026],
    [1.0, 1.0, 0.7310585786300049, 0.3132616875182228, -0.2689414213699951, -0.10575418556853344],
    [1.0, 0.25, 0.7310585786300049, 1.0632616875182228, 0.4810585786300049, 0.18916371429368933],
    [-1.0, 0.0, 0.2689414213699951, 0.3132616875182228, 0.2689414213699951, 0.10575418556853344],
    [-1.0, 1.0, 0.2689414213699951, 1.3132616875182228, -0.7310585786300049, -0.28746968091443026],
    [-1.0, 0.25, 0.2689414213699951, 0.5632616875182228, 0.01894142136999512, 0.007448218947792517],
    [17.0, 0.0, 0.9999999586006245, 17.000000041399375, 0.9999999586006245, 8.27987440922536e-08],
    [17.0, 1.0, 0.9999999586006245, 4.139937633089748e-08, -4.1399375473943306e-08, -3.4278164373556116e-15],
    [17.0, 0.25, 0.9999999586006245, 12.750000041399376, 0.7499999586006245, 6.209905721223608e-08],
    [-17.0, 0.0, 4.1399375473943306e-08, 4.139937633089748e-08, 4.1399375473943306e-08, 3.4278164373556116e-15],
    [-17.0, 1.0, 4.1399375473943306e-08, 17.000000041399375, -0.9999999586006245, -8.27987440922536e-08],
    [-17.0, 0.25, 4.1399375473943306e-08, 4.250000041399376, -0.24999995860062452, -2.069968345220107e-08],
    [36.7, 0.0, 0.9999999999999999, 36.7, 0.9999999999999999, 2.3036818986152184e-16],
    [36.7, 1.0, 0.9999999999999999, 1.1518409493076095e-16, -1.1518409493076095e-16, -2.6534751450037097e-32],
    [36.7, 0.25, 0.9999999999999999, 27.525000000000002, 0.7499999999999999, 1.7277614239614138e-16],
    [-36.7, 0.0, 1.1518409493076095e-16, 1.1518409493076095e-16, 1.1518409493076095e-16, 2.6534751450037097e-32],
    [-36.7, 1.0, 1.1518409493076095e-16, 36.7, -0.9999999999999999, -2.3036818986152184e-16],
    [-36.7, 0.25, 1.1518409493076095e-16, 9.175, -0.2499999999999999, -5.759204746538044e-17],
    [37.0, 0.0, 0.9999999999999999, 37.0, 0.9999999999999999, 1.7066095251488127e-16],
    [37.0, 1.0, 0.9999999999999999, 8.533047625744066e-17, -8.533047625744065e-17, -1.4562580356643284e-32],
    [37.0, 0.25, 0.9999999999999999, 27.75, 0.7499999999999999, 1.2799571438616094e-16],
    [-37.0, 0.0, 8.533047625744065e-17, 8.533047625744066e-17, 8.533047625744065e-17, 1.4562580356643284e-32],
    [-37.0, 1.0, 8.533047625744065e-17, 37.0, -0.9999999999999999, -1.7066095251488127e-16],
    [-37.0, 0.25, 8.533047625744065e-17, 9.25, -0.24999999999999992, -4.2665238128720304e-17],
    [100.0, 0.0, 1.0, 100.0, 1.0, 7.440151952041672e-44],
    [100.0, 1.0, 1.0, 3.720075976020836e-44, -3.720075976020836e-44, -2.767793053473475e-87],
    [100.0, 0.25, 1.0, 75.0, 0.75, 5.580113964031254e-44],
    [-100.0, 0.0, 3.720075976020836e-44, 3.720075976020836e-44, 3.720075976020836e-44, 2.767793053473475e-87],
    [-100.0, 1.0, 3.720075976020836e-44, 100.0, -1.0, -7.440151952041672e-44],
    [-100.0, 0.25, 3.720075976020836e-44, 25.0, -0.25, -1.860037988010418e-44],
    [700.0, 0.0, 1.0, 700.0, 1.0, 1.971935308751954e-304],
    [700.0, 1.0, 1.0, 9.85967654375977e-305, -9.85967654375977e-305, -0.0],
    [700.0, 0.25, 1.0, 525.0, 0.75, 1.4789514815639657e-304],
    [-700.0, 0.0, 9.85967654375977e-305, 9.85967654375977e-305, 9.85967654375977e-305, 0.0],
    [-700.0, 1.0, 9.85967654375977e-305, 700.0, -1.0, -1.971935308751954e-304],
    [-700.0, 0.25, 9.85967654375977e-305, 175.0, -0.25, -4.929838271879885e-305],
    [1e300, 0.0, 1.0, 1e+300, 1.0, 0.0],
    [1e300, 1.0, 1.0, 0.0, 0.0, 0.0],
    [1e300, 0.25, 1.0, 7.5e+299, 0.75, 0.0],
    [-1e300, 0.0, 0.0, 0.0, 0.0, 0.0],
    [-1e300, 1.0, 0.0, 1e+300, -1.0, 0.0],
    [-1e300, 0.25, 0.0, 2.5e+299, -0.25, 0.0],
];

#[test]
fn extreme_predictors_are_right_to_the_last_digits() {
    for [z, y, p, loss, distance, slope] in REFERENCE {
        let near =
            |found, expected, what: &str| assert_relative(found, expected, 1e-14, &format!("{what}, z {z:e}, y {y}"));
        near(sigmoid(z), p, "sigmoid");
        near(log_loss(z, y), loss, "log loss");

        // The same through a pass: one sample with one feature, x = z, w = 1, b = 0.
        let (x, target) = (array![[z]], array![y]);
        let at = Parameters { weights: array![1.0], bias: 0.0 };
        let samples = Samples::new(&x, &target).unwrap();
        near(forward((&x).into(), None, &at, Activation::Sigmoid, &threads(1)).unwrap()[0], p, "forward");
        let both = class_probabilities((&x).into(), None, &at, &threads(1)).unwrap();
        near(both[[0, 1]], p, "probability of class 1");
        near(both[[0, 0]], sigmoid(-z), "probability of class 0");
        let weights = array![3.0];
        for samples in [samples, Samples::weighted(&x, &target, &weights).unwrap()] {
            let (found, gradient) = cost_gradient(Model::SigmoidLogLoss, samples, &at, &threads(1)).unwrap();
            near(found, loss, "log loss of a pass");
            near(gradient.bias, distance, "slope of the log loss");
            near(gradient.weights[0], distance * z, "gradient of the log loss");
        }
        let (found, gradient) = cost_gradient(Model::SigmoidSquaredError, samples, &at, &threads(1)).unwrap();
        near(found, distance * distance, "squared error of a pass");
        near(gradient.bias, slope, "slope of the squared error");
    }
}

#[test]
fn overflow_is_an_error_and_never_nan() {
    let ordinary = array![[1.0], [2.0], [-1.0]];
    let labels = array![0.0, 1.0, 1.0];
    let fixed = LearningRate::Fixed(0.1);
    let attempt = |model, x: &Array2<f64>, y: &Array1<f64>, learning_rate, start| {
        let options = FitOptions { learning_rate, start, ..FitOptions::gradient_descent() };
        fit(model, Samples::new(x, y).unwrap(), None, &options, &threads(1))
    };
    let overflows = |result: Result<Fit, Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Overflow), "{error}");
        assert!(error.to_string().contains("too large for double precision; rescale"), "{error}");
    };
    for rate in [fixed, LearningRate::Auto] {
        overflows(attempt(Model::Linear, &ordinary, &(&labels * 1e200), rate, None));
        let far = |weight| Some(Parameters { weights: array![weight], bias: 0.0 });
        for model in [Model::Linear, Model::SigmoidLogLoss] {
            overflows(attempt(model, &(&ordinary * 1e200), &labels, rate, far(1e200)));
        }
        overflows(attempt(Model::Linear, &ordinary, &labels, rate, far(1e200)));
    }
    overflows(attempt(Model::Linear, &(&ordinary * 1e200), &labels, LearningRate::Auto, None));
}

#[test]
fn curvature_bounds_are_the_least() {
    // The second derivative in z by differences of the slope, over a grid of z and of targets.
    for model in common::MODELS {
        let slope = |z: f64, y: f64| {
            let at = Parameters { weights: array![0.0], bias: z };
            let samples_of = (array![[0.0]], array![y]);
            let samples = Samples::new(&samples_of.0, &samples_of.1).unwrap();
            cost_gradient(model, samples, &at, &threads(1)).unwrap().1.bias
        };
        let mut largest = 0f64;
        for y in [0.0, 0.1, 0.25, 0.5, 0.8, 1.0] {
            for step in -800..=800 {
                let z = f64::from(step) / 100.0;
                largest = largest.max((slope(z + 1e-4, y) - slope(z - 1e-4, y)) / 2e-4);
            }
        }
        assert_relative(largest, model.curvature_bound(), 1e-4, &format!("{model:?}"));
    }
}

#[test]
fn a_model_is_an_activation_with_a_loss() {
    use {Activation::*, Loss::*};
    assert_eq!(Model::new(Identity, SquaredError), Ok(Model::Linear));
    assert_eq!(Model::new(Sigmoid, SquaredError), Ok(Model::SigmoidSquaredError));
    assert_eq!(Model::new(Sigmoid, LogLoss), Ok(Model::SigmoidLogLoss));
    let error = Model::new(Identity, LogLoss).unwrap_err();
    assert_eq!(error, Error::NoSuchModel);
    assert!(error.to_string().contains(r#""log_loss" needs activation "sigmoid""#), "{error}");
}

/// One step from zero on X = [1 2; 3 4]; `expected` is (weights, bias, costs, first gradient norm).
fn one_step(model: Model, y: [f64; 2], rate: f64, expected: ([f64; 2], f64, [f64; 2], f64)) {
    let (x, y) = (array![[1.0, 2.0], [3.0, 4.0]], Array1::from(y.to_vec()));
    let samples = Samples::new(&x, &y).unwrap();
    let options =
        FitOptions { learning_rate: LearningRate::Fixed(rate), max_iter: 1, ..FitOptions::gradient_descent() };
    let fit = fit(model, samples, None, &options, &threads(1)).unwrap();
    let (weights, bias, costs, norm) = expected;
    assert_eq!(fit.parameters, Parameters { weights: Array1::from(weights.to_vec()), bias });
    assert_eq!((fit.n_iter, fit.learning_rate, fit.history.cost.len()), (1, Some(rate), 2));
    for (found, expected) in fit.history.cost.iter().zip(costs) {
        assert_relative(*found, expected, 1e-15, "cost");
    }
    assert_relative(fit.history.gradient_norm[0], norm, 1e-15, "gradient norm");
    assert_eq!(cost(model, samples, &fit.parameters, &threads(1)).unwrap(), fit.history.cost[1]);
}

#[test]
fn one_step_of_the_linear_model() {
    // ŷ = (0, 0), A = y = (1, 2), C = (1 + 4)/2 = 5/2.
    // ∂C/∂w = −(2/2) (1·1 + 2·3, 1·2 + 2·4) = (−7, −10), ∂C/∂b = −(2/2) (1 + 2) = −3.
    // With α = 1/64: w = (7, 10)/64, b = 3/64; z = (7 + 20 + 3, 21 + 40 + 3)/64 = (30/64, 1).
    // A = (34/64, 1), C = (1156/4096 + 1)/2 = 5252/8192.
    let costs = [2.5, 5252.0 / 8192.0];
    one_step(Model::Linear, [1.0, 2.0], 1.0 / 64.0, ([7.0 / 64.0, 10.0 / 64.0], 3.0 / 64.0, costs, 158f64.sqrt()));
}

#[test]
fn one_step_of_the_sigmoid_model_with_squared_error() {
    // ŷ = (½, ½), A = (½, 0), C = ¼/2 = 1/8; ŷ(1−ŷ) = ¼, so δ = −(2/2) A/4 = (−1/8, 0).
    // ∂C/∂w = −(1, 2)/8, ∂C/∂b = −1/8. With α = 8: w = (1, 2), b = 1; z = (6, 12).
    // C = ((1 − σ(6))² + (σ(12) − ½)²)/2.
    let costs = [0.125, 0.1249999848642117];
    one_step(Model::SigmoidSquaredError, [1.0, 0.5], 8.0, ([1.0, 2.0], 1.0, costs, 6f64.sqrt() / 8.0));
}

#[test]
fn one_step_of_the_sigmoid_model_with_log_loss() {
    // ŷ = (½, ½), A = (½, 0), C = log 2; δ = −A/2 = (−¼, 0).
    // ∂C/∂w = −(1, 2)/4, ∂C/∂b = −¼. With α = 4: w = (1, 2), b = 1; z = (6, 12).
    // C = (log(1 + e⁶) − 6 + log(1 + e¹²) − 12/2)/2.
    let costs = [std::f64::consts::LN_2, 3.0012409146656043];
    one_step(Model::SigmoidLogLoss, [1.0, 0.5], 4.0, ([1.0, 2.0], 1.0, costs, 6f64.sqrt() / 4.0));
}

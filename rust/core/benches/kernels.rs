//! One pass over the rows, by model, shape, layout and storage type: `cargo bench -p steepest`. Throughput counts the
//! bytes of X. The number of threads is the default one; set `STEEPEST_NUM_THREADS` to change it.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use ndarray::{Array1, Array2};
use steepest::{
    Activation, Context, Element, Matrix, Model, Parameters, Samples, cost_gradient, cost_gradient_hessian, forward,
};

/// About this many elements: far more than any cache holds.
const ELEMENTS: usize = 16 << 20;
const COLUMNS: [usize; 3] = [4, 32, 200];
const MODELS: [Model; 3] = [Model::Linear, Model::SigmoidSquaredError, Model::SigmoidLogLoss];

fn passes(criterion: &mut Criterion) {
    for n_cols in COLUMNS {
        let x =
            Array2::from_shape_fn((ELEMENTS / n_cols, n_cols), |(i, j)| ((i * 31 + j * 7) % 101) as f64 / 50.0 - 1.0);
        let fortran = x.t().as_standard_layout().into_owned().reversed_axes();
        bench(criterion, "C", &x);
        bench(criterion, "F", &fortran);
        drop(fortran);
        bench(criterion, "C", &x.mapv(|value| value as f32));
        bench(criterion, "C", &x.mapv(|value| (50.0 * (value + 1.0)) as u8));
    }
}

fn bench<T: Element>(criterion: &mut Criterion, layout: &str, x: &Array2<T>) {
    let (n_rows, n_cols) = x.dim();
    let y = Array1::from_shape_fn(n_rows, |i| (i % 2) as f64);
    let at = Parameters { weights: Array1::from_shape_fn(n_cols, |j| (j as f64).sin() / n_cols as f64), bias: 0.1 };
    let context = Context::default();
    let x = Matrix::from(x);

    let mut group = criterion.benchmark_group(format!("{n_cols} columns, {:?}, {layout}", T::DTYPE));
    group.sample_size(10).throughput(Throughput::Bytes((n_rows * n_cols * T::DTYPE.size()) as u64));
    for activation in [Activation::Identity, Activation::Sigmoid] {
        time(&mut group, format!("forward, {activation:?}"), || forward(x, None, &at, activation, &context));
    }
    for model in MODELS {
        let samples = Samples::new(x, &y).expect("as many targets as rows");
        time(&mut group, format!("cost_gradient, {model:?}"), || cost_gradient(model, samples, &at, &context));
        let name = format!("cost_gradient_hessian, {model:?}");
        time(&mut group, name, || cost_gradient_hessian(model, samples, &at, &context));
    }
}

fn time<R>(group: &mut BenchmarkGroup<'_, WallTime>, name: String, routine: impl Fn() -> R) {
    group.bench_function(name, |bencher| bencher.iter(|| black_box(routine())));
}

criterion_group!(benches, passes);
criterion_main!(benches);

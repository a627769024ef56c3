//! Speed of the matrix products, best of many runs: `cargo run --release --example matmul -p trimtab-engine`.
//!
//! The first table is a training step's products (m tokens, k inputs, n outputs); the second is decoding's, with
//! weights in cache (one copy) and from memory (many copies, read in turn).

use std::time::Instant;
use trimtab_engine::kernels::matmul::{FewJob, matmul_nn, matmul_nt, matmul_nt_few, matmul_tn};

/// Seconds of the fastest of the runs that fit in a quarter of a second, at least five.
fn best(mut run: impl FnMut()) -> f64 {
    run();
    let begin = Instant::now();
    let (mut best, mut runs) = (f64::MAX, 0);
    while runs < 5 || begin.elapsed().as_secs_f64() < 0.25 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 1013) as f32 / 1013.0 - 0.5).collect()
}

fn main() {
    // On a worker, as in a training step: products called from outside the pool wait for a worker to wake.
    rayon::scope(|_| {
        training();
        decoding();
    });
}

fn training() {
    println!("GFLOP/s on {} threads", rayon::current_num_threads());
    println!("{:>6} {:>6} {:>6} {:>8} {:>8} {:>8} {:>8}", "m", "n", "k", "NT", "NN", "TN", "TN +=");
    let smol = [(1024, 576, 576), (1024, 192, 576), (1024, 1536, 576), (1024, 576, 1536), (256, 49_152, 576)];
    let tiny = [(2048, 256, 256), (2048, 128, 256), (2048, 688, 256), (2048, 256, 688), (2048, 4096, 256)];
    for (m, n, k) in smol.into_iter().chain(tiny) {
        let (x, w, dy) = (values(m * k), values(n * k), values(m * n));
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
        let rate = |seconds: f64| 2e-9 * (m * n * k) as f64 / seconds;
        let nt = rate(best(|| matmul_nt(&mut y, &x, &w, m, n, k, false)));
        let nn = rate(best(|| matmul_nn(&mut dx, &dy, &w, m, n, k, false)));
        let tn = rate(best(|| matmul_tn(&mut dw, &dy, &x, m, n, k, false)));
        let add = rate(best(|| matmul_tn(&mut dw, &dy, &x, m, n, k, true)));
        println!("{m:>6} {n:>6} {k:>6} {nt:>8.1} {nn:>8.1} {tn:>8.1} {add:>8.1}");
    }
}

fn decoding() {
    println!("\n{:>6} {:>6} {:>6} {:>6} {:>9} {:>8}", "m", "n", "k", "copies", "GFLOP/s", "GB/s");
    for (n, k, copies) in [(1536, 576, 1), (1536, 576, 60), (576, 1536, 60), (49_152, 576, 2)] {
        let weights: Vec<Vec<f32>> = (0..copies).map(|_| values(n * k)).collect();
        for m in [1, 4, 16, 32, 64] {
            let x = values(m * k);
            let mut y = vec![0.0; m * n];
            let seconds = best(|| {
                for w in &weights {
                    matmul_nt_few(&mut [FewJob { y: &mut y, w, n }], &x, m, k, false);
                }
            });
            let read = 1e-9 * (n * k * copies) as f64 / seconds;
            println!("{m:>6} {n:>6} {k:>6} {copies:>6} {:>9.1} {:>8.1}", 2.0 * m as f64 * read, 4.0 * read);
        }
    }
}

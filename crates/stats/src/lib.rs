//! Estimators: one a file, pure f64, no I/O.
//!
//! Everything that a report prints comes as a [`Measured`]: a value with its interval and its number of items, or the
//! reason why there is none. Nothing undefined turns into a 0, and nothing here panics on data: NaN, infinities and
//! empty slices are reasons. Bootstraps draw from a generator seeded by the caller, so equal calls give equal bits.

mod attack_power_law;
pub mod auroc;
pub mod benjamini_hochberg;
pub mod best_of_n;
pub mod bias_regression;
pub mod bootstrap;
pub mod bradley_terry;
pub mod calibration;
pub mod cohen_kappa;
mod comparison_graph;
pub mod confusion;
mod crowd_labels;
pub mod crowd_plackett_luce;
pub mod dawid_skene;
pub mod difference_estimator;
pub mod explained_variance;
pub mod fieller;
pub mod fleiss_kappa;
mod item_posterior;
pub mod kendall;
pub mod krippendorff_alpha;
pub mod logistic;
pub mod mace;
pub mod mcnemar;
pub mod mean;
mod measured;
pub mod minimum_detectable_effect;
pub mod minimum_detectable_mean;
pub mod mover;
pub mod naive_bayes;
mod newton;
pub mod overoptimisation;
pub mod paired;
pub mod paired_shares;
pub mod pass_at_k;
pub mod plackett_luce;
pub mod quantile;
mod quasi_newton;
pub mod rogan_gladen;
pub mod special;
pub mod two_level_bootstrap;
pub mod wilson;
pub mod within_regression;

pub use attack_power_law::{PowerLaw, Tries, best_of_n_asr, doublings, fit_attack_power_law};
pub use auroc::auroc;
pub use benjamini_hochberg::benjamini_hochberg;
pub use best_of_n::{best_of_n, best_of_n_kl};
pub use bias_regression::{BadPairs, BiasRegression, Covariate, JudgedPair, PersonBias, Slope, bias_regression};
pub use bootstrap::{Bootstrap, Clusters, bootstrap_mean, bootstrap_statistic};
pub use bradley_terry::{BradleyTerry, Comparison, bradley_terry};
pub use calibration::{Calibration, brier, expected_calibration_error};
pub use cohen_kappa::cohen_kappa;
pub use confusion::Confusion;
pub use crowd_labels::{BadLabels, CrowdLabels, Em, Majority, majority};
pub use crowd_plackett_luce::{
    CrowdPlackettLuce, CrowdRanking, CrowdSettings, ItemScores, NoCrowdFit, crowd_plackett_luce, pair_accuracy,
};
pub use dawid_skene::{DawidSkene, dawid_skene};
pub use difference_estimator::difference_estimator;
pub use explained_variance::explained_variance;
pub use fieller::{fieller, ratio_of_means};
pub use fleiss_kappa::fleiss_kappa;
pub use kendall::{RanksOf, kendall_w, mean_tau, mean_w, pair_agreement, tau_b};
pub use krippendorff_alpha::{Distance, krippendorff_alpha};
pub use logistic::{Logistic, logistic, logistic_of_chances};
pub use mace::{Mace, mace};
pub use mcnemar::{McNemar, mcnemar};
pub use mean::{mean, mean_t, std_dev, variance};
pub use measured::{Interval, Measured, Rate};
pub use minimum_detectable_effect::{minimum_detectable_increase, minimum_detectable_paired};
pub use minimum_detectable_mean::minimum_detectable_mean;
pub use mover::mover;
pub use newton::NoFit;
pub use overoptimisation::{Curve, Overoptimisation, fit_overoptimisation};
pub use paired::paired_difference;
pub use paired_shares::paired_shares;
pub use pass_at_k::{guess_at_k, pass_at_k};
pub use plackett_luce::{GroupRanking, PlackettLuce, plackett_luce};
pub use quantile::{median, quantile};
pub use rogan_gladen::rogan_gladen;
pub use two_level_bootstrap::{Items, bootstrap_two_level};
pub use wilson::wilson;
pub use within_regression::{WithinGroup, within_regression};

//! Chance that can be repeated.

use std::f64::consts::TAU;

use fastrand::Rng;

/// CRC-32 as in zlib: the same number for the same name everywhere.
pub(crate) fn crc32(text: &str) -> u32 {
    let byte = |crc: u32, byte: u8| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !text.bytes().fold(u32::MAX, byte)
}

/// A number from 0 to below 1 that belongs to the name.
pub(crate) fn share_of(text: &str) -> f64 {
    f64::from(crc32(text)) / 4_294_967_296.0
}

/// The chance of one key in one run.
pub(crate) fn of(name: &str, what: &str, seed: u64) -> Rng {
    let name = u64::from(crc32(name)) << 32 | u64::from(crc32(what));
    Rng::with_seed(name ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Mean 0, deviation 1.
pub(crate) fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (TAU * rng.f64()).cos()
}

/// Splits `whole` in `N`: the shares follow a symmetric Dirichlet distribution of a whole `alpha`, which is made of gamma
/// distributed numbers: <https://en.wikipedia.org/wiki/Dirichlet_distribution#Random_variate_generation>.
pub(crate) fn split<const N: usize>(rng: &mut Rng, whole: f64, alpha: u32) -> [f64; N] {
    let mut gamma = || (0..alpha).map(|_| -(1.0 - rng.f64()).ln()).sum::<f64>();
    let parts: [f64; N] = std::array::from_fn(|_| gamma());
    let sum: f64 = parts.iter().sum();
    parts.map(|part| {
        if sum > 0.0 {
            whole * part / sum
        } else {
            whole / N as f64
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_zlib() {
        assert_eq!(crc32("123456789"), 0xcbf4_3926);
        assert_eq!(crc32(""), 0);
    }

    #[test]
    fn numbers_are_spread_as_they_should_be_and_can_be_repeated() {
        let mut rng = of("key", "test", 1);
        let numbers: Vec<f64> = (0..10_000).map(|_| normal(&mut rng)).collect();
        let mean = numbers.iter().sum::<f64>() / 10_000.0;
        let square = numbers.iter().map(|n| n * n).sum::<f64>() / 10_000.0;
        assert!(
            mean.abs() < 0.05 && (square - 1.0).abs() < 0.05,
            "{mean} {square}"
        );
        assert_eq!(normal(&mut of("key", "test", 1)), numbers[0]);
        assert_ne!(normal(&mut of("key", "test", 2)), numbers[0]);

        let parts: [f64; 12] = split(&mut rng, 60.0, 2);
        assert!((parts.iter().sum::<f64>() - 60.0).abs() < 1e-9);
        assert!(parts.iter().all(|&part| part > 0.0 && part < 60.0));
    }
}

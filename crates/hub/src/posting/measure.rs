//! What is measured of the pipeline.

/// Records a committed batch: how many commands it had, and how often it waited for the database.
pub(super) fn batch(commands: usize, round_trips: u64) {
    let number = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let commands = u64::try_from(commands).unwrap_or(u64::MAX);
    metrics::histogram!("entente_batch_commands").record(number(commands));
    metrics::histogram!("entente_batch_round_trips").record(number(round_trips));
}

//! Plays a case file on embedded parts, through the real functions, adapters and drivers.
//!
//! Secrets Manager is the embedded store behind the real adapter, by its JSON protocol; errors that the file scripts
//! are answered in its place. The provider is its simulator behind the real driver. What the file says happened
//! before is made to happen by the functions' own steps. Keys of the file are of no provider's form: each distinct
//! text stands for one made-up key, and its id for that key's handle. A key without an id in the file lives where the
//! slot's list does not reach, so that its handle is unknown.

mod act;
mod alarms;
mod azure;
mod error;
mod file;
mod full;
mod gemini;
mod litellm;
mod provider;
mod recognise;
mod report;
mod rotation;
mod stage;
mod texts;
mod watch;
mod wire;

use jiff::SignedDuration;

pub use error::Unsupported;
pub use report::{AwsCall, Failure, Invocation, ProviderCallSeen, Report, SlotSeen, VersionSeen};
pub use stage::Stage;

use file::{File, read};

/// The longest file that is read.
pub const MAX_BYTES: usize = 1024 * 1024;

/// What can be chosen.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A fleet file, whose slot with the file's secret is registered instead of a made-up one.
    pub fleet: Option<String>,
    /// Hours that pass after the file, with `retire` woken every five minutes.
    pub hours: u32,
}

/// Plays the file `name` with the content `text`. The stage is handed back with the report in it.
///
/// # Errors
/// [`Unsupported`]; nothing was run.
pub async fn replay(name: &str, text: &str, options: &Options) -> Result<Stage, Unsupported> {
    let fleet = options.fleet.as_deref();
    let file = read(text).map_err(|refused| by_name(refused, name))?;
    let mut stage = match file {
        File::Rotation(turns) => rotation::rotation(&turns, fleet).await?,
        File::Watch(watch) => watch::watch(&watch, fleet).await?,
        File::Timeline(timeline) => watch::timeline(&timeline, fleet).await?,
        File::Alarms(file) => alarms::alarms(&file, fleet).await?,
        File::Provider(answers) => provider::answers(&answers, fleet).await?,
    };
    let time = SignedDuration::from_hours(i64::from(options.hours));
    stage.live_through(time).await;
    stage.report.file = name.chars().filter(|c| !c.is_control()).take(100).collect();
    stage.report.case = case_of(name);
    stage.close().await;
    Ok(stage)
}

/// A file of no known form whose name is a case's waits for that case's part.
fn by_name(refused: Unsupported, name: &str) -> Unsupported {
    let part = match (&refused, case_of(name).as_deref().map(|id| &id[..1])) {
        (Unsupported::Unknown(_), Some("U")) => "the usage monitor",
        (Unsupported::Unknown(_), Some("A")) => "the audit",
        (Unsupported::Unknown(_), Some("P")) => "the driver of its provider",
        (Unsupported::Unknown(_), Some("S")) => "the part that its case names",
        _ => return refused,
    };
    Unsupported::Later {
        what: "by its name a case",
        part,
    }
}

/// The case id that a file's name begins with: `R-03b-token….json` is of R-03.
fn case_of(name: &str) -> Option<String> {
    let id = name.get(..4)?;
    let bytes = id.as_bytes();
    let fits = b"RKPUAS".contains(&bytes[0])
        && bytes[1] == b'-'
        && bytes[2..].iter().all(u8::is_ascii_digit);
    fits.then(|| id.to_owned())
}

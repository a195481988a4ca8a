//! Reading traces, and pricing their keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::DAY;
use crate::chance;

/// One file of a folder of traces.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    text: String,
    /// The file beside it that tells of tokens.
    hourly: Option<Box<File>>,
}

/// Traces that cannot be read. Nothing was replayed.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The folder or a file in it.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No file in the folder has a known name.
    #[error("{} holds no trace: none of servegen_*_10min.csv, nab_*.csv, burstgpt_hourly.csv", path.display())]
    None {
        /// The folder.
        path: PathBuf,
    },
    /// A column is missing.
    #[error("{} has no column `{column}` in its first line", path.display())]
    Column {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        column: &'static str,
    },
    /// A row does not hold what it should.
    #[error("{}, line {line}: `{column}` is not what it should be", path.display())]
    Row {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Which column.
        column: &'static str,
    },
}

/// One key's traffic: a number for each bucket.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    pub(crate) name: String,
    pub(crate) requests: Vec<f64>,
    /// Tokens per request, hour by hour; empty where they are not known.
    pub(crate) sizes: Vec<f64>,
}

const SERVEGEN_WINDOWS: usize = 14 * DAY / 2;

/// The files with known names, in the order of their names.
pub(crate) fn files(folder: &Path) -> Result<Vec<File>, TraceError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(name) = name.strip_suffix(".csv").map(str::to_owned) else {
            continue;
        };
        if is_servegen(&name) || name.starts_with("nab_") || name == "burstgpt_hourly" {
            files.push(File::open(path, name)?);
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    match files.is_empty() {
        true => Err(TraceError::None {
            path: folder.to_owned(),
        }),
        false => Ok(files),
    }
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> TraceError {
    let path = path.to_owned();
    move |source| TraceError::Unreadable {
        path: path.clone(),
        source,
    }
}

fn is_servegen(name: &str) -> bool {
    name.starts_with("servegen_") && name.ends_with("_10min")
}

impl File {
    fn open(path: PathBuf, name: String) -> Result<Self, TraceError> {
        let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
        let hourly = name.strip_suffix("_10min").filter(|_| is_servegen(&name));
        let hourly = hourly.map(|model| format!("{model}_hourly"));
        let beside = hourly.map(|name| (path.with_file_name(format!("{name}.csv")), name));
        let hourly = match beside.filter(|(path, _)| path.exists()) {
            Some((path, name)) => Some(Box::new(Self::open(path, name)?)),
            None => None,
        };
        Ok(Self {
            path,
            name,
            text,
            hourly,
        })
    }

    /// Its keys, split into buckets by the chance of `seed`.
    pub(crate) fn traffic(&self, seed: u64) -> Result<Vec<Traffic>, TraceError> {
        if is_servegen(&self.name) {
            return self.servegen(seed);
        }
        let requests = match self.name.starts_with("nab_") {
            true => self.five_minutes()?,
            false => self.hourly(seed)?,
        };
        Ok(vec![Traffic {
            name: self.name.clone(),
            requests,
            sizes: Vec::new(),
        }])
    }

    fn servegen(&self, seed: u64) -> Result<Vec<Traffic>, TraceError> {
        let mut keys = BTreeMap::<&str, Vec<(f64, f64)>>::new();
        for row in self.rows(["key", "t", "requests", "cv"])? {
            let window = row.number(1)? as usize / 600;
            let windows = keys
                .entry(row.cells[0])
                .or_insert_with(|| vec![(0.0, 1.0); SERVEGEN_WINDOWS]);
            let window = windows.get_mut(window).ok_or_else(|| row.wrong(1))?;
            *window = (row.number(2)?, row.number(3)?);
        }
        let mut sizes = match &self.hourly {
            Some(hourly) => hourly.sizes()?,
            None => BTreeMap::new(),
        };
        let halves = |(name, windows): (&str, Vec<(f64, f64)>)| {
            let mut rng = chance::of(name, "split", seed);
            let half = |(requests, cv): (f64, f64)| {
                let uneven = (cv * cv / requests.max(1.0)).sqrt() / 2.0;
                let first = (0.5 + uneven * chance::normal(&mut rng)).clamp(0.0, 1.0);
                [requests * first, requests * (1.0 - first)]
            };
            Traffic {
                name: name.to_owned(),
                requests: windows.into_iter().flat_map(half).collect(),
                sizes: sizes.remove(name).unwrap_or_default(),
            }
        };
        Ok(keys.into_iter().map(halves).collect())
    }

    /// Tokens per request of each key that has any, hour by hour; an hour without requests has the size of the one before.
    fn sizes(&self) -> Result<BTreeMap<&str, Vec<f64>>, TraceError> {
        let mut keys = BTreeMap::<&str, Vec<f64>>::new();
        for row in self.rows(["key", "t", "requests", "input_tokens", "output_tokens"])? {
            let tokens: Vec<f64> = [3, 4]
                .into_iter()
                .filter(|&at| !row.cells[at].is_empty())
                .map(|at| row.number(at))
                .collect::<Result<_, _>>()?;
            let (hour, requests) = (row.number(1)? as usize / 3600, row.number(2)?);
            let hours = keys
                .entry(row.cells[0])
                .or_insert_with(|| vec![0.0; SERVEGEN_WINDOWS / 6]);
            let hour = hours.get_mut(hour).ok_or_else(|| row.wrong(1))?;
            *hour = tokens.iter().sum::<f64>() / requests.max(1.0);
        }
        keys.retain(|_, hours| hours.iter().any(|&size| size > 0.0));
        for hours in keys.values_mut() {
            let mut last = hours
                .iter()
                .copied()
                .find(|&size| size > 0.0)
                .unwrap_or(0.0);
            for hour in hours {
                *hour = if *hour > 0.0 { *hour } else { last };
                last = *hour;
            }
        }
        Ok(keys)
    }

    fn five_minutes(&self) -> Result<Vec<f64>, TraceError> {
        let mut buckets = BTreeMap::<i64, f64>::new();
        for row in self.rows(["time", "requests"])? {
            let time: DateTime = row.cells[0].parse().map_err(|_| row.wrong(0))?;
            let time = TimeZone::UTC.to_timestamp(time).map_err(|_| row.wrong(0))?;
            *buckets.entry(time.as_second() / 300).or_default() += row.number(1)?;
        }
        let (Some((&first, _)), Some((&last, _))) =
            (buckets.first_key_value(), buckets.last_key_value())
        else {
            return Ok(Vec::new());
        };
        let bucket = |at| buckets.get(&at).copied().unwrap_or(0.0);
        Ok((first..=last).map(bucket).collect())
    }

    fn hourly(&self, seed: u64) -> Result<Vec<f64>, TraceError> {
        let mut rng = chance::of(&self.name, "split", seed);
        let rows = self.rows(["requests"])?;
        let hours: Vec<f64> = rows.map(|row| row.number(0)).collect::<Result<_, _>>()?;
        let parts = hours
            .into_iter()
            .flat_map(|hour| chance::split::<12>(&mut rng, hour, 2));
        Ok(parts.collect())
    }

    fn rows<const N: usize>(
        &self,
        columns: [&'static str; N],
    ) -> Result<impl Iterator<Item = Row<'_, N>>, TraceError> {
        let mut lines = self.text.lines();
        let heading: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let mut at = [0; N];
        for (at, column) in at.iter_mut().zip(columns) {
            let found = heading.iter().position(|name| name.trim() == column);
            let missing = || TraceError::Column {
                path: self.path.clone(),
                column,
            };
            *at = found.ok_or_else(missing)?;
        }
        Ok(lines.enumerate().map(move |(line, text)| {
            let mut cells = [""; N];
            for (column, cell) in text.split(',').enumerate() {
                for (cells, _) in cells.iter_mut().zip(at).filter(|&(_, at)| at == column) {
                    *cells = cell.trim();
                }
            }
            Row {
                file: self,
                columns,
                line: line + 2,
                cells,
            }
        }))
    }
}

struct Row<'a, const N: usize> {
    file: &'a File,
    columns: [&'static str; N],
    line: usize,
    cells: [&'a str; N],
}

impl<const N: usize> Row<'_, N> {
    fn number(&self, at: usize) -> Result<f64, TraceError> {
        let number: f64 = self.cells[at].parse().map_err(|_| self.wrong(at))?;
        match number.is_finite() && number >= 0.0 {
            true => Ok(number),
            false => Err(self.wrong(at)),
        }
    }

    fn wrong(&self, at: usize) -> TraceError {
        TraceError::Row {
            path: self.file.path.clone(),
            line: self.line,
            column: self.columns[at],
        }
    }
}

#[cfg(test)]
mod tests;

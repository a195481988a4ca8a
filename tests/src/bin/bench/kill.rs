//! How fast slots are cut off: each call of AWS takes 20 ms and each of the provider 150 ms beside the HTTP that is
//! really spoken. Everything of the kill switch is in a process of its own, so that its memory can be measured; the
//! simulated provider is in this one.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alarm::AlarmState;
use keyward_core::model::incident::OwnerId;
use keyward_core::model::key::{AdminKey, ApiKey};
use keyward_core::model::kill_order::TopicArn;
use keyward_core::model::names::{KeyHandle, SlotName};
use keyward_core::model::slot::{Epoch, ProviderName, Scope, Slot};
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Deadline, Fence, Inventory as _, Providers, TAG_SLOT, TAG_STACK};
use keyward_core::rules::kill::{AlarmMap, Deployment};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::kill_switch::KillSwitch;
use keyward_kill_switch::handle;
use keyward_lambda::clock::SystemClock;
use keyward_testkit::gate::{Gate, Timed, gated, gated_alarms, in_sequence};
use keyward_testkit::memory::{MemoryAlarms, MemoryAlerts, MemoryInventory, MemorySecrets};
use keyward_testkit::simulator::{Settings, Simulator};
use keyward_tests::support::account_entry;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::launch::peak_mb;
use crate::list::{ADMIN, POOL, opened};
use crate::stats::round;
use crate::{Bound, Report, Result};

/// The word that makes this binary kill; behind it stands a [`Task`].
pub(crate) const COMMAND: &str = "--kill-slots";

/// Who we are.
const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const STACK: &str = "bench";
const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:bench-alarms";

/// How long a call of AWS takes, and one of the provider.
const AWS: Duration = Duration::from_millis(20);
const PROVIDER: Duration = Duration::from_millis(150);

/// Requests that the provider takes in a second in a storm: others wait for their turn.
const TAKES: u32 = 50;

/// Kills, one after the other, of slots with three live versions each.
const KILLS: usize = 200;

/// What a kill must keep to.
const ROUND_TRIPS: f64 = 2.0;
const CONTAINED_P99_MS: f64 = 230.0;
const STORM_100_S: f64 = 3.0;
const STORM_300_S: f64 = 7.0;
const PEAK_MB: f64 = 64.0;

/// What the killing process is to do. It reads the admin key from its standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Task {
    provider: ProviderName,
    account: Value,
    slots: usize,
    versions: usize,
    how: How,
}

/// In which order slots are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum How {
    /// One after the other.
    InTurn,
    /// All at once, and the provider takes [`TAKES`] requests in a second.
    Storm,
}

/// What the killing process saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Killed {
    /// Calls of AWS that were waited for one after the other before the first request to cut a key off, at most.
    round_trips: usize,
    /// From the order to the answer for the last version known at the claim, for each slot.
    contained_ms: Vec<f64>,
    /// The same to the end of the kill: listed again, recorded, told, and the replacement asked for.
    ended_ms: Vec<f64>,
    /// From the first order to the last version of all.
    all_s: f64,
    /// Peak memory of the process.
    peak_mb: f64,
}

/// Measures kills.
pub(crate) fn kills(report: &mut Report) -> Result<()> {
    println!(
        "\ncutting slots off, with {} ms for a call of AWS and {} ms for one of the provider",
        AWS.as_millis(),
        PROVIDER.as_millis()
    );
    let killed = measure(KILLS, 3, How::InTurn)?;
    let (p99, ended) = (
        percentile(&killed.contained_ms, 99),
        percentile(&killed.ended_ms, 99),
    );
    println!(
        "  {KILLS} slots of 3 versions: cut off after {:.1} ms (median), {p99:.1} ms (p99); all done after {ended:.1} ms (p99)",
        percentile(&killed.contained_ms, 50)
    );
    println!(
        "  AWS round trips before the first request: {}",
        killed.round_trips
    );
    let one = measure(100, 1, How::Storm)?;
    let three = measure(100, 3, How::Storm)?;
    println!(
        "  100 slots at once, {TAKES} requests in a second: {:.2} s of one version each, {:.2} s of three",
        one.all_s, three.all_s
    );
    println!("  peak memory {:.1} MB", killed.peak_mb);
    let figures = [
        (
            "kill.round_trips_before_disable",
            killed.round_trips as f64,
            ROUND_TRIPS,
        ),
        ("kill.contained_p99_ms", p99, CONTAINED_P99_MS),
        ("kill.storm_100_s", one.all_s, STORM_100_S),
        ("kill.storm_300_s", three.all_s, STORM_300_S),
        ("kill.peak_mb", killed.peak_mb, PEAK_MB),
    ];
    for (key, value, limit) in figures {
        report.figure(key, round(value));
        report.target(key, value, Bound::AtMost, limit);
    }
    report.figure("kill.ended_p99_ms", round(ended));
    Ok(())
}

/// The value that so many of a hundred do not exceed.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

/// Kills in a process of its own, at a simulated account in this one.
fn measure(slots: usize, versions: usize, how: How) -> Result<Killed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let provider = ProviderName::OpenRouter;
    let settings = Settings {
        provider,
        ..Settings::default()
    };
    let simulator = runtime.block_on(Simulator::start(Arc::new(SystemClock), settings));
    for n in 0..slots * versions {
        simulator.seed(&format!("agent-{n}"));
    }
    let task = Task {
        provider,
        account: account_entry(&simulator, ADMIN, POOL),
        slots,
        versions,
        how,
    };
    let mut child = Command::new(std::env::current_exe()?)
        .args([COMMAND, &serde_json::to_string(&task)?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(simulator.management_key().expose_secret().as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("killing ended with {}", output.status).into());
    }
    match simulator.live_keys().len() {
        0 => Ok(serde_json::from_slice(&output.stdout)?),
        live => Err(format!("{live} keys work on after all slots were cut off").into()),
    }
}

/// The killing process.
pub(crate) fn kill_slots(task: &str) -> Result<String> {
    let task: Task = serde_json::from_str(task)?;
    let key = std::io::read_to_string(std::io::stdin())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let killed = runtime.block_on(run(&task, AdminKey::new(&key)))?;
    Ok(serde_json::to_string(&killed)?)
}

async fn run(task: &Task, key: AdminKey) -> Result<Killed> {
    let providers = Arc::new(opened(&task.account, key)?);
    let inventory = Arc::new(MemoryInventory::default());
    let secrets = Arc::new(MemorySecrets::default());
    let slots = fill(task, providers.as_ref(), &inventory).await?;
    let gate = Arc::new(Gate::default());
    let open = Ports {
        secrets,
        inventory: inventory.clone(),
        pools: inventory,
        providers,
        alerts: Arc::new(MemoryAlerts::default()),
        clock: Arc::new(SystemClock),
    };
    let alarms = Arc::new(MemoryAlarms::default());
    let switch = KillSwitch {
        ports: gated(&open, &gate),
        alarms: gated_alarms(alarms.clone(), &gate),
        deployment: Deployment {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            stack: STACK.parse()?,
            topic: TopicArn::new(TOPIC),
            map: AlarmMap::default(),
        },
        confirm: ConfirmPolicy::default(),
    };
    // The first connection is made before: a function that has run once has it.
    kill_one(&switch, &alarms, &slots[0]).await?;
    slow_down(&gate, task.how);
    let slots = &slots[1..];
    let begun = Instant::now();
    let mut each = Vec::new();
    match task.how {
        How::InTurn => {
            for slot in slots {
                slow_down(&gate, task.how);
                let begun = Instant::now();
                kill_one(&switch, &alarms, slot).await?;
                each.push((begun, Instant::now(), gate.timed()));
            }
        }
        How::Storm => {
            let kills = slots.iter().map(|slot| kill_one(&switch, &alarms, slot));
            for killed in join_all(kills).await {
                killed?;
            }
            each.push((begun, Instant::now(), gate.timed()));
        }
    }
    let cuts = || {
        each.iter()
            .flat_map(|(_, _, timed)| timed.iter().filter(is_cut))
    };
    let all = cuts()
        .filter_map(|cut| cut.ended)
        .max()
        .ok_or("nothing was cut off")?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let last = |timed: &[Timed]| {
        timed
            .iter()
            .filter(is_cut)
            .filter_map(|cut| cut.ended)
            .max()
    };
    Ok(Killed {
        round_trips: each
            .iter()
            .map(|(_, _, timed)| round_trips(timed))
            .max()
            .unwrap_or(0),
        contained_ms: each
            .iter()
            .filter_map(|(begun, _, timed)| Some(ms(last(timed)? - *begun)))
            .collect(),
        ended_ms: each
            .iter()
            .map(|(begun, ended, _)| ms(*ended - *begun))
            .collect(),
        all_s: (all - begun).as_secs_f64(),
        peak_mb: peak_mb(&std::fs::read_to_string("/proc/self/status")?)
            .ok_or("the kernel does not tell peak memory")?,
    })
}

/// Whether the call cuts a key off.
fn is_cut(timed: &&Timed) -> bool {
    matches!(timed.call, "provider.disable" | "provider.delete")
}

/// Calls of AWS that were waited for, one after the other, before the first key was cut off.
fn round_trips(timed: &[Timed]) -> usize {
    let first = timed.iter().filter(is_cut).map(|cut| cut.begun).min();
    let before = timed.iter().filter(|call| {
        let is_before = first.is_none_or(|first| call.ended.is_some_and(|at| at <= first));
        !call.call.starts_with("provider.") && is_before
    });
    in_sequence(&before.copied().collect::<Vec<_>>())
}

/// Gives every call its latency; in a storm the provider's requests wait for their turn before it.
fn slow_down(gate: &Gate, how: How) {
    let free = Mutex::new(Instant::now());
    gate.slow_down(move |call| {
        if !call.starts_with("provider.") {
            return AWS;
        }
        if how == How::InTurn {
            return PROVIDER;
        }
        let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*free).max(Instant::now());
        *free = turn + Duration::from_secs(1) / TAKES;
        turn - Instant::now() + PROVIDER
    });
}

/// One invocation, with the message of the slot's own alarm.
async fn kill_one(switch: &KillSwitch, alarms: &MemoryAlarms, slot: &SlotName) -> Result<()> {
    let now = switch.ports.clock.now();
    let name = switch.deployment.alarm_name(slot);
    let arn = format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}");
    let alarm = arn.parse()?;
    alarms.make(&alarm, &[(TAG_SLOT, slot.as_str()), (TAG_STACK, STACK)]);
    alarms.change(&alarm, now, AlarmState::Alarm);
    let message = json!({
        "AlarmName": name, "AlarmArn": arn, "AWSAccountId": ACCOUNT,
        "NewStateValue": "ALARM", "OldStateValue": "OK", "NewStateReason": "Threshold Crossed",
        "StateChangeTime": now.to_string(),
        "Trigger": {"MetricName": "KillScore", "Namespace": "Keyward", "Dimensions": [
            {"name": "Stack", "value": STACK}, {"name": "Slot", "value": slot},
        ]},
    });
    let event = json!({"Records": [{"EventSource": "aws:sns", "Sns": {
        "Type": "Notification", "MessageId": slot, "TopicArn": TOPIC, "Message": message.to_string(),
    }}]});
    let invocation = Invocation {
        owner: OwnerId::new(slot.as_str()),
        deadline: Deadline(now + SignedDuration::from_secs(60)),
    };
    let report = handle(switch, &event, &invocation).await?.report();
    match report.map(|report| report.contained) {
        Some(1) => Ok(()),
        _ => Err(format!("{slot} was not cut off").into()),
    }
}

/// Slots that share out the account's keys, and one more for the first connection, which has none.
async fn fill(
    task: &Task,
    providers: &dyn Providers,
    inventory: &MemoryInventory,
) -> Result<Vec<SlotName>> {
    let driver = providers.open(&"bench".parse()?, task.provider).await?;
    let mut handles = Vec::new();
    let mut page = driver.list(&Scope::default(), None).await?;
    loop {
        handles.extend(page.keys.into_iter().map(|key| key.handle));
        let Some(next) = page.next else { break };
        page = driver.list(&Scope::default(), Some(&next)).await?;
    }
    let mut names = Vec::new();
    let warm = slot(0, task.provider)?;
    inventory.create_slot(&warm, None).await?;
    names.push(warm.name);
    for (n, handles) in handles.chunks(task.versions).enumerate() {
        let slot = slot(n + 1, task.provider)?;
        inventory.create_slot(&slot, None).await?;
        for (place, handle) in handles.iter().enumerate() {
            let version = version(&slot, place, handle)?;
            inventory.add_version(&version, Fence::None).await?;
        }
        names.push(slot.name);
    }
    if names.len() != task.slots + 1 {
        return Err(format!("{} slots instead of {}", names.len() - 1, task.slots).into());
    }
    Ok(names)
}

pub(crate) fn slot(n: usize, provider: ProviderName) -> Result<Slot> {
    Ok(serde_json::from_value(json!({
        "schema": 1, "revision": 0, "name": format!("bench-{n}"), "agent": format!("bench-{n}"),
        "owner": "bench", "environment": "prod", "provider": provider, "account": "bench",
        "secret": format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:bench-{n}-AbCdEf"),
        "kind": provider.kind(), "mode": "enforce", "state": "active", "epoch": 0,
        "due_at": Timestamp::UNIX_EPOCH,
        "expected": {"daily": 10_000_000, "monthly": 300_000_000},
        "policy": {"max_age": 5_184_000, "overlap": 7200, "deadline": 86_400, "refresh": 1800},
    }))?)
}

/// A key in use, the one before it, the one before that.
pub(crate) fn version(slot: &Slot, place: usize, handle: &KeyHandle) -> Result<Version> {
    let id = format!("11111111-aaaa-4bbb-8ccc-{place:012}.1").parse()?;
    let made = Timestamp::UNIX_EPOCH;
    Ok(Version {
        state: match place {
            0 => VersionState::Current,
            _ => VersionState::Retiring,
        },
        handle: Some(handle.clone()),
        fingerprint: Some(ApiKey::new(handle.as_str()).fingerprint()),
        promoted: Some(made),
        ..Version::intended(&slot.name, id, Epoch(0), made)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&values, 50), 100.0);
        assert_eq!(percentile(&values, 99), 198.0);
        assert_eq!(percentile(&values[..1], 99), 1.0);
        assert!(percentile(&[], 99).is_nan());
    }
}

//! Usage that agents tell themselves: at a provider that tells nothing, and beside one that does.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use keyward_core::model::act::CallerArn;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::kill_order::Basis;
use keyward_core::model::metric::KillScore;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::SecretVersionId;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::told::{ToldCell, ToldHour};
use keyward_core::model::usage::{Bucket, Counts, TokenCounts};
use keyward_core::model::usage_items::{Cell, UsageHour};
use keyward_core::model::version::{Version, VersionId, VersionState};
use keyward_core::ports::{Fence, Inventory, UsageStore};
use keyward_core::rules::told::{MOST_REPORTERS, Refused, Report, ReportedBucket};
use keyward_core::usecases::report::{KnownVersion, ReportError, Taken, report};
use keyward_testkit::gate::Cut;

use super::scene::{DOLLAR, Scene, account};

const CALLER: &str = "arn:aws:sts::111122223333:assumed-role/search/i-0123";
const ROLE: &str = "arn:aws:iam::111122223333:role/agents/search";

/// A million tokens read cost $1.25, as those of the other scenes do.
const MODEL: &str = "gemini-2.5-pro";

/// Two processes use slot `search` of Gemini, of which nobody else tells.
pub(crate) async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.other.tell_nothing();
    scene
        .set("search", |slot| {
            slot.provider = ProviderName::Gemini;
            slot.readers = vec![ROLE.parse().unwrap()];
        })
        .await;
    scene
}

/// The same after days on which it was told that so many dollars were spent, evenly.
pub(crate) async fn learned(days: u32, dollars: u64) -> Scene {
    let scene = scene().await;
    let day = MicroDollars(dollars * DOLLAR);
    scene
        .set("search", |slot| {
            slot.expected.daily = day;
            slot.expected.monthly = MicroDollars(day.0 * 30);
        })
        .await;
    let now = Bucket::of(scene.now());
    let version = scene.version("search").await;
    for hour in now.minus(days * Bucket::PER_DAY).hour()..now.hour() {
        let mut item = UsageHour::empty("search".parse().unwrap(), hour);
        for bucket in (hour * 12..hour * 12 + 12).map(Bucket) {
            let models = used(day.0 / u64::from(Bucket::PER_DAY));
            let cell = Cell::told(version.id.clone(), bucket, bucket.ends(), models, 1);
            item.put_told(bucket, &[cell]);
        }
        scene.usage.save_hour(&item).await.unwrap();
    }
    let mut state = scene
        .usage
        .account_or_empty(&account("other"))
        .await
        .unwrap();
    state.told_at = Some(scene.now() - SignedDuration::from_mins(1));
    scene.usage.save_account(&state).await.unwrap();
    scene
}

fn used(micros: u64) -> BTreeMap<String, Counts> {
    let tokens = TokenCounts {
        input: micros * 4 / 5,
        ..TokenCounts::default()
    };
    let counts = Counts {
        cost: MicroDollars(micros),
        requests: 1,
        tokens,
    };
    [(MODEL.to_owned(), counts)].into()
}

/// One process tells of buckets, each so long ago with so many micro-dollars in all.
pub(crate) async fn told(
    scene: &Scene,
    process: u32,
    buckets: &[(u32, u64)],
    change: impl FnOnce(&mut Report),
) -> Result<Taken, ReportError> {
    let now = Bucket::of(scene.now());
    let version = scene.version("search").await.id.secret_version;
    let of = |(ago, micros): &(u32, u64)| ReportedBucket {
        from: now.minus(*ago).begins(),
        models: match micros {
            0 => BTreeMap::new(),
            micros => {
                let counts = Counts {
                    cost: MicroDollars(0),
                    ..used(*micros)[MODEL]
                };
                [(MODEL.parse().unwrap(), counts)].into()
            }
        },
    };
    let mut told = Report {
        slot: "search".parse().unwrap(),
        reporter: format!("EXAMPLE-process-{process}").parse().unwrap(),
        version,
        ends: false,
        buckets: buckets.iter().map(of).collect(),
    };
    change(&mut told);
    let ports = &scene.ports;
    report(&ports.ports, &*ports.usage, &CallerArn::new(CALLER), &told).await
}

pub(crate) async fn tell(scene: &Scene, process: u32, buckets: &[(u32, u64)]) {
    told(scene, process, buckets, |_| {}).await.unwrap();
}

/// Both processes spend so many micro-dollars in each bucket, and tell of it when it is over.
pub(crate) async fn tell_at_end(scene: &Scene, micros: u64) {
    if scene.now().as_second() % 300 == 0 {
        tell(scene, 1, &[(1, micros / 2)]).await;
        tell(scene, 2, &[(1, micros / 2)]).await;
    }
}

#[tokio::test]
async fn an_agent_that_runs_wild_is_learned_scored_and_sent_by_its_own_word() {
    let scene = learned(15, 100).await;
    let usual = 100 * DOLLAR / 288;
    for _ in 0..60 {
        tell_at_end(&scene, usual).await;
        let report = scene.run().await.unwrap();
        assert_eq!(report.left, [""; 0]);
        scene.pass(1);
    }
    assert_eq!(scene.scores(), []);
    assert_eq!(scene.alerts(), []);
    let mut minutes = 0;
    while scene.orders().is_empty() {
        minutes += 1;
        assert!(minutes <= 60, "not sent after an hour");
        tell_at_end(&scene, usual * 50).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let order = &scene.orders()[0];
    assert_eq!(order.slot.as_str(), "search");
    assert_eq!(order.basis, Basis::Usual);
    let over = |s: &KillScore| s.thousandths >= KillScore::LINE;
    assert!(scene.scores().iter().any(over));
    let told = scene.alert(AlertKind::SpendUnusual);
    assert!(told.what.as_str().contains("search"), "{told:?}");
}

#[tokio::test]
async fn a_new_agent_is_cut_off_for_what_its_owner_declared() {
    let scene = scene().await;
    for _ in 0..30 {
        tell_at_end(&scene, 20 * DOLLAR).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(scene.orders()[0].basis, Basis::Declared);
}

#[tokio::test]
async fn silence_is_told_once_is_never_zero_and_kills_nobody() {
    let scene = learned(15, 100).await;
    for _ in 0..60 {
        tell_at_end(&scene, 50 * DOLLAR / 288).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let hours = scene.usage.all_hours();
    for minute in 0..180 {
        if minute % 50 == 17 {
            scene.restart().await;
        }
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let silent = scene.alert(AlertKind::UsageUnseen);
    assert_eq!(scene.alerts().len(), 1, "{:?}", scene.alerts());
    assert_eq!(silent.severity, Severity::Warning);
    assert!(silent.what.as_str().contains("search since"), "{silent:?}");
    let after = silent
        .at
        .unwrap()
        .duration_since("2026-12-20T00:55:00Z".parse().unwrap());
    assert!((15..=17).contains(&after.as_mins()), "{after:?}");
    assert_eq!(scene.usage.all_hours(), hours, "nothing was made up");
    assert_eq!((scene.orders(), scene.scores()), (vec![], vec![]));
    tell(&scene, 3, &[(1, 1000)]).await;
    for _ in 0..10 {
        scene.pass(1);
        scene.run().await.unwrap();
    }
    let again = scene.alerts().pop().unwrap();
    assert_eq!(again.severity, Severity::Notice, "{again:?}");
    assert_eq!(scene.count(AlertKind::UsageUnseen), 2);
}

#[tokio::test]
async fn who_says_that_it_ends_is_not_missed() {
    let scene = learned(15, 100).await;
    tell(&scene, 1, &[(1, 1000)]).await;
    told(&scene, 2, &[(1, 1000)], |report| report.ends = true)
        .await
        .unwrap();
    scene.run().await.unwrap();
    told(&scene, 1, &[(0, 1000)], |report| report.ends = true)
        .await
        .unwrap();
    for _ in 0..40 {
        scene.pass(1);
        scene.run().await.unwrap();
    }
    assert_eq!(scene.alerts(), []);
}

/// What is kept of usage, without when it was read.
pub(crate) fn cells(scene: &Scene) -> Vec<(Bucket, VersionId, Counts)> {
    let hours = scene.usage.all_hours().into_iter();
    let cells = hours.flat_map(|hour| hour.cells);
    let known = cells.map(|cell| (cell.bucket, cell.version.clone(), cell.counts()));
    known.collect()
}

#[tokio::test]
async fn what_comes_twice_late_or_in_another_order_ends_in_the_same_buckets() {
    let (one, other) = (scene().await, scene().await);
    let mut chance = fastrand::Rng::with_seed(7);
    let mut late: Vec<(i64, u32, Bucket, u64)> = Vec::new();
    for minute in 0..400_i64 {
        let open = Bucket::of(one.now());
        for process in 1..3 {
            // Each minute the open bucket has a little more.
            let so_far = (minute % 5 + 1) as u64 * 1000 * u64::from(process);
            tell(&one, process, &[(0, so_far)]).await;
            // A process that is new to an hour must not be more than two hours late.
            let comes = minute + chance.i64(0..90);
            for _ in 0..chance.u32(1..4) {
                late.push((comes + chance.i64(0..20), process, open, so_far));
            }
        }
        chance.shuffle(&mut late);
        let due: Vec<_> = late.extract_if(.., |(at, ..)| *at <= minute).collect();
        for (_, process, bucket, so_far) in due {
            tell(&other, process, &[(open.0 - bucket.0, so_far)]).await;
        }
        one.run().await.unwrap();
        if minute % 90 < 20 {
            other.run().await.unwrap();
        }
        if chance.u8(..) < 20 {
            other.restart().await;
        }
        one.pass(1);
        other.pass(1);
    }
    let open = Bucket::of(one.now());
    for (_, process, bucket, so_far) in late {
        tell(&other, process, &[(open.0 - bucket.0, so_far)]).await;
    }
    for scene in [&one, &other] {
        for _ in 0..70 {
            scene.run().await.unwrap();
            scene.pass(1);
        }
    }
    assert_eq!(cells(&one).len(), 80);
    assert_eq!(cells(&one), cells(&other));
}

/// Cuts a run off in the middle of a runaway, goes on, and returns the calls that it made.
async fn cut(at: Option<(usize, Cut)>) -> Vec<&'static str> {
    let scene = learned(6, 100).await;
    let mut calls = Vec::new();
    for minute in 0..40 {
        tell_at_end(&scene, 20 * DOLLAR).await;
        if minute == 15 {
            match at {
                Some((number, way)) => scene.gate.arm(number, way),
                None => scene.gate.record(),
            }
            let is_done = scene.gate.until_stopped(scene.run()).await.is_some();
            let (made, fired) = scene.gate.disarm();
            assert_eq!(fired.is_some(), at.is_some(), "{at:?} of {made:?}");
            calls = made;
            if !is_done {
                scene.restart().await;
            }
        } else {
            let _ = scene.run_as("after it").await.unwrap();
        }
        scene.pass(1);
    }
    assert!(!scene.orders().is_empty(), "{at:?}: no order");
    assert!(
        scene.count(AlertKind::SpendUnusual) >= 1,
        "{at:?}: not told"
    );
    let spent = |(bucket, _, counts): &(Bucket, VersionId, Counts)| {
        let is_new = *bucket >= Bucket::of("2026-12-20T00:00:00Z".parse().unwrap());
        is_new.then_some(counts.cost.0)
    };
    let spent: u64 = cells(&scene).iter().filter_map(spent).sum();
    assert_eq!(spent, 7 * 20 * DOLLAR, "{at:?}");
    calls
}

#[tokio::test]
async fn a_run_that_is_cut_off_at_any_call_loses_and_doubles_nothing() {
    let calls = cut(None).await;
    assert!(calls.contains(&"usage.told"), "{calls:?}");
    for number in 0..calls.len() {
        for way in Cut::ALL {
            cut(Some((number, way))).await;
        }
    }
}

#[tokio::test]
async fn a_report_that_is_cut_off_at_any_call_is_brought_to_its_end_by_the_same_again() {
    let buckets: Vec<(u32, u64)> = (0..30).map(|ago| (ago, 1000)).collect();
    let whole = scene().await;
    whole.gate.record();
    tell(&whole, 1, &buckets).await;
    let (calls, _) = whole.gate.disarm();
    assert!(calls.contains(&"usage.save_told"), "{calls:?}");
    for number in 0..calls.len() {
        for way in Cut::ALL {
            let scene = scene().await;
            scene.gate.arm(number, way);
            let first = told(&scene, 1, &buckets, |_| {});
            let _ = scene.gate.until_stopped(first).await;
            let (made, fired) = scene.gate.disarm();
            assert!(fired.is_some(), "{number} {way:?} of {made:?}");
            tell(&scene, 1, &buckets).await;
            assert_eq!(
                scene.usage.all_told(),
                whole.usage.all_told(),
                "{number} {way:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_secret_version_that_nobody_knows_counts_and_is_told() {
    let scene = scene().await;
    let version: SecretVersionId = "99999999-aaaa-4bbb-8ccc-000000000001".parse().unwrap();
    let taken = told(&scene, 1, &[(1, 7000)], |report| report.version = version).await;
    assert_eq!(taken.unwrap().version, KnownVersion::No);
    scene.run().await.unwrap();
    assert_eq!(cells(&scene)[0].2.cost, MicroDollars(7000));
    let strange = scene.alert(AlertKind::UsageUnusual);
    assert!(strange.what.as_str().contains("99999999"), "{strange:?}");
}

#[tokio::test]
async fn more_processes_than_may_are_refused_and_people_are_told() {
    let scene = scene().await;
    for process in 0..MOST_REPORTERS as u32 {
        tell(&scene, process, &[(1, 10)]).await;
    }
    let refused = told(&scene, 1000, &[(1, 10)], |_| {}).await.unwrap_err();
    let refused = matches!(refused, ReportError::Refused(Refused::TooManyReporters(_)));
    assert!(refused);
    tell(&scene, 5, &[(1, 20)]).await;
    scene.run().await.unwrap();
    let full = scene.alert(AlertKind::UsageUnseen);
    assert!(full.what.as_str().contains("100 processes"), "{full:?}");
}

#[tokio::test]
async fn an_old_key_that_its_agent_still_uses_is_noted_as_used() {
    let scene = scene().await;
    let old = scene.version("search").await;
    let retiring = old.clone().become_state(VersionState::Retiring).unwrap();
    let inventory = &scene.inventory;
    inventory
        .save_versions(&[retiring], Fence::None)
        .await
        .unwrap();
    let slot = scene.slot("search").await;
    let id = "22222222-aaaa-4bbb-8ccc-000000000009.1".parse().unwrap();
    let next = Version {
        state: VersionState::Current,
        due_at: None,
        ..Version::intended(&slot.name, id, slot.epoch, scene.now())
    };
    inventory.add_version(&next, Fence::None).await.unwrap();
    let secret = old.id.secret_version.clone();
    told(&scene, 1, &[(1, 10)], |report| report.version = secret)
        .await
        .unwrap();
    tell(&scene, 1, &[(1, 10)]).await;
    scene.run().await.unwrap();
    let versions = inventory.versions(&slot.name).await.unwrap();
    let last = |id: &VersionId| versions.iter().find(|v| v.id == *id).unwrap().last_used;
    assert_eq!(last(&old.id), Some(scene.now()));
    assert_eq!(last(&next.id), None);
}

/// `chat`, whose provider tells of $10 on each day, and whose agent tells of so many cents on one of them.
pub(crate) async fn compared(cents: u64) -> Scene {
    let scene = Scene::learned(15, 10).await;
    let version = scene.version("chat").await.id;
    let day = Bucket::of("2026-12-18T00:00:00Z".parse().unwrap());
    for hour in day.hour()..day.hour() + 24 {
        let reporter = "EXAMPLE-process-1".parse().unwrap();
        let mut item = ToldHour::empty("chat".parse().unwrap(), hour, reporter);
        for bucket in (hour * 12..hour * 12 + 12).map(Bucket) {
            let models = [("gpt-5".to_owned(), used(cents * 10_000 / 288)[MODEL])];
            item.put(ToldCell {
                version: version.clone(),
                bucket,
                models: models.into(),
            });
        }
        scene.usage.save_told(&item).await.unwrap();
    }
    for _ in 0..3 {
        scene.run().await.unwrap();
        scene.restart().await;
        scene.pass(1);
    }
    scene
}

#[tokio::test]
async fn what_agents_and_provider_tell_is_compared_and_a_tenth_apart_is_told_once() {
    for (cents, says) in [
        (500, Some("somebody else uses the key")),
        (880, Some("somebody else uses the key")),
        (910, None),
        (1000, None),
        (1090, None),
        (1500, Some("another key")),
    ] {
        let scene = compared(cents).await;
        let told = scene.alerts();
        assert_eq!(told.len(), usize::from(says.is_some()), "{cents}: {told:?}");
        let Some(says) = says else { continue };
        assert_eq!(told[0].kind, AlertKind::UsageDiffers);
        assert!(told[0].left.as_str().contains(says), "{told:?}");
        assert!(told[0].what.as_str().contains("2026-12-18"), "{told:?}");
    }
}

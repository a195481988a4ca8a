//! Whoever may tell of one slot can hurt that slot's figures, and neither its account, nor another slot, nor a run.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::told::{ToldCell, ToldHour};
use keyward_core::model::usage::{Bucket, Counts};
use keyward_core::model::usage_items::Source;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Fence, Inventory, UsageStore};
use keyward_core::rules::told::{Refused, Report, not_in_inventory};
use keyward_core::usecases::report::ReportError;
use keyward_testkit::gate::Cut;

use super::THEFT;
use super::scene::{DOLLAR, Scene, account};
use super::told::{cells, learned, scene, tell, told};

/// One more slot of which agents alone tell.
async fn add(scene: &Scene, name: &str) {
    scene.add_slot(name, "other").await;
    let search = scene.slot("search").await;
    scene
        .set(name, |slot| {
            slot.provider = ProviderName::Gemini;
            slot.readers = search.readers;
        })
        .await;
}

async fn tell_of(scene: &Scene, slot: &str, buckets: &[(u32, u64)]) {
    let version = scene.version(slot).await.id.secret_version;
    let name = slot.parse().unwrap();
    let change = |report: &mut Report| {
        (report.slot, report.version) = (name, version);
    };
    told(scene, 1, buckets, change).await.unwrap();
}

/// What is kept of a slot.
fn kept(scene: &Scene, slot: &str) -> u64 {
    let hours = scene.usage.all_hours().into_iter();
    let ours = hours.filter(|hour| hour.slot.as_str() == slot);
    let cells = ours.flat_map(|hour| hour.cells);
    cells.map(|cell| cell.counts().cost.0).sum()
}

fn what(scene: &Scene, kind: AlertKind) -> Vec<String> {
    let alerts = scene.alerts().into_iter();
    let alerts = alerts.filter(|alert| alert.kind == kind);
    alerts.map(|alert| alert.what.as_str().to_owned()).collect()
}

#[tokio::test]
async fn strange_versions_however_many_are_one_and_told_of_once() {
    let scene = scene().await;
    for process in 0..30 {
        for version in 0..4 {
            let id = format!("99999999-aaaa-4bbb-8ccc-{:012}", process * 4 + version);
            let id = id.parse().unwrap();
            let used = told(&scene, process, &[(1, 1000)], |report| report.version = id);
            used.await.unwrap();
        }
    }
    for _ in 0..10 {
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let cells = cells(&scene);
    let cells: Vec<_> = cells
        .iter()
        .map(|(_, id, counts)| (id, counts.cost.0))
        .collect();
    assert_eq!(cells, [(&not_in_inventory(), 120 * 1000)]);
    assert_eq!(what(&scene, AlertKind::UsageUnusual).len(), 1);
}

#[tokio::test]
async fn a_version_that_is_known_later_counts_once() {
    let scene = scene().await;
    let slot = scene.slot("search").await;
    let id = "22222222-aaaa-4bbb-8ccc-000000000009.0".parse().unwrap();
    let next = Version {
        state: VersionState::Current,
        due_at: None,
        ..Version::intended(&slot.name, id, slot.epoch, scene.now())
    };
    let secret = next.id.secret_version.clone();
    for so_far in [1000, 2000] {
        let secret = secret.clone();
        told(&scene, 1, &[(1, so_far)], |report| report.version = secret)
            .await
            .unwrap();
        scene.run().await.unwrap();
        let added = scene.inventory.add_version(&next, Fence::None).await;
        assert_eq!(added.is_ok(), so_far == 1000);
    }
    for _ in 0..5 {
        scene.pass(1);
        scene.run().await.unwrap();
    }
    let cells = cells(&scene);
    let cells: Vec<_> = cells
        .iter()
        .map(|(_, id, counts)| (id, counts.cost.0))
        .collect();
    assert_eq!(cells, [(&next.id, 2000)]);
}

#[tokio::test]
async fn one_slot_that_cannot_be_read_or_kept_is_told_of_and_costs_no_other_anything() {
    for is_read in [false, true] {
        let scene = learned(15, 100).await;
        add(&scene, "rogue").await;
        for minute in 0..60 {
            scene.usage.break_told(&[]);
            if minute % 5 == 0 {
                tell_of(&scene, "rogue", &[(1, 100)]).await;
                tell(&scene, 1, &[(1, 20 * DOLLAR)]).await;
            }
            match is_read {
                true => scene.usage.refuse_hours(&["rogue"]),
                false => scene.usage.break_told(&["rogue"]),
            }
            if minute % 9 == 8 {
                // No process lives long enough to have seen the slot fail for 15 minutes.
                scene.restart().await;
            }
            let report = scene.run().await.unwrap();
            assert_eq!(report.unseen, []);
            scene.pass(1);
        }
        let sent: BTreeSet<SlotName> = scene.orders().into_iter().map(|o| o.slot).collect();
        assert_eq!(sent, BTreeSet::from(["search".parse().unwrap()]));
        let unread = scene.alert(AlertKind::UsageUnseen);
        assert_eq!(unread.severity, Severity::Warning);
        assert!(unread.what.as_str().contains("rogue since"), "{unread:?}");
        assert_eq!(what(&scene, AlertKind::UsageUnseen).len(), 1);
        assert_eq!(kept(&scene, "rogue"), 0);
        // It is not lost.
        scene.usage.refuse_hours(&[]);
        scene.usage.break_told(&[]);
        for _ in 0..6 {
            scene.run().await.unwrap();
            scene.pass(1);
        }
        assert_eq!(kept(&scene, "rogue"), 12 * 100);
        let state = scene.usage.account_or_empty(&account("other")).await;
        assert_eq!(state.unwrap().blind_since, None);
    }
}

#[tokio::test]
async fn a_slot_whose_first_reading_fails_is_told_of_as_blind() {
    let scene = scene().await;
    scene.usage.break_told(&["search"]);
    for minute in 0..40 {
        if minute % 10 == 9 {
            scene.restart().await;
        }
        scene.run().await.unwrap();
        let told = what(&scene, AlertKind::UsageUnseen).len();
        assert_eq!(told, usize::from(minute >= 15), "{minute}");
        scene.pass(1);
    }
}

/// Seven slots whose agents told something.
async fn seven() -> Scene {
    let scene = scene().await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        add(&scene, name).await;
        tell_of(&scene, name, &[(1, 1000)]).await;
    }
    tell(&scene, 1, &[(1, 1000)]).await;
    scene.usage.told_reads();
    scene
}

fn names(reads: Vec<(SlotName, usize)>) -> Vec<String> {
    let names = reads.into_iter().map(|(slot, _)| slot.to_string());
    // The provider of `chat` tells, and agents' word is only compared with it.
    names.filter(|name| name != "chat").collect()
}

#[tokio::test]
async fn a_process_that_has_no_time_for_all_slots_goes_on_with_those_that_are_left() {
    let rehearsed = seven().await;
    rehearsed.gate.record();
    rehearsed.run().await.unwrap();
    let (calls, _) = rehearsed.gate.disarm();
    let of_told = calls.iter().enumerate();
    let mut of_told = of_told.filter(|(_, call)| **call == "usage.told");
    let (third, _) = of_told.nth(2).unwrap();

    let scene = seven().await;
    let clock = scene.clock.clone();
    scene.gate.before(third, async move {
        clock.advance(SignedDuration::from_secs(40));
    });
    scene.run().await.unwrap();
    scene.gate.disarm();
    let first = names(scene.usage.told_reads());
    assert_eq!(first, ["a", "b", "c"]);
    scene.run().await.unwrap();
    let next = names(scene.usage.told_reads());
    assert_eq!(next[..4], ["d", "e", "f", "search"]);
    for name in ["a", "d", "search"] {
        assert_eq!(kept(&scene, name), 1000, "{name}");
    }
}

#[tokio::test]
async fn accounts_whose_providers_tell_are_scored_and_ordered_first() {
    let scene = Scene::learned(15, 10).await;
    scene.other.tell_nothing();
    scene
        .set("search", |slot| slot.provider = ProviderName::Gemini)
        .await;
    let mut together = 0;
    for _ in 0..8 {
        scene.spend("chat", THEFT).await;
        // So that all that agents told is to be read.
        scene.restart().await;
        scene.gate.record();
        scene.run().await.unwrap();
        let (calls, _) = scene.gate.disarm();
        let place = |name: &str| calls.iter().position(|call| *call == name);
        let told = place("usage.told").unwrap();
        assert!(place("metrics.put_scores").unwrap() < told, "{calls:?}");
        if let Some(order) = place("kill_switch.kill") {
            assert!(order < told, "{calls:?}");
            together += 1;
        }
        scene.pass(1);
    }
    assert!(together > 0);
}

#[tokio::test]
async fn a_day_of_a_hundred_processes_is_read_an_hour_at_a_time() {
    let scene = scene().await;
    let version = scene.version("search").await.id;
    let now = Bucket::of(scene.now());
    for hour in now.hour() - 20..now.hour() {
        for process in 0..100 {
            let reporter = format!("EXAMPLE-process-{process}").parse().unwrap();
            let mut item = ToldHour::empty("search".parse().unwrap(), hour, reporter);
            let counts = Counts {
                cost: MicroDollars(7),
                requests: 1,
                ..Counts::default()
            };
            item.put(ToldCell {
                version: version.clone(),
                bucket: Bucket(hour * Bucket::PER_HOUR),
                models: [("gemini-2.5-pro".to_owned(), counts)].into(),
            });
            scene.usage.save_told(&item).await.unwrap();
        }
    }
    scene.run().await.unwrap();
    let reads = scene.usage.told_reads();
    assert!(reads.iter().all(|(_, items)| *items <= 120), "{reads:?}");
    assert_eq!(kept(&scene, "search"), 20 * 100 * 7);
}

#[tokio::test]
async fn where_the_provider_begins_to_tell_its_word_is_the_one() {
    let scene = scene().await;
    for minute in 0..60 {
        if minute == 30 {
            scene.other.tell_usage();
            scene
                .set("search", |slot| slot.provider = ProviderName::OpenAi)
                .await;
            scene.restart().await;
        }
        if minute % 5 == 0 {
            tell(&scene, 1, &[(1, 5000)]).await;
        }
        scene.spend("search", 200).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let state = scene
        .usage
        .account_or_empty(&account("other"))
        .await
        .unwrap();
    assert_eq!(state.told_at, None);
    let hours = scene.usage.all_hours().into_iter();
    let cells: Vec<_> = hours.flat_map(|hour| hour.cells).collect();
    let lately = "2026-12-20T00:00:00Z".parse().unwrap();
    let lately = cells
        .iter()
        .filter(|cell| cell.bucket >= Bucket::of(lately));
    for cell in lately {
        assert_eq!(cell.source, Source::Provider, "{cell:?}");
        assert_eq!(cell.counts().cost.0, 1000, "{cell:?}");
    }
    assert_eq!(what(&scene, AlertKind::UsageUnseen), [""; 0]);
}

#[tokio::test]
async fn that_all_have_ended_outlives_the_process_and_ends_with_the_next_word() {
    let scene = learned(15, 100).await;
    told(&scene, 1, &[(0, 1000)], |report| report.ends = true)
        .await
        .unwrap();
    for minute in 0..60 {
        if minute % 10 == 6 {
            scene.restart().await;
        }
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(scene.alerts(), []);
    // The same process goes on after all, and is silent then.
    tell(&scene, 1, &[(0, 1000)]).await;
    for _ in 0..40 {
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let silent = scene.alert(AlertKind::UsageUnseen);
    assert!(silent.what.as_str().contains("search since"), "{silent:?}");
}

#[tokio::test]
async fn late_reports_use_up_no_hour_for_those_who_told_of_it() {
    let scene = scene().await;
    tell(&scene, 1, &[(1, 1000)]).await;
    scene.pass(4 * 60);
    let refused = told(&scene, 2, &[(4 * 12, 1000), (0, 1000)], |_| {}).await;
    let refused = refused.unwrap_err();
    let is_late = matches!(refused, ReportError::Refused(Refused::TooLateForNew(_)));
    assert!(is_late, "{refused:?}");
    assert_eq!(scene.usage.all_told().len(), 1, "all of it is refused");
    tell(&scene, 1, &[(4 * 12 + 1, 2000), (4 * 12 + 2, 2000)]).await;
    assert_eq!(scene.usage.all_told()[0].cells.len(), 2);
}

#[tokio::test]
async fn a_clock_that_jumped_ahead_is_forgotten() {
    let scene = scene().await;
    let mut state = scene
        .usage
        .account_or_empty(&account("other"))
        .await
        .unwrap();
    state.told_at = Some(scene.now() + SignedDuration::from_hours(48));
    scene.usage.save_account(&state).await.unwrap();
    tell(&scene, 1, &[(1, 1000)]).await;
    scene.run().await.unwrap();
    let state = scene
        .usage
        .account_or_empty(&account("other"))
        .await
        .unwrap();
    assert_eq!(state.told_at, Some(scene.now()));
    assert_eq!(kept(&scene, "search"), 1000);
}

#[tokio::test]
async fn every_old_key_that_is_still_used_is_noted_as_used() {
    let scene = scene().await;
    let first = scene.version("search").await;
    let slot = scene.slot("search").await;
    let mut old = vec![first];
    for number in 1..3_u32 {
        let id = format!("22222222-aaaa-4bbb-8ccc-{number:012}.1")
            .parse()
            .unwrap();
        let next = Version {
            state: VersionState::Current,
            due_at: None,
            ..Version::intended(&slot.name, id, slot.epoch, scene.now())
        };
        let retiring = scene.version("search").await;
        let retiring = retiring.become_state(VersionState::Retiring).unwrap();
        let inventory = &scene.inventory;
        inventory
            .save_versions(&[retiring], Fence::None)
            .await
            .unwrap();
        scene
            .inventory
            .add_version(&next, Fence::None)
            .await
            .unwrap();
        old.push(next);
    }
    for version in &old {
        let secret = version.id.secret_version.clone();
        let used = told(&scene, 1, &[(1, 10)], |report| report.version = secret);
        used.await.unwrap();
    }
    scene.run().await.unwrap();
    let versions = scene.inventory.versions(&slot.name).await.unwrap();
    let used = versions
        .iter()
        .filter(|version| version.last_used.is_some());
    assert_eq!(used.count(), 2, "{versions:?}");
}

/// Cents that the agent of `chat` tells of a day, spread over it. Its provider tells of $10.
async fn tells(scene: &Scene, day: &str, cents: u64) {
    let version = scene.version("chat").await.id;
    let day = Bucket::of(day.parse().unwrap());
    for hour in day.hour()..day.hour() + 24 {
        let reporter = "EXAMPLE-process-1".parse().unwrap();
        let mut item = ToldHour::empty("chat".parse().unwrap(), hour, reporter);
        for bucket in (hour * 12..hour * 12 + 12).map(Bucket) {
            let cost = MicroDollars(cents * 10_000 / 288);
            let counts = Counts {
                cost,
                requests: 1,
                ..Counts::default()
            };
            item.put(ToldCell {
                version: version.clone(),
                bucket,
                models: [("gpt-5".to_owned(), counts)].into(),
            });
        }
        scene.usage.save_told(&item).await.unwrap();
    }
}

#[tokio::test]
async fn a_day_on_which_agents_tell_nothing_any_more_is_compared_too() {
    let scene = Scene::learned(15, 10).await;
    tells(&scene, "2026-12-18T00:00:00Z", 1000).await;
    scene.run().await.unwrap();
    assert_eq!(scene.alerts(), []);
    scene.pass(24 * 60);
    scene.restart().await;
    for _ in 0..3 {
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let told = what(&scene, AlertKind::UsageDiffers);
    assert_eq!(told.len(), 1, "{:?}", scene.alerts());
    assert!(told[0].contains("2026-12-19"), "{told:?}");
}

/// `chat`, whose agent tells of a tenth of what its provider does.
async fn apart() -> Scene {
    let scene = Scene::learned(15, 10).await;
    tells(&scene, "2026-12-18T00:00:00Z", 100).await;
    scene
}

#[tokio::test]
async fn a_run_that_ends_early_has_kept_what_it_compared() {
    let rehearsed = apart().await;
    rehearsed.gate.record();
    rehearsed.run().await.unwrap();
    let (calls, _) = rehearsed.gate.disarm();
    let upkeep = calls.iter().position(|call| call.starts_with("alarms."));
    let upkeep = upkeep.unwrap_or_else(|| panic!("no alarms in {calls:?}"));
    let scene = apart().await;
    scene.gate.arm(upkeep, Cut::Before);
    let run = scene.gate.until_stopped(scene.run()).await;
    assert!(run.is_none());
    scene.gate.disarm();
    assert_eq!(scene.count(AlertKind::UsageDiffers), 1);
    scene.restart().await;
    for _ in 0..3 {
        scene.pass(1);
        scene.run_as("after it").await.unwrap();
    }
    assert_eq!(scene.count(AlertKind::UsageDiffers), 1);
}

#[tokio::test]
async fn slots_that_cannot_be_compared_keep_no_other_from_it() {
    let scene = apart().await;
    let more: Vec<String> = (0..25).map(|n| format!("a{n:02}")).collect();
    for name in &more {
        scene.add_slot(name, "main").await;
    }
    let broken: Vec<&str> = more.iter().map(String::as_str).collect();
    scene.usage.break_told(&broken);
    for _ in 0..2 {
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(scene.count(AlertKind::UsageDiffers), 1);
}

//! Slots that draw from one pool at the same time, with crashes between.

use super::*;

/// A second slot at the same account, with this key in a secret of its own.
pub(crate) async fn slot_with(world: &World, key: &str) -> (SlotName, SecretArn) {
    let secret: SecretArn =
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/sales-bot-a1B2c3"
            .parse()
            .unwrap();
    let text = json!({
        "version": 1,
        "accounts": {"anthropic-main": {"provider": "anthropic"}},
        "agents": {"sales-bot": {
            "owner": "ana@example.com", "backup_owner": "platform-team", "environment": "prod",
        }},
        "slots": {"sales-bot-anthropic": {
            "agent": "sales-bot", "account": "anthropic-main", "secret": secret,
            "scope": {"workspace": "wrkspc_EXAMPLE0000"},
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    });
    let fleet = Fleet::from_json(&text.to_string())
        .unwrap()
        .check()
        .unwrap();
    world
        .outside
        .secrets
        .create(&secret, Some((&token(1), key)));
    register(&world.open, &fleet[0]).await.unwrap();
    ("sales-bot-anthropic".parse().unwrap(), secret)
}

/// Secrets Manager: the four steps, the whole again if one fails.
async fn rotate(world: &World, secret: &SecretArn, number: u32) {
    for _ in 0..3 {
        let mut done = true;
        for step in STEPS {
            let event =
                json!({"Step": step, "SecretId": secret, "ClientRequestToken": token(number)});
            let deadline = world.deadline();
            done = done
                && keyward_rotate::handle(&world.ports, &event, deadline)
                    .await
                    .is_ok();
        }
        if done {
            return;
        }
        world.pass(SignedDuration::from_mins(6));
    }
}

async fn add_late(world: &World, texts: &[String], late: i64) {
    for _ in 0..2 {
        let keys = texts.iter().map(|text| ApiKey::new(text)).collect();
        let deadline = Deadline(world.deadline().0 + SignedDuration::from_secs(late));
        let _ = add(
            &world.ports,
            &KillSwitchHere::on(&world.ports),
            &account(),
            keys,
            deadline,
        )
        .await;
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Does the work until it ends, or is stopped for good as by a crash: at one in `stop_one_in` of its turns, 0 never.
async fn mortal(mut chance: Rng, stop_one_in: u32, mut work: Work<'_>) {
    poll_fn(|cx| {
        let stop = stop_one_in > 0 && chance.u32(..stop_one_in) == 0;
        if stop {
            Poll::Ready(())
        } else {
            work.as_mut().poll(cx)
        }
    })
    .await;
}

/// Two slots rotate, twice each, while two calls put keys in; answers are lost and tasks end anywhere.
async fn side_by_side(seed: u64) {
    let mut chance = Rng::with_seed(seed);
    let gate = Arc::new(Gate::default());
    let (world, provider) = start_with(gate.clone()).await;
    let (other, secret) = slot_with(&world, &provider.seed("sales, by hand")).await;
    let new: Vec<String> = (0..3).map(|n| provider.seed(&format!("new {n}"))).collect();
    for secret in [&world.secret, &secret] {
        world.outside.secrets.begin_rotation(secret, &token(3));
    }
    let (stop_one_in, lose_one_in) = [(0, 0), (0, 30), (150, 0), (150, 30)][chance.usize(..4)];
    let losses = Losses {
        making_one_in: lose_one_in,
        other_one_in: lose_one_in,
    };
    gate.take_turns(chance.u64(..), losses);
    let mut mortal = |work| mortal(chance.fork(), stop_one_in, work);
    let tasks = vec![
        Task::new("rotate", mortal(Box::pin(rotate(&world, &world.secret, 3)))),
        Task::new(
            "rotate again",
            mortal(Box::pin(rotate(&world, &world.secret, 3))),
        ),
        Task::new(
            "rotate the other",
            mortal(Box::pin(rotate(&world, &secret, 3))),
        ),
        Task::new(
            "rotate the other again",
            mortal(Box::pin(rotate(&world, &secret, 3))),
        ),
        Task::new("add", mortal(Box::pin(add_late(&world, &new, 1)))),
        Task::new(
            "add again",
            mortal(Box::pin(add_late(&world, &new[1..], 2))),
        ),
    ];
    interleave(&gate, &mut chance, 1, tasks, |_| {}).await;
    gate.disarm();
    let context = format!("seed {seed}");
    nothing_is_drawn_twice(&world, &context).await;

    world.pass(SignedDuration::from_mins(30));
    let report = put(&world, &new).await;
    let report = report.unwrap_or_else(|e| panic!("{context}: {e:?}"));
    assert_eq!(report.not_ready, [], "{context}");
    world.live_through(SignedDuration::from_hours(3)).await;
    check_pool(&world, &provider, &context).await;
    for (slot, secret, number) in [(&world.slot, &world.secret, 4), (&other, &secret, 4)] {
        world.outside.secrets.begin_rotation(secret, &token(number));
        rotate(&world, secret, number).await;
        let versions = world.outside.inventory.versions(slot).await.unwrap();
        let current: Vec<&Version> = versions
            .iter()
            .filter(|v| v.state == VersionState::Current)
            .collect();
        assert_eq!(current.len(), 1, "{slot}; {context}");
        assert_eq!(current[0].id.secret_version, token(number), "{context}");
        let alive = provider
            .live()
            .into_iter()
            .any(|(text, _)| Some(ApiKey::new(&text).fingerprint()) == current[0].fingerprint);
        assert!(alive, "rule 1: {slot}'s key does not work; {context}");
    }
    nothing_is_drawn_twice(&world, &context).await;
}

async fn nothing_is_drawn_twice(world: &World, context: &str) {
    let mut prints = BTreeSet::new();
    let mut handles = BTreeSet::new();
    for version in world.outside.inventory.all_versions() {
        let print = version.fingerprint.is_none_or(|print| prints.insert(print));
        let handle = version.handle.clone().is_none_or(|h| handles.insert(h));
        assert!(
            print && handle,
            "{} has a key of another; {context}",
            version.id
        );
    }
}

#[tokio::test]
async fn slots_side_by_side_never_draw_the_same_key() {
    for seed in 0..300 {
        side_by_side(seed).await;
    }
}

use jiff::SignedDuration;
use keyward_core::model::key::ApiKey;
use secrecy::ExposeSecret;

use super::testing::World;
use super::*;

const NEW: &str = r#"{"name":"a"}"#;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn delayed(window: Window) -> Settings {
    Settings {
        birth_delay: MINUTE,
        change_delay: MINUTE,
        window,
        ..Settings::default()
    }
}

#[tokio::test]
async fn changes_take_effect_after_their_delay() {
    let world = World::with(delayed(Window::Steady)).await;
    let (hash, text) = world.create(NEW);
    let key = ApiKey::new(&text);
    assert_eq!(world.verify(&text), 401, "not known everywhere yet");
    assert!(!world.simulator.is_accepted(&key));
    world.clock.advance(MINUTE);
    assert_eq!(world.verify(&text), 200);
    world.admin("DELETE", &format!("/keys/{hash}"), "").unwrap();
    world.clock.advance(MINUTE - SignedDuration::from_secs(1));
    assert_eq!(world.agent_call(&text), 200, "still accepted");
    let live = world.simulator.live_keys();
    assert_eq!(live[0].state, KeyState::Deleted, "deleted, and live");
    world.simulator.set_delay(SignedDuration::ZERO);
    assert_eq!(world.agent_call(&text), 401);
    assert_eq!(world.simulator.live_keys(), []);
}

#[tokio::test]
async fn flapping_answers_by_turns_until_the_delay_is_over() {
    let world = World::with(delayed(Window::Flapping)).await;
    let (hash, text) = world.create(NEW);
    let asked = |n: usize| -> Vec<u16> { (0..n).map(|_| world.verify(&text)).collect() };
    assert_eq!(asked(4), [200, 401, 200, 401]);
    world.clock.advance(MINUTE);
    assert_eq!(asked(2), [200, 200]);
    let one = format!("/keys/{hash}");
    world.admin("PATCH", &one, r#"{"disabled":true}"#).unwrap();
    assert_eq!(asked(4), [401, 200, 401, 200]);
    assert!(world.simulator.is_accepted(&ApiKey::new(&text)));
    world.admin("PATCH", &one, r#"{"disabled":true}"#).unwrap();
    world.clock.advance(MINUTE);
    assert_eq!(
        asked(2),
        [401, 401],
        "a change that changes nothing opens no new window"
    );
    assert!(!world.simulator.is_accepted(&ApiKey::new(&text)));
}

#[tokio::test]
async fn each_fault_does_to_effect_and_answer_what_it_says() {
    use Effect::{Happens, Never};
    let proxy = Fault::status(200, Body::Html);
    for (fault, effect, status, parses) in [
        (Fault::lost_after(), Happens, None, false),
        (Fault::lost_before(), Never, None, false),
        (Fault::half_sent(), Happens, None, false),
        (Fault::truncated(), Happens, Some(200), false),
        (Fault::error_object(), Never, Some(200), true),
        (Fault::status(500, Body::Json), Never, Some(500), true),
        (Fault::status(503, Body::Html), Never, Some(503), false),
        (Fault::status(502, Body::Empty), Never, Some(502), false),
        (
            Fault::status(500, Body::Json).after_effect(),
            Happens,
            Some(500),
            true,
        ),
        (proxy, Never, Some(200), false),
        (
            Fault::rate_limited(RetryAfter::Absent),
            Never,
            Some(429),
            true,
        ),
    ] {
        let world = World::new().await;
        world
            .simulator
            .inject(FaultRule::on("POST", "/keys", fault.clone()));
        let answer = world.admin("POST", "/keys", NEW);
        let met = format!("{fault:?}: {answer:?}");
        assert_eq!(answer.as_ref().ok().map(|a| a.status), status, "{met}");
        let read = answer.map(|a| serde_json::from_str::<serde_json::Value>(&a.body).is_ok());
        assert_eq!(read.unwrap_or(false), parses, "{met}");
        let made = if effect == Happens { 1 } else { 0 };
        assert_eq!(world.simulator.keys().len(), made, "{met}");
        assert_eq!(world.simulator.pending_faults(), []);
        assert_eq!(
            world.admin("POST", "/keys", NEW).unwrap().status,
            201,
            "once only"
        );
    }
}

#[tokio::test]
async fn silence_lasts_with_or_without_the_effect() {
    for (fault, made) in [(Fault::silence(), 0), (Fault::silence().after_effect(), 1)] {
        let world = World::new().await;
        world
            .simulator
            .inject(FaultRule::on("POST", "/keys", fault));
        assert!(world.is_silent_on("POST", "/keys", NEW));
        assert_eq!(world.simulator.keys().len(), made);
        assert_eq!(world.simulator.requests()[0].status, None);
    }
}

#[tokio::test]
async fn half_an_answer_really_arrives() {
    let world = World::new().await;
    world
        .simulator
        .inject(FaultRule::on("GET", "/keys", Fault::half_sent()));
    let error = world.admin("GET", "/keys", "").unwrap_err();
    assert!(error.starts_with("5 of Some(11) bytes"), "{error}");
}

#[tokio::test]
async fn rate_limits_say_when_to_come_back() {
    let world = World::new().await;
    for (retry_after, expected) in [
        (RetryAfter::Absent, None),
        (RetryAfter::Seconds(7), Some("7")),
        (RetryAfter::Date(90), Some("Tue, 01 Dec 2026 09:01:30 GMT")),
    ] {
        let fault = Fault::rate_limited(retry_after);
        world.simulator.inject(FaultRule::on("", "/**", fault));
        let answer = world.admin("GET", "/keys", "").unwrap();
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (429, expected)
        );
        assert_eq!(answer.header("date"), None, "no time but the clock's");
    }
}

#[tokio::test]
async fn the_log_tells_who_asked_what_without_a_text() {
    let world = World::new().await;
    let (hash, text) = world.create(NEW);
    world.agent_call(&text);
    world.agent_call("sk-or-v1-EXAMPLEnobody");
    world
        .send("GET", &format!("/api/v1/keys/{text}"), None, "")
        .unwrap();
    world
        .simulator
        .inject(FaultRule::on("POST", "/chat/**", Fault::lost_after()));
    let _lost = world.send("POST", "/api/v1/chat/completions", Some(&text), "{}");
    let log = world.simulator.requests();
    let callers: Vec<Caller> = log.iter().map(|request| request.caller.clone()).collect();
    let own = Caller::Key(hash.parse().unwrap());
    assert_eq!(
        callers,
        [
            Caller::Management,
            own.clone(),
            Caller::Unknown,
            Caller::Nobody,
            own
        ]
    );
    assert_eq!(log[0].label.as_deref(), Some("a"));
    assert_eq!(log[3].path, "/keys/[key]");
    assert_eq!(world.simulator.agent_calls().len(), 3);
    let failed = world.simulator.failed_agent_calls();
    let statuses: Vec<_> = failed.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(401), None]);
    assert_eq!(world.simulator.requests_to("POST", "/keys").len(), 1);
    assert!(!format!("{log:?} {:?}", world.simulator.keys()).contains(&text[20..40]));
}

#[tokio::test]
async fn other_processes_have_the_same_handle() {
    let world = World::new().await;
    let sim = |method: &str, path: &str, body: &str| {
        let answer = world
            .send(method, &format!("/_sim{path}"), None, body)
            .unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()
    };
    let text = format!("sk-or-v1-EXAMPLE{}", "ab12".repeat(14));
    let key = ApiKey::new(&text);
    let seeded = sim(
        "POST",
        "/keys",
        &format!(r#"{{"name":"old","text":"{text}"}}"#),
    );
    assert_eq!(world.agent_call(&text), 200);
    assert_eq!(seeded["fingerprint"], key.fingerprint().to_hex());
    assert_eq!(sim("GET", "/keys", "")[0]["name"], "old");
    assert_eq!(sim("GET", "/keys/live", "").as_array().unwrap().len(), 1);
    assert_eq!(sim("GET", "/requests", "")[0]["kind"], "agent");
    assert!(!sim("GET", "/keys", "").to_string().contains(&text[20..40]));

    let changed = sim(
        "PATCH",
        "/settings",
        r#"{"page_size":2,"change_delay":"PT30S"}"#,
    );
    assert_eq!(changed["page_size"], 2);
    assert_eq!(
        world.simulator.settings().change_delay,
        SignedDuration::from_secs(30)
    );
    assert_eq!(
        world.simulator.settings().seed,
        1,
        "what is not named stays"
    );
    sim(
        "POST",
        "/faults",
        r#"{"path":"/keys","fault":{"effect":"happens","answer":"closed"}}"#,
    );
    let closed = FaultRule::on("", "/keys", Fault::lost_after());
    assert_eq!(world.simulator.pending_faults(), [closed]);
    sim("DELETE", "/faults", "");
    sim("DELETE", "/requests", "");
    assert_eq!(world.simulator.pending_faults(), []);
    assert_eq!(world.simulator.requests(), []);
    for bad in ["{", r#"{"page_sice":2}"#] {
        let answer = world.send("PATCH", "/_sim/settings", None, bad).unwrap();
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_key_that_was_there_before_is_one_like_any_other() {
    let world = World::new().await;
    let text = ApiKey::new(&format!("sk-or-v1-EXAMPLE{}", "cd34".repeat(14)));
    let handle = world.simulator.seed_key("by hand", &text);
    assert_eq!(world.agent_call(text.expose_secret()), 200);
    let found = world.simulator.key_by_label("by hand").unwrap();
    assert_eq!(found.handle, handle);
    assert_eq!(found.fingerprint, text.fingerprint());
    assert!(found.redacted.ends_with("cd34"));
    world
        .admin("DELETE", &format!("/keys/{handle}"), "")
        .unwrap();
    assert_eq!(world.agent_call(text.expose_secret()), 401);
}

#[tokio::test]
async fn it_stops_with_its_last_handle() {
    let world = World::new().await;
    let address = world.simulator.origin().replace("http://", "");
    let clone = world.simulator.clone();
    drop(world);
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(clone);
    assert!(std::net::TcpStream::connect(&address).is_err());
}

#[tokio::test]
async fn only_loopback_is_served() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let clock = Arc::new(crate::clock::ManualClock::start());
    let refused = Simulator::serve(everywhere, clock, Settings::default()).await;
    assert!(refused.is_err());
}

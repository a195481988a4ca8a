//! The worst night, on the stack that `infra/template.yaml` makes, by the built command alone: a person enters an account's first
//! admin credential, it is replaced, and a break-glass credential is sealed; then Keyward itself may be in somebody else's hands.
//!
//! Agents call all the while. What is not as in a deployment is told in `day.rs`, and three things more: the
//! concurrency of the kill switch is set aside by the test, since ministack's stacks leave that out; and the event history has no calls
//! of Secrets Manager, which is moto's, and of all functions names the monitor alone.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use jiff::SignedDuration;
use keyward_core::model::act::Phase;
use keyward_core::model::admin::{AdminState, BreakGlassResult};
use keyward_core::model::alert::AlertKind;
use keyward_core::model::key::AdminKey;
use keyward_core::model::slot::ProviderName;
use keyward_core::usecases::lockdown::FUNCTIONS;
use keyward_tests::end_to_end::{Deployment, MINTED, RefreshingAgent, STACK, Secret, alarm_of};
use keyward_tests::functions::build_command;
use keyward_tests::local::Local;
use keyward_tests::support::say;
use secrecy::ExposeSecret as _;
use serde_json::Value;

const OPENAI: (&str, ProviderName) = ("search-bot-openai", ProviderName::OpenAi);

/// Whose key is cut off while the stack is stopped.
const CUT_OFF: (&str, ProviderName) = ("support-bot-openrouter", ProviderName::OpenRouter);

/// The commands that ask more of AWS than the shell is told of: where that is.
const ASKED: [&str; 2] = ["LAMBDA", "CLOUDTRAIL"];

/// The stack, and what was said so far.
struct Night {
    local: Local,
    said: Mutex<String>,
    /// What each function may run at a time when nothing is amiss.
    before: BTreeMap<String, Option<i32>>,
}

impl Night {
    /// Makes the stack; `None` where the emulators cannot be had.
    async fn begin() -> Option<Self> {
        let name = format!("lockdown-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let command = tokio::task::spawn_blocking(build_command).await.unwrap();
        let local = Local::on_stack(&folder, &command.unwrap()).await?;
        let deployment = &local.deployment;
        deployment.tag_admin_secret().await;
        deployment.keep_trail().await;
        let monitor = format!("{STACK}-monitor");
        let session = format!("~{monitor}");
        let app = "AWS_SDK_UA_APP_ID";
        deployment.ministack.tell(&monitor, app, &session).await;
        deployment.set_aside("kill-switch", 10).await;
        let before = deployment.concurrency().await;
        Some(Self {
            local,
            said: Mutex::default(),
            before,
        })
    }

    fn deployment(&self) -> &Deployment {
        &self.local.deployment
    }

    /// Gives a line, with `input` on standard input: its exit status, and what it said.
    async fn line(&self, line: &str, input: &str) -> (Option<i32>, String) {
        let ministack = self.deployment().ministack.url();
        let places = ASKED.map(|service| format!("export AWS_ENDPOINT_URL_{service}={ministack}"));
        let line = format!("{}; {line}", places.join("; "));
        let output = self.local.shell(&line, input).await;
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
        let said = said.concat();
        *self.said.lock().unwrap() += &said;
        (output.status.code(), said)
    }

    /// Gives a line that must end with this status.
    async fn ends(&self, code: i32, line: &str, input: &str) -> String {
        let (ended, said) = self.line(line, input).await;
        assert_eq!(ended, Some(code), "{line}: {said}");
        said
    }

    fn secret(&self, slot: &str) -> Secret {
        let secrets = self.local.secrets().into_iter();
        let mut found = secrets.filter(|secret| secret.slot.as_str() == slot);
        found.next().unwrap()
    }

    fn agent(&self, (slot, provider): (&str, ProviderName)) -> RefreshingAgent {
        RefreshingAgent::start(self.deployment(), provider, &self.secret(slot))
    }

    /// The agents of these slots call on, and none was refused.
    async fn agents_work(&self, of: &[(&str, ProviderName)]) {
        for (slot, provider) in of {
            let simulator = self.deployment().simulator_at(*provider);
            let before = simulator.agent_calls().len();
            let called = async || simulator.agent_calls().len() > before + 1;
            let what = format!("calls of {slot}");
            self.deployment().until(&what, called).await;
            assert_eq!(simulator.failed_agent_calls(), [], "{slot}");
        }
    }
}

/// The first credential is entered, and nobody has the one that takes its place.
async fn entered(night: &Night) {
    let deployment = night.deployment();
    let entered = deployment.simulator_at(OPENAI.1).management_key();
    let to_read = deployment.make_admin_key(&entered, "read only").await;
    deployment.store_to_read(&to_read).await;
    let bootstrap = format!("keyward doctor --bootstrap --account {MINTED}");
    let said = night.ends(0, &bootstrap, entered.expose_secret()).await;
    assert!(said.contains("was stored and is replaced"), "{said}");
    let used = deployment.admin_in_use().await;
    assert!(!deployment.takes_for_admin(&entered).await);
    assert!(deployment.takes_for_admin(&used).await);
    // Given again it changes nothing.
    let said = night.ends(0, &bootstrap, entered.expose_secret()).await;
    assert!(said.contains("replaced already"), "{said}");
    assert_eq!(
        deployment.admin_in_use().await.fingerprint(),
        used.fingerprint()
    );
    let fleet = night.local.fleet.display();
    let apply = format!("keyward apply {fleet} --reason 'first slots'");
    let said = night.ends(0, &apply, "").await;
    assert_eq!(said.matches("registered").count(), 3, "{said}");
    say(format_args!(
        "entered, replaced, and the fleet registered with the new one"
    ));
}

/// Its schedule has it replaced; the old one is seen to be refused before its record says that it has ended.
async fn rotated(night: &Night) {
    let deployment = night.deployment();
    let old = deployment.admin_in_use().await;
    deployment.rotate_admin().await;
    let replaced = async || deployment.admin_in_use().await.fingerprint() != old.fingerprint();
    deployment.until("another admin credential", replaced).await;
    let ended = async || {
        deployment.retire().await.unwrap();
        let record = deployment.admin_record().await.unwrap();
        let all = record.credentials.iter();
        all.filter(|v| v.state != AdminState::Current)
            .all(|v| v.state == AdminState::Revoked)
    };
    deployment.until("the end of the old ones", ended).await;
    assert!(!deployment.takes_for_admin(&old).await);
    let record = deployment.admin_record().await.unwrap();
    let old = record.by_text(&old.fingerprint()).unwrap();
    assert!(old.refusals.unwrap().count >= 3, "{old:?}");
    let used = deployment.admin_in_use().await;
    assert_eq!(
        record.current().unwrap().fingerprint,
        Some(used.fingerprint())
    );
    say(format_args!("rotated, and the old one seen to be dead"));
}

/// A person makes a break-glass credential, tries it, and seals it: nothing of it is stored.
async fn sealed(night: &Night) -> AdminKey {
    let deployment = night.deployment();
    let used = deployment.admin_in_use().await;
    let sealed = deployment.make_admin_key(&used, "break-glass").await;
    let line = format!("keyward doctor --break-glass --account {MINTED}");
    let said = night.ends(0, &line, sealed.expose_secret()).await;
    assert!(said.contains("works; it was stored nowhere"), "{said}");
    let tried = deployment.admin_record().await.unwrap().break_glass;
    let tried = tried.unwrap();
    assert_eq!(tried.result, BreakGlassResult::Works);
    assert_eq!(tried.fingerprint, sealed.fingerprint());
    let acts = deployment.acts().await;
    let of = |act: &&keyward_core::model::act::Act| act.operation.as_str() == "/break-glass";
    let phases: Vec<Phase> = acts.iter().filter(of).map(|act| act.phase).collect();
    assert_eq!(phases, [Phase::Begun, Phase::Ended]);
    say(format_args!(
        "a break-glass credential works, and is sealed"
    ));
    sealed
}

/// Every function is stopped, the admin credential is replaced, and what was done is listed.
async fn locked_down(night: &Night) {
    let deployment = night.deployment();
    let made = async || {
        deployment
            .slot_alarms()
            .await
            .contains_key(&alarm_of(OPENAI.0))
    };
    deployment
        .until("an alarm that the monitor made", made)
        .await;
    let old = deployment.admin_in_use().await;
    let foreseen = night.ends(0, "keyward lockdown --dry-run", "").await;
    assert!(foreseen.contains("Nothing was changed."), "{foreseen}");
    assert_eq!(deployment.concurrency().await, night.before);
    assert!(deployment.takes_for_admin(&old).await);

    let lockdown = "keyward lockdown --since 2 --reason 'admin key in a paste' --yes --json";
    let said = night.ends(3, lockdown, "").await;
    let answer: Value = serde_json::from_str(said.trim()).unwrap();
    let stopped = answer["functions"].as_array().unwrap();
    assert_eq!(stopped.len(), FUNCTIONS.len());
    assert!(stopped.iter().all(|f| f["outcome"] == "now"), "{answer}");
    let limits = deployment.concurrency().await;
    assert!(limits.values().all(|limit| *limit == Some(0)), "{limits:?}");

    let of = |account: &str| {
        let all = answer["credentials"].as_array().unwrap().iter();
        let mut own = all.filter(|one| one["account"] == account);
        own.next().unwrap_or_else(|| panic!("{account}: {answer}"))
    };
    let openai = of(MINTED);
    assert_eq!(openai["replaced"], true, "{openai}");
    assert_eq!(openai["not_ended"], serde_json::json!([]), "{openai}");
    let others = openai["others"].as_array().unwrap().iter();
    let mut others: Vec<&str> = others.map(|o| o["name"].as_str().unwrap()).collect();
    others.sort_unstable();
    assert_eq!(others, ["break-glass", "read only"]);
    for by_hand in ["anthropic-main", "openrouter-main"] {
        assert!(of(by_hand)["by_hand"].is_string(), "{answer}");
    }
    let used = deployment.admin_in_use().await;
    assert!(!deployment.takes_for_admin(&old).await);
    assert!(deployment.takes_for_admin(&used).await);

    let seen = answer["seen"].as_array().unwrap();
    assert_eq!(seen.len(), FUNCTIONS.len(), "{answer}");
    let monitor = format!("{STACK}-monitor");
    let its = seen
        .iter()
        .find(|of| of["name"] == monitor.as_str())
        .unwrap();
    let calls = its["calls"].as_array().unwrap();
    assert!(!calls.is_empty(), "{its}");
    let since: jiff::Timestamp = answer["since"].as_str().unwrap().parse().unwrap();
    for call in calls {
        let at: jiff::Timestamp = call["at"].as_str().unwrap().parse().unwrap();
        assert!(at >= since, "{call}");
    }
    let hours = deployment.ports.clock.now().duration_since(since);
    assert!(hours >= SignedDuration::from_hours(2), "{since}");
    say(format_args!(
        "locked down: {} calls of the monitor are listed",
        calls.len()
    ));
}

/// No function runs, whoever asks; agents have their keys.
async fn stopped(night: &Night) {
    let deployment = night.deployment();
    let refused = deployment.retire().await.unwrap_err();
    assert_eq!(refused.kind, "TooManyRequestsException", "{refused:?}");
    let enforce = format!("keyward enforce {} --reason 'by habit'", OPENAI.0);
    let said = night.ends(1, &enforce, "").await;
    assert!(said.contains("nothing was changed"), "{said}");
    assert!(said.contains("keyward lockdown --lift"), "{said}");
    // Again: it goes on where it was, and replaces the credential once more.
    let old = deployment.admin_in_use().await;
    let said = night
        .ends(3, "keyward lockdown --reason again --yes", "")
        .await;
    let again = said.matches("stopped, as before").count();
    assert_eq!(again, FUNCTIONS.len(), "{said}");
    assert!(said.contains("openai-main: replaced"), "{said}");
    assert!(!deployment.takes_for_admin(&old).await);
    say(format_args!(
        "nothing of the stack runs, and a second lockdown replaces once more"
    ));
}

/// A thief of the ordinary credential deletes it: the break-glass credential takes its place, and is not stored.
async fn broken_open(night: &Night, sealed: &AdminKey) {
    let deployment = night.deployment();
    let used = deployment.admin_in_use().await;
    deployment.delete_admin_key(sealed, &used).await;
    let lockdown = "keyward lockdown --reason 'it is refused' --yes";
    let said = night.ends(1, lockdown, "").await;
    assert!(said.contains("openai-main: NOT REPLACED"), "{said}");
    assert!(said.contains("keyward lockdown --break-glass"), "{said}");

    let other = "keyward lockdown --break-glass openai --reason x --yes";
    let said = night.ends(1, other, sealed.expose_secret()).await;
    assert!(said.contains("nothing was changed"), "{said}");

    let open = format!("keyward lockdown --break-glass {MINTED} --reason x --yes");
    let said = night.ends(3, &open, sealed.expose_secret()).await;
    assert!(said.contains("openai-main: replaced"), "{said}");
    let used = deployment.admin_in_use().await;
    assert_ne!(used.fingerprint(), sealed.fingerprint());
    assert!(deployment.takes_for_admin(&used).await);
    let names = deployment.admin_key_names(&used).await;
    let own = names
        .iter()
        .filter(|name| name.starts_with("keyward-admin-"));
    assert_eq!(own.count(), 1, "{names:?}");
    say(format_args!(
        "the break-glass credential replaced one that was refused"
    ));
}

/// A slot is cut off past the stopped functions.
async fn cut_off_offline(night: &Night) {
    let deployment = night.deployment();
    let (slot, provider) = CUT_OFF;
    let key = deployment.key_at(provider, &deployment.current(&night.secret(slot)).await);
    let folder = night.local.settings.parent().unwrap().display();
    let handle = deployment.at_provider(&key).handle;
    let kill = format!(
        "keyward kill {slot} --offline --account {provider}-main --accounts {folder}/accounts.json --handle {handle} --yes --reason night < {folder}/break-glass.txt"
    );
    let (code, said) = night.line(&kill, "").await;
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {said}");
    assert!(!deployment.accepts_at(provider, &key), "{said}");
    say(format_args!(
        "a key was cut off while nothing of Keyward ran"
    ));
}

/// Everything runs as before, with the credential that the lockdown made.
async fn lifted(night: &Night) {
    let deployment = night.deployment();
    let foreseen = night.ends(0, "keyward lockdown --lift --dry-run", "").await;
    let again = foreseen.matches("would run again as before").count();
    assert_eq!(again, FUNCTIONS.len(), "{foreseen}");
    let lift = "keyward lockdown --lift --reason 'roles renewed' --yes";
    let said = night.ends(0, lift, "").await;
    assert_eq!(
        said.matches(": runs again").count(),
        FUNCTIONS.len(),
        "{said}"
    );
    assert_eq!(deployment.concurrency().await, night.before);
    let acts = deployment.acts().await;
    let mut reasons = acts
        .iter()
        .filter(|act| act.operation.as_str() == "/lockdown");
    assert_eq!(reasons.next().unwrap().reason.as_str(), "roles renewed");
    let (_, twice) = night.line(lift, "").await;
    assert!(!twice.contains(": runs again\n"), "{twice}");

    // A key is made and its old one revoked by functions that held the former credential, and by those that held none.
    let slot = OPENAI.0;
    let said = night
        .ends(0, &format!("keyward rotate {slot} --wait"), "")
        .await;
    assert!(said.contains(&format!("{slot}: done")), "{said}");
    let kill = format!(
        "keyward kill {} --yes --reason 'cut off at night'",
        CUT_OFF.0
    );
    night.ends(0, &kill, "").await;
    deployment.until_replaced(&CUT_OFF.0.parse().unwrap()).await;
    let before = deployment.admin_in_use().await;
    deployment.rotate_admin().await;
    let replaced = async || deployment.admin_in_use().await.fingerprint() != before.fingerprint();
    deployment
        .until("the next admin credential", replaced)
        .await;
    let ended = async || {
        deployment.retire().await.unwrap();
        !deployment.takes_for_admin(&before).await
    };
    deployment.until("the end of the lockdown's", ended).await;
    let told = deployment.alerts().await;
    let refused = told
        .iter()
        .filter(|alert| alert.kind == AlertKind::AdminCredentialRefused);
    assert_eq!(refused.count(), 0, "{told:?}");
    say(format_args!(
        "lifted: rotations, kills and the admin credential's own go on"
    ));
}

#[tokio::test]
async fn keyward_itself_is_stopped_its_credentials_replaced_and_let_run_again() {
    let Some(night) = Night::begin().await else {
        return;
    };
    entered(&night).await;
    let agents = [OPENAI, CUT_OFF].map(|of| night.agent(of));
    rotated(&night).await;
    let break_glass = sealed(&night).await;
    locked_down(&night).await;
    stopped(&night).await;
    broken_open(&night, &break_glass).await;
    night.agents_work(&[OPENAI, CUT_OFF]).await;
    let [openai, cut_off] = agents;
    drop(cut_off);
    cut_off_offline(&night).await;
    lifted(&night).await;
    night.agents_work(&[OPENAI]).await;
    drop(openai);

    let deployment = night.deployment();
    deployment.assert_no_key_text().await;
    let said = night.said.lock().unwrap().clone();
    deployment.canary().assert_absent("the command", &said);
}

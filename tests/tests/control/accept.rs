//! Somebody answers for what an audit finds.

use keyward_core::model::audit::AcceptedRisk;
use keyward_core::model::finding::FindingId;
use keyward_core::ports::{AcceptedRisks, Clock, KeptRisk, RiskRegister};

use super::*;

const FINDING: &str = "0123456789abcdef0123456789abcdef";

/// What happens to the writes of a register.
#[derive(Clone, Copy)]
enum Writes {
    Done,
    /// They are done, and their answer is lost.
    AnswerLost,
    /// Somebody else was faster.
    Late,
}

struct Register(MemoryAudits, Writes);

impl Register {
    fn answer(&self, done: Result<(), InventoryError>) -> Result<(), InventoryError> {
        match self.1 {
            Writes::AnswerLost => done.and(Err(InventoryError::Unavailable("timed out".into()))),
            Writes::Done | Writes::Late => done,
        }
    }
}

#[async_trait]
impl RiskRegister for Register {
    async fn risk(&self, finding: FindingId) -> Result<Option<KeptRisk>, InventoryError> {
        self.0.risk(finding).await
    }

    async fn keep_risk(
        &self,
        risk: &AcceptedRisk,
        kept: Option<&KeptRisk>,
    ) -> Result<(), InventoryError> {
        if let Writes::Late = self.1 {
            return Err(InventoryError::Conflict);
        }
        self.answer(self.0.keep_risk(risk, kept).await)
    }

    async fn withdraw_risk(&self, kept: &KeptRisk) -> Result<(), InventoryError> {
        self.answer(self.0.withdraw_risk(kept).await)
    }
}

struct Scene {
    world: World,
    register: Arc<Register>,
}

impl Scene {
    fn new(writes: Writes) -> Self {
        Self {
            world: world(),
            register: Arc::new(Register(MemoryAudits::default(), writes)),
        }
    }

    fn until(&self, days: i64) -> String {
        let now = self.world.outside.clock.now();
        (now + SignedDuration::from_hours(24 * days)).to_string()
    }

    async fn ask_as(&self, who: &str, body: Value) -> (u64, Value) {
        let deps = Deps {
            risks: self.register.clone(),
            ..deps(&self.world)
        };
        let mut event = event("/accept", &body);
        let arn = format!("arn:aws:sts::111122223333:assumed-role/operators/{who}");
        event["requestContext"]["authorizer"]["iam"]["userArn"] = json!(arn);
        send(&deps, event).await
    }

    async fn ask(&self, more: Value) -> (u64, Value) {
        let mut body = json!({"reason": "moves next month", "finding": FINDING});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        self.ask_as("ana", body).await
    }

    async fn kept(&self) -> Vec<AcceptedRisk> {
        self.register.0.accepted().await.unwrap()
    }
}

#[tokio::test]
async fn a_risk_is_accepted_by_whoever_asks_and_only_once() {
    let scene = Scene::new(Writes::Done);
    let until = scene.until(30);
    for time in 0..2 {
        let (status, answer) = scene.ask(json!({"until": until})).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["after"]["owner"], "ana");
        assert_eq!(answer["before"].is_null(), time == 0, "{answer}");
        assert_eq!(acts(&scene.world).len(), 2, "said twice, it is done once");
    }
    let [risk] = &scene.kept().await[..] else {
        panic!("one is kept");
    };
    assert_eq!(risk.until.to_string(), until);
    let acts = acts(&scene.world);
    let finding: FindingId = FINDING.parse().unwrap();
    assert_eq!(acts[0].subject, Subject::Finding(finding));
    assert_eq!(acts[0].state, Value::Null);
    assert_eq!(acts[1].outcome.as_ref().unwrap().as_str(), "accepted");
    assert_eq!(acts[1].state["reason"], "moves next month");
}

#[tokio::test]
async fn who_answers_and_until_when_can_change_and_it_can_be_withdrawn() {
    let scene = Scene::new(Writes::Done);
    scene.ask(json!({"until": scene.until(30)})).await;
    let until = scene.until(60);
    let body = json!({"reason": "later", "finding": FINDING, "until": until});
    let (status, answer) = scene.ask_as("ben", body).await;
    assert_eq!((status, &answer["after"]["owner"]), (200, &json!("ben")));
    assert_eq!(answer["before"]["owner"], "ana");
    for time in 0..2 {
        let (status, answer) = scene.ask(json!({"withdraw": true})).await;
        assert_eq!((status, &answer["after"]), (200, &Value::Null), "{answer}");
        assert_eq!(answer["before"].is_null(), time == 1, "{answer}");
    }
    assert_eq!(scene.kept().await, []);
    let acts = acts(&scene.world);
    let last = acts.last().unwrap();
    assert_eq!(acts.len(), 6, "what was so already is no act");
    assert_eq!(last.outcome.as_ref().unwrap().as_str(), "withdrawn");
}

#[tokio::test]
async fn what_cannot_be_accepted_is_refused_before_anything_is_written() {
    let scene = Scene::new(Writes::Done);
    for more in [
        json!({}),
        json!({"until": scene.until(0)}),
        json!({"until": scene.until(-1)}),
        json!({"until": scene.until(367)}),
        json!({"until": "2027-01-01"}),
        json!({"until": scene.until(30), "withdraw": true}),
        json!({"until": scene.until(30), "finding": "0123"}),
        json!({"until": scene.until(30), "reason": ""}),
        json!({"until": scene.until(30), "reason": "sk-or-v1-EXAMPLE0123456789abcdef"}),
        json!({"until": scene.until(30), "owner": "ben"}),
    ] {
        let (status, answer) = scene.ask(more.clone()).await;
        assert_eq!(status, 400, "{more}: {answer}");
        assert_eq!(answer["safe"], "Nothing was changed.", "{more}");
    }
    let (status, answer) = scene
        .ask(json!({"until": scene.until(30), "reason": "", "dry_run": true}))
        .await;
    assert_eq!((status, &answer["after"]["owner"]), (200, &json!("ana")));
    assert_eq!(scene.kept().await, []);
    assert_eq!(acts(&scene.world), []);
}

#[tokio::test]
async fn a_lost_answer_is_unsure_and_the_same_request_again_is_done() {
    let scene = Scene::new(Writes::AnswerLost);
    let until = scene.until(30);
    let (status, answer) = scene.ask(json!({"until": until})).await;
    assert_eq!(status, 503, "{answer}");
    assert_ne!(answer["safe"], "Nothing was changed.", "{answer}");
    let ended = acts(&scene.world).pop().unwrap();
    assert_eq!(ended.state["owner"], "ana", "it tells how it stands");
    let (status, answer) = scene.ask(json!({"until": until})).await;
    assert_eq!((status, &answer["before"]["owner"]), (200, &json!("ana")));
}

#[tokio::test]
async fn of_two_at_once_one_is_told_that_nothing_was_changed() {
    let scene = Scene::new(Writes::Late);
    let (status, answer) = scene.ask(json!({"until": scene.until(30)})).await;
    assert_ne!(status, 200, "{answer}");
    assert_eq!(answer["safe"], "Nothing was changed.", "{answer}");
    assert_eq!(scene.kept().await, []);
}

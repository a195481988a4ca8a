//! Which secrets a person has read, by CloudTrail. What cannot be seen is told, and is never "none".

use jiff::SignedDuration;

use super::list::slots_where;
use super::save::update;
use super::{MARGIN, Offboarder};
use crate::model::offboarding::{Leaver, Offboarding, Person, ReadsLook, SlotTask, Tie};
use crate::model::slot::Slot;
use crate::model::text::OutsideText;
use crate::ports::{Deadline, InventoryError, ListError, PageToken, ReadsPage};
use crate::rules::offboard::{LOOKED_BACK, SECOND_LOOK, is_secret};

/// LookupEvents takes two requests a second:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>.
const PACE: SignedDuration = SignedDuration::from_millis(550);

/// Looks as far back as there is time for, and goes on there in the next run.
pub(super) async fn look(
    offboarder: &Offboarder,
    case: Offboarding,
    deadline: Deadline,
) -> Result<Offboarding, InventoryError> {
    let Leaver::Person(person) = case.leaver.clone() else {
        return Ok(case);
    };
    let now = offboarder.ports.clock.now();
    let reads = case.reads.clone().unwrap_or_else(|| ReadsLook {
        from: case.opened - LOOKED_BACK,
        to: now,
        names_done: 0,
        back_to: None,
        is_second: false,
        not_seen: None,
        over: None,
    });
    if reads.over.is_some() || reads.is_second && now < reads.to {
        return Ok(case);
    }
    let slots = slots_where(offboarder.ports.inventory.as_ref(), |_| true).await?;
    let mut looking = Looking {
        offboarder,
        case,
        reads,
        slots,
    };
    looking.look_up(&person, deadline).await?;
    looking.keep().await
}

/// The name that CloudTrail has a person under: a user's, or that of a session; of an ARN its last part.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
fn username(name: &str) -> OutsideText {
    OutsideText::new(name.rsplit('/').next().unwrap_or(name))
}

struct Looking<'a> {
    offboarder: &'a Offboarder,
    case: Offboarding,
    reads: ReadsLook,
    slots: Vec<Slot>,
}

impl Looking<'_> {
    async fn look_up(&mut self, person: &Person, deadline: Deadline) -> Result<(), InventoryError> {
        let names: Vec<_> = person.names().collect();
        while let Some(name) = names.get(self.reads.names_done) {
            let is_role = name.as_str().contains(":role/");
            let ended = match is_role {
                // A role's sessions have names of their own, and who took it on is not looked up by it.
                true => {
                    self.not_seen("what a role's sessions have read is not looked up by the role");
                    true
                }
                false => self.pages(&username(name.as_str()), deadline).await?,
            };
            if !ended {
                return Ok(());
            }
            self.reads.names_done += 1;
            self.reads.back_to = None;
        }
        self.end_of_look();
        Ok(())
    }

    /// The first look is followed by a second, for what was delivered late.
    fn end_of_look(&mut self) {
        let now = self.offboarder.ports.clock.now();
        match self.reads.is_second {
            true => self.reads.over = Some(now),
            false => {
                self.reads.from = self.reads.to - SECOND_LOOK;
                self.reads.to += SECOND_LOOK;
                self.reads.names_done = 0;
                self.reads.is_second = true;
            }
        }
    }

    fn not_seen(&mut self, why: &str) {
        self.reads
            .not_seen
            .get_or_insert_with(|| OutsideText::new(why));
    }

    /// Reads one name's pages; whether to their end.
    async fn pages(
        &mut self,
        who: &OutsideText,
        deadline: Deadline,
    ) -> Result<bool, InventoryError> {
        let mut page: Option<PageToken> = None;
        loop {
            let clock = self.offboarder.ports.clock.as_ref();
            if !deadline.allows(clock, MARGIN) {
                return Ok(false);
            }
            let to = self
                .reads
                .back_to
                .filter(|_| page.is_none())
                .unwrap_or(self.reads.to);
            let (from, reads) = (self.reads.from, &self.offboarder.reads);
            let read = match reads.reads(who, from, to, page.as_ref()).await {
                Ok(read) => read,
                Err(error) => return Ok(self.failed(&error)),
            };
            self.take(&read);
            page = read.next;
            if page.is_none() {
                return Ok(true);
            }
            clock.sleep(PACE).await;
        }
    }

    /// What passes is asked again by the next run, up to the case's deadline. Whether the name is done with.
    fn failed(&mut self, error: &ListError) -> bool {
        let now = self.offboarder.ports.clock.now();
        tracing::warn!(case = %self.case.id, %error, "who has read which secret could not be looked up");
        let is_over = !error.is_retryable() || now >= self.case.deadline;
        if is_over {
            self.not_seen(&format!("CloudTrail was not read: {error}"));
        }
        is_over
    }

    fn take(&mut self, page: &ReadsPage) {
        for read in &page.reads {
            let of = self
                .slots
                .iter()
                .find(|slot| is_secret(&slot.secret, read.secret.as_str()));
            if let Some(slot) = of {
                let mut task = SlotTask::new(slot.name.clone(), read.at);
                task.ties = vec![Tie::HasRead];
                self.case.take_in(task);
            }
        }
        self.reads.back_to = page.back_to.or(self.reads.back_to);
    }

    /// Saves what was found, and how far it was looked.
    async fn keep(self) -> Result<Offboarding, InventoryError> {
        let Self {
            offboarder,
            case: found,
            reads,
            ..
        } = self;
        let stored = offboarder.cases.offboarding(&found.id).await?;
        let stored = stored.ok_or(InventoryError::Conflict)?;
        let leaver = found.leaver.clone();
        update(offboarder.cases.as_ref(), stored, |case| {
            for task in found
                .slots
                .iter()
                .filter(|task| task.ties.contains(&Tie::HasRead))
            {
                case.take_in(SlotTask {
                    ties: vec![Tie::HasRead],
                    ..SlotTask::new(task.slot.clone(), task.known_until)
                });
            }
            // Names that came meanwhile are looked up anew.
            if case.leaver == leaver {
                case.reads = Some(reads.clone());
            }
        })
        .await
    }
}

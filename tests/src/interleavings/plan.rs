use fastrand::Rng;
use jiff::SignedDuration;
use keyward_core::model::incident::{Evidence, Figures};
use keyward_core::model::slot::Mode;
use keyward_testkit::gate::Losses;

/// What one seed lets happen side by side.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whether the key that a person made was replaced by a rotation before.
    pub(super) before: Before,
    /// Deliveries of the same rotation, carried out side by side.
    pub(super) deliveries: usize,
    /// Runs of `retire` side by side.
    pub(super) retires: usize,
    /// What sets the kill switch off, in this order.
    pub(super) orders: Vec<Ordered>,
    /// Whether statistics act.
    pub(super) mode: Mode,
    /// A part of the outside that is down for a while.
    pub(super) outage: Option<&'static str>,
    /// What a person does meanwhile.
    pub(super) acts: Vec<Act>,
    /// What people want restored, by turns of two of them.
    pub(super) restores: Vec<Restoring>,
    /// Steps of any rotation that come late, or twice.
    pub(super) late_steps: usize,
    /// How fast time passes.
    pub(super) pace: Pace,
    /// How many calls are lost.
    pub(super) losses: Losses,
    /// One turn in so many ends its invocation; 0: none.
    pub(super) crash_one_in: u32,
    /// One turn in so many is followed by another task's.
    pub(super) switch_one_in: u32,
}

/// What went before.
#[derive(Debug, Clone, Copy)]
pub(super) enum Before {
    /// The key under AWSCURRENT was made by a person, so long ago.
    Registered(SignedDuration),
    /// It was replaced by a rotation, so long ago.
    Rotated(SignedDuration),
}

/// Something that sets the kill switch off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ordered {
    /// What speaks for it.
    pub(super) evidence: Evidence,
    /// Whose spend.
    pub(super) figures: Figures,
    /// So long before its first message it was seen.
    pub(super) age: SignedDuration,
    /// How its messages come.
    pub(super) delivered: Delivered,
    /// It comes so many turns after the one before, at most.
    pub(super) pause: usize,
}

/// How the messages about one trigger come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    /// One.
    Once,
    /// Two at once.
    Twice,
    /// One, and another after what comes next.
    OnceMoreLater,
}

impl Ordered {
    fn draw(chance: &mut Rng) -> Self {
        let evidence = match chance.u32(..8) {
            0..=2 => Evidence::Alarm,
            3 => Evidence::UncheckedAlarm,
            4 | 5 => Evidence::Monitor,
            6 => Evidence::Person,
            _ => Evidence::Leak,
        };
        let figures = match chance.u32(..4) {
            0 => Figures::OfAllKeys,
            _ => Figures::OfLiveKeys,
        };
        let age = match evidence {
            Evidence::Person | Evidence::Leak => 0,
            _ => [0, 0, 2, 20][chance.usize(..4)] * 60,
        };
        Self {
            evidence,
            figures,
            age: SignedDuration::from_secs(age),
            delivered: match chance.u32(..4) {
                0 => Delivered::Twice,
                1 => Delivered::OnceMoreLater,
                _ => Delivered::Once,
            },
            pause: [0, 3, 120, 120, 400][chance.usize(..5)],
        }
    }
}

/// Something that a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// PutSecretValue with a key that the provider lists.
    PutKnownKey,
    /// PutSecretValue with a key that the provider does not know.
    PutUnknownKey,
    /// Takes AWSPENDING off.
    Unstage,
    /// Turns rotation off, and on again later.
    PauseRotation,
    /// Cancels the rotation and starts another.
    RotateAnew,
    /// Moves AWSCURRENT back to AWSPREVIOUS.
    MoveBack,
}

impl Act {
    const ALL: [Self; 6] = [
        Self::PutKnownKey,
        Self::PutUnknownKey,
        Self::Unstage,
        Self::PauseRotation,
        Self::RotateAnew,
        Self::MoveBack,
    ];
}

/// A restore that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restoring {
    /// Whether the newest key is wanted back; else the slot is only lifted.
    pub(super) key: bool,
    /// It is asked for so many turns after the one before, at most.
    pub(super) pause: usize,
}

impl Restoring {
    fn draw(chance: &mut Rng) -> Self {
        Self {
            key: chance.u32(..4) > 0,
            pause: [40, 150, 400, 800][chance.usize(..4)],
        }
    }
}

/// How fast time passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Between two looks at it, at most.
    pub(super) most: SignedDuration,
    /// One look in so many, it jumps by hours; 0: never.
    pub(super) leap_one_in: u32,
}

impl Plan {
    /// Draws what happens.
    pub(super) fn draw(chance: &mut Rng) -> Self {
        let age = SignedDuration::from_mins(chance.i64(0..150));
        // Apart from the rest, so that a plan with restores is the same plan and more.
        let mut of_restores = Rng::with_seed(!chance.clone().u64(..));
        let before = match chance.u32(..4) {
            0 => Before::Registered(age),
            _ => Before::Rotated(age),
        };
        let mut plan = Self {
            before,
            deliveries: chance.usize(1..=2),
            retires: chance.usize(0..=2),
            orders: (0..[0, 0, 0, 1, 2, 2, 3, 4][chance.usize(..8)])
                .map(|_| Ordered::draw(chance))
                .collect(),
            mode: match chance.u32(..8) {
                0 => Mode::Observe,
                _ => Mode::Enforce,
            },
            outage: [
                None,
                None,
                None,
                None,
                None,
                Some("inventory."),
                Some("inventory."),
                Some("secrets."),
                Some("provider."),
                Some("alerts."),
            ][chance.usize(..10)],
            acts: (0..[0, 0, 1, 1, 1, 2][chance.usize(..6)])
                .map(|_| Act::ALL[chance.usize(..Act::ALL.len())])
                .collect(),
            late_steps: [0, 0, 2, 6][chance.usize(..4)],
            pace: Pace {
                most: SignedDuration::from_secs([1, 30, 60, 600][chance.usize(..4)]),
                leap_one_in: [0, 0, 30][chance.usize(..3)],
            },
            losses: Losses {
                making_one_in: [0, 0, 0, 4][chance.usize(..4)],
                other_one_in: [0, 0, 100, 25][chance.usize(..4)],
            },
            crash_one_in: [0, 0, 300, 60][chance.usize(..4)],
            switch_one_in: [1, 1, 4, 20][chance.usize(..4)],
            restores: Vec::new(),
        };
        if !plan.orders.is_empty() {
            let restores = [0, 1, 2, 2, 3, 4][of_restores.usize(..6)];
            plan.restores = (0..restores)
                .map(|_| Restoring::draw(&mut of_restores))
                .collect();
        }
        plan
    }
}

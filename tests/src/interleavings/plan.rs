use fastrand::Rng;
use jiff::SignedDuration;
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
    /// Kills, one after the other.
    pub(super) kills: usize,
    /// What a person does meanwhile.
    pub(super) acts: Vec<Act>,
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
        let before = match chance.u32(..4) {
            0 => Before::Registered(age),
            _ => Before::Rotated(age),
        };
        Self {
            before,
            deliveries: chance.usize(1..=2),
            retires: chance.usize(0..=2),
            kills: [0, 0, 0, 0, 1, 1, 2, 3][chance.usize(..8)],
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
        }
    }
}

//! The kinds of acts that people ask `control` for. Each has a URL and a policy of its own, so that IAM says who may do what.

/// A kind of acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActKind {
    /// Looking: nothing is changed.
    See,
    /// What keeps slots in order: registering, what is expected of them, pools, prices, drills.
    Operate,
    /// Cutting a slot off, for good too where an agent is given up.
    Kill,
    /// Saying how much protection there is: whether a slot's statistics may cut it off, and what an audit finds that may stay.
    Enforce,
    /// Bringing back what a kill took away.
    Restore,
}

/// The operations of `control` for people, and their kinds.
const OPERATIONS: [(&str, ActKind); 18] = [
    ("/plan", ActKind::See),
    ("/import", ActKind::See),
    ("/doctor", ActKind::See),
    ("/register", ActKind::Operate),
    ("/apply", ActKind::Operate),
    ("/expect", ActKind::Operate),
    ("/drill", ActKind::Operate),
    ("/pool/add", ActKind::Operate),
    ("/prices", ActKind::Operate),
    ("/migrate", ActKind::Operate),
    ("/kill", ActKind::Kill),
    ("/leak", ActKind::Kill),
    ("/offboard", ActKind::Kill),
    ("/enforce", ActKind::Enforce),
    ("/accept", ActKind::Enforce),
    ("/restore", ActKind::Restore),
    ("/break-glass", ActKind::Operate),
    ("/lockdown", ActKind::Restore),
];

impl ActKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::See,
        Self::Operate,
        Self::Kill,
        Self::Enforce,
        Self::Restore,
    ];

    /// Its name: that of the function's alias.
    pub const fn name(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Operate => "operate",
            Self::Kill => "kill",
            Self::Enforce => "enforce",
            Self::Restore => "restore",
        }
    }

    /// The setting of the command that names its URL.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::See => "KEYWARD_CONTROL_URL_SEE",
            Self::Operate => "KEYWARD_CONTROL_URL_OPERATE",
            Self::Kill => "KEYWARD_CONTROL_URL_KILL",
            Self::Enforce => "KEYWARD_CONTROL_URL_ENFORCE",
            Self::Restore => "KEYWARD_CONTROL_URL_RESTORE",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of an operation; `None` if there is no such operation for people.
    pub fn of_operation(path: &str) -> Option<Self> {
        let mut found = OPERATIONS.iter().filter(|(known, _)| *known == path);
        found.next().map(|(_, kind)| *kind)
    }

    /// The operations, and what kind of acts each is.
    pub fn operations() -> impl Iterator<Item = (&'static str, Self)> {
        OPERATIONS.into_iter()
    }
}

/// The acts that one invocation may be for, by the ARN that it came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Acts of every kind.
    All,
    /// Acts of this kind.
    Only(ActKind),
    /// None: it came by no alias of a kind.
    Nothing,
}

/// Whether each kind of acts has a URL of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urls {
    /// It has: what comes by no alias of a kind is not taken.
    Apart,
    /// One serves all kinds: whoever may call it may do everything.
    Together,
}

impl Urls {
    /// What is served to whoever invoked the function by this ARN. Lambda says it, not the request: an alias is its last
    /// part, after the function's name. <https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html>
    pub fn serve(self, invoked: &str) -> Served {
        let qualifier = invoked.split(':').nth(7).filter(|part| *part != "$LATEST");
        match (qualifier, self) {
            (Some(alias), _) => ActKind::named(alias).map_or(Served::Nothing, Served::Only),
            (None, Self::Together) => Served::All,
            (None, Self::Apart) => Served::Nothing,
        }
    }
}

impl Served {
    /// Whether acts of this kind are served.
    pub fn serves(self, kind: ActKind) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => only == kind,
            Self::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_serves_its_kind_and_no_other() {
        let function = "arn:aws:lambda:eu-central-1:111122223333:function:prod-control";
        for kind in ActKind::ALL {
            let alias = format!("{function}:{}", kind.name());
            for urls in [Urls::Apart, Urls::Together] {
                assert_eq!(urls.serve(&alias), Served::Only(kind));
            }
            let served = ActKind::ALL.map(|other| Served::Only(kind).serves(other));
            assert_eq!(served.iter().filter(|served| **served).count(), 1);
            assert!(kind.setting().ends_with(&kind.name().to_uppercase()));
        }
        for (urls, expected) in [
            (Urls::Apart, Served::Nothing),
            (Urls::Together, Served::All),
        ] {
            assert_eq!(urls.serve(function), expected);
            assert_eq!(urls.serve(&format!("{function}:$LATEST")), expected);
            for other in ["7", "live", "Kill", ""] {
                let qualified = format!("{function}:{other}");
                assert_eq!(urls.serve(&qualified), Served::Nothing, "{other}");
            }
        }
        assert_eq!(Urls::Apart.serve(""), Served::Nothing);
    }

    #[test]
    fn each_operation_is_of_one_kind() {
        let mut paths: Vec<&str> = ActKind::operations().map(|(path, _)| path).collect();
        for (path, kind) in ActKind::operations() {
            assert_eq!(ActKind::of_operation(path), Some(kind));
        }
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), OPERATIONS.len());
        assert_eq!(ActKind::of_operation("/usage"), None);
    }
}

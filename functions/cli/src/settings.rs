//! Settings from the environment.

use anyhow::{Context, Result, bail};
use keyward_aws::SecretRoles;
use keyward_core::model::act_kind::ActKind;
use keyward_lambda::config::environment;
use url::{Host, Url};

/// Where settings come from.
const ALL_SETTINGS: &str = "The stack's output CommandSettings has all settings, as lines for a shell: `Yourself` in infra/README.md says how to get it";

/// What a command needs, all missing ones told together.
pub(crate) fn required<const N: usize>(names: [(&str, &str); N]) -> Result<[String; N]> {
    let values = names.map(|(name, _)| environment(name).filter(|v| !v.trim().is_empty()));
    let missing: Vec<String> = names
        .iter()
        .zip(&values)
        .filter(|(_, value)| value.is_none())
        .map(|((name, what), _)| format!("{name} is not set: {what}"))
        .collect();
    if !missing.is_empty() {
        bail!("{}. {ALL_SETTINGS}", missing.join("; "));
    }
    Ok(values.map(Option::unwrap_or_default))
}

/// The inventory's table.
pub(crate) const TABLE: (&str, &str) = ("KEYWARD_TABLE", "the inventory's DynamoDB table");

/// The roles by which secrets of other accounts are read.
const SECRET_ROLES: &str = "KEYWARD_SECRET_ROLES";

/// The roles by which secrets of other accounts are read: those of the functions; none if not set.
pub(crate) fn secret_roles() -> Result<SecretRoles> {
    let set = environment(SECRET_ROLES).filter(|text| !text.trim().is_empty());
    set.map_or(Ok(SecretRoles::default()), |text| {
        let roles = text.parse();
        roles.with_context(|| format!("{SECRET_ROLES} is refused, and nothing was sent"))
    })
}
/// The deployment.
pub(crate) const STACK: (&str, &str) = (
    "KEYWARD_STACK",
    "the stack's name, which its output CommandSettings has",
);

/// The control function's URL, where one serves all kinds of acts.
const CONTROL_URL: &str = "KEYWARD_CONTROL_URL";

/// The control function's URL for a kind of acts: that kind's own, or the one that serves all.
pub(crate) fn control_url_for(kind: ActKind) -> Result<Url> {
    url_for(kind, environment)
}

fn url_for(kind: ActKind, lookup: impl Fn(&str) -> Option<String>) -> Result<Url> {
    let set = |name| lookup(name).filter(|value| !value.trim().is_empty());
    for name in [kind.setting(), CONTROL_URL] {
        if let Some(text) = set(name) {
            return control_url(name, &text);
        }
    }
    bail!(
        "{CONTROL_URL} is not set: the URL of the control function, https://….lambda-url.<region>.on.aws/; or {}, where each kind of acts has its own: the stack's output CommandSettings has all of them",
        kind.setting()
    )
}

/// Reads the control function's URL: https, or http on this machine.
fn control_url(name: &str, text: &str) -> Result<Url> {
    let url = Url::parse(text.trim()).with_context(|| format!("{name} is not a URL"))?;
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => bail!("{name} must begin with https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("{name} must hold no user name or password: requests are signed");
    }
    Ok(url)
}

/// The region of a function URL's host, `<id>.lambda-url.<region>.on.aws`:
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html>.
pub(crate) fn region_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let (_, rest) = host.split_once(".lambda-url.")?;
    Some(rest.strip_suffix(".on.aws")?.to_owned())
}

/// A region that other settings are of, if that is not `region`: the one or the other is wrong.
pub(crate) fn other_region(region: &str) -> Option<String> {
    other_region_in(region, environment)
}

fn other_region_in(region: &str, lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
    let topic = lookup("KEYWARD_ALARM_TOPIC_ARN");
    let topic = topic.and_then(|arn| arn.split(':').nth(3).map(str::to_owned));
    let kinds = ActKind::ALL.map(ActKind::setting).into_iter();
    let urls = kinds.chain([CONTROL_URL]).filter_map(lookup);
    let urls = urls.filter_map(|text| region_of(&Url::parse(text.trim()).ok()?));
    let mut others = topic.into_iter().chain(urls);
    others.find(|other| !other.is_empty() && other != region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_called() {
        for (text, good) in [
            ("https://abc.lambda-url.eu-central-1.on.aws/", true),
            ("http://127.0.0.1:9000/", true),
            ("http://localhost:9000", true),
            ("http://[::1]:9000/", true),
            ("http://abc.lambda-url.eu-central-1.on.aws/", false),
            ("http://localhost.example.com/", false),
            ("https://user:pw@abc.lambda-url.eu-central-1.on.aws/", false),
            ("ftp://127.0.0.1/", false),
            ("abc", false),
        ] {
            assert_eq!(control_url("X", text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_kind_of_acts_has_its_own_url_or_the_one_for_all() {
        let found = |set: &[(&str, &str)], kind| {
            let of = |name: &str| {
                let mut named = set.iter().filter(|(known, _)| *known == name);
                named.next().map(|(_, url)| (*url).to_owned())
            };
            url_for(kind, of).map(|url| url.to_string())
        };
        let both = [
            ("KEYWARD_CONTROL_URL", "https://all.example.com/"),
            ("KEYWARD_CONTROL_URL_KILL", "https://kill.example.com/"),
        ];
        let kill = found(&both, ActKind::Kill).expect("a URL");
        assert_eq!(kill, "https://kill.example.com/");
        let see = found(&both, ActKind::See).expect("a URL");
        assert_eq!(see, "https://all.example.com/");
        let missing = found(&both[1..], ActKind::See).expect_err("none is set");
        for named in ["KEYWARD_CONTROL_URL is not set", "KEYWARD_CONTROL_URL_SEE"] {
            assert!(missing.to_string().contains(named), "{missing}");
        }
    }

    #[test]
    fn settings_of_another_region_are_noticed() {
        let other = |set: &[(&str, &str)]| {
            let of = |name: &str| {
                let mut named = set.iter().filter(|(known, _)| *known == name);
                named.next().map(|(_, value)| (*value).to_owned())
            };
            other_region_in("eu-west-1", of)
        };
        let url = |region: &str| format!("https://abc.lambda-url.{region}.on.aws/");
        let topic = |region: &str| format!("arn:aws:sns:{region}:111122223333:keyward-alarms");
        let (home, away) = ("eu-west-1", "us-east-1");
        for (setting, of) in [
            ("KEYWARD_CONTROL_URL", &url as &dyn Fn(&str) -> String),
            ("KEYWARD_CONTROL_URL_KILL", &url),
            ("KEYWARD_ALARM_TOPIC_ARN", &topic),
        ] {
            assert_eq!(other(&[(setting, &of(home))]), None, "{setting}");
            let found = other(&[(setting, &of(away))]);
            assert_eq!(found.as_deref(), Some(away), "{setting}");
        }
        assert_eq!(other(&[]), None);
        assert_eq!(
            other(&[("KEYWARD_CONTROL_URL", "http://127.0.0.1:9000/")]),
            None
        );
    }

    #[test]
    fn the_region_is_read_off_the_url() {
        let region = |text: &str| region_of(&Url::parse(text).expect("a URL"));
        assert_eq!(
            region("https://abc.lambda-url.eu-central-1.on.aws/").as_deref(),
            Some("eu-central-1")
        );
        assert_eq!(region("http://127.0.0.1:9000/"), None);
    }
}

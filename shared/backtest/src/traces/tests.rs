use std::error::Error;

use super::*;

fn named(name: &str, text: &str) -> File {
    File {
        path: PathBuf::from(format!("{name}.csv")),
        name: name.to_owned(),
        text: text.to_owned(),
        hourly: None,
    }
}

#[test]
fn windows_of_ten_minutes_are_halved_and_nothing_is_lost() {
    let text = "key,t,requests,cv\nb,600,10,0.5\na,0,7,1\na,1200,100,2\n";
    let file = named("servegen_m-x_10min", text);
    let traffic = file.traffic(1).unwrap();
    let names: Vec<&str> = traffic.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let a = &traffic[0].requests;
    assert_eq!(a.len(), 14 * DAY);
    let close = |at: usize, expected: f64| (a[at] + a[at + 1] - expected).abs() < 1e-9;
    assert!(
        close(0, 7.0) && close(2, 0.0) && close(4, 100.0),
        "{:?}",
        &a[..6]
    );
    assert!(a.iter().all(|&half| half >= 0.0));
    assert_eq!(
        file.traffic(1).unwrap()[0].requests,
        *a,
        "the same seed, the same halves"
    );
    assert_ne!(file.traffic(2).unwrap()[0].requests, *a);
    assert!(traffic[0].sizes.is_empty());
}

#[test]
fn sizes_come_from_the_file_beside_and_last_through_hours_without_requests() {
    let hourly = "key,t,requests,input_tokens,output_tokens\n\
                  a,3600,10,900,100\na,10800,2,500,500\nnone,0,5,,\n";
    let mut file = named(
        "servegen_m-x_10min",
        "key,t,requests,cv\na,0,7,1\nnone,0,1,1\n",
    );
    file.hourly = Some(Box::new(named("servegen_m-x_hourly", hourly)));
    let traffic = file.traffic(1).unwrap();
    assert_eq!(
        traffic[0].sizes[..6],
        [100.0, 100.0, 100.0, 500.0, 500.0, 500.0]
    );
    assert_eq!(traffic[0].sizes.len(), 14 * 24);
    assert!(traffic[1].sizes.is_empty(), "no tokens are told of it");
}

#[test]
fn buckets_of_five_minutes_are_summed_and_gaps_are_nothing() {
    let text =
        "time,requests\n2014-04-10 00:04:00,3\n2014-04-10 00:00:30,4\n2014-04-10 00:14:59,5\n";
    let traffic = named("nab_x", text).traffic(1).unwrap();
    assert_eq!(traffic[0].requests, [7.0, 0.0, 5.0]);
    assert_eq!(traffic[0].name, "nab_x");
    let empty = named("nab_x", "time,requests\n").traffic(1).unwrap();
    assert!(empty[0].requests.is_empty());
}

#[test]
fn hours_are_split_in_twelve_and_nothing_is_lost() {
    let traffic = named("burstgpt_hourly", "t,requests\n0,60\n3600,0\n")
        .traffic(3)
        .unwrap();
    let requests = &traffic[0].requests;
    assert_eq!(requests.len(), 24);
    assert!((requests[..12].iter().sum::<f64>() - 60.0).abs() < 1e-9);
    assert_eq!(requests[12..], [0.0; 12]);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (name, text, expected) in [
        (
            "nab_x",
            "time,count\n",
            "nab_x.csv has no column `requests` in its first line",
        ),
        (
            "nab_x",
            "",
            "nab_x.csv has no column `time` in its first line",
        ),
        (
            "nab_x",
            "time,requests\n2014-04-10 00:00:00,1\nnoon,2\n",
            "nab_x.csv, line 3: `time` is not what it should be",
        ),
        (
            "nab_x",
            "time,requests\n2014-04-10 00:00:00,-1\n",
            "nab_x.csv, line 2: `requests` is not what it should be",
        ),
        (
            "nab_x",
            "time,requests\n2014-04-10 00:00:00\n",
            "nab_x.csv, line 2: `requests` is not what it should be",
        ),
        (
            "burstgpt_hourly",
            "requests\nNaN\n",
            "burstgpt_hourly.csv, line 2: `requests` is not what it should be",
        ),
        (
            "servegen_m-x_10min",
            "key,t,requests,cv\na,9999999,1,1\n",
            "servegen_m-x_10min.csv, line 2: `t` is not what it should be",
        ),
    ] {
        let error = named(name, text).traffic(1).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_folder_is_read_by_the_names_of_its_files() {
    let folder = std::env::temp_dir().join(format!("keyward-traces-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    assert!(matches!(files(&folder), Err(TraceError::None { .. })));
    for name in [
        "nab_b.csv",
        "nab_a.csv",
        "servegen_x_10min.csv",
        "servegen_x_hourly.csv",
        "README.md",
        "other.csv",
    ] {
        fs::write(folder.join(name), "time,requests\n").unwrap();
    }
    let found = files(&folder).unwrap();
    let names: Vec<&str> = found.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["nab_a", "nab_b", "servegen_x_10min"]);
    assert!(found[2].hourly.is_some());
    fs::remove_dir_all(&folder).unwrap();
    let error = files(&folder).unwrap_err();
    assert!(error.to_string().ends_with("cannot be read"), "{error}");
    assert!(error.source().is_some());
}

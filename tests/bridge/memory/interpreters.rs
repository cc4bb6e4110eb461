//! Other interpreters, other packages, and failures.

use super::*;

/// A virtual environment like the one of the tests, whose troposphere may be changed.
fn environment(place: &Utf8Path) -> Utf8PathBuf {
    let original = python().parent().unwrap().parent().unwrap().to_owned();
    let library = fs_err::read_dir(original.join("lib")).unwrap().next().unwrap().unwrap().file_name();
    let packages = Utf8PathBuf::from("lib").join(library.to_str().unwrap()).join("site-packages");
    fs_err::create_dir_all(place.join("bin")).unwrap();
    fs_err::create_dir_all(place.join(&packages)).unwrap();
    fs_err::copy(original.join("pyvenv.cfg"), place.join("pyvenv.cfg")).unwrap();
    symlink(python().canonicalize_utf8().unwrap(), place.join("bin/python")).unwrap();
    for entry in fs_err::read_dir(original.join(&packages)).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        let to = place.join(&packages).join(name.to_str().unwrap());
        if name == "troposphere" {
            fs_err::create_dir(&to).unwrap();
            for module in fs_err::read_dir(entry.path()).unwrap().map(Result::unwrap) {
                let from = module.path();
                if module.file_name() == "sqs.py" || module.file_name() == "__pycache__" {
                    continue;
                }
                symlink(&from, to.join(module.file_name().to_str().unwrap())).unwrap();
            }
            fs_err::copy(entry.path().join("sqs.py"), to.join("sqs.py")).unwrap();
        } else {
            symlink(entry.path(), to).unwrap();
        }
    }
    place.join(packages)
}

#[tokio::test]
async fn another_interpreter_or_package_is_another_rendering() {
    let mut project = Project::new();
    let starts = project.count_in_python();
    let cache = Arc::new(Cache::default());
    let plain = changing("Plain");
    expect(&project, &cache, &starts, &plain, 1, "the first time").await;

    let place = project.path().join("environment");
    let packages = environment(&place);
    project.settings.interpreter = Some(place.join("bin/python"));
    let before = expect(&project, &cache, &starts, &plain, 1, "another interpreter").await;
    assert_eq!(run(&project, &cache, &starts, &plain).await.1, 0);

    let module = packages.join("troposphere/sqs.py");
    let text = fs_err::read_to_string(&module).unwrap();
    fs_err::write(&module, format!("{text}\nQueue.resource_type = 'AWS::SQS::Changed'\n")).unwrap();
    let after = expect(&project, &cache, &starts, &plain, 1, "a changed package").await;
    assert_ne!(before, after);

    fs_err::write(packages.join("more.pth"), format!("{}\n", project.path().join("more"))).unwrap();
    expect(&project, &cache, &starts, &plain, 1, "another path").await;
    fs_err::write(packages.join("sqs.py"), "").unwrap();
    fs_err::create_dir(packages.join("new_package-1.0.dist-info")).unwrap();
    expect(&project, &cache, &starts, &plain, 1, "a new package, which may have plugins").await;
    fs_err::write(place.join("pyvenv.cfg"), {
        let text = fs_err::read_to_string(place.join("pyvenv.cfg")).unwrap();
        text.replace("include-system-site-packages = false", "include-system-site-packages = true")
    })
    .unwrap();
    expect(&project, &cache, &starts, &plain, 1, "another setting of the environment").await;
    assert_eq!(run(&project, &cache, &starts, &plain).await.1, 0);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let mut project = Project::new();
    let starts = project.count_in_python();
    let cache = Arc::new(Cache::default());
    let broken = request("blueprints.network.Broken", Value::Object(serde_json::Map::new()));
    for count in 1..=2 {
        project.remembering(&cache).render(&broken).await.unwrap_err();
        assert_eq!(starts.count(), count);
    }
}

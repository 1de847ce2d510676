//! What people see of their settings.

use crate::World;

#[test]
fn everything_with_its_origin_and_no_secret() {
    let world = World::new()
        .file(
            "lifeboat.toml",
            "[[destination]]\nname = \"off\"\nurl = \"s3://user:pass@b/p\"\n\
             [destination.options]\nregion = \"eu\"\nsecret_access_key = \"hush\"\npath_style = true\n\
             [notify]\nwebhook_url = \"https://x/hush\"\n[schedule]\nevery = \"90m\"\n",
        )
        .all(&[("LIFEBOAT_KEY", "hush"), ("LIFEBOAT_RETENTION__KEEP_DAILY", "7")]);
    let shown: Vec<String> = world
        .ok()
        .shown()
        .iter()
        .map(|one| format!("{} = {} ({})", one.key, one.value, one.place))
        .collect();
    assert_eq!(
        shown,
        [
            "enabled = true (default)",
            "local_disk = \"auto\" (default)",
            "take_over = \"never\" (default)",
            "compression = \"balanced\" (default)",
            "fallback_exit = 14 (default)",
            "destination[0].name = \"off\" (lifeboat.toml:2)",
            "destination[0].url = \"s3://********@b/p\" (lifeboat.toml:3)",
            "destination[0].options.path_style = \"true\" (lifeboat.toml:7)",
            "destination[0].options.region = \"eu\" (lifeboat.toml:5)",
            "destination[0].options.secret_access_key = \"********\" (lifeboat.toml:6)",
            "encryption.key = \"********\" (LIFEBOAT_KEY)",
            "schedule.every = \"90m\" (lifeboat.toml:11)",
            "retention.keep_daily = 7 (LIFEBOAT_RETENTION__KEEP_DAILY)",
            "notify.webhook_url = \"********\" (lifeboat.toml:9)",
        ]
    );
    // Nor does it show for those who debug.
    assert!(!format!("{:?} {:?}", world.ok().settings(), world.environment).contains("hush"));
}

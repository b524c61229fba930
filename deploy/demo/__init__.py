"""The demo: the main job, small, as a user would run it, with a report at the end."""

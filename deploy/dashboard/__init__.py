"""The status dashboard: reads what datagen, trainer and evaluation leave on disk and shows it live."""

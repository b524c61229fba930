"""The dataset on disk: schema, store, catalog, writer and reader."""

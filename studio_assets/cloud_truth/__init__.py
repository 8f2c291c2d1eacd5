"""Cloud truth: one asset per source collection, minimal columns, typed and hashed."""

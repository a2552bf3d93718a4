"""Is this bucket fit to hold recordings? `StorageValidator` asks S3, off the event loop."""

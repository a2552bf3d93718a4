"""Compares the recordings that should exist with the objects in the bucket, and says why some are missing.

ids            an id as two 64-bit integers, which every engine joins quickly
keys           what an object's key says: organization, conversation, recording, start hour
expected       reads the file of expected recordings, checks each row and keeps it as Parquet
expected_rows  the rows of that file as they come, from CSV or Parquet
times          a column of times as milliseconds
analytics      the expected conversations of the org's analytics, as Parquet parts of intervals
arrived        the objects that were found, as Parquet parts, and which parts are complete
listing        the objects of a bucket, read in parallel over the tree of their keys
pages          one page of a listing, read quickly
inventory      the objects of an S3 Inventory report; inventory_files finds its files
database       DuckDB with limits
spark          Spark for one answer, on this machine or a cluster
engines        what the query asks of an engine, and which one a name means
histogram      percentiles from counts that can be added up
verification   the query: who arrived, late, empty, missing, extra
report         the verdict, the document and the lists
missing        the list of what is missing, which a verification keeps
reasons        why a recording is missing, by what Genesys says of it, and what to do
kept_metadata  what Genesys said of conversations, while not all have been asked for
why            the reasons of a verification: counts, what is at risk, the document and the list
backfill_plan  which recordings that were never exported are exported by which job
backfill_result  what came of its jobs, and what failed
words          its figures in words
"""

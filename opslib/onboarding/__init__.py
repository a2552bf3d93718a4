"""What is wanted: one target with its policy and webhook, and the YAML file that says so.

models       the fields of an onboarding, and which backend carries which
values       the checks of single values: ids, names, regions, URLs, dates
bucket_name  what can be the name of a bucket, and what the names are that cannot
org          which org it is for, by region and the names of variables
file         the onboarding file: YAML to `Onboarding`, with errors that name file, line and field
yaml_file    reading small YAML files safely, with the line of each field
example      examples to start from, and the onboarding that notebooks work on
"""

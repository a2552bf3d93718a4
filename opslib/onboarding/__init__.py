"""What is wanted: one target with its policy and webhook, and the YAML file that says so.

models     the fields of an onboarding, and which backend carries which
values     the checks of single values: ids, names, buckets, regions, URLs, dates
file       the onboarding file: YAML to `Onboarding`, with errors that name file, line and field
yaml_file  reading small YAML files safely, with the line of each field
example    examples to start from, and the onboarding that notebooks work on
"""

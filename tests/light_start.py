"""A pytest plugin: each process of pytest imports jsonschema without its format "iri", which no test needs and whose
grammars take two seconds to compile."""

import sys

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

"""dlt's REST source with merge. Reads a JSON object from the standard input, prints seconds and rows.

Each further line of it asks for what has changed, in the same process: ``{"known": .., "database_url": ..,
"place": ..}`` comes first, ``place`` being where dlt keeps its state.
"""

import json
import resource
import sys
import time
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source
from lists import LISTS, headers


def source(known: dict[str, Any]) -> Any:
    resources = [
        {
            "name": name,
            "primary_key": "id",
            "write_disposition": "merge",
            "endpoint": {
                "path": path.format(tenant=known["tenant_id"]),
                "params": {"pageSize": 5000},
                "data_selector": "data",
                "incremental": {
                    "start_param": "modifiedOnOrAfter",
                    "cursor_path": "modifiedOn",
                    "initial_value": "2000-01-01T00:00:00Z",
                },
                "paginator": {
                    "type": "page_number",
                    "base_page": 1,
                    "page_param": "page",
                    "total_path": None,
                    "has_more_path": "hasMore",
                },
            },
        }
        for name, path in LISTS.items()
    ]
    client = {"base_url": known["url"] + "/", "headers": headers(known)}
    return rest_api_source({"client": client, "resources": resources})


def run(pipeline: Any, known: dict[str, Any]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    pipeline.run(source(known))
    rows = pipeline.last_trace.last_normalize_info.row_counts
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "rows": sum(rows.get(name, 0) for name in LISTS),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    facts = json.loads(sys.stdin.readline())
    pipeline = dlt.pipeline(
        "rival",
        destination=dlt.destinations.postgres(facts["database_url"]),
        dataset_name="dlt",
        pipelines_dir=facts["place"],
    )
    print(json.dumps(run(pipeline, facts["known"])), flush=True)
    for _ in sys.stdin:  # each further line asks for what has changed
        print(json.dumps(run(pipeline, facts["known"])), flush=True)


if __name__ == "__main__":
    main()

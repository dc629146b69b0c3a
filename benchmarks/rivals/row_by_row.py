"""One upsert after the other, pages of a hundred: what a first script for such a job looks like.

Reads ``{"known": .., "database_url": ..}`` from the standard input, prints seconds and rows. A page is one
transaction; the document and its time go into one table for each list.
"""

import json
import sys
import time
import urllib.request
from typing import Any

import psycopg
from lists import LISTS, headers

PAGE = 100


def pages(url: str, path: str, carried: dict[str, str]) -> Any:
    number, more = 1, True
    while more:
        request = urllib.request.Request(f"{url}/{path}?page={number}&pageSize={PAGE}", headers=carried)
        with urllib.request.urlopen(request, timeout=60) as answer:
            page = json.load(answer)
        yield page["data"]
        number, more = number + 1, page["hasMore"]


def main() -> None:
    facts = json.loads(sys.stdin.readline())
    known = facts["known"]
    carried = headers(known)
    rows = 0
    wall, cpu = time.perf_counter(), time.process_time()
    with psycopg.connect(facts["database_url"]) as connection:
        for name, path in LISTS.items():
            connection.execute(
                f"create table {name} (id bigint primary key, modified_on timestamptz, data jsonb not null)"
            )
            for records in pages(known["url"], path.format(tenant=known["tenant_id"]), carried):
                for record in records:
                    connection.execute(
                        f"insert into {name} values (%s, %s, %s) on conflict (id) do update set "
                        "modified_on = excluded.modified_on, data = excluded.data",
                        (record["id"], record["modifiedOn"], json.dumps(record)),
                    )
                connection.commit()
                rows += len(records)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "rows": rows}))


if __name__ == "__main__":
    main()

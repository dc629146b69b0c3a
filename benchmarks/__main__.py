"""``make bench``: every benchmark, one after the other; what is given goes to that of the sync."""

import sys

from benchmarks import freshness, gateway, gateway_reads, growth, requests, stream, sync

if __name__ == "__main__":
    sync.main()
    sys.argv[1:] = []
    for other in (growth, requests, freshness, gateway, gateway_reads, stream):
        other.main()

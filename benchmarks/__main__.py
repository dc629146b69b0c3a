"""``make bench``: every benchmark, one after the other."""

from benchmarks import gateway, gateway_reads, sync

if __name__ == "__main__":
    sync.main()
    gateway.main()
    gateway_reads.main()

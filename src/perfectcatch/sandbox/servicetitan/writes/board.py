from perfectcatch.sandbox.servicetitan.writes.kinds import Area

WRITES: Area = {}

# PostgreSQL in the folder $1 for $2 seconds: clients at work, every process killed, recovery, and whether all is there.
# As root everything is done by the user `postgres`. Prints what is wrong, and the number of transactions.
# With a third word the database is there, and only looked at.
PATH=/usr/lib/postgresql/15/bin:$PATH
dir=$1
[ "$(id -u)" != 0 ] || by='setpriv --reuid=postgres --regid=postgres --clear-groups --'
start() {
  # The processes of one that was killed may still be on their way out.
  for _ in $(seq 100); do
    $by pg_ctl -s -w -D "$dir/data" -l "$dir/log" -o "-k $dir -h '' -c shared_buffers=32MB" start 2>/dev/null && return
  done
  tail -n 20 "$dir/log"
  exit 1
}
ask() { $by psql -X -h "$dir" -Atc "$1" postgres; }
look() {
  # pgbench moves the same amounts in four tables.
  ask 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)
    and (select sum(tbalance) from pgbench_tellers) = (select sum(bbalance) from pgbench_branches)'
  ask 'create extension if not exists amcheck' >/dev/null
  $by pg_amcheck -h "$dir" --heapallindexed postgres
}
if [ $# = 2 ]; then
  mkdir "$dir"
  [ -z "$by" ] || chown postgres "$dir"
  cd "$dir"
  $by initdb -k -A trust -D "$dir/data" >/dev/null
  start
  $by pgbench -q -i -s 3 -h "$dir" postgres 2>/dev/null
  $by pgbench -h "$dir" -c 4 -j 2 -T "$2" postgres >"$dir/bench" 2>&1
  grep -q 'number of failed transactions: 0 ' "$dir/bench"
  $by pgbench -n -h "$dir" -c 4 -T 60 postgres >/dev/null 2>&1 &
  # Some of the transactions are done, others on their way.
  before=$(ask 'select count(*) from pgbench_history')
  while [ "$(ask 'select count(*) from pgbench_history')" -lt $((before + 100)) ]; do :; done
  # The first takes the others with it, some of which end by themselves meanwhile.
  kill -9 $(grep -ls '^postgres$' /proc/[0-9]*/comm | cut -d/ -f3) 2>/dev/null || true
  wait
  start
  [ "$(ask 'select count(*) from pgbench_history')" -ge $((before + 100)) ]
else
  cd "$dir"
  start
fi
look
$by pg_ctl -s -w -D "$dir/data" stop
$by pg_checksums --check -D "$dir/data" | grep 'Bad checksums'

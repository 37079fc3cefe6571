#!/usr/bin/env bash
# Starts Ceph's S3 gateway on loopback, with one monitor and one storage daemon in memory: nothing is kept. Needs Debian's radosgw, ceph-mon and ceph-osd.
# Prints where it is and its account, for `npm run accept -- other-s3`:  eval "$(test/servers/radosgw.sh)"
# RADOSGW_FOLDER (default: a new temporary folder) holds sockets, logs and the process ids; `test/servers/radosgw.sh stop FOLDER` ends them.
set -euo pipefail

if [[ ${1:-} == stop ]]; then
  for pid in "$2"/run/*.pid; do kill "$(cat "$pid")" || true; done
  exit
fi

folder=${RADOSGW_FOLDER:-$(mktemp -d)}
port=${RADOSGW_PORT:-7480}
conf=$folder/ceph.conf
export CEPH_CONF=$conf
mkdir -p "$folder"/{mon,osd,run}
fsid=$(cat /proc/sys/kernel/random/uuid)
osd=$(cat /proc/sys/kernel/random/uuid)
cat >"$conf" <<CONF
[global]
fsid = $fsid
mon host = v1:127.0.0.1:$((port + 1))
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
mon allow pool size one = true
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
mon data = $folder/mon
osd data = $folder/osd
run dir = $folder/run
admin socket = $folder/run/\$name.asok
pid file = $folder/run/\$name.pid
log file = $folder/run/\$name.log
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr2 = false
rgw frontends = beast endpoint=127.0.0.1:$port
CONF
{
  monmaptool --create --fsid "$fsid" --addv a "[v1:127.0.0.1:$((port + 1))]" "$folder/monmap"
  ceph-mon -i a --mkfs --monmap "$folder/monmap"
  ceph-mon -i a
  timeout 60 ceph osd new "$osd"
  ceph-osd -i 0 --mkfs --osd-uuid "$osd"
  timeout 60 ceph osd crush add osd.0 1 root=default host=here
  ceph-osd -i 0
  radosgw -n client.rgw.a
  for _ in $(seq 120); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    sleep 1
  done
  timeout 60 radosgw-admin user create --uid=test --display-name=test --access-key=AKIDTEST --secret-key=test-secret-key
} >"$folder/start.log" 2>&1 || {
  echo "the gateway did not start: see $folder/start.log" >&2
  exit 1
}
printf 'export S3_ENDPOINT=http://127.0.0.1:%s S3_ACCESS_KEY_ID=AKIDTEST S3_SECRET_ACCESS_KEY=test-secret-key RADOSGW_FOLDER=%s\n' "$port" "$folder"

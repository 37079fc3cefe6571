// The restore_command of a sandbox: takes what the process that made the sandbox lays down, and waits for it. No program is started for a segment.
//
//   wharf-wal/<segment>        whole
//   wharf-wal/<segment>.none   the repository has nothing of it
//   wharf-wal/<n>.history      all of them, before the server starts
//   wharf-wal/want             what the server waits for
//   wharf-wal/failed           the repository cannot be read
//   wharf-wal/.…               being written
import { shellQuoted } from '../../base/shell.ts'

/** Within the data directory. */
export const feedFolder = 'wharf-wal'
export const feedScript = 'wharf-wal-get.sh'

/** PostgreSQL takes every code above 125 as "stop". */
const [MISSING, FAILED] = [1, 200]

/** `pid`: who feeds. Where processes of others cannot be seen its death is noticed by the next process that sweeps sandboxes. */
export function feedScriptText(folder: string, pid: number): string {
  return `# Written by wharf for restore_command: sh ${feedScript} SEGMENT DESTINATION.
feed=${shellQuoted(folder)}
case $1 in *.history)
  test -d "$feed" || exit ${FAILED}
  test -f "$feed/$1" || exit ${MISSING}
  cp "$feed/$1" "$2" || exit ${FAILED}
  exit 0 ;;
esac
waits=0
while :; do
  if test -f "$feed/$1"; then
    # What was wanted is so no more before the segment goes: who feeds takes a wish that is left for another one.
    test $waits -eq 0 || rm -f "$feed/want"
    mv -f "$feed/$1" "$2" && exit 0
    test ! -f "$feed/$1" || exit ${FAILED}
    # It was taken back in between, and comes again.
    waits=0
  fi
  test -f "$feed/$1.none" && exit ${MISSING}
  { test -d "$feed" && test ! -f "$feed/failed"; } || exit ${FAILED}
  test $((waits % 100)) -gt 0 || { echo "$1" >"$feed/.want" && mv -f "$feed/.want" "$feed/want"; } || exit ${FAILED}
  waits=$((waits + 1))
  test $((waits % 100)) -gt 0 || test ! -d /proc/1 || test -d /proc/${pid} || exit ${FAILED}
  sleep 0.01 2>/dev/null || sleep 1
done
`
}

/** A shell that cannot run the script ends with 1, 2 or 127, which must not look like the end of WAL: who sees no script stops. */
export function feedCommand(script: string): string {
  const quoted = shellQuoted(script).replaceAll('%', '%%')
  return `test -r ${quoted} || exit ${FAILED}; /bin/sh ${quoted} %f "%p"; case $? in 0) exit 0 ;; ${MISSING}) exit 1 ;; *) exit ${FAILED} ;; esac`
}

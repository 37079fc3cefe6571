// What restore_command runs: takes a segment that was fetched ahead, and else asks `wharf wal get`. A shell starts in a millisecond, Node in a hundred.
import { shellQuoted } from '../../base/shell.ts'
import { spoolName } from '../get/ahead/spool.ts'

/** Name of the script within a data directory. */
export const restoreScriptName = 'wharf-wal-get.sh'
/** What `wal get` is told to end with for "not in the repository". */
export const missingExit = 44

/** About a minute, then the repository is asked although somebody claims to be fetching. */
const MOST_WAITS = 3000

/** `call`: program and arguments of `wal get`, up to the name of the segment. */
export function restoreScript(call: readonly string[]): string {
  return `# Written by wharf for restore_command: sh ${restoreScriptName} SEGMENT DESTINATION, in the data directory.
# 0: the segment lies there; ${missingExit}: the repository does not have it; anything else: a failure.
# A segment that was fetched ahead lies in ${spoolName} with its checksum in its name (see cksum), and is taken by renaming it.
take() {
  for file in ${spoolName}/"$1".[0-9]*; do
    test -f "$file" || return 1
    sum=$(cksum <"$file") && test "\${sum%% *}" = "\${file##*.}" && mv -f "$file" "$2" && exit 0
    rm -f "$file"
  done
  return 1
}
take "$1" "$2"
waits=0
while test -e ${spoolName}/"$1".coming && test $waits -lt ${MOST_WAITS}; do
  read -r pid _ 2>/dev/null <${spoolName}/lock && kill -0 "$pid" 2>/dev/null || break
  sleep 0.02 2>/dev/null || { sleep 1; waits=$((waits + 49)); }
  waits=$((waits + 1))
done
take "$1" "$2"
exec ${call.map(shellQuoted).join(' ')} --missing-exit ${missingExit} "$1" "$2"
`
}

// What recovery_end_command runs where nobody waits for the server (without --start): what only replay needs goes by itself, keys of the repository's data among it. PostgreSQL runs
// it in the data directory when the target is reached, the last WAL is replayed and the signal file is gone, before anybody is let in; a failure is a warning in its log.
import { basename, join } from 'node:path'

import { shellQuoted } from '../../base/shell.ts'
import { spoolName } from '../get/ahead/spool.ts'
import type { Owner } from './owner.ts'
import { beginMark, endMark } from './settings.ts'
import { writeOwned } from './small-files.ts'

/** Name of the script within a data directory. */
export const endScriptName = 'wharf-recovery-end.sh'

/**
 * PostgreSQL gives up opening where a command ends with 126 or 127, as a shell does that lacks the script or a program in it; whatever fails here must be no more than a
 * warning. Nor is it one where the setting outlives the script: in a standby made from this server, say.
 */
export const endCommand = `test ! -f ${endScriptName} || /bin/sh ${endScriptName} || exit 1`

const auto = 'postgresql.auto.conf'
const lines = `/^${beginMark}$/,/^${endMark}$/d`

/** `leftovers`: names in the data directory. */
export function endScript(leftovers: readonly string[]): string {
  const plain = leftovers.filter((name) => name !== spoolName).map(shellQuoted)
  return `# Written by wharf for recovery_end_command: what only replay needed goes, this script too.
set -e
umask 077
# Out of the way in one step: who fetches WAL ahead may be writing there still.
if test -d ${spoolName}; then mv -f ${spoolName} ${spoolName}.gone; fi
rm -rf ${[`${spoolName}.gone`, ...plain].join(' ')}
if grep -qxF -e ${shellQuoted(endMark)} ${auto}; then
  cp -p ${auto} .${auto}.wharf
  sed ${shellQuoted(lines)} ${auto} >.${auto}.wharf
  sync .${auto}.wharf 2>/dev/null || sync
  mv -f .${auto}.wharf ${auto}
elif grep -qF -e ${endScriptName} ${auto}; then
  echo 'wharf: recovery settings are still in ${auto}: ALTER SYSTEM has taken away the marks around them; reset them by hand' >&2
fi
rm -f ${endScriptName}
`
}

/** Resolves to the recovery_end_command. */
export async function writeEndScript(
  root: string,
  leftovers: readonly string[],
  owner: Owner | undefined,
): Promise<string> {
  await writeOwned(join(root, endScriptName), endScript(leftovers.map((path) => basename(path))), owner)
  return endCommand
}

/** The same by hand. */
export function byHand(root: string, leftovers: readonly string[]): string {
  const paths = [...leftovers, join(root, endScriptName)].map(shellQuoted).join(' ')
  const settings = join(root, auto)
  // Not every sed changes a file in place without a name for what it was.
  return `rm -rf ${paths}; sed -i.before ${shellQuoted(lines)} ${shellQuoted(settings)} && rm ${shellQuoted(`${settings}.before`)}`
}

// What a process reads, seen from outside: bytes per file, from the log of strace -f -y.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/** Puts strace before a command. Only calls that open or read files are traced; io_uring is off, since strace cannot see into it. */
export function straceInto(log: string): readonly string[] {
  return [
    'strace',
    '-f',
    '-y',
    '-s',
    '0',
    '-qq',
    '-E',
    'UV_USE_IO_URING=0',
    '-e',
    'trace=openat,open,read,pread64,readv,preadv,preadv2',
    '-o',
    log,
  ]
}

export interface FilesRead {
  /** Path → bytes that read calls returned. Files that were opened and not read have 0. */
  readonly bytes: ReadonlyMap<string, number>
}

/** Only files below `directory`; paths relative to it. */
export async function filesRead(log: string, directory: string): Promise<FilesRead> {
  const bytes = new Map<string, number>()
  const begun = new Map<string, string>()
  const note = (path: string | undefined, count: number): void => {
    if (!path?.startsWith(`${directory}/`) || count < 0) return
    const relative = path.slice(directory.length + 1)
    bytes.set(relative, (bytes.get(relative) ?? 0) + count)
  }
  for await (const line of createInterface({ input: createReadStream(log) })) {
    const [, pid = '', call = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const result = Number(/= (-?\d+)(?:<|$| )/.exec(call)?.[1] ?? -1)
    if (/^open(at)?\(/.test(call))
      note(/"(\/[^"]*)"/.exec(call)?.[1], result < 0 && !call.includes('unfinished') ? -1 : 0)
    else if (call.startsWith('<...')) {
      note(begun.get(pid), result)
      begun.delete(pid)
    } else if (/^p?read/.test(call)) {
      const path = /^\w+\(\d+<([^>]*)>/.exec(call)?.[1]
      if (call.includes('<unfinished')) begun.set(pid, path ?? '')
      else note(path, result)
    }
  }
  return { bytes }
}
